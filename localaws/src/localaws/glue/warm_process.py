"""The process that waits for a Spark run: PySpark imported, a JVM warm; then it is that run.

Started by `localaws.glue.standby` as a script, with the number of an open socket. It launches a
JVM as any script would, lets one small query go through it and through a Python worker, says
`ready`, and waits for one line of JSON: script, arguments, environment. An empty line before it
says that a run waits, and ends the warming up. It answers `yes` and is the script from then on; or
`no`, and ends, where what it has imported is not what the script would get. When the socket closes
first, the server is gone, and it ends with its JVM.

Nobody's credentials are in it before that line. A script gets the warm JVM when it makes its
session, if a new one would be the same; else, and where the warm one has died, it gets a new one.
"""

from __future__ import annotations

import builtins
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
import types
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

JAVA_OPTIONS = "spark.driver.extraJavaOptions"
# What a JVM is not started with, but a context or a session in it. Everything else may concern
# the JVM as a whole, so that a script which sets it gets a new one.
OF_A_SESSION = (
    "spark.app.name",
    "spark.default.parallelism",
    "spark.driver.bindAddress",
    "spark.driver.host",
    "spark.driver.port",
    "spark.executorEnv.",
    "spark.log.level",
    "spark.sql.adaptive.",
    "spark.sql.ansi.",
    "spark.sql.execution.",
    "spark.sql.session.timeZone",
    "spark.sql.shuffle.partitions",
    "spark.sql.sources.",
    "spark.ui.",
)
# Variables that the launch of a JVM reads, or the loader of its libraries.
_OF_A_JVM = ("HADOOP_", "JAVA_", "JDK_", "LD_", "DYLD_", "SPARK_", "PYSPARK_", "_JAVA_")

Settings = dict[str, str]


def main() -> None:
    """Wait with a warm JVM, then be the script that is handed over."""
    sys.path.pop(0)  # this file's folder: its neighbours are no modules of a script
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    jvm = WarmJvm(sys.argv[2])
    jvm.warm_up(lambda: bool(select.select([channel], [], [], 0)[0]))
    with channel, channel.makefile("r") as orders:
        channel.sendall(b"ready\n")
        orders.readline()  # a run is there
        line = orders.readline()
        if not line:
            sys.exit()
        order = json.loads(line)
        script, environment = Path(order["script"]), order["environment"]
        modules = [
            path
            for path in environment.get("PYTHONPATH", "").split(os.pathsep)
            if path and path not in sys.path
        ]
        fits = not _shadowed([script, *map(Path, modules)])
        channel.sendall(b"yes\n" if fits else b"no\n")
    if not fits:
        sys.exit()
    os.environ.clear()
    os.environ.update(environment)
    jvm.offer()
    _be(script, order["arguments"], modules)


class WarmJvm:
    """A JVM that has run a query, and the test whether a script would get the same."""

    def __init__(self, java_options: str) -> None:
        import boto3  # noqa: F401 - what scripts on Glue import
        import pyarrow  # noqa: F401
        from pyspark import SparkConf, context, java_gateway

        self._launch: Callable[..., Any] = java_gateway.launch_gateway
        self._modules = (context, java_gateway)
        self._settings: Settings = {JAVA_OPTIONS: java_options} if java_options else {}
        self._environment = dict(os.environ)
        conf = SparkConf(loadDefaults=False).setAll(list(self._settings.items()))
        self._gateway: Any = self._launch(conf)  # type: ignore[no-untyped-call]

    def warm_up(self, asked: Callable[[], bool]) -> None:
        """Load and compile what a first query needs, until a run asks; leave no session."""
        if asked():
            return
        from pyspark import SparkContext
        from pyspark.sql import SparkSession

        SparkContext._gateway, SparkContext._jvm = self._gateway, self._gateway.jvm
        builder = SparkSession.builder.master("local[1]").appName("standby")
        builder = builder.config("spark.ui.enabled", "false")
        spark = builder.getOrCreate()
        for _ in range(2):  # at the second time the JVM compiles what is called often
            if not asked():
                small_query(spark, compiled=False)
        spark.stop()
        if not asked():
            self._gateway.jvm.System.gc()
        SparkContext._gateway = SparkContext._jvm = None
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a context had its own

    def offer(self) -> None:
        """Give this JVM to the first session of this process, if it is what that asks for."""
        for module in self._modules:
            module.launch_gateway = self._take  # type: ignore[attr-defined]

    def _take(self, conf: Any = None, popen_kwargs: Any = None) -> Any:
        for module in self._modules:
            module.launch_gateway = self._launch  # type: ignore[attr-defined]
        settings = dict(conf.getAll()) if conf else {}
        if popen_kwargs is None and self._is_what(settings) and self._adopted(settings):
            return self._gateway
        self._gateway.proc.kill()
        return self._launch(conf, popen_kwargs)

    def _is_what(self, settings: Settings) -> bool:
        """Return whether a JVM launched with these settings, here and now, would be this one."""
        master = settings.get("spark.master", "local")
        rest = {
            name: value
            for name, value in settings.items()
            if name != "spark.master" and not name.startswith(OF_A_SESSION)
        }
        return (
            self._gateway.proc.poll() is None
            and master.startswith("local")
            and rest == self._settings
            and _of_a_jvm(os.environ) == _of_a_jvm(self._environment)
        )

    def _adopted(self, settings: Settings) -> bool:
        """Return whether the JVM has this environment now, as if it had been started with it."""
        before, now = self._environment, dict(os.environ)
        # py4j tells the root logger, and so the run's log, of a JVM that dies just now.
        handlers, disabled = list(logging.root.handlers), logging.root.manager.disable
        logging.disable()
        try:
            system = self._gateway.jvm.System
            variables = _field(system.getenv(), "m")
            for name in before.keys() - now.keys():
                variables.remove(name)
            for name, value in now.items() - before.items():
                variables.put(name, value)
            for name, value in settings.items():
                system.setProperty(name, value)
        except Exception:  # whatever is wrong with this one, a new one is always right
            return False
        finally:
            logging.disable(disabled)
            logging.root.handlers[:] = handlers
        return True


def _field(instance: Any, name: str) -> Any:
    """Return a private field of a Java object: the map behind the one that none may change."""
    field = instance.getClass().getDeclaredField(name)
    field.setAccessible(True)
    return field.get(instance)


def _of_a_jvm(environment: Mapping[str, str]) -> Settings:
    return {name: value for name, value in environment.items() if name.startswith(_OF_A_JVM)}


def small_query(spark: Any, *, compiled: bool) -> None:
    """Let one query go through a session, its JVM and a Python worker: what a refine uses.

    Spark compiles a query's own code for many rows, and interprets it where that takes longer.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F  # noqa: N812

    for name, value in {
        "adaptive.enabled": False,
        "ansi.enabled": True,
        "codegen.factoryMode": "FALLBACK" if compiled else "NO_CODEGEN",
        "codegen.wholeStage": compiled,
        "shuffle.partitions": 1,
    }.items():
        spark.conf.set(f"spark.sql.{name}", value)
    rows = spark.range(9).selectExpr("id", "string(id % 2) k", "double(id) x", "now() t")
    rows = rows.mapInArrow(lambda batches: batches, "id bigint, k string, x double, t timestamp")
    rows = rows.persist().withColumns({"x": F.when(~F.isnan("x"), F.col("x"))})
    rows = rows.groupBy("k", "id").agg(
        F.max(F.struct("x", "t")).alias("s"),
        F.min_by("x", "t").alias("first"),
        F.max_by("x", "t").alias("last"),
        F.min("x").alias("least"),
        F.sum("id").alias("sum"),
        F.count("*").cast("int").alias("count"),
        F.collect_list(F.struct("x", "k")).alias("all"),
    )
    order = Window.partitionBy("k").orderBy("id")
    rows = rows.select("*", "s.*").withColumn("mean", F.avg("x").over(order.rowsBetween(-4, 0)))
    before, day = F.lag("x").over(order), F.to_date("t")
    rows = rows.withColumns(
        {
            "ratio": F.when(before != 0, F.col("x") / before - 1),
            "days": F.datediff(day, F.lag(day).over(order)),
            "now": F.lit("2024-01-02 00:00:00").cast("timestamp_ntz"),
        }
    )
    rows = rows.where(F.col("ratio").isNotNull()).drop("all")
    rows.mapInArrow(lambda batches: batches, rows.schema).collect()


def _shadowed(paths: list[Path]) -> set[str]:
    """Return the modules of a script that would come too late: others of their name are here."""
    names: set[str] = set()
    for path in paths:
        if path.is_dir():
            names.update(entry.stem for entry in path.iterdir())
        elif path.suffix == ".zip" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names.update(Path(Path(name).parts[0]).stem for name in archive.namelist() if name)
        else:
            names.add(path.stem)
    return names & {name.partition(".")[0] for name in sys.modules}


def _be(script: Path, arguments: list[str], modules: list[str]) -> None:
    """Run a script as `python script.py` does, in its folder."""
    sys.argv = [script.name, *arguments]
    sys.path[:0] = [str(script.parent), *modules]
    sys.excepthook = _without_our_frames
    main_module = types.ModuleType("__main__")
    vars(main_module).update(__file__=str(script), __builtins__=builtins, __annotations__={})
    sys.modules["__main__"] = main_module
    gc.freeze()  # what is here stays: at its end the script need not look through all of it
    code = compile(script.read_bytes(), str(script), "exec", dont_inherit=True)
    exec(code, vars(main_module))  # noqa: S102 - it is what a run is


def _without_our_frames(kind: Any, error: BaseException, trace: Any) -> None:
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    sys.__excepthook__(kind, error.with_traceback(trace), trace)


if __name__ == "__main__":
    main()
