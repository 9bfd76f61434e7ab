"""What a run did and what it costs: the figures of its summary, beside Glue's own."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from botocore.exceptions import ClientError

from b3pipeline.cloud.clients import Cloud
from b3pipeline.costs import format_usd, glue_run_cost
from b3pipeline.errors import JobError
from b3pipeline.lake.typed import check_types
from b3pipeline.language import retold, say, shown
from b3pipeline.markup import facts_table
from b3pipeline.names import run_summary_key
from b3pipeline.refine.runs import JobRun

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunReport:
    """One run of the refine in figures.

    `seconds`: from start to end; `dpu_seconds`: what AWS bills, the minimum of a minute aside;
    `usd`: its list price, that minimum included; None where Glue did not tell. `skipped`:
    sessions without a quote; `quarantined`: why, by the key of each object set aside; `steps`:
    seconds of each part of the job; `set_aside`: why, by the key of each manifest that could not be
    used, in which case the run ended FAILED and refined the others. A run that found its batch
    done did nothing.
    """

    run: JobRun
    seconds: float
    dpu_seconds: float | None
    usd: float | None
    rows: int = 0
    written: int = 0
    removed: int = 0
    skipped: int = 0
    quarantined: Mapping[str, str] = field(default_factory=dict)
    set_aside: Mapping[str, str] = field(default_factory=dict)
    batch_ids: tuple[str, ...] = ()
    steps: Mapping[str, float] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, str]:
        """The figures in words, in the order in which they are shown."""
        work, price = say("unknown"), say("unknown")
        if self.dpu_seconds is not None:
            work = say("{seconds:,.0f} DPU-seconds", seconds=self.dpu_seconds)
        if self.usd is not None:
            price = format_usd(self.usd)
        facts = {
            say("run"): f"{self.run.run_id}, {self.run.state}",
            say("took"): shown(self.seconds, ".1f") + " s",
            say("work"): work,
            say("price on AWS"): price,
            say("batches"): ", ".join(self.batch_ids) or say("none"),
            say("rows read"): shown(self.rows, ","),
            say("partitions written"): shown(self.written, ","),
            say("partitions removed"): shown(self.removed, ","),
            say("skipped: no quote"): shown(self.skipped, ","),
            say("quarantined"): shown(len(self.quarantined), ","),
        }
        facts |= {f"  {key}": retold(reason) for key, reason in self.quarantined.items()}
        if self.set_aside:
            facts[say("manifests set aside")] = shown(len(self.set_aside), ",")
        return facts | {f"  {key}": retold(reason) for key, reason in self.set_aside.items()}

    def __str__(self) -> str:
        width = max(map(len, self.facts))
        return "\n".join(f"{name:{width}}  {value}" for name, value in self.facts.items())

    def _repr_html_(self) -> str:
        return facts_table(self.facts)


@dataclass(frozen=True)
class _Summary:
    """The fields of a summary that are read here and in the notebooks; a run may leave some out."""

    event: str = ""
    mode: str = ""
    batch_ids: tuple[str, ...] = ()
    set_aside: Mapping[str, str] = field(default_factory=dict)
    quarantined: Mapping[str, str] = field(default_factory=dict)
    rows_read: int = 0
    partitions_read: int = 0
    partitions_written: int = 0
    partitions_removed: int = 0
    partitions_skipped: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)


def describe(cloud: Cloud, run: JobRun) -> RunReport:
    """Return what a run did and what it costs; zeros where it left no summary, as when it failed.

    The price is the list price of us-east-1, in USD, whatever the target is.
    """
    said = _summary(cloud, run) or {}
    capacity = run.dpu_seconds / run.execution_seconds if run.dpu_seconds else 2
    price = (
        None
        if run.dpu_seconds is None
        else glue_run_cost(run.dpu_seconds, dpus=round(capacity), glue_version=run.glue_version)
    )
    return RunReport(
        run=run,
        seconds=run.seconds,
        dpu_seconds=run.dpu_seconds,
        usd=price,
        rows=said.get("rows_read", 0),
        written=said.get("partitions_written", 0),
        removed=said.get("partitions_removed", 0),
        skipped=said.get("partitions_skipped", 0),
        quarantined=said.get("quarantined", {}),
        set_aside=said.get("set_aside", {}),
        batch_ids=tuple(said.get("batch_ids", ())),
        steps=said.get("seconds", {}),
    )


def run_summary(cloud: Cloud, run: JobRun) -> dict[str, Any]:
    """Return the summary that a run left under its id; raise JobError where there is none."""
    if (said := _summary(cloud, run)) is not None:
        return said
    raise JobError(
        say("run {run_id} ({state}) left no summary.", run_id=run.run_id, state=run.state),
        hint=say("read the end of its log: jobs.tail_log(cloud, run)."),
    )


def _summary(cloud: Cloud, run: JobRun) -> dict[str, Any] | None:
    bucket, key = cloud.config.raw_data_bucket, run_summary_key(run.run_id)
    try:
        said = dict(json.loads(cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
        known = {one.name for one in fields(_Summary)}
        check_types(_Summary(**{name: value for name, value in said.items() if name in known}))
        return said
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None
    except (ValueError, TypeError, RecursionError) as error:
        logger.warning("s3://%s/%s is no summary of a run: %s", bucket, key, error)
        return None
