"""The memory of an ingestion: that of one question to the source, however long the history."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CHILD = Path(__file__).with_name("ingest_child.py")
ROWS_A_FETCH = 10_000


def peak(cloud, end, rows_a_fetch=ROWS_A_FETCH):
    """Return the highest memory (kB) of a process that ingests five-minute bars of two stocks."""
    job = {
        "config": dataclasses.asdict(cloud.config),
        "faults": "",
        "tickers": ["PETR4", "VALE3"],
        "start": "2022-01-03",
        "end": end,
        "window": 0,
        "now": "2024-07-01T09:00:00+00:00",
        "batch_id": f"until-{end}",
        "interval": "5m",
        "rows_a_fetch": rows_a_fetch,
    }
    code = f"import runpy; runpy.run_path({str(CHILD)!r}, {{'job': {job!r}}})"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=250
    )
    return int(answer.stdout)


def test_eight_times_the_history_takes_the_same_memory(lake_cloud):
    """60 sessions are one question of 10,000 bars, 480 are eight of them."""
    short, long = peak(lake_cloud, "2022-03-29"), peak(lake_cloud, "2023-12-05")
    assert (
        len(
            lake_cloud.s3.list_objects_v2(
                Bucket=lake_cloud.config.raw_data_bucket, Prefix="raw/b3/dt=2023-12-05/"
            )["Contents"]
        )
        == 2
    )
    assert long < 1.15 * short, f"{short / 1024:.0f} MB for one, {long / 1024:.0f} MB for eight"
