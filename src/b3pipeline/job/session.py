"""Spark: its session, how many tasks, the queries around the transforms, errors in words."""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - the name that every Spark text uses

from b3pipeline.errors import RefineError
from b3pipeline.job.bars import BARS, bronze_reader, silver_writer
from b3pipeline.job.objects import Store
from b3pipeline.job.plan import Plan, Session
from b3pipeline.names import JOB_JAVA_OPTIONS

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
        raise RefineError(said, hint=hint or "read the end of the run's log.") from None
