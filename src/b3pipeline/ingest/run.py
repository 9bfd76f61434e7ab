"""The run of an ingestion: settle what was left, plan, fetch, compare, seal, write."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from b3pipeline import lake, names
from b3pipeline.calendar import Clock, utc_now
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import B3Error, CatalogError, StorageError
from b3pipeline.ingest.batch import Batch
from b3pipeline.ingest.begun import Begun, begin, plan_missing, refreshed, request_of, settle
from b3pipeline.ingest.compare import Trail, compare, note_trail, reload_asks
from b3pipeline.ingest.draft import Findings, Outcome, draft, refuse_unknown
from b3pipeline.ingest.fetch import fetch_all, first_scopes
from b3pipeline.ingest.plans import DEFAULT_TICKERS, WINDOW, Plan, plan
from b3pipeline.ingest.survey import survey
from b3pipeline.ingest.write import write
from b3pipeline.lake import Journal
from b3pipeline.progress import Progress
from b3pipeline.sources.base import QuoteSource


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
    strict: bool = False,
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
    the last session that bronze holds of it. A ticker that the source does not know is a failure,
    its sessions missing, and the others are written; `strict` refuses the whole batch for it.

    Raises what `plan` raises, NothingToDoError (`since_last`), UnknownTickerError, SourceError
    where nothing came at all (RateLimitedError where the source refused to go on), StorageError
    for the bucket and CatalogError for the table.
    """
    began = time.monotonic()
    wanted = plan(source, tickers, start, end, interval=interval, clock=clock)
    request = request_of(wanted, since_last=since_last, window=window)
    _check(cloud)
    for earlier, manifest in reversed(settle(cloud, progress)):
        if earlier.request != request:
            continue
        if manifest is not None:
            return Batch(manifest, time.monotonic() - began, resumed=True)
        return _run(cloud, source, refreshed(cloud, earlier), began, progress, strict=strict)
    surveyed = survey(cloud, wanted, window, since_last=since_last)
    begun = begin(cloud, request, surveyed, clock, batch_id)
    return _run(cloud, source, begun, began, progress, strict=strict)


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
        return _run(cloud, source, refreshed(cloud, earlier), began, progress)
    wanted = plan_missing(cloud, clock)
    source = open_source(wanted.source)
    request = request_of(wanted, since_last=False, window=window)
    begun = begin(cloud, request, survey(cloud, wanted, window), clock)
    return _run(cloud, source, begun, began, progress)


def preview_resume(cloud: Cloud, *, window: int = WINDOW, clock: Clock = utc_now) -> Plan:
    """Return what `resume` would ask and write; nothing is done."""
    _check(cloud)
    journals = lake.list_journals(cloud)
    if not journals:
        return survey(cloud, plan_missing(cloud, clock), window)
    begun = Begun.read(journals[-1])
    done = journals[-1].slices()
    asks = tuple(ask for number, ask in enumerate(begun.plan.asks) if number not in done)
    return replace(begun.plan, asks=asks)


def _check(cloud: Cloud) -> None:
    lake.check_bucket(cloud)
    lake.check_table(cloud, names.BRONZE_TABLE)


def _run(
    cloud: Cloud,
    source: QuoteSource,
    begun: Begun,
    began: float,
    progress: Progress | None,
    *,
    strict: bool = False,
) -> Batch:
    journal = begun.journal
    try:
        outcome = _gather(cloud, source, begun.plan, journal, progress, strict=strict)
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
    cloud: Cloud,
    source: QuoteSource,
    plan: Plan,
    journal: Journal,
    progress: Progress | None,
    *,
    strict: bool,
) -> Outcome:
    """Return what came, and again what is restated; all of it is in the journal."""
    found, trails, stopped = Findings(), dict[str, Trail](), False
    for each in fetch_all(source, plan, plan.asks, first_scopes(plan), journal, progress=progress):
        found.note(each)
        note_trail(trails, plan, each)
        stopped |= each.stopped
    if strict:
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
