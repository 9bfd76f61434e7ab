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
on Glue 6.0 (Spark 4.1) and here, where AWS_ENDPOINT_URL leads to the local AWS. Where obstore
is installed (on Glue by --additional-python-modules), objects travel by it: half the time.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import logging
import math
import os
import re
import sys
import time
from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import accumulate, chain, islice, pairwise
from typing import Any, Protocol
from urllib.parse import urlsplit

import boto3
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from botocore.config import Config
from py4j.protocol import Py4JJavaError
from pyspark import Broadcast
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Row, SparkSession, Window, WindowSpec
from pyspark.sql import functions as F  # noqa: N812 - the name that every Spark text uses

BRONZE_PREFIX, SILVER_PREFIX = "raw/b3/", "refined/b3/"
MANIFESTS, MARKS = f"{BRONZE_PREFIX}_batches/", f"{SILVER_PREFIX}_batches/"
CHECKPOINT = f"{SILVER_PREFIX}_checkpoint.json"
RUNS = f"{SILVER_PREFIX}_runs/"
MANIFEST_VERSIONS = (1, 2)
OBJECT = re.compile(r"/dt=(\d{4}-\d{2}-\d{2})/ticker=(\w+)/data\.parquet$")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
TICKER = re.compile(r"[A-Z0-9]{4}[0-9]{1,2}[A-Z]?")

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
        ("problem", STRING),  # why the session has no bars; "" where it has
        *(BRONZE.field(name) for name in ("traded_at", *PRICES, "volume")),
        *(BRONZE.field(name) for name in ("batch_id", "ingested_at")),
    ]
)
SQL_TYPES = {STRING: "string", pa.bool_(): "boolean", DOUBLE: "double", BIGINT: "bigint"}
SQL_TYPES[TIME] = "timestamp_ntz"
NO_BARS = pa.table([pa.nulls(1, column.type) for column in BARS][4:], names=BARS.names[4:])
BARS_DDL = ", ".join(f"{column.name} {SQL_TYPES[column.type]}" for column in BARS)

# How many sessions each column looks at, its own included. Whoever adds a window adds it here:
# which sessions a run reads and recomputes follows from the widest one.
WINDOWS = {"close_ma_5": 5, "close_delta": 2, "close_return": 2, "days_since_previous": 2}
LOOK_BACK = max(WINDOWS.values()) - 1
REACHES = (0, 16, 64, 256, 1024, 4096, 16384)  # days; the last one is 45 years
SET_ASIDE = "set_aside"
GONE, EMPTY = "the object is gone", "no bar has a close"
THREADS = 16
SMALL = 1000  # sessions

Session = tuple[str, str]  # ticker and ISO date
Sessions = dict[str, set[str]]  # the ISO dates of each ticker
Plan = list[tuple[str, str, bool]]  # sessions to read, each with whether to recompute it
Batches = Iterable[pa.RecordBatch]

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
    between: Callable[[Iterable[str], str, str], Iterable[Session]],
    affected: Sessions,
    absent: Sessions,
    today: dt.date,
) -> Sessions:
    """Return the sessions around the affected ones: on either side as many as a window needs.

    `between(tickers, first, last)` asks the catalog. It is asked for windows that grow
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
            for ticker, day in between(tickers, first, last):
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

    Recomputed: the affected days and the LOOK_BACK sessions after each. Read besides: as many
    before any of these. An affected day may turn out to be gone, so it never counts as one of
    them.
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


class Objects(Protocol):
    """A client of the bucket's objects; one serves all threads of a task.

    Raises FileNotFoundError where there is no object, and OSError for all else.
    """

    def get(self, key: str) -> bytes: ...

    def put(self, key: str, body: bytes) -> None: ...


@dataclass(frozen=True)
class Store:
    """The bucket as a task sees it: plain values that travel to the executors."""

    bucket: str
    region: str | None
    endpoint_url: str | None
    lean: bool  # whether obstore is installed

    def connect(self) -> Objects:
        return ObstoreObjects(self) if self.lean else PyarrowObjects(self)


class ObstoreObjects:
    """Objects by obstore: a third of pyarrow's time on small ones, and one request a get."""

    def __init__(self, store: Store) -> None:
        from obstore.store import S3Store

        names = ("access_key_id", "secret_access_key", "session_token")
        options: dict[str, Any] = dict(zip(names, _credentials(), strict=False))
        if store.endpoint_url:
            options |= {"endpoint": store.endpoint_url, "virtual_hosted_style_request": False}
        self.bucket = S3Store(
            store.bucket,
            region=store.region,
            client_options={"allow_http": True, "timeout": "60s"},
            retry_config={"max_retries": 6, "retry_timeout": dt.timedelta(minutes=2)},
            **options,
        )

    def get(self, key: str) -> bytes:
        import obstore

        try:
            return obstore.get(self.bucket, key).bytes().to_bytes()
        except obstore.exceptions.BaseError as error:
            raise OSError(str(error)) from error

    def put(self, key: str, body: bytes) -> None:
        import obstore

        try:
            obstore.put(self.bucket, key, body, use_multipart=False)
        except obstore.exceptions.BaseError as error:
            raise OSError(str(error)) from error

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys of a folder: a fifth of the time that boto3 takes to read its answers."""
        import obstore

        try:
            for page in obstore.list(self.bucket, prefix):
                yield from (entry["path"] for entry in page)
        except obstore.exceptions.BaseError as error:
            raise OSError(f"{prefix} cannot be listed: {error}") from error


class PyarrowObjects:
    """Objects by pyarrow, which every Glue has."""

    def __init__(self, store: Store) -> None:
        names = ("access_key", "secret_key", "session_token")
        options: dict[str, Any] = dict(zip(names, _credentials(), strict=False))
        options |= {"region": store.region, "request_timeout": 60}
        if store.endpoint_url:
            url = urlsplit(store.endpoint_url)
            options |= {"endpoint_override": url.netloc, "scheme": url.scheme}
        try:
            self.files = pafs.S3FileSystem(**options, allow_delayed_open=True)  # one PUT an object
        except TypeError:  # pyarrow before 21: three requests an object, and as atomic
            self.files = pafs.S3FileSystem(**options)
        self.bucket = store.bucket

    def get(self, key: str) -> bytes:
        with self.files.open_input_stream(f"{self.bucket}/{key}") as stream:
            return bytes(stream.read())

    def put(self, key: str, body: bytes) -> None:
        with self.files.open_output_stream(f"{self.bucket}/{key}") as stream:
            stream.write(body)


def _credentials() -> Sequence[str | None]:
    """Return the keys that boto3 finds, for it knows where Glue keeps them; none if in sight."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return ()
    import boto3  # here, for it costs a task that does without it half a second

    keys = boto3.Session().get_credentials().get_frozen_credentials()
    return keys.access_key, keys.secret_key, keys.token


def bronze_reader(store: Store, plan: Broadcast[Plan]) -> Callable[[Batches], Batches]:
    """Return what a task does with numbers of sessions of the plan: read many objects at once."""

    def read(numbers: Batches) -> Batches:
        objects = store.connect()
        with ThreadPoolExecutor(THREADS) as threads:
            for batch in numbers:
                sessions = [plan.value[number] for number in batch["id"].to_pylist()]
                found = threads.map(
                    lambda session: read_object(store, objects, *session[:2]), sessions
                )
                while some := list(islice(found, 1000)):
                    yield from labelled(sessions[: len(some)], some).to_batches()
                    del sessions[: len(some)]

    return read


def read_object(store: Store, objects: Objects, ticker: str, day: str) -> pa.Table | str:
    """Return the bars of a session, or why there are none."""
    key = object_key(BRONZE_PREFIX, ticker, day)
    try:
        bars = decoded(objects.get(key))
    except FileNotFoundError:
        return GONE
    except OSError as error:
        raise RefineError(f"s3://{store.bucket}/{key} cannot be read: {error}") from error
    except ValueError as error:
        return str(error)
    closes = bars["close"].to_pylist()
    return EMPTY if all(close is None or math.isnan(close) for close in closes) else bars


def labelled(sessions: Plan, found: Sequence[pa.Table | str]) -> pa.Table:
    """Return what was found as one table, each bar with its session; one row where are none."""
    labels: list[tuple[str, str, str, str]] = []
    tables = []
    for (ticker, day, wanted), one in zip(sessions, found, strict=True):
        problem = one if isinstance(one, str) else ""
        tables.append(NO_BARS if isinstance(one, str) else one.select(NO_BARS.column_names))
        labels += [(ticker, day, str(wanted).lower(), problem)] * len(tables[-1])
    columns = [strings(values) for values in zip(*labels, strict=True)]
    bars = pa.concat_tables(tables).combine_chunks()
    return pa.table([*columns, *bars.columns], names=BARS.names).cast(BARS)


def strings(values: Iterable[str]) -> pa.Array:
    """Return texts as an Arrow array. `pa.array` would import pandas: a second in each worker."""
    data = [value.encode() for value in values]
    ends = array("i", accumulate(map(len, data), initial=0))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(data))]
    return pa.Array.from_buffers(pa.string(), len(data), buffers)


def decoded(data: bytes) -> pa.Table:
    """Return the table in a bronze object; raise ValueError naming what is wrong with it."""
    if not data:
        raise ValueError("the object has zero bytes")
    try:
        # Threads and read-ahead are for large files: on a small one they double the time.
        table = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"it is not a whole Parquet file ({error})") from error
    if table.schema != BRONZE:
        for column in BRONZE:
            if column.name not in table.column_names:
                raise ValueError(f"column {column.name} is missing")
            found = table.schema.field(column.name).type
            if found != column.type:
                raise ValueError(f"column {column.name} is {found} instead of {column.type}")
    return table


def silver_writer(store: Store) -> Callable[[Batches], Batches]:
    """Return what a task does with silver rows: put each as an object, and name its partition."""

    def write(batches: Batches) -> Batches:
        objects = store.connect()
        with ThreadPoolExecutor(THREADS) as threads:
            for batch in batches:
                pairs = zip(batch["ticker"].to_pylist(), batch["dt"].to_pylist(), strict=True)
                keys = (object_key(SILVER_PREFIX, *pair) for pair in pairs)
                silver = pa.Table.from_batches([batch]).select(SILVER.names).cast(SILVER)
                rows = (silver.slice(i, 1) for i in range(len(silver)))
                list(threads.map(lambda key, row: put_row(store, objects, key, row), keys, rows))
                yield batch.select(["ticker", "dt"])

    return write


def put_row(store: Store, objects: Objects, key: str, row: pa.Table) -> None:
    """Put one silver row as one object, whole, without what only longer files profit from."""
    sink = pa.BufferOutputStream()
    plain = {"use_dictionary": False, "write_statistics": False, "store_schema": False}
    pq.write_table(row, sink, compression="none", **plain)
    try:
        objects.put(key, sink.getvalue().to_pybytes())
    except OSError as error:
        raise RefineError(f"s3://{store.bucket}/{key} cannot be written: {error}") from error


def object_key(prefix: str, ticker: str, day: str) -> str:
    """Return the key of the one object of a partition."""
    return f"{prefix}dt={day}/ticker={ticker}/data.parquet"


# --- Spark ------------------------------------------------------------------------------------


def start_spark() -> SparkSession:
    """Return the session of Glue, or a new one with settings for a short job on this machine."""
    builder = SparkSession.builder.appName("refine")
    if "AWS_ENDPOINT_URL" in os.environ:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        settings: dict[str, Any] = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            # The run is over before a second compiler and a parallel collector would pay.
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        }
        builder = builder.config(map=settings)
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


def silver_query(spark: SparkSession, store: Store, bars: DataFrame, plan: Plan) -> DataFrame:
    """Return the query that refines the bars, writes the wanted sessions and returns them."""
    tasks = tasks_for(spark, sum(wanted for _, _, wanted in plan))
    spark.conf.set("spark.sql.shuffle.partitions", tasks)
    if tasks > 1:
        bars = bars.repartition("ticker")  # once for all: the transforms would shuffle thrice
    silver = refined(bars, dt.datetime.now(dt.UTC).replace(tzinfo=None))
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
        sentences = re.findall(r"RefineError: (.*)|(\w+(?:Error|Exception): .*)", str(error))
        raise RefineError(next(filter(None, sentences[0])) if sentences else str(error)) from None


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

    def get(self, key: str) -> bytes | None:
        """Return the body of an object of the bucket, or None where there is none."""
        try:
            return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except self.s3.exceptions.NoSuchKey:
            return None

    def get_json(self, key: str) -> dict[str, Any] | None:
        """Return a JSON object of the bucket, or None where there is none."""
        body = self.get(key)
        try:
            return None if body is None else dict(json.loads(body))
        except (ValueError, TypeError) as error:
            raise RefineError(f"s3://{self.bucket}/{key} is not a JSON object: {error}") from error

    def put_json(self, key: str, value: dict[str, Any]) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(value).encode())

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        """Yield the keys under a prefix, in order, those after `after` alone."""
        pager = self.s3.get_paginator("list_objects_v2")
        for page in pager.paginate(Bucket=self.bucket, Prefix=prefix, StartAfter=after):
            yield from (entry["Key"] for entry in page.get("Contents", ()))

    def objects(self, prefix: str) -> Iterator[Session]:
        """Yield the session of every object of a table."""
        lean = self.store.lean
        for key in ObstoreObjects(self.store).keys(prefix) if lean else self.keys(f"{prefix}dt="):
            found = OBJECT.search(key)
            if found and TICKER.fullmatch(found[2]):
                yield found[2], found[1]

    def partitions(self, table: str, expression: str = "") -> Iterator[Session]:
        """Yield the session of each registered partition that satisfies an expression."""
        pager = self.glue.get_paginator("get_partitions")
        where = {"DatabaseName": self.database, "TableName": table, "Expression": expression}
        for page in pager.paginate(**where, ExcludeColumnSchema=True):
            for partition in page["Partitions"]:
                day, ticker = partition["Values"]
                if TICKER.fullmatch(ticker) and DAY.fullmatch(day):
                    yield ticker, day
                else:
                    logger.warning("%s has a partition of no session: %s", table, [day, ticker])

    def between(self, tickers: Iterable[str], first: str, last: str) -> Iterator[Session]:
        """Yield the registered sessions of bronze between two days, both included."""
        for some in _slices(sorted(tickers), 100):
            days = f"dt >= '{first}' AND dt <= '{last}'"
            yield from self.partitions(self.bronze_table, f"{_in('ticker', some)} AND {days}")

    @property
    def store(self) -> Store:
        endpoint_url = os.environ.get("AWS_ENDPOINT_URL")
        lean = find_spec("obstore") is not None
        return Store(self.bucket, self.s3.meta.region_name, endpoint_url, lean)

    @cached_property
    def silver_storage(self) -> dict[str, Any]:
        """The storage descriptor of the silver table, which must be the one that we write."""
        table = self.glue.get_table(DatabaseName=self.database, Name=self.silver_table)["Table"]
        storage: dict[str, Any] = table["StorageDescriptor"]
        found = [storage["Location"].rstrip("/"), [c["Name"] for c in storage["Columns"]]]
        wanted = [f"s3://{self.bucket}/{SILVER_PREFIX}".rstrip("/"), SILVER.names]
        if found != wanted:
            raise RefineError(
                f"table {self.database}.{self.silver_table} lies at and has {found}, the job "
                f"writes {wanted}. Try: provision the table again."
            )
        return storage

    def register(self, sessions: Sequence[Session]) -> None:
        """Register silver partitions, 100 a call; what is registered already stays as it is."""

        def create(some: Sequence[Session]) -> None:
            keys = [object_key(SILVER_PREFIX, *session) for session in some]
            places = [f"s3://{self.bucket}/{key.rpartition('/')[0]}/" for key in keys]
            inputs = [
                {
                    "Values": [day, ticker],
                    "StorageDescriptor": {**self.silver_storage, "Location": place},
                }
                for (ticker, day), place in zip(some, places, strict=True)
            ]
            answer = self.glue.batch_create_partition(
                DatabaseName=self.database, TableName=self.silver_table, PartitionInputList=inputs
            )
            _raise_unless(answer, "AlreadyExistsException")

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(create, _slices(sessions, 100)))

    def remove(self, sessions: Sequence[Session]) -> int:
        """Take silver partitions away, then their objects; return how many were registered."""
        removed = 0
        for some in _slices(sessions, 25):
            values = [{"Values": [day, ticker]} for ticker, day in some]
            answer = self.glue.batch_delete_partition(
                DatabaseName=self.database, TableName=self.silver_table, PartitionsToDelete=values
            )
            removed += len(some) - _raise_unless(answer, "EntityNotFoundException")
        for some in _slices(sessions, 1000):
            keys = [{"Key": object_key(SILVER_PREFIX, *session)} for session in some]
            self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": keys, "Quiet": True})
        return removed


def _in(column: str, values: Iterable[str]) -> str:
    quoted = ("'{}'".format(value.replace("'", "''")) for value in values)
    return f"{column} IN ({', '.join(quoted)})"


def _slices(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _raise_unless(answer: dict[str, Any], expected: str) -> int:
    """Return how many partitions a call reports with the expected error; raise for any other."""
    errors = answer.get("Errors", [])
    for error in errors:
        if error["ErrorDetail"]["ErrorCode"] != expected:
            raise RefineError(f"the catalog refused partition {error['PartitionValues']}: {error}")
    return len(errors)


# --- Batches: which are to be refined, and which are done -------------------------------------


def undone_batches(lake: Lake, batch_id: str | None = None) -> list[str]:
    """Return the batches with a manifest and no done-mark, oldest first.

    For a batch, listing starts at the checkpoint, up to which all is done. A batch that arrives
    late, with an older name, takes the checkpoint away first: no failure can hide it then.
    """
    checkpoint = ""
    if batch_id is not None:
        checkpoint = (lake.get_json(CHECKPOINT) or {}).get("done_through", "")
        if f"{batch_id}.json" <= checkpoint:
            lake.s3.delete_object(Bucket=lake.bucket, Key=CHECKPOINT)
            checkpoint = ""
    manifests, marks = (
        [key.removeprefix(folder) for key in lake.keys(folder, after=f"{folder}{checkpoint}")]
        for folder in (MANIFESTS, MARKS)
    )
    undone = [name for name in manifests if name not in set(marks)]
    return [name.removesuffix(".json") for name in undone if re.fullmatch(r"[^/]+\.json", name)]


def mark_done(
    lake: Lake, batch_ids: Sequence[str], set_aside: dict[str, str], summary: dict[str, Any]
) -> None:
    """Write the marks of what is done or set aside, oldest first, then move the checkpoint up.

    A manifest that is set aside stays where it is; its mark says why, and one that names it
    again is taken up again.
    """
    marks = dict.fromkeys(batch_ids, summary)
    marks |= {batch: {"event": SET_ASIDE, "reason": why} for batch, why in set_aside.items()}
    for batch_id in sorted(marks):
        mark = {"version": 1, "batch_id": batch_id, **marks[batch_id]}
        lake.put_json(f"{MARKS}{batch_id}.json", mark)
    if marks:
        lake.put_json(CHECKPOINT, {"version": 1, "done_through": f"{max(marks)}.json"})


def sessions_of(lake: Lake, batch_ids: Iterable[str]) -> tuple[list[Session], dict[str, str]]:
    """Return the sessions that batches wrote or removed, and why a batch tells none.

    A manifest that cannot be used stands in nobody's way: its batch is set aside, and named.
    """
    sessions: list[Session] = []
    set_aside = {}
    for batch_id in batch_ids:
        body = lake.get(f"{MANIFESTS}{batch_id}.json")
        try:
            sessions += listed_sessions(body)
        except ValueError as error:
            set_aside[batch_id] = str(error)
    return sessions, set_aside


def listed_sessions(body: bytes | None) -> list[Session]:
    """Return the sessions that a manifest lists; raise ValueError naming what is wrong with it."""
    if not body:
        raise ValueError("it is gone" if body is None else "it has zero bytes")
    try:
        manifest = json.loads(body)
    except ValueError as error:
        raise ValueError(f"it is no JSON ({error})") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("partitions"), dict):
        raise ValueError("it does not list its partitions by ticker")
    if manifest.get("version") not in MANIFEST_VERSIONS:
        raise ValueError(f"its version is {manifest.get('version')!r}, and not 1 or 2")
    sessions = []
    for ticker, days in manifest["partitions"].items():
        if not TICKER.fullmatch(ticker):
            raise ValueError(f"{ticker!r} is no ticker")
        if not isinstance(days, list):
            raise ValueError(f"the sessions of {ticker} are no list")
        sessions += [(ticker, checked_day(day)) for day in days]
    return sessions


def checked_day(day: Any) -> str:
    """Return an ISO date as it is; raise ValueError for anything else."""
    try:
        if dt.date.fromisoformat(day).isoformat() == day:
            return str(day)
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{day!r} is no date such as 2024-01-31")


# --- A run ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """What a run is to do: the sessions that may have changed, and the batches that it ends."""

    mode: str
    affected: Sessions
    batch_ids: Sequence[str]
    set_aside: dict[str, str]  # why, by the batch whose manifest cannot be used
    may_quarantine: bool
    registered: Sessions  # what silver's table is known to have: all of it in a rebuild


def main(
    argv: Sequence[str], *, s3: Any = None, glue: Any = None, spark: SparkSession | None = None
) -> dict[str, Any]:
    """Refine what the arguments ask for; return the summary, which lies under the run's id, too.

    Raises RefineError where the run cannot go on: nothing is marked as done then, and the next
    run takes the work up. A session that is handed in is left running.
    """
    given = parse_arguments(argv)
    tables = (given.database, given.bronze_table, given.silver_table)
    lake = Lake(s3 or client("s3"), glue or client("glue"), given.raw_bucket, *tables)
    batch_id = batch_of(given.batch_manifest, lake.bucket)
    mark = lake.get_json(f"{MARKS}{batch_id}.json") if batch_id else None
    if mark and mark.get("event") != SET_ASIDE:
        logger.info("batch %s is refined already: nothing to do", batch_id)
        return kept(lake, given.JOB_RUN_ID, {"event": "already_refined", "batch_ids": [batch_id]})
    seconds: dict[str, float] = {}
    with ThreadPoolExecutor(1) as thread, timed(seconds, "total"):
        session = thread.submit(lambda: spark or start_spark())  # it starts while we plan
        try:
            with timed(seconds, "plan"):
                logger.info("silver lies at %s", lake.silver_storage["Location"])
                work = work_of(lake, given, batch_id)
                plan = plan_of(lake, work, absent={})
            with timed(seconds, "spark"):
                context = session.result().sparkContext
            cores = context.defaultParallelism
            logger.info("Spark %s on %s, %d core(s)", context.version, context.master, cores)
            summary = refine(session.result(), lake, work, plan, seconds)
        finally:
            if spark is None:
                session.result().stop()
    kept(lake, given.JOB_RUN_ID, summary)
    if summary["set_aside"]:
        raise RefineError(useless_manifests(summary["set_aside"], batch_id))
    return summary


def refine(
    spark: SparkSession, lake: Lake, work: Work, plan: Plan, seconds: dict[str, float]
) -> dict[str, Any]:
    """Recompute the planned sessions, publish them, mark the batches; return the summary."""
    spark.conf.set("spark.sql.adaptive.enabled", False)  # it puts small writes into one task
    spark.conf.set("spark.sql.ansi.enabled", True)  # on Glue 5.1 as on 6.0: no silent overflow
    # A few sessions are refined before the compiler is done with generated code.
    small = len(plan) < SMALL
    spark.conf.set("spark.sql.codegen.wholeStage", not small)
    spark.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN" if small else "FALLBACK")
    with timed(seconds, "read"), task_errors_in_words():
        reading = read_all(spark, lake, work, plan)
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
        "set_aside": {f"{MANIFESTS}{one}.json": why for one, why in work.set_aside.items()},
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


@dataclass(frozen=True)
class Reading:
    """What was read: the bars, and the affected sessions that have none."""

    bars: DataFrame
    silver: DataFrame
    rows: int
    plan: Plan
    without_quotes: list[Session]
    quarantined: dict[str, str]


def read_all(spark: SparkSession, lake: Lake, work: Work, plan: Plan) -> Reading:
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
            silver = silver_query(spark, lake.store, bars, plan)
        rows, problems = inspected(*looked.result())
        for session, problem in problems.items():
            if problem not in (GONE, EMPTY):
                quarantined[object_key(BRONZE_PREFIX, *session)] = problem
        if quarantined and not work.may_quarantine:
            raise RefineError(bad_objects(quarantined, work, lake.bucket))
        news = [(ticker, day) for ticker, day in problems if day not in work.affected[ticker]]
        if not news:
            return Reading(bars, silver, rows, plan, list(problems), quarantined)
        for ticker, day in news:
            absent.setdefault(ticker, set()).add(day)
        bars.unpersist()
        plan = plan_of(lake, work, absent)


def bad_objects(problems: dict[str, str], work: Work, bucket: str) -> str:
    """Return in words which objects stand in the way of which batches, and how to go on."""
    named = "; ".join(f"{key}: {problem}" for key, problem in problems.items())
    again, waiting = "--rebuild", ""
    if work.mode == "batch":
        again = f"--manifest s3://{bucket}/{MANIFESTS}{work.batch_ids[-1]}.json"
        waiting = f" Until then these batches wait: {', '.join(work.batch_ids)[:500]}."
    return (
        f"{len(problems)} bronze object(s) cannot be refined: {named[:2000]}.{waiting} Try: ingest "
        "these sessions again, or set the objects aside and refine the rest with "
        f"--on_bad_object quarantine (`b3 refine {again} --quarantine`)."
    )


def useless_manifests(set_aside: dict[str, str], asked: str | None) -> str:
    """Return in words which manifests were set aside, and how their batches come back."""
    named = "; ".join(f"{key}: {why}" for key, why in set_aside.items())
    others = "" if f"{MANIFESTS}{asked}.json" in set_aside else " What else was asked is refined."
    return (
        f"{len(set_aside)} manifest(s) cannot be used, and were set aside: {named[:2000]}.{others} "
        "Try: ingest these ranges again; or mend a manifest where it lies and name it: "
        "`b3 refine --manifest s3://…`."
    )


def work_of(lake: Lake, given: argparse.Namespace, batch_id: str | None) -> Work:
    """Return the sessions that the arguments ask for, and the batches that are done with them."""
    batches: list[str] = []
    set_aside: dict[str, str] = {}
    registered: Sessions = {}
    sessions: Iterable[Session]
    if given.rebuild:
        mode, batches = "rebuild", undone_batches(lake)  # before bronze: none may be half listed
        objects = lake.objects(BRONZE_PREFIX), lake.objects(SILVER_PREFIX)
        with ThreadPoolExecutor() as threads:
            found = list(threads.map(by_ticker, (*objects, lake.partitions(lake.silver_table))))
        sessions = chain.from_iterable(map(pairs, found))
        _, set_aside = sessions_of(lake, batches)
        registered = found[-1]
    elif batch_id is not None:
        mode, batches = "batch", undone_batches(lake, batch_id)
        if batch_id not in batches:  # which one that was set aside is not
            if lake.get(f"{MANIFESTS}{batch_id}.json") is None:
                raise RefineError(f"there is no manifest {given.batch_manifest}.")
            batches = sorted([*batches, batch_id])
        sessions, set_aside = sessions_of(lake, batches)
    else:
        mode, sessions = "sessions", asked_sessions(lake, given.dates, given.tickers)
    affected, may_quarantine = by_ticker(sessions), given.on_bad_object == "quarantine"
    ended = [batch for batch in batches if batch not in set_aside]
    work = Work(mode, affected, ended, set_aside, may_quarantine, registered)
    count = sum(map(len, work.affected.values()))
    logger.info("%s: %d session(s) changed; ends %s", mode, count, ", ".join(ended) or "no batch")
    return work


def asked_sessions(lake: Lake, dates: list[str], tickers: list[str]) -> Iterator[Session]:
    """Yield the sessions of --dates and --tickers: all tickers, or all dates, where one lacks."""
    if dates and tickers:
        yield from ((ticker, day) for ticker in tickers for day in dates)
    else:
        column, values = ("dt", dates) if dates else ("ticker", tickers)
        for some in _slices(values, 100):
            yield from lake.partitions(lake.bronze_table, _in(column, some))
            yield from lake.partitions(lake.silver_table, _in(column, some))


def by_ticker(sessions: Iterable[Session]) -> Sessions:
    """Return the days of each ticker."""
    days: Sessions = defaultdict(set)
    for ticker, day in sessions:
        days[ticker].add(sys.intern(day))
    return dict(days)


def pairs(sessions: Sessions) -> Iterator[Session]:
    """Yield ticker and day of each session."""
    for ticker, days in sessions.items():
        yield from ((ticker, day) for day in days)


def plan_of(lake: Lake, work: Work, absent: Sessions) -> Plan:
    """Return what to read: the affected sessions and those that share a window with them."""
    others: Sessions = {}
    if work.mode != "rebuild":  # which has no others
        tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(1)
        others = neighbours(lake.between, work.affected, absent, tomorrow)
    return [
        (ticker, day, wanted)
        for ticker, days in work.affected.items()
        for day, wanted in sessions_to_read(days, others.get(ticker, set())).items()
    ]


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Return the run's arguments; those that are Glue's own are left alone."""
    parser = argparse.ArgumentParser("refine_job.py", allow_abbrev=False)
    parser.add_argument("--JOB_RUN_ID", type=plain_name)  # Glue's own
    parser.add_argument("--raw_bucket", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--bronze_table", default="b3_daily_quotes")
    parser.add_argument("--silver_table", default="b3_daily_quotes_refined")
    parser.add_argument("--batch_manifest")
    parser.add_argument("--rebuild", type=lambda text: text.lower() == "true", default=False)
    parser.add_argument("--dates", type=iso_dates, default=[])
    parser.add_argument("--tickers", type=tickers_of, default=[])
    parser.add_argument("--on_bad_object", choices=("fail", "quarantine"), default="fail")
    given, _ = parser.parse_known_args(argv)
    if sum(map(bool, (given.batch_manifest, given.rebuild, given.dates or given.tickers))) != 1:
        parser.error("give one of --batch_manifest, --rebuild true, or --dates and --tickers")
    return given


def plain_name(text: str) -> str:
    """Return a run's id, which becomes the name of an object."""
    if not re.fullmatch(r"[\w-]+", text):
        raise ValueError(text)
    return text


def iso_dates(text: str) -> list[str]:
    """Return the dates of a comma-separated argument."""
    return [dt.date.fromisoformat(day).isoformat() for day in text.split(",")]


def tickers_of(text: str) -> list[str]:
    """Return the tickers of a comma-separated argument."""
    tickers = text.split(",")
    for ticker in tickers:
        if not TICKER.fullmatch(ticker):
            raise ValueError(ticker)
    return tickers


def batch_of(manifest: str | None, bucket: str) -> str | None:
    """Return the batch id in a manifest's address."""
    if manifest is None:
        return None
    found = re.fullmatch(rf"s3://{re.escape(bucket)}/{MANIFESTS}([^/]+)\.json", manifest)
    if found is None:
        raise RefineError(f"{manifest} is no batch manifest under s3://{bucket}/{MANIFESTS}.")
    return found[1]


def client(service: str) -> Any:
    """Return the driver's client of an AWS service; boto3 reads AWS_ENDPOINT_URL itself."""
    s3 = {"addressing_style": "path"} if "AWS_ENDPOINT_URL" in os.environ else None
    retries = {"mode": "standard", "max_attempts": 10}
    # Without a check of each parameter a call with 100 partitions takes half the time.
    lean = {"parameter_validation": False, "max_pool_connections": 32}
    return boto3.client(service, config=Config(retries=retries, s3=s3, **lean))


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
        lake.put_json(f"{RUNS}{run_id}.json", {"version": 1, "run_id": run_id, **summary})
        logger.info("summary: s3://%s/%s%s.json", lake.bucket, RUNS, run_id)
    else:
        sys.stdout.write(json.dumps(summary) + "\n")
    return summary


if __name__ == "__main__":
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    main(sys.argv[1:])
