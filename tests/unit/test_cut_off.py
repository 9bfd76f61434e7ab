"""SIGKILL at any point of an ingestion, and a second run: bronze is as after one clean run."""

import dataclasses
import datetime as dt
import importlib.util
import multiprocessing
import os
import runpy
import signal
import sys
from pathlib import Path

import pytest

from b3pipeline import lake
from b3pipeline.cloud.clients import Cloud
from b3pipeline.ingest import ingest, resume
from b3pipeline.sources import open_source

pytestmark = pytest.mark.slow

CHILD = Path(__file__).with_name("ingest_child.py")
PROXY = Path(__file__).parents[1] / "spark/proxy.py"
SEED = "20240621T220000Z-seed0000"
NOW = dt.datetime(2024, 6, 26, 9, 0, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(minutes=7)
TICKERS = ["PETR4", "VALE3"]
FAULTS = "split:PETR4:2024-06-24:2; bad:VALE3:2024-06-25"
JOB = {
    "tickers": TICKERS,
    "start": "2024-06-24",
    "end": "2024-06-25",
    "window": 3,
    "faults": FAULTS,
    "now": NOW.isoformat(),
    "batch_id": "20240626T090000Z-killed00",
}

WRITES = (
    *("plan", "slice", "history of PETR4", "seal"),
    *("VALE3", "quarantine", "mark"),
    *(f"PETR4 {n}" for n in range(7)),
    *("mark", "partitions", "manifest"),
    *("delete 1", "delete 2", "delete 3", "delete 4", "delete 5", "delete 6"),
)
"""What the batch writes, in order. The process is killed in the middle of one of them."""
KILLS = (1, 2, 3, 4, 5, 6, 7, 11, 13, 14, 15, 16, 17, 20, 22)


@pytest.fixture(scope="module")
def proxy(localaws_endpoint):
    """A proxy before the local AWS that counts writes, and calls a killer at one of them."""
    spec = importlib.util.spec_from_file_location("proxy", PROXY)
    module = sys.modules["proxy"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = module.Proxy(localaws_endpoint)
    yield server
    server.close()


@pytest.fixture(scope="module")
def children():
    """A maker of processes that have imported everything, and nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["b3pipeline.ingest", "b3pipeline.sources.sample", "pandera.pandas"]
    )
    return context


@pytest.fixture
def through_proxy(lake_cloud, proxy):
    """The lake of the test, with a week of two stocks in it, reached through the proxy."""
    seed(lake_cloud)
    proxy.writes_left, proxy.on_death = None, lambda: None
    proxy.requests.clear()
    return Cloud(dataclasses.replace(lake_cloud.config, endpoint_url=proxy.endpoint_url))


def seed(cloud):
    """Put the week before into bronze, so that the batch finds a history to restate."""
    source = open_source("sample")
    ingest(cloud, source, TICKERS, "2024-06-17", "2024-06-21", clock=lambda: NOW, batch_id=SEED)


def killed(children, proxy, cloud, writes):
    """Run the ingestion in a child that dies with SIGKILL once so many writes have passed."""
    job = JOB | {"config": dataclasses.asdict(cloud.config)}
    child = children.Process(target=runpy.run_path, args=(str(CHILD), {"job": job}))
    proxy.on_death = lambda: os.kill(child.pid, signal.SIGKILL)
    proxy.writes_left = writes
    child.start()
    child.join(60)
    proxy.writes_left = None
    return child.exitcode


def bronze(cloud):
    """Return the body of each bronze object."""
    bucket = cloud.config.raw_data_bucket
    return {
        item["Key"]: cloud.s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        for item in cloud.s3.list_objects_v2(Bucket=bucket, Prefix="raw/b3/dt=")["Contents"]
    }


@pytest.fixture(scope="module")
def clean():
    """What one clean run leaves, once a test has made it."""
    return {}


def assert_as_one_clean_run(cloud, proxy, clean):
    """Compare with the clean run: every byte, the catalog, one manifest, nothing left over."""
    listed = cloud.s3.list_objects_v2(Bucket=cloud.config.raw_data_bucket, Prefix="raw/b3/_")
    hidden = [item["Key"] for item in listed["Contents"]]
    assert hidden == [
        f"raw/b3/_batches/{SEED}.json",
        f"raw/b3/_batches/{JOB['batch_id']}.json",
        f"raw/b3/_quarantine/{JOB['batch_id']}/0000.parquet",
    ]
    puts = [line for line in proxy.requests if line.startswith("PUT") and "/_batches/" in line]
    assert len(puts) == 1  # the event of each PUT would start a refine
    assert bronze(cloud) == clean["bronze"]
    assert lake.list_partitions(cloud, "b3_daily_quotes") == clean["partitions"]


@pytest.mark.timeout(120)
def test_what_a_clean_run_writes_is_known(through_proxy, lake_cloud, proxy, children, clean):
    """The list above names each write, so that the kills below hit what they say."""
    assert killed(children, proxy, through_proxy, 99) == 0
    assert len(proxy.writes()) == len(WRITES)
    clean["bronze"] = bronze(lake_cloud)
    clean["partitions"] = lake.list_partitions(lake_cloud, "b3_daily_quotes")
    assert len(clean["bronze"]) == 13  # ten, three new; VALE3's bad session is held back
    assert_as_one_clean_run(lake_cloud, proxy, clean)


@pytest.mark.parametrize("place", KILLS, ids=lambda n: f"{n:02} {WRITES[n]}")
def test_killed_and_run_again_it_is_as_if_run_once(
    through_proxy, lake_cloud, proxy, children, clean, place
):
    """The second run is told another id and time, and keeps those of the first: every byte."""
    assert killed(children, proxy, through_proxy, place) == -signal.SIGKILL
    vars(through_proxy).update(s3=lake_cloud.s3, glue=lake_cloud.glue)
    market = open_source("sample", faults=FAULTS)
    again = {"window": 3, "clock": lambda: LATER}

    if place % 2:
        span = (TICKERS, JOB["start"], JOB["end"])
        batch = ingest(through_proxy, market, *span, **again, batch_id="second")
    else:
        batch = resume(through_proxy, lambda name: market, **again)

    assert (batch.batch_id, batch.resumed) == (JOB["batch_id"], True)
    assert_as_one_clean_run(lake_cloud, proxy, clean)


def test_killed_before_its_first_write_it_has_never_been(
    through_proxy, lake_cloud, proxy, children
):
    """There is no journal to go on from: the second run is a batch of its own."""
    assert killed(children, proxy, through_proxy, 0) == -signal.SIGKILL
    market = open_source("sample", faults=FAULTS)
    batch = ingest(lake_cloud, market, TICKERS, "2024-06-24", "2024-06-25", clock=lambda: LATER)
    assert not batch.resumed
    assert batch.batch_id != JOB["batch_id"]
    assert len(bronze(lake_cloud)) == 13
