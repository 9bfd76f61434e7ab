"""How fast 2,500 one-row bronze objects reach the local AWS, and against what.

Run: .venv/bin/python benchmarks/put.py

Every way puts the same bytes, in turns, on a server of its own; the table shows medians. `raw`
is the floor: plain HTTP with kept connections, no signature, no retries, nothing checked.
"""

from __future__ import annotations

import datetime as dt
import http.client
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from b3pipeline import lake, names
from b3pipeline.aws import Cloud
from b3pipeline.config import Config
from b3pipeline.ingest import DEFAULT_TICKERS
from b3pipeline.sources import open_source
from localaws import process

ROUNDS = 5
CONNECTIONS = 4
BUCKET = "benchmark"

Item = tuple[str, bytes]


def encoded() -> list[Item]:
    """Return key and body of each object: ten stocks, the 250 sessions of 2025."""
    quotes = open_source("sample").fetch(
        DEFAULT_TICKERS, dt.date(2025, 1, 1), dt.date(2025, 12, 31)
    )
    objects = lake.bronze_objects(
        quotes.frame, source="sample", batch_id="benchmark", ingested_at=dt.datetime.now(dt.UTC)
    )
    return [(names.bronze_key(day, ticker), body) for day, ticker, body in objects]


def raw(cloud: Cloud, items: list[Item]) -> None:
    """Put everything by plain HTTP, over a few connections."""

    def put(part: list[Item]) -> None:
        server = http.client.HTTPConnection(
            str(cloud.config.endpoint_url).removeprefix("http://"), timeout=60
        )
        for key, body in part:
            server.request("PUT", f"/{BUCKET}/{key}", body)
            answer = server.getresponse()
            answer.read()
            assert answer.status == 200

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(put, [items[place::CONNECTIONS] for place in range(CONNECTIONS)]))


def ours(cloud: Cloud, items: list[Item]) -> None:
    """Put everything as the ingestion does."""
    lake.put_objects(cloud, items)


def boto3(cloud: Cloud, items: list[Item]) -> None:
    """Put everything one by one; with more threads boto3 is slower."""
    for key, body in items:
        cloud.s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def measure(ways: list[Callable[[Cloud, list[Item]], None]], cloud: Cloud) -> dict[str, float]:
    """Return the median rate of each way, in objects a second; the ways take turns."""
    items = encoded()
    seconds: dict[str, list[float]] = {way.__name__: [] for way in ways}
    for way in tqdm(ways * ROUNDS, desc="put"):
        start = time.perf_counter()
        way(cloud, items)
        seconds[way.__name__].append(time.perf_counter() - start)
    return {name: len(items) / statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    """Print the table."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    start = time.perf_counter()
    items = encoded()
    print(f"encoded {len(items):,} objects of {len(items[0][1]):,} bytes and their quotes", end=" ")
    print(f"in {time.perf_counter() - start:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        server = process.start(Path(folder) / "state", port=0)
        try:
            cloud = Cloud(config(server.endpoint_url))
            cloud.s3.create_bucket(Bucket=BUCKET)
            rates = measure([raw, ours, boto3], cloud)
        finally:
            process.stop(Path(folder) / "state")
    for name, rate in rates.items():
        print(f"{name:6} {rate:6,.0f} objects/s  {rate / rates['raw']:5.0%} of raw")


def config(endpoint_url: str) -> Config:
    """Return a deployment with nothing but a bucket."""
    return Config("local", "us-east-1", BUCKET, "-", "-", "-", "-", "-", endpoint_url=endpoint_url)


if __name__ == "__main__":
    main()
