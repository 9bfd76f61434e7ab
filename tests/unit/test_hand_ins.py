"""What is handed in: whose it is, which notebook, what its cells leave; and the teacher's page."""

import csv
import datetime as dt
import io
import json
import os
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from typer.testing import CliRunner

from b3pipeline.classroom import exam
from b3pipeline.classroom.answers import NoAnswer, SparkRows, Statement, hand_over, read_answer
from b3pipeline.classroom.grade import Grade, Grades, Mark, as_csv, as_json, write
from b3pipeline.classroom.hand_ins import assignments, find_hand_ins, read_notebook, to_run
from b3pipeline.cli import app
from b3pipeline.errors import ConfigError

ROOT = Path(__file__).parents[2]
THREE = ("ranking", "above", "streaks")


def course_notebook(name="04_athena_analysis"):
    """Return a notebook of the course."""
    return nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)


@pytest.fixture
def folder(tmp_path):
    """A folder of hand-ins with one in it, of ana."""
    nbformat.write(course_notebook(), tmp_path / "ana.ipynb")
    return tmp_path


def found(folder, roster=None):
    """Return what a folder holds: login to the notebook's name, or to its trouble."""
    hand_ins = find_hand_ins(folder, ROOT, roster)
    return {one.login: one.trouble or one.assignment.name for one in hand_ins}


def test_the_assignments_are_the_notebooks_with_exercises():
    """Each with the names to bind, and the defaults of its parameters as they are written."""
    known = {one.name: one for one in assignments(ROOT)}
    assert known["04_athena_analysis"].exercises == THREE
    assert known["02_ingestion"].exercises == ("closed", "per_ticker", "repaired")
    assert known["02_ingestion"].parameters["seed"] == "7"
    assert known["02_ingestion"].parameters["start"] == '"2024-01-02"'


def test_a_login_is_the_name_of_a_file_or_of_a_folder(folder):
    """With the notebook's own name behind it, or within; other files do not count."""
    text = (folder / "ana.ipynb").read_text()
    (folder / "bia.costa_04_athena_analysis.ipynb").write_text(text)
    (folder / "Caio").mkdir()
    (folder / "Caio/04_athena_analysis.ipynb").write_text(text)
    nbformat.write(course_notebook("02_ingestion"), folder / "Caio/02_ingestion.ipynb")
    (folder / "notes.txt").touch()
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints/ana-checkpoint.ipynb").write_text(text)
    hand_ins = find_hand_ins(folder, ROOT, None)
    assert [(one.login, one.assignment.name[:2], one.trouble) for one in hand_ins] == [
        ("caio", "02", ""),
        ("caio", "04", ""),
        ("ana", "04", ""),
        ("bia.costa", "04", ""),
    ]


def test_a_notebook_is_known_by_its_exercises(folder):
    """New ids, no checks, another title: the names to bind are enough."""
    book = course_notebook("03_glue_refine")
    book.cells = [cell for cell in book.cells if "check" not in cell.metadata.get("tags", [])]
    for number, cell in enumerate(book.cells):
        cell.id = f"x{number}"
    nbformat.write(book, folder / "ana.ipynb")
    assert found(folder) == {"ana": "03_glue_refine"}


def test_a_notebook_is_known_by_its_cells_where_nothing_else_is_left(folder):
    """Checks deleted, and the comments that say what to bind: the cells are the course's."""
    book = course_notebook()
    for cell in book.cells:
        if {"check", "exercise"} & set(cell.metadata.get("tags", [])):
            cell.source = "ranking = growth"
    nbformat.write(book, folder / "ana.ipynb")
    assert found(folder) == {"ana": "04_athena_analysis"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no notebook: it cannot be read"),
        ("not json", "is no notebook: it cannot be read"),
        ("[1, 2]", "is no notebook: it cannot be read"),
        ('{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "is no notebook"),
        ('{"worksheets": [], "nbformat": 99}', "is no notebook"),
        ("[" * 100_000, "is no notebook"),
        (nbformat.writes(nbformat.v4.new_notebook()), "has no exercise that is graded"),
    ],
    ids=range(7),
)
def test_a_file_that_is_none_is_a_sentence(folder, text, said):
    """It stands in its student's row; ana is graded all the same."""
    (folder / "bia.ipynb").write_text(text)
    names = found(folder)
    assert said in names["bia"]
    assert names["ana"] == "04_athena_analysis"


def test_links_pipes_and_folders_are_no_notebooks(folder):
    """A link may lead to any file of the teacher's, and a pipe would wait for ever."""
    (folder / "bia.ipynb").symlink_to(folder / "ana.ipynb")
    os.mkfifo(folder / "caio.ipynb")
    (folder / "davi.ipynb").mkdir()
    names = found(folder)
    assert "it is a link" in names["bia"]
    assert "not a regular file" in names["caio"]
    assert "is no notebook" in names["davi"]


def test_who_is_not_in_the_roster_is_named(folder):
    """Nothing of theirs is run."""
    assert found(folder, {"bia": 1}) == {"ana": "ana is not in the roster."}


def test_a_notebook_handed_in_twice_is_named(folder):
    """Which of the two counts is for the teacher to say."""
    (folder / "ANA_04_athena_analysis.ipynb").write_text((folder / "ana.ipynb").read_text())
    troubles = {one.trouble for one in find_hand_ins(folder, ROOT, None)}
    assert len(troubles) == 1
    assert "handed 04_athena_analysis in more than once" in troubles.pop()


def test_a_file_whose_name_is_no_login_is_named(folder):
    """The teacher renames it."""
    (folder / "(1).ipynb").write_text((folder / "ana.ipynb").read_text())
    assert "'(1)' is no login" in found(folder)["(1)"]


def test_a_folder_without_notebooks_is_a_sentence(tmp_path):
    """At the command line, too; so is a folder that is not there."""
    for path, said in ((tmp_path, "holds no notebook"), (tmp_path / "none", "is no folder")):
        with pytest.raises(ConfigError, match=said):
            find_hand_ins(path, ROOT, None)
        answer = CliRunner().invoke(app, ["grade", str(path)])
        assert said in str(answer.exception)


def test_the_students_checks_are_replaced(folder):
    """Each by one that hands the answer over; a check that is gone is at the end."""
    book = course_notebook()
    for cell in book.cells:
        if "above" in cell.source and "check" in cell.metadata.get("tags", []):
            cell.source = "print('✔ Right: above')"
    [four] = [one for one in assignments(ROOT) if one.name.startswith("04")]
    cells = to_run(book, four).cells
    handed = [cell.source for cell in cells if "hand_over" in cell.source]
    assert [name for line in handed for name in THREE if repr(name) in line] == [
        *("ranking", "streaks", "above")
    ]
    assert "hand_over" in cells[-1].source
    assert not any("exercises.check(" in cell.source or "print(" in cell.source for cell in cells)
    assert all("raises-exception" in cell.metadata["tags"] for cell in cells)
    assert [cell for cell in cells if "parameters" in cell.metadata["tags"]] == [cells[0]]


def test_outputs_of_a_hand_in_are_thrown_away(folder):
    """Executed or not, it is the same notebook."""
    book = course_notebook()
    book.cells[1].outputs = [nbformat.v4.new_output("stream", text="✔ Right")]
    nbformat.write(book, folder / "ana.ipynb")
    assert all(not cell.get("outputs") for cell in read_notebook(folder / "ana.ipynb").cells)


class Spark:
    """What looks like a DataFrame of Spark."""

    def limit(self, count):
        """Return itself: it is short."""
        return self

    def toPandas(self):  # noqa: N802 - Spark's own name
        """Return its rows."""
        return pd.DataFrame({"dt": ["2024-01-02"], "spread": [0.1 + 0.2], "n": [np.int64(3)]})


class Query:
    """What looks like the answer of a query."""

    sql, frame, bytes_scanned = "SELECT 1", pd.DataFrame(), 0


@pytest.fixture
def through(tmp_path, monkeypatch):
    """A way from a student's variable to the judge's value."""
    monkeypatch.setenv("B3_ANSWERS", str(tmp_path))

    def send(value):
        hand_over("closed", {"closed": value})
        return read_answer(tmp_path, "closed")

    return send


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (26.4, 26.4),
        (np.float64(0.1) + 0.2, 0.30000000000000004),
        (None, None),
        (True, True),
        ("text", "text"),
        ([dt.date(2024, 2, 12)], [dt.date(2024, 2, 12)]),
        (pd.DatetimeIndex(["2024-02-12"]), [dt.datetime(2024, 2, 12)]),  # noqa: DTZ001
        (np.array(["2024-02-12"], dtype="datetime64[D]"), [dt.datetime(2024, 2, 12)]),  # noqa: DTZ001
        ({1}, [1]),
        (Query, Statement("SELECT 1")),
    ],
    ids=str,
)
def test_an_answer_comes_over_as_it_is(through, value, wanted):
    """Numbers to the last bit, dates as dates; of a query its statement alone."""
    assert through(value) == wanted


def test_frames_and_series_come_over(through):
    """Rows and index; a DataFrame of Spark stays one."""
    series = pd.Series([0.25, None], index=["PETR4", "VALE3"])
    assert through(series).tolist()[0] == 0.25
    assert list(through(series).index) == ["PETR4", "VALE3"]
    spark = through(Spark())
    assert isinstance(spark, SparkRows)
    assert spark.toPandas().iloc[0].tolist() == ["2024-01-02", 0.30000000000000004, 3]


@pytest.mark.parametrize(
    "text", ["", "{}", "[1", '{"kind": "query"}', "[" * 100_000, '{"kind": 1}']
)
def test_an_answer_that_makes_no_sense_is_none(tmp_path, text):
    """Whoever writes the file himself has no answer."""
    (tmp_path / "closed.json").write_text(text)
    assert read_answer(tmp_path, "closed") is NoAnswer


def test_a_link_and_a_file_without_end_are_no_answers(tmp_path):
    """Nothing but the student's own file is read, and not more than it can hold."""
    (tmp_path / "secret").write_text('{"kind": "one", "value": 1}')
    (tmp_path / "closed.json").symlink_to(tmp_path / "secret")
    assert read_answer(tmp_path, "closed") is NoAnswer
    (tmp_path / "linked").symlink_to(tmp_path)
    (tmp_path / "smooth.json").write_text('{"kind": "one", "value": 1}')
    assert read_answer(tmp_path, "smooth") == 1
    assert read_answer(tmp_path / "linked", "smooth") is NoAnswer
    os.mkfifo(tmp_path / "ranking.json")
    assert read_answer(tmp_path, "ranking") is NoAnswer
    (tmp_path / "hours.json").write_text(" " * 4_000_001)
    assert read_answer(tmp_path, "hours") is NoAnswer
    assert read_answer(tmp_path, "spans") is NoAnswer


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture
def grades(tmp_path):
    """Two grades, the one of a student who tries to write into the page."""
    marks = (Mark("ranking", 1, "Right."), Mark("above", 0, f"Not yet: {HOSTILE}"))
    return Grades(
        (
            Grade("ana", 41, "04_athena_analysis", "ana.ipynb", marks, 12.3),
            Grade("=cmd", None, "", "=cmd|calc.ipynb", note=f"@SUM(1) {HOSTILE}", graded=False),
        ),
        tmp_path,
    )


def test_what_students_write_stays_text_on_the_page(grades, tmp_path):
    """No tag of theirs is one."""
    write(grades)
    page = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
    assert not page.find_all(["script", "img"])
    assert page.get_text().count("<script>alert(1)</script>") == 2
    assert [text.get_text() for text in page.select("svg text")] == ["1", "0", "1", "1", "0", "2"]


def test_no_cell_of_the_table_is_a_formula(grades):
    """A spreadsheet would run what begins with = or @."""
    rows = list(csv.reader(io.StringIO(as_csv(grades))))
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@")]
    assert rows[1][:9] == [
        "ana",
        "41",
        "04_athena_analysis",
        "ana.ipynb",
        "1",
        "0",
        "1",
        "2",
        "12.3",
    ]


def test_the_json_has_an_entry_for_each(grades):
    """With what each verdict says."""
    one, other = json.loads(as_json(grades))["hand_ins"]
    assert (one["points"], one["of"], one["exercises"]["ranking"]["points"]) == (1, 2, 1)
    assert (other["graded"], other["seed"]) == (False, None)


@pytest.mark.process
def test_what_a_run_left_is_removed_however_deep_and_no_link_is_followed(tmp_path):
    """A thousand folders within each other are too many for Python's own way."""
    outside, own = tmp_path / "outside", tmp_path / "own"
    outside.mkdir()
    (outside / "file").touch(mode=0o400)
    own.mkdir()
    (own / "link").symlink_to(outside)
    here = Path.cwd()
    try:
        os.chdir(own)
        for _ in range(3_000):
            Path("d").mkdir()
            os.chdir("d")
    finally:
        os.chdir(here)
    for path in (own / "link", own, own):
        exam.remove(path)
    assert not own.exists()
    assert (outside / "file").stat().st_mode & 0o777 == 0o400
