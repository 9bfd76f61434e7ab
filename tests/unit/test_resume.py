"""Going on: what another run left, what a batch lacks, what is new since the last one."""

import datetime as dt
import logging
from contextlib import suppress

import pytest

from b3pipeline import lake, names
from b3pipeline.errors import (
    NothingToDoError,
    RateLimitedError,
    SourceError,
    StorageError,
    UnknownTickerError,
)
from b3pipeline.ingest import ingest, plans, preview, preview_resume, resume
from b3pipeline.ingest.plans import Ask
from b3pipeline.sources import open_source
from b3pipeline.sources.base import NO_TRADE, Failure, Quotes

NOW = dt.datetime(2024, 7, 1, 9, 0, tzinfo=dt.UTC)  # a Monday before the open
WEEK = ("2024-06-24", "2024-06-28")


class Noted:
    """The simulated market, which writes down each question and may break off at one of them."""

    simulated = True
    intervals = ("1d", "60m", "5m")

    def __init__(self, faults="", break_at=None, name="sample"):
        self.name, self.asked, self.break_at = name, [], break_at
        self.market = open_source("sample", faults=faults)

    def fetch(self, tickers, start, end, interval="1d", progress=None):
        """Return the simulated quotes."""
        if len(self.asked) == self.break_at:
            raise KeyboardInterrupt
        self.asked.append((",".join(tickers), str(start), str(end)))
        return self.market.fetch(tickers, start, end, interval)


def run(cloud, source, tickers=("PETR4", "VALE3"), span=WEEK, now=NOW, **options):
    """Ingest a week of two stocks, one question each."""
    return ingest(cloud, source, tickers, *span, clock=lambda: now, **options)


def go_on(cloud, source, now=NOW):
    """Resume, with the one source that is asked for by its name."""
    return resume(cloud, lambda name: source, clock=lambda: now)


@pytest.fixture
def one_each(monkeypatch):
    """A question for each ticker alone."""
    monkeypatch.setattr(plans, "TICKERS_A_FETCH", 1)


def sessions_held(cloud):
    """Return the sessions in bronze by ticker."""
    held = {}
    for day, ticker in lake.stored_partitions(cloud):
        held.setdefault(ticker, []).append(day[-2:])
    return held


def journals(cloud):
    """Return the ids of the batches that have a journal."""
    return [journal.batch_id for journal in lake.list_journals(cloud)]


# ------------------------------------------------------------------------- a run that was cut off


def test_what_was_fetched_before_the_cut_is_not_fetched_again(lake_cloud, one_each):
    """The same request, in the same words, goes on with the same batch."""
    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, Noted(break_at=1), batch_id="once")
    market = Noted()
    batch = run(lake_cloud, market)
    assert market.asked == [("VALE3", *WEEK)]
    assert (batch.batch_id, batch.objects, batch.resumed) == ("once", 10, True)
    assert journals(lake_cloud) == []


def test_another_request_leaves_the_batch_that_was_cut_off_alone(lake_cloud, one_each, caplog):
    """It says so; nothing of that batch is in bronze yet."""
    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, Noted(break_at=1), batch_id="once")
    with caplog.at_level(logging.WARNING):
        batch = run(lake_cloud, Noted(), ["ITUB4"])
    assert not batch.resumed
    assert journals(lake_cloud) == ["once"]
    assert "batch once was cut off while fetching" in caplog.text


def test_a_batch_cut_off_while_writing_is_completed_by_any_later_run(lake_cloud, monkeypatch):
    """Bronze holds a part of it that no refine would ever see."""
    with monkeypatch.context() as patch:
        patch.setattr(lake, "register_partitions", broken_off)
        with pytest.raises(KeyboardInterrupt):
            run(lake_cloud, Noted(), batch_id="once")
    run(lake_cloud, Noted(), ["ITUB4"])
    assert lake.read_manifest(lake_cloud, "once").objects == 10
    assert len(lake.list_partitions(lake_cloud, names.BRONZE_TABLE)) == 15
    assert journals(lake_cloud) == []


def broken_off(*args, **kwargs):
    """Break off as a person does with Ctrl+C."""
    raise KeyboardInterrupt


def test_old_quotes_of_a_journal_do_not_replace_newer_ones(lake_cloud, one_each):
    """A later batch has been written meanwhile, so all is asked for again."""
    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, Noted(break_at=1), batch_id="20240701T080000Z-cut00000")
    run(lake_cloud, Noted(), ["ITUB4"])
    market = Noted()
    batch = go_on(lake_cloud, market)
    assert [tickers for tickers, *_ in market.asked] == ["PETR4", "VALE3"]
    assert batch.batch_id == "20240701T080000Z-cut00000"


def test_a_journal_whose_sessions_a_later_batch_has_brought_is_removed(lake_cloud, one_each):
    """The request was for what is new, and nothing is any more."""
    tickers = ["PETR4", "VALE3"]
    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, Noted(break_at=1), since_last=True, batch_id="20240701T080000Z-cut00000")
    run(lake_cloud, Noted(), tickers)
    with pytest.raises(NothingToDoError):
        run(lake_cloud, Noted(), since_last=True)
    assert journals(lake_cloud) == []


def test_a_request_that_fails_leaves_no_journal(lake_cloud, one_each):
    """A batch of an unknown ticker alone, of which nothing waits to be resumed."""
    with pytest.raises(UnknownTickerError):
        run(lake_cloud, Noted(), ["PETR9"])
    with pytest.raises(NothingToDoError, match="nothing to resume"):
        go_on(lake_cloud, Noted())


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("plan.json", b"{"),
        ("plan.json", b'{"version": 9, "request": {}, "plan": {}}'),
        ("plan.json", b'{"version": 2, "request": {"source": 3}, "plan": [], "created_at": ""}'),
        ("plan.json", b"[" * 200_000),
        ("seal.json", b"[]"),
        ("seal.json", b"[" * 200_000),
        ("0000.parquet", b"no parquet"),
    ],
    ids=[
        *("cut", "of-another-version", "of-another-shape", "nested"),
        *("seal", "nested-seal", "slice"),
    ],
)
def test_a_journal_that_cannot_be_replayed_is_set_aside_and_named(
    lake_cloud, one_each, caplog, name, body
):
    """It is kept, and the older one is reached; later there is nothing to do."""
    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, Noted(break_at=1), ["ITUB4", "BBAS3"], batch_id="older")
    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, Noted(break_at=1), batch_id="spoilt")
    bucket = lake_cloud.config.raw_data_bucket
    lake_cloud.s3.put_object(Bucket=bucket, Key=f"raw/b3/_journal/spoilt/{name}", Body=body)
    for _ in range(2):
        with suppress(
            StorageError, NothingToDoError
        ):  # what the slice of a journal holds is seen late
            go_on(lake_cloud, Noted())
    assert sessions_held(lake_cloud).keys() >= {"ITUB4", "BBAS3"}
    assert f"s3://{bucket}/raw/b3/_journal_aside/spoilt/" in caplog.text
    kept = lake_cloud.s3.get_object(Bucket=bucket, Key=f"raw/b3/_journal_aside/spoilt/{name}")
    assert kept["Body"].read() == body
    with pytest.raises(NothingToDoError):
        go_on(lake_cloud, Noted())


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [("request", "source", ["a"]), ("plan", "tickers", [5]), ("plan", "held", None)],
)
def test_a_journal_with_a_field_of_another_type_is_set_aside(
    lake_cloud, one_each, caplog, part, field, value
):
    """It is JSON of the right names; no later run ends in a traceback because of it."""
    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, Noted(break_at=1), batch_id="spoilt")
    [journal] = lake.list_journals(lake_cloud)
    spoilt = journal.read_plan()
    spoilt[part][field] = value
    journal.write_plan(spoilt)
    with pytest.raises(NothingToDoError):
        go_on(lake_cloud, Noted())
    assert f".{field} is of another type" in caplog.text
    assert "/raw/b3/_journal_aside/spoilt/" in caplog.text


@pytest.mark.parametrize("day", ["1999-01-04", "9999-12-31"])
def test_a_journal_of_days_beyond_the_calendar_is_set_aside(lake_cloud, one_each, caplog, day):
    """It would end each later ingestion."""
    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, Noted(break_at=1), batch_id="spoilt")
    [journal] = lake.list_journals(lake_cloud)
    spoilt = journal.read_plan()
    spoilt["plan"]["end" if day > "2000" else "start"] = day
    journal.write_plan(spoilt)
    with pytest.raises(NothingToDoError):
        go_on(lake_cloud, Noted())
    assert f"{day} lies outside the calendar" in caplog.text
    assert "/raw/b3/_journal_aside/spoilt/" in caplog.text


def test_an_error_that_comes_at_each_replay_sets_the_journal_aside(lake_cloud, one_each):
    """The first resume says it, the second has nothing to do: none after it is killed."""

    class Broken(Noted):
        def fetch(self, tickers, start, end, interval="1d", progress=None):
            raise AssertionError("something new in a library")

    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, Noted(break_at=1), batch_id="once")
    with pytest.raises(AssertionError):
        go_on(lake_cloud, Broken())
    with pytest.raises(NothingToDoError):
        go_on(lake_cloud, Broken())


def test_a_journal_of_the_earlier_version_is_replayed(lake_cloud, one_each):
    """Its request was a mapping without `replace`, its plan knew no `anew`."""
    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, Noted(break_at=1), batch_id="once")
    [journal] = lake.list_journals(lake_cloud)
    old = journal.read_plan()
    old["version"] = 1
    for name in ("replace",):
        del old["request"][name]
    for name in ("simulated", "anew", "before"):
        del old["plan"][name]
    journal.write_plan(old)
    market = Noted()
    batch = run(lake_cloud, market)
    assert (batch.batch_id, market.asked) == ("once", [("VALE3", *WEEK)])


# ------------------------------------------------------------------------- a batch that lacks some


def test_after_a_429_resume_asks_for_the_missing_alone(lake_cloud, one_each):
    """A batch of its own brings them, and then there is nothing left to resume."""
    first = run(lake_cloud, Noted("429:VALE3:1"), ["PETR4", "VALE3", "ITUB4"])
    assert (first.objects, len(first.manifest.missing), first.complete) == (5, 10, False)
    market = Noted()
    second = go_on(lake_cloud, market)
    assert market.asked == [("ITUB4", *WEEK), ("VALE3", *WEEK)]
    assert (second.objects, second.complete) == (10, True)
    assert second.batch_id != first.batch_id
    with pytest.raises(NothingToDoError):
        go_on(lake_cloud, market)


def test_after_a_429_no_further_question_is_put(lake_cloud, one_each):
    """Each one would prolong the refusal; the tickers that were not asked say why they lack."""
    market = Noted("429:VALE3")
    batch = run(lake_cloud, market, ["PETR4", "VALE3", "ITUB4"])
    assert [tickers for tickers, *_ in market.asked] == ["PETR4", "VALE3"]
    assert {gap.reason for gap in batch.manifest.missing if gap.ticker == "ITUB4"} == {
        "the source refuses more requests for now"
    }


def test_resume_brings_single_sessions(lake_cloud):
    """Of a ticker of which the others came, only the hole is written."""
    run(lake_cloud, Noted("missing:PETR4:2024-06-26"))
    batch = go_on(lake_cloud, Noted())
    assert batch.manifest.partitions == {"PETR4": ["2024-06-26"]}
    assert sessions_held(lake_cloud)["PETR4"] == ["24", "25", "26", "27", "28"]


def test_what_still_does_not_come_can_be_resumed_again(lake_cloud):
    """The newest incomplete batch is then the second one."""
    faults = "missing:PETR4:2024-06-26; missing:VALE3:2024-06-27"
    run(lake_cloud, Noted(faults))
    second = go_on(lake_cloud, Noted("missing:VALE3:2024-06-27"), NOW + dt.timedelta(hours=1))
    assert [gap.ticker for gap in second.manifest.missing] == ["VALE3"]
    third = go_on(lake_cloud, Noted(), NOW + dt.timedelta(hours=2))
    assert third.manifest.partitions == {"VALE3": ["2024-06-27"]}


def test_resume_fails_where_the_source_refuses_still(lake_cloud):
    """Nothing is written, and the first batch stays the one to resume."""
    run(lake_cloud, Noted("429:VALE3"))
    with pytest.raises(RateLimitedError):
        go_on(lake_cloud, Noted("429:VALE3"))
    assert go_on(lake_cloud, Noted()).manifest.partitions.keys() == {"VALE3"}


# --------------------------------------------------------------------------- since the last one


def test_since_last_writes_the_new_sessions_of_each_ticker(lake_cloud):
    """One stopped on Tuesday, one on Wednesday, one was never there."""
    run(lake_cloud, Noted(), ["PETR4"], ("2024-06-24", "2024-06-25"))
    run(lake_cloud, Noted(), ["VALE3"], ("2024-06-24", "2024-06-26"))
    batch = run(lake_cloud, Noted(), ["PETR4", "VALE3", "ITUB4"], since_last=True)
    assert {ticker: len(days) for ticker, days in batch.manifest.partitions.items()} == {
        "ITUB4": 5,
        "PETR4": 3,
        "VALE3": 2,
    }
    assert batch.complete


def test_since_last_asks_for_the_window_too(lake_cloud):
    """The last sessions are compared with what bronze holds, and not written again."""
    run(lake_cloud, Noted(), ["PETR4"], ("2024-06-17", "2024-06-26"))
    market = Noted()
    run(lake_cloud, market, ["PETR4"], since_last=True, window=2)
    assert market.asked == [("PETR4", "2024-06-25", "2024-06-28")]
    assert len(set(lake.read_bronze(lake_cloud)["batch_id"])) == 2


def test_since_last_goes_back_to_a_ticker_that_was_left_out_for_long(lake_cloud):
    """Its last session lies before the range and before any window: no hole is left."""
    run(lake_cloud, Noted(), ["PETR4"], ("2024-03-25", "2024-03-28"))
    market = Noted()
    batch = run(lake_cloud, market, ["PETR4"], since_last=True, window=1)
    assert market.asked == [("PETR4", "2024-03-28", "2024-06-28")]
    [days] = batch.manifest.partitions.values()
    assert (days[0], days[-1], len(days)) == ("2024-04-01", "2024-06-28", 63)
    assert batch.complete


def test_since_last_without_dates_reaches_back_as_far_as_it_must(lake_cloud):
    """Half a year is for a ticker that bronze does not hold."""
    now = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
    run(lake_cloud, Noted(), ["PETR4"], ("2024-03-25", "2024-03-28"))
    found = preview(lake_cloud, Noted(), ["PETR4", "VALE3"], since_last=True, clock=lambda: now)
    assert found.wanted("PETR4")[0] == "2024-04-01"
    assert found.wanted("VALE3")[0] == "2026-05-26"


def test_since_last_without_tickers_takes_those_that_bronze_holds(lake_cloud):
    """Each from its own last session on."""
    run(lake_cloud, Noted(), ["PETR4"], ("2024-06-24", "2024-06-25"))
    run(lake_cloud, Noted(), ["MGLU3"], ("2024-06-24", "2024-06-26"))
    batch = run(lake_cloud, Noted(), None, since_last=True)
    assert {ticker: days[0] for ticker, days in batch.manifest.partitions.items()} == {
        "MGLU3": "2024-06-27",
        "PETR4": "2024-06-26",
    }


def test_a_batch_that_leaves_a_hole_says_so(lake_cloud, caplog):
    """Whoever asks for a range far behind what bronze holds is told what lies between."""
    run(lake_cloud, Noted(), ["PETR4"], ("2024-06-10", "2024-06-14"))
    with caplog.at_level(logging.WARNING):
        run(lake_cloud, Noted(), ["PETR4"])
    assert "5 sessions between them are not asked for; `--since last` asks" in caplog.text


def test_since_last_with_nothing_new_asks_for_nothing(lake_cloud):
    """And leaves nothing behind."""
    run(lake_cloud, Noted())
    market = Noted()
    with pytest.raises(NothingToDoError, match="every session up to 2024-06-28"):
        run(lake_cloud, market, since_last=True)
    assert (market.asked, journals(lake_cloud)) == ([], [])


# -------------------------------------------------------------------------------------- a preview


def test_a_preview_says_what_would_be_asked_and_written(lake_cloud):
    """And does none of it."""
    run(lake_cloud, Noted(), ["PETR4"], ("2024-06-17", "2024-06-26"))
    before = lake.stored_partitions(lake_cloud)
    market = Noted()
    found = preview(lake_cloud, market, ["PETR4", "VALE3"], *WEEK, window=3, clock=lambda: NOW)
    assert found.describe().splitlines() == [
        "2 tickers x 5 sessions = 10 objects from sample, 2024-06-24 to 2024-06-28, bars of 1d.",
        "  ask sample: PETR4, VALE3, 2024-06-24 to 2024-06-28",
        "  compare: 3 objects that bronze holds already",
        "  write: at most 10 objects (3 of them replace one), their partitions, one manifest; "
        "a restated ticker's whole history besides",
    ]
    assert (market.asked, journals(lake_cloud)) == ([], [])
    assert lake.stored_partitions(lake_cloud) == before


def test_a_preview_names_the_session_that_is_still_open(lake_cloud):
    """It is left out of the batch, and the manifest says so as well."""
    span = ("2024-06-27", "2024-07-01")
    found = preview(lake_cloud, Noted(), ["PETR4"], *span, clock=lambda: NOW)
    assert "leave out: 2024-07-01 has not closed yet" in found.describe()
    batch = run(lake_cloud, Noted("open:PETR4:2024-07-01"), ["PETR4"], span)
    assert batch.manifest.open_sessions == ("2024-07-01",)
    assert sessions_held(lake_cloud) == {"PETR4": ["27", "28"]}
    [gap] = batch.manifest.quarantined
    assert (gap.dt, gap.reason.split(":")[0]) == ("2024-07-01", "session_open")
    assert batch.complete


def test_a_preview_of_resume_shows_what_is_left(lake_cloud, one_each):
    """Of a batch that was cut off, or of one that lacks sessions."""
    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, Noted(break_at=1), batch_id="once")
    found = preview_resume(lake_cloud, clock=lambda: NOW)
    assert [ask.tickers for ask in found.asks] == [("VALE3",)]
    go_on(lake_cloud, Noted("missing:VALE3:2024-06-26"))
    found = preview_resume(lake_cloud, clock=lambda: NOW)
    assert found.asks == (Ask(("VALE3",), dt.date(2024, 6, 24), dt.date(2024, 6, 26)),)
    assert found.partitions == 1


# ------------------------------------------------------------------------------ what a batch holds


def test_a_broken_quote_is_kept_apart_and_the_rest_is_written(lake_cloud):
    """The table counts it, the manifest names its rule, the quarantine has the row."""
    batch = run(lake_cloud, Noted("bad:VALE3:2024-06-26"))
    assert batch.table.loc["VALE3"].tolist()[:4] == [5, 4, 1, 1]
    [gap] = batch.manifest.missing
    assert gap.reason == "held back, low_is_lowest: the low lies above the open or the close"
    held = lake.read_quarantine(lake_cloud, batch.batch_id)
    assert held[["ticker", "traded_at"]].astype(str).values.tolist() == [["VALE3", "2024-06-26"]]
    assert not batch.complete


def test_many_tickers_make_a_short_table(lake_cloud, one_each, monkeypatch):
    """Those with something to say, and the sum of all."""
    monkeypatch.setattr("b3pipeline.ingest.batch.ROWS_SHOWN", 2)
    span = ("2024-06-27", "2024-06-28")
    batch = run(lake_cloud, Noted("missing:VALE3:2024-06-27"), ["PETR4", "VALE3", "ITUB4"], span)
    lines = str(batch).splitlines()
    table = lines[1 : lines.index("  (and 2 tickers more)")]
    assert [line.split() for line in table] == [
        ["expected", "came", "missing", "quarantined", "restated"],
        ["VALE3", "2", "1", "1", "0"],
        ["all", "6", "5", "1", "0", "0"],
    ]


def test_2020_11_20_is_expected_though_yahoo_lacks_it(lake_cloud):
    """B3 traded on that day; the calendar says so and not the source."""

    class Lacking(Noted):
        def fetch(self, tickers, start, end, interval="1d", progress=None):
            frame = super().fetch(tickers, start, end, interval).frame
            return Quotes(frame[frame["traded_at"] != "2020-11-20"].reset_index(drop=True))

    batch = run(lake_cloud, Lacking(), ["PETR4"], ("2020-11-18", "2020-11-23"))
    assert batch.manifest.missing == (lake.Gap("PETR4", "2020-11-20", "the source has no quote"),)


def test_a_ticker_that_fails_does_not_harm_the_others(lake_cloud):
    """Its sessions are missing for the reason that the source gave."""

    class Failing(Noted):
        def fetch(self, tickers, start, end, interval="1d", progress=None):
            frame = super().fetch(["PETR4"], start, end, interval).frame
            return Quotes(frame, (Failure("VALE3", "retryable", "Timeout after 10 s"),))

    batch = run(lake_cloud, Failing())
    assert sessions_held(lake_cloud) == {"PETR4": ["24", "25", "26", "27", "28"]}
    assert {gap.reason for gap in batch.manifest.missing} == {"Timeout after 10 s"}


def test_a_failure_of_single_sessions_explains_those_alone(lake_cloud, one_each):
    """The journal keeps which they are: here the run is cut off after the answer."""

    class Silent(Noted):
        def fetch(self, tickers, start, end, interval="1d", progress=None):
            frame = super().fetch(tickers, start, end, interval).frame
            days = frozenset({"2024-06-26"})
            told = Failure(tickers[0], NO_TRADE, "no trade", days)
            return Quotes(frame[frame["traded_at"].dt.day < 26], (told,))

    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, Silent(break_at=1))
    manifest = run(lake_cloud, Silent()).manifest
    found = [(gap.dt, gap.reason) for gap in manifest.missing if gap.ticker == "PETR4"]
    assert ("2024-06-27", "the source has no quote") in found
    assert {reason for day, reason in found if day == "2024-06-26"} <= {"no trade"}


# ------------------------------------------------------------------------------ no trade, for good


class Whole(Noted):
    """A source that settles every session: PETR4 was not traded on the days of `quiet`."""

    def __init__(self, *quiet, ticker="PETR4", **options):
        super().__init__(**options)
        self.quiet, self.ticker = frozenset(quiet), ticker

    def fetch(self, tickers, start, end, interval="1d", progress=None):
        frame = super().fetch(tickers, start, end, interval).frame
        lost = (frame["ticker"] == self.ticker) & frame["traded_at"].astype(str).isin(self.quiet)
        told = Failure(self.ticker, NO_TRADE, "no trade: the whole file has none", self.quiet)
        asked = self.ticker in tickers
        return Quotes(frame[~lost].reset_index(drop=True), (told,) if asked else ())


def test_a_session_without_a_trade_is_counted_apart_and_leaves_a_batch_complete(lake_cloud):
    """It is an answer, in the table, in the text and in the manifest that is read again."""
    batch = run(lake_cloud, Whole("2024-06-26"))
    assert batch.complete
    assert batch.table.loc["PETR4", ["expected", "came", "missing", "no_trade"]].tolist() == [
        4, 4, 0, 1,
    ]  # fmt: skip
    assert "nothing missing, 1 without a trade" in str(batch)
    read = lake.read_manifest(lake_cloud, batch.batch_id)
    assert [(gap.ticker, gap.dt) for gap in read.no_trade] == [("PETR4", "2024-06-26")]
    with pytest.raises(NothingToDoError):
        go_on(lake_cloud, Whole("2024-06-26"))


def test_a_range_without_any_trade_is_nothing_to_do(lake_cloud):
    """Nothing is written, nothing is missing, no journal is left."""
    day = ("2024-06-26", "2024-06-26")
    with pytest.raises(NothingToDoError, match="PETR4 was not traded on any of the 1 sessions"):
        run(lake_cloud, Whole("2024-06-26"), ["PETR4"], day)
    assert (journals(lake_cloud), lake.list_manifests(lake_cloud)) == ([], [])


def test_a_gap_that_turns_out_to_be_no_trade_is_settled_and_the_older_one_is_reached(lake_cloud):
    """The whole file came after the batch: it is asked once, and then never again."""
    hour = dt.timedelta(hours=1)
    run(lake_cloud, Noted("missing:VALE3:2024-06-25"), ["VALE3"])
    run(lake_cloud, Noted("missing:PETR4:2024-06-26"), ["PETR4"], now=NOW + hour)
    batch = go_on(lake_cloud, Whole("2024-06-26"), NOW + 2 * hour)
    assert batch.manifest.partitions == {"VALE3": ["2024-06-25"]}
    market = Whole("2024-06-26")
    with pytest.raises(NothingToDoError, match="nothing to resume"):
        go_on(lake_cloud, market, NOW + 3 * hour)
    assert market.asked == []


def test_what_cannot_come_now_does_not_keep_older_gaps_waiting(lake_cloud):
    """The newest batch brings nothing, without a final answer: the older one is asked for."""
    hour = dt.timedelta(hours=1)
    run(lake_cloud, Noted("missing:VALE3:2024-06-25"), ["VALE3"])
    faults = "missing:PETR4:2024-06-26"
    run(lake_cloud, Noted(faults), ["PETR4"], now=NOW + hour)
    batch = go_on(lake_cloud, Noted(faults), NOW + 2 * hour)
    assert batch.manifest.partitions == {"VALE3": ["2024-06-25"]}
    with pytest.raises(SourceError, match="brought no quote of PETR4"):
        go_on(lake_cloud, Noted(faults), NOW + 3 * hour)
