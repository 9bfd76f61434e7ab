"""Spark around the transforms: its session, its tasks, its queries, its errors in words.

Bronze is read again with a wider plan where a neighbour turns out to have no quotes.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - the name that every Spark text uses

from b3pipeline.errors import RefineError
from b3pipeline.job.bars import BARS, EMPTY, GONE, bronze_reader, silver_writer
from b3pipeline.job.lakehouse import Lake
from b3pipeline.job.objects import Store
from b3pipeline.job.plan import Plan, Session, Sessions
from b3pipeline.job.work import Work, plan_of
from b3pipeline.language import note
from b3pipeline.names import JOB_JAVA_OPTIONS, bronze_key, manifest_key

SQL_TYPES = {
    pa.string(): "string",
    pa.bool_(): "boolean",
    pa.float64(): "double",
    pa.int64(): "bigint",
    pa.timestamp("us"): "timestamp_ntz",
}
BARS_DDL = ", ".join(f"{column.name} {SQL_TYPES[column.type]}" for column in BARS)

LOCAL_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.extraJavaOptions": JOB_JAVA_OPTIONS,
}
"""Of a session on this machine: with others that concern the Java, a run starts cold there."""

_SENTENCE = re.compile(r"RefineError: (.*)|(\w+(?:Error|Exception): .*)")

Transform = Callable[[DataFrame, dt.datetime], DataFrame]


def start_spark() -> SparkSession:
    """Return the session of Glue, or a new one with settings for a short job on this machine."""
    builder = SparkSession.builder.appName("refine")
    if "AWS_ENDPOINT_URL" in os.environ:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        builder = builder.config(map=dict(LOCAL_SETTINGS))
    return builder.getOrCreate()


def find_classes_once(spark: SparkSession) -> None:
    """Keep what PySpark asks the JVM for at every step: "functions", at each F.col.

    Spark 3.5 has it looked for in each package that it imports, through every jar, 220 times a run;
    Spark 4.1 asks for the whole name.
    """
    java: Any = spark.sparkContext._jvm
    for name in ("functions", "PythonUtils", "SparkSession"):
        _kept(java, name)
    reduce(_kept, ("org", "apache", "spark", "sql"), java)


def _kept(view: Any, name: str) -> Any:
    """Return what a view of the JVM finds by a name, which it has at hand from now on."""
    found = getattr(view, name)
    setattr(view, name, found)
    return found


def tasks_for(spark: SparkSession, objects: int) -> int:
    """Return the number of tasks: up to one a core, 100 objects or more each, 5,000 at most."""
    cores = spark.sparkContext.defaultParallelism
    return max(1, min(cores, objects // 100), objects // 5000)


def read_bronze(spark: SparkSession, store: Store, plan: Plan) -> DataFrame:
    """Return the bars of all planned sessions, kept in memory once they are read."""
    reader = bronze_reader(store, spark.sparkContext.broadcast(plan))
    numbers = spark.range(0, len(plan), 1, tasks_for(spark, len(plan)))
    return numbers.mapInArrow(reader, BARS_DDL).persist()


def inspection(bars: DataFrame) -> DataFrame:
    """Return the query that reads all bars, counts them, and lists the sessions without any."""
    bad = F.col("problem") != ""
    return bars.agg(
        F.count(F.when(~bad, 1)).alias("bars"),
        F.collect_list(F.when(bad, F.struct("ticker", "dt", "problem"))).alias("problems"),
    )


def inspected(row: Row) -> tuple[int, dict[Session, str]]:
    """Return the number of bars, and what is wrong with each session that has none."""
    problems = sorted(row["problems"])
    return row["bars"], {(ticker, day): problem for ticker, day, problem in problems}


def silver_query(
    spark: SparkSession, store: Store, bars: DataFrame, plan: Plan, transform: Transform
) -> DataFrame:
    """Return the query that refines the bars, writes the wanted sessions and returns them."""
    tasks = tasks_for(spark, sum(wanted for _, _, wanted in plan))
    spark.conf.set("spark.sql.shuffle.partitions", tasks)
    if tasks > 1:
        bars = bars.repartition("ticker")  # once for all: the transforms would shuffle thrice
    silver = transform(bars, dt.datetime.now(dt.UTC).replace(tzinfo=None))
    return silver.mapInArrow(silver_writer(store), "ticker string, dt string")


def written_by(query: DataFrame) -> list[Session]:
    """Run the query that writes; return the sessions written."""
    return sorted((ticker, day) for ticker, day in query.collect())


@contextmanager
def task_errors_in_words() -> Iterator[None]:
    """Turn the failure of a task, which comes wrapped in a Java stack, into its one sentence."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        found = _SENTENCE.search(str(error))
        said, _, hint = (found[1] or found[2] if found else str(error)).partition(" Try: ")
        raise RefineError(said, hint=hint or note("read the end of the run's log.")) from None


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
    found: dict[str, Any] = {"count": len(problems), "named": named[:2000]}
    if work.mode == "batch":
        again = f"--manifest s3://{bucket}/{manifest_key(work.batch_ids[-1])}"
        said = note(
            "{count} bronze object(s) cannot be refined: {named}. "
            "Until then these batches wait: {batches}.",
            **found,
            batches=", ".join(work.batch_ids)[:500],
        )
    else:
        again = "--rebuild"
        said = note("{count} bronze object(s) cannot be refined: {named}.", **found)
    return RefineError(
        said,
        hint=note(
            "ingest these sessions again, or set the objects aside and refine the rest with "
            "--on_bad_object quarantine (`b3 refine {again} --quarantine`).",
            again=again,
        ),
    )
