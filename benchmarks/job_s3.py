"""What the job's S3 client costs: botocore's parts, which Glue has, beside obstore.

Run: .venv/bin/python benchmarks/job_s3.py            1,240 and 4,980 objects, a quarter of an hour
     .venv/bin/python benchmarks/job_s3.py --small    40 objects, one round, to see that it runs

`objects` fetches every bronze object and puts one of silver's size for each, as a task does.
`the job` is `refine_job.py --rebuild true` as a whole, from its start to its end: for obstore it
runs with a copy of the package in which job/objects.py is another one. The ways take turns, the
table shows medians. CPU seconds are those of all processes of a way and of the local AWS.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

from refine import BUCKET, Timings, adopt_orphans, opened, put_sessions, quotes
from tqdm import tqdm

import b3pipeline
from b3pipeline import names

SIZES = {1240: (10, 124), 4980: (20, 249)}
"""Tickers and sessions of each lake: a course's and a year's."""

OBSTORE = """
from datetime import timedelta
from urllib.parse import urlsplit

import obstore
from obstore.store import S3Store


class Objects:
    def __init__(self, store):
        import os
        retry = {"max_retries": ATTEMPTS - 1, "retry_timeout": timedelta(seconds=60)}
        options = {"region": store.region, "retry_config": retry}
        if store.endpoint_url:
            options |= {"endpoint": store.endpoint_url,
                        "client_options": {"allow_http": True, "timeout": "60s"}}
        self.files = S3Store(store.bucket, **options)

    def get(self, key):
        return bytes(obstore.get(self.files, key).bytes())

    def put(self, key, body):
        obstore.put(self.files, key, body, use_multipart=False)
"""

OBJECTS = """
import json, os, sys, time
from concurrent.futures import ThreadPoolExecutor
from b3pipeline.job.objects import Store
from b3pipeline import names

keys = json.load(open(sys.argv[1]))
objects = Store(sys.argv[2], "us-east-1", os.environ["AWS_ENDPOINT_URL"]).connect()
with ThreadPoolExecutor(16) as threads:
    began = time.perf_counter()
    list(threads.map(objects.get, keys))
    got = time.perf_counter()
    list(threads.map(lambda key: objects.put("benchmark/" + key, b"x" * 2300), keys))
print(json.dumps({"get": got - began, "put": time.perf_counter() - got}))
"""


def other_package(folder: Path) -> Path:
    """Return a folder with a copy of the package whose job reads and writes by obstore."""
    source = Path(b3pipeline.__file__).parent
    shutil.copytree(source, folder / "b3pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "b3pipeline" / "job" / "objects.py").open("a") as module:
        module.write(OBSTORE)
    return folder


def measure(tickers: int, sessions: int, rounds: int, job_rounds: int) -> str:
    """Return the lines of the table for a lake of so many tickers and sessions."""
    objects = quotes(tickers, sessions - 1)
    with opened("job_s3") as bench:
        put_sessions(bench, objects)
        keys = bench.folder / "keys.json"
        keys.write_text(json.dumps([names.bronze_key(day, ticker) for day, ticker, _ in objects]))
        paths = {"botocore": "", "obstore": str(other_package(bench.folder / "other"))}
        ways = {
            way: replace(bench, environment={**bench.environment, "PYTHONPATH": path})
            for way, path in paths.items()
        }
        for _ in tqdm(range(rounds), desc=f"{len(objects):,} objects"):
            for way, here in ways.items():
                here.measure(f"{way}: objects", ["-c", OBJECTS, str(keys), BUCKET])
        for _ in tqdm(range(job_rounds), desc=f"{len(objects):,} objects, the job"):
            for way, here in ways.items():
                here.job(f"{way}: the job", "--rebuild", "true")
    return "\n".join(lines(len(objects), bench.timings))


def lines(count: int, timings: Timings) -> list[str]:
    """Return the rows of one lake: the steps of `objects`, then the job as a whole."""
    rows = []
    for step in ("get", "put"):
        ours, theirs = (timings.step(f"{way}: objects", step) for way in ("botocore", "obstore"))
        rows.append(
            f"| {count:,} objects, {step} | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} |"
        )
    acts = [act for act in ("objects", "the job") if f"botocore: {act}" in timings.walls]
    for act in acts:
        for unit, of in (("seconds", timings.median), ("CPU s", timings.cpu)):
            ours, theirs = of(f"botocore: {act}"), of(f"obstore: {act}")
            rows.append(
                f"| {count:,} objects, {act} as a whole, {unit} | {ours:.1f} | {theirs:.1f} "
                f"| {ours / theirs:.2f} |"
            )
    return rows


def main() -> None:
    """Print the table."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="of the objects")
    parser.add_argument("--job-rounds", type=int, default=3, help="of the job, which takes longer")
    parser.add_argument("--small", action="store_true", help="4 tickers, 10 sessions, one round")
    given = parser.parse_args()
    adopt_orphans()
    print(f"load average before: {os.getloadavg()[0]:.1f}")
    sizes = [(4, 10)] if given.small else SIZES.values()
    rounds = (1, 1) if given.small else (given.rounds, given.job_rounds)
    found = [measure(*size, *rounds) for size in sizes]
    print(f"load average after: {os.getloadavg()[0]:.1f}\n")
    print("| | botocore | obstore | ratio |\n|---|---|---|---|")
    print("\n".join(found))


if __name__ == "__main__":
    main()
