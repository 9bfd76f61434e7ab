"""How fast quotes reach bronze on the local AWS, against what, and in how much memory.

Run: .venv/bin/python benchmarks/ingest.py [speed | memory]     both unless one is named

Speed: 2,500 one-row objects, ten stocks over the 250 sessions of 2025. Every way writes the same
quotes, in turns; the tables show medians. The first server is ministack alone, which keeps nothing
and so costs least; then comes the local AWS with its files in memory, where there is a /dev/shm,
and with them on the disk of TMPDIR. `raw` is the floor: plain HTTP with kept connections, of bytes
that are encoded already and signed, no retries, nothing checked. `ours` encodes and puts as the
ingestion does; `ingest` is `b3 ingest` as a whole: fetching, judging, journal, objects, partitions,
manifest. `awswrangler` is its `to_parquet` with `dataset=True, partition_cols=["dt", "ticker"]`.

Memory: the peak of a process of its own that ingests five-minute bars, for one year and for eight.
"""

from __future__ import annotations

import datetime as dt
import http.client
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from tqdm import tqdm

from b3pipeline import lake, names, schema
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import Config
from b3pipeline.ingest import DEFAULT_TICKERS
from b3pipeline.ingest import ingest as run_ingest
from b3pipeline.sources import open_source
from localaws import process
from localaws.ports import bound
from localaws.settings import LOCALHOST

ROUNDS = 5
CONNECTIONS = 4
BUCKET = "benchmark"
FIRST, LAST = dt.date(2025, 1, 1), dt.date(2025, 12, 31)
STAMP = {"source": "sample", "batch_id": "benchmark", "ingested_at": dt.datetime.now(dt.UTC)}
YEARS = (1, 8)
MEMORY = "/dev/shm"  # noqa: S108 - meant
PLACES = {"in memory": MEMORY, "on disk": None} if os.access(MEMORY, os.W_OK) else {"on disk": None}

Item = tuple[str, bytes]


def encode(quotes: pd.DataFrame) -> list[Item]:
    """Return key and body of each bronze object of `quotes`."""
    objects = lake.bronze_objects(quotes, **STAMP)
    return [(names.bronze_key(day, ticker), body) for day, ticker, body in objects]


def raw(cloud: Cloud, quotes: pd.DataFrame, items: list[Item], bucket: str = BUCKET) -> None:
    """Put the encoded bytes by plain HTTP, over a few connections."""
    endpoint = str(cloud.config.endpoint_url)
    signer = S3SigV4Auth(cloud.session.get_credentials(), "s3", cloud.config.region)

    def put(part: list[Item]) -> None:
        server = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=60)
        for key, body in part:
            request = AWSRequest("PUT", f"{endpoint}/{bucket}/{quote(key)}", data=body)
            signer.add_auth(request)
            server.request("PUT", f"/{bucket}/{quote(key)}", body, dict(request.headers))
            answer = server.getresponse()
            answer.read()
            assert answer.status == 200

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(put, [items[place::CONNECTIONS] for place in range(CONNECTIONS)]))


def ours(cloud: Cloud, quotes: pd.DataFrame, items: list[Item]) -> None:
    """Encode and put, as the ingestion does."""
    objects = lake.bronze_objects(quotes, **STAMP)
    lake.put_objects(
        cloud, ((names.bronze_key(day, ticker), body) for day, ticker, body in objects)
    )


def ingest(cloud: Cloud, quotes: pd.DataFrame, items: list[Item]) -> None:
    """Run the ingestion as a whole."""
    run_ingest(cloud, open_source("sample"), DEFAULT_TICKERS, FIRST, LAST)


def boto3(cloud: Cloud, quotes: pd.DataFrame, items: list[Item]) -> None:
    """Put the encoded bytes one by one; with more threads boto3 is slower."""
    for key, body in items:
        cloud.s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def awswrangler(cloud: Cloud, quotes: pd.DataFrame, items: list[Item]) -> None:
    """Write the same quotes as a partitioned dataset."""
    import awswrangler as wr

    wr.config.s3_endpoint_url = cloud.config.endpoint_url
    frame = quotes.assign(dt=quotes["traded_at"].dt.strftime("%Y-%m-%d"), source="sample")
    wr.s3.to_parquet(
        frame,
        path=f"s3://{BUCKET}/awswrangler/",
        dataset=True,
        partition_cols=["dt", "ticker"],
        boto3_session=cloud.session,
    )


def measure(cloud: Cloud, ways: list[Callable[..., None]]) -> dict[str, tuple[float, float]]:
    """Return each way's median rate, in objects a second, and this process's CPU, in ms an object.

    The ways take turns. The CPU, unlike the rate, hardly depends on what else the machine does.
    """
    quotes = open_source("sample").fetch(DEFAULT_TICKERS, FIRST, LAST).frame
    items = encode(quotes)
    taken: dict[str, list[tuple[float, float]]] = {way.__name__: [] for way in ways}
    for way in tqdm(ways * ROUNDS, desc="put"):
        start, start_cpu = time.perf_counter(), time.process_time()
        way(cloud, quotes, items)
        spent = time.perf_counter() - start, time.process_time() - start_cpu
        taken[way.__name__].append(spent)
    medians = {
        name: [statistics.median(times) for times in zip(*rows, strict=True)]
        for name, rows in taken.items()
    }
    return {
        name: (len(items) / wall, 1000 * cpu / len(items)) for name, (wall, cpu) in medians.items()
    }


def peak(endpoint_url: str, credentials_file: str, years: int) -> None:
    """Ingest so many years of five-minute bars, and print objects, rows and the peak in MB."""
    cloud = Cloud(config(endpoint_url, credentials_file))
    start, end = dt.date(2016, 1, 1), dt.date(2015 + years, 12, 31)
    batch = run_ingest(cloud, open_source("sample"), DEFAULT_TICKERS, start, end, interval="5m")
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{batch.objects} {batch.rows} {kilobytes / 1024:.0f}")


def measure_peaks(cloud: Cloud) -> dict[int, list[int]]:
    """Return objects, rows and peak MB of each number of years, a process each."""
    where = [str(cloud.config.endpoint_url), str(cloud.config.credentials_file)]
    return {
        years: [
            int(figure)
            for figure in subprocess.run(
                [sys.executable, __file__, "peak", *where, str(years)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()
        ]
        for years in tqdm(YEARS, desc="memory")
    }


def main() -> None:
    """Print the tables that are asked for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    wanted = sys.argv[1:] or ["speed", "memory"]
    if "speed" in wanted:
        with bare_ministack() as cloud:
            show_rates(measure(cloud, [raw, ours, boto3, awswrangler]), "ministack alone")
        for place, folder in PLACES.items():
            with local_aws(folder) as cloud:
                rates = measure(cloud, [raw, ours, ingest, boto3, awswrangler])
                show_rates(rates, f"the local AWS, its files {place}")
    if "memory" in wanted:
        with local_aws() as cloud:
            show_peaks(measure_peaks(cloud))


@contextmanager
def local_aws(folder: str | None = None) -> Iterator[Cloud]:
    """Run a local AWS with a bucket and a bronze table, and nothing in them."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        server = process.start(Path(place) / "state", port=0, owner=os.getpid())
        try:
            cloud = Cloud(config(server.endpoint_url, f"{place}/state/credentials"))
            make_lake(cloud)
            yield cloud
        finally:
            process.stop(Path(place) / "state")


@contextmanager
def bare_ministack() -> Iterator[Cloud]:
    """Run ministack by itself, without a file, with a bucket in it."""
    with (
        bound(LOCALHOST, 0) as listener,  # it holds the first call until ministack is there
        tempfile.NamedTemporaryFile("w") as key,
    ):
        key.write("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
        key.flush()
        host, port = listener.getsockname()
        command = [sys.executable, "-m", "uvicorn", "ministack.app:app", "--fd"]
        quick = ["--http", "httptools", "--loop", "uvloop", "--timeout-keep-alive", "75"]
        quiet = ["--no-access-log", "--log-level", "error"]
        variables = {"GATEWAY_PORT": str(port), "BIND_HOST": host, "LAMBDA_EXECUTOR": "local"}
        off = {"S3_PERSIST": "0", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}
        server = subprocess.Popen(
            [*command, str(listener.fileno()), *quick, *quiet],
            env={**os.environ, **variables, **off, "LOG_LEVEL": "ERROR"},
            pass_fds=[listener.fileno()],
        )
        try:
            cloud = Cloud(config(f"http://{host}:{port}", key.name))
            cloud.s3.create_bucket(Bucket=BUCKET)
            yield cloud
        finally:
            server.terminate()
            server.wait()


def show_rates(rates: dict[str, tuple[float, float]], server: str) -> None:
    """Print a table of speed."""
    print(f"\nThe server is {server}; load average {os.getloadavg()[0]:.1f}:")
    print("\n| way | objects/s | of raw | times awswrangler | CPU, ms an object |")
    print("|---|---|---|---|---|")
    slowest, floor = rates["awswrangler"][0], rates["raw"][0]
    for name, (rate, cpu) in rates.items():
        shares = f"{rate / floor:.0%} | {rate / slowest:.1f}"
        print(f"| {name} | {rate:,.0f} | {shares} | {cpu:.2f} |")


def show_peaks(peaks: dict[int, list[int]]) -> None:
    """Print the table of memory."""
    print("\n| years of 5-minute bars | objects | rows | peak MB | of one year |")
    print("|---|---|---|---|---|")
    for years, (objects, rows, megabytes) in peaks.items():
        share = megabytes / peaks[YEARS[0]][2]
        print(f"| {years} | {objects:,} | {rows:,} | {megabytes:,} | {share:.2f} |")


def make_lake(cloud: Cloud) -> None:
    """Make the bucket and the bronze table."""
    cloud.s3.create_bucket(Bucket=BUCKET)
    cloud.glue.create_database(DatabaseInput={"Name": BUCKET})
    location = f"s3://{BUCKET}/{names.BRONZE_PREFIX}"
    cloud.glue.create_table(
        DatabaseName=BUCKET,
        TableInput={
            "Name": names.BRONZE_TABLE,
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": schema.glue_partition_keys(),
            "StorageDescriptor": schema.storage_descriptor(schema.BRONZE, location),
        },
    )


def config(endpoint_url: str, credentials_file: str) -> Config:
    """Return a deployment with nothing but a bucket and a database."""
    where = {"endpoint_url": endpoint_url, "credentials_file": credentials_file}
    return Config("local", "us-east-1", BUCKET, "-", BUCKET, "-", "-", "-", **where)


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        peak(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
