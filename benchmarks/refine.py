"""How fast the refine is, and against what: the same data on the same machine in one run.

Run: .venv/bin/python benchmarks/refine.py               20 tickers, five years, most of an hour
     .venv/bin/python benchmarks/refine.py --small       a minute, to see that it runs
     .venv/bin/python benchmarks/refine.py --only s3 --sessions 124 --keep
                                                         the figures of docs/performance.md

Each way is a process of its own, from its start to its end, the ways taking turns; the tables
show medians. Beside the seconds stand CPU seconds, of all processes that a way started and of the
local AWS while it ran: they stay what they are when others use the machine. Each process is looked
at five times a second, for nobody waits for Spark's Python workers: what they did after the last
look is missed. Plain Spark takes minutes, on S3 most of an hour for 25,000 partitions, so it runs
`--plain-rounds` times; 0 leaves it out. The fair one reads and writes through S3, as on AWS, by
jars that `s3a.py` fetches.
The lake lies in memory where there is a /dev/shm, so that no disk is measured.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime as dt
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from figures import keep
from s3a import class_path
from tqdm import tqdm

from b3pipeline import lake, names
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import Config
from b3pipeline.deployment import provision
from b3pipeline.sources import open_source
from b3pipeline.sources.sample.stocks import STOCKS
from localaws import process
from localaws.glue.class_archive import archive_options
from localaws.glue.java import find_java

HERE = Path(__file__).parent
RIVALS, JOB = HERE / "rivals.py", HERE.parent / "glue/refine_job.py"
BUCKET, DATABASE = "benchmark", "benchmark"
PLAIN = f"s3://{BUCKET}/plain/b3"
FIRST, LAST = dt.date(2021, 1, 1), dt.date(2025, 12, 30)


@dataclass
class Timings:
    """Wall and CPU seconds of each way, and the seconds of the steps that it reported itself."""

    walls: dict[str, list[float]] = field(default_factory=dict)
    cpus: dict[str, list[float]] = field(default_factory=dict)
    steps: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def median(self, way: str) -> float:
        return statistics.median(self.walls[way])

    def cpu(self, way: str) -> float:
        return statistics.median(self.cpus[way])

    def step(self, way: str, name: str) -> float:
        return statistics.median(steps[name] for steps in self.steps[way])


@dataclass(frozen=True)
class Bench:
    """The lake, twice: behind a local AWS, and as plain folders."""

    cloud: Cloud
    folder: Path
    environment: dict[str, str]
    timings: Timings
    server: int  # process id of the local AWS

    @property
    def disk(self) -> tuple[str, str]:
        return str(self.folder / "bronze"), str(self.folder / "silver")

    @property
    def s3(self) -> tuple[str, str]:
        return f"s3://{BUCKET}/raw/b3", f"s3://{BUCKET}/benchmark/b3"

    def rival(self, way: str, places: tuple[str, str]) -> None:
        self.measure(way, [str(RIVALS), way, *places])
        if (self.folder / "silver").exists():
            shutil.rmtree(self.folder / "silver")

    def fair_rival(self, partitions: int) -> None:
        """Measure plain Spark on S3, see that all is there, and make room for the next round."""
        self.measure("spark_plain_s3a", [str(RIVALS), "spark_plain_s3a", self.s3[0], PLAIN])
        pages = self.cloud.s3.get_paginator("list_objects_v2")
        found = 0
        for page in pages.paginate(Bucket=BUCKET, Prefix=PLAIN.split("/", 3)[3]):
            keys = [{"Key": item["Key"]} for item in page["Contents"]]
            found += sum(key["Key"].endswith(".parquet") for key in keys)
            self.cloud.s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
        assert found == partitions, f"plain Spark wrote {found} of {partitions} partitions"

    def job(self, name: str, *argv: str) -> None:
        tables = ("--raw_bucket", BUCKET, "--database", DATABASE)
        self.measure(name, [str(JOB), *tables, *argv])

    def measure(self, name: str, command: list[str]) -> None:
        """Run a script to its end, note its wall time and the JSON of its last line."""
        start = time.perf_counter()
        with cpu_meter(self.server) as meter:
            run = subprocess.run(
                [sys.executable, *command], env=self.environment, capture_output=True, text=True
            )
            wall = time.perf_counter() - start
        used = meter.total
        assert run.returncode == 0, f"{name}:\n{run.stderr[-3000:]}"
        told = json.loads(run.stdout.splitlines()[-1])
        self.timings.walls.setdefault(name, []).append(wall)
        self.timings.cpus.setdefault(name, []).append(used)
        self.timings.steps.setdefault(name, []).append(told.get("seconds", told))
        tqdm.write(
            f"{name:28} {wall:7.1f} s {used:7.1f} CPU s  {json.dumps(told.get('seconds', told))}"
        )


def adopt_orphans() -> None:
    """Make this process the parent of what its children leave behind, as PySpark leaves its JVM."""
    if sys.platform == "linux":
        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


class CpuMeter(threading.Thread):
    """Looks at the CPU time of every process below this one, and of the local AWS."""

    def __init__(self, server: int) -> None:
        super().__init__(daemon=True)
        self.server = psutil.Process(server)
        self.at_first = own_cpu(self.server)
        self.seen: dict[int, float] = {}
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.2):
            for one in psutil.Process().children(recursive=True):
                if one.pid != self.server.pid:
                    with suppress(psutil.Error):
                        self.seen[one.pid] = own_cpu(one)

    @property
    def total(self) -> float:
        return sum(self.seen.values()) + own_cpu(self.server) - self.at_first


def own_cpu(one: psutil.Process) -> float:
    """Return the CPU seconds of a process; with those of the chmods, where it is Spark's Java."""
    times = one.cpu_times()
    java = one.name() == "java"
    return float(times.user + times.system + java * (times.children_user + times.children_system))


@contextmanager
def cpu_meter(server: int) -> Iterator[CpuMeter]:
    """Measure the CPU time of all that is started meanwhile, to the end of what outlives it."""
    meter = CpuMeter(server)
    meter.start()
    yield meter
    while others := [child for child in psutil.Process().children() if child.pid != server]:
        for child in others:
            with suppress(ChildProcessError):
                os.waitpid(child.pid, 0)
    meter.ended.set()
    meter.join()


def quotes(tickers: int, sessions: int) -> list[tuple[str, str, bytes]]:
    """Return day, ticker and body of each bronze object: the last sessions of the five years."""
    frame = open_source("sample").fetch(list(STOCKS)[:tickers], FIRST, LAST).frame
    moment = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    objects = lake.bronze_objects(frame, source="sample", batch_id="b0", ingested_at=moment)
    found = list(objects)
    first = sorted({day for day, _, _ in found})[-sessions - 1]
    return [item for item in found if item[0] >= first]


def make_lake(bench: Bench, objects: list[tuple[str, str, bytes]]) -> None:
    """Put and register bronze, and write the same bytes into folders."""
    put_sessions(bench, objects)
    for day, ticker, body in objects:
        path = bench.folder / f"bronze/dt={day}/ticker={ticker}/data.parquet"
        path.parent.mkdir(parents=True)
        path.write_bytes(body)


def put_manifest(bench: Bench, batch_id: str, objects: list[tuple[str, str, bytes]]) -> str:
    """Put the manifest of a batch that brought these objects; return its address."""
    partitions = {ticker: [day] for day, ticker, _ in objects}
    key = names.manifest_key(batch_id)
    bench.cloud.s3.put_object(
        Bucket=BUCKET, Key=key, Body=json.dumps({"version": 1, "partitions": partitions})
    )
    return f"s3://{BUCKET}/{key}"


def on_disk(bench: Bench, rounds: int, plain_rounds: int) -> None:
    """Time everything that works on local files."""
    for place in tqdm(range(max(rounds, plain_rounds)), desc="local disk"):
        if place < rounds:
            for way in ("job_on_disk", "polars_files"):
                bench.rival(way, bench.disk)
        if place < plain_rounds:
            for way in ("spark_plain", "spark_plain_without_chmod"):
                if way == "spark_plain" or "NO_CHMOD_CLASSES" in bench.environment:
                    bench.rival(way, bench.disk)


def through_s3(
    bench: Bench, objects: list[tuple[str, str, bytes]], rounds: int, plain_rounds: int
) -> None:
    """Time everything that speaks S3: a rebuild, then one new session, then its event again."""
    newest = objects[-1][0]
    last = [item for item in objects if item[0] == newest]
    for place in tqdm(range(rounds), desc="S3"):
        bench.job("rebuild", "--rebuild", "true")
        for way in ("objects_alone", "polars_objects"):
            bench.rival(way, bench.s3)
        if place < plain_rounds and "S3A_CLASS_PATH" in bench.environment:
            bench.fair_rival(len(objects) - (0 if place else len(last)))
        put_sessions(bench, last)
        manifest = put_manifest(bench, f"b{place}", last)
        bench.job("one session", "--batch_manifest", manifest)
        bench.job("duplicate event", "--batch_manifest", manifest)


def put_sessions(bench: Bench, objects: list[tuple[str, str, bytes]]) -> None:
    """Put and register sessions, as an ingestion does."""
    lake.put_objects(bench.cloud, [(names.bronze_key(day, t), body) for day, t, body in objects])
    lake.register_partitions(
        bench.cloud, names.BRONZE_TABLE, [(day, ticker) for day, ticker, _ in objects]
    )


def compiled_classes(folder: Path) -> dict[str, str]:
    """Return where the file system without chmod lies, compiled; nothing without a javac."""
    import pyspark

    javac = shutil.which(
        "javac", path=f"{os.environ.get('JAVA_HOME', '')}/bin:{os.environ['PATH']}"
    )
    if javac is None:
        print("no javac: the plain job without chmod is left out")
        return {}
    jars = Path(pyspark.__file__).parent / "jars/*"
    source = HERE / "NoChmod.java"
    options = ["--release", "17", "-cp", str(jars), "-d", str(folder / "classes")]
    subprocess.run([javac, *options, str(source)], check=True, capture_output=True)
    return {"NO_CHMOD_CLASSES": str(folder / "classes")}


def s3a_jars() -> dict[str, str]:
    """Return where Hadoop's S3A lies; nothing where it can be fetched no more."""
    try:
        return {"S3A_CLASS_PATH": class_path()}
    except subprocess.CalledProcessError:
        print("Hadoop's S3A could not be fetched: plain Spark on S3, the fair rival, is left out")
        return {}


def table(t: Timings, partitions: int) -> str:
    """Return the results as a Markdown table; ratios are to the way named first in each part."""
    start = t.median("spark_start")

    def lines(base: str, ways: dict[str, str], less_start: set[str]) -> Iterator[str]:
        def work(way: str) -> tuple[float, float]:
            has_start = way in less_start
            return (
                t.median(way) - has_start * t.median("spark_start"),
                t.cpu(way) - has_start * t.cpu("spark_start"),
            )

        for way, words in ways.items():
            if way in t.walls and base in t.walls:
                (rest, cpu), (base_rest, base_cpu) = work(way), work(base)
                yield (
                    f"| {words} | {t.median(way):.1f} | {t.cpu(way):.1f} | {rest:.1f} | {cpu:.1f} "
                    f"| {rest / base_rest:.2f} | {cpu / base_cpu:.2f} |"
                )

    head = (
        "| {} | seconds | CPU s | without Spark's start: seconds | CPU s | ratio, seconds "
        "| ratio, CPU |\n|---|---|---|---|---|---|---|"
    )
    parts = [
        f"{partitions:,} partitions. Spark's cold start, session and first query: {start:.1f} s "
        f"({t.step('spark_start', 'session'):.1f} s of them the session), "
        f"{t.cpu('spark_start'):.1f} CPU s.",
        "",
        head.format("local disk"),
        *lines("job_on_disk", DISK, {"job_on_disk", "spark_plain", "spark_plain_without_chmod"}),
        "",
        head.format("through the local AWS"),
        *lines("objects_alone", S3, {"rebuild", "spark_plain_s3a"}),
        "",
        *fair_ratio(t),
        "| one more session | seconds | above Spark's cold start: seconds | CPU s |",
        "|---|---|---|---|",
        *(
            f"| {way} | {t.median(way):.1f} | {t.median(way) - start:+.1f} "
            f"| {t.cpu(way) - t.cpu('spark_start'):+.1f} |"
            for way in DAY
            if way in t.walls
        ),
    ]
    return "\n".join(parts)


def fair_ratio(t: Timings) -> Iterator[str]:
    """Give the sentence that says how many times the fair rival takes what the job takes."""
    if {"rebuild", "spark_plain_s3a"} <= t.walls.keys():
        ours, plain, start = map(t.median, ("rebuild", "spark_plain_s3a", "spark_start"))
        yield (
            f"Plain Spark on S3 takes {plain / ours:.1f} times as long as the job, "
            f"without Spark's start {(plain - start) / (ours - start):.1f} times.\n"
        )


DISK = {
    "job_on_disk": "the job's tasks on files",
    "spark_plain": "plain Spark, as it comes",
    "spark_plain_without_chmod": "plain Spark, without chmod",
    "polars_files": "polars, one process",
}
S3 = {
    "objects_alone": "get and put alone, 16 threads",
    "rebuild": "the job: --rebuild",
    "polars_objects": "polars, one process: 16 threads get and put",
    "spark_plain_s3a": "plain Spark by S3A, committer 2: fair",
}
DAY = ("one session", "duplicate event")


@contextmanager
def opened(prefix: str) -> Iterator[Bench]:
    """Make a local AWS with an empty lake, in memory where that can be; it is gone at the end."""
    with tempfile.TemporaryDirectory(prefix=prefix, dir=in_memory()) as name:
        folder = Path(name)
        server = process.start(folder / "state", port=0, standby="no")
        try:
            config = Config("local", "us-east-1", BUCKET, "-", DATABASE, *"---")
            where = {"endpoint_url": server.endpoint_url}
            where["credentials_file"] = str(folder / "state" / "credentials")
            cloud = Cloud(replace(config, **where))
            java = str(find_java().home)
            environment = {
                **os.environ,
                **cloud.config.environment(),
                **compiled_classes(folder),
                "JAVA_HOME": java,
                "PYSPARK_PYTHON": sys.executable,
                "SPARK_SUBMIT_OPTS": archive_options(java),  # as a run of the local AWS has it
                "SILVER_BYTES": "2300",
            }
            cloud.s3.create_bucket(Bucket=BUCKET)
            provision.ensure_catalog(cloud)
            yield Bench(cloud, folder, environment, Timings(), server.pid)
        finally:
            process.stop(folder / "state")


def in_memory() -> str | None:
    """Return a folder that lies in memory, where there is one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - meant


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tickers", type=int, default=20, help="20 at most")
    parser.add_argument("--sessions", type=int, default=1240, help="1,240 are five years")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain-rounds", type=int, default=1, help="plain Spark takes minutes")
    parser.add_argument("--small", action="store_true", help="4 tickers, 50 sessions, one round")
    parser.add_argument("--keep", action="store_true", help="leave the figures in figures.json")
    parser.add_argument("--only", choices=("disk", "s3"), help="one of the two parts alone")
    given = parser.parse_args()
    if given.small:
        given.tickers, given.sessions, given.rounds = 4, 50, 1
    return given


def main() -> None:
    """Print the tables."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    given = arguments()
    objects = quotes(given.tickers, given.sessions)
    newest = objects[-1][0]
    history = [item for item in objects if item[0] < newest]
    adopt_orphans()
    with opened("refine") as bench:
        make_lake(bench, history)
        if given.plain_rounds and given.only != "disk":
            bench.environment.update(s3a_jars())
        before = os.getloadavg()[0]
        print(f"load average before: {before:.1f}")
        for _ in range(given.rounds):
            bench.rival("spark_start", bench.disk)
        if given.only != "disk":
            through_s3(bench, objects, given.rounds, given.plain_rounds)
        if given.only != "s3":
            on_disk(bench, given.rounds, given.plain_rounds)
        after = os.getloadavg()[0]
        print(f"load average after: {after:.1f}")
    print(table(bench.timings, len(history)))
    if given.keep:
        t = bench.timings
        seconds = {words: t.median(way) for way, words in S3.items() if way in t.walls}
        start = {"Spark's start": t.median("spark_start")}
        keep("rebuild", start | seconds, load=(before, after), partitions=len(history))


if __name__ == "__main__":
    main()
