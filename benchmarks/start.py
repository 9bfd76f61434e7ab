"""How long a run of one session takes, from the standby of the local AWS and cold.

Run: .venv/bin/python benchmarks/start.py [rounds]      five where no number is given

One session of one ticker is refined again and again, in turns: a run that finds a standby, and one
that comes right after it, when there is none. Seconds are those of `StartJobRun` to `SUCCEEDED`, as
a client sees them. How long the standby takes to be made is counted apart.

`runs` as the second word starts so many runs instead, and prints what the server holds before and
after: benchmarks/start.py 50 runs. `keep` leaves the medians in figures.json.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from figures import keep

from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import copy_checkout
from b3pipeline.deployment import sandbox
from b3pipeline.ingest import Request, ingest
from b3pipeline.refine import start_refine, wait_for_run
from b3pipeline.sources import open_source

ROOT = Path(__file__).parents[1]
DAY, TICKER = "2025-03-10", "PETR4"


def main() -> None:
    """Print the table of the words on the command line."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    os.environ["LOCALAWS_STANDBY"] = "now"
    with tempfile.TemporaryDirectory() as place:
        root = copy_checkout(ROOT, Path(place))
        cloud = Cloud(sandbox.up(root=root, port=0))
        try:
            ingest(cloud, open_source("sample"), Request.of("sample", [TICKER], DAY, DAY))
            await_standby(root)  # of the batch's own run, too
            print_held(root, cloud, rounds) if "runs" in sys.argv else print_ratio(
                root, cloud, rounds
            )
        finally:
            sandbox.down(root)


def print_ratio(root: Path, cloud: Cloud, rounds: int) -> None:
    """Print the seconds of both ways, and their ratio."""
    before = os.getloadavg()[0]
    warm, cold, making = [], [], []
    refine(cloud)  # takes the standby that is there: how long the next one takes is looked at
    for _ in range(rounds):
        making.append(measured(lambda: await_standby(root)))
        warm.append(measured(lambda: refine(cloud)))
        cold.append(measured(lambda: refine(cloud)))
    print("| way | seconds, median | each |\n|---|---|---|")
    ways = {"from the standby": warm, "cold": cold, "the standby itself": making}
    for way, found in ways.items():
        each = ", ".join(f"{seconds:.1f}" for seconds in found)
        print(f"| {way} | {statistics.median(found):.1f} | {each} |")
    ratios = [one / other for one, other in zip(warm, cold, strict=True)]
    print(f"\nratio: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    after = os.getloadavg()[0]
    print(f"load average: {before:.1f} before, {after:.1f} after")
    if "keep" in sys.argv:
        medians = {way: statistics.median(found) for way, found in ways.items()}
        keep("one session", medians, load=(before, after), rounds=rounds)


def print_held(root: Path, cloud: Cloud, runs: int) -> None:
    """Print memory and open files of the server, now and then."""
    server = psutil.Process(sandbox.status(root).pid)
    for number in range(runs + 1):
        if number % 10 == 0:
            held = server.memory_info().rss / 2**20
            print(f"after {number} runs: {held:.0f} MB, {server.num_fds()} files", flush=True)
        refine(cloud)
        await_standby(root)


def refine(cloud: Cloud) -> None:
    """Refine the session once more, and wait for the end."""
    run = start_refine(cloud, dates=(DAY,), tickers=(TICKER,))
    ended = wait_for_run(cloud, run.run_id, poll=0.05)
    assert ended.state == "SUCCEEDED", ended


def await_standby(root: Path) -> None:
    """Return once there is a standby."""
    while sandbox.status(root).standby != "ready":
        time.sleep(0.1)


def measured(act: Callable[[], None]) -> float:
    """Return the seconds of an act."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
