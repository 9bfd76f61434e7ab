"""Reading bronze: again with a wider plan, where a neighbour turns out to have no quotes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from b3pipeline.errors import RefineError
from b3pipeline.job.bars import EMPTY, GONE
from b3pipeline.job.lakehouse import Lake
from b3pipeline.job.plan import Plan, Session, Sessions
from b3pipeline.job.session import Transform, inspected, inspection, read_bronze, silver_query
from b3pipeline.job.work import Work, plan_of
from b3pipeline.names import bronze_key, manifest_key


@dataclass(frozen=True)
class Reading:
    """What was read: the bars, and the affected sessions that have none."""

    bars: DataFrame
    silver: DataFrame
    rows: int
    plan: Plan
    without_quotes: list[Session]
    quarantined: dict[str, str]


def read_all(
    spark: SparkSession, lake: Lake, work: Work, plan: Plan, transform: Transform
) -> Reading:
    """Return the bars of the plan, and of a wider one where a neighbour has no quotes.

    A session without a quote is none for the windows: its object is gone, empty or in
    quarantine. Only reading tells, so the plan is made again without it.
    """
    absent: Sessions = {}
    quarantined: dict[str, str] = {}
    while True:
        bars = read_bronze(spark, lake.store, plan)
        with ThreadPoolExecutor(1) as thread:  # while it reads, the next query is built
            looked = thread.submit(inspection(bars).collect)
            silver = silver_query(spark, lake.store, bars, plan, transform)
        rows, problems = inspected(*looked.result())
        for session, problem in problems.items():
            if problem not in (GONE, EMPTY):
                ticker, day = session
                quarantined[bronze_key(day, ticker)] = problem
        if quarantined and not work.may_quarantine:
            raise bad_objects(quarantined, work, lake.bucket)
        news = [(ticker, day) for ticker, day in problems if day not in work.affected[ticker]]
        if not news:
            return Reading(bars, silver, rows, plan, list(problems), quarantined)
        for ticker, day in news:
            absent.setdefault(ticker, set()).add(day)
        bars.unpersist()
        plan = plan_of(lake, work, absent)


def bad_objects(problems: dict[str, str], work: Work, bucket: str) -> RefineError:
    """Return the error that says which objects stand in the way of which batches."""
    named = "; ".join(f"{key}: {problem}" for key, problem in problems.items())
    again, waiting = "--rebuild", ""
    if work.mode == "batch":
        again = f"--manifest s3://{bucket}/{manifest_key(work.batch_ids[-1])}"
        waiting = f" Until then these batches wait: {', '.join(work.batch_ids)[:500]}."
    return RefineError(
        f"{len(problems)} bronze object(s) cannot be refined: {named[:2000]}.{waiting}",
        hint="ingest these sessions again, or set the objects aside and refine the rest with "
        f"--on_bad_object quarantine (`b3 refine {again} --quarantine`).",
    )
