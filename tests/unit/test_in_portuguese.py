"""Each place that speaks to a student does so in Portuguese, and in English where nobody asks."""

import ast
import datetime as dt
import errno
import os
import re
import string
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
import typer

mpl.use("agg")

import matplotlib.pyplot as plt

from b3pipeline import cli, costs, plots
from b3pipeline.athena import QueryResult
from b3pipeline.checks import check_machine
from b3pipeline.course.exercises.verdict import Exercise, judged
from b3pipeline.course.notebooks import report
from b3pipeline.deployment import sandbox
from b3pipeline.errors import B3Error
from b3pipeline.ingest.batch import Batch
from b3pipeline.job.spark import bad_objects
from b3pipeline.job.work import Work
from b3pipeline.lake import BatchManifest, Gap
from b3pipeline.language import english, later, retold, say
from b3pipeline.names import normalise_ticker
from b3pipeline.refine.owed import Batches
from b3pipeline.refine.runs import _job_run

ROOT = Path(__file__).parents[2]
GAP = Gap("PETR4", "2024-01-03", "held back, prices_positive: a price is not above zero")
MANIFEST = BatchManifest(
    bucket="raw", batch_id="20240701T120000Z-1", source="sample", simulated=True, interval="1d",
    created_at=dt.datetime(2024, 7, 1, 12, tzinfo=dt.UTC), start=dt.date(2024, 1, 2),
    end=dt.date(2024, 1, 3), rows=1240, partitions={"PETR4": ["2024-01-02"]}, missing=(GAP,),
)  # fmt: skip


def plot(tmp_path):
    """The title of a plot."""
    days = [dt.date(2024, 1, 2), dt.date(2024, 1, 3)]
    frame = pd.DataFrame({"trade_date": days, "ticker": "AAAA3", "drawdown": [0.0, -0.431]})
    title = plots.drawdown(frame).figure.get_suptitle()
    plt.close("all")
    return title


def verdict(tmp_path):
    """The verdict on an exercise."""
    return repr(judged(Exercise("above", later("what"), lambda *_: ""), {}))


def error(tmp_path):
    """An error, with what to try."""
    with pytest.raises(B3Error) as caught:
        normalise_ticker("x")
    return str(caught.value)


def page(tmp_path):
    """The report."""
    return report((), tmp_path / "index.html", {say("bronze objects"): 1240}).read_text()


def answer(tmp_path):
    """What a query says of itself."""
    return QueryResult(pd.DataFrame({"a": range(1240)}), "q", "", 2048, 1.5, 0.01).summary


PLACES = {
    plot: (
        "AAAA3 fell deepest: 43.1% below its high on 3 Jan 2024",
        "AAAA3 teve o maior drawdown: 43,1% em 3 jan. 2024",
    ),
    verdict: (
        "○ Not solved yet: bind above. Hint: what",
        "○ Ainda sem resposta: defina above. Dica: o quê",
    ),
    error: (
        "'x' is not a ticker of B3. Try: four letters and one or two digits, such as PETR4",
        "'x' não é um código da B3. O que fazer: quatro letras e um ou dois algarismos, por",
    ),
    page: ('<html lang="en">', '<html lang="pt-BR">'),
    lambda tmp_path: page(tmp_path).split("<dl")[1]: ("bronze objects", "objetos no bronze"),
    lambda tmp_path: page(tmp_path).split("<dd>")[1]: ("1,240</dd>", "1.240</dd>"),
    answer: ("1,240 rows · 1.5 s · 2.0 KB", "1.240 linhas · 1,5 s · 2,0 KB"),
    lambda tmp_path: str(check_machine(tmp_path, None)): ("ok    disk: ", "ok    disco: "),
    lambda tmp_path: check_machine(tmp_path, None)._repr_html_(): ("what to do", "o que fazer"),
    lambda tmp_path: str(Batches(1240, (), (), ())): (
        "Batches: 1,240 refined, 0 at work, 0 owed.",
        "Lotes refinados: 1.240; em andamento: 0; pendentes: 0.",
    ),
    lambda tmp_path: str(Batch(MANIFEST, 2.5)): (
        "  missing PETR4 2024-01-03: held back, prices_positive: a price is not above zero",
        "  faltando PETR4 2024-01-03: retida, prices_positive: um preço não está acima de zero",
    ),
    lambda tmp_path: costs.pipeline_cost()._repr_html_(): (
        "What this costs on AWS; us-east-1 list prices of November 2026",
        "Quanto isso custa na AWS; preços de tabela da us-east-1 em novembro de 2026",
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_speaks_the_language_of_its_reader(place, monkeypatch, tmp_path):
    """English without a word, Portuguese with B3_LANG."""
    english, portuguese = PLACES[place]
    said = place(tmp_path)
    assert english in said
    monkeypatch.setenv("B3_LANG", "pt_BR")
    said = place(tmp_path)
    assert portuguese in said


def test_what_is_stored_of_a_batch_is_english_in_any_language(monkeypatch):
    """The manifest is data: the refine and everybody else's programs read it."""
    plain = MANIFEST.to_json()
    monkeypatch.setenv("B3_LANG", "pt_BR")
    assert MANIFEST.to_json() == plain
    assert MANIFEST.label == "sample (simulated)"
    assert "a price is not above zero" in plain


def test_a_stored_reason_is_told_again_with_what_it_holds(monkeypatch):
    """Its template is found by its words; what is nobody's message stays as it is."""
    stored = "a split of 2 on 2024-03-04, and its history did not come: Yahoo has no such symbol"
    assert retold(stored) == stored
    monkeypatch.setenv("B3_LANG", "pt_BR")
    assert retold(stored) == (
        "um desdobramento de 2 em 2024-03-04, e o histórico não veio: o Yahoo não tem esse código"
    )
    assert retold("HTTP 418, I'm a teapot") == "HTTP 418, I'm a teapot"
    assert retold("it is not a whole Parquet object") == "it is not a whole Parquet object"


def test_a_full_disk_is_told_again_whoever_met_it(monkeypatch):
    """The system, or SQLite, whose words begin as a name of ours does."""
    monkeypatch.setenv("B3_LANG", "pt_BR")
    place = "/state (0.1 MB, 9 files free)"
    advice = "Free some space or files there; then it goes on by itself."
    for said in ("No space left on device", "database or disk is full"):
        told = retold(f"At 2024-01-02 10:00:00 glue was not written: {said} in {place}. {advice}")
        assert "Libere espaço" in told
        assert f"em {place}" in told
        assert "disk" not in told


def b3(*arguments):
    """Return what the command line says in Portuguese, on both streams."""
    command = [str(Path(sys.executable).with_name("b3")), *arguments]
    environment = {**os.environ, "B3_LANG": "pt_BR", "COLUMNS": "100"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr


@pytest.mark.process
def test_the_command_line_helps_in_portuguese():
    """The verbs, the options, and the words that Typer itself writes."""
    said = b3("ingest", "--help")
    assert "Uso: b3 ingest [OPÇÕES]" in said
    assert "Busca cotações e as grava no bronze" in said
    assert "Primeira data, AAAA-MM-DD." in said
    assert "Opções" in said
    assert "[padrão: sample]" in said
    assert "Mostra esta mensagem e sai." in said


@pytest.mark.process
def test_the_command_line_fails_in_portuguese(tmp_path, monkeypatch):
    """One sentence, and what to try."""
    said = b3("reconcile", "--start", "2024-01-02", "--target", "nowhere")
    assert said == (
        "erro: o alvo é 'nowhere'.\n"
        "  o que fazer: use 'local' para a AWS da sua máquina, ou 'aws' para a sua conta.\n"
    )


def helps(command, name="b3"):
    """Yield the name and the help of a command, of its options, and of the commands below it."""
    yield name, command.help
    for option in command.params:
        yield f"{name} {option.name}", getattr(option, "help", None)
    for below, verb in getattr(command, "commands", {}).items():
        yield from helps(verb, f"{name} {below}")


def test_every_verb_and_option_has_its_help_in_portuguese(monkeypatch):
    """None is what it is in English."""
    english = dict(helps(cli.command_line()))
    monkeypatch.setenv("B3_LANG", "pt_BR")
    monkeypatch.setenv("LANGUAGE", "pt_BR")
    portuguese = dict(helps(cli.command_line()))
    assert len(english) > 80
    assert [name for name, text in english.items() if text and portuguese[name] == text] == []


def make_help(**environment):
    """Return what `make help` says of each verb."""
    unset = dict.fromkeys(("MAKEFLAGS", "MAKELEVEL", "LC_ALL", "LANG"), "")
    ran = subprocess.run(
        ["make", "help"], cwd=ROOT, env={**os.environ, **unset, **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(line.split(maxsplit=2)[1:] for line in ran.stdout.splitlines())


@pytest.mark.process
@pytest.mark.parametrize("asked", [{"B3_LANG": "pt_BR"}, {"LANG": "pt_BR.UTF-8"}], ids=str)
def test_make_helps_in_the_readers_language(asked):
    """Each verb has a line in both; a verb without one would have no text here."""
    english, portuguese = make_help(), make_help(**asked)
    assert len(english) > 15
    assert english["down"] == "stop the local AWS; its data stays"
    assert portuguese["down"] == "para a AWS local; os dados ficam"
    assert list(portuguese) == list(english)
    assert [verb for verb, text in english.items() if portuguese[verb] == text] == []


def test_why_a_run_failed_is_told_in_portuguese(monkeypatch):
    """Glue keeps the job's English; a reader is told the place, the reason, and what to do."""
    problems = {"raw/b3/dt=2024-03-04/ticker=BBAS3/data.parquet": "the object has zero bytes"}
    work = Work("batch", {}, ["20240304T1-1", "20240305T1-2"], {}, False, {}, 0)
    stored = f"b3pipeline.errors.RefineError: {bad_objects(problems, work, 'raw')}"
    assert "1 bronze object(s) cannot be refined" in stored
    monkeypatch.setenv("B3_LANG", "pt_BR")
    answer = {"Id": "jr_1", "JobName": "j", "JobRunState": "FAILED", "ErrorMessage": stored}
    run = _job_run({**answer, "StartedOn": dt.datetime(2024, 3, 4, tzinfo=dt.UTC)})
    assert run.error == (
        "b3pipeline.errors.RefineError: 1 objeto(s) do bronze não podem ser refinados: "
        "raw/b3/dt=2024-03-04/ticker=BBAS3/data.parquet: o objeto tem zero bytes. "
        "Até lá esperam estes lotes: 20240304T1-1, 20240305T1-2. "
        "O que fazer: faça de novo a ingestão desses pregões, ou ponha os objetos de lado e refine "
        "o resto com --on_bad_object quarantine (`b3 refine --manifest "
        "s3://raw/raw/b3/_batches/20240305T1-2.json --quarantine`)."
    )
    assert english(run.error) == stored


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ingest", "--windo", "3"], "Não existe a opção --windo (parecidas: --end, --wait, --win"),
        (["inges"], "Não existe o comando 'inges'. Você quis dizer 'ingest'?"),
        (["ingest", "--start"], "A opção '--start' precisa de um valor."),
        (["ingest", "--json=3"], "A opção '--json' não aceita um valor."),
        (["query"], "Falta o argumento 'sql'."),
        (["refine", "x"], "Há argumentos a mais (x)"),
        (["ingest", "--window", "x"], "Valor inválido para '--window': precisa ser um número int"),
        (["local", "up", "--port", "70000"], "'--port': precisa ser no máximo 65535"),
    ],
)
def test_typers_own_errors_are_in_portuguese(arguments, sentence, monkeypatch):
    """It says them in English alone; a version that words them otherwise turns this red."""
    monkeypatch.setenv("B3_LANG", "pt_BR")
    monkeypatch.setenv("LANGUAGE", "pt_BR")
    with pytest.raises(typer.TyperException) as caught:
        cli.command_line().main(arguments, "b3", standalone_mode=False)
    assert sentence in caught.value.format_message()


def test_what_the_local_aws_is_known_to_say_it_says():
    """A sentence that it says otherwise would reach a student in English, and nobody would see."""
    said = set()
    for path in (ROOT / "localaws/src/localaws").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.add(node.value)
    told = "\n".join(said).replace("give another folder with --state-dir", sandbox._OTHER_FOLDER)
    parts = [
        part.strip(" .")
        for template in sandbox.LOCAL_AWS_SAYS
        for text, *_ in string.Formatter().parse(template)
        for part in re.split(r"[.;]\s", text)  # it may add a sentence to another
    ]
    unknown = {part for part in parts if part not in told}
    system = {os.strerror(n) for n in (errno.EADDRINUSE, errno.ENOSPC, errno.EACCES, errno.EROFS)}
    of_sqlite = "database or disk is full"
    assert unknown == system | {f"{os.strerror(errno.ENOSPC)} in", f"{of_sqlite} in"}
