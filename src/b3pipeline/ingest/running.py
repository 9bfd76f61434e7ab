"""The run of an ingestion: settle what was left, plan, fetch, compare, seal, write."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from b3pipeline import lake, names
from b3pipeline.aws import Cloud
from b3pipeline.calendar import Clock, last_closed_session, sessions, utc_now
from b3pipeline.errors import B3Error, CatalogError, NothingToDoError, StorageError
from b3pipeline.ingest.drafting import Findings, Outcome, draft, refuse_unknown
from b3pipeline.ingest.fetching import fetch_all, first_scopes
from b3pipeline.ingest.outcome import Batch
from b3pipeline.ingest.planning import DEFAULT_TICKERS, WINDOW, Plan, plan
from b3pipeline.ingest.restating import Trail, compare, note_trail, reload_asks
from b3pipeline.ingest.survey import survey
from b3pipeline.ingest.writing import finish, write
from b3pipeline.lake import Journal
from b3pipeline.lake.storage import list_keys
from b3pipeline.progress import Progress
from b3pipeline.sources.base import QuoteSource

log = logging.getLogger(__name__)

Request = dict[str, Any]
"""What was asked for, as JSON knows it: the same request completes a batch that was cut off."""


@dataclass(frozen=True)
class Begun:
    """A batch with a journal: what was asked for, when, and what it plans."""

    journal: Journal
    request: Request
    created_at: dt.datetime
    plan: Plan
    resumed: bool = False

    def note(self) -> None:
        """Put the plan into the journal."""
        content = {
            "version": 1,
            "request": self.request,
            "created_at": self.created_at.isoformat(),
            "plan": self.plan.to_dict(),
        }
        self.journal.write_plan(content)


def ingest(
    cloud: Cloud,
    source: QuoteSource,
    tickers: Sequence[str] = DEFAULT_TICKERS,
    start: str | dt.date | None = None,
    end: str | dt.date | None = None,
    *,
    interval: str = "1d",
    since_last: bool = False,
    window: int = WINDOW,
    clock: Clock = utc_now,
    progress: Progress | None = None,
    batch_id: str | None = None,
) -> Batch:
    """Return the batch that now stands in bronze, its refine on the way.

    Everything is checked, fetched and kept in the journal before the first object is written.
    Then come the objects, their partitions, and last the manifest, which alone starts the refine.
    Cut off anywhere, run it again: the same request completes the same batch, and the result is
    as if it had run once. What did not come is in the manifest's `missing`. The last `window`
    sessions that bronze holds of each ticker are compared with what comes; a ticker whose history
    the source has rewritten is loaded again as a whole. With `since_last` each ticker begins after
    the last session that bronze holds of it.

    Raises what `plan` raises, NothingToDoError (`since_last`), UnknownTickerError, SourceError
    where nothing came at all (RateLimitedError where the source refused to go on), StorageError
    for the bucket and CatalogError for the table.
    """
    began = time.monotonic()
    wanted = plan(source, tickers, start, end, interval=interval, clock=clock)
    request = _request(wanted, since_last=since_last, window=window)
    _check(cloud)
    for earlier, manifest in reversed(settle(cloud, progress)):
        if earlier.request != request:
            continue
        if manifest is not None:
            return Batch(manifest, time.monotonic() - began, resumed=True)
        return _run(cloud, source, _refreshed(cloud, earlier), began, progress)
    surveyed = survey(cloud, wanted, window, since_last=since_last)
    return _run(cloud, source, _begin(cloud, request, surveyed, clock, batch_id), began, progress)


def preview(
    cloud: Cloud,
    source: QuoteSource,
    tickers: Sequence[str] = DEFAULT_TICKERS,
    start: str | dt.date | None = None,
    end: str | dt.date | None = None,
    *,
    interval: str = "1d",
    since_last: bool = False,
    window: int = WINDOW,
    clock: Clock = utc_now,
) -> Plan:
    """Return what `ingest` with these arguments would ask, compare and write; nothing is done."""
    wanted = plan(source, tickers, start, end, interval=interval, clock=clock)
    _check(cloud)
    return survey(cloud, wanted, window, since_last=since_last)


def resume(
    cloud: Cloud,
    open_source: Callable[[str], QuoteSource],
    *,
    window: int = WINDOW,
    clock: Clock = utc_now,
    progress: Progress | None = None,
) -> Batch:
    """Return the newest batch that was cut off, completed; or a new one of what another lacks.

    `open_source` makes a source of its name. Of a batch that was cut off, what its journal holds
    is not fetched again. Without one, the newest batch with sessions missing that no later one
    brought is asked for those alone. Raises NothingToDoError where there is neither, and what
    `ingest` raises.
    """
    began = time.monotonic()
    _check(cloud)
    left = settle(cloud, progress)
    if left:
        earlier, manifest = left[-1]
        if manifest is not None:
            return Batch(manifest, time.monotonic() - began, resumed=True)
        source = open_source(earlier.plan.source)
        return _run(cloud, source, _refreshed(cloud, earlier), began, progress)
    wanted = plan_missing(cloud, clock)
    request = _request(wanted, since_last=False, window=window)
    begun = _begin(cloud, request, survey(cloud, wanted, window), clock)
    return _run(cloud, open_source(wanted.source), begun, began, progress)


def preview_resume(cloud: Cloud, *, window: int = WINDOW, clock: Clock = utc_now) -> Plan:
    """Return what `resume` would ask and write; nothing is done."""
    _check(cloud)
    journals = lake.list_journals(cloud)
    if not journals:
        return survey(cloud, plan_missing(cloud, clock), window)
    begun = read_begun(journals[-1])
    done = journals[-1].slices()
    asks = tuple(ask for number, ask in enumerate(begun.plan.asks) if number not in done)
    return replace(begun.plan, asks=asks)


def settle(
    cloud: Cloud, progress: Progress | None = None
) -> list[tuple[Begun, lake.BatchManifest | None]]:
    """Return the batches that were cut off, oldest first, each with its manifest if it stands now.

    One that had fetched everything is written to its end: bronze holds some of it, maybe. One
    that had not has changed nothing, and waits for the same request or for `resume`.
    """
    left = []
    for journal in lake.list_journals(cloud):
        begun = read_begun(journal)
        manifest = finish(cloud, journal, begun.plan, progress)
        if manifest is None:
            log.warning("batch %s was cut off while fetching", journal.batch_id)
        else:
            log.warning("batch %s had been cut off, and is complete now", journal.batch_id)
        left.append((begun, manifest))
    return left


def plan_missing(cloud: Cloud, clock: Clock = utc_now) -> Plan:
    """Return a plan of what the newest incomplete batch lacks and no later one brought.

    Raises NothingToDoError where every batch is complete.
    """
    brought: set[tuple[str, str]] = set()
    for batch in reversed(lake.list_manifests(cloud)):
        lacking = [(gap.ticker, gap.dt) for gap in batch.missing]
        lacking = [pair for pair in lacking if pair not in brought]
        if lacking:
            return _plan_of(batch, lacking, last_closed_session(clock()))
        brought |= {(ticker, day) for ticker, days in batch.partitions.items() for day in days}
    raise NothingToDoError(
        "no batch was cut off, and none lacks a session: there is nothing to resume.",
        hint="`b3 ingest --since last` asks for what is new.",
    )


def read_begun(journal: Journal) -> Begun:
    """Return the batch that a journal belongs to."""
    content = journal.read_plan()
    return Begun(
        journal,
        content["request"],
        dt.datetime.fromisoformat(content["created_at"]),
        Plan.from_dict(content["plan"]),
        resumed=True,
    )


def _check(cloud: Cloud) -> None:
    lake.check_bucket(cloud)
    lake.check_table(cloud, names.BRONZE_TABLE)


def _begin(
    cloud: Cloud, request: Request, surveyed: Plan, clock: Clock, batch_id: str | None = None
) -> Begun:
    created_at = clock().astimezone(dt.UTC).replace(microsecond=0)
    journal = Journal(cloud, batch_id or lake.new_batch_id(created_at))
    begun = Begun(journal, request, created_at, surveyed)
    begun.note()
    return begun


def _refreshed(cloud: Cloud, begun: Begun) -> Begun:
    """Return a batch that was cut off, without what came of it if a later one has been written.

    What came then is older than what bronze holds by now, and would replace it.
    """
    own = names.manifest_key(begun.journal.batch_id)
    if next(iter(list_keys(cloud, names.MANIFEST_PREFIX, own)), None) is None:
        return begun
    begun.journal.drop_slices()
    bare = replace(begun.plan, firsts={}, windows={}, asks=())
    request = begun.request
    surveyed = survey(cloud, bare, request["window"], since_last=request["since_last"])
    begun = replace(begun, plan=surveyed)
    begun.note()
    return begun


def _run(
    cloud: Cloud,
    source: QuoteSource,
    begun: Begun,
    began: float,
    progress: Progress | None,
) -> Batch:
    journal = begun.journal
    try:
        outcome = _gather(cloud, source, begun.plan, journal, progress)
        bucket = cloud.config.raw_data_bucket
        manifest = draft(outcome, bucket, journal.batch_id, source.simulated, begun.created_at)
    except (StorageError, CatalogError):
        raise  # the journal stays: the next run goes on from it
    except B3Error:
        journal.discard()
        raise
    journal.seal(manifest)
    write(cloud, journal, begun.plan, manifest, progress)
    return Batch(manifest, time.monotonic() - began, outcome.failures, begun.resumed)


def _gather(
    cloud: Cloud, source: QuoteSource, plan: Plan, journal: Journal, progress: Progress | None
) -> Outcome:
    """Return what came, and again what is restated; all of it is in the journal."""
    found, trails, stopped = Findings(), dict[str, Trail](), False
    for each in fetch_all(source, plan, plan.asks, first_scopes(plan), journal, progress=progress):
        found.note(each)
        note_trail(trails, plan, each)
        stopped |= each.stopped
    refuse_unknown(failure for _, failure in found.failures)
    verdicts = compare(cloud, plan, trails)
    restated = [ticker for ticker, verdict in verdicts.items() if verdict.restated]
    again = Findings()
    asks, scopes = reload_asks(cloud, plan, restated) if restated else ([], {})
    for each in fetch_all(
        source,
        plan,
        asks,
        scopes,
        journal,
        first_number=len(plan.asks),
        stopped=stopped,
        progress=progress,
    ):
        again.note(each)
    return Outcome(plan, found, verdicts, again, scopes)


def _request(wanted: Plan, *, since_last: bool, window: int) -> Request:
    return {
        "source": wanted.source,
        "interval": wanted.interval,
        "tickers": list(wanted.tickers),
        "start": str(wanted.start),
        "end": str(wanted.end),
        "last_session": str(wanted.sessions[-1]),
        "since_last": since_last,
        "window": window,
        "only": wanted.only and {ticker: list(days) for ticker, days in wanted.only.items()},
    }


def _plan_of(batch: lake.BatchManifest, pairs: list[tuple[str, str]], final: dt.date) -> Plan:
    only: dict[str, list[str]] = {}
    for ticker, day in sorted(pairs):
        only.setdefault(ticker, []).append(day)
    days = [dt.date.fromisoformat(day) for _, day in pairs]
    start, end = min(days), max(days)
    return Plan(
        batch.source,
        batch.interval,
        tuple(only),
        start,
        end,
        tuple(day for day in sessions(start, end) if day <= final),
        final=final,
        only=only,
    )
