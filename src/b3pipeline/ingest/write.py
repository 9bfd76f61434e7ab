"""From the journal to bronze: objects, what was held back, partitions, and last the manifest."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pandas as pd

from b3pipeline import lake, names
from b3pipeline.cloud.clients import Cloud
from b3pipeline.ingest.plans import Plan
from b3pipeline.lake import BatchManifest, Journal
from b3pipeline.lake.storage import find_objects
from b3pipeline.progress import Progress
from b3pipeline.quality import RULE

log = logging.getLogger(__name__)


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
