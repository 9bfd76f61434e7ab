"""What the refine is compared with: each way is a process of its own, started by refine.py.

Run: .venv/bin/python benchmarks/rivals.py WAY FROM TO, where FROM and TO are folders, or
s3://bucket addresses behind AWS_ENDPOINT_URL. The last line printed is JSON: seconds, by step.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from b3pipeline.job import spark as job_spark
from b3pipeline.schema import BRONZE

JOB = Path(__file__).parents[1] / "glue/refine_job.py"
THREADS = 16
SECONDS: dict[str, float] = {}


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Note how long a step took."""
    start = time.perf_counter()
    yield
    SECONDS[step] = time.perf_counter() - start


# --- Spark ------------------------------------------------------------------------------------


def load_job() -> Any:
    """Return the job as a module whose functions travel to the tasks by value."""
    from pyspark import cloudpickle

    spec = importlib.util.spec_from_file_location("refine_job", JOB)
    job = sys.modules["refine_job"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(job)
    cloudpickle.register_pickle_by_value(job)
    return job


def spark_start(bronze: str, silver: str) -> None:
    """The cold start that no Spark job can avoid: a session, and one query through a task."""
    load_job()
    with timed("session"):
        spark = job_spark.start_spark()
    with timed("first query"):
        spark.range(1).mapInArrow(lambda batches: batches, "id bigint").collect()
    spark.stop()


def spark_plain(bronze: str, silver: str, **settings: str) -> None:
    """The job as it is usually written; the transforms between are our own."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F  # noqa: N812 - the name that every Spark text uses

    job = load_job()
    common = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": str(os.cpu_count()),
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    }
    with timed("session"):
        spark = SparkSession.builder.config(map={**common, **settings}).getOrCreate()
    with timed("work"):
        bars = spark.read.schema(spark_schema()).parquet(bronze)
        bars = bars.withColumns({"wanted": F.lit(True), "problem": F.lit("")})
        rows = job.refined(bars, dt.datetime.now(dt.UTC).replace(tzinfo=None))
        rows.write.mode("overwrite").partitionBy("dt", "ticker").parquet(silver)
    spark.stop()


def spark_schema() -> str:
    """Return bronze's columns and its partition keys, so that Spark infers nothing."""
    columns = [f"{column.name} {job_spark.SQL_TYPES[column.type]}" for column in BRONZE]
    return ", ".join([*columns, "dt string", "ticker string"])


def spark_plain_without_chmod(bronze: str, silver: str) -> None:
    """The same, without the process that Hadoop starts for each local file."""
    settings = {"spark.hadoop.fs.file.impl": "NoChmod"}
    classes = os.environ["NO_CHMOD_CLASSES"]
    spark_plain(bronze, silver, **{"spark.driver.extraClassPath": classes}, **settings)


def spark_plain_s3a(bronze: str, silver: str) -> None:
    """The same through S3, as it is on AWS: the fair rival, with the quicker of two committers."""
    settings = {
        "spark.driver.extraClassPath": os.environ["S3A_CLASS_PATH"],
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
        "spark.hadoop.fs.s3a.endpoint": os.environ["AWS_ENDPOINT_URL"],
        "spark.hadoop.fs.s3a.access.key": os.environ["AWS_ACCESS_KEY_ID"],
        "spark.hadoop.fs.s3a.secret.key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
    }
    places = (place.replace("s3:", "s3a:", 1) for place in (bronze, silver))
    spark_plain(*places, **settings)


@dataclass(frozen=True)
class Folders:
    """Local folders in the place of the job's bucket: each object a file, put whole."""

    bucket: str
    bronze: str
    silver: str

    def connect(self) -> Folders:
        return self

    def path(self, key: str) -> str:
        return key.replace("raw/b3", self.bronze, 1).replace("refined/b3", self.silver, 1)

    def get(self, key: str) -> bytes:
        with open(self.path(key), "rb") as file:  # noqa: PTH123 - half the time of Path's
            return file.read()

    def put(self, key: str, body: bytes) -> None:
        path = self.path(key)
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with open(f"{path}.part", "wb") as file:  # noqa: PTH123
            file.write(body)
        os.replace(f"{path}.part", path)  # noqa: PTH105


def job_on_disk(bronze: str, silver: str) -> None:
    """The job's own tasks, with local files instead of S3: what Spark and our code take."""
    job = load_job()
    with timed("session"):
        spark = job_spark.start_spark()
    with timed("work"):
        plan = [(path.parent.name[7:], path.parent.parent.name[3:], True) for path in files(bronze)]
        store = Folders("folders", bronze, silver)
        spark.conf.set("spark.sql.adaptive.enabled", False)
        bars = job_spark.read_bronze(spark, store, plan)
        job_spark.inspection(bars).collect()
        query = job_spark.silver_query(spark, store, bars, plan, job.refined)
        job_spark.written_by(query)
    spark.stop()


def files(folder: str) -> list[Path]:
    """Return the data files below a folder."""
    return sorted(Path(folder).glob("dt=*/ticker=*/data.parquet"))


# --- polars -----------------------------------------------------------------------------------


def polars_files(bronze: str, silver: str) -> None:
    """One process of polars: its own scan, its own partitioned write; a folder or s3://."""
    import polars as pl

    options = {"storage_options": storage_options()} if bronze.startswith("s3:") else {}
    with timed("work"):
        pattern = f"{bronze}/dt=*/ticker=*/data.parquet"
        bars = pl.scan_parquet(
            pattern, hive_partitioning=True, try_parse_hive_dates=False, **options
        )
        place = pl.PartitionBy(silver, key=["dt", "ticker"], include_key=False)
        polars_refined(bars).sink_parquet(
            place, compression="uncompressed", statistics=False, mkdir=True, **options
        )


def storage_options() -> dict[str, str]:
    """Return what polars wants to know of the local AWS."""
    return {
        "aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"],
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "aws_region": "us-east-1",
        "aws_allow_http": "true",
    }


def polars_objects(bronze: str, silver: str) -> None:
    """One process of polars between obstore's gets and puts, as a hand would write it."""
    import io

    import obstore
    import polars as pl

    def get(key: str) -> pl.DataFrame:
        day, ticker = re.findall(r"=([^/]+)", key)
        bars = pl.read_parquet(obstore.get(store, key).bytes().to_bytes())
        return bars.with_columns(dt=pl.lit(day), ticker=pl.lit(ticker))

    def put(row: pl.DataFrame) -> None:
        key = f"{to}/dt={row['dt'][0]}/ticker={row['ticker'][0]}/data.parquet"
        body = io.BytesIO()
        row.drop("dt", "ticker").write_parquet(body, compression="uncompressed", statistics=False)
        obstore.put(store, key, body.getvalue(), use_multipart=False)

    with timed("work"), ThreadPoolExecutor(THREADS) as threads:
        store, prefix = open_store(bronze)
        to = silver.split("/", 3)[3]
        bars = pl.concat(threads.map(get, listed(store, prefix)))
        list(threads.map(put, polars_refined(bars.lazy()).collect().iter_slices(1)))


def polars_refined(bars: Any) -> Any:
    """The job's transforms in polars: the columns that silver had when the two were compared."""
    import polars as pl

    prices = ("open", "high", "low", "close", "adj_close")
    close, previous = pl.col("close"), pl.col("close").shift().over("ticker")
    last_five = close.rolling_mean(5).over("ticker")
    day = pl.col("dt").str.to_date()
    return (
        bars.with_columns(pl.col(prices).fill_nan(None))
        .filter(close.is_not_null())
        .sort("ticker", "dt", "traded_at", "ingested_at", "batch_id")
        .unique(["ticker", "dt", "traded_at"], keep="last", maintain_order=True)
        .group_by("ticker", "dt", maintain_order=True)
        .agg(
            pl.col("open").first().alias("open"),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close", "adj_close").last(),
            pl.col("volume").sum(),
            pl.len().cast(pl.Int32).alias("quote_count"),
        )
        .select(
            "dt",
            "ticker",
            day.alias("trade_date"),
            *(pl.col(name).alias(f"{name}_price") for name in prices),
            pl.col("volume").alias("total_volume"),
            "quote_count",
            last_five.alias("close_ma_5"),
            (close - previous).alias("close_delta"),
            (close / previous - 1).alias("close_return"),
            (day - day.shift().over("ticker")).dt.total_days().cast(pl.Int32).alias("days"),
            pl.lit(dt.datetime.now(dt.UTC).replace(tzinfo=None)).alias("refined_at"),
        )
        .rename({"days": "days_since_previous"})
    )


# --- The floor --------------------------------------------------------------------------------


def objects_alone(bronze: str, silver: str) -> None:
    """Get every bronze object and put as many of silver's size: nothing decoded or computed."""
    import obstore

    to = silver.split("/", 3)[3]
    body = bytes(int(os.environ["SILVER_BYTES"]))
    with timed("work"), ThreadPoolExecutor(THREADS) as threads:
        store, prefix = open_store(bronze)
        keys = listed(store, prefix)
        with timed("get"):
            list(threads.map(lambda key: obstore.get(store, key).bytes().to_bytes(), keys))
        with timed("put"):
            places = (key.replace(prefix, to, 1) for key in keys)
            list(threads.map(lambda k: obstore.put(store, k, body, use_multipart=False), places))


def open_store(address: str) -> tuple[Any, str]:
    """Return a client of the bucket in an s3:// address, and the prefix in it."""
    from obstore.store import S3Store

    _, _, bucket, prefix = address.split("/", 3)
    options = {"virtual_hosted_style_request": False, "client_options": {"allow_http": True}}
    return S3Store(bucket, endpoint=os.environ["AWS_ENDPOINT_URL"], **options), prefix


def listed(store: Any, prefix: str) -> list[str]:
    """Return the keys of the data objects below a prefix."""
    import obstore

    pages = obstore.list(store, f"{prefix}/")
    return [
        item["path"] for page in pages for item in page if item["path"].endswith("/data.parquet")
    ]


WAYS = [
    *(spark_start, spark_plain, spark_plain_without_chmod, spark_plain_s3a, job_on_disk),
    *(polars_files, polars_objects, objects_alone),
]

if __name__ == "__main__":
    way = next(one for one in WAYS if one.__name__ == sys.argv[1])
    way(*sys.argv[2:])
    print(json.dumps(SECONDS))
