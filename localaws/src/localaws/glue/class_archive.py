"""Java classes of Spark, read and verified once: each later start takes a third less CPU time.

`make env` calls `main`. It makes an archive of shared
classes (the JVM's own "AppCDS") for this environment's Spark and Java, which lies beside the
packages: 140 MB. Without it everything works, more slowly.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from localaws.glue.java import find_java, spark_home

_SECONDS = 180

_TRAINING = """
from pyspark.sql import SparkSession
from localaws.glue.warm_process import small_query

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
for compiled in (False, True):
    small_query(spark, compiled=compiled)
spark.stop()
"""


def main() -> int:
    """Return the exit code of making the archive for the Java that runs would use."""
    home = find_java().home
    return 0 if home and make_archive(str(home)) else 1


def archive_options(home: str) -> str:
    """Return the JVM's options that use the archive for a Java; nothing where there is none."""
    base, spark = _paths(home)
    if not (base.is_file() and spark.is_file()):
        return ""
    # A JVM that cannot use it says so on the script's own output, and goes on without.
    return f'"-XX:SharedArchiveFile={base}:{spark}" -Xlog:disable -Xlog:all=error:stderr'


def make_archive(home: str) -> bool:
    """Return whether there is an archive for a Java now; it is made where it is missing."""
    base, spark = _paths(home)
    if spark.is_file():
        return True
    base.parent.mkdir(parents=True, exist_ok=True)
    for old in base.parent.glob("*.jsa"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "spark.jsa"
        _run([f"{home}/bin/java", "-Xshare:dump", f"-XX:SharedArchiveFile={base}"], home, "")
        options = f'"-XX:SharedArchiveFile={base}" "-XX:ArchiveClassesAtExit={part}"'
        _run([sys.executable, "-c", _TRAINING], home, options)
        spark.write_bytes(part.read_bytes())
    return True


def _paths(home: str) -> tuple[Path, Path]:
    """Return where the archives lie: of Java's own classes, and of Spark's."""
    folder = Path(sys.prefix) / "share" / "localaws"
    jars = "".join(path for path in sys.path if (Path(path) / "pyspark/jars").is_dir())
    name = hashlib.sha256(f"{Path(home).resolve()} {jars}".encode()).hexdigest()[:12]
    return folder / f"java-{name}.jsa", folder / f"spark-{name}.jsa"


def _run(command: list[str], home: str, options: str) -> None:
    """Run a command to its end; the JVM that a script leaves behind ends with its output."""
    environment = {**os.environ, "JAVA_HOME": home, "PYSPARK_PYTHON": sys.executable}
    environment |= {
        "SPARK_HOME": spark_home(),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_SUBMIT_OPTS": options,
    }
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=_SECONDS)
