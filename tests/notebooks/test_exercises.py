"""Every exercise tells an empty cell, a wrong answer and a right one apart."""

import os

import pandas as pd
import pytest
from pyspark import SparkContext
from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812

from b3pipeline import athena, calendar, costs, ingest, lake, names
from b3pipeline.course import exercises, lesson, sentences
from b3pipeline.errors import NotebookError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

START, END = "2024-01-02", "2024-06-28"
TICKERS = list(ingest.DEFAULT_TICKERS)
SPAN = {"start": START, "end": END}

EVERY = pytest.mark.parametrize("name", list(exercises.EXERCISES))

WRONG = {
    "closed": "closed = ['2024-01-06']",
    "per_ticker": (
        "per_ticker = athena.query(cloud, 'SELECT ticker, count(*) AS sessions "
        "FROM b3_daily_quotes GROUP BY ticker ORDER BY ticker DESC LIMIT 9')"
    ),
    "repaired": "repaired = athena.query(cloud, 'MSCK REPAIR TABLE b3_daily_quotes')",
    "hours": "hours = batch.objects / 60",
    "spans": "spans = daily.withColumn('spread', daily['low'] - daily['high'])",
    "smooth": (
        "smooth = job.with_moving_average(daily).withColumnRenamed('close_ma_5', 'close_ma_3')"
    ),
    "ranking": "ranking = growth.frame.groupby('ticker')['cumulative_return'].last()",
    "above": (
        "above = athena.query(cloud, 'SELECT ticker, count_if(close_price >= 0) AS sessions_above "
        "FROM b3_daily_quotes_refined GROUP BY ticker')"
    ),
    "streaks": (
        "streaks = athena.query(cloud, 'SELECT ticker, count_if(close_return > 0) AS longest "
        "FROM b3_daily_quotes_refined GROUP BY ticker')"
    ),
}

OF_THE_COURSE = pytest.mark.parametrize("name", list(WRONG))
"""Those on the course's own data; those of notebook 05 have faults of their own."""


def test_every_exercise_is_answered_right_and_wrong():
    """Here, or in tests/unit/test_faults.py where its data are the faults of notebook 05."""
    assert set(exercises.EXERCISES) - set(WRONG) == {"lacking", "fall"}


@pytest.fixture(scope="module")
def small_spark():
    """The small Spark of notebook 03; its JVM and settings end here, for others have theirs."""
    before = dict(os.environ)
    session = lesson.spark_session()
    yield session
    session.stop()
    java = SparkContext._gateway.proc
    SparkContext._gateway.shutdown()
    java.stdin.close()
    java.wait(30)
    SparkContext._gateway = SparkContext._jvm = None
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def variables(course, small_spark):
    """What the notebooks' own variables hold when a reader comes to the exercises."""
    cloud = course.cloud
    asked = {**SPAN, "tickers": TICKERS}
    batch = lesson.need_batch(cloud)
    job = lesson.load_job()
    bars = lake.read_bronze(cloud, tickers=["PETR4"]).head(8).assign(wanted=True)
    return {
        "pd": pd,
        "F": F,
        "Window": Window,
        "athena": athena,
        "costs": costs,
        "lesson": lesson,
        "names": names,
        "job": job,
        "cloud": cloud,
        "start": START,
        "end": END,
        "span": SPAN,
        "asked": asked,
        "ticker": "PETR4",
        "session": calendar.parse_date(START),
        "batch": batch,
        "sessions": calendar.sessions(calendar.parse_date(START), calendar.parse_date(END)),
        "daily": job.daily_bars(small_spark.createDataFrame(bars)).cache(),
        "closes": athena.query(cloud, "closes_with_ma5", params=asked),
        "growth": athena.query(cloud, "cumulative_return", params=asked),
        "activity": athena.query(cloud, "volume_and_moves", params=asked),
    }


@EVERY
def test_an_empty_cell_is_not_solved_yet(name):
    """The verdict says so, with the hint, and nothing is raised: Run All comes to the recap."""
    verdict = exercises.check(name, {})
    assert (verdict.passed, verdict.state) == (False, "open")
    assert exercises.EXERCISES[name].hint in str(verdict)


@OF_THE_COURSE
def test_the_solution_in_the_notebook_passes(variables, name):
    """With `solve` a cell left empty is filled by it."""
    namespace = dict(variables)
    verdict = exercises.check(name, namespace, solve=True)
    assert verdict.passed, verdict
    assert name in namespace
    assert "own solution ran" in str(verdict)  # and nobody is praised for it


@OF_THE_COURSE
def test_a_wrong_answer_does_not_pass(variables, name):
    """One mistake that a reader makes; the verdict says what is wrong before the hint."""
    namespace = dict(variables)
    exec(WRONG[name], namespace)  # noqa: S102 - what a reader types
    verdict = exercises.check(name, namespace)
    assert verdict.state == "wrong", verdict
    assert str(verdict).startswith("✘ Not yet: ")


TEMPTING = [
    (
        "per_ticker = athena.query(cloud, 'SELECT ticker, count(DISTINCT dt) AS sessions "
        "FROM b3_daily_quotes GROUP BY ticker ORDER BY sessions')",
        "it names no range of the partition key dt",
    ),
    (
        "per_ticker = athena.query(cloud, 'SELECT ticker, count(DISTINCT dt) AS sessions FROM "
        "b3_daily_quotes WHERE dt BETWEEN :start AND :end GROUP BY ticker', params=span)",
        "nothing in the statement orders its rows",
    ),
    (
        "above = athena.query(cloud, 'SELECT ticker, count_if(close_price > close_ma_5) AS "
        "sessions_above FROM b3_daily_quotes_refined GROUP BY ticker')",
        "it names no range of the partition key dt",
    ),
    (
        "above = athena.query(cloud, 'SELECT ticker, count_if(close_price > close_ma_5) AS "
        "sessions_above FROM b3_daily_quotes_refined WHERE trade_date BETWEEN "
        "CAST(:start AS date) AND CAST(:end AS date) GROUP BY ticker', params=span)",
        "it names no range of the partition key dt",
    ),
    ("spans = daily.withColumn('sprad', daily['high'] - daily['low'])", "It holds no 'spread'"),
    ("smooth = daily.toPandas()", "it is of the type DataFrame, and no DataFrame of Spark"),
    ("closed = [d for d in pd.bdate_range(start, end) if d not in sessions]", "among dates?"),
    ("ranking = growth.frame['cumulative_return']", "each ticker once"),
]


@pytest.mark.parametrize(("code", "said"), TEMPTING, ids=[code[:6] for code, _ in TEMPTING])
def test_what_is_right_by_chance_does_not_pass(variables, code, said):
    """The figures are those of the data at hand, and the statement is not what was asked for."""
    namespace = dict(variables)
    exec(code, namespace)  # noqa: S102 - what a reader types
    verdict = exercises.check(code.split(" = ")[0], namespace)
    assert verdict.state == "wrong"
    assert said in str(verdict)


def test_a_column_that_spark_does_not_have_is_a_sentence(variables):
    """It names the column and the like ones; a page of plan and Java is left out."""
    for code in ("daily.select('hihg')", "daily['hihg']", "daily.where('hihg > 1')"):
        try:
            exec(code, dict(variables))  # noqa: S102 - what a reader types
        except Exception as error:
            said = sentences.describe(error, at_the_cell=True)
        assert len(said) == 2
        assert "hihg" in said[0]
        assert len(said[0]) < 350
        assert ".columns" in said[1]


@EVERY
@pytest.mark.parametrize("answer", [None, 0, 1, "", [], {}, ...], ids=repr)
def test_a_trivial_answer_does_not_pass(variables, name, answer):
    """Nor does it raise: whatever is bound, the reader gets a sentence."""
    assert exercises.check(name, {**variables, name: answer}).state == "wrong"


def test_a_headless_run_stops_where_an_answer_is_wrong(variables):
    """Nobody reads a verdict there."""
    with pytest.raises(NotebookError, match="the exercise 'closed' is not solved"):
        exercises.check("closed", {**variables, "closed": []}, solve=True)


def test_the_answer_of_a_reader_is_not_overwritten(variables):
    """With `solve` the solution fills an empty cell only."""
    mine = {**variables, "hours": 1.0}
    with pytest.raises(NotebookError):
        exercises.check("hours", mine, solve=True)
    assert mine["hours"] == 1.0
