"""The ingestion: checked first, objects next, the manifest last; cut off anywhere, run again."""

import datetime as dt
from dataclasses import dataclass, replace

import obstore
import pandas as pd
import pytest

from b3pipeline import lake, names
from b3pipeline.calendar import sessions
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import (
    CatalogError,
    ConfigError,
    DateRangeError,
    InvalidTickerError,
    RateLimitedError,
    SourceError,
    StorageError,
    UnknownTickerError,
)
from b3pipeline.ingest import DEFAULT_TICKERS, ingest, plan
from b3pipeline.sources import open_source
from b3pipeline.sources.base import Failure, Quotes, join_frames

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)  # a Monday, before the open
WEEK = ("2024-06-24", "2024-06-28")


def clock():
    """Say that it is Monday morning."""
    return NOW


def run(cloud, tickers=("PETR4", "VALE3"), start=WEEK[0], end=WEEK[1], **options):
    """Ingest a week of two simulated stocks, or what is asked for."""
    source = options.pop("source", None) or open_source("sample")
    return ingest(cloud, source, tickers, start, end, clock=clock, **options)


def keys(cloud):
    """Return every key in the raw bucket, in order."""
    found = cloud.s3.list_objects_v2(Bucket=cloud.config.raw_data_bucket).get("Contents", [])
    return sorted(item["Key"] for item in found)


@dataclass
class Changed:
    """The simulated market with something done to what it brings."""

    change: object
    name: str = "changed"
    simulated: bool = True
    intervals: tuple = ("1d",)

    def fetch(self, tickers, start, end, interval="1d", progress=None):
        """Return the simulated quotes, changed."""
        return self.change(open_source("sample").fetch(tickers, start, end, interval))


def without(ticker, day=None):
    """Return a change that loses a ticker, or one session of it."""

    def change(quotes):
        gone = quotes.frame["ticker"] == ticker
        if day is not None:
            gone &= quotes.frame["traded_at"] == day
        return Quotes(quotes.frame[~gone].reset_index(drop=True), quotes.failures)

    return change


# ----------------------------------------------------------------------------------- the batch


def test_a_batch_stands_in_bronze_in_full(lake_cloud):
    """Two stocks, five sessions: ten objects, ten partitions, one manifest."""
    batch = run(lake_cloud)
    frame = lake.read_bronze(lake_cloud)
    assert frame[["ticker", "dt"]].values.tolist() == [
        [ticker, f"2024-06-{day}"] for ticker in ("PETR4", "VALE3") for day in range(24, 29)
    ]
    assert lake.list_partitions(lake_cloud, names.BRONZE_TABLE) == [
        (f"2024-06-{day}", ticker) for day in range(24, 29) for ticker in ("PETR4", "VALE3")
    ]
    assert (batch.objects, batch.rows) == (10, 10)


def test_bronze_holds_the_quotes_of_the_source(lake_cloud):
    """Bar by bar, with where they came from and when."""
    batch = run(lake_cloud)
    frame = lake.read_bronze(lake_cloud)
    quotes = open_source("sample").fetch(
        ["PETR4", "VALE3"], dt.date(2024, 6, 24), dt.date(2024, 6, 28)
    )
    pd.testing.assert_frame_equal(frame[list(quotes.frame.columns)], quotes.frame)
    assert set(frame["source"]) == {"sample"}
    assert set(frame["batch_id"]) == {batch.batch_id}
    assert set(frame["ingested_at"]) == {pd.Timestamp("2026-11-23 12:00:00")}


def test_the_manifest_tells_what_the_batch_did(lake_cloud):
    """It is read back as it was returned."""
    batch = run(lake_cloud, batch_id="20261123T120000Z-00000000")
    found = lake.read_manifest(lake_cloud, "20261123T120000Z-00000000")
    assert found == replace(batch.manifest, partitions=found.partitions)
    assert found.partitions == {
        ticker: [f"2024-06-{day}" for day in range(24, 29)] for ticker in ("PETR4", "VALE3")
    }
    assert (found.start, found.end) == (dt.date(2024, 6, 24), dt.date(2024, 6, 28))
    assert found.missing == ()
    assert found.simulated


def test_bars_within_the_day_share_their_object(lake_cloud):
    """Seven bars of an hour a session, still one object."""
    batch = run(lake_cloud, interval="60m")
    assert (batch.objects, batch.rows) == (10, 70)
    assert len(lake.read_bronze(lake_cloud)) == 70


def test_a_batch_says_what_it_is(lake_cloud):
    """Also that its quotes are simulated."""
    batch = run(lake_cloud)
    for text in (str(batch), repr(batch), batch._repr_html_()):
        assert batch.batch_id in text
        assert "sample (simulated)" in text
        assert batch.manifest.uri in text
    assert "nothing missing" in str(batch)
    assert "<td>–</td>" in batch._repr_html_()  # no history came again
    assert "&lt;NA&gt;" not in batch._repr_html_()


def test_more_tickers_than_one_fetch_takes_come_in_several(lake_cloud, monkeypatch):
    """Memory holds one part at a time; bronze is the same."""
    monkeypatch.setattr("b3pipeline.ingest.plans.TICKERS_A_FETCH", 3)
    asked = []

    def note(quotes):
        asked.append(sorted(set(quotes.frame["ticker"])))
        return quotes

    batch = run(lake_cloud, tickers=DEFAULT_TICKERS[:5], source=Changed(note))
    assert [len(tickers) for tickers in asked] == [3, 2]
    assert batch.objects == len(lake.read_bronze(lake_cloud)) == 25


def test_progress_is_shown_for_objects_and_partitions(lake_cloud):
    """Any callable shaped like tqdm will do."""
    seen = []

    def counting(items, *, total, desc):
        kept = list(items)
        seen.append((desc, total, len(kept)))
        return kept

    run(lake_cloud, progress=counting)
    assert seen == [("put", 10, 10), ("register", 1, 1)]


# ------------------------------------------------------------------------- what does not come


def test_a_session_that_did_not_come_is_in_the_manifest(lake_cloud):
    """The rest is written; the gap is named."""
    batch = run(lake_cloud, source=Changed(without("VALE3", "2024-06-26")))
    assert batch.objects == 9
    assert batch.manifest.missing == (lake.Gap("VALE3", "2024-06-26", "the source has no quote"),)
    assert "1 missing" in str(batch)


def test_a_ticker_that_failed_is_missing_with_its_reason(lake_cloud):
    """A time-out of one ticker does not cost the others their batch."""

    def fail(quotes):
        left = without("VALE3")(quotes)
        return Quotes(left.frame, (Failure("VALE3", "retryable", "Timeout: 10 s"),))

    batch = run(lake_cloud, source=Changed(fail))
    assert list(batch.manifest.partitions) == ["PETR4"]
    assert [gap.reason for gap in batch.manifest.missing] == ["Timeout: 10 s"] * 5
    assert "VALE3: Timeout: 10 s" in str(batch)


def with_bar(day, **values):
    """Return a change that adds a bar of the first ticker on `day`."""

    def change(quotes):
        bar = quotes.frame.head(1).assign(traded_at=pd.Timestamp(day), **values)
        bar["traded_at"] = bar["traded_at"].astype("datetime64[us]")
        return Quotes(join_frames([quotes.frame, bar]))

    return change


@pytest.mark.parametrize(
    ("volume", "rule"), [(0, "flat_on_closed_day"), (900, "trades_on_closed_day")]
)
def test_a_quote_on_a_holiday_is_held_back(lake_cloud, volume, rule):
    """Yahoo has flat rows on days when B3 was closed: 25 January 2018 is one of them."""
    prices = dict.fromkeys(["open", "high", "low", "close"], 20.0)
    source = Changed(with_bar("2018-01-25", volume=volume, **prices))
    batch = run(lake_cloud, ["PETR4"], "2018-01-24", "2018-01-26", source=source)
    assert batch.manifest.partitions == {"PETR4": ["2018-01-24", "2018-01-26"]}
    assert lake.read_bronze(lake_cloud)["dt"].tolist() == ["2018-01-24", "2018-01-26"]
    [gap] = batch.manifest.quarantined
    assert (gap.ticker, gap.dt, gap.reason.split(":")[0]) == ("PETR4", "2018-01-25", rule)
    assert batch.complete
    assert lake.read_quarantine(lake_cloud, batch.batch_id)["close"].tolist() == [20.0]


def test_the_session_still_open_is_not_written(lake_cloud):
    """On Monday morning the last final session is Thursday's, for Friday was a holiday."""
    batch = run(lake_cloud, ["PETR4"], "2026-11-18", "2026-11-23")
    assert batch.manifest.partitions == {"PETR4": ["2026-11-18", "2026-11-19"]}
    assert batch.manifest.missing == ()


# -------------------------------------------------------------------------- refused beforehand


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tickers": ["PETR44"]}, UnknownTickerError, "does not know PETR44"),
        (
            {"tickers": ["PETR4", "PETR44"], "strict": True},
            UnknownTickerError,
            "does not know PETR44",
        ),
        ({"tickers": ["not a ticker"]}, InvalidTickerError, "'not a ticker' is not a ticker"),
        ({"tickers": []}, InvalidTickerError, "no ticker is given"),
        ({"start": "2024-06-28", "end": "2024-06-24"}, DateRangeError, "is after the end"),
        ({"start": "2024-02-12", "end": "2024-02-13"}, DateRangeError, "holds no session"),
        ({"end": "2026-11-24"}, DateRangeError, "lies in the future"),
        ({"start": "yesterday"}, DateRangeError, "'yesterday' is not a date"),
        ({"interval": "2h"}, ConfigError, "no bars of '2h'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_bad_input_is_refused_and_nothing_is_written(lake_cloud, arguments, error, message):
    """One clear error each."""
    with pytest.raises(error, match=message):
        run(lake_cloud, **arguments)
    assert keys(lake_cloud) == []
    assert lake.list_partitions(lake_cloud, names.BRONZE_TABLE) == []


def test_a_misspelt_ticker_gets_its_neighbours_named(lake_cloud):
    """The code that was probably meant."""
    with pytest.raises(UnknownTickerError, match="did you mean PETR4"):
        run(lake_cloud, tickers=["PETR5", "PETR4"], strict=True)


def test_a_ticker_that_is_unknown_does_not_cost_the_others_their_quotes(lake_cloud):
    """It is a failure, its sessions are missing for its reason, the other one is written."""
    batch = run(lake_cloud, tickers=["PETR4", "PETR44"])
    assert {ticker: len(days) for ticker, days in batch.manifest.partitions.items()} == {"PETR4": 5}
    assert not batch.complete
    assert [(each.ticker, each.kind) for each in batch.failures] == [("PETR44", "unknown")]
    assert {gap.ticker for gap in batch.manifest.missing} == {"PETR44"}
    assert "did you mean PETR4" in batch.manifest.missing[0].reason


def test_a_renamed_ticker_gets_its_name_of_today_and_not_the_nearest_spelling(lake_cloud):
    """VVAR3 has become VIIA3, and that BHIA3."""
    batch = run(lake_cloud, tickers=["PETR4", "VVAR3"])
    [failure] = batch.failures
    assert failure.reason.endswith(
        "VVAR3 is called VIIA3 since 2021-08-16, VIIA3 is called BHIA3 since 2023-09-20"
    )
    assert "VIIA3 is called BHIA3" in str(batch)


def test_a_ticker_asked_for_before_it_had_its_name_gets_the_old_one(lake_cloud):
    """What the source knows by its new name alone."""

    def without(quotes):
        told = (Failure("BHIA3", "empty", "no quotes"),)
        return Quotes(quotes.frame, told)

    batch = run(lake_cloud, tickers=["PETR4", "BHIA3"], source=Changed(without))
    [failure] = batch.failures
    assert failure.reason == "no quotes; before 2023-09-20 BHIA3 was called VIIA3"


def test_a_bucket_that_is_not_there_stops_it_before_the_fetch(lake_cloud):
    """No request is spent on quotes that have nowhere to go."""

    def never(quotes):
        raise AssertionError("the source was asked")

    nowhere = Cloud(replace(lake_cloud.config, raw_data_bucket="no-such-bucket"))
    with pytest.raises(StorageError, match="there is no bucket 'no-such-bucket'"):
        run(nowhere, source=Changed(never))


def test_a_table_that_is_not_there_stops_it_before_any_object(lake_cloud):
    """An object without a partition would be invisible to Athena."""
    lake_cloud.glue.delete_table(
        DatabaseName=lake_cloud.config.glue_database, Name=names.BRONZE_TABLE
    )
    with pytest.raises(CatalogError, match="holds no table"):
        run(lake_cloud)
    assert keys(lake_cloud) == []


def test_when_nothing_comes_nothing_is_written(lake_cloud):
    """The error tells why."""

    def nothing(quotes):
        return Quotes(join_frames([]), (Failure("PETR4", "empty", "no quotes came"),))

    with pytest.raises(SourceError, match="PETR4: no quotes came"):
        run(lake_cloud, ["PETR4"], source=Changed(nothing))
    assert keys(lake_cloud) == []


def test_a_source_that_gives_up_half_way_leaves_nothing(lake_cloud, monkeypatch):
    """All is fetched before the first object is put."""
    monkeypatch.setattr("b3pipeline.ingest.plans.TICKERS_A_FETCH", 1)

    def refuse_the_second(quotes):
        if "VALE3" in set(quotes.frame["ticker"]):
            raise SourceError("the file is damaged", hint="fetch it again")
        return quotes

    with pytest.raises(SourceError, match="damaged"):
        run(lake_cloud, source=Changed(refuse_the_second))
    assert keys(lake_cloud) == []


# ----------------------------------------------------------------------------- through Yahoo


@pytest.fixture
def yahoo_source(yahoo, yahoo_server, tmp_path):
    """Yahoo as a source; its stand-in knows one session of PETR4."""
    bars = [yahoo.Bar(yahoo.day("2024-06-28"), 37.0, 38.0, 36.8, 37.5, 35.0, 3000)]
    yahoo_server.answers["PETR4.SA"] = [yahoo.chart("PETR4.SA", bars)]
    return open_source(
        "yahoo",
        session=yahoo_server.session(),
        cache_dir=tmp_path,
        threads=1,
        patience=yahoo.Waiting().patience(),
    )


def test_quotes_of_yahoo_are_not_called_simulated(lake_cloud, yahoo_source):
    """What did not come is named, session by session."""
    batch = run(lake_cloud, ["PETR4.SA"], "2024-06-27", "2024-06-28", source=yahoo_source)
    assert batch.manifest.partitions == {"PETR4": ["2024-06-28"]}
    assert [gap.dt for gap in batch.manifest.missing] == ["2024-06-27"]
    assert "from yahoo:" in str(batch)
    assert lake.read_bronze(lake_cloud)["close"].tolist() == [37.5]


def test_a_ticker_that_yahoo_does_not_know_stops_a_strict_batch(lake_cloud, yahoo_source):
    """Where it is told to be strict; Yahoo's own words are passed on."""
    days, tickers = ("2024-06-28", "2024-06-28"), ["PETR4", "PETR5"]
    with pytest.raises(UnknownTickerError, match=r"PETR5 \(Yahoo says: No data found"):
        run(lake_cloud, tickers, *days, source=yahoo_source, strict=True)
    assert keys(lake_cloud) == []


def test_after_a_429_what_came_is_written_and_the_rest_is_missing(
    lake_cloud, yahoo_source, yahoo, yahoo_server, monkeypatch
):
    """Tickers of the slices not yet asked for are named too."""
    monkeypatch.setattr("b3pipeline.ingest.plans.TICKERS_A_FETCH", 2)
    yahoo_server.answers["VALE3.SA"] = [yahoo.TOO_MANY]
    day = "2024-06-28"
    batch = run(lake_cloud, ["PETR4", "VALE3", "ITUB4"], day, day, source=yahoo_source)
    assert batch.manifest.partitions == {"PETR4": [day]}
    assert [(gap.ticker, gap.dt) for gap in batch.manifest.missing] == [
        ("VALE3", day),
        ("ITUB4", day),
    ]


def test_a_429_before_anything_came_leaves_nothing_behind(
    lake_cloud, yahoo_source, yahoo, yahoo_server
):
    """There is nothing to write, and the error says to wait."""
    yahoo_server.answers["VALE3.SA"] = [yahoo.TOO_MANY]
    with pytest.raises(RateLimitedError, match="refuses more requests"):
        run(lake_cloud, ["VALE3", "PETR4"], "2024-06-28", "2024-06-28", source=yahoo_source)
    assert keys(lake_cloud) == []


# ---------------------------------------------------------------------------- order, repetition


class Recorder:
    """A client that notes each call's name before it makes it, and may break at one of them."""

    def __init__(self, client, calls, break_at=None):
        self._client, self._calls, self._break_at = client, calls, break_at

    def __getattr__(self, name):
        def call(*args, **kwargs):
            self._calls.append(name)
            if name == self._break_at:
                raise KeyboardInterrupt
            return getattr(self._client, name)(*args, **kwargs)

        return call


def note_puts(monkeypatch, calls, break_at=None):
    """Note the key of every object put; break off at the put number `break_at`."""
    real = obstore.put

    def put(store, key, *args, **kwargs):
        if len(calls) == break_at:
            raise KeyboardInterrupt
        calls.append(key)
        return real(store, key, *args, **kwargs)

    monkeypatch.setattr("obstore.put", put)


def test_objects_come_first_partitions_next_the_manifest_last(lake_cloud, monkeypatch):
    """When the manifest lands, all that the job needs is there."""
    calls = []
    note_puts(monkeypatch, calls)
    noted = Cloud(lake_cloud.config)
    vars(noted).update(s3=lake_cloud.s3, glue=Recorder(lake_cloud.glue, calls))
    batch = run(noted)
    journal = f"raw/b3/_journal/{batch.batch_id}"
    reads = ["get_table", "get_paginator", "get_paginator"]
    before = [f"{journal}/plan.json", f"{journal}/0000.parquet", f"{journal}/seal.json"]
    assert calls[:6] == [*reads, *before]
    assert all(key.startswith("raw/b3/dt=") for key in calls[6:16])
    assert calls[16:] == [
        f"{journal}/0000.written",
        "batch_create_partition",
        batch.manifest.key,
    ]


@pytest.mark.parametrize("place", [0, 1, 2, 3, 8, 12, 13, 14], ids=lambda place: f"put {place}")
def test_cut_off_while_putting_and_run_again_it_is_as_if_run_once(lake_cloud, monkeypatch, place):
    """Put 14 is the manifest: until it stands, nothing starts the refine."""
    with monkeypatch.context() as patch:
        note_puts(patch, [], break_at=place)
        with pytest.raises(KeyboardInterrupt):
            run(lake_cloud, batch_id="once")
    assert not any("_batches" in key for key in keys(lake_cloud))
    assert_as_if_run_once(lake_cloud)


def test_cut_off_while_registering_and_run_again_it_is_as_if_run_once(lake_cloud):
    """The objects stand, their partitions do not, and there is no manifest."""
    broken = Cloud(lake_cloud.config)
    vars(broken).update(
        s3=lake_cloud.s3, glue=Recorder(lake_cloud.glue, [], "batch_create_partition")
    )
    with pytest.raises(KeyboardInterrupt):
        run(broken, batch_id="once")
    assert len([key for key in keys(lake_cloud) if "/dt=" in key]) == 10
    assert_as_if_run_once(lake_cloud)


def assert_as_if_run_once(cloud):
    """Run again and compare every byte with what one run writes."""
    run(cloud, batch_id="once")
    expected = {
        names.bronze_key(day, ticker): body
        for day, ticker, body in lake.bronze_objects(
            open_source("sample")
            .fetch(["PETR4", "VALE3"], dt.date(2024, 6, 24), dt.date(2024, 6, 28))
            .frame,
            source="sample",
            batch_id="once",
            ingested_at=NOW,
        )
    }
    bucket = cloud.config.raw_data_bucket
    assert keys(cloud) == sorted([*expected, "raw/b3/_batches/once.json"])
    for key, body in expected.items():
        assert cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    assert len(lake.list_partitions(cloud, names.BRONZE_TABLE)) == 10


def test_running_twice_replaces_every_object(lake_cloud):
    """The second batch has its own id, and bronze no row twice."""
    run(lake_cloud)
    second = run(lake_cloud)
    frame = lake.read_bronze(lake_cloud)
    assert len(frame) == 10
    assert set(frame["batch_id"]) == {second.batch_id}


# -------------------------------------------------------------------------------------- a plan


def test_a_plan_counts_what_will_be_asked_for():
    """Nothing is fetched, no cloud is needed."""
    found = plan(open_source("sample"), ["PETR4", "VALE3"], *WEEK, clock=clock)
    assert found.partitions == 10
    assert list(found.sessions) == sessions(dt.date(2024, 6, 24), dt.date(2024, 6, 28))
    assert "2 tickers x 5 sessions = 10 objects from sample" in str(found)


def test_without_dates_it_is_the_half_year_that_has_closed():
    """`b3 ingest` alone does something sensible."""
    found = plan(open_source("sample"), clock=clock)
    assert found.tickers == DEFAULT_TICKERS
    assert found.end == dt.date(2026, 11, 19)
    assert found.start == dt.date(2026, 5, 21)


def test_tickers_are_cleaned_and_asked_for_once():
    """Case, spaces and Yahoo's suffix do not make another stock."""
    found = plan(open_source("sample"), [" petr4", "PETR4.SA", "VALE3", "PETR4"], clock=clock)
    assert found.tickers == ("PETR4", "VALE3")
