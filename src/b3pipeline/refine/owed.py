"""Batches that no run has refined, and that no run is going to: their event got lost.

AWS can drop an event: a Lambda that fails three times is not called again. What tells is the lake
itself: a manifest without a done-mark, and no run at work that takes it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from b3pipeline import names
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import StorageError
from b3pipeline.language import say
from b3pipeline.refine.runs import JobRun, list_runs
from b3pipeline.refusals import explain

_NAMED = 10


@dataclass(frozen=True)
class OwedBatch:
    """A batch that is to be refined: its id, its manifest's address, when that landed (UTC)."""

    batch_id: str
    manifest: str
    landed: dt.datetime

    def __str__(self) -> str:
        return say(
            "{batch_id}, landed {moment} UTC",
            batch_id=self.batch_id,
            moment=f"{self.landed:%Y-%m-%d %H:%M:%S}",
        )


@dataclass(frozen=True)
class Batches:
    """All batches of a deployment.

    `done`: how many are refined; `at_work`: those that a run takes, and the runs; `owed`: those
    that no run takes, oldest first.
    """

    done: int
    at_work: tuple[OwedBatch, ...]
    runs: tuple[JobRun, ...]
    owed: tuple[OwedBatch, ...]

    @property
    def summary(self) -> str:
        """One line of figures."""
        return say(
            "{done:,} refined, {at_work:,} at work, {owed:,} owed",
            done=self.done,
            at_work=len(self.at_work),
            owed=len(self.owed),
        )

    @property
    def named(self) -> str:
        """The owed batches in words, the first ten by name; empty where none is owed."""
        shown = "; ".join(map(str, self.owed[:_NAMED]))
        more = len(self.owed) - _NAMED
        return say("{shown}; and {count:,} more", shown=shown, count=more) if more > 0 else shown

    def __str__(self) -> str:
        lines = [say("Batches: {summary}.", summary=self.summary)]
        lines += [
            say("At work: run {run_id}, {state}", run_id=run.run_id, state=run.state)
            for run in self.runs
        ]
        lines += [say("Owed: {batches}", batches=batch) for batch in self.owed]
        return "\n".join(lines)


def find_batches(cloud: Cloud) -> Batches:
    """Return which batches are refined, at work and owed.

    A run takes the batch of its manifest, and those that had landed before it was asked for; one
    that waits takes all. Raises StorageError where the bucket cannot be listed, JobError where
    the runs cannot.
    """
    marks = {name for name, _ in _list(cloud, names.MARK_PREFIX)}
    manifests = [
        OwedBatch(
            name.removesuffix(names.MANIFEST_SUFFIX),
            f"s3://{cloud.config.raw_data_bucket}/{names.MANIFEST_PREFIX}{name}",
            landed,
        )
        for name, landed in _list(cloud, names.MANIFEST_PREFIX)
    ]
    undone = [batch for batch in manifests if f"{batch.batch_id}.json" not in marks]
    # A deployment without a batch to refine needs no right to list runs.
    runs = [run for run in list_runs(cloud) if not run.is_final] if undone else []
    taken = [batch for batch in undone if any(_takes(run, batch) for run in runs)]
    return Batches(
        done=len(manifests) - len(undone),
        at_work=tuple(taken),
        runs=tuple(runs),
        owed=tuple(batch for batch in undone if batch not in taken),
    )


def _takes(run: JobRun, batch: OwedBatch) -> bool:
    """Return whether a run that has not ended refines a batch."""
    if run.manifest == batch.manifest:
        return True
    if run.manifest is None and run.arguments.get("--rebuild") != "true":
        return False
    return run.state == "WAITING" or batch.landed < run.started_on


def _list(cloud: Cloud, prefix: str) -> Iterator[tuple[str, dt.datetime]]:
    """Yield name and time of each document right below a prefix, in the order of their names."""
    pages = cloud.s3.get_paginator("list_objects_v2").paginate(
        Bucket=cloud.config.raw_data_bucket, Prefix=prefix
    )
    try:
        for page in pages:
            for item in page.get("Contents", ()):
                name = item["Key"].removeprefix(prefix)
                if names.is_document(name):
                    yield name, item["LastModified"]
    except (ClientError, BotoCoreError) as error:
        refusal = explain(error)
        raise StorageError(
            refusal.about(f"s3://{cloud.config.raw_data_bucket}/{prefix}"), hint=refusal.hint
        ) from error
