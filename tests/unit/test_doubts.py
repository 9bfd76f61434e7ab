"""What a source says against itself: it is written, logged, and stands in the manifest."""

import datetime as dt

import pandas as pd
import pytest
from yfinance.data import YfData

from b3pipeline import lake
from b3pipeline.errors import NothingToDoError
from b3pipeline.ingest import ingest, resume
from b3pipeline.quality import doubts
from b3pipeline.sources import open_source
from b3pipeline.sources.base import QUOTE_COLUMNS

NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
BEFORE, DAY, AFTER, NEXT = "2024-03-21", "2024-03-22", "2024-03-25", "2024-03-26"


def two_days(closes, adjusted=None, dividend=0.0, split=0.0, clock="00:00"):
    """Return quotes of two sessions; the events are of the second."""
    rows = [
        ("AAAA3", pd.Timestamp(f"{day} {clock}"), close, close, close, close, adj, 1000, *events)
        for day, close, adj, events in zip(
            (BEFORE, DAY), closes, adjusted or closes, ((0.0, 0.0), (dividend, split)), strict=True
        )
    ]
    return pd.DataFrame(rows, columns=list(QUOTE_COLUMNS)).astype(QUOTE_COLUMNS)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (
            two_days((22.0, 20.1), split=1.1),
            "a split of 1.1 on 2024-03-22 is told, and the close moves as if it were not applied: "
            "the close before it is 22, on that day 20.1",
        ),
        (
            two_days((10.0, 12.4), split=0.8),
            "a split of 0.8 on 2024-03-22 is told, and the close moves as if it were not applied: "
            "the close before it is 10, on that day 12.4",
        ),
        (
            two_days((1.9, 38.0), split=20.0),
            "a split of 20 on 2024-03-22 is told, and the close moves the other way round: "
            "the close before it is 1.9, on that day 38",
        ),
        (
            two_days((20.0, 19.5), dividend=0.5),
            "a dividend of 0.5 on 2024-03-22 is told, 2.50% of a close, "
            "and adj_close allows for 0.00%",
        ),
        (
            two_days((20.0, 19.5), (10.0, 19.5), dividend=0.5),
            "a dividend of 0.5 on 2024-03-22 is told, 2.50% of a close, "
            "and adj_close allows for 50.00%",
        ),
        (
            two_days((20.0, 19.5), (19.5, 19.5)),
            "no dividend is told on 2024-03-22, and adj_close allows for 2.50%",
        ),
    ],
    ids=["bonus", "small reverse", "mirrored", "dividend", "other dividend", "no dividend"],
)
def test_two_statements_that_do_not_agree_are_told_with_day_and_figures(frame, reason):
    """The session before the event, and the event's own, are compared."""
    assert [(each.ticker, each.day, each.reason) for each in doubts(frame)] == [
        ("AAAA3", DAY, reason)
    ]


@pytest.mark.parametrize(
    "frame",
    [
        two_days((20.0, 19.9), split=1.1),
        two_days((20.0, 18.9), split=1.1),  # applied, and a bad day
        two_days((20.0, 19.8), split=1.01),
        two_days((2.0, 1.9), split=20.0),
        two_days((20.0, 19.5), (19.5, 19.5), dividend=0.5),
        two_days((20.0, 19.98), (19.98, 19.98), dividend=0.02),
        two_days((20.0, 19.5), dividend=0.5, clock="10:00"),  # within the day nothing is adjusted
        two_days((0.0, 19.5), dividend=0.5),
        two_days((20.0, 19.5), dividend=0.5)[1:],
    ],
    ids=["bonus", "bad day", "1%", "split", "dividend", "cents", "intraday", "nought", "first"],
)
def test_what_agrees_or_cannot_be_compared_is_no_doubt(frame):
    """A warning that comes every week is read by nobody."""
    assert doubts(frame) == []


@pytest.fixture
def source(yahoo, yahoo_server, tmp_path):
    """The Yahoo source at its stand-in; its pauses cost no time."""
    data = YfData()
    data._cookie, data._crumb, data._cookie_strategy = None, None, "basic"
    return open_source(
        "yahoo",
        session=yahoo_server.session(),
        cache_dir=tmp_path,
        patience=yahoo.Waiting().patience(),
        clock=lambda: NOW,
    )


@pytest.fixture
def answer(yahoo, yahoo_server):
    """Let Yahoo answer with a close a day (adjusted close the same), and one event."""

    def make(ticker, closes, **events):
        bars = [
            yahoo.Bar(yahoo.day(day), close, close * 1.01, close * 0.99, close, close, 1000)
            for day, close in closes.items()
        ]
        at = int(yahoo.at(f"{DAY} 10:00").timestamp())
        told = {name: {str(at): {"date": at, **event}} for name, event in events.items()}
        yahoo_server.answers[f"{ticker}.SA"] = [yahoo.chart(f"{ticker}.SA", bars, events=told)]

    return make


def test_a_dividend_that_adj_close_does_not_know_is_written_and_told(
    source, answer, lake_cloud, caplog
):
    """In the log, in the manifest as it is read again, and in what the command prints."""
    answer("AAAA3", {BEFORE: 20.0, DAY: 19.5}, dividends={"amount": 0.5})
    batch = ingest(lake_cloud, source, ["AAAA3"], BEFORE, DAY, clock=lambda: NOW)
    assert batch.complete
    [gap] = lake.read_manifest(lake_cloud, batch.batch_id).doubtful
    assert (gap.ticker, gap.dt) == ("AAAA3", DAY)
    assert "a dividend of 0.5 on 2024-03-22 is told" in gap.reason
    assert f"doubtful AAAA3 {DAY}: {gap.reason}" in str(batch)
    assert f"AAAA3: {gap.reason}" in caplog.text


def test_a_split_of_a_day_without_a_bar_is_in_the_manifest(source, answer, lake_cloud):
    """It is put on no other day; whoever reads the prices must know that one was told."""
    answer("AAAA3", {BEFORE: 20.0, AFTER: 20.0}, splits={"numerator": 2, "denominator": 1})
    batch = ingest(lake_cloud, source, ["AAAA3"], BEFORE, AFTER, clock=lambda: NOW)
    [gap] = lake.read_manifest(lake_cloud, batch.batch_id).doubtful
    assert gap == lake.Gap("AAAA3", DAY, f"a split of 2 on {DAY} has no bar and is left out")
    assert f"doubtful AAAA3 {DAY}: {gap.reason}" in str(batch)


def test_an_event_of_the_window_is_not_told_again(source, answer, lake_cloud):
    """The batch that asked for its day has told it; a warning of every week is read by nobody."""
    answer("AAAA3", {BEFORE: 20.0, AFTER: 20.0}, splits={"numerator": 2, "denominator": 1})
    ingest(lake_cloud, source, ["AAAA3"], BEFORE, AFTER, clock=lambda: NOW)
    closes = {BEFORE: 20.0, AFTER: 20.0, NEXT: 20.0}
    answer("AAAA3", closes, splits={"numerator": 2, "denominator": 1})
    batch = ingest(lake_cloud, source, ["AAAA3"], NEXT, NEXT, clock=lambda: NOW)
    assert batch.manifest.doubtful == ()


@pytest.mark.parametrize("since_last", [True, False])
def test_a_split_that_came_without_a_window_is_told(source, answer, lake_cloud, caplog, since_last):
    """Bronze may be on the old scale, and `--window 0` compares nothing."""
    answer("AAAA3", {BEFORE: 1.9})
    ingest(lake_cloud, source, ["AAAA3"], BEFORE, BEFORE, clock=lambda: NOW)
    answer("AAAA3", {DAY: 38.0}, splits={"numerator": 1, "denominator": 20})
    later = dt.datetime(2024, 3, 23, 12, 0, tzinfo=dt.UTC)
    batch = ingest(
        lake_cloud,
        source,
        ["AAAA3"],
        DAY,
        DAY,
        window=0,
        since_last=since_last,
        clock=lambda: later,
    )
    [gap] = batch.manifest.doubtful
    assert (gap.ticker, gap.dt) == ("AAAA3", DAY)
    assert gap.reason.startswith("a split of 0.05 on 2024-03-22 came, and the 1 sessions that")
    assert "AAAA3: a split of 0.05" in caplog.text


def test_resume_does_not_ask_again_for_a_ticker_that_is_unknown(
    source, answer, lake_cloud, yahoo_server
):
    """The source has said so for good: exit 3 at first, nothing to do from then on."""
    answer("AAAA3", {BEFORE: 20.0, DAY: 19.5})
    batch = ingest(lake_cloud, source, ["AAAA3", "ZZZZ9"], BEFORE, DAY, clock=lambda: NOW)
    assert not batch.complete
    assert batch.manifest.unknown == ("ZZZZ9",)
    with pytest.raises(NothingToDoError):
        resume(lake_cloud, lambda name: source, clock=lambda: NOW)
