"""The course in Portuguese, as `b3 tutorial --lang pt-BR` runs it, on two shares and two months.

It has a local AWS of its own: what the English course has left would make it refine half a year.
"""

import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

from b3pipeline.deployment import sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
NAMES = [path.stem for path in sorted((ROOT / "notebooks" / "pt-BR").glob("*.ipynb"))]
SMALL = ("tickers=PETR4,VALE3", "end=2024-02-29", "remove=false")
ENGLISH = re.compile(r"\b(the|of|and|with|which|from|that|are|was|has|run|runs|rows?|objects?)\b")
# What AWS, pyarrow, pandas and matplotlib say in their own words, a path, a log, a code's string.
WORDS_OF_OTHERS = re.compile(
    r"^/\S+$|^rows$|Run > Run All Cells|\(dry run\)|AccessDenied: .*|Parquet magic bytes not .*"
    r"|<Figure size .* with .*>|^Name: starts a run, dtype: bool$"
    r"|^batch \S+ had been cut off, and is complete now$"
)
# What these cells show is code, or a log.
SHOWS_CODE = re.compile(r"show_source|show_sql|lambda_log|follow_run")


def words_of(output):
    """Return what a person reads in an output: of HTML what is neither code nor preformatted."""
    data = output.get("data", {})
    if "text/html" not in data:
        return output.get("text") or data.get("text/plain", "")
    page = BeautifulSoup(data["text/html"], "html.parser")
    for code in page.select("code, pre, style"):
        code.decompose()
    return page.get_text("\n")


def english_in(text):
    """Return the lines of a text in which English words are left that are nobody else's."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if ENGLISH.search(WORDS_OF_OTHERS.sub("", line))]


class PortugueseCourse:
    """A run of the course in a checkout of its own, and what came of it."""

    def __init__(self, root, environment, run):
        self.root, self.environment, self.run = root, environment, run
        given = [word for pair in SMALL for word in ("--param", pair)]
        command = ["b3pipeline.cli", "tutorial", "--lang", "pt-BR", *given]
        self.answer = run(root, environment, *command)
        self.executed = root / "build" / "notebooks" / "pt-BR"
        self.report = root / "build" / "report" / "pt-BR" / "index.html"

    def notebook(self, name):
        return nbformat.read(self.executed / f"{name}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def portuguese(tmp_path_factory, new_checkout, clean_environment, run_in):
    """One run for every test below; its local AWS stands until their end."""
    root = new_checkout(tmp_path_factory.mktemp("curso") / "checkout")
    sandbox.up(root=root, port=0)
    try:
        yield PortugueseCourse(root, clean_environment(root), run_in)
    finally:
        sandbox.down(root)


def test_the_course_runs_to_its_end_and_says_so_in_portuguese(portuguese):
    """Exit code 0; where the notebooks and the page are is a folder of the language."""
    assert portuguese.answer.returncode == 0, portuguese.answer.stderr[-3000:]
    said = portuguese.answer.stdout
    assert f"Relatório, para abrir no navegador: {portuguese.report}" in said
    assert f"Notebooks executados: {portuguese.executed}" in said


@pytest.mark.parametrize("name", NAMES)
def test_each_executed_notebook_is_whole(portuguese, name):
    """Every code cell ran, in order, and none left an error."""
    cells = [cell for cell in portuguese.notebook(name).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]


def test_the_verdicts_of_the_exercises_are_in_portuguese(portuguese):
    """And the solutions, which ran, are right."""
    texts = [
        output.data["text/plain"]
        for name in NAMES
        for cell in portuguese.notebook(name).cells
        if "check" in cell.metadata.get("tags", [])
        for output in cell.outputs
    ]
    assert len(texts) >= 9
    assert [text for text in texts if not text.startswith("✔ A solução")] == []


def test_the_report_is_a_page_in_portuguese(portuguese):
    """Its language is told to browsers; its chapters, plots and figures are there."""
    page = BeautifulSoup(portuguese.report.read_text(), "html.parser")
    assert page.html["lang"] == "pt-BR"
    assert [page.find(id=name) for name in NAMES].count(None) == 0
    assert len(page.select("figure img")) >= 13
    assert "simulad" in page.get_text()


def test_the_report_has_no_english_left_but_code_and_logs(portuguese):
    """Words that no Portuguese sentence has, outside of code, are none of the page."""
    page = BeautifulSoup(portuguese.report.read_text(), "html.parser")
    for code in page.select("code, pre, style, details.code"):
        code.decompose()
    assert english_in(page.get_text("\n")) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_outputs_have_no_english_left_but_code_and_logs(portuguese, name):
    """Tables, prints, progress bars, values: the report does not show them all."""
    left = [
        line
        for cell in portuguese.notebook(name).cells
        if not SHOWS_CODE.search(cell.source)
        for output in cell.get("outputs", ())
        for line in english_in(words_of(output))
    ]
    assert left == []


def test_executed_again_a_notebook_says_the_same(portuguese):
    """The first one by nbval, as all its English twins: ids and times aside."""
    path = portuguese.executed / "01_provisioning_check.ipynb"
    sanitize = Path(__file__).with_name("sanitize.cfg")
    options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(sanitize)]
    quiet = ["-q", "-c", "/dev/null", "--rootdir", str(portuguese.root), "-p", "no:cacheprovider"]
    sooner = ["-p", "b3pipeline.plain_addresses"]  # nbval is imported in a third of the time
    answer = portuguese.run(
        portuguese.root, portuguese.environment, "pytest", *sooner, *quiet, *options, str(path)
    )
    assert answer.returncode == 0, answer.stdout[-6000:]
