"""The Yahoo source: the real yfinance library against a stand-in on 127.0.0.1."""

import datetime as dt

import pandas as pd
import pytest
import yfinance

from b3pipeline.errors import ConfigError
from b3pipeline.sources import open_source
from b3pipeline.sources.base import QUOTE_COLUMNS, check_frame

START, END = dt.date(2024, 6, 26), dt.date(2024, 6, 28)


@pytest.fixture
def source(yahoo_server, tmp_path):
    """The Yahoo source, pointed at the stand-in."""
    return open_source("yahoo", session=yahoo_server.session(), cache_dir=tmp_path)


@pytest.fixture
def petr4(yahoo):
    """Three sessions of PETR4 with float noise, a dividend and a split, as Yahoo sends them."""
    bars = [
        yahoo.Bar(yahoo.day("2024-06-26"), 36.1, 36.900001525, 35.9, 36.5, 34.1234567, 1000),
        yahoo.Bar(yahoo.day("2024-06-27"), 36.6, 37.2, 36.4, 37.009998321, 34.6, 2000),
        yahoo.Bar(yahoo.day("2024-06-28"), 37.0, 38.0, 36.799999237, 37.5, 35.0, 3000),
    ]
    stamp = int(bars[1].at.timestamp())
    events = {
        "dividends": {str(stamp): {"amount": 0.2673457, "date": stamp}},
        "splits": {
            str(stamp): {"date": stamp, "numerator": 2, "denominator": 1, "splitRatio": "2:1"}
        },
    }
    return yahoo.chart("PETR4.SA", bars, events=events)


def test_a_good_ticker_comes_as_a_frame_of_quotes(source, yahoo_server, petr4):
    """Prices are rounded to the tick, times lose their zone, the volume is whole."""
    yahoo_server.answers["PETR4.SA"] = [petr4]
    quotes = source.fetch(["PETR4"], START, END)
    assert quotes.failures == ()
    assert check_frame(quotes.frame) is quotes.frame
    expected = pd.DataFrame(
        [
            ["PETR4", "2024-06-26", 36.1, 36.9, 35.9, 36.5, 34.123457, 1000, 0.0, 0.0],
            ["PETR4", "2024-06-27", 36.6, 37.2, 36.4, 37.01, 34.6, 2000, 0.267346, 2.0],
            ["PETR4", "2024-06-28", 37.0, 38.0, 36.8, 37.5, 35.0, 3000, 0.0, 0.0],
        ],
        columns=list(QUOTE_COLUMNS),
    ).astype(QUOTE_COLUMNS)
    pd.testing.assert_frame_equal(quotes.frame, expected, check_exact=True)


def test_the_last_day_is_asked_for(source, yahoo_server, petr4):
    """Yahoo leaves out the day it is told to end at, so one more is asked for."""
    yahoo_server.answers["PETR4.SA"] = [petr4]
    source.fetch(["PETR4"], START, END)
    [(_, query)] = yahoo_server.asked
    # midnight of 26 and 29 June in São Paulo, three hours behind UTC
    assert (query["period1"], query["period2"]) == ("1719370800", "1719630000")


def test_one_request_a_ticker(source, yahoo_server, petr4):
    """The time zone of B3 is known and not asked for."""
    yahoo_server.answers["PETR4.SA"] = [petr4]
    yahoo_server.answers["VALE3.SA"] = [petr4]
    source.fetch(["VALE3", "PETR4"], START, END)
    assert [path for path, _ in yahoo_server.asked] == [
        "/v8/finance/chart/VALE3.SA",
        "/v8/finance/chart/PETR4.SA",
    ]


def test_an_unknown_ticker_is_a_failure_beside_the_good_ones(source, yahoo_server, petr4):
    """One bad code does not cost the others their quotes."""
    yahoo_server.answers["PETR4.SA"] = [petr4]
    quotes = source.fetch(["PETR4", "ZZZZ3"], START, END)
    assert set(quotes.frame["ticker"]) == {"PETR4"}
    [failure] = quotes.failures
    assert (failure.ticker, failure.kind) == ("ZZZZ3", "unknown")
    assert "symbol may be delisted" in failure.reason


def test_a_429_stops_the_whole_batch(source, yahoo_server, yahoo, petr4):
    """What came stays; no ticker after it is asked for, which would lengthen the ban."""
    yahoo_server.answers["PETR4.SA"] = yahoo_server.answers["ITUB4.SA"] = [petr4]
    yahoo_server.answers["VALE3.SA"] = [yahoo.TOO_MANY]
    quotes = source.fetch(["PETR4", "VALE3", "ITUB4"], START, END)
    assert quotes.stopped
    assert set(quotes.frame["ticker"]) == {"PETR4"}
    assert [(failure.ticker, failure.kind) for failure in quotes.failures] == [
        ("VALE3", "rate_limited"),
        ("ITUB4", "rate_limited"),
    ]
    assert not any(path.endswith("ITUB4.SA") for path, _ in yahoo_server.asked)


def test_an_empty_range_is_not_an_unknown_ticker(source, yahoo_server, yahoo):
    """Yahoo says that it has no data for the range, and that is what is reported."""
    yahoo_server.answers["PETR4.SA"] = [yahoo.no_data(1719370800, 1719630000)]
    quotes = source.fetch(["PETR4"], START, END)
    assert quotes.frame.empty
    assert check_frame(quotes.frame) is quotes.frame
    [failure] = quotes.failures
    assert failure.kind == "empty"
    assert "Data doesn't exist" in failure.reason


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, "Service Unavailable"), (200, "<html>Will be right back...</html>"), (200, '{"chart"')],
    ids=["503", "maintenance page", "truncated body"],
)
def test_a_broken_answer_may_be_tried_again(source, yahoo_server, yahoo, status, body):
    """None of these says anything about the ticker."""
    yahoo_server.answers["PETR4.SA"] = [yahoo.Answer(status, body)]
    [failure] = source.fetch(["PETR4"], START, END).failures
    assert failure.kind == "retryable"


def test_a_failure_is_forgotten_at_the_next_fetch(source, yahoo_server, yahoo, petr4):
    """The library keeps failed answers for old ranges; a new fetch must ask again."""
    yahoo_server.answers["PETR4.SA"] = [yahoo.Answer(200, "<html>Will be right back</html>"), petr4]
    assert source.fetch(["PETR4"], START, END).failures
    assert source.fetch(["PETR4"], START, END).failures == ()


def test_a_bar_without_prices_is_left_out(source, yahoo_server, yahoo):
    """Yahoo sends nulls for a session it knows nothing of."""
    bars = [
        yahoo.Bar(yahoo.day("2024-06-26"), None, None, None, None, None, 500),
        yahoo.Bar(yahoo.day("2024-06-27"), 1.0, 2.0, 0.5, 1.5, 1.5, 700),
    ]
    yahoo_server.answers["PETR4.SA"] = [yahoo.chart("PETR4.SA", bars)]
    frame = source.fetch(["PETR4"], START, END).frame
    assert frame["traded_at"].tolist() == [pd.Timestamp("2024-06-27")]
    assert frame["volume"].tolist() == [700]


def test_bars_within_the_day_keep_their_local_time(source, yahoo_server, yahoo):
    """A bar of the afternoon in São Paulo is not shifted to UTC."""
    bars = [
        yahoo.Bar(yahoo.at("2024-06-26 10:00"), 36.0, 36.5, 35.5, 36.2, None, 100),
        yahoo.Bar(yahoo.at("2024-06-26 16:00"), 36.2, 37.0, 36.1, 36.9, None, 200),
    ]
    yahoo_server.answers["PETR4.SA"] = [yahoo.chart("PETR4.SA", bars, interval="60m")]
    frame = source.fetch(["PETR4"], START, END, "60m").frame
    assert frame["traded_at"].tolist() == [
        pd.Timestamp("2024-06-26 10:00"),
        pd.Timestamp("2024-06-26 16:00"),
    ]
    assert frame["adj_close"].tolist() == [36.2, 36.9]


def test_an_interval_that_is_not_on_offer_is_refused_before_any_request(source, yahoo_server):
    """A week is not a bar that the refine could use."""
    with pytest.raises(ConfigError, match="1wk"):
        source.fetch(["PETR4"], START, END, "1wk")
    assert yahoo_server.asked == []


def test_the_settings_of_yfinance_are_left_as_they_were(source, yahoo_server, petr4):
    """A notebook that uses yfinance beside this source sees no change."""
    yahoo_server.answers["PETR4.SA"] = [petr4]
    source.fetch(["PETR4"], START, END)
    assert yfinance.config.debug.hide_exceptions is True


def test_the_stand_in_lets_no_request_leave_the_machine(yahoo_server):
    """A request to any other host fails the test that makes it."""
    with pytest.raises(AssertionError, match="left the machine"):
        yahoo_server.session().get("https://example.com/")
