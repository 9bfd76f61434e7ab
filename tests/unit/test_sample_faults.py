"""The faults of the simulated market: each as written, and nothing else changes."""

import datetime as dt
from fractions import Fraction

import pandas as pd
import pytest

from b3pipeline.errors import ConfigError
from b3pipeline.sources import open_source
from b3pipeline.sources.base import check_frame
from b3pipeline.sources.sample.faults import (
    BadRow,
    HolidayRow,
    MissingSession,
    OpenSession,
    Refusal,
    SplitRewrite,
    parse_faults,
)

START, END = dt.date(2024, 3, 25), dt.date(2024, 4, 3)
"""Seven sessions; 29 March was Good Friday."""

INTERVALS = pytest.mark.parametrize("interval", ["1d", "60m"])


def fetch(faults, tickers=("ITUB4",), start=START, end=END, interval="1d"):
    """Return what the market with these faults gives."""
    quotes = open_source("sample", faults=faults).fetch(tickers, start, end, interval)
    assert check_frame(quotes.frame) is quotes.frame
    return quotes


def days(frame):
    """Return the distinct days of a frame, in order."""
    return list(dict.fromkeys(frame["traded_at"].dt.strftime("%m-%d")))


# ------------------------------------------------------------------------------------ as written


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("429:BBAS3", Refusal("BBAS3")),
        ("429:BBAS3:2", Refusal("BBAS3", 2)),
        ("missing:PETR4:2024-03-01", MissingSession("PETR4", dt.date(2024, 3, 1))),
        ("holiday:VALE3:2024-03-29", HolidayRow("VALE3", dt.date(2024, 3, 29))),
        ("split:ITUB4:2024-03-04:2", SplitRewrite("ITUB4", dt.date(2024, 3, 4), Fraction(2))),
        (
            "split:ITUB4:2024-03-04:1/15",
            SplitRewrite("ITUB4", dt.date(2024, 3, 4), Fraction(1, 15)),
        ),
        ("open:PETR4:2024-03-05", OpenSession("PETR4", dt.date(2024, 3, 5))),
        ("bad:WEGE3:2024-03-06", BadRow("WEGE3", dt.date(2024, 3, 6))),
    ],
)
def test_a_fault_is_read_as_it_is_written(text, fault):
    """And written as it was read."""
    assert parse_faults(text) == (fault,)
    assert str(fault) == text


def test_several_faults_are_joined_by_semicolons():
    """Spaces, line ends and an empty part do no harm."""
    assert parse_faults(" 429:BBAS3 ;\n missing:PETR4:2024-03-01; ") == (
        Refusal("BBAS3"),
        MissingSession("PETR4", dt.date(2024, 3, 1)),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("404:BBAS3", "is of no kind that there is: '404'"),
        ("BBAS3", "is of no kind that there is: 'BBAS3'"),
        ("missing:PETR4", "1 fields follow 'missing'.*missing:PETR4:2024-03-01"),
        ("429", "0 fields follow '429'"),
        ("bad:PETR4:2024-03-06:2", "3 fields follow 'bad'"),
        ("missing:petr:2024-03-01", "names 'petr'.*use PETR4"),
        ("missing:PETR4:01/03/2024", "'01/03/2024' is not a date"),
        ("missing:PETR4:2024-03-29", "B3 holds no session on 2024-03-29"),
        ("holiday:PETR4:2024-03-28", "B3 holds a session on 2024-03-28"),
        ("open:PETR4:1999-03-01", "lies outside the calendar"),
        ("bad:PETR4:2014-12-30", "begins on 2015-01-02"),
        ("429:PETR4:0", "'0' is no number of fetches"),
        ("429:PETR4:often", "'often' is no number of fetches"),
        ("split:PETR4:2024-03-04:0", "'0' is no ratio"),
        ("split:PETR4:2024-03-04:1", "'1' is no ratio"),
        ("split:PETR4:2024-03-04:-2", "'-2' is no ratio"),
        ("split:PETR4:2024-03-04:1/0", "'1/0' is no ratio"),
    ],
)
def test_nonsense_is_refused_with_what_to_write(text, says):
    """The message quotes it; the hint shows how it is done."""
    with pytest.raises(ConfigError, match=says) as caught:
        parse_faults(text)
    assert repr(text) in caught.value.message


# -------------------------------------------------------------------------------- what they do


def test_without_faults_nothing_changes():
    """An empty text is none."""
    pd.testing.assert_frame_equal(fetch("").frame, fetch(()).frame)


@INTERVALS
def test_other_tickers_are_left_alone(interval):
    """Six faults of ITUB4 change no byte of PETR4."""
    faults = (
        "missing:ITUB4:2024-03-26;holiday:ITUB4:2024-03-29;split:ITUB4:2024-03-28:2;"
        "open:ITUB4:2024-04-03;bad:ITUB4:2024-04-01;429:ITUB4"
    )
    found = fetch(faults, ["PETR4", "ITUB4"], interval=interval).frame
    pd.testing.assert_frame_equal(found, fetch("", ["PETR4"], interval=interval).frame)


@INTERVALS
def test_a_missing_session_is_missing(interval):
    """The others stay as they were."""
    true = fetch("", interval=interval).frame
    found = fetch("missing:ITUB4:2024-03-27", interval=interval).frame
    assert days(found) == ["03-25", "03-26", "03-28", "04-01", "04-02", "04-03"]
    left = true[true["traded_at"].dt.strftime("%m-%d") != "03-27"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, left)


@INTERVALS
def test_a_holiday_has_flat_bars_at_the_last_close(interval):
    """Even where the session before lies outside the range."""
    good_friday = dt.date(2024, 3, 29)
    last = fetch("", end=dt.date(2024, 3, 28)).frame.iloc[-1]
    frame = fetch("holiday:ITUB4:2024-03-29", start=good_friday, interval=interval).frame
    assert days(frame) == ["03-29", "04-01", "04-02", "04-03"]
    flat = frame[frame["traded_at"] < "2024-03-30"]
    assert set(flat[["open", "high", "low", "close"]].to_numpy().ravel()) == {last["close"]}
    assert set(flat["adj_close"]) == {last["adj_close"]}
    assert set(flat["volume"]) == {0}


def test_a_holiday_outside_the_range_stays_away():
    """It is not asked for."""
    frame = fetch("holiday:ITUB4:2024-03-29", end=dt.date(2024, 3, 28)).frame
    assert days(frame) == ["03-25", "03-26", "03-27", "03-28"]


def test_a_split_rewrites_what_was_fetched_before():
    """Half the price, twice the shares, at every session; the split stands on its day."""
    until = dt.date(2024, 3, 28)
    true = fetch("", end=until).frame
    found = fetch("split:ITUB4:2024-03-28:2", end=until).frame
    assert true["low"].tolist() == [65.14, 64.47, 64.19, 65.09]
    assert found["low"].tolist() == [32.57, 32.235, 32.095, 32.545]
    assert true["volume"].tolist() == [33360700, 46735900, 33363100, 19626000]
    assert found["volume"].tolist() == [66721400, 93471800, 66726200, 39252000]
    assert found["stock_splits"].tolist() == [0, 0, 0, 2]


def test_a_split_rewrites_a_range_before_it_too():
    """The source's past is what is rewritten, whatever is asked for."""
    before = dt.date(2024, 3, 26)
    true = fetch("", end=before).frame
    found = fetch("split:ITUB4:2024-03-28:1/10", end=before).frame
    assert (found["close"] / true["close"]).round(9).tolist() == [10.0, 10.0]
    assert found["stock_splits"].tolist() == [0, 0]


def test_a_split_reaches_the_row_of_a_holiday():
    """A fake row is as old as its neighbours."""
    frame = fetch("split:ITUB4:2024-04-01:2;holiday:ITUB4:2024-03-29").frame
    thursday, friday = frame[frame["traded_at"].dt.month == 3].tail(2)["close"]
    assert friday == thursday


@INTERVALS
def test_an_open_session_is_half_a_session(interval):
    """It opens as it will have, and has traded less by half time."""
    true = fetch("", interval=interval).frame
    found = fetch("open:ITUB4:2024-04-03", interval=interval).frame
    day = pd.Timestamp("2024-04-03")
    pd.testing.assert_frame_equal(found[found["traded_at"] < day], true[true["traded_at"] < day])
    whole, half = true[true["traded_at"] >= day], found[found["traded_at"] >= day]
    assert half["traded_at"].iloc[0] == whole["traded_at"].iloc[0]
    assert half["open"].iloc[0] == whole["open"].iloc[0]
    assert 0 < half["volume"].sum() < whole["volume"].sum()
    assert half["high"].max() <= whole["high"].max()


def test_the_bar_of_an_open_session_ends_at_half_past_one():
    """It closes where the bar of 13:25 does, and its low of the afternoon is to come."""
    day = dt.date(2024, 4, 3)
    whole = fetch("", start=day, end=day).frame
    half = fetch("open:ITUB4:2024-04-03", start=day, end=day).frame
    columns = ["open", "high", "low", "close", "volume"]
    assert whole[columns].to_numpy().tolist() == [[66.98, 67.19, 66.16, 66.61, 26014500]]
    assert half[columns].to_numpy().tolist() == [[66.98, 67.19, 66.33, 66.35, 12845500]]
    assert half["traded_at"].tolist() == [pd.Timestamp("2024-04-03")]


def test_an_open_session_comes_unasked():
    """As Yahoo adds the latest price past the end of a range; not to one long past."""
    assert days(fetch("open:ITUB4:2024-04-03", end=dt.date(2024, 4, 2)).frame)[-1] == "04-03"
    assert days(fetch("open:ITUB4:2024-04-03", end=dt.date(2024, 4, 1)).frame)[-1] == "04-01"
    assert fetch("open:ITUB4:2024-03-22").frame.equals(fetch("").frame)


@INTERVALS
def test_a_bad_row_has_its_high_below_its_low(interval):
    """One bar, the day's first."""
    true = fetch("", interval=interval).frame
    found = fetch("bad:ITUB4:2024-04-01", interval=interval).frame
    wrong = found[found["high"] < found["low"]]
    assert len(wrong) == 1
    assert (
        wrong["traded_at"].iloc[0] == true[true["traded_at"] >= "2024-04-01"]["traded_at"].iloc[0]
    )
    assert found.drop(index=wrong.index).equals(true.drop(index=wrong.index))


def test_a_refusal_keeps_what_came_before_it():
    """In the order that was asked for; the rest is rate-limited, asked for or not."""
    quotes = fetch("429:BBAS3", ["VALE3", "ZZZZ3", "BBAS3", "PETR4"])
    assert quotes.stopped
    assert set(quotes.frame["ticker"]) == {"VALE3"}
    assert [(failure.ticker, failure.kind) for failure in quotes.failures] == [
        ("ZZZZ3", "unknown"),
        ("BBAS3", "rate_limited"),
        ("PETR4", "rate_limited"),
    ]


def test_a_refusal_for_a_while_ends():
    """Two fetches are refused; one that does not ask for the ticker is not counted."""
    source = open_source("sample", faults="429:BBAS3:2")
    stopped = [
        source.fetch([ticker], START, END).stopped
        for ticker in ("BBAS3", "PETR4", "BBAS3", "BBAS3")
    ]
    assert stopped == [True, False, True, False]


def test_a_range_without_a_session_is_a_closed_market():
    """Easter of 2024."""
    quotes = fetch("", ["ITUB4", "ZZZZ3"], dt.date(2024, 3, 29), dt.date(2024, 3, 31))
    assert [(failure.ticker, failure.kind) for failure in quotes.failures] == [
        ("ZZZZ3", "unknown"),
        ("ITUB4", "closed"),
    ]
