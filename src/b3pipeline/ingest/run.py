"""The run of an ingestion: settle what was left, plan, fetch, compare, seal, write."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from b3pipeline import lake, names
from b3pipeline.calendar import Clock, utc_now
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import (
    B3Error,
    CatalogError,
    DamagedJournalError,
    NothingToDoError,
    OriginError,
    RateLimitedError,
    StorageError,
)
from b3pipeline.ingest.batch import Batch
from b3pipeline.ingest.compare import compare, doubt_uncompared, reload_plan
from b3pipeline.ingest.draft import (
    draft,
    nothing_came,
    refuse_half_a_world,
    refuse_unknown,
    settled,
)
from b3pipeline.ingest.fetch import gather
from b3pipeline.ingest.plans import Plan, draw, plan, survey
from b3pipeline.ingest.request import WINDOW, Request, requests_for_gaps
from b3pipeline.ingest.unfinished import (
    Unfinished,
    begin,
    put_aside,
    refreshed,
    settle,
    write,
)
from b3pipeline.lake import BatchManifest
from b3pipeline.language import say
from b3pipeline.progress import Progress
from b3pipeline.sources.base import Failure, QuoteSource

Asked = Request | Sequence[str] | None
"""A whole request, or the tickers of one: None for those that bronze holds, or the usual ten."""


def ingest(
    cloud: Cloud,
    source: QuoteSource,
    tickers: Asked = None,
    start: str | dt.date | None = None,
    end: str | dt.date | None = None,
    *,
    clock: Clock = utc_now,
    progress: Progress | None = None,
    batch_id: str | None = None,
    **how: Any,
) -> Batch:
    """Return the batch that now stands in bronze, its refine on the way.

    What is asked for is a `Request`, or the parts of one: tickers, start, end, and by name its
    `interval`, `since_last`, `window`, `replace` and `strict`. Everything is checked, fetched and
    kept in the journal before the first object is written. Then come the objects, their partitions,
    and last the manifest, which alone starts the refine. Cut off anywhere, run it again: the same
    request completes the same batch, and the result is as if it had run once. What did not come is
    in the manifest's `missing`; what was not traded, in its `no_trade`. The last `window` sessions
    that bronze holds of each ticker are compared with what comes; a ticker whose history the
    source has rewritten is loaded again as a whole. One ticker's history has one source and one
    length of bars, and one bucket holds simulated quotes or real ones: another source is refused,
    or with `replace` the whole history is loaded anew. A ticker that the source does not know is a
    failure, its sessions missing, and the others are written; `strict` refuses the batch for it.

    Raises what `plan` raises, NothingToDoError (`since_last`, or no trade at all), OriginError,
    UnknownTickerError, SourceError where nothing came at all (RateLimitedError where the source
    refused to go on), StorageError for the bucket and CatalogError for the table.
    """
    began = time.monotonic()
    request, wanted = _planned(cloud, source, tickers, start, end, clock, how)
    _check(cloud)
    for earlier, manifest in reversed(settle(cloud, progress)):
        if earlier.request != request:
            continue
        if manifest is not None:
            return Batch(manifest, time.monotonic() - began, resumed=True)
        return _run(cloud, source, refreshed(cloud, earlier), began, progress)
    surveyed = survey(cloud, wanted, request)
    return _run(cloud, source, begin(cloud, request, surveyed, clock, batch_id), began, progress)


def preview(
    cloud: Cloud,
    source: QuoteSource,
    tickers: Asked = None,
    start: str | dt.date | None = None,
    end: str | dt.date | None = None,
    *,
    clock: Clock = utc_now,
    **how: Any,
) -> Plan:
    """Return what `ingest` with these arguments would ask, compare and write; nothing is done."""
    request, wanted = _planned(cloud, source, tickers, start, end, clock, how)
    _check(cloud)
    return survey(cloud, wanted, request)


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
    is not fetched again. Without one, the incomplete batches are asked for what they lack, the
    newest first, until something comes: what cannot come now does not keep older gaps waiting.
    Raises NothingToDoError where nothing lacks, else what the newest of them failed with.
    """
    began = time.monotonic()
    _check(cloud)
    failed: list[B3Error] = []
    for earlier, manifest in reversed(settle(cloud, progress)):
        if manifest is not None:
            return Batch(manifest, time.monotonic() - began, resumed=True)
        try:
            source = open_source(earlier.request.source)
            return _run(cloud, source, refreshed(cloud, earlier), began, progress)
        except NothingToDoError:
            continue
        except (DamagedJournalError, OriginError) as error:
            failed.append(error)
    refusing: set[str] = set()
    for gaps, simulated in requests_for_gaps(cloud):
        request = replace(gaps, window=window)
        if request.source in refusing:
            continue
        try:
            wanted = survey(cloud, draw(request, clock(), simulated=simulated), request)
            source = open_source(request.source)
            return _run(cloud, source, begin(cloud, request, wanted, clock), began, progress)
        except (StorageError, CatalogError):
            raise
        except NothingToDoError:
            continue
        except B3Error as error:
            failed.append(error)
            if isinstance(error, RateLimitedError):
                refusing.add(request.source)
    if failed:
        raise failed[0]
    raise _nothing_to_resume()


def preview_resume(cloud: Cloud, *, window: int = WINDOW, clock: Clock = utc_now) -> Plan:
    """Return what `resume` would ask and write first; nothing is done."""
    _check(cloud)
    for journal in reversed(lake.list_journals(cloud)):
        unfinished = Unfinished.read(journal)
        done = journal.slices()
        asks = tuple(ask for number, ask in enumerate(unfinished.plan.asks) if number not in done)
        return replace(unfinished.plan, asks=asks)
    for gaps, simulated in requests_for_gaps(cloud):
        request = replace(gaps, window=window)
        return survey(cloud, draw(request, clock(), simulated=simulated), request)
    raise _nothing_to_resume()


def _nothing_to_resume() -> NothingToDoError:
    return NothingToDoError(
        say(
            "no batch was cut off, and none lacks a session that can come: there is "
            "nothing to resume."
        ),
        hint=say("`b3 ingest --since last` asks for what is new."),
    )


def _planned(
    cloud: Cloud,
    source: QuoteSource,
    asked: Asked,
    start: str | dt.date | None,
    end: str | dt.date | None,
    clock: Clock,
    how: dict[str, Any],
) -> tuple[Request, Plan]:
    """Return the request as it stands now, every date and ticker named, and its plan."""
    request = (
        asked if isinstance(asked, Request) else Request.of(source.name, asked, start, end, **how)
    )
    request = named(cloud, request, clock)
    return request, plan(source, request, clock=clock)


def named(cloud: Cloud, request: Request, clock: Clock = utc_now) -> Request:
    """Return a request as it stands now, every date and ticker named."""
    held: set[str] = set()
    if request.since_last and not request.tickers:
        _check(cloud)
        held = {ticker for _, ticker in lake.list_partitions(cloud, names.BRONZE_TABLE)}
    return request.at(clock(), held)


def _check(cloud: Cloud) -> None:
    lake.check_bucket(cloud)
    lake.check_table(cloud, names.BRONZE_TABLE)


def _run(
    cloud: Cloud,
    source: QuoteSource,
    unfinished: Unfinished,
    began: float,
    progress: Progress | None,
) -> Batch:
    journal = unfinished.journal
    try:
        manifest, failures = _collect(cloud, source, unfinished, progress)
    except DamagedJournalError as error:
        put_aside(journal, error)
        raise
    except (StorageError, CatalogError):
        raise  # the journal stays: the next run goes on from it
    except B3Error:
        journal.discard()
        raise
    except Exception as error:
        if unfinished.resumed:  # twice the same: it must not happen at every later run
            put_aside(journal, error)
        raise
    journal.seal(manifest)
    write(cloud, journal, unfinished.plan, manifest, progress)
    return Batch(manifest, time.monotonic() - began, failures, unfinished.resumed)


def _collect(
    cloud: Cloud, source: QuoteSource, unfinished: Unfinished, progress: Progress | None
) -> tuple[BatchManifest, tuple[Failure, ...]]:
    """Return the manifest-to-be and the failures; all that came is in the journal."""
    plan, journal = unfinished.plan, unfinished.journal
    found = gather(source, plan, journal, progress=progress)
    if unfinished.request.strict:
        refuse_unknown(failure for _, failure in found.failures)
    restated, corrected = compare(cloud, plan, found)
    doubt_uncompared(cloud, plan, found)
    history = reload_plan(cloud, plan, list(restated)) if restated else replace(plan, asks=())
    again = gather(
        source,
        history,
        journal,
        first_number=len(plan.asks),
        stopped=found.stopped,
        progress=progress,
    )
    every = [failure for _, failure in (*found.failures, *again.failures)]
    failures = tuple(dict.fromkeys(every))
    manifest = draft(
        plan,
        found,
        restated,
        corrected,
        again,
        history,
        bucket=cloud.config.raw_data_bucket,
        batch_id=journal.batch_id,
        created_at=unfinished.created_at,
        instead_of=unfinished.request.instead_of,
    )
    refuse_half_a_world(plan, manifest, failures)
    if not manifest.partitions:
        if manifest.no_trade:
            lake.write_answer(cloud, manifest)
        raise nothing_came(plan, failures) if manifest.missing else settled(manifest)
    return manifest, failures
