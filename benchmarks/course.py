"""How long the course takes: `b3 tutorial` in a checkout of its own, stage by stage.

Run: .venv/bin/python benchmarks/course.py           two minutes on idle cores
     .venv/bin/python benchmarks/course.py keep      and leave the figures in figures.json
     .venv/bin/python benchmarks/course.py 01        one notebook, to see that it runs
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

from figures import keep

from b3pipeline.cloud.config import copy_checkout
from b3pipeline.course import tutorial
from b3pipeline.deployment import sandbox

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Print the stages of one run of the course."""
    os.environ |= {"B3_PORT": str(free_port()), "B3_LANG": "en"}
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        root = copy_checkout(ROOT, Path(place))
        try:
            only = [word for word in sys.argv[1:] if word.isdigit()]
            course = tutorial.run(only=only, root=root)
        finally:
            sandbox.down(root)
    after = os.getloadavg()[0]
    print(course)
    print(f"load average: {before:.1f} before, {after:.1f} after")
    if "keep" in sys.argv and not only:
        seconds = {stage.title: stage.seconds for stage in course.stages}
        keep("course", seconds, load=(before, after), whole=round(course.seconds, 1))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    main()
