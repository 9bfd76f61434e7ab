"""What every quote source must give, and how one is opened by name."""

import pandas as pd
import pytest

from b3pipeline.errors import ConfigError, SourceError
from b3pipeline.sources import open_source
from b3pipeline.sources.base import (
    QUOTE_COLUMNS,
    Failure,
    Quotes,
    check_frame,
    empty_frame,
    join_frames,
)


def frame(*rows):
    """Return a frame of quotes from (ticker, moment, close) each."""
    return pd.DataFrame(
        [
            (ticker, moment, 1.0, 1.0, 1.0, close, close, 100, 0.0, 0.0)
            for ticker, moment, close in rows
        ],
        columns=list(QUOTE_COLUMNS),
    ).astype(QUOTE_COLUMNS)


GOOD = [("PETR4", "2024-06-27", 36.0), ("PETR4", "2024-06-28", 37.0), ("VALE3", "2024-06-27", 61.0)]


def test_a_source_is_opened_by_its_name():
    """The name is what the command line is given."""
    assert open_source("sample").name == "sample"


def test_an_unknown_source_is_refused_with_the_known_ones():
    """The reader sees what there is."""
    with pytest.raises(ConfigError, match="'bloomberg'") as caught:
        open_source("bloomberg")
    assert "sample, yahoo" in caught.value.hint


def test_an_option_that_a_source_does_not_have_is_refused():
    """Such as `--path` for Yahoo."""
    with pytest.raises(ConfigError, match="'yahoo' cannot be opened with path") as caught:
        open_source("yahoo", path="quotes.zip")
    assert "cache_dir" in caught.value.hint


def test_a_frame_of_quotes_passes_unchanged():
    """The check returns the very frame."""
    quotes = frame(*GOOD)
    assert check_frame(quotes) is quotes


def test_a_frame_without_rows_is_one_of_quotes():
    """A range may hold nothing."""
    assert check_frame(empty_frame()).empty


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (frame(*GOOD).drop(columns="volume"), "the columns ticker, traded_at"),
        (frame(*GOOD).astype({"volume": "float64"}), "volume as float64 instead of int64"),
        (frame(*GOOD).astype({"traded_at": "datetime64[ns]"}), r"traded_at as datetime64\[ns\]"),
        (frame(GOOD[0], GOOD[0]), "the bar of PETR4 at 2024-06-27 00:00:00 twice"),
        (frame(GOOD[1], GOOD[0]), "its rows unordered"),
        (frame(GOOD[2], GOOD[0]), "its rows unordered"),
    ],
    ids=["column", "dtype", "nanoseconds", "twice", "time order", "ticker order"],
)
def test_a_frame_that_breaks_the_contract_is_refused(broken, message):
    """The message says what was found."""
    with pytest.raises(SourceError, match=message):
        check_frame(broken)


def test_frames_of_several_tickers_are_joined_in_order():
    """Sorted by ticker, then by time, whatever order they came in."""
    joined = join_frames([frame(GOOD[2]), frame(GOOD[1], GOOD[0]), empty_frame()])
    pd.testing.assert_frame_equal(joined, frame(*GOOD))


@pytest.mark.parametrize(
    ("kinds", "stopped"),
    [
        ([], False),
        (["unknown", "empty", "closed", "retryable"], False),
        (["empty", "rate_limited"], True),
    ],
)
def test_quotes_are_stopped_where_the_source_refused_to_go_on(kinds, stopped):
    """No other failure says anything of the tickers that are still to come."""
    failures = tuple(Failure("PETR4", kind, "why") for kind in kinds)
    assert Quotes(empty_frame(), failures).stopped is stopped
