"""How long a question over 1,240 partitions takes on the local AWS, and where the time goes.

Run: .venv/bin/python benchmarks/query.py [rounds]      fifteen where no number is given

Bronze of ten tickers over half a year, one object a session, its files in memory where there is a
/dev/shm. The same questions are asked in turns by `athena.query` and by awswrangler alone: as it
comes, which looks once a second whether a query has ended, and looking as often as we once did.
The second table says where the time of `athena.query` goes: the engine's part is the server's own
figure, all else is what this process waits for and computes.
"""

# ruff: noqa: S608 - questions to a table of ours
from __future__ import annotations

import datetime as dt
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import awswrangler as wr
import pandas as pd

from b3pipeline import athena, lake, names, schema
from b3pipeline.athena import asking
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import Config
from b3pipeline.exchange import EXCHANGE
from b3pipeline.sources import open_source
from localaws import process

NAME = "benchmark"
FIRST, LAST = dt.date(2025, 1, 2), dt.date(2025, 7, 2)
MEMORY = "/dev/shm"  # noqa: S108 - meant
TABLE = names.BRONZE_TABLE
QUESTIONS = {
    "a row a ticker": f"SELECT ticker, count(*) AS n, avg(close) AS x FROM {TABLE} GROUP BY ticker",
    "a row a partition": f"SELECT dt, ticker, close, volume FROM {TABLE} ORDER BY dt, ticker",
    "no table": "SELECT 1 AS one",
}
WAYS: dict[str, Callable[[Cloud, str], pd.DataFrame]] = {
    "athena.query": lambda cloud, sql: athena.query(cloud, sql).frame,
    "awswrangler, looking after 0.05 s": lambda cloud, sql: plain(cloud, sql, 0.05),
    "awswrangler as it comes": lambda cloud, sql: plain(cloud, sql, 1.0),
}


def plain(cloud: Cloud, sql: str, pause: float) -> pd.DataFrame:
    """Return what awswrangler alone brings, looking every `pause` seconds."""
    return wr.athena.read_sql_query(
        sql,
        NAME,
        ctas_approach=False,
        workgroup=NAME,
        s3_output=f"s3://{NAME}/results/",
        boto3_session=cloud.session,
        athena_query_wait_polling_delay=pause,
    )


@dataclass
class Parts:
    """Seconds of the parts of one question, told apart by wrapping what `ask` calls."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def of(self, cloud: Cloud) -> Iterator[None]:
        """Count, for as long as this lasts."""
        kept = {name: getattr(asking, name) for name in ("_start", "_wait", "_fetch")}
        try:
            for name, act in kept.items():
                setattr(asking, name, self._timed(name, act))
            yield
        finally:
            for name, act in kept.items():
                setattr(asking, name, act)

    def _timed(self, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any) -> Any:
            began = time.perf_counter()
            try:
                return act(*given)
            finally:
                self.seconds[name] += time.perf_counter() - began

        return timed


def where_it_goes(cloud: Cloud, sql: str) -> dict[str, float]:
    """Return the seconds of each part of one question."""
    parts = Parts()
    began = time.perf_counter()
    with parts.of(cloud):
        answer = athena.query(cloud, sql)
    whole = time.perf_counter() - began
    start, wait, fetch = (parts.seconds[name] for name in ("_start", "_wait", "_fetch"))
    return {
        "StartQueryExecution": start,
        "the engine, by its own figure": min(answer.seconds, wait),
        "looking whether it has ended, and between looks": max(wait - answer.seconds, 0.0),
        "GetQueryResults": fetch,
        "the frame": whole - start - wait - fetch,
    }


def main() -> None:
    """Print the tables."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with local_aws() as cloud:
        wr.config.athena_endpoint_url = wr.config.s3_endpoint_url = cloud.config.endpoint_url
        fill(cloud)
        for sql in QUESTIONS.values():  # footers are read, engines started
            for ask in WAYS.values():
                ask(cloud, sql)
        time.sleep(3)  # folders that changed just now are listed anew
        show_ways(cloud, rounds)
        show_parts(cloud, rounds)


def show_ways(cloud: Cloud, rounds: int) -> None:
    """Print seconds and CPU of each way, and the ratio to awswrangler that looks often."""
    print(f"load average {os.getloadavg()[0]:.1f}\n")
    print("| question | way | seconds | ratio | CPU of the client, s |\n|---|---|---|---|---|")
    for question, sql in QUESTIONS.items():
        taken: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way, ask in WAYS.items():
                began, cpu = time.perf_counter(), time.process_time()
                ask(cloud, sql)
                taken[way].append((time.perf_counter() - began, time.process_time() - cpu))
        medians = {
            way: [statistics.median(figures) for figures in zip(*rows, strict=True)]
            for way, rows in taken.items()
        }
        before = medians["awswrangler, looking after 0.05 s"][0]
        for way, (seconds, cpu) in medians.items():
            print(f"| {question} | {way} | {seconds:.3f} | {seconds / before:.2f} | {cpu:.3f} |")


def show_parts(cloud: Cloud, rounds: int) -> None:
    """Print where the time of each question goes."""
    found = {
        question: [where_it_goes(cloud, sql) for _ in range(rounds)]
        for question, sql in QUESTIONS.items()
    }
    print(f"\n| milliseconds of | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
    for part in found["no table"][0]:
        medians = (1000 * statistics.median(one[part] for one in rows) for rows in found.values())
        print(f"| {part} | {' | '.join(f'{each:.0f}' for each in medians)} |")


@contextmanager
def local_aws() -> Iterator[Cloud]:
    """Run a local AWS with a bucket, a workgroup and a bronze table, and nothing in them."""
    folder = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=folder) as place:
        state = Path(place) / "state"
        server = process.start(state, port=0, owner=os.getpid())
        try:
            where = {
                "endpoint_url": server.endpoint_url,
                "credentials_file": f"{state}/credentials",
            }
            cloud = Cloud(Config("local", "us-east-1", NAME, NAME, NAME, "-", "-", NAME, **where))
            make_lake(cloud)
            yield cloud
        finally:
            process.stop(state)


def make_lake(cloud: Cloud) -> None:
    """Make the bucket, the workgroup and the bronze table."""
    cloud.s3.create_bucket(Bucket=NAME)
    results = {"ResultConfiguration": {"OutputLocation": f"s3://{NAME}/results/"}}
    cloud.athena.create_work_group(Name=NAME, Configuration=results)
    cloud.glue.create_database(DatabaseInput={"Name": NAME})
    location = f"s3://{NAME}/{names.BRONZE_PREFIX}"
    cloud.glue.create_table(
        DatabaseName=NAME,
        TableInput={
            "Name": TABLE,
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": schema.glue_partition_keys(),
            "StorageDescriptor": schema.storage_descriptor(schema.BRONZE, location),
        },
    )


def fill(cloud: Cloud) -> None:
    """Put and register the objects."""
    quotes = open_source("sample").fetch(EXCHANGE.default_tickers, FIRST, LAST).frame
    stamp = {"source": "sample", "batch_id": NAME, "ingested_at": dt.datetime.now(dt.UTC)}
    objects = list(lake.bronze_objects(quotes, **stamp))
    lake.put_objects(cloud, ((names.bronze_key(day, code), body) for day, code, body in objects))
    lake.register_partitions(cloud, TABLE, [(day, code) for day, code, _ in objects])
    print(f"{len(objects):,} partitions, ", end="")


if __name__ == "__main__":
    main()
