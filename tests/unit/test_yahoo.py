"""The Yahoo source: the real yfinance library against a stand-in on 127.0.0.1."""

import datetime as dt
import socket
import threading
import time

import numpy as np
import pandas as pd
import pytest
import yfinance
from hypothesis import given, settings
from hypothesis import strategies as st
from yfinance.data import YfData

from b3pipeline.errors import ConfigError, DateRangeError
from b3pipeline.sources import open_source
from b3pipeline.sources.base import QUOTE_COLUMNS, Failure, Quotes, check_frame, empty_frame
from b3pipeline.sources.yahoo.frame import to_tick
from b3pipeline.sources.yahoo.retry import Patience, Rounds

START, END = dt.date(2024, 6, 26), dt.date(2024, 6, 28)


@pytest.fixture(autouse=True)
def _fresh_yfinance():
    """The library as a new process finds it: no cookie, no crumb, its first way to get them."""
    data = YfData()
    data._cookie, data._crumb, data._cookie_strategy = None, None, "basic"


@pytest.fixture
def waiting(yahoo):
    """A clock that runs only while somebody sleeps by it."""
    return yahoo.Waiting()


@pytest.fixture
def make_source(yahoo_server, tmp_path, waiting):
    """Return a Yahoo source pointed at the stand-in, whose pauses cost no time."""

    def make(stub=yahoo_server, patience=None, timeout=10, **options):
        return open_source(
            "yahoo",
            session=stub.session(timeout),
            cache_dir=tmp_path,
            timeout=timeout,
            patience=patience or waiting.patience(),
            **options,
        )

    return make


@pytest.fixture
def source(make_source):
    """The Yahoo source as it stands: four threads."""
    return make_source()


@pytest.fixture
def one_by_one(make_source):
    """The Yahoo source with a single thread, for tests of an order."""
    return make_source(threads=1)


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


def flat(yahoo, ticker, day, price, volume=0):
    """Return a chart of one bar whose four prices are the same."""
    return yahoo.chart(
        f"{ticker}.SA", [yahoo.Bar(yahoo.day(day), *[price] * 4, adj_close=price, volume=volume)]
    )


def kinds(quotes):
    """Return each failure's ticker and kind."""
    return [(failure.ticker, failure.kind) for failure in quotes.failures]


# ------------------------------------------------------------------------------------ what comes


def test_a_good_ticker_comes_as_a_frame_of_quotes(source, yahoo_server, petr4):
    """Prices are rounded to the tick, times lose their zone, the volume is whole."""
    yahoo_server.answers["PETR4.SA"] = [petr4]
    quotes = source.fetch(["PETR4"], START, END)
    assert quotes.failures == ()
    assert check_frame(quotes.frame) is quotes.frame
    expected = pd.DataFrame(
        [
            ["PETR4", "2024-06-26", 36.1, 36.9, 35.9, 36.5, 34.12346, 1000, 0.0, 0.0],
            ["PETR4", "2024-06-27", 36.6, 37.2, 36.4, 37.01, 34.6, 2000, 0.2673457, 2.0],
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


def test_one_request_a_ticker(one_by_one, yahoo_server, yahoo):
    """The time zone of B3 is known and not asked for; a ticker named twice is asked for once."""
    for ticker in ("PETR4", "VALE3"):
        yahoo_server.answers[f"{ticker}.SA"] = [flat(yahoo, ticker, "2024-06-26", 5.0)]
    one_by_one.fetch(["VALE3", "PETR4", "VALE3"], START, END)
    assert yahoo_server.symbols() == ["VALE3.SA", "PETR4.SA"]


def test_at_most_four_requests_are_under_way(source, yahoo_server, yahoo):
    """Each answer takes 200 ms; a thread's frame holds its own ticker and nobody else's."""
    prices = {f"AAAA{place}": 10.0 + place for place in range(12)}
    for ticker, price in prices.items():
        yahoo_server.answers[f"{ticker}.SA"] = [flat(yahoo, ticker, "2024-06-26", price)]
    yahoo_server.latency = 0.2
    frame = source.fetch(list(prices), START, END).frame
    assert yahoo_server.most == 4
    assert dict(zip(frame["ticker"], frame["close"], strict=True)) == prices


def test_more_threads_than_yahoo_puts_up_with_are_refused(make_source):
    """The limit is in the message."""
    with pytest.raises(ConfigError, match=r"5 threads.*1 to 4"):
        make_source(threads=5)


def test_two_fetches_at_once_keep_their_sessions_apart(make_source, yahoo):
    """The library has one session for the whole process: the second fetch waits for the first."""
    closes = {}

    def fetch(price):
        server = yahoo.serve()
        stub = server.stub
        stub.latency = 0.05
        for ticker in ("PETR4", "VALE3", "ITUB4"):
            stub.answers[f"{ticker}.SA"] = [flat(yahoo, ticker, "2024-06-26", price)]
        quotes = make_source(stub).fetch(["PETR4", "VALE3", "ITUB4"], START, END)
        closes[price] = quotes.frame["close"].tolist()
        server.shutdown()
        server.server_close()

    threads = [threading.Thread(target=fetch, args=(price,)) for price in (10.0, 20.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert closes == {10.0: [10.0] * 3, 20.0: [20.0] * 3}


def test_progress_counts_every_ticker_once(source, yahoo_server, petr4, yahoo):
    """Those that failed too, and those that took a second round."""
    yahoo_server.answers["PETR4.SA"] = [yahoo.MAINTENANCE, petr4]
    seen = []

    def progress(items, *, total, desc):
        for item in items:
            seen.append((item[0], total, desc))
            yield item

    source.fetch(["PETR4", "ZZZZ3"], START, END, progress=progress)
    assert sorted(seen) == [("PETR4", 2, "yahoo"), ("ZZZZ3", 2, "yahoo")]


def test_the_settings_of_yfinance_are_left_as_they_were(source, yahoo_server, petr4):
    """A notebook that uses yfinance beside this source sees no change."""
    yahoo_server.answers["PETR4.SA"] = [petr4]
    source.fetch(["PETR4"], START, END)
    assert yfinance.config.debug.hide_exceptions is True


# -------------------------------------------------------------------- what passes without judgement


def test_a_flat_row_on_a_holiday_passes_as_it_came(source, yahoo_server, yahoo):
    """B3 was closed on 25 January 2018, and Yahoo has a bar: the ingestion judges it."""
    yahoo_server.answers["PETR4.SA"] = [flat(yahoo, "PETR4", "2018-01-25", 17.66)]
    quotes = source.fetch(["PETR4"], dt.date(2018, 1, 25), dt.date(2018, 1, 25))
    assert quotes.failures == ()
    [row] = quotes.frame.itertuples(index=False)
    assert (row.traded_at, row.open, row.low, row.volume) == (
        pd.Timestamp("2018-01-25"),
        17.66,
        17.66,
        0,
    )


def test_the_open_session_passes_with_its_latest_row(source, yahoo_server, yahoo):
    """While B3 trades Yahoo dates the day's bar at the last trade, and may send it twice."""
    bars = [
        yahoo.Bar(yahoo.day("2024-06-27"), 36.6, 37.2, 36.4, 37.0, 37.0, 2000),
        yahoo.Bar(yahoo.day("2024-06-28"), 37.0, 37.6, 36.9, 37.4, 37.4, 900),
        yahoo.Bar(yahoo.at("2024-06-28 14:23"), 37.0, 37.6, 36.9, 37.42, 37.42, 1000),
    ]
    yahoo_server.answers["PETR4.SA"] = [yahoo.chart("PETR4.SA", bars)]
    frame = source.fetch(["PETR4"], START, END).frame
    assert frame["traded_at"].tolist() == [pd.Timestamp("2024-06-27"), pd.Timestamp("2024-06-28")]
    assert frame["close"].tolist() == [37.0, 37.42]
    assert frame["volume"].tolist() == [2000, 1000]


def test_a_rewritten_history_comes_as_yahoo_has_it_now(source, yahoo_server, yahoo):
    """After a split of two for one each price before it is half, off the tick or not."""
    before = yahoo.Bar(yahoo.day("2024-06-26"), 36.1, 36.9, 35.9, 36.51, 36.51, 1000)
    after = yahoo.Bar(yahoo.day("2024-06-27"), 18.4, 18.6, 18.2, 18.5, 18.5, 2400)
    halved = yahoo.Bar(before.at, 18.05, 18.45, 17.95, 18.254999160766602, 18.254999, 2000)
    stamp = int(after.at.timestamp())
    splits = {"splits": {str(stamp): {"date": stamp, "numerator": 2, "denominator": 1}}}
    yahoo_server.answers["PETR4.SA"] = [
        yahoo.chart("PETR4.SA", [before]),
        yahoo.chart("PETR4.SA", [halved, after], events=splits),
    ]
    first = source.fetch(["PETR4"], START, END).frame
    second = source.fetch(["PETR4"], START, END).frame
    assert first["close"].tolist() == [36.51]
    assert second["close"].tolist() == [18.255, 18.5]
    assert second["volume"].tolist() == [2000, 2400]
    assert second["stock_splits"].tolist() == [0.0, 2.0]


def test_a_bar_without_any_price_is_left_out(source, yahoo_server, yahoo):
    """Yahoo sends nulls for a session it knows nothing of; half a bar stays for the rules."""
    bars = [
        yahoo.Bar(yahoo.day("2024-06-26"), None, None, None, None, None, 500),
        yahoo.Bar(yahoo.day("2024-06-27"), None, 2.0, 0.5, 1.5, 1.5, 700),
    ]
    yahoo_server.answers["PETR4.SA"] = [yahoo.chart("PETR4.SA", bars)]
    frame = source.fetch(["PETR4"], START, END).frame
    assert frame["traded_at"].tolist() == [pd.Timestamp("2024-06-27")]
    assert frame[["open", "high", "volume"]].to_numpy().tolist()[0][1:] == [2.0, 700]
    assert frame["open"].isna().all()


def test_a_dividend_without_a_bar_is_named_in_the_log(source, yahoo_server, yahoo, caplog):
    """It has no row to stand on."""
    bars = [
        yahoo.Bar(yahoo.day("2024-06-26"), None, None, None, None, None, None),
        yahoo.Bar(yahoo.day("2024-06-27"), 1.0, 2.0, 0.5, 1.5, 1.5, 700),
    ]
    stamp = int(bars[0].at.timestamp())
    events = {"dividends": {str(stamp): {"amount": 0.25, "date": stamp}}}
    yahoo_server.answers["PETR4.SA"] = [yahoo.chart("PETR4.SA", bars, events=events)]
    source.fetch(["PETR4"], START, END)
    assert "PETR4: a dividend of 0.25 on 2024-06-26 has no bar and is left out" in caplog.text


# -------------------------------------------------------------------------------------- the tick


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (36.900001525878906, 36.9),
        (37.0099983215332, 37.01),
        (4.800000190734863, 4.8),
        (1234.56005859375, 1234.56),
        (36.90500259399414, 36.905),  # half a tick: halved by a split, not noise
        (0.014600000344216824, 0.0146),  # old, before splits of 32 for 1 in all
        (0.0034567890130728483, 0.003456789),
        (1.2345678806304932e-05, 1.234568e-05),
        (0.0, 0.0),
    ],
)
def test_a_price_is_rounded_to_the_tick_where_it_was_on_it(sent, kept):
    """Noise of 32-bit floats goes; the digits of a price that a split has divided stay."""
    assert to_tick(np.array([sent])).tolist() == [kept]


def test_every_price_on_the_tick_survives_the_32_bits():
    """From one centavo to 999.99, each comes back as it was traded."""
    prices = np.arange(1, 100_000) / 100
    np.testing.assert_array_equal(to_tick(prices.astype(np.float32).astype(np.float64)), prices)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e5, width=32), min_size=2))
def test_rounding_keeps_prices_in_order(prices):
    """A low that was no higher than its high stays so."""
    prices.sort()
    assert (np.diff(to_tick(np.array(prices))) >= 0).all()


def test_a_missing_price_stays_missing():
    """It is neither nought nor an error."""
    assert np.isnan(to_tick(np.array([np.nan]))).all()


# ------------------------------------------------------------------------- what does not come


def test_an_unknown_ticker_is_a_failure_beside_the_good_ones(source, yahoo_server, petr4, waiting):
    """One bad code does not cost the others their quotes, nor a second attempt."""
    yahoo_server.answers["PETR4.SA"] = [petr4]
    quotes = source.fetch(["PETR4", "ZZZZ3"], START, END)
    assert set(quotes.frame["ticker"]) == {"PETR4"}
    assert quotes.failures == (
        Failure("ZZZZ3", "unknown", "Yahoo says: No data found, symbol may be delisted"),
    )
    assert waiting.slept == []


def test_a_renamed_ticker_is_not_called_delisted_while_yahoo_keeps_it(source, yahoo_server, yahoo):
    """ELET3 became AXIA3: to yfinance it is "possibly delisted", which nobody told it."""
    yahoo_server.answers["ELET3.SA"] = [yahoo.without_quotes("ELET3.SA")]
    [failure] = source.fetch(["ELET3"], START, END).failures
    assert failure.kind == "empty"
    assert "delisted" not in failure.reason


def test_a_renamed_ticker_is_unknown_once_yahoo_says_so(source, yahoo_server, yahoo):
    """Yahoo answers for the new code: its quotes are not written under the old one."""
    yahoo_server.answers["ELET3.SA"] = [flat(yahoo, "AXIA3", "2024-06-26", 40.0, 500)]
    quotes = source.fetch(["ELET3"], START, END)
    assert quotes.frame.empty
    assert quotes.failures == (Failure("ELET3", "unknown", "Yahoo answers for AXIA3.SA instead"),)


@pytest.mark.parametrize(
    "reason",
    [
        "Data doesn't exist for startDate = 1719370800, endDate = 1719630000",
        "No data found for this date range, symbol may be delisted",
    ],
)
def test_an_empty_range_is_not_an_unknown_ticker(source, yahoo_server, yahoo, reason):
    """The second is what Yahoo said of the liveliest stocks one weekend of 2025."""
    yahoo_server.answers["PETR4.SA"] = [yahoo.refusal(400, "Bad Request", reason)]
    quotes = source.fetch(["PETR4"], START, END)
    assert quotes.frame.empty
    assert check_frame(quotes.frame) is quotes.frame
    assert quotes.failures == (Failure("PETR4", "empty", f"Yahoo says: {reason}"),)


def test_nothing_on_a_day_without_a_session_is_a_closed_market(source, yahoo_server, yahoo):
    """29 March 2024 was Good Friday."""
    yahoo_server.answers["PETR4.SA"] = [yahoo.no_data(1711681200, 1711767600)]
    good_friday = dt.date(2024, 3, 29)
    assert source.fetch(["PETR4"], good_friday, good_friday).failures == (
        Failure("PETR4", "closed", "B3 held no session in this range"),
    )


# ----------------------------------------------------------------------------- broken, then good


def broken(yahoo, name):
    """Return the answers to one attempt that a broken server gives."""
    whole = flat(yahoo, "PETR4", "2024-06-26", 36.5).body
    return {
        "503": [yahoo.BUSY, yahoo.BUSY],
        "maintenance page": [yahoo.MAINTENANCE],
        "half of the text": [yahoo.Answer(200, whole[: len(whole) // 2])],
        "connection cut": [yahoo.Answer(200, whole, cut=True)],
        "a reason of its own": [yahoo.refusal(500, "Internal", "Internal Server Error")] * 2,
        "crumb refused": [yahoo.BAD_CRUMB, yahoo.BAD_CRUMB],
    }[name]


BROKEN = [
    *("503", "maintenance page", "half of the text"),
    *("connection cut", "a reason of its own", "crumb refused"),
]


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_asked_for_again(source, yahoo_server, yahoo, petr4, waiting, name):
    """A second later it is good: yfinance's own memory of the failure is not asked."""
    yahoo_server.answers["PETR4.SA"] = [*broken(yahoo, name), petr4]
    quotes = source.fetch(["PETR4"], START, END)
    assert quotes.failures == ()
    assert len(quotes.frame) == 3
    assert waiting.slept == [1.0]


@pytest.mark.parametrize("name", BROKEN)
def test_what_stays_broken_may_be_tried_another_day(source, yahoo_server, yahoo, waiting, name):
    """Four attempts, twice as far apart each time; it says nothing about the ticker."""
    yahoo_server.answers["PETR4.SA"] = broken(yahoo, name)[:1]
    yahoo_server.answers["VALE3.SA"] = [flat(yahoo, "VALE3", "2024-06-26", 61.0)]
    quotes = source.fetch(["PETR4", "VALE3"], START, END)
    assert kinds(quotes) == [("PETR4", "retryable")]
    assert quotes.failures[0].reason.endswith("(after 4 attempts)")
    assert quotes.frame["ticker"].tolist() == ["VALE3"]
    assert waiting.slept == [1.0, 2.0, 4.0]
    assert not quotes.stopped


def test_a_time_out_is_asked_for_again(make_source, yahoo_server, yahoo, petr4):
    """The first answer takes longer than the source waits; this one test waits for real."""
    yahoo_server.answers["PETR4.SA"] = [yahoo.Answer(200, "{}", delay=1.0), petr4]
    quotes = make_source(timeout=0.3).fetch(["PETR4"], START, END)
    assert len(quotes.frame) == 3


def test_a_time_out_for_ever_is_retryable(make_source, yahoo_server, yahoo, waiting):
    """The reason names it."""
    yahoo_server.answers["PETR4.SA"] = [yahoo.Answer(200, "{}", delay=1.0)]
    source = make_source(timeout=0.3, patience=waiting.patience(attempts=2))
    [failure] = source.fetch(["PETR4"], START, END).failures
    assert failure.kind == "retryable"
    assert failure.reason.startswith("Timeout")


def test_a_cookie_that_does_not_come_costs_no_half_minute(make_source, yahoo_server, yahoo, petr4):
    """The library would wait 30 s for it; the chart comes without."""
    yahoo_server.cookie = yahoo.Answer(200, "", delay=6.0)
    yahoo_server.answers["PETR4.SA"] = [petr4]
    began = time.monotonic()
    quotes = make_source(timeout=0.2).fetch(["PETR4"], START, END)
    assert len(quotes.frame) == 3
    assert time.monotonic() - began < 5


def test_without_a_network_every_ticker_is_out_of_reach(tmp_path, waiting, monkeypatch):
    """The source's own session, sent to a port where nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setitem(yfinance.config.network.data, "proxy", proxy)
    source = open_source("yahoo", cache_dir=tmp_path, patience=waiting.patience())
    quotes = source.fetch(["PETR4", "VALE3"], START, END)
    assert kinds(quotes) == [("PETR4", "unreachable"), ("VALE3", "unreachable")]
    assert all(failure.reason.endswith("is the network there?") for failure in quotes.failures)
    assert waiting.slept == [1.0]


def test_a_failure_is_forgotten_at_the_next_fetch(make_source, yahoo_server, yahoo, petr4, waiting):
    """The library keeps failed answers for old ranges; a new fetch must ask again."""
    yahoo_server.answers["PETR4.SA"] = [yahoo.MAINTENANCE, petr4]
    source = make_source(patience=waiting.patience(attempts=1))
    assert source.fetch(["PETR4"], START, END).failures
    assert source.fetch(["PETR4"], START, END).failures == ()


def test_when_the_time_for_a_fetch_is_over_it_ends(make_source, yahoo_server, yahoo, waiting):
    """Waits of 1 and 2 s would end at 3 s: past 2.5 s nothing begins."""
    yahoo_server.answers["PETR4.SA"] = [yahoo.BUSY]
    source = make_source(patience=waiting.patience(deadline=2.5))
    [failure] = source.fetch(["PETR4"], START, END).failures
    assert failure.kind == "retryable"
    assert failure.reason.endswith("the 2 s for one fetch are over")
    assert waiting.slept == [1.0]


# ------------------------------------------------------------------------------------------- 429


def test_a_429_is_waited_out(source, yahoo_server, yahoo, petr4, waiting):
    """Ten seconds later Yahoo answers again."""
    yahoo_server.answers["PETR4.SA"] = [yahoo.TOO_MANY, yahoo.TOO_MANY, petr4]
    quotes = source.fetch(["PETR4"], START, END)
    assert quotes.failures == ()
    assert len(quotes.frame) == 3
    assert waiting.slept == [10.0]


def test_a_429_for_ever_stops_the_whole_batch(one_by_one, yahoo_server, yahoo, petr4, waiting):
    """What came stays; no ticker after it is asked for, which would lengthen the ban."""
    yahoo_server.answers["PETR4.SA"] = [petr4]
    yahoo_server.answers["VALE3.SA"] = [yahoo.TOO_MANY]
    yahoo_server.answers["ITUB4.SA"] = [flat(yahoo, "ITUB4", "2024-06-26", 33.0)]
    quotes = one_by_one.fetch(["PETR4", "VALE3", "ITUB4"], START, END)
    assert quotes.stopped
    assert set(quotes.frame["ticker"]) == {"PETR4"}
    assert kinds(quotes) == [("VALE3", "rate_limited"), ("ITUB4", "rate_limited")]
    assert waiting.slept == [10.0, 20.0, 40.0]
    assert "ITUB4.SA" not in yahoo_server.symbols()


def test_under_a_429_the_threads_stop_and_one_ticker_tries_the_door(
    source, yahoo_server, yahoo, waiting
):
    """Of 20 tickers only those already under way are asked for, then one at each attempt."""
    tickers = [f"AAAA{place}" for place in range(20)]
    for ticker in tickers:
        yahoo_server.answers[f"{ticker}.SA"] = [yahoo.TOO_MANY]
    yahoo_server.latency = 0.05
    quotes = source.fetch(tickers, START, END)
    assert [kind for _, kind in kinds(quotes)] == ["rate_limited"] * 20
    first_round = len(set(yahoo_server.symbols()))
    assert first_round <= 4
    # yfinance repeats a failed request at once: two requests an attempt, three attempts alone
    assert len(yahoo_server.asked) == 2 * (first_round + 3)


def test_after_a_429_the_rest_of_the_batch_comes(source, yahoo_server, yahoo, waiting):
    """One pause, then all of them."""
    tickers = [f"AAAA{place}" for place in range(8)]
    for ticker in tickers:
        yahoo_server.answers[f"{ticker}.SA"] = [flat(yahoo, ticker, "2024-06-26", 5.0)]
    yahoo_server.answers["AAAA0.SA"][:0] = [yahoo.TOO_MANY, yahoo.TOO_MANY]
    quotes = source.fetch(tickers, START, END)
    assert quotes.failures == ()
    assert sorted(quotes.frame["ticker"]) == tickers
    assert waiting.slept == [10.0]


def test_a_429_that_outlasts_the_time_for_a_fetch_stops_it(
    make_source, yahoo_server, yahoo, waiting
):
    """The next wait would end too late."""
    yahoo_server.answers["PETR4.SA"] = [yahoo.TOO_MANY]
    quotes = make_source(patience=waiting.patience(deadline=25)).fetch(["PETR4"], START, END)
    assert quotes.stopped
    assert waiting.slept == [10.0]


def test_a_429_on_getcrumb_is_no_crumb(one_by_one, yahoo_server, yahoo):
    """The library would keep "Too Many Requests" as its crumb; the next request asks anew."""
    yahoo_server.crumbs = [yahoo.TOO_MANY, yahoo.Answer(200, "crumb")]
    for ticker in ("PETR4", "VALE3"):
        yahoo_server.answers[f"{ticker}.SA"] = [flat(yahoo, ticker, "2024-06-26", 5.0)]
    quotes = one_by_one.fetch(["PETR4", "VALE3"], START, END)
    assert quotes.failures == ()
    assert [query.get("crumb") for _, query in yahoo_server.asked] == [None, "crumb"]


@pytest.mark.parametrize("name", ["TOO_MANY", "MAINTENANCE"])
def test_quotes_come_without_a_crumb(source, yahoo_server, yahoo, name):
    """The chart needs none; what getcrumb answered instead is never sent as one."""
    yahoo_server.crumbs = [getattr(yahoo, name)]
    tickers = [f"AAAA{place}" for place in range(6)]
    for ticker in tickers:
        yahoo_server.answers[f"{ticker}.SA"] = [flat(yahoo, ticker, "2024-06-26", 5.0)]
    assert source.fetch(tickers, START, END).failures == ()


# ------------------------------------------------------------------------------ rounds and waits


@pytest.mark.parametrize(
    ("failed", "refused", "draw", "seconds"),
    [
        (1, False, 0.0, 1.0),
        (3, False, 0.0, 4.0),
        (3, False, 1.0, 2.0),  # chance takes up to a half
        (1, True, 0.5, 7.5),
        (9, True, 0.0, 60.0),  # the longest
    ],
)
def test_waits_double_and_are_cut_at_random(failed, refused, draw, seconds):
    """First 1 s, after a 429 first 10 s."""
    assert Patience(draw=lambda: draw).wait(failed, refused=refused) == seconds


def test_what_was_not_asked_for_in_time_says_so(waiting):
    """The first request takes longer than the whole fetch may."""

    def ask(ticker):
        waiting.now += 100
        return Quotes(empty_frame(), (Failure(ticker, "empty", "nothing"),))

    rounds = Rounds(ask, 1, waiting.patience(deadline=60))
    settled = {ticker: brought.failures for ticker, brought in rounds.settle(["PETR4", "VALE3"])}
    assert settled == {
        "PETR4": (Failure("PETR4", "empty", "nothing"),),
        "VALE3": (Failure("VALE3", "retryable", "not asked for; the 60 s for one fetch are over"),),
    }


# ------------------------------------------------------------------------------- within the day

TODAY = dt.datetime(2024, 7, 1, 15, 0, tzinfo=dt.UTC)


def test_bars_within_the_day_keep_their_local_time(make_source, yahoo_server, yahoo):
    """A bar of the afternoon in São Paulo is not shifted to UTC."""
    bars = [
        yahoo.Bar(yahoo.at("2024-06-26 10:00"), 36.0, 36.5, 35.5, 36.2, None, 100),
        yahoo.Bar(yahoo.at("2024-06-26 16:00"), 36.2, 37.0, 36.1, 36.9, None, 200),
    ]
    yahoo_server.answers["PETR4.SA"] = [yahoo.chart("PETR4.SA", bars, interval="60m")]
    frame = make_source(clock=lambda: TODAY).fetch(["PETR4"], START, END, "60m").frame
    assert frame["traded_at"].tolist() == [
        pd.Timestamp("2024-06-26 10:00"),
        pd.Timestamp("2024-06-26 16:00"),
    ]
    assert frame["adj_close"].tolist() == [36.2, 36.9]


def test_half_hours_are_made_of_quarters(make_source, yahoo_server, yahoo):
    """Yahoo answers 30m with hours, so yfinance asks for 15m and joins them."""
    bars = [
        yahoo.Bar(yahoo.at("2024-06-26 10:00"), 36.0, 36.5, 35.5, 36.2, None, 100),
        yahoo.Bar(yahoo.at("2024-06-26 10:15"), 36.2, 37.0, 36.1, 36.9, None, 200),
    ]
    yahoo_server.answers["PETR4.SA"] = [yahoo.chart("PETR4.SA", bars, interval="15m")]
    frame = make_source(clock=lambda: TODAY).fetch(["PETR4"], START, END, "30m").frame
    assert yahoo_server.asked[0][1]["interval"] == "15m"
    columns = ["open", "high", "low", "close", "volume"]
    assert frame[columns].to_numpy().tolist() == [[36.0, 37.0, 35.5, 36.9, 300]]


@pytest.mark.parametrize(
    ("interval", "days", "first"),
    [
        ("60m", 730, "2022-07-03"),
        ("30m", 60, "2024-05-03"),
        ("15m", 60, "2024-05-03"),
        ("5m", 60, "2024-05-03"),
    ],
)
def test_what_yahoo_no_longer_keeps_is_refused_before_any_request(
    make_source, yahoo_server, interval, days, first
):
    """The limit and the first day that is left are named; on that day it is asked."""
    source = make_source(clock=lambda: TODAY)
    start = dt.date.fromisoformat(first)
    with pytest.raises(DateRangeError, match=f"{interval} for {days} days.*start on {first}"):
        source.fetch(["PETR4"], start - dt.timedelta(days=1), END, interval)
    assert yahoo_server.asked == []
    assert kinds(source.fetch(["PETR4"], start, END, interval)) == [("PETR4", "unknown")]


def test_an_interval_that_is_not_on_offer_is_refused_before_any_request(source, yahoo_server):
    """A week is not a bar that the refine could use."""
    with pytest.raises(ConfigError, match="1wk"):
        source.fetch(["PETR4"], START, END, "1wk")
    assert yahoo_server.asked == []


# ----------------------------------------------------------------------------------- no way out


def test_the_stand_in_lets_no_request_leave_the_machine(yahoo_server):
    """A request to any other host fails the test that makes it."""
    with pytest.raises(AssertionError, match="left the machine"):
        yahoo_server.session().get("https://example.com/")


def test_a_request_that_would_leave_the_machine_is_each_tickers_failure(source, monkeypatch):
    """As whatever else is raised, in a thread either; the setting is reset."""
    monkeypatch.setattr("yfinance.scrapers.history._BASE_URL_", "https://example.com")
    failures = source.fetch(["PETR4", "VALE3"], START, END).failures
    assert ["left the machine" in failure.reason for failure in failures] == [True, True]
    assert yfinance.config.debug.hide_exceptions is True


def test_yfinance_keeps_its_files_in_a_folder_of_our_own(source, yahoo_server, petr4):
    """Not in the one that other programs of this user share."""
    yahoo_server.answers["PETR4.SA"] = [petr4]
    source.fetch(["PETR4"], START, END)
    database = yfinance.cache.get_tz_cache().get_db().database
    assert "py-yfinance" not in str(database)
