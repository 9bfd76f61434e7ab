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

One file, with PySpark, pyarrow and boto3 alone: it runs unchanged on Glue 5.1 (Spark 3.5),
on Glue 6.0 (Spark 4.1) and here, where AWS_ENDPOINT_URL leads to the local AWS.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import logging
import os
import re
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any
from urllib.parse import urlsplit

import boto3
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from botocore.config import Config
from botocore.exceptions import ClientError
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession, Window, WindowSpec
from pyspark.sql import functions as F  # noqa: N812 - the name that every Spark text uses

BRONZE_PREFIX, SILVER_PREFIX = "raw/b3/", "refined/b3/"
MANIFESTS, MARKS = f"{BRONZE_PREFIX}_batches/", f"{SILVER_PREFIX}_batches/"
CHECKPOINT = f"{SILVER_PREFIX}_checkpoint.json"

DOUBLE, BIGINT, STRING, TIME = pa.float64(), pa.int64(), pa.string(), pa.timestamp("us")
PRICES = ("open", "high", "low", "close", "adj_close")
BRONZE = pa.schema(
    [
        ("traded_at", TIME),
        *((name, DOUBLE) for name in PRICES),
        ("volume", BIGINT),
        ("dividends", DOUBLE),
        ("stock_splits", DOUBLE),
        ("source", STRING),
        ("batch_id", STRING),
        ("ingested_at", TIME),
    ]
)
SILVER = pa.schema(
    [
        ("trade_date", pa.date32()),
        *((f"{name}_price", DOUBLE) for name in PRICES),
        ("total_volume", BIGINT),
        ("quote_count", pa.int32()),
        ("close_ma_5", DOUBLE),
        ("close_delta", DOUBLE),
        ("close_return", DOUBLE),
        ("days_since_previous", pa.int32()),
        ("refined_at", TIME),
    ]
)
BARS = pa.schema(
    [
        ("ticker", STRING),
        ("dt", STRING),
        ("wanted", pa.bool_()),  # False: read for the windows of others
        ("problem", STRING),  # why the object has no bars; null where it has
        *(BRONZE.field(name) for name in ("traded_at", *PRICES, "volume")),
        *(BRONZE.field(name) for name in ("batch_id", "ingested_at")),
    ]
)
SQL_TYPES = {STRING: "string", pa.bool_(): "boolean", DOUBLE: "double", BIGINT: "bigint"}
SQL_TYPES[TIME] = "timestamp_ntz"

LOOK_BACK = 4  # sessions before the current one in a mean of five
REACHES = (0, 16, 64, 256, 1024, 4096, 16384)  # days; the last one is 45 years
GONE, EMPTY = "the object is gone", "no bar has a close"
THREADS = 16

Sessions = dict[str, set[str]]
"""For each ticker, sessions as ISO dates."""

logger = logging.getLogger("refine")


class RefineError(Exception):
    """A run cannot go on: says what happened, where, and what to try."""


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
    return bars.where(F.col("problem").isNull()).drop("problem")


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
    last_five = by_session().rowsBetween(-LOOK_BACK, Window.currentRow)
    mean = F.avg("close").over(last_five)
    return days.withColumn("close_ma_5", F.when(F.count("close").over(last_five) == 5, mean))


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
    """The columns under their silver names, beside the partition's `ticker` and `dt`."""
    prices = [F.col(name).alias(f"{name}_price") for name in PRICES]
    volume = F.col("volume").alias("total_volume")
    metrics = ("quote_count", "close_ma_5", "close_delta", "close_return", "days_since_previous")
    return days.select(
        "ticker", "dt", F.to_date("dt").alias("trade_date"), *prices, volume, *metrics
    )


def by_session() -> WindowSpec:
    """Each ticker's sessions in their order, however long the stock was suspended."""
    return Window.partitionBy("ticker").orderBy("dt")


# --- Plan: which sessions to read, and which of them to recompute -----------------------------


def neighbours(
    list_sessions: Callable[[Iterable[str], str, str], Iterable[tuple[str, str]]],
    affected: Sessions,
    absent: Sessions,
    today: dt.date,
) -> Sessions:
    """Return the sessions around the affected ones: at least four on either side, if they exist.

    `list_sessions(tickers, first, last)` asks the catalog. It is asked for windows that grow
    fourfold, and only for the tickers that still lack sessions: the number of requests depends
    neither on the length of the history nor on that of a suspension. `absent` sessions are in
    the catalog and have no quotes; no session lies after tomorrow.
    """
    found: Sessions = {ticker: set() for ticker in affected}
    spans = [(ticker, *span) for ticker, days in affected.items() for span in _spans(days)]
    for near, far in pairwise(REACHES):
        windows: dict[tuple[str, str], set[str]] = defaultdict(set)
        for ticker, first, last in spans:
            for window in _windows(first, last, near, far, found[ticker], today):
                windows[window].add(ticker)
        for (first, last), tickers in windows.items():
            for ticker, day in list_sessions(tickers, first, last):
                if day not in affected[ticker] and day not in absent.get(ticker, ()):
                    found[ticker].add(day)
    return found


def _spans(days: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the first and last day of each stretch whose windows would meet."""
    stretch: list[str] = []
    for day in sorted(days):
        if stretch and day > _shift(stretch[-1], 2 * REACHES[1]):
            yield stretch[0], stretch[-1]
            stretch = []
        stretch.append(day)
    if stretch:
        yield stretch[0], stretch[-1]


def _windows(
    first: str, last: str, near: int, far: int, found: set[str], today: dt.date
) -> Iterator[tuple[str, str]]:
    """Yield what to list next around a stretch, all within `near` days being known."""
    if near == 0:
        yield _shift(first, -far), _shift(last, far)
        return
    start, end = _shift(first, -near), _shift(last, near)
    if sum(start <= day < first for day in found) < LOOK_BACK:
        yield _shift(first, -far), _shift(start, -1)
    if sum(last < day <= end for day in found) < LOOK_BACK and end <= today.isoformat():
        yield _shift(end, 1), _shift(last, far)


def _shift(day: str, days: int) -> str:
    return (dt.date.fromisoformat(day) + dt.timedelta(days)).isoformat()


def sessions_to_read(affected: set[str], others: set[str]) -> dict[str, bool]:
    """Return the days to read of one ticker, each with whether it is to be recomputed.

    Recomputed: the affected days and the four sessions after each. Read besides: the four
    before any of these. An affected day may turn out to be gone, so it never counts as one
    of the four.
    """
    plan: dict[str, bool] = {}
    before: deque[str] = deque(maxlen=LOOK_BACK)
    reach = 0
    for day in sorted(affected | others):
        if day in affected or reach > 0:
            plan |= {earlier: False for earlier in before if earlier not in plan} | {day: True}
        if day in affected:
            reach = LOOK_BACK
        else:
            reach -= 1
            before.append(day)
    return plan


# --- Read and write: what runs inside the tasks -----------------------------------------------


@dataclass(frozen=True)
class Store:
    """The bucket as a task sees it: three plain values that travel to the executors."""

    bucket: str
    region: str | None
    endpoint_url: str | None

    def connect(self) -> pafs.S3FileSystem:
        """Return a new client; one serves all threads of a task."""
        options: dict[str, Any] = {"connect_timeout": 10, "request_timeout": 60, **_credentials()}
        if self.region:
            options["region"] = self.region
        if self.endpoint_url:
            url = urlsplit(self.endpoint_url)
            options |= {"endpoint_override": url.netloc, "scheme": url.scheme}
        try:
            return pafs.S3FileSystem(**options, allow_delayed_open=True)  # one PUT an object
        except TypeError:  # pyarrow before 21: three requests an object, and as atomic
            return pafs.S3FileSystem(**options)

    def path(self, prefix: str, ticker: str, day: str) -> str:
        return f"{self.bucket}/{object_key(prefix, ticker, day)}"


def _credentials() -> dict[str, str]:
    """Return the keys that boto3 finds, for it knows where Glue keeps them."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return {}
    import boto3  # here, for it takes a task that does not need it half a second

    keys = boto3.Session().get_credentials().get_frozen_credentials()
    return {
        "access_key": keys.access_key,
        "secret_key": keys.secret_key,
        "session_token": keys.token,
    }


Batches = Iterable[pa.RecordBatch]


def bronze_reader(store: Store) -> Callable[[Batches], Batches]:
    """Return what a task does with a list of sessions: read their objects, many at a time."""

    def read(requests: Batches) -> Batches:
        files = store.connect()
        with ThreadPoolExecutor(THREADS) as threads:
            for request in requests:
                keys = [
                    (row["ticker"], day, wanted)
                    for row in request.to_pylist()
                    for day, wanted in zip(row["days"], row["wanted"], strict=True)
                ]
                tables = threads.map(lambda key: read_bars(store, files, *key), keys)
                while some := list(islice(tables, 1000)):
                    yield from pa.concat_tables(some).combine_chunks().to_batches()

    return read


def read_bars(
    store: Store, files: pafs.S3FileSystem, ticker: str, day: str, wanted: bool
) -> pa.Table:
    """Return the bars of one object, or one row that says why there are none."""
    path = store.path(BRONZE_PREFIX, ticker, day)
    try:
        with files.open_input_stream(path) as stream:
            bars = decoded(stream.read())
    except FileNotFoundError:
        return _problem(ticker, day, wanted, GONE)
    except OSError as error:
        raise RefineError(f"s3://{path} cannot be read: {error}") from error
    except ValueError as error:
        return _problem(ticker, day, wanted, str(error))
    if all(bars["close"].is_null(nan_is_null=True).to_pylist()):
        return _problem(ticker, day, wanted, EMPTY)
    keys: list[Any] = [ticker, day, wanted, pa.scalar(None, pa.string())]
    columns = [pa.repeat(value, bars.num_rows) for value in keys]
    return pa.table(columns + [bars[name] for name in BARS.names[len(keys) :]], schema=BARS)


def decoded(data: bytes) -> pa.Table:
    """Return the table in a bronze object; raise ValueError naming what is wrong with it."""
    if not data:
        raise ValueError("the object has zero bytes")
    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"it is not a whole Parquet file ({error})") from error
    for wanted in BRONZE:
        if wanted.name not in table.column_names:
            raise ValueError(f"column {wanted.name} is missing")
        found = table.schema.field(wanted.name).type
        if found != wanted.type:
            raise ValueError(f"column {wanted.name} is {found} instead of {wanted.type}")
    return table


def _problem(ticker: str, day: str, wanted: bool, problem: str) -> pa.Table:
    row = {"ticker": ticker, "dt": day, "wanted": wanted, "problem": problem}
    return pa.Table.from_pylist([row], schema=BARS)


def silver_writer(store: Store) -> Callable[[Batches], Batches]:
    """Return what a task does with silver rows: put each as an object, and name its partition."""

    def write(batches: Batches) -> Batches:
        files = store.connect()
        with ThreadPoolExecutor(THREADS) as threads:
            for batch in batches:
                rows = pa.Table.from_batches([batch])
                silver = rows.select(SILVER.names).cast(SILVER)
                paths = [
                    store.path(SILVER_PREFIX, row["ticker"], row["dt"])
                    for row in rows.select(["ticker", "dt"]).to_pylist()
                ]
                singles = (silver.slice(i, 1) for i in range(len(paths)))
                for _ in threads.map(lambda path, row: put_row(files, path, row), paths, singles):
                    pass
                yield from rows.select(["ticker", "dt"]).to_batches()

    return write


def put_row(files: pafs.S3FileSystem, path: str, row: pa.Table) -> None:
    """Put one silver row as one object, whole; settings for files of one row."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        row, sink, compression="none", use_dictionary=False, write_statistics=False,
        store_schema=False,
    )  # fmt: skip
    try:
        with files.open_output_stream(path) as stream:
            stream.write(sink.getvalue())
    except OSError as error:
        raise RefineError(f"s3://{path} cannot be written: {error}") from error


def object_key(prefix: str, ticker: str, day: str) -> str:
    """Return the key of the one object of a partition."""
    return f"{prefix}dt={day}/ticker={ticker}/data.parquet"


# --- Spark ------------------------------------------------------------------------------------


def start_spark() -> SparkSession:
    """Return the session of Glue, or a new one with settings for a short job on this machine."""
    builder = SparkSession.builder.appName("refine")
    if os.environ.get("AWS_ENDPOINT_URL"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        local: dict[str, Any] = {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            # A run of seconds is over before a second compiler and a parallel collector pay.
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        }
        builder = builder.config(map=local)
    return builder.getOrCreate()


@contextmanager
def task_errors_in_words() -> Iterator[None]:
    """Turn the failure of a task, which Spark wraps in a Java stack, into its one sentence."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        text = str(error)
        reason = re.search(r"RefineError: (.*)", text) or re.search(
            r"(\w+(?:Error|Exception).*)", text
        )
        raise RefineError(reason[1] if reason else text.splitlines()[0]) from None


def read_bronze(spark: SparkSession, store: Store, plan: dict[str, dict[str, bool]]) -> DataFrame:
    """Return the bars of all planned sessions, kept in memory once they are read."""
    requests = [
        (ticker, list(some), list(some.values()))
        for ticker, days in plan.items()
        for some in _chunks(days, 200)
    ]
    frame = spark.createDataFrame(
        requests, "ticker string, days array<string>, wanted array<boolean>"
    )
    tasks = tasks_for(spark, sum(len(days) for days in plan.values()))
    return (
        frame.repartition(min(tasks, len(requests)))
        .mapInArrow(bronze_reader(store), sql_schema(BARS))
        .persist()
    )


def _chunks(days: dict[str, bool], size: int) -> Iterator[dict[str, bool]]:
    items = iter(days.items())
    while some := dict(islice(items, size)):
        yield some


def tasks_for(spark: SparkSession, objects: int) -> int:
    """Return the number of tasks: as many as there are cores, more where each would have long."""
    return max(spark.sparkContext.defaultParallelism, objects // 5000)


def sql_schema(schema: pa.Schema) -> str:
    """Return an Arrow schema as Spark's DDL."""
    return ", ".join(f"{column.name} {SQL_TYPES[column.type]}" for column in schema)


def inspected(bars: DataFrame) -> tuple[int, list[tuple[str, str, str]]]:
    """Return the number of bars, and (ticker, dt, problem) of each object that has none."""
    problem = F.struct("ticker", "dt", "problem")
    has_one = F.col("problem").isNotNull()
    row = bars.agg(
        F.count(F.when(~has_one, 1)).alias("bars"),
        F.collect_list(F.when(has_one, problem)).alias("problems"),
    ).first()
    assert row is not None  # noqa: S101 - an aggregate without groups always has one row
    return row["bars"], sorted(tuple(found) for found in row["problems"])


# --- The lake, as the driver sees it ----------------------------------------------------------


@dataclass(frozen=True)
class Lake:
    """The bucket and the Data Catalog: control calls of the driver."""

    s3: Any
    glue: Any
    bucket: str
    database: str
    bronze_table: str
    silver_table: str

    def get_json(self, key: str) -> dict[str, Any] | None:
        """Return a JSON object of the bucket, or None where there is none."""
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        try:
            return dict(json.loads(body))
        except (ValueError, TypeError) as error:
            raise RefineError(
                f"s3://{self.bucket}/{key} is not a JSON object ({error})."
            ) from error

    def put_json(self, key: str, value: dict[str, Any]) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(value).encode())

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        """Yield the keys under a prefix, in order, those after `after` alone."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, StartAfter=after
        )
        for page in pages:
            yield from (entry["Key"] for entry in page.get("Contents", ()))

    def objects(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Yield (ticker, dt) of every object under a table's prefix."""
        for key in self.keys(f"{prefix}dt="):
            found = re.fullmatch(r"dt=([^/]+)/ticker=([^/]+)/data\.parquet", key[len(prefix) :])
            if found:
                yield found[2], found[1]

    def partitions(self, table: str, expression: str) -> Iterator[tuple[str, str]]:
        """Yield (ticker, dt) of the registered partitions that satisfy an expression."""
        pages = self.glue.get_paginator("get_partitions").paginate(
            DatabaseName=self.database,
            TableName=table,
            Expression=expression,
            ExcludeColumnSchema=True,
        )
        for page in pages:
            for partition in page["Partitions"]:
                day, ticker = partition["Values"]
                yield ticker, day

    def sessions(self, tickers: Iterable[str], first: str, last: str) -> Iterator[tuple[str, str]]:
        """Yield (ticker, dt) of bronze between two days, both included."""
        for some in _slices(sorted(tickers), 100):
            expression = f"{_in('ticker', some)} AND dt >= '{first}' AND dt <= '{last}'"
            yield from self.partitions(self.bronze_table, expression)

    def register(self, partitions: Sequence[tuple[str, str]]) -> None:
        """Register silver partitions, 100 a call; what is registered already stays as it is."""
        storage = self.silver_storage()

        def create(some: Sequence[tuple[str, str]]) -> None:
            inputs = [
                {
                    "Values": [day, ticker],
                    "StorageDescriptor": {**storage, "Location": self._location(ticker, day)},
                }
                for ticker, day in some
            ]
            answer = self.glue.batch_create_partition(
                DatabaseName=self.database, TableName=self.silver_table, PartitionInputList=inputs
            )
            _raise_others(answer["Errors"], "AlreadyExistsException", "registered")

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(create, _slices(partitions, 100)))

    def silver_storage(self) -> dict[str, Any]:
        """Return the storage descriptor of the silver table, whose columns must be the job's."""
        table = self.glue.get_table(DatabaseName=self.database, Name=self.silver_table)["Table"]
        names = [column["Name"] for column in table["StorageDescriptor"]["Columns"]]
        if names != SILVER.names:
            raise RefineError(
                f"table {self.database}.{self.silver_table} has the columns {', '.join(names)}; "
                f"the job writes {', '.join(SILVER.names)}. Try: provision the table again."
            )
        return dict(table["StorageDescriptor"])

    def _location(self, ticker: str, day: str) -> str:
        return f"s3://{self.bucket}/{SILVER_PREFIX}dt={day}/ticker={ticker}/"

    def remove(self, partitions: Sequence[tuple[str, str]]) -> int:
        """Take silver partitions away, then their objects; return how many were registered."""
        removed = 0
        for some in _slices(partitions, 25):
            values = [{"Values": [day, ticker]} for ticker, day in some]
            answer = self.glue.batch_delete_partition(
                DatabaseName=self.database, TableName=self.silver_table, PartitionsToDelete=values
            )
            missing = answer.get("Errors", [])
            _raise_others(missing, "EntityNotFoundException", "removed")
            removed += len(some) - len(missing)
        for some in _slices(partitions, 1000):
            keys = [{"Key": object_key(SILVER_PREFIX, ticker, day)} for ticker, day in some]
            self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": keys, "Quiet": True})
        return removed


def _in(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _slices(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _raise_others(errors: list[dict[str, Any]], expected: str, verb: str) -> None:
    for error in errors:
        detail = error["ErrorDetail"]
        if detail["ErrorCode"] != expected:
            where = "/".join(error["PartitionValues"])
            raise RefineError(f"partition {where} was not {verb}: {detail}")


# --- Batches: which are to be refined, and which are done -------------------------------------


def is_done(lake: Lake, batch_id: str) -> bool:
    """Return whether a batch has its done-mark, which is written last."""
    return lake.get_json(f"{MARKS}{batch_id}.json") is not None


def undone_batches(lake: Lake, batch_id: str | None = None) -> list[str]:
    """Return the batches with a manifest and no mark, oldest first.

    Listing starts at the checkpoint, up to which all is done. A batch that arrives late, with
    an older name, takes the checkpoint away before it starts, so that no failure can hide it.
    """
    checkpoint = (lake.get_json(CHECKPOINT) or {}).get("done_through", "")
    if batch_id is not None and f"{batch_id}.json" <= checkpoint:
        lake.s3.delete_object(Bucket=lake.bucket, Key=CHECKPOINT)
        checkpoint = ""
    manifests, marks = (
        [key.removeprefix(folder) for key in lake.keys(folder, after=f"{folder}{checkpoint}")]
        for folder in (MANIFESTS, MARKS)
    )
    undone = [name for name in manifests if name not in set(marks)]
    return [name.removesuffix(".json") for name in undone if re.fullmatch(r"[^/]+\.json", name)]


def mark_done(lake: Lake, batch_ids: Sequence[str], summary: dict[str, Any]) -> None:
    """Write the done-marks, oldest first, then move the checkpoint up."""
    for batch_id in batch_ids:
        lake.put_json(f"{MARKS}{batch_id}.json", {"version": 1, "batch_id": batch_id, **summary})
    if batch_ids:
        lake.put_json(CHECKPOINT, {"version": 1, "done_through": f"{batch_ids[-1]}.json"})


def sessions_of(lake: Lake, batch_ids: Iterable[str]) -> Sessions:
    """Return the sessions that batches wrote or removed, from their manifests."""
    sessions: Sessions = defaultdict(set)
    for batch_id in batch_ids:
        key = f"{MANIFESTS}{batch_id}.json"
        manifest = lake.get_json(key)
        if manifest is None:
            raise RefineError(f"there is no manifest s3://{lake.bucket}/{key}.")
        try:
            for ticker, days in manifest["partitions"].items():
                sessions[ticker] |= {dt.date.fromisoformat(day).isoformat() for day in days}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RefineError(
                f"manifest s3://{lake.bucket}/{key} does not list its partitions ({error!r})."
            ) from error
    return dict(sessions)


# --- A run ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """What a run is to do: the sessions that may have changed, and the batches that it ends."""

    mode: str
    affected: Sessions
    batch_ids: Sequence[str] = ()


Plan = dict[str, dict[str, bool]]
"""For each ticker the days to read, each with whether it is to be recomputed."""


class Stopwatch:
    """Seconds of each step, for the log and the summary."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - start, 3)
        logger.info("%s: %.2f s", step, self.seconds[step])

    def total(self) -> dict[str, float]:
        return {**self.seconds, "total": round(time.monotonic() - self.begun, 3)}


def main(
    argv: Sequence[str], *, s3: Any = None, glue: Any = None, spark: SparkSession | None = None
) -> dict[str, Any]:
    """Refine what the arguments ask for; return the summary, which is also the last line printed.

    Raises RefineError where the run cannot go on: nothing is marked as done then, and the next
    run takes the work up. A session that is handed in is left running.
    """
    arguments = parse_arguments(argv)
    lake = Lake(
        s3=s3 or client("s3"),
        glue=glue or client("glue"),
        bucket=arguments.raw_bucket,
        database=arguments.database,
        bronze_table=arguments.bronze_table,
        silver_table=arguments.silver_table,
    )
    batch_id = batch_of(arguments.batch_manifest, lake.bucket)
    if batch_id and is_done(lake, batch_id):
        logger.info("batch %s is refined already: nothing to do", batch_id)
        return said({"event": "already_refined", "batch_ids": [batch_id]})
    watch = Stopwatch()
    with ThreadPoolExecutor(1) as thread:
        session = thread.submit(lambda: spark or start_spark())  # it starts while we plan
        try:
            with watch("plan"):
                work = work_of(lake, arguments, batch_id)
                plan = plan_of(lake, work, absent={})
            with watch("spark"):
                session.result()
            return said(refine(session.result(), lake, work, plan, arguments.on_bad_object, watch))
        finally:
            if spark is None:
                session.result().stop()


def refine(
    spark: SparkSession,
    lake: Lake,
    work: Work,
    plan: Plan,
    on_bad_object: str,
    watch: Stopwatch,
) -> dict[str, Any]:
    """Recompute the planned sessions, publish them, mark the batches; return the summary."""
    store = Store(lake.bucket, lake.s3.meta.region_name, os.environ.get("AWS_ENDPOINT_URL"))
    spark.conf.set("spark.sql.adaptive.enabled", "false")  # it squeezes small writes into one task
    with watch("read"):
        reading = read_all(spark, lake, store, work, plan, on_bad_object)
    with watch("write"):
        written = write_silver(spark, store, reading)
    with watch("publish"):
        lake.register(written)
        removed = lake.remove(reading.without_quotes)
    summary = {
        "event": "refined",
        "mode": work.mode,
        "batch_ids": list(work.batch_ids),
        "partitions_read": reading.objects,
        "rows_read": reading.rows,
        "partitions_written": len(written),
        "partitions_removed": removed,
        "quarantined": reading.quarantined,
        "seconds": watch.total(),
    }
    mark_done(lake, work.batch_ids, summary)
    return summary


@dataclass(frozen=True)
class Reading:
    """What was read: the bars, and the affected sessions that have none."""

    bars: DataFrame
    plan: Plan
    rows: int
    without_quotes: list[tuple[str, str]]
    quarantined: dict[str, str]

    @property
    def objects(self) -> int:
        return sum(map(len, self.plan.values())) - len(self.without_quotes)


def read_all(
    spark: SparkSession, lake: Lake, store: Store, work: Work, plan: Plan, on_bad_object: str
) -> Reading:
    """Return the bars of the plan, and of a wider one where a neighbour has no quotes.

    A session without a quote is none for the windows: its object is gone, empty or in
    quarantine. Only reading tells, so the plan is made again without it.
    """
    absent: Sessions = defaultdict(set)
    bad: dict[str, str] = {}
    while True:
        with task_errors_in_words():
            bars = read_bronze(spark, store, plan)
            rows, problems = inspected(bars)
        for ticker, day, problem in problems:
            if problem not in (GONE, EMPTY):
                bad[object_key(BRONZE_PREFIX, ticker, day)] = problem
        if bad and on_bad_object == "fail":
            raise RefineError(bad_objects_message(bad))
        neighbours = [(t, day) for t, day, _ in problems if day not in work.affected[t]]
        if not neighbours:
            return Reading(bars, plan, rows, [(t, day) for t, day, _ in problems], bad)
        for ticker, day in neighbours:
            absent[ticker].add(day)
        bars.unpersist()
        plan = plan_of(lake, work, absent)


def bad_objects_message(bad: dict[str, str]) -> str:
    """Return one line that names the first bad objects and what is wrong with each."""
    named = "; ".join(f"{key}: {problem}" for key, problem in islice(bad.items(), 5))
    return (
        f"{len(bad)} bronze object(s) cannot be refined. {named}. Try: ingest these sessions "
        "again, or refine the rest with --on_bad_object quarantine."
    )


def write_silver(spark: SparkSession, store: Store, reading: Reading) -> list[tuple[str, str]]:
    """Write the wanted sessions; return the (ticker, dt) of those written."""
    tasks = tasks_for(spark, sum(sum(days.values()) for days in reading.plan.values()))
    spark.conf.set("spark.sql.shuffle.partitions", max(1, min(tasks, len(reading.plan))))
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    with task_errors_in_words():
        silver = refined(reading.bars, now)
        written = silver.mapInArrow(silver_writer(store), "ticker string, dt string").collect()
    reading.bars.unpersist()
    return sorted((row["ticker"], row["dt"]) for row in written)


def work_of(lake: Lake, arguments: argparse.Namespace, batch_id: str | None) -> Work:
    """Return the sessions that the arguments ask for, and the batches that are done with them."""
    if arguments.rebuild:
        batches = undone_batches(lake)  # first: what lands from here on has a run of its own
        found = [*lake.objects(BRONZE_PREFIX), *lake.objects(SILVER_PREFIX)]
        return Work(
            "rebuild", by_ticker([*found, *lake.partitions(lake.silver_table, "")]), batches
        )
    if batch_id is None:
        return Work("sessions", asked_sessions(lake, arguments.dates, arguments.tickers))
    batches = undone_batches(lake, batch_id)
    logger.info("batches to refine: %s", ", ".join(batches))
    return Work("batch", sessions_of(lake, batches), batches)


def asked_sessions(lake: Lake, dates: Sequence[str], tickers: Sequence[str]) -> Sessions:
    """Return the sessions of --dates and --tickers: all tickers, or all dates, where one lacks."""
    if dates and tickers:
        return {ticker: set(dates) for ticker in tickers}
    column, values = ("dt", dates) if dates else ("ticker", tickers)
    return by_ticker(
        pair
        for table in (lake.bronze_table, lake.silver_table)
        for some in _slices(values, 100)
        for pair in lake.partitions(table, _in(column, some))
    )


def by_ticker(pairs: Iterable[tuple[str, str]]) -> Sessions:
    """Return (ticker, dt) pairs as the sessions of each ticker."""
    sessions: Sessions = defaultdict(set)
    for ticker, day in pairs:
        sessions[ticker].add(sys.intern(day))
    return dict(sessions)


def plan_of(lake: Lake, work: Work, absent: Sessions) -> Plan:
    """Return what to read: the affected sessions and those that share a window with them."""
    others: Sessions = {}
    if work.mode != "rebuild":  # which has no others
        tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(1)
        others = neighbours(lake.sessions, work.affected, absent, tomorrow)
    return {
        ticker: sessions_to_read(days, others.get(ticker, set()))
        for ticker, days in work.affected.items()
    }


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Return the run's arguments; Glue's own are left alone. Raises RefineError."""
    parser = argparse.ArgumentParser("refine_job.py", allow_abbrev=False)
    parser.add_argument("--raw_bucket", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--bronze_table", default="b3_daily_quotes")
    parser.add_argument("--silver_table", default="b3_daily_quotes_refined")
    parser.add_argument("--batch_manifest")
    parser.add_argument("--rebuild", type=lambda text: text.lower() == "true", default=False)
    parser.add_argument("--dates", type=listed, default=[])
    parser.add_argument("--tickers", type=listed, default=[])
    parser.add_argument("--on_bad_object", choices=("fail", "quarantine"), default="fail")
    arguments, _ = parser.parse_known_args(argv)
    asked = [arguments.batch_manifest, arguments.rebuild, arguments.dates or arguments.tickers]
    if sum(map(bool, asked)) != 1:
        raise RefineError(
            "a run needs one of --batch_manifest s3://…, --rebuild true, or --dates and --tickers."
        )
    for day in arguments.dates:
        check_date(day)
    return arguments


def listed(text: str) -> list[str]:
    """Return the values of a comma-separated argument."""
    return [value.strip() for value in text.split(",") if value.strip()]


def check_date(day: str) -> str:
    """Return an ISO date as it is; raise RefineError where it is none."""
    try:
        return dt.date.fromisoformat(day).isoformat()
    except ValueError:
        raise RefineError(f"{day!r} is not a date; write it as 2024-01-31.") from None


def batch_of(manifest: str | None, bucket: str) -> str | None:
    """Return the batch id in a manifest's address."""
    if manifest is None:
        return None
    found = re.fullmatch(rf"s3://{re.escape(bucket)}/{MANIFESTS}([^/]+)\.json", manifest)
    if found is None:
        raise RefineError(f"{manifest} is no batch manifest of s3://{bucket}/{MANIFESTS}.")
    return found[1]


def client(service: str) -> Any:
    """Return the driver's client of an AWS service; boto3 reads AWS_ENDPOINT_URL itself."""
    local = "AWS_ENDPOINT_URL" in os.environ
    retries = {"mode": "standard", "max_attempts": 10}
    s3 = {"addressing_style": "path"} if local else None
    return boto3.client(service, config=Config(retries=retries, max_pool_connections=16, s3=s3))


def said(summary: dict[str, Any]) -> dict[str, Any]:
    """Print the summary as one line of JSON, and return it."""
    sys.stdout.write(json.dumps(summary) + "\n")
    sys.stdout.flush()
    return summary


if __name__ == "__main__":
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    main(sys.argv[1:])
