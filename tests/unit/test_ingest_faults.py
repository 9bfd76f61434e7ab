"""What goes wrong with sources, through the ingestion: held back, named, asked for again."""

import datetime as dt

import pytest

from b3pipeline import lake
from b3pipeline.ingest import ingest, resume
from b3pipeline.sources import open_source

NOW = dt.datetime(2024, 4, 3, 15, 0, tzinfo=dt.UTC)  # noon of a session in São Paulo
RANGE = ("2024-03-25", "2024-04-02")
"""Six sessions; 29 March was Good Friday."""


def clock():
    """Say that it is noon of 3 April 2024 in São Paulo, and B3 trades."""
    return NOW


def run(cloud, source, tickers=("ITUB4", "PETR4"), start=RANGE[0], end=RANGE[1]):
    """Ingest a range of two stocks from a source, or of the market with some faults."""
    market = open_source("sample", faults=source) if isinstance(source, str) else source
    return ingest(cloud, market, tickers, start, end, clock=clock)


def named(gaps):
    """Return each gap's session and the rule or reason that it begins with."""
    return [(gap.ticker, gap.dt, gap.reason.split(":")[0]) for gap in gaps]


def column(cloud, ticker, name):
    """Return a column of what bronze holds of a ticker, in order of sessions."""
    frame = lake.read_bronze(cloud)
    return frame[frame["ticker"] == ticker].sort_values("dt")[name].tolist()


@pytest.mark.parametrize(
    ("fault", "missing", "quarantined"),
    [
        (
            "missing:ITUB4:2024-03-27",
            [("ITUB4", "2024-03-27", "the source has no quote")],
            [],
        ),
        (
            "holiday:ITUB4:2024-03-29",
            [],
            [("ITUB4", "2024-03-29", "flat_on_closed_day")],
        ),
        (
            "open:ITUB4:2024-04-03",
            [],
            [("ITUB4", "2024-04-03", "session_open")],
        ),
        (
            "bad:ITUB4:2024-04-01",
            [("ITUB4", "2024-04-01", "held back, low_is_lowest")],
            [("ITUB4", "2024-04-01", "low_is_lowest")],
        ),
    ],
    ids=["missing", "holiday", "open", "bad"],
)
def test_a_fault_of_the_market_is_named_in_the_manifest(lake_cloud, fault, missing, quarantined):
    """And every other session of both stocks is in bronze."""
    batch = run(lake_cloud, fault)
    assert named(batch.manifest.missing) == missing
    assert named(batch.manifest.quarantined) == quarantined
    assert batch.objects == 12 - len(missing)


def test_after_a_429_the_rest_comes_with_the_next_resume(lake_cloud):
    """What came before it is not asked for again."""
    refused = run(lake_cloud, "429:PETR4")
    assert {gap.ticker for gap in refused.manifest.missing} == {"PETR4"}
    assert refused.objects == 6
    rest = resume(lake_cloud, open_source, clock=clock)
    assert list(rest.manifest.partitions) == ["PETR4"]
    assert rest.complete


def test_a_split_of_the_market_reloads_what_bronze_held(lake_cloud):
    """Five sessions were there at the old prices; now all six are at the new ones."""
    run(lake_cloud, "", ["ITUB4"], end="2024-04-01")
    batch = run(lake_cloud, "split:ITUB4:2024-04-02:2", ["ITUB4"], start="2024-04-02")
    assert [(each.ticker, each.factor) for each in batch.manifest.restated] == [("ITUB4", 0.5)]
    assert column(lake_cloud, "ITUB4", "close") == [32.98, 32.34, 32.63, 33.02, 33.16, 33.365]
    assert column(lake_cloud, "ITUB4", "stock_splits") == [0, 0, 0, 0, 0, 2]


@pytest.fixture
def yahoo_on(yahoo, yahoo_server, tmp_path):
    """Return the Yahoo source at its stand-in, at a moment; its pauses cost no time."""

    def make(moment):
        return open_source(
            "yahoo",
            session=yahoo_server.session(),
            cache_dir=tmp_path,
            patience=yahoo.Waiting().patience(),
            clock=lambda: moment,
        )

    return make


@pytest.fixture
def yahoo_source(yahoo_on):
    """The Yahoo source on 3 April 2024."""
    return yahoo_on(NOW)


def test_what_yahoo_does_to_a_history_is_seen_through(
    lake_cloud, yahoo, yahoo_server, yahoo_source
):
    """A 429 waited out, a made-up holiday, a split that rewrote the past, a session still open."""
    thursday = yahoo.Bar(yahoo.day("2024-03-28"), 33.0, 34.0, 32.0, 33.5, 33.5, 1000)
    halved = yahoo.Bar(thursday.at, 16.5, 17.0, 16.0, 16.75, 16.75, 2000)
    friday = yahoo.Bar(yahoo.day("2024-03-29"), *[16.75] * 5, volume=0)
    monday = yahoo.Bar(yahoo.day("2024-04-01"), 16.8, 17.1, 16.7, 17.0, 17.0, 2100)
    still_open = yahoo.Bar(yahoo.at("2024-04-03 12:00"), 17.0, 17.2, 16.9, 17.1, 17.1, 900)
    split = {"date": int(monday.at.timestamp()), "numerator": 2, "denominator": 1}
    late = yahoo.chart(
        "ITUB4.SA", [halved, friday, monday, still_open], events={"splits": {"1": split}}
    )
    yahoo_server.answers["ITUB4.SA"] = [
        yahoo.chart("ITUB4.SA", [thursday]),
        *[yahoo.TOO_MANY] * 2,
        late,
    ]
    run(lake_cloud, yahoo_source, ["ITUB4"], "2024-03-28", "2024-03-28")
    batch = run(lake_cloud, yahoo_source, ["ITUB4"], "2024-03-28", "2024-04-01")
    assert named(batch.manifest.quarantined) == [("ITUB4", "2024-03-29", "flat_on_closed_day")]
    assert [(each.ticker, each.factor) for each in batch.manifest.restated] == [("ITUB4", 0.5)]
    assert column(lake_cloud, "ITUB4", "dt") == ["2024-03-28", "2024-04-01"]
    assert column(lake_cloud, "ITUB4", "close") == [16.75, 17.0]


def test_a_split_of_bars_that_yahoo_no_longer_keeps_costs_that_ticker_alone(
    lake_cloud, yahoo, yahoo_server, yahoo_on
):
    """Bars of 5 minutes go back 60 days: those of 2 January cannot be loaded at the new price."""

    def chart(ticker, price, *days, **events):
        bars = [
            yahoo.Bar(yahoo.at(f"{day} 10:00"), *[price] * 4, adj_close=None, volume=100)
            for day in days
        ]
        return yahoo.chart(f"{ticker}.SA", bars, interval="5m", **events)

    def load(day, now=NOW):
        tickers, source = ["ITUB4", "PETR4"], yahoo_on(now)
        return ingest(lake_cloud, source, tickers, day, day, interval="5m", clock=lambda: now)

    stamp = int(yahoo.at("2024-04-02 10:00").timestamp())
    split = {"splits": {"1": {"date": stamp, "numerator": 2, "denominator": 1}}}
    for ticker, events in (("ITUB4", {"events": split}), ("PETR4", {})):
        yahoo_server.answers[f"{ticker}.SA"] = [
            chart(ticker, 30.0, "2024-01-02"),
            chart(ticker, 30.0, "2024-04-01"),
            chart(ticker, 15.0 if events else 30.0, "2024-04-01", "2024-04-02", **events),
        ]
    load("2024-01-02", dt.datetime(2024, 1, 3, 15, 0, tzinfo=dt.UTC))
    load("2024-04-01")
    batch = load("2024-04-02")
    assert batch.manifest.partitions == {"PETR4": ["2024-04-02"]}
    [gap] = batch.manifest.missing
    assert (gap.ticker, gap.dt) == ("ITUB4", "2024-04-02")
    assert "its history did not come: Yahoo keeps bars of 5m for 60 days" in gap.reason
