"""What 500 tickers over a year take on the local AWS, from the exchange's file to `SELECT *`.

Run: .venv/bin/python benchmarks/scale.py          half an hour and more on a slow disk
     .venv/bin/python benchmarks/scale.py 20       as many tickers

A file in the exchange's format, simulated, is ingested as a whole; its event starts the run that
refines it; then one statement reads all of silver. The baseline is plain HTTP that puts as many
objects, right before: each step stands beside it as a ratio, for machines differ and are shared.
Memory is that of the server alone, looked at four times a second.
"""

from __future__ import annotations

import datetime as dt
import itertools
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
import psutil
from ingest import encode, raw
from tqdm import tqdm

from b3pipeline import names
from b3pipeline.athena import query
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import copy_checkout
from b3pipeline.deployment import sandbox
from b3pipeline.ingest import Request
from b3pipeline.ingest import ingest as run_ingest
from b3pipeline.refine import describe, wait_for_run, wait_for_start
from b3pipeline.sources import open_source
from b3pipeline.sources.cotahist.writer import write_cotahist
from b3pipeline.sources.sample.stocks import STOCKS

ROOT = Path(__file__).parents[1]
FIRST, LAST = dt.date(2024, 1, 1), dt.date(2024, 12, 30)
STEPS = ("raw puts", "ingest", "refine", "SELECT *")
ALL = f"SELECT * FROM {names.SILVER_TABLE}"  # noqa: S608


def market(tickers: int) -> pd.DataFrame:
    """Return a year of so many tickers: the simulated stocks, each under many names."""
    codes = ["".join(letters) + "3" for letters in itertools.product("QWXYZ", repeat=4)][:tickers]
    stocks = open_source("sample").fetch(list(STOCKS), FIRST, LAST).frame
    lent = itertools.cycle([rows for _, rows in stocks.groupby("ticker")])
    return pd.concat([next(lent).assign(ticker=code) for code in codes], ignore_index=True)


class Peak(threading.Thread):
    """The most memory that a process has held."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process(pid)
        self.most = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.25):
            self.most = max(self.most, self.process.memory_info().rss)


def main() -> None:
    """Print the table of a year of so many tickers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    quotes = market(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
    with tempfile.TemporaryDirectory() as place:
        root = copy_checkout(ROOT, Path(place) / "checkout")
        write_cotahist(quotes, Path(place) / "files")
        cloud = Cloud(sandbox.up(root=root, port=0))
        try:
            show(cloud, quotes, Path(place) / "files", int(sandbox.status(root).pid or 0))
        finally:
            sandbox.down(root)


def show(cloud: Cloud, quotes: pd.DataFrame, files: Path, server: int) -> None:
    """Measure the steps one after the other, and print them."""
    seconds: list[float] = []
    memory = Peak(server)
    memory.start()
    bar = tqdm(STEPS)
    items = [(f"baseline/{key}", body) for key, body in encode(quotes)]

    began = time.monotonic()
    raw(cloud, quotes, items, cloud.config.raw_data_bucket)
    seconds.append(time.monotonic() - began)
    bar.update()

    began = time.monotonic()
    asked = Request.of("cotahist", sorted(set(quotes["ticker"])), FIRST, LAST)
    batch = run_ingest(cloud, open_source("cotahist", path=files), asked)
    seconds.append(time.monotonic() - began)
    bar.update()

    manifest = f"s3://{cloud.config.raw_data_bucket}/{names.manifest_key(batch.batch_id)}"
    run = wait_for_run(cloud, wait_for_start(cloud, manifest).run_id)
    assert run.state == "SUCCEEDED", run
    assert describe(cloud, run).written == len(items)
    seconds.append(run.seconds)
    bar.update()

    began = time.monotonic()
    rows = len(query(cloud, ALL).frame)
    assert rows == len(items), rows
    seconds.append(time.monotonic() - began)
    bar.update()
    bar.close()
    memory.ended.set()

    print(f"\n{len(items):,} objects; the server held {memory.most / 2**20:,.0f} MB at most")
    print("\n| step | seconds | objects/s | of the raw puts |\n|---|---|---|---|")
    for name, taken in zip(STEPS, seconds, strict=True):
        print(f"| {name} | {taken:.0f} | {len(items) / taken:,.0f} | {taken / seconds[0]:.2f} |")


if __name__ == "__main__":
    main()
