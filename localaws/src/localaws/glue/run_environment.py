"""What a run finds around it: its folder, the files that become its log, its variables."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from localaws.environment import client_environment
from localaws.glue.class_archive import archive_options
from localaws.glue.java import find_java, spark_home
from localaws.settings import Settings

OUTPUT = "stdout.log"
ERRORS = "stderr.log"
SPARK_LOG = "spark.log"
"""What Spark's JVM logs."""

_DAEMON = "localaws.glue.python_daemon"
# Java 17 starts a program by one of its own, to which it sends by a pipe what to start. Once, of
# some thousand JVMs, each of the two waited for the other without end. Linux can do without it.
_FORK = "-Djdk.lang.Process.launchMechanism=VFORK" if sys.platform == "linux" else ""
_LOG4J = Path(__file__).with_name("log4j2.properties")


def work_folder(settings: Settings) -> Path:
    """Return the folder under which every run has its own, for as long as it works."""
    return settings.glue_dir / "runs"


def make_run_folder(folder: Path) -> None:
    """Make the folder of a run, for the server's user alone."""
    folder.mkdir(mode=0o700, parents=True)
    (folder / "tmp").mkdir()


def script_environment(settings: Settings, folder: Path) -> dict[str, str]:
    """Return the variables of a script in a folder, but for credentials: none are among them."""
    known = {**os.environ, **client_environment(settings)}
    kept = {name: value for name, value in known.items() if name not in _CREDENTIALS}
    return kept | {"PYTHONUNBUFFERED": "1", "TMPDIR": str(folder / "tmp")}


def spark_environment(settings: Settings, folder: Path) -> dict[str, str] | None:
    """Return the variables that Spark needs beside a script's; None where there is no Java."""
    home = find_java().home
    if home is None:
        return None
    temp = str(folder / "tmp")
    return {
        "JAVA_HOME": str(home),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": settings.host,
        "SPARK_LOCAL_DIRS": temp,
        # Without it Spark's scripts look for themselves, and stumble over spaces in a path.
        "SPARK_HOME": spark_home(),
        "SPARK_SUBMIT_OPTS": " ".join(
            (
                f'"-Djava.io.tmpdir={temp}"',
                f'"-Dlog4j2.configurationFile={_LOG4J.as_uri()}"',
                "-Dspark.ui.showConsoleProgress=false",
                f'"-Dlocalaws.log={folder / SPARK_LOG}"',
                quick_start(str(home)),
            )
        ),
    }


def quick_start(home: str) -> str:
    """Return the options with which a Spark of this environment, and its workers, start sooner."""
    return f"-Dspark.python.daemon.module={_DAEMON} {_FORK} {archive_options(home)}"


_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
