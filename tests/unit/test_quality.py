"""The rules of quotes: what breaks one is named, the rest goes through as it came."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from b3pipeline import quality
from b3pipeline.calendar import sessions
from b3pipeline.errors import SourceError
from b3pipeline.sources import open_source

FIRST, LAST = dt.date(2018, 1, 22), dt.date(2018, 1, 26)  # the 25th is São Paulo's holiday
WEEK = sessions(FIRST, LAST)


@pytest.fixture
def quotes():
    """Four sessions of one stock."""
    return open_source("sample").fetch(["PETR4"], FIRST, LAST).frame


def rules(frame, final=LAST):
    """Return the rule that each row breaks, in the order of time."""
    return quality.judge(frame, WEEK, final)["rule"].tolist()


def test_good_quotes_pass_as_they_are(quotes):
    """Not a value is touched."""
    judged = quality.judge(quotes, WEEK, LAST)
    pd.testing.assert_frame_equal(judged[list(quotes.columns)], quotes)
    assert judged["rule"].tolist() == [None] * 4


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("close", 0.0, "prices_positive"),
        ("adj_close", -1.0, "prices_positive"),
        ("open", np.inf, "prices_positive"),
        ("low", 1e6, "low_is_lowest"),
        ("high", 0.01, "high_is_highest"),
        ("volume", -100, "volume_not_negative"),
        ("adj_close", 5e-324, "in_reach"),
        ("adj_close", 1e308, "in_reach"),
        ("volume", 2**62, "in_reach"),
        ("close", np.nan, "values_present"),
        ("volume", 10.5, "dtypes"),
        ("open", "n/a", "dtypes"),
        ("traded_at", "yesterday", "dtypes"),
    ],
    ids=str,
)
def test_a_row_that_breaks_a_rule_is_named_and_the_others_are_kept(quotes, column, value, rule):
    """The first rule that is broken names the row."""
    wrong = quotes.astype({column: "object"})
    wrong.loc[2, column] = value
    found = rules(wrong)
    assert [each for each in found if each] == [rule]
    assert len(found) == 4


def test_what_does_not_fit_its_column_is_kept_as_it_came(quotes):
    """The value itself cannot stay in a column of numbers; the row's text can."""
    wrong = quotes.astype({"open": "object"})
    wrong.loc[2, "open"] = "n/a"
    judged = quality.judge(wrong, WEEK, LAST)
    assert '"open": "n/a"' in judged.loc[2, "came_as"]
    assert judged["open"].dtype == "float64"


def test_of_a_bar_that_came_twice_one_is_kept(quotes):
    """The copies agree, so nothing is in doubt."""
    assert rules(pd.concat([quotes, quotes.tail(1)])) == [None, None, None, None, "bar_unique"]


def test_of_bars_that_contradict_each_other_none_is_kept(quotes):
    """Nobody knows which one is right."""
    other = quotes.tail(1).assign(volume=1)
    assert rules(pd.concat([quotes, other])) == [None, None, None, "bar_unique", "bar_unique"]


def test_a_session_without_trades_is_a_quote(quotes):
    """Flat and without volume, on a day when B3 did trade."""
    still = quotes.assign(open=9.0, high=9.0, low=9.0, close=9.0, volume=0)
    assert rules(still) == [None] * 4


def test_a_large_move_is_a_quote(quotes):
    """AMER3 lost 77% on a day."""
    quotes.loc[3, ["open", "high", "low", "close"]] *= 0.23
    assert rules(quotes) == [None] * 4


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"open": 9.0, "high": 9.0, "low": 9.0, "close": 9.0, "volume": 0}, "flat_on_closed_day"),
        ({}, "trades_on_closed_day"),
    ],
)
def test_a_row_on_a_closed_day_is_told_by_its_volume(quotes, change, rule):
    """Yahoo's made-up rows are flat; one with trades calls the calendar into question."""
    holiday = quotes.head(1).assign(traded_at=pd.Timestamp("2018-01-25"), **change)
    assert rules(pd.concat([quotes, holiday])) == [None, None, None, rule, None]


def test_a_session_that_has_not_closed_is_held_back(quotes):
    """Two snapshots of one afternoon disagree."""
    assert rules(quotes, final=dt.date(2018, 1, 24)) == [None, None, None, "session_open"]


def test_a_frame_without_a_column_is_the_sources_defect(quotes):
    """There is nothing to keep."""
    with pytest.raises(SourceError, match="without close, volume"):
        quality.judge(quotes.drop(columns=["volume", "close"]), WEEK, LAST)


def test_each_rule_says_what_breaks_it():
    """The manifest gives the words beside the name."""
    assert quality.reason("low_is_lowest") == (
        "low_is_lowest: the low lies above the open or the close"
    )
