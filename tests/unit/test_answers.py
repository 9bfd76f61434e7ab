"""How the exercises read an answer: dates, numbers, statements; and what they say of the rest."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from b3pipeline.course import exercises, sentences
from b3pipeline.course.exercises.reading import (
    UnreadableError,
    dates,
    filters_on_dt,
    is_ordered,
    number,
)

CARNIVAL = [dt.date(2024, 2, 12), dt.date(2024, 2, 13)]


@pytest.mark.parametrize(
    "answer",
    [
        CARNIVAL,
        set(CARNIVAL),
        ["2024-02-12", " 2024-02-13 "],
        pd.DatetimeIndex(CARNIVAL),
        [pd.Timestamp("2024-02-12", tz="America/Sao_Paulo"), CARNIVAL[1]],
        np.array(CARNIVAL, dtype="datetime64[D]"),
        pd.Series(pd.to_datetime(CARNIVAL)),
        (dt.datetime(2024, 2, 12), dt.datetime(2024, 2, 13)),  # noqa: DTZ001 - as readers write it
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_dates_are_read_however_they_are_held(answer):
    """Dates, texts, Timestamps, arrays: the two days of Carnival."""
    assert sorted(dates(answer)) == CARNIVAL


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (["12/02/2024"], "'12/02/2024' is not a date."),
        (["02-12-2024"], "'02-12-2024' is not a date."),
        ([19765], "19765 is not a date but an int"),
        ([pd.Timestamp("2024-02-12 10:00")], "is a moment, and no date"),
        ([pd.NaT], "it holds a null"),
        (["2024-02-12", "2024-02-12"], "2024-02-12 is there twice"),
        ("2024-02-12", "of the type str, and not a list of dates"),
        (None, "nothing (None)"),
        (7, "of the type int"),
        ([[1, 2]], ""),
    ],
    ids=str,
)
def test_what_is_no_list_of_dates_is_a_sentence(answer, said):
    """No guess: 12/02 is not read as December."""
    with pytest.raises((UnreadableError, ValueError)) as caught:
        dates(answer)
    assert said in str(caught.value)


@pytest.mark.parametrize("answer", [26.0, 26, np.float64(26), np.int64(26)])
def test_a_number_is_read_from_every_kind(answer):
    """Python's and NumPy's."""
    assert number(answer) == 26.0


@pytest.mark.parametrize("answer", ["26", True, None, float("nan"), [26], 26 + 0j, np.bool_(True)])
def test_what_is_no_number_is_a_sentence(answer):
    """Text that looks like one is none, and neither is True."""
    with pytest.raises(UnreadableError, match="not a number"):
        number(answer)


@pytest.mark.parametrize(
    ("where", "answer"),
    [
        ("WHERE dt BETWEEN '2024-01-02' AND '2024-06-28'", True),
        ("where t.dt >= '2024-01-02' AND ticker = 'PETR4'", True),
        ("WHERE '2024-01-02' <= dt", True),
        ('WHERE "dt" IN (SELECT max(dt) FROM u)', True),
        ("WHERE CAST(dt AS date) > date '2024-01-02'", True),
        ("JOIN u ON u.d = t.d WHERE ticker = 'A' AND dt = '2024-01-02'", True),
        ("", False),
        ("WHERE trade_date BETWEEN date '2024-01-02' AND date '2024-06-28'", False),
        ("WHERE ticker = 'dt = 1'", False),
        ("-- WHERE dt = '2024-01-02'", False),
        ("/* WHERE dt = 1 */ WHERE ticker = 'A'", False),
        ("WHERE ticker = 'A' GROUP BY dt HAVING max(dt) > '2024'", False),
        ("WHERE dt IS NOT NULL", False),
    ],
)
def test_a_filter_on_the_partition_key_is_found(where, answer):
    """A column inside the files, a string and a comment are none."""
    assert filters_on_dt(f"SELECT ticker, dt FROM t {where}\nGROUP BY ticker, dt") is answer


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT 1 ORDER BY 1", True),
        ("select a from t order\nby a desc limit 3", True),
        ("SELECT a, rank() OVER (PARTITION BY b ORDER BY (c + 1)) FROM t", False),
        ("WITH u AS (SELECT a FROM t ORDER BY a) SELECT a FROM u", False),
        ("SELECT 'ORDER BY' FROM t -- ORDER BY a", False),
    ],
)
def test_an_order_is_that_of_the_whole_statement(sql, answer):
    """A window's order, and that of a part, say nothing of how the rows come."""
    assert is_ordered(sql) is answer


def judge(answer):
    """Return what the judge of the closed days says of the half-year."""
    span = {"start": "2024-01-02", "end": "2024-06-28"}
    return str(exercises.check("closed", {**span, "closed": answer}))


def test_timestamps_held_against_dates_are_explained():
    """All weekdays seem closed then, and 'is no closed day' would not say why."""
    assert "looked for among dates" in judge(list(pd.bdate_range("2024-01-02", "2024-06-28")))


def test_a_date_in_another_order_is_told_apart_from_a_wrong_one():
    """The verdict says how a date is written."""
    assert "'12/02/2024' is not a date" in judge(["12/02/2024"])
    assert "2024-02-14 is no closed day" in judge(["2024-02-14"])


@pytest.mark.parametrize("name", ["pd", "np", "F", "Window"])
def test_a_name_that_everybody_imports_is_told_with_its_import(name):
    """To run the cells above would not help."""
    error = NameError(f"name {name!r} is not defined", name=name)
    said = sentences.describe(error, at_the_cell=True)
    assert "import" in said[1]
    assert "Run All Above" not in said[1]


def test_a_column_that_pandas_does_not_have_is_a_sentence():
    """Forty lines of its inside help nobody; a KeyError of a dict keeps its own."""
    with pytest.raises(KeyError) as caught:
        pd.DataFrame({"ticker": []})["tikcer"]
    said = sentences.describe(caught.value, at_the_cell=False)
    assert "there is no 'tikcer'" in said[0]
    with pytest.raises(KeyError) as caught:
        {}["tikcer"]
    assert sentences.describe(caught.value, at_the_cell=True) == []
