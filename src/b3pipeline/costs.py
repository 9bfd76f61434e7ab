"""What the pipeline costs on AWS: list prices with their sources, and sums in US dollars.

Prices are the on-demand ones of us-east-1, before any free tier, taxes or data transfer.
They change: `PRICES` says where each stands today, and `PRICES_NOTED_ON` when it was noted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from b3pipeline import markup
from b3pipeline.language import say, shown

if TYPE_CHECKING:
    import pandas as pd

PRICES_NOTED_ON = dt.date(2026, 11, 25)

GLUE_MINIMUM_SECONDS = 60
ATHENA_MINIMUM_BYTES = 10 * 1024**2
TERABYTE = 1024**4
HOST_DISK_GB = 10
"""The ingestion host's disk, as infra/host.tf has it; a test compares the two."""
FREE_CATALOG_OBJECTS = 1_000_000
MONTH_HOURS = 730
GIGABYTE = 1024**3
HOUR = 3600


@dataclass(frozen=True)
class Price:
    """A list price: US dollars for one `unit`, and the page that shows it."""

    usd: float
    unit: str
    source: str


GLUE_DPU_HOUR = Price(0.44, "DPU-hour", "https://aws.amazon.com/glue/pricing/")
GLUE_6_DPU_HOUR = Price(0.308, "DPU-hour of Glue 6.0", "https://aws.amazon.com/glue/pricing/")
CATALOG_OBJECT_MONTH = Price(
    1.00 / 100_000, "object past a million, a month", "https://aws.amazon.com/glue/pricing/"
)
ATHENA_TERABYTE = Price(5.00, "TB scanned", "https://aws.amazon.com/athena/pricing/")
S3_PUT = Price(0.005 / 1000, "PUT request", "https://aws.amazon.com/s3/pricing/")
S3_GET = Price(0.0004 / 1000, "GET request", "https://aws.amazon.com/s3/pricing/")
S3_GIGABYTE_MONTH = Price(0.023, "GB-month, Standard", "https://aws.amazon.com/s3/pricing/")
LAMBDA_REQUEST = Price(0.20 / 1e6, "request", "https://aws.amazon.com/lambda/pricing/")
LAMBDA_GIGABYTE_SECOND = Price(
    0.0000166667, "GB-second, x86", "https://aws.amazon.com/lambda/pricing/"
)
EC2_HOUR = Price(0.0208, "hour of t3.small, Linux", "https://aws.amazon.com/ec2/pricing/on-demand/")
PUBLIC_IPV4_HOUR = Price(0.005, "hour of a public IPv4", "https://aws.amazon.com/vpc/pricing/")
EBS_GIGABYTE_MONTH = Price(0.08, "GB-month of gp3", "https://aws.amazon.com/ebs/pricing/")

PRICES = (
    GLUE_DPU_HOUR,
    GLUE_6_DPU_HOUR,
    CATALOG_OBJECT_MONTH,
    ATHENA_TERABYTE,
    S3_PUT,
    S3_GET,
    S3_GIGABYTE_MONTH,
    LAMBDA_REQUEST,
    LAMBDA_GIGABYTE_SECOND,
    EC2_HOUR,
    PUBLIC_IPV4_HOUR,
    EBS_GIGABYTE_MONTH,
)


def glue_run_cost(dpu_seconds: float, *, dpus: int = 2, glue_version: str = "5.1") -> float:
    """Return what one Glue run costs, in USD: billed by the second, one minute at least.

    `dpus` is how many the run held (2 for two G.1X workers); the minimum is a minute of each.
    Glue 6.0 has a rate of its own.
    """
    billed = max(dpu_seconds, GLUE_MINIMUM_SECONDS * dpus)
    rate = GLUE_6_DPU_HOUR if glue_version.startswith("6.") else GLUE_DPU_HOUR
    return billed / HOUR * rate.usd


def athena_query_cost(bytes_scanned: int, *, ddl: bool = False) -> float:
    """Return what one Athena query costs, in USD: 10 MB are billed at least; DDL is free."""
    if ddl:
        return 0.0
    return max(bytes_scanned, ATHENA_MINIMUM_BYTES) / TERABYTE * ATHENA_TERABYTE.usd


def lambda_cost(calls: int, *, seconds: float = 0.5, memory_mb: int = 128) -> float:
    """Return what `calls` of a Lambda function cost, in USD, each lasting `seconds`."""
    gigabyte_seconds = calls * seconds * memory_mb / 1024
    return calls * LAMBDA_REQUEST.usd + gigabyte_seconds * LAMBDA_GIGABYTE_SECOND.usd


def s3_cost(*, puts: int = 0, gets: int = 0, stored_bytes: int = 0, months: float = 1.0) -> float:
    """Return what requests and `months` of storage in S3 Standard cost, in USD."""
    storage = stored_bytes / GIGABYTE * months * S3_GIGABYTE_MONTH.usd
    return puts * S3_PUT.usd + gets * S3_GET.usd + storage


def ec2_cost(hours: float, *, stopped_hours: float = 0, disk_gb: float = HOST_DISK_GB) -> float:
    """Return what the ingestion host costs, in USD.

    While it runs, for `hours`: the instance and its public IPv4. Its disk is paid for while it is
    stopped as well.
    """
    return hours * (EC2_HOUR.usd + PUBLIC_IPV4_HOUR.usd) + disk_cost(hours + stopped_hours, disk_gb)


def disk_cost(hours: float, gigabytes: float) -> float:
    """Return what disks of EC2 cost, in USD, attached to a running host or not."""
    return hours / MONTH_HOURS * gigabytes * EBS_GIGABYTE_MONTH.usd


def catalog_cost(objects: int, *, months: float = 1.0) -> float:
    """Return what tables and partitions in the Data Catalog cost, in USD: a million are free."""
    return max(objects - FREE_CATALOG_OBJECTS, 0) * months * CATALOG_OBJECT_MONTH.usd


@dataclass(frozen=True)
class CostLine:
    """One line of a bill: `quantity` of something, and what it costs in USD."""

    what: str
    quantity: float
    unit: str
    usd: float


@dataclass(frozen=True)
class Bill:
    """What something costs on AWS, line by line, in USD at list price."""

    title: str
    lines: tuple[CostLine, ...]

    @property
    def usd(self) -> float:
        return sum(line.usd for line in self.lines)

    def frame(self) -> pd.DataFrame:
        """Return the lines as a frame: what, quantity, unit, usd."""
        import pandas as pd

        rows = [(line.what, line.quantity, line.unit, line.usd) for line in self.lines]
        return pd.DataFrame(rows, columns=["what", "quantity", "unit", "usd"])

    def _repr_html_(self) -> str:
        caption = say(
            "{title}; us-east-1 list prices of {noted:%B %Y}",
            title=self.title,
            noted=PRICES_NOTED_ON,
        )
        rows = [
            (line.what, f"{shown(line.quantity, ',.6g')} {line.unit}", format_usd(line.usd))
            for line in self.lines
        ]
        total = (say("total"), "", format_usd(self.usd))
        return markup.table((), rows, figures=2, total=total, caption=caption)


def pipeline_cost(
    *,
    puts: int = 0,
    gets: int = 0,
    stored_bytes: int = 0,
    lambda_calls: int = 0,
    dpu_seconds: Iterable[float] = (),
    query_bytes: Iterable[int] = (),
    ec2_hours: float = 0.0,
    glue_version: str = "5.1",
) -> Bill:
    """Return the bill of a pipeline's work, in USD.

    `dpu_seconds` holds one figure a Glue run, `query_bytes` one an Athena query; `stored_bytes`
    are billed for a month.
    """
    runs, queries = tuple(dpu_seconds), tuple(query_bytes)
    return Bill(
        say("What this costs on AWS"),
        (
            CostLine(say("S3 requests"), puts + gets, "", s3_cost(puts=puts, gets=gets)),
            CostLine(
                say("S3 storage, a month"),
                round(stored_bytes / 1024**2, 1),
                "MB",
                s3_cost(stored_bytes=stored_bytes),
            ),
            CostLine(say("Lambda calls"), lambda_calls, "", lambda_cost(lambda_calls)),
            CostLine(
                say("Glue runs"),
                len(runs),
                "",
                sum(glue_run_cost(run, glue_version=glue_version) for run in runs),
            ),
            CostLine(say("Athena queries"), len(queries), "", sum(map(athena_query_cost, queries))),
            CostLine(say("EC2 ingestion host"), ec2_hours, say("hours"), ec2_cost(ec2_hours)),
        ),
    )


def daily_cost(
    stored_bytes: float,
    *,
    hosts: float = 0,
    disk_gb: float | None = None,
    catalog_objects: float = 0,
) -> Bill:
    """Return what a day of a pipeline that nobody uses costs, in USD.

    `hosts` run; `disk_gb` are the disks of all hosts, stopped ones included (that of each running
    host unless given); `catalog_objects` are tables and partitions.
    """
    megabytes = round(stored_bytes / 1024**2, 1)
    disks = HOST_DISK_GB * hosts if disk_gb is None else disk_gb
    running = 24 * hosts
    return Bill(
        say("What a day costs while nobody uses it"),
        (
            CostLine(
                say("S3 storage"), megabytes, "MB", s3_cost(stored_bytes=int(stored_bytes)) / 30
            ),
            CostLine(say("Lambda, Glue job, tables, workgroup"), 0, say("uses"), 0.0),
            CostLine(
                say("Data Catalog"),
                catalog_objects,
                say("objects"),
                catalog_cost(int(catalog_objects), months=1 / 30),
            ),
            CostLine(
                say("EC2 ingestion host, with its address"),
                running,
                say("hours"),
                ec2_cost(running, disk_gb=0),
            ),
            CostLine(say("disk, of a stopped host too"), disks, "GB", disk_cost(24, disks)),
        ),
    )


@dataclass(frozen=True)
class EventDesign:
    """One way to wire the S3 event: how many Glue runs it starts, how long and at what price.

    `hours` is the time until the last run has ended, one run after the other.
    """

    design: str
    runs: int
    hours: float
    usd: float


@dataclass(frozen=True)
class EventComparison:
    """An event for each object against one for each batch: the same quotes, refined."""

    per_object: EventDesign
    per_batch: EventDesign

    @property
    def times_dearer(self) -> float:
        return self.per_object.usd / self.per_batch.usd

    def frame(self) -> pd.DataFrame:
        """Return both designs as a frame: design, runs, hours, usd."""
        import pandas as pd

        designs = (self.per_object, self.per_batch)
        rows = [(item.design, item.runs, item.hours, item.usd) for item in designs]
        return pd.DataFrame(rows, columns=["design", "runs", "hours", "usd"])

    def _repr_html_(self) -> str:
        head = (say("design"), say("Glue runs"), say("hours"), say("cost"))
        rows = [
            (item.design, shown(item.runs, ","), shown(item.hours, ",.2f"), format_usd(item.usd))
            for item in (self.per_object, self.per_batch)
        ]
        return markup.table(head, rows, figures=3)


def event_per_object_cost(
    objects: int, *, batches: int = 1, batch_seconds: float = 60.0, dpus: int = 2
) -> EventComparison:
    """Return what an event for each of `objects` would have cost, against one for each batch.

    `batch_seconds` is how long the refine of one batch runs. A run over a single object is taken
    at its minimum, a minute: a Spark job hardly ends sooner. Runs follow one another, as the
    job's limit of one run at a time has it.
    """
    return EventComparison(
        per_object=_event_design(say("an event per object"), objects, GLUE_MINIMUM_SECONDS, dpus),
        per_batch=_event_design(say("an event per batch"), batches, batch_seconds, dpus),
    )


def _event_design(design: str, runs: int, seconds: float, dpus: int) -> EventDesign:
    usd = runs * glue_run_cost(seconds * dpus, dpus=dpus) + lambda_cost(runs)
    return EventDesign(design, runs, runs * seconds / HOUR, usd)


def format_usd(usd: float) -> str:
    """Return an amount as text, with as many decimals as a small one needs."""
    if usd == 0 or usd >= 0.01:
        return say("USD {usd:,.2f}", usd=usd)
    return say("USD {usd:.6f}", usd=usd)


def format_bytes(size: float) -> str:
    """Return a size as text, in the unit that suits it: 999 bytes, 1.5 KB, 2.0 MB."""
    if size < 1024:
        return say("{size:.0f} bytes", size=size)
    for unit in ("KB", "MB", "GB"):
        size /= 1024
        if size < 1024:
            return f"{shown(size, '.1f')} {unit}"
    return f"{shown(size / 1024, '.1f')} TB"
