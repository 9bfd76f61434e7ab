"""The Glue job `refine`: bronze quotes in, one silver row for each session and ticker out.

    plan       the sessions that a batch changed, and those whose windows these changes touch
    read       many small objects at once, inside the executors
    transform  ordinary DataFrame functions: the section "Transforms" is the lesson
    write      one object a partition, put whole: a reader sees the old one or the new one
    publish    register what was written, take away what is gone, mark the batches as done

What a run is asked for, one of:

    --batch_manifest s3://bucket/raw/b3/_batches/<id>.json   that batch, and all left undone
    --dates 2024-01-02,2024-01-03 and/or --tickers PETR4,VALE3
    --rebuild true                                           everything that bronze holds

The transforms and the order of a run are here. What they lean on travels beside the script, as
`--extra-py-files` (`b3pipeline.job`): which sessions to read, objects, catalog, batches. All of it
needs PySpark, pyarrow and boto3 alone, and runs unchanged on Glue 5.1 (Spark 3.5), on Glue 6.0
(Spark 4.1) and here, where AWS_ENDPOINT_URL leads to the local AWS.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pyspark.sql import DataFrame, SparkSession, Window, WindowSpec
from pyspark.sql import functions as F  # noqa: N812 - the name that every Spark text uses

from b3pipeline.job.batches import SET_ASIDE, batch_of, mark_done, useless_manifests
from b3pipeline.job.lakehouse import Lake, client
from b3pipeline.job.plan import Plan
from b3pipeline.job.spark import (
    find_classes_once,
    read_all,
    start_spark,
    task_errors_in_words,
    written_by,
)
from b3pipeline.job.work import Work, parse_arguments, plan_of, work_of
from b3pipeline.names import manifest_key, mark_key, run_summary_key
from b3pipeline.rules import PRICES
from b3pipeline.schema import SILVER

# How many sessions each column looks at, its own included. Whoever adds a window adds it here:
# which sessions a run reads and recomputes follows from the widest one.
WINDOWS = {"close_ma_5": 5, "close_delta": 2, "close_return": 2, "days_since_previous": 2}
LOOK_BACK = max(WINDOWS.values()) - 1
SMALL = 1000  # sessions

logger = logging.getLogger("refine")


# --- Transforms: DataFrame in, DataFrame out, nothing else ------------------------------------


def refined(bars: DataFrame, refined_at: dt.datetime) -> DataFrame:
    """Return one row for each wanted session and ticker, from the bars of bronze."""
    return (
        bars.transform(without_quarantined)
        .transform(without_empty_bars)
        .transform(without_duplicates)
        .transform(daily_bars)
        .transform(with_moving_average)
        .transform(with_deltas)
        .where("wanted")
        .transform(renamed)
        .withColumn("refined_at", F.lit(refined_at.isoformat()).cast("timestamp_ntz"))
    )


def without_quarantined(bars: DataFrame) -> DataFrame:
    """Bars of the objects that could be read: the others have a problem instead of bars."""
    return bars.where("problem = ''").drop("problem")


def without_empty_bars(bars: DataFrame) -> DataFrame:
    """Bars that are quotes, NaN made null: a bar without a close is no quote."""
    numbers = {name: F.when(~F.isnan(name), F.col(name)) for name in PRICES}
    return bars.withColumns(numbers).where(F.col("close").isNotNull())


def without_duplicates(bars: DataFrame) -> DataFrame:
    """One row a bar: of two that start together, the one that was ingested last."""
    latest = F.max(F.struct("ingested_at", "batch_id", *PRICES, "volume")).alias("latest")
    return bars.groupBy("ticker", "dt", "wanted", "traded_at").agg(latest).select("*", "latest.*")


def daily_bars(bars: DataFrame) -> DataFrame:
    """One row a session: first open, highest high, lowest low, last close, the whole volume."""
    return bars.groupBy("ticker", "dt", "wanted").agg(
        F.min_by("open", "traded_at").alias("open"),
        F.max("high").alias("high"),
        F.min("low").alias("low"),
        F.max_by("close", "traded_at").alias("close"),
        F.max_by("adj_close", "traded_at").alias("adj_close"),
        F.sum("volume").alias("volume"),
        F.count("*").cast("int").alias("quote_count"),
    )


def with_moving_average(days: DataFrame) -> DataFrame:
    """Add `close_ma_5`: the mean of the last five closes, null until there are five."""
    sessions = WINDOWS["close_ma_5"]
    last_five = by_session().rowsBetween(1 - sessions, Window.currentRow)
    mean = F.avg("close").over(last_five)
    full = F.count("close").over(last_five) == sessions
    return days.withColumn("close_ma_5", F.when(full, mean))


def with_deltas(days: DataFrame) -> DataFrame:
    """Add the changes since the session before; all are null on a ticker's first row.

    The close is taken as bronze delivers it, adjusted for splits: when a split comes, the
    ingestion restates the ticker's history, so that a return never spans two scales for long.
    `days_since_previous` counts calendar days.
    """
    close, previous = F.col("close"), F.lag("close").over(by_session())
    day, previous_day = F.to_date("dt"), F.to_date(F.lag("dt").over(by_session()))
    return days.withColumns(
        {
            "close_delta": close - previous,
            "close_return": F.when(previous != 0, close / previous - 1),
            "days_since_previous": F.datediff(day, previous_day),
        }
    )


def renamed(days: DataFrame) -> DataFrame:
    """The columns of silver in its order, beside the partition's `ticker` and `dt`."""
    prices = {name: f"{name}_price" for name in PRICES}
    named = days.withColumnsRenamed(prices | {"volume": "total_volume"})
    columns = [name for name in SILVER.names if name != "refined_at"]
    return named.withColumn("trade_date", F.to_date("dt")).select("ticker", "dt", *columns)


def by_session() -> WindowSpec:
    """Each ticker's sessions in their order, however long the stock was suspended."""
    return Window.partitionBy("ticker").orderBy("dt")


# --- A run ------------------------------------------------------------------------------------


def main(
    argv: Sequence[str], *, s3: Any = None, glue: Any = None, spark: SparkSession | None = None
) -> dict[str, Any]:
    """Refine what the arguments ask for; return the summary, which lies under the run's id, too.

    Raises RefineError where the run cannot go on: nothing is marked as done then, and the next
    run takes the work up. The session is left to end with the process.
    """
    given = parse_arguments(argv)
    tables = (given.database, given.bronze_table, given.silver_table)
    lake = Lake(s3 or client("s3"), glue or client("glue"), given.raw_bucket, *tables)
    batch_id = batch_of(given.batch_manifest, lake.bucket)
    mark = lake.get_json(mark_key(batch_id)) if batch_id else None
    if mark and mark.get("event") != SET_ASIDE:
        logger.info("batch %s is refined already: nothing to do", batch_id)
        return kept(lake, given.JOB_RUN_ID, {"event": "already_refined", "batch_ids": [batch_id]})
    seconds: dict[str, float] = {}
    with ThreadPoolExecutor(1) as thread, timed(seconds, "total"):
        session = thread.submit(lambda: spark or start_spark())  # it starts while we plan
        with timed(seconds, "plan"):
            logger.info("silver lies at %s", lake.silver_storage["Location"])
            work = work_of(lake, given, batch_id, LOOK_BACK)
            plan = plan_of(lake, work, absent={})
        with timed(seconds, "spark"):
            context = session.result().sparkContext
        cores = context.defaultParallelism
        logger.info("Spark %s on %s, %d core(s)", context.version, context.master, cores)
        summary = refine(session.result(), lake, work, plan, seconds)
    kept(lake, given.JOB_RUN_ID, summary)
    if summary["set_aside"]:
        raise useless_manifests(summary["set_aside"], batch_id)
    return summary


def refine(
    spark: SparkSession, lake: Lake, work: Work, plan: Plan, seconds: dict[str, float]
) -> dict[str, Any]:
    """Recompute the planned sessions, publish them, mark the batches; return the summary."""
    find_classes_once(spark)
    spark.conf.set("spark.sql.adaptive.enabled", False)  # it puts small writes into one task
    spark.conf.set("spark.sql.ansi.enabled", True)  # on Glue 5.1 as on 6.0: no silent overflow
    # A few sessions are refined before the compiler is done with generated code.
    small = len(plan) < SMALL
    spark.conf.set("spark.sql.codegen.wholeStage", not small)
    spark.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN" if small else "FALLBACK")
    with timed(seconds, "read"), task_errors_in_words():
        reading = read_all(spark, lake, work, plan, refined)
    with timed(seconds, "write"), task_errors_in_words():
        written = written_by(reading.silver)
    reading.bars.unpersist()
    with timed(seconds, "publish"):
        known = work.registered
        lake.register(
            [(ticker, day) for ticker, day in written if day not in known.get(ticker, ())]
        )
        removed = lake.remove(reading.without_quotes)
    summary = {
        "event": "refined",
        "mode": work.mode,
        "batch_ids": list(work.batch_ids),
        "set_aside": {manifest_key(one): why for one, why in work.set_aside.items()},
        "partitions_read": len(reading.plan) - len(reading.without_quotes),
        "rows_read": reading.rows,
        "partitions_written": len(written),
        "partitions_removed": removed,
        "partitions_skipped": len(reading.without_quotes) - len(reading.quarantined),
        "quarantined": reading.quarantined,
        "seconds": seconds,
    }
    mark_done(lake, work.batch_ids, work.set_aside, summary)
    logger.info("%d partitions written, %d removed", len(written), removed)
    return summary


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Note and log how long a step took."""
    start = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - start, 3)
    logger.info("%s: %.2f s", step, seconds[step])


def kept(lake: Lake, run_id: str | None, summary: dict[str, Any]) -> dict[str, Any]:
    """Return the summary, written under the run's id: log lines come late, and may be lost.

    Where no Glue gave an id, as by hand, it is printed as one line of JSON.
    """
    if run_id:
        lake.put_json(run_summary_key(run_id), {"version": 1, "run_id": run_id, **summary})
        logger.info("summary: s3://%s/%s", lake.bucket, run_summary_key(run_id))
    else:
        sys.stdout.write(json.dumps(summary) + "\n")
    return summary


if __name__ == "__main__":
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logging.getLogger().addHandler(handler)
    for name in (logger.name, "b3pipeline"):
        logging.getLogger(name).setLevel(logging.INFO)
    main(sys.argv[1:])
