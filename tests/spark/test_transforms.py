"""The transforms of the job, by numbers written by hand."""

import datetime as dt
import math

import pytest

from b3pipeline.job.bars import BARS
from b3pipeline.job.spark import BARS_DDL
from b3pipeline.schema import SILVER

pytestmark = pytest.mark.spark

LATER = dt.datetime.fromisoformat("2024-06-29T22:00")
NOW = dt.datetime.fromisoformat("2024-07-01T01:02:03")


@pytest.fixture
def frame(spark, job, make_bar):
    """A factory of frames of bars, as the tasks read them, from (ticker, day, bar) triples."""

    def make(*bars, **columns):
        rows = []
        for ticker, day, bar in bars:
            traded_at = dt.datetime.fromisoformat(f"{day}T{bar['at']}")
            row = {"wanted": True, "problem": "", **bar, "traded_at": traded_at, **columns}
            rows.append(tuple({**row, "ticker": ticker, "dt": day}[n] for n in BARS.names))
        return spark.createDataFrame(rows, BARS_DDL)

    return make


@pytest.fixture
def days(spark):
    """A factory of frames of daily closes, from (ticker, day, close) triples."""
    return lambda *rows: spark.createDataFrame(rows, "ticker string, dt string, close double")


def column(frame, name):
    """Return a column's values by ticker and day."""
    rows = sorted(frame.select("ticker", "dt", name).collect())
    return [row[name] for row in rows]


def closes(days, *values, ticker="PETR4"):
    """Return a frame of one ticker with a close a day from 2024-01-01 on."""
    return days(*((ticker, f"2024-01-{n:02}", value) for n, value in enumerate(values, 1)))


def test_objects_with_a_problem_are_left_out(frame, job, make_bar):
    """A row that says why an object has no bars is no bar."""
    bad = frame(("PETR4", "2024-01-02", make_bar()), problem="the object is gone")
    good = frame(("VALE3", "2024-01-02", make_bar()))

    left = job.without_quarantined(good.union(bad))

    assert column(left, "close") == [10.0]
    assert "problem" not in left.columns


def test_a_bar_without_a_close_is_no_quote(frame, job, make_bar):
    """Neither a null nor a NaN close counts."""
    bars = frame(
        ("PETR4", "2024-01-02", make_bar(None)),
        ("PETR4", "2024-01-03", make_bar(math.nan)),
        ("PETR4", "2024-01-04", make_bar(12.0)),
    )

    assert column(job.without_empty_bars(bars), "close") == [12.0]


def test_a_nan_price_becomes_null(frame, job, make_bar):
    """Spark takes NaN for the highest number of all: as a high it would win."""
    bars = frame(("PETR4", "2024-01-02", make_bar(12.0, high=math.nan, open=math.nan)))

    left = job.without_empty_bars(bars)

    assert column(left, "high") == [None]
    assert column(left, "open") == [None]
    assert column(left, "low") == [12.0]


def test_of_two_bars_that_start_together_the_later_ingested_one_stays(frame, job, make_bar):
    """Their order in the object does not matter."""
    old, new = make_bar(10.0), make_bar(11.0, ingested_at=LATER)
    bars = frame(
        ("PETR4", "2024-01-02", new),
        ("PETR4", "2024-01-02", old),
        ("VALE3", "2024-01-02", old),
        ("VALE3", "2024-01-02", new),
    )

    assert column(job.without_duplicates(bars), "close") == [11.0, 11.0]


def test_a_bar_that_came_twice_counts_once(frame, job, make_bar):
    """Volume and quote count are those of one bar."""
    twice = frame(("PETR4", "2024-01-02", make_bar()), ("PETR4", "2024-01-02", make_bar()))

    day = job.daily_bars(job.without_duplicates(twice))

    assert column(day, "volume") == [100]
    assert column(day, "quote_count") == [1]


def test_several_bars_make_one_session(frame, job, make_bar):
    """First open, highest high, lowest low, last close and adjusted close, whole volume."""
    bars = frame(
        ("PETR4", "2024-01-02", make_bar(11.0, at="11:00", open=10.5, high=12.0, low=10.0)),
        ("PETR4", "2024-01-02", make_bar(10.5, at="10:00", open=10.2, high=11.0, low=9.5)),
        (
            "PETR4",
            "2024-01-02",
            make_bar(10.8, at="16:30", open=11.1, high=11.2, low=10.6, adj_close=9.9, volume=50),
        ),
    )

    (day,) = job.daily_bars(bars).collect()

    assert day.asDict() == {
        "ticker": "PETR4",
        "dt": "2024-01-02",
        "wanted": True,
        "open": 10.2,
        "high": 12.0,
        "low": 9.5,
        "close": 10.8,
        "adj_close": 9.9,
        "volume": 250,
        "quote_count": 3,
    }


def test_the_mean_is_null_until_five_sessions_exist(days, job):
    """Four closes have no mean of five; from the fifth on each row has one."""
    averages = column(
        job.with_moving_average(closes(days, 1.0, 2.0, 3.0, 4.0, 5.0, 12.0)), "close_ma_5"
    )

    assert averages == [None, None, None, None, 3.0, 5.2]


def test_the_mean_counts_sessions_however_long_the_stock_was_suspended(days, job):
    """Five sessions are five sessions, with a year between them too."""
    rows = [("OIBR3", day, 2.0) for day in ("2022-01-03", "2022-01-04", "2022-01-05")]
    rows += [("OIBR3", "2023-03-01", 4.0), ("OIBR3", "2023-03-02", 5.0)]

    assert column(job.with_moving_average(days(*rows)), "close_ma_5") == [None] * 4 + [3.0]


def test_deltas_compare_with_the_session_before(days, job):
    """The difference, the relative change, the calendar days; all null on the first row."""
    frame = job.with_deltas(
        days(
            ("PETR4", "2024-01-05", 10.0),
            ("PETR4", "2024-01-08", 12.5),
            ("PETR4", "2024-01-09", 6.25),
        )
    )

    assert column(frame, "close_delta") == [None, 2.5, -6.25]
    assert column(frame, "close_return") == [None, 0.25, -0.5]
    assert column(frame, "days_since_previous") == [None, 3, 1]


def test_days_since_the_previous_session_cross_a_leap_day(days, job):
    """A date calculation, not a count of rows or of seconds."""
    frame = job.with_deltas(days(("A", "2024-02-28", 1.0), ("A", "2024-03-01", 1.0)))

    assert column(frame, "days_since_previous") == [None, 2]


def test_a_return_on_a_close_of_zero_is_null(days, job):
    """Division by zero raises where ANSI mode is on, and means nothing anyway."""
    frame = job.with_deltas(closes(days, 0.0, 1.0))

    assert column(frame, "close_delta") == [None, 1.0]
    assert column(frame, "close_return") == [None, None]


def test_tickers_do_not_mix(days, job):
    """Each ticker has its own first row."""
    both = closes(days, 1.0, 2.0).union(closes(days, 5.0, 7.0, ticker="VALE3"))

    assert column(job.with_deltas(both), "close_delta") == [None, 1.0, None, 2.0]


def test_the_columns_of_silver_come_out_in_their_order_and_types(frame, job, make_bar):
    """The whole chain gives exactly silver's columns beside the partition's."""
    bars = frame(("PETR4", "2024-01-02", make_bar(12.0)))

    silver = job.refined(bars, NOW)

    assert silver.columns == ["ticker", "dt", *SILVER.names]
    assert silver.first().asDict() == {
        "ticker": "PETR4",
        "dt": "2024-01-02",
        "trade_date": dt.date(2024, 1, 2),
        "open_price": 12.0,
        "high_price": 12.0,
        "low_price": 12.0,
        "close_price": 12.0,
        "adj_close_price": 12.0,
        "total_volume": 100,
        "quote_count": 1,
        "close_ma_5": None,
        "close_delta": None,
        "close_return": None,
        "days_since_previous": None,
        "refined_at": NOW,
    }


def test_sessions_read_for_the_windows_of_others_do_not_come_out(frame, job, make_bar):
    """They feed the mean and the deltas of the wanted ones."""
    before = frame(("PETR4", "2024-01-02", make_bar(10.0)), wanted=False)
    wanted = frame(("PETR4", "2024-01-03", make_bar(12.0)))

    silver = job.refined(before.union(wanted), NOW)

    assert column(silver, "close_delta") == [2.0]
