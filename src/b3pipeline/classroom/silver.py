"""The silver of many markets by one small Spark, in a process of its own.

    python -m b3pipeline.classroom.silver BARS.parquet

The transforms are the job's own (`glue/refine_job.py`). A JVM ends with its process, so whoever
grades has none left.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from b3pipeline.calendar import utc_now
from b3pipeline.rules import PRICES


def result_of(bars: Path) -> Path:
    """Return where the silver of a file of bars is written."""
    return bars.with_name("silver.parquet")


def refine(bars: Path) -> Path:
    """Return the file with the silver of a file of quotes: `ticker`, `dt`, silver's columns."""
    from b3pipeline.course import lesson

    job = lesson.load_job()
    quotes = pd.read_parquet(bars)
    moment = utc_now().replace(tzinfo=None, microsecond=0)
    columns = ["ticker", "traded_at", *PRICES, "volume"]
    known = quotes[columns].assign(
        dt=quotes["traded_at"].dt.strftime("%Y-%m-%d"),
        wanted=True,
        problem="",
        batch_id="class",
        ingested_at=pd.Timestamp(moment),
    )
    session = lesson.spark_session()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    session.conf.set("spark.sql.execution.arrow.pyspark.enabled", True)
    frame = job.refined(session.createDataFrame(known), moment).toPandas()
    frame.to_parquet(result_of(bars), index=False)
    return result_of(bars)


if __name__ == "__main__":
    refine(Path(sys.argv[1]))
