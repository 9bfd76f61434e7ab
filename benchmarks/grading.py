"""How long a class takes to be graded: thirty notebooks 04, each on a market of its own.

Run: .venv/bin/python benchmarks/grading.py              thirty students, ten tickers, half a year
     .venv/bin/python benchmarks/grading.py --students 4 to see that it runs

The notebooks are those of the course with the exercises solved by their solutions, so every grade
must be full. Nothing is prepared before: the markets are part of the time. A second grading finds
them, and is measured as well.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from pathlib import Path

import nbformat
from tqdm import tqdm

from b3pipeline.classroom.grade import grade

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
        for title in ("markets made", "markets there"):
            began = time.monotonic()
            found = grade(folder, Path(place) / "out", ROOT, progress=tqdm)
            seconds = time.monotonic() - began
            full = sum(one.points == one.of for one in found.grades)
            runs = sum(one.seconds for one in found.grades) / len(found.grades)
            print(
                f"{title}: {seconds:.0f} s for {given.students} on {os.cpu_count()} cores, "
                f"{full} with all points, {runs:.1f} s a run, load {os.getloadavg()[0]:.1f}"
            )


if __name__ == "__main__":
    main()
