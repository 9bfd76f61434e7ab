"""How long a class takes to be graded: thirty notebooks 04, each on a market of its own.

Run: .venv/bin/python benchmarks/grading.py              thirty students, ten tickers, half a year
     .venv/bin/python benchmarks/grading.py --students 4 to see that it runs

The notebooks are those of the course with the exercises solved by their solutions, so every grade
must be full. Nothing is prepared before: the markets are part of the time. A second grading finds
them, and is measured as well. The baseline is the same notebook run by papermill alone on a market
that is awake, without walls, copies and judges, after each grading: the ratio says how many
of those a hand-in takes of the cores, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import nbformat
from tqdm import tqdm

from b3pipeline.classroom.grade import grade
from b3pipeline.course.notebooks import execute
from b3pipeline.deployment import sandbox

ROOT = Path(__file__).parents[1]


def solved(name: str) -> str:
    """Return a notebook of the course, its exercises solved by its own solutions."""
    notebook = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)
    for place, cell in enumerate(notebook.cells):
        if "exercise" in cell.metadata.get("tags", []):
            found = re.search(r"```python\n(.*?)```", notebook.cells[place + 2].source, re.DOTALL)
            assert found is not None
            cell.source = found[1]
    return str(nbformat.writes(notebook))


def plain(path: Path, market: Path, seed: int) -> float:
    """Return the seconds of one notebook by papermill alone, on a copy of a market."""
    with tempfile.TemporaryDirectory() as place:
        checkout = Path(place) / "checkout"
        shutil.copytree(market, checkout)
        os.environ["B3_HOME"] = str(checkout)
        try:
            sandbox.wake(checkout)
            began = time.monotonic()
            execute([path], Path(place) / "out", wishes={"seed": seed, "solve": False})
            return time.monotonic() - began
        finally:
            sandbox.down(checkout)
            del os.environ["B3_HOME"]


def main() -> None:
    """Grade a class twice and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=30)
    parser.add_argument("--notebook", default="04_athena_analysis")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "in"
        folder.mkdir()
        text = solved(given.notebook)
        for number in range(given.students):
            (folder / f"student{number:02}.ipynb").write_text(text)
        cores = os.cpu_count() or 1
        alone: list[float] = []
        for title in ("markets made", "markets there"):
            began = time.monotonic()
            found = grade(folder, Path(place) / "out", ROOT, progress=tqdm)
            seconds = time.monotonic() - began
            seed = found.grades[0].seed or 0
            [market] = (Path(place) / "out/markets").glob(f"{seed}-*")
            alone.append(plain(folder / "student00.ipynb", market, seed))
            ratio = seconds * cores / given.students / (sum(alone) / len(alone))
            full = sum(one.points == one.of for one in found.grades)
            runs = sum(one.seconds for one in found.grades) / len(found.grades)
            print(
                f"{title}: {seconds:.0f} s for {given.students} on {cores} cores, "
                f"{full} with all points, {runs:.1f} s a run, load {os.getloadavg()[0]:.1f}; "
                f"the notebook alone {alone[-1]:.1f} s, a hand-in takes the cores {ratio:.2f} times"
            )


if __name__ == "__main__":
    main()
