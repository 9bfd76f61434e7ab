"""Every exercise tells an empty cell, a wrong answer and a right one apart."""

import os

import pytest
from pyspark import SparkContext

from b3pipeline import athena, calendar, costs, ingest, lake, names
from b3pipeline.course import exercises, lesson
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


@EVERY
def test_the_solution_in_the_notebook_passes(variables, name):
    """With `solve` a cell left empty is filled by it."""
    namespace = dict(variables)
    verdict = exercises.check(name, namespace, solve=True)
    assert verdict.passed, verdict
    assert name in namespace
    assert "own solution ran" in str(verdict)  # and nobody is praised for it


@EVERY
def test_a_wrong_answer_does_not_pass(variables, name):
    """One mistake that a reader makes; the verdict says what is wrong before the hint."""
    namespace = dict(variables)
    exec(WRONG[name], namespace)  # noqa: S102 - what a reader types
    verdict = exercises.check(name, namespace)
    assert verdict.state == "wrong", verdict
    assert str(verdict).startswith("✘ Not yet: ")


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
