"""Copies to work in, a reset that loses nothing, notebooks to hand out, a roster."""

import datetime as dt
import json
import shutil
import subprocess

import nbformat
import pytest
from typer.testing import CliRunner

from b3pipeline.classroom.handout import hand_out
from b3pipeline.classroom.roster import read_roster
from b3pipeline.classroom.work import refresh, reset
from b3pipeline.cli import app
from b3pipeline.errors import B3Error, ConfigError, NotebookError

NOW = dt.datetime(2026, 3, 2, 14, 5, 6, tzinfo=dt.UTC)
NAMES = ("01_first", "02_second")


def notebook(*sources):
    """Return the text of a notebook: a parameter cell, then code cells."""
    cells = [nbformat.v4.new_code_cell(source, id=f"c{n}") for n, source in enumerate(sources)]
    cells[0].metadata["tags"] = ["parameters"]
    cells.append(nbformat.v4.new_markdown_cell("the answer", id="s"))
    cells[-1].metadata["tags"] = ["solution"]
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells)) + "\n"


@pytest.fixture
def root(tmp_path):
    """A checkout with two notebooks and a translation, committed."""
    (tmp_path / "notebooks/pt-BR").mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    for name in (*NAMES, "pt-BR/01_first"):
        text = notebook("seed: int = 7  # the market", "1 + 1")
        (tmp_path / f"notebooks/{name}.ipynb").write_text(text)
    commands = (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b"])
    for command in (*commands[:2], [*commands[2], "commit", "-qm", "one"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def write_in(path, text="my = 1"):
    """Write a cell into a notebook and run another, as a student does."""
    book = nbformat.read(path, as_version=4)
    book.cells[1].source = text
    book.cells[1].outputs = [nbformat.v4.new_output("stream", text="2")]
    nbformat.write(book, path)


def run_only(path):
    """Run a cell and save: outputs come, the source stays."""
    write_in(path, "1 + 1")


def test_work_copies_are_made_once(root):
    """Translations too; a second call changes nothing."""
    copies = refresh(root)
    assert copies.made == ("01_first.ipynb", "02_second.ipynb", "pt-BR/01_first.ipynb")
    write_in(root / "work/02_second.ipynb")
    before = (root / "work/02_second.ipynb").read_bytes()
    again = refresh(root)
    assert (again.made, again.renewed, again.behind) == ((), (), ())
    assert (root / "work/02_second.ipynb").read_bytes() == before


def test_a_newer_course_reaches_copies_that_nobody_wrote_in(root):
    """Of one with work in it the student is told, and it stays as it is."""
    refresh(root)
    run_only(root / "work/01_first.ipynb")
    write_in(root / "work/02_second.ipynb")
    for name in NAMES:
        (root / f"notebooks/{name}.ipynb").write_text(notebook("seed: int = 7", "2 + 2"))
    copies = refresh(root)
    assert copies.renewed == ("01_first.ipynb",)
    assert copies.behind == ("02_second.ipynb",)
    assert "`b3 class reset 02` takes the new one and keeps yours" in str(copies)
    assert "2 + 2" in (root / "work/01_first.ipynb").read_text()
    assert "my = 1" in (root / "work/02_second.ipynb").read_text()


def test_a_reset_loses_nothing(root):
    """Both copies begin anew; what was written lies in a folder named by the moment."""
    refresh(root)
    write_in(root / "work/02_second.ipynb")
    for _ in range(2):  # within one second
        copies = reset(root, clock=lambda: NOW)
        write_in(root / "work/02_second.ipynb", "mine = 2")
    folders = sorted(path.name for path in (root / "work/_kept").iterdir())
    assert folders == ["2026-03-02_140506", "2026-03-02_140506-2"]
    kept = root / "work/_kept/2026-03-02_140506/02_second.ipynb"
    assert "my = 1" in kept.read_text()
    assert str(copies.kept) in str(copies)


def test_a_reset_of_one_leaves_the_others(root):
    """By its number, with or without the zero; an unknown one is a sentence."""
    refresh(root)
    for name in NAMES:
        write_in(root / f"work/{name}.ipynb")
    reset(root, ("2",), clock=lambda: NOW)
    assert "my = 1" in (root / "work/01_first.ipynb").read_text()
    assert "my = 1" not in (root / "work/02_second.ipynb").read_text()
    with pytest.raises(NotebookError, match="there is no notebook 09"):
        reset(root, ("09",))


def test_a_notebook_of_the_course_that_was_written_in_is_as_git_has_it(root):
    """Outputs were saved into notebooks/: git was dirty, and is clean again."""
    write_in(root / "notebooks/01_first.ipynb")
    copies = reset(root, clock=lambda: NOW)
    status = subprocess.run(
        ["git", "status", "--porcelain", "notebooks"], cwd=root, capture_output=True, check=True
    )
    assert status.stdout == b""
    assert copies.restored == ("01_first.ipynb",)
    kept = root / "work/_kept/2026-03-02_140506/notebooks/01_first.ipynb"
    assert "my = 1" in kept.read_text()


def test_a_checkout_without_git_resets_its_copies_alone(root):
    """Nobody knows there how a notebook was."""
    shutil.rmtree(root / ".git")
    write_in(root / "notebooks/01_first.ipynb")
    assert reset(root, clock=lambda: NOW).restored == ()
    assert "my = 1" in (root / "notebooks/01_first.ipynb").read_text()


def test_a_copy_that_is_damaged_is_kept(root):
    """Half a file is somebody's, too."""
    refresh(root)
    (root / "work/01_first.ipynb").write_text('{"cells": [')
    (root / "work/.origins.json").write_text("[")
    assert refresh(root).behind == ("01_first.ipynb",)
    reset(root, clock=lambda: NOW)
    assert (root / "work/_kept/2026-03-02_140506/01_first.ipynb").read_text() == '{"cells": ['


def test_the_verbs_work_in_a_checkout(root, monkeypatch):
    """`b3 class work`, `reset` and `handout` find the project as all verbs do."""
    monkeypatch.setenv("B3_HOME", str(root))
    for arguments in (["work"], ["reset", "02"], ["handout", str(root / "out")]):
        answer = CliRunner().invoke(app, ["class", *arguments])
        assert answer.exit_code == 0, answer.output
    assert (root / "out/pt-BR/01_first.ipynb").is_file()


def test_a_handout_has_no_solution_and_no_output(root):
    """The source of all else is as it was."""
    run_only(root / "notebooks/01_first.ipynb")
    found = hand_out(root / "out", root)
    assert found.notebooks == 3
    book = json.loads((root / "out/01_first.ipynb").read_text())
    assert [cell["source"] for cell in book["cells"]] == [
        ["seed: int = 7  # the market"],
        ["1 + 1"],
    ]
    assert all(not cell["outputs"] and not cell["execution_count"] for cell in book["cells"])


def test_each_student_of_a_roster_has_a_folder_and_a_seed(root):
    """The seed stands in the parameter's line, its help behind it."""
    (root / "class.csv").write_text("login,seed\nAna.Silva\nbia,41\n\n")
    roster = read_roster(root / "class.csv")
    assert roster == {"ana.silva": 68222444, "bia": 41}
    hand_out(root / "out", root, roster)
    for login, seed in roster.items():
        text = (root / f"out/{login}/02_second.ipynb").read_text()
        assert f"seed: int = {seed}  # the market" in text


def test_a_handout_overwrites_nobodys_work(root):
    """The same again is well; a file that differs stops it before anything is written."""
    hand_out(root / "out", root)
    hand_out(root / "out", root)
    write_in(root / "out/02_second.ipynb")
    (root / "out/01_first.ipynb").unlink()
    with pytest.raises(ConfigError, match="is there already, and holds something else"):
        hand_out(root / "out", root)
    assert not (root / "out/01_first.ipynb").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names nobody"),
        ("login\n", "names nobody"),
        ("ana\n../bia\n", "line 2: '../bia' is no login"),
        ("ana,x\n", "line 1: 'x' is no seed"),
        ("ana\nANA\n", "line 2: ana is there twice"),
    ],
)
def test_a_roster_that_makes_no_sense_is_a_sentence(tmp_path, text, said):
    """It names the line."""
    path = tmp_path / "class.csv"
    path.write_text(text)
    with pytest.raises(B3Error, match=said):
        read_roster(path)


def test_a_roster_that_is_not_there_is_a_sentence(tmp_path):
    """Nor is a folder one."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_roster(path)
