"""Print the quickest of some Pythons; of those that are as quick, the first.

Usage: python scripts/quickest_python.py PYTHON ...

One that was built without optimisation, as pyenv does it, takes a fifth more CPU than a
distribution's or uv's, for everything that this project does. What each takes is measured, for a
Python does not say it: the least of five rounds in turns, each the CPU of its own start and work.
"""

from __future__ import annotations

import subprocess
import sys

ROUNDS = 5
AS_QUICK = 0.95
WORK = """
import argparse, asyncio, inspect, time, unittest
table = {str(number): [number] for number in range(20_000)}
for _ in range(9):
    sum(len(key) * value[0] for key, value in table.items())
print(time.process_time())
"""


def main(pythons: list[str]) -> None:
    """Print the path of one of them."""
    least = dict.fromkeys(pythons, float("inf"))
    for _ in range(ROUNDS if len(least) > 1 else 0):
        for python in least:
            done = subprocess.run([python, "-c", WORK], capture_output=True, text=True, check=True)
            least[python] = min(least[python], float(done.stdout))
    best = pythons[0]
    for python, seconds in least.items():
        if seconds < least[best] * AS_QUICK:
            best = python
    print(best)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
