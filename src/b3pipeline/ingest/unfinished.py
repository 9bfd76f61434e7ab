"""A batch under way: kept by its journal from its plan on, and written from it to bronze.

What is fetched waits in the journal. From there come the objects, what was held back, the
partitions, and last the manifest; so it is the same however often a batch is cut off.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from b3pipeline import lake, names
from b3pipeline.calendar import Clock
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import B3Error, CatalogError, DamagedJournalError, StorageError
from b3pipeline.ingest.plans import Plan, survey
from b3pipeline.ingest.request import Request
from b3pipeline.lake import BatchManifest, Journal
from b3pipeline.lake.storage import find_objects, list_keys
from b3pipeline.lake.typed import check_types
from b3pipeline.language import english, note
from b3pipeline.progress import Progress
from b3pipeline.quality import RULE

log = logging.getLogger(__name__)

VERSION = 2
"""Of the plan in a journal. 1: the request was a mapping without `replace`; it is read, too."""


@dataclass(frozen=True)
class Unfinished:
    """A batch with a journal: what was asked for, when, and what it plans."""

    journal: Journal
    request: Request
    created_at: dt.datetime
    plan: Plan
    resumed: bool = False

    def note(self) -> None:
        """Put the plan into the journal."""
        content = {
            "version": VERSION,
            "request": self.request.to_dict(),
            "created_at": self.created_at.isoformat(),
            "plan": self.plan.to_dict(),
        }
        self.journal.write_plan(content)

    @classmethod
    def read(cls, journal: Journal) -> Unfinished:
        """Return the batch that a journal belongs to; raises DamagedJournalError."""
        content = journal.read_plan()
        with journal.reading():
            if content["version"] not in range(1, VERSION + 1):
                raise ValueError(f"version {content['version']!r} is not known")
            request, plan = Request.from_dict(content["request"]), Plan.from_dict(content["plan"])
            check_types(request)
            check_types(plan)
            created_at = dt.datetime.fromisoformat(content["created_at"])
            return cls(journal, request, created_at, plan, resumed=True)


def begin(
    cloud: Cloud, request: Request, surveyed: Plan, clock: Clock, batch_id: str | None = None
) -> Unfinished:
    """Return a new batch, its plan in the journal."""
    created_at = clock().astimezone(dt.UTC).replace(microsecond=0)
    journal = Journal(cloud, batch_id or lake.new_batch_id(created_at))
    unfinished = Unfinished(journal, request, created_at, surveyed)
    unfinished.note()
    return unfinished


def settle(
    cloud: Cloud, progress: Progress | None = None
) -> list[tuple[Unfinished, BatchManifest | None]]:
    """Return the batches that were cut off, oldest first, each with its manifest if it stands now.

    One that had fetched everything is written to its end: bronze holds some of it, maybe. One
    that had not has changed nothing, and waits for the same request or for `resume`. A journal
    that cannot be replayed is set aside, whole, and named in the log.
    """
    left = []
    for journal in lake.list_journals(cloud):
        try:
            unfinished = Unfinished.read(journal)
            manifest = finish(cloud, journal, unfinished.plan, progress)
        except DamagedJournalError as error:
            put_aside(journal, error)
            continue
        except B3Error:
            raise  # the bucket or the catalog: nothing is wrong with the journal
        except Exception as error:
            put_aside(journal, error)
            continue
        if manifest is None:
            said = note("batch {batch} was cut off while fetching", batch=journal.batch_id)
        else:
            said = note(
                "batch {batch} had been cut off, and is complete now", batch=journal.batch_id
            )
        log.warning("%s", said)
        left.append((unfinished, manifest))
    return left


def put_aside(journal: Journal, error: BaseException) -> None:
    """Set a journal aside that cannot be replayed, and say where it lies and what to do."""
    try:
        plan = Unfinished.read(journal).plan
        what = f"{', '.join(plan.tickers)} from {plan.source}, {plan.start} to {plan.end}"
    except DamagedJournalError:
        what = "its range"
    said = (
        english(error.message) if isinstance(error, B3Error) else f"{type(error).__name__}: {error}"
    )
    log.error(
        "the journal of batch %s cannot be replayed (%s); it is kept at %s. "
        "Ingest %s again: whatever of it bronze holds is replaced",
        *(journal.batch_id, said, journal.set_aside(), what),
    )


def refreshed(cloud: Cloud, unfinished: Unfinished) -> Unfinished:
    """Return a batch that was cut off, without what came of it if a later one has been written.

    What came then is older than what bronze holds by now, and would replace it. Raises
    NothingToDoError where the later batch has brought it all, OriginError where it was of another
    source; the journal is gone then.
    """
    own = names.manifest_key(unfinished.journal.batch_id)
    if next(iter(list_keys(cloud, names.MANIFEST_PREFIX, own)), None) is None:
        return unfinished
    unfinished.journal.drop_slices()
    bare = replace(unfinished.plan, firsts={}, windows={}, anew={}, before={}, asks=())
    try:
        surveyed = survey(cloud, bare, unfinished.request)
    except (StorageError, CatalogError):
        raise
    except B3Error:
        unfinished.journal.discard()
        raise
    unfinished = replace(unfinished, plan=surveyed)
    unfinished.note()
    return unfinished


def finish(
    cloud: Cloud, journal: Journal, plan: Plan, progress: Progress | None = None
) -> BatchManifest | None:
    """Return the manifest of a sealed batch, which stands now; None where the seal lacks.

    All that is written comes from the journal, so it is the same however often it is begun. Of a
    batch whose manifest stands already only the journal is removed.
    """
    bucket = cloud.config.raw_data_bucket
    [body] = find_objects(cloud, [names.manifest_key(journal.batch_id)])
    if body is not None:
        journal.discard()
        return BatchManifest.from_json(body, bucket)
    manifest = journal.sealed()
    if manifest is not None:
        write(cloud, journal, plan, manifest, progress)
    return manifest


def write(
    cloud: Cloud,
    journal: Journal,
    plan: Plan,
    manifest: BatchManifest,
    progress: Progress | None = None,
) -> None:
    """Write a sealed batch; its manifest, which alone starts the refine, comes last."""
    for number in sorted(journal.slices() - journal.written()):
        frame = _without_outdated(number, journal.read_slice(number)[0], plan, manifest)
        broken = frame[RULE].notna()
        rows = _rows_of(manifest, frame[~broken])
        total = sum(1 for _ in lake.partition_rows(rows))
        lake.put_objects(cloud, _objects(manifest, rows), total=total, progress=progress)
        if broken.any():
            lake.write_quarantine(cloud, manifest.batch_id, number, frame[broken])
        journal.mark_written(number)
    gone = {(day, one.ticker) for one in manifest.replaced for day in one.removed}
    written = {(day, ticker) for ticker, days in manifest.partitions.items() for day in days}
    lake.register_partitions(cloud, names.BRONZE_TABLE, written - gone, progress=progress)
    if gone:  # their replacement, the rest of the history, stands by now
        lake.forget_partitions(cloud, names.BRONZE_TABLE, gone)
        lake.delete_objects(cloud, [names.bronze_key(*each) for each in sorted(gone)])
    lake.write_manifest(cloud, manifest)
    journal.discard()
    log.info("batch %s: %d objects", manifest.batch_id, manifest.objects)


def _without_outdated(
    number: int, frame: pd.DataFrame, plan: Plan, manifest: BatchManifest
) -> pd.DataFrame:
    """Return a slice's rows without the tickers that a later slice brings whole: the restated."""
    if number >= len(plan.asks):
        return frame
    return frame[~frame["ticker"].isin([one.ticker for one in manifest.restated])]


def _rows_of(manifest: BatchManifest, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the partitions that the manifest names."""
    days = frame["traded_at"].to_numpy().astype("datetime64[D]")
    tickers = frame["ticker"].to_numpy()
    chosen = np.zeros(len(frame), dtype=bool)
    for ticker in dict.fromkeys(tickers):
        wanted = np.array(manifest.partitions.get(ticker, ()), dtype="datetime64[D]")
        chosen |= (tickers == ticker) & np.isin(days, wanted)
    return frame[chosen].reset_index(drop=True)


def _objects(manifest: BatchManifest, rows: pd.DataFrame) -> Iterator[tuple[str, bytes]]:
    objects = lake.bronze_objects(
        rows,
        source=manifest.source,
        batch_id=manifest.batch_id,
        ingested_at=manifest.created_at,
    )
    for day, ticker, body in objects:
        yield names.bronze_key(day, ticker), body
