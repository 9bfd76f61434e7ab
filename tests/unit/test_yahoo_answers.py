"""Answers of Yahoo that lack, contradict or move something: nothing is made up, no day is moved."""

import datetime as dt
import json
import socket
import time

import pandas as pd
import pytest
import pytz
import yfinance
from yfinance.data import YfData

from b3pipeline import lake
from b3pipeline.calendar import SAO_PAULO, sessions
from b3pipeline.errors import SourceError
from b3pipeline.ingest import ingest, resume
from b3pipeline.quality import unapplied_splits
from b3pipeline.sources import open_source
from b3pipeline.sources.base import Doubt
from b3pipeline.sources.yahoo.client import instant

NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _fresh_yfinance():
    """The library as a new process finds it."""
    data = YfData()
    data._cookie, data._crumb, data._cookie_strategy = None, None, "basic"


@pytest.fixture
def source(yahoo, yahoo_server, tmp_path):
    """The Yahoo source at its stand-in; its pauses cost no time."""
    return open_source(
        "yahoo",
        session=yahoo_server.session(),
        cache_dir=tmp_path,
        patience=yahoo.Waiting().patience(),
        clock=lambda: NOW,
    )


@pytest.fixture
def bars(yahoo):
    """Return bars of a close each, 1,000 shares, by day."""

    def make(closes):
        return [
            yahoo.Bar(yahoo.day(day), close, close * 1.01, close * 0.99, close, close, 1000)
            for day, close in closes.items()
        ]

    return make


def moment(yahoo, day, clock="10:00"):
    """Return a moment of São Paulo in seconds."""
    return int(yahoo.at(f"{day} {clock}").timestamp())


def dividend(yahoo, day, amount=0.5, **more):
    """Return the events of one dividend."""
    at = moment(yahoo, day)
    return {"dividends": {str(at): {"amount": amount, "date": at, **more}}}


def split(yahoo, day, new, old):
    """Return the events of one split."""
    at = moment(yahoo, day)
    return {"splits": {str(at): {"date": at, "numerator": new, "denominator": old}}}


def held(cloud, column):
    """Return a column of bronze by session."""
    frame = lake.read_bronze(cloud)
    return dict(zip(frame["dt"], frame[column], strict=True))


# ------------------------------------------------------------------------ events keep their day

DAYS = {"2026-07-22": 20.0, "2026-07-23": 20.0, "2026-07-24": 20.0, "2026-07-27": 20.0}


def test_a_dividend_is_neither_moved_nor_doubled(source, yahoo, yahoo_server, bars, lake_cloud):
    """Friday's bar is lacking for now: its dividend waits for it, and counts once."""
    events = dividend(yahoo, "2026-07-24")
    few = {day: close for day, close in DAYS.items() if day != "2026-07-24"}
    yahoo_server.answers["AAAA3.SA"] = [
        yahoo.chart("AAAA3.SA", bars(few), events=events),
        yahoo.chart("AAAA3.SA", bars(DAYS), events=events),
    ]
    ingest(lake_cloud, source, ["AAAA3"], "2026-07-22", "2026-07-27", clock=lambda: NOW)
    assert held(lake_cloud, "dividends") == {"2026-07-22": 0, "2026-07-23": 0, "2026-07-27": 0}
    resume(lake_cloud, lambda _: source, clock=lambda: NOW + dt.timedelta(hours=1))
    assert held(lake_cloud, "dividends") == {
        "2026-07-22": 0, "2026-07-23": 0, "2026-07-24": 0.5, "2026-07-27": 0,
    }  # fmt: skip


def test_a_split_of_a_holiday_is_of_no_session(source, yahoo, yahoo_server, bars, caplog):
    """Told of Ash Wednesday's eve, without a bar: left out, and named with its own day."""
    chart = yahoo.chart(
        "AAAA3.SA",
        bars({"2012-02-17": 10.0, "2012-02-23": 10.0}),
        events=split(yahoo, "2012-02-21", 2, 1),
    )
    yahoo_server.answers["AAAA3.SA"] = [chart]
    quotes = source.fetch(["AAAA3"], dt.date(2012, 2, 17), dt.date(2012, 2, 23))
    assert quotes.frame["stock_splits"].tolist() == [0, 0]
    reason = "a split of 2 on 2012-02-21 has no bar and is left out"
    assert quotes.doubts == (Doubt("AAAA3", "2012-02-21", reason),)
    assert f"AAAA3: {reason}" in caplog.text


@pytest.mark.parametrize("day", ["2026-07-21", "2026-07-25", "2026-07-26", "2026-07-28"])
@pytest.mark.parametrize("kind", ["dividends", "splits", "capitalGains"])
def test_an_event_before_between_or_after_the_bars_is_on_none(
    source, yahoo, yahoo_server, bars, day, kind
):
    """Before the first, on a weekend, after the last."""
    at = moment(yahoo, day)
    event = {"amount": 0.5, "date": at, "numerator": 1, "denominator": 2}
    chart = yahoo.chart("AAAA3.SA", bars(DAYS), events={kind: {str(at): event}})
    yahoo_server.answers["AAAA3.SA"] = [chart]
    quotes = source.fetch(["AAAA3"], dt.date(2026, 7, 20), dt.date(2026, 7, 31))
    assert quotes.failures == ()
    assert quotes.frame["close"].tolist() == [20.0] * 4
    assert (quotes.frame[["dividends", "stock_splits"]] == 0).all(axis=None)


def test_events_of_one_day_count_together(source, yahoo, yahoo_server, bars):
    """Two dividends are added, two splits multiplied."""
    first, second = moment(yahoo, "2026-07-23"), moment(yahoo, "2026-07-23", "11:00")
    events = {
        "dividends": {str(at): {"amount": 0.25, "date": at} for at in (first, second)},
        "splits": {
            str(at): {"date": at, "numerator": 11, "denominator": 10} for at in (first, second)
        },
    }
    yahoo_server.answers["AAAA3.SA"] = [yahoo.chart("AAAA3.SA", bars(DAYS), events=events)]
    row = source.fetch(["AAAA3"], dt.date(2026, 7, 22), dt.date(2026, 7, 27)).frame.iloc[1]
    assert row["dividends"] == 0.5
    assert row["stock_splits"] == pytest.approx(1.21)


def test_an_event_of_a_day_stands_on_its_first_bar_alone(source, yahoo, yahoo_server):
    """Within the day there are many bars."""
    hours = [
        yahoo.Bar(yahoo.at(f"2026-11-{day} {hour}:00"), 20, 21, 19, 20, None, 100)
        for day in (23, 24)
        for hour in (10, 11)
    ]
    chart = yahoo.chart(
        "AAAA3.SA", hours, interval="60m", events=dividend(yahoo, "2026-11-24", 0.5)
    )
    yahoo_server.answers["AAAA3.SA"] = [chart]
    frame = source.fetch(["AAAA3"], dt.date(2026, 11, 23), dt.date(2026, 11, 24), "60m").frame
    assert frame["dividends"].tolist() == [0, 0, 0.5, 0]


# ------------------------------------------------------------------ what is absent stays absent


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "adj_close", "volume"])
def test_a_value_that_is_null_holds_its_bar_back(source, yahoo, yahoo_server, lake_cloud, name):
    """It is neither nought nor the value beside it; the day before is written."""
    good = {"open": 38.5, "high": 39, "low": 38, "close": 38.7, "adj_close": 38.7, "volume": 1000}
    yahoo_server.answers["AAAA3.SA"] = [
        yahoo.chart(
            "AAAA3.SA",
            [
                yahoo.Bar(yahoo.day("2024-06-27"), **good),
                yahoo.Bar(yahoo.day("2024-06-28"), **good | {name: None}),
            ],
        )
    ]
    batch = ingest(lake_cloud, source, ["AAAA3"], "2024-06-27", "2024-06-28", clock=lambda: NOW)
    assert [gap.reason for gap in batch.manifest.missing] == [
        "held back, values_present: a value is missing"
    ]
    assert held(lake_cloud, "volume") == {"2024-06-27": 1000}
    [row] = lake.read_quarantine(lake_cloud, batch.batch_id).itertuples()
    assert row.rule == "values_present"


def test_every_volume_null_holds_every_bar_back_and_no_other_ticker(
    source, yahoo, yahoo_server, bars, lake_cloud
):
    """The other one keeps whole numbers."""
    day = yahoo.day("2024-06-28")
    yahoo_server.answers["AAAA3.SA"] = [
        yahoo.chart("AAAA3.SA", [yahoo.Bar(day, 38.5, 39, 38, 38.9, 38.9, None)])
    ]
    yahoo_server.answers["BBBB4.SA"] = [yahoo.chart("BBBB4.SA", bars({"2024-06-28": 5.0}))]
    tickers = ["AAAA3", "BBBB4"]
    batch = ingest(lake_cloud, source, tickers, "2024-06-28", "2024-06-28", clock=lambda: NOW)
    assert [gap.ticker for gap in batch.manifest.missing] == ["AAAA3"]
    frame = lake.read_bronze(lake_cloud)
    assert (frame["ticker"].tolist(), frame["volume"].dtype) == (["BBBB4"], "int64")


@pytest.mark.parametrize(
    "events",
    [
        lambda yahoo: dividend(yahoo, "2024-06-28", None),
        lambda yahoo: dividend(yahoo, "2024-06-28", 0.5, currency="USD"),
        lambda yahoo: split(yahoo, "2024-06-28", None, 1),
        lambda yahoo: split(yahoo, "2024-06-28", 2, 0),
        lambda yahoo: dividend(yahoo, "2024-06-28", -0.5),
    ],
    ids=["null", "dollars", "half a split", "a split by nought", "negative"],
)
def test_an_event_without_a_usable_amount_holds_its_bar_back(
    source, yahoo, yahoo_server, bars, lake_cloud, events
):
    """It is not taken for no event."""
    chart = yahoo.chart(
        "AAAA3.SA", bars({"2024-06-27": 10.0, "2024-06-28": 10.0}), events=events(yahoo)
    )
    yahoo_server.answers["AAAA3.SA"] = [chart]
    batch = ingest(lake_cloud, source, ["AAAA3"], "2024-06-27", "2024-06-28", clock=lambda: NOW)
    assert [gap.dt for gap in batch.manifest.missing] == ["2024-06-28"]
    assert held(lake_cloud, "close") == {"2024-06-27": 10.0}


def test_daily_bars_without_any_adjusted_close_are_held_back(source, yahoo, yahoo_server, bars):
    """The close does not stand for it."""
    body = json.loads(yahoo.chart("AAAA3.SA", bars({"2024-06-28": 10.0})).body)
    del body["chart"]["result"][0]["indicators"]["adjclose"]
    yahoo_server.answers["AAAA3.SA"] = [yahoo.Answer(200, json.dumps(body))]
    frame = source.fetch(["AAAA3"], dt.date(2024, 6, 28), dt.date(2024, 6, 28)).frame
    assert frame["adj_close"].isna().all()


def test_a_half_hour_with_a_quarter_of_unknown_volume_has_none(source, yahoo, yahoo_server):
    """Half of it is known, the sum is not."""
    quarters = [
        yahoo.Bar(yahoo.at(f"2026-11-24 10:{minute}"), 36.0, 36.5, 35.5, 36.2, None, volume)
        for minute, volume in (("00", 100), ("15", None), ("30", 200), ("45", 300))
    ]
    yahoo_server.answers["AAAA3.SA"] = [yahoo.chart("AAAA3.SA", quarters, interval="15m")]
    frame = source.fetch(["AAAA3"], dt.date(2026, 11, 24), dt.date(2026, 11, 24), "30m").frame
    assert frame["volume"].isna().tolist() == [True, False]
    assert frame["volume"].iloc[1] == 500


def test_two_bars_of_a_day_that_differ_are_both_left_out(source, yahoo, yahoo_server, bars):
    """Nobody knows which is right; the other days come, and the day has its reason."""
    torn = [*bars({"2024-06-26": 10.0}), *bars({"2024-06-26": 11.0}), *bars({"2024-06-27": 10.0})]
    yahoo_server.answers["AAAA3.SA"] = [yahoo.chart("AAAA3.SA", torn)]
    quotes = source.fetch(["AAAA3"], dt.date(2024, 6, 26), dt.date(2024, 6, 27))
    assert quotes.frame["traded_at"].tolist() == [pd.Timestamp("2024-06-27")]
    [failure] = quotes.failures
    assert (failure.kind, failure.days) == ("unusable", {"2024-06-26"})


# ------------------------------------------------------------------------- splits against prices


def adjusted(*closes):
    """Return closes by day, from Tuesday 19 March 2024 on."""
    days = ("2024-03-19", "2024-03-20", "2024-03-21", "2024-03-22", "2024-03-25")
    return dict(zip(days, closes, strict=True))


@pytest.mark.parametrize(
    ("closes", "new", "old", "said"),
    [
        (adjusted(2.0, 2.1, 1.9, 38.0, 37.0), 1, 20, "0.05 on 2024-03-22"),
        (adjusted(40.0, 42.0, 38.0, 19.2, 19.0), 2, 1, "2 on 2024-03-22"),
        (adjusted(40.0, 42.0, 38.0, 25.0, 25.1), 3, 2, "1.5 on 2024-03-22"),
    ],
    ids=["reverse", "two for one", "three for two"],
)
def test_a_split_that_the_closes_deny_holds_back_what_came_before_it(
    source, yahoo, yahoo_server, bars, lake_cloud, caplog, closes, new, old, said
):
    """In the manifest with day and ratio; another ticker of the batch is written."""
    yahoo_server.answers["AAAA3.SA"] = [
        yahoo.chart("AAAA3.SA", bars(closes), events=split(yahoo, "2024-03-22", new, old))
    ]
    yahoo_server.answers["BBBB4.SA"] = [
        yahoo.chart("BBBB4.SA", bars(adjusted(5.0, 5.1, 5.2, 5.1, 5.0)))
    ]
    tickers = ["AAAA3", "BBBB4"]
    batch = ingest(lake_cloud, source, tickers, "2024-03-19", "2024-03-25", clock=lambda: NOW)
    assert batch.manifest.partitions["AAAA3"] == ["2024-03-22", "2024-03-25"]
    assert len(batch.manifest.partitions["BBBB4"]) == 5
    assert len(batch.manifest.missing) == 3
    assert all(
        f"a split of {said} is told and not applied" in gap.reason for gap in batch.manifest.missing
    )
    assert f"AAAA3: a split of {said}" in caplog.text


@pytest.mark.parametrize(
    ("closes", "new", "old"),
    [
        (adjusted(40.0, 42.0, 38.0, 38.0, 37.0), 1, 20),
        (adjusted(20.0, 21.0, 19.0, 19.2, 19.0), 2, 1),
        (adjusted(20.0, 21.0, 19.0, 4.4, 4.5), 2, 1),  # AMER3 lost 77% in a day
        (adjusted(20.0, 21.0, 19.0, 17.3, 17.0), 11, 10),  # a bonus, and a bad day
    ],
    ids=["reverse", "two for one", "a crash", "a bonus"],
)
def test_a_split_that_was_applied_is_written(
    source, yahoo, yahoo_server, bars, lake_cloud, closes, new, old
):
    """No move is too large by itself."""
    yahoo_server.answers["AAAA3.SA"] = [
        yahoo.chart("AAAA3.SA", bars(closes), events=split(yahoo, "2024-03-22", new, old))
    ]
    batch = ingest(lake_cloud, source, ["AAAA3"], "2024-03-19", "2024-03-25", clock=lambda: NOW)
    assert batch.complete
    assert list(held(lake_cloud, "close").values()) == list(closes.values())


def test_of_two_splits_the_one_that_is_denied_is_named(source, yahoo, yahoo_server, bars, caplog):
    """The first was applied, the second was not."""
    at = [moment(yahoo, day) for day in ("2024-03-20", "2024-03-22")]
    splits = {str(each): {"date": each, "numerator": 2, "denominator": 1} for each in at}
    chart = yahoo.chart(
        "AAAA3.SA", bars(adjusted(40.0, 42.0, 38.0, 19.2, 19.0)), events={"splits": splits}
    )
    yahoo_server.answers["AAAA3.SA"] = [chart]
    quotes = source.fetch(["AAAA3"], dt.date(2024, 3, 19), dt.date(2024, 3, 25))
    assert [(each.day, each.ratio) for each in unapplied_splits(quotes.frame)] == [
        ("2024-03-22", 2.0)
    ]


def test_a_split_across_two_batches_that_the_history_denies_changes_nothing(
    source, yahoo, yahoo_server, bars, lake_cloud
):
    """Bronze ends before the split; with the new day the old closes come unadjusted."""
    old = adjusted(2.0, 2.1, 1.9, 38.0, 37.0)
    first = {day: close for day, close in old.items() if day < "2024-03-22"}
    yahoo_server.answers["AAAA3.SA"] = [
        yahoo.chart("AAAA3.SA", bars(first)),
        yahoo.chart("AAAA3.SA", bars(old), events=split(yahoo, "2024-03-22", 1, 20)),
    ]
    yahoo_server.answers["BBBB4.SA"] = [yahoo.chart("BBBB4.SA", bars(old | {"2024-03-22": 1.9}))]
    tickers = ["AAAA3", "BBBB4"]
    ingest(lake_cloud, source, tickers[:1], "2024-03-19", "2024-03-21", clock=lambda: NOW)
    ingest(lake_cloud, source, tickers, "2024-03-22", "2024-03-25", clock=lambda: NOW)
    frame = lake.read_bronze(lake_cloud)
    assert frame[frame["ticker"] == "AAAA3"]["close"].tolist() == [2.0, 2.1, 1.9]


# ---------------------------------------------------------------- midnights, zones, currencies


def test_a_range_before_a_midnight_that_was_left_out_is_asked_for(
    source, yahoo, yahoo_server, bars, lake_cloud
):
    """In 2004 summer time began on a Tuesday, a holiday: it has no midnight."""
    closes = {"2004-10-29": 10.0, "2004-11-01": 10.5}
    for ticker in ("AAAA3", "BBBB4"):
        yahoo_server.answers[f"{ticker}.SA"] = [yahoo.chart(f"{ticker}.SA", bars(closes))]
    tickers = ["AAAA3", "BBBB4"]
    batch = ingest(lake_cloud, source, tickers, "2004-10-29", "2004-11-01", clock=lambda: NOW)
    assert batch.complete
    assert lake.list_journals(lake_cloud) == []


def test_a_made_up_row_of_that_day_harms_nobody(source, yahoo, yahoo_server, bars, lake_cloud):
    """It heads the answer, and a dividend follows."""
    made_up = yahoo.Bar(yahoo.at("2004-11-02 10:00"), 10, 10, 10, 10, 10, 0)
    chart = yahoo.chart(
        "AAAA3.SA",
        [made_up, *bars({"2004-11-03": 10.5})],
        events=dividend(yahoo, "2004-11-03"),
    )
    yahoo_server.answers["AAAA3.SA"] = [chart]
    ingest(lake_cloud, source, ["AAAA3"], "2004-11-01", "2004-11-03", clock=lambda: NOW)
    assert held(lake_cloud, "dividends") == {"2004-11-03": 0.5}


def test_every_day_since_1985_begins_at_a_moment():
    """Each instant is the day's first: a second before it was yesterday in São Paulo."""
    for number in range((dt.date(2026, 1, 1) - dt.date(1985, 1, 1)).days):
        day = dt.date(1985, 1, 1) + dt.timedelta(days=number)
        first = instant(day)
        assert dt.datetime.fromtimestamp(first, SAO_PAULO).date() == day
        assert dt.datetime.fromtimestamp(first - 1, SAO_PAULO).date() < day


CHANGES = [
    *("2000-10-08", "2002-11-03", "2004-11-02", "2007-10-14", "2008-02-17", "2017-10-15"),
    *("2018-02-18", "2018-11-04", "2019-02-17"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_sessions_around_a_change_of_the_clocks_come(source, yahoo, yahoo_server, bars, change):
    """The last before it and the first after it, each under its own date."""
    day = dt.date.fromisoformat(change)
    span = (day - dt.timedelta(days=8), day + dt.timedelta(days=8))
    every = [str(each) for each in sessions(*span)]
    chart = yahoo.chart(
        "AAAA3.SA", bars(dict.fromkeys(every, 10.0)), events=dividend(yahoo, change)
    )
    yahoo_server.answers["AAAA3.SA"] = [chart]
    frame = source.fetch(["AAAA3"], *span).frame
    assert frame["traded_at"].dt.strftime("%Y-%m-%d").tolist() == every


def test_a_daily_bar_dated_an_hour_before_its_midnight_is_of_the_next_day(
    source, yahoo, yahoo_server
):
    """Yahoo forgot summer time in some years."""
    bar = yahoo.Bar(yahoo.at("2022-01-03 23:00"), 10, 11, 9, 10, 10, 1000)
    yahoo_server.answers["AAAA3.SA"] = [yahoo.chart("AAAA3.SA", [bar])]
    frame = source.fetch(["AAAA3"], dt.date(2022, 1, 4), dt.date(2022, 1, 4)).frame
    assert frame["traded_at"].tolist() == [pd.Timestamp("2022-01-04")]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("currency", "USD", "Yahoo answers in USD; B3 trades in BRL"),
        ("currency", None, "Yahoo answers without a currency; B3 trades in BRL"),
        ("exchangeTimezoneName", "America/New_York", "Yahoo answers for an exchange in America/N"),
        ("exchangeTimezoneName", None, "Yahoo answers without a time zone"),
    ],
)
def test_an_answer_of_another_exchange_is_refused(
    source, yahoo, yahoo_server, bars, lake_cloud, field, value, said
):
    """Asked once: it would not change. The other ticker is written."""
    body = json.loads(yahoo.chart("AAAA3.SA", bars({"2024-06-28": 10.0})).body)
    body["chart"]["result"][0]["meta"][field] = value
    yahoo_server.answers["AAAA3.SA"] = [yahoo.Answer(200, json.dumps(body))]
    yahoo_server.answers["BBBB4.SA"] = [yahoo.chart("BBBB4.SA", bars({"2024-06-28": 5.0}))]
    tickers = ["AAAA3", "BBBB4"]
    batch = ingest(lake_cloud, source, tickers, "2024-06-28", "2024-06-28", clock=lambda: NOW)
    [failure] = batch.failures
    assert (failure.ticker, failure.kind) == ("AAAA3", "unusable")
    assert failure.reason.startswith(said)
    assert yahoo_server.symbols().count("AAAA3.SA") == 1
    assert lake.read_bronze(lake_cloud)["ticker"].tolist() == ["BBBB4"]


# -------------------------------------------------------------------- one ticker's own failure


def pytz_error(name):
    """Return an error that yfinance's pandas raises of a midnight."""
    return lambda: getattr(pytz.exceptions, name)("2004-11-02 00:00:00")


ERRORS = {
    "assertion": lambda: AssertionError("something new in yfinance"),
    "key": lambda: KeyError("currency"),
    "value": lambda: ValueError("no shape"),
    "attribute": lambda: AttributeError("'NoneType' object has no attribute 'get'"),
    "json": lambda: json.JSONDecodeError("Expecting value", "", 0),
    "zero": lambda: ZeroDivisionError("division by zero"),
    "recursion": lambda: RecursionError("maximum recursion depth exceeded"),
    "left out": pytz_error("NonExistentTimeError"),
    "twice": pytz_error("AmbiguousTimeError"),
    "no words": lambda: RuntimeError(),
}


@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
def test_whatever_is_raised_for_one_ticker_is_its_own_failure(
    source, yahoo, yahoo_server, bars, lake_cloud, monkeypatch, make
):
    """The other one is written, and no journal stays behind."""
    real = yfinance.Ticker.history

    def history(self, *args, **options):
        if self.ticker == "AAAA3.SA":
            raise make()
        return real(self, *args, **options)

    monkeypatch.setattr(yfinance.Ticker, "history", history)
    for ticker in ("AAAA3", "BBBB4"):
        chart = yahoo.chart(f"{ticker}.SA", bars({"2024-06-28": 10.0}))
        yahoo_server.answers[f"{ticker}.SA"] = [chart]
    tickers = ["AAAA3", "BBBB4"]
    batch = ingest(lake_cloud, source, tickers, "2024-06-28", "2024-06-28", clock=lambda: NOW)
    assert [(failure.ticker, failure.kind) for failure in batch.failures] == [
        ("AAAA3", "retryable")
    ]
    assert type(make()).__name__ in batch.failures[0].reason
    assert list(batch.manifest.partitions) == ["BBBB4"]
    assert lake.list_journals(lake_cloud) == []


def spoilt(change):
    """Return what makes a chart's text unlike Yahoo's."""

    def spoil(text):
        body = json.loads(text)
        change(body["chart"]["result"][0])
        return json.dumps(body)

    return spoil


SHAPES = {
    "no highs": spoilt(lambda result: result["indicators"]["quote"][0].pop("high")),
    "too few closes": spoilt(lambda result: result["indicators"]["quote"][0].update(close=[])),
    "text for a price": spoilt(
        lambda result: result["indicators"]["quote"][0].update(open=["ten"])
    ),
    "no indicators": spoilt(lambda result: result.pop("indicators")),
    "an event without a date": spoilt(
        lambda result: result.update(events={"dividends": {"1": {"amount": 1}}})
    ),
    "events as a list": spoilt(lambda result: result.update(events={"splits": [1]})),
    "a moment as text": spoilt(lambda result: result.update(timestamp=["today"])),
}


@pytest.mark.parametrize("spoil", SHAPES.values(), ids=SHAPES)
def test_an_answer_of_another_shape_is_its_tickers_failure(
    source, yahoo, yahoo_server, bars, spoil
):
    """Tried again, then named; the other ticker comes."""
    chart = yahoo.chart("AAAA3.SA", bars({"2024-06-28": 10.0}))
    yahoo_server.answers["AAAA3.SA"] = [yahoo.Answer(200, spoil(chart.body))]
    yahoo_server.answers["BBBB4.SA"] = [yahoo.chart("BBBB4.SA", bars({"2024-06-28": 5.0}))]
    quotes = source.fetch(["AAAA3", "BBBB4"], dt.date(2024, 6, 28), dt.date(2024, 6, 28))
    [failure] = quotes.failures
    assert (failure.ticker, failure.kind) == ("AAAA3", "retryable")
    assert "Yahoo's answer cannot be read (" in failure.reason
    assert quotes.frame["ticker"].tolist() == ["BBBB4"]


# ---------------------------------------------------------------------------- Yahoo's own words


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, '{"chart": {"result": null, "error": {"description": "disk full"}}}', "disk full"),
        (500, '{"finance": {"error": {"code": "x", "description": "no backend"}}}', "no backend"),
        (500, '{"error": "try later"}', "try later"),
        (502, "<html><h1>Bad   Gateway</h1></html>", "Bad Gateway"),
        (500, '{"chart": {"result": null, "error": {"description": "symbol not found"}}}', "symb"),
        (503, "", "nothing"),
    ],
    ids=["chart", "finance", "plain", "page", "not of the ticker", "nothing"],
)
def test_a_reason_inside_a_failed_answer_is_shown(source, yahoo, yahoo_server, status, body, said):
    """And it never makes the ticker unknown: the server speaks of itself."""
    yahoo_server.answers["AAAA3.SA"] = [yahoo.Answer(status, body)]
    [failure] = source.fetch(["AAAA3"], dt.date(2024, 6, 28), dt.date(2024, 6, 28)).failures
    assert failure.kind == "retryable"
    assert failure.reason.startswith(f"Yahoo answers {status}: {said}")


def test_without_a_network_the_question_is_whether_it_is_there(tmp_path, monkeypatch, lake_cloud):
    """Twice tried, a second apart: nobody waits for half a minute, for ten tickers either."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setitem(yfinance.config.network.data, "proxy", proxy)
    source = open_source("yahoo", cache_dir=tmp_path)
    began = time.monotonic()
    with pytest.raises(SourceError, match="is the network there") as caught:
        ingest(lake_cloud, source, start="2024-06-28", end="2024-06-28", clock=lambda: NOW)
    assert time.monotonic() - began < 15
    assert "before it is listed" not in caught.value.hint
