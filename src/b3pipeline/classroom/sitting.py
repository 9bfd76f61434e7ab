"""One hand-in run by papermill, within walls: the process that `exam` starts and watches.

    python -m b3pipeline.classroom.sitting FOLDER

Everything of the student is in FOLDER: the notebook, a copy of the market, a home, the answers.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from b3pipeline.classroom import walls
from b3pipeline.deployment import sandbox
from b3pipeline.errors import B3Error
from b3pipeline.language import say

ORDER, END = "order.json", "end.json"
MEGABYTE = 1 << 20


def sit(folder: Path) -> None:
    """Run the notebook of a folder; what ended it early is written to `END`."""
    order = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    walls.limit("RLIMIT_CORE", 0)
    walls.limit("RLIMIT_FSIZE", order["file_megabytes"] * MEGABYTE)
    walls.limit("RLIMIT_DATA", order["memory_megabytes"] * MEGABYTE)
    if order["own_network"]:
        walls.bring_up_loopback()
    walls.confine(folder, readable())
    (folder / END).write_text(json.dumps({"error": _run(folder, order)}), encoding="utf-8")


def readable() -> list[Path]:
    """Return the folders beside the system's that a run reads: Python, its packages, a Java."""
    found = [Path(sys.prefix), Path(sys.base_prefix), Path(sysconfig.get_path("purelib"))]
    for package in ("b3pipeline", "localaws"):  # installed, or where they are written
        place = find_spec(package)
        found += [Path(place.origin).parents[1]] if place and place.origin else []
    if home := sandbox.java().home:
        found += [home, home.resolve()]
    return found


def _run(folder: Path, order: dict[str, Any]) -> str:
    """Return why the run ended early, or which cell failed first; '' where all is well."""
    from papermill.exceptions import PapermillExecutionError

    from b3pipeline.classroom import silent
    from b3pipeline.course import notebooks

    try:
        sandbox.wake(folder / "checkout")
        wishes = order["parameters"]
        notebook = folder / "checkout/work/hand-in.ipynb"
        notebooks.execute([notebook], folder / "out", wishes=wishes, engine=silent.ENGINE)
    except B3Error as error:
        failed = error.__cause__
        if isinstance(failed, PapermillExecutionError):  # the run went on behind it
            said = " ".join(str(failed.evalue).split())
            return say(
                "a cell failed, In [{number}]: {kind}: {said}",
                number=failed.exec_count,
                kind=failed.ename,
                said=said,
            )
        return error.message
    return ""


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of a sitting: nothing of who grades, everything below its folder."""
    home, temporary = folder / "home", folder / "tmp"
    kept = ("PATH", "JAVA_HOME", "LD_LIBRARY_PATH", "SYSTEMROOT")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "MPLBACKEND": "agg",  # nobody sees its plots: none is drawn
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "TMPDIR": str(temporary),
        "SPARK_LOCAL_DIRS": str(temporary),
        "SPARK_SUBMIT_OPTS": f"-Djava.io.tmpdir={temporary}",
        "B3_HOME": str(folder / "checkout"),
        "B3_ANSWERS": str(folder / "answers"),
        "B3_SITTING": folder.name,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


if __name__ == "__main__":
    sit(Path(sys.argv[1]).resolve())
