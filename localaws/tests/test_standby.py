"""The standby for Spark runs: what a run that starts from it is, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from localaws import process
from localaws.errors import LocalAwsError
from localaws.glue import standby, warm_process
from localaws.glue.run_environment import spark_environment
from localaws.settings import Settings
from localaws.testing import LocalServer, has_ended

pytestmark = pytest.mark.spark

JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
WARM = "('pyspark' in sys.modules)"
SPARK = """
import json, os, sys
from pyspark.sql import SparkSession

builder = SparkSession.builder.config("spark.ui.enabled", "false").master("local[1]")
spark = builder.config("spark.driver.extraJavaOptions", sys.argv[-1]).getOrCreate()

def look(batches):
    import pyarrow, shelf
    for batch in batches:
        found = [os.environ["AWS_SESSION_TOKEN"], shelf.title]
        yield pyarrow.RecordBatch.from_pydict({"found": found})

found = [row.found for row in spark.range(1).mapInArrow(look, "found string").collect()]
print(json.dumps({
    "argv": sys.argv, "file": __file__, "name": __name__, "path": sys.path[:2],
    "driver": os.environ["AWS_SESSION_TOKEN"], "worker": found[0], "module": found[1],
    "jvm": spark._jvm.System.getenv("AWS_SESSION_TOKEN"),
    "java": spark._jvm.ProcessHandle.current().pid(), "python": os.getpid(),
    "session": os.getsid(0), "input": sys.stdin.read(),
    "options": spark.conf.get("spark.driver.extraJavaOptions")[-len(sys.argv[-1]):],
}))
"""
SLEEP = f"import sys, time; print({WARM}, flush=True); time.sleep(60)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server that has its standby made at once, whatever else the machine does."""
    options = {"standby": "now", "standby_java": JAVA, "seconds_per_minute": 4.0}
    server = LocalServer(tmp_path_factory.mktemp("standby ção") / "state", options).start()
    yield server
    server.stop()
    assert server.processes() == []


@pytest.fixture(scope="module")
def held() -> list[tuple[int, int]]:
    """The memory in bytes and the open files of that server, after each test's run."""
    return []


@pytest.fixture
def jobs(
    server: LocalServer,
    jobs_on: Callable[..., Any],
    until: Callable[..., Any],
    held: list[tuple[int, int]],
) -> Iterator[Any]:
    """Jobs on that server, once it has a standby."""
    yield with_standby(server, jobs_on, until)
    held.append(held_by(server))


def held_by(server: LocalServer) -> tuple[int, int]:
    """Return the memory of a server in bytes, and the number of its open files."""
    own = psutil.Process(server.info.pid if server.info else 0)
    return own.memory_info().rss, own.num_fds()


def with_standby(server: LocalServer, jobs_on: Any, until: Any) -> Any:
    """Return jobs on a server, once it has a standby."""
    jobs = jobs_on(server.client)
    spark_job(jobs, "pass")  # where there is a Spark job, a standby is made
    until(lambda: state_of(server) == "ready", seconds=200)
    return jobs


def state_of(server: LocalServer) -> str:
    """Return what the server says of its standby."""
    info = process.status(server.state_dir)
    assert info is not None
    return info.standby


def spark_job(jobs: Any, script: str, **definition: Any) -> str:
    """Return the name of a new job of the kind that may take the standby."""
    definition = {"Timeout": 30, "ExecutionProperty": {"MaxConcurrentRuns": 2}} | definition
    return str(jobs.make(script, Command={"Name": "glueetl"}, **definition))


def python_of(server: LocalServer) -> psutil.Process:
    """Return the Python of the standby, ready or not."""
    (python,) = (one for one in server.processes() if "warm_process.py" in " ".join(one.cmdline()))
    return python


def standby_of(server: LocalServer) -> tuple[psutil.Process, psutil.Process]:
    """Return the standby: its Python, and its JVM."""
    python = python_of(server)
    (java,) = (one for one in python.children() if one.name() == "java")
    return python, java


def spark_run(jobs: Any, java: str) -> dict[str, Any]:
    """Return what the script SPARK says of a run that asks for some Java options."""
    bucket = jobs.make("pass")  # its bucket is as good as any
    where = jobs.glue.get_job(JobName=bucket)["Job"]["Command"]["ScriptLocation"].split("/")[2]
    jobs.s3.put_object(Bucket=where, Key="shelf.py", Body=b"title = 'extra'")
    job = spark_job(jobs, SPARK, DefaultArguments={"--extra-py-files": f"s3://{where}/shelf.py"})
    run = jobs.wait(job, jobs.start(job, Arguments={"--java": java}), seconds=200)
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    (line,) = jobs.log("output", run["Id"])
    said = json.loads(line)
    assert said["argv"][0] == f"{job}.py"
    assert said["argv"][-2:] == ["--java", java]
    assert (said["name"], said["module"], said["options"]) == ("__main__", "extra", java)
    assert said["driver"] == said["worker"] == said["jvm"] != ""
    return dict(said)


def test_a_run_that_takes_the_standby_is_the_run_that_it_would_be_cold(jobs, server):
    """Arguments, modules, session, credentials in driver, JVM and worker are the run's own."""
    python, java = standby_of(server)
    folder = Path(python.cwd())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    said = spark_run(jobs, JAVA)
    assert (said["python"], said["java"], said["session"]) == (python.pid, java.pid, python.pid)
    assert said["path"][0] == str(folder)
    assert Path(said["file"]).parent == folder
    assert said["input"] == ""
    assert not folder.exists()
    assert has_ended(java.pid)


def test_a_standby_holds_no_credentials_and_listens_to_nobody_else(jobs, server):
    """A run's come with its script, over a socket that has no address."""
    for waiting in standby_of(server):
        assert not {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & waiting.environ().keys()
    assert server.info.keys.secret_access_key not in str(standby_of(server)[0].cmdline())
    addresses = {found.laddr for found in standby_of(server)[0].net_connections("unix")}
    assert addresses == {""}


def test_other_java_options_get_a_java_of_their_own(jobs, server):
    """What a JVM is started with cannot be changed: such a run starts cold."""
    python, java = standby_of(server)
    said = spark_run(jobs, "-XX:TieredStopAtLevel=1 -Xss2m")
    assert said["python"] == python.pid
    assert said["java"] != java.pid


def test_a_java_that_died_in_the_standby_is_not_noticed_by_the_run(jobs, server):
    """Killed like that it is when memory runs out."""
    python, java = standby_of(server)
    java.kill()
    said = spark_run(jobs, JAVA)
    assert said["python"] == python.pid
    assert said["java"] != java.pid


def test_a_java_that_dies_as_a_run_takes_it_says_nothing_in_its_log(tmp_path, monkeypatch, capfd):
    """It counts as living until the system has taken its memory back, and answers nothing."""
    for name, value in spark_environment(Settings(state_dir=tmp_path, port=1), tmp_path).items():
        monkeypatch.setenv(name, value)
    jvm = warm_process.WarmJvm(JAVA)
    java = jvm._gateway.proc
    java.kill()
    java.wait()
    java.poll = lambda: None
    capfd.readouterr()
    monkeypatch.setattr(logging.root, "handlers", [])  # as in a run: py4j would bring one
    assert not jvm._adopted({})
    assert logging.root.handlers == []
    assert capfd.readouterr().err == ""


def test_a_standby_that_died_is_not_noticed_by_the_run(jobs, server):
    """The run starts cold, or takes the next one, which may be in the making already."""
    python, _ = standby_of(server)
    python.kill()
    run = jobs.finish(spark_job(jobs, "import os; print(os.getpid())"))
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    (said,) = jobs.log("output", run["Id"])
    assert int(said) != python.pid


def test_a_traceback_is_that_of_the_script_alone(jobs):
    """Nobody looks for an error in a file that is not his."""
    run = jobs.finish(spark_job(jobs, "def f():\n    raise KeyError('PETR4')\nf()"))
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", "KeyError: 'PETR4'")
    first, second, *_ = jobs.log("output", run["Id"])
    assert first == "Traceback (most recent call last):"
    assert second.endswith(", line 3, in <module>")
    assert jobs.log("error", run["Id"]) == []


def test_a_module_of_a_name_that_is_taken_is_the_run_s_own(jobs):
    """What the standby has imported must not hide it: the run starts cold."""
    job = spark_job(jobs, f"import sys; sys.exit({WARM} + 2)")
    where = jobs.glue.get_job(JobName=job)["Job"]["Command"]["ScriptLocation"].split("/")[2]
    jobs.s3.put_object(Bucket=where, Key="py4j.py", Body=b"mine = True")
    files = {"--extra-py-files": f"s3://{where}/py4j.py"}
    run = jobs.finish(job, Arguments=files)
    assert run["ErrorMessage"] == "Command failed with exit code 2"


def test_of_two_runs_at_once_one_takes_the_standby_and_both_are_stopped(jobs, server, until):
    """The other starts cold; no Java stays."""
    _, java = standby_of(server)
    job = spark_job(jobs, SLEEP)
    runs = [jobs.start(job), jobs.start(job)]
    said = [until(lambda run=run: jobs.log("output", run)) for run in runs]
    assert sorted(said) == [["False"], ["True"]]
    assert state_of(server) == "none"
    jobs.glue.batch_stop_job_run(JobName=job, JobRunIds=runs)
    assert [jobs.wait(job, run)["JobRunState"] for run in runs] == ["STOPPED", "STOPPED"]
    assert has_ended(java.pid)


def test_a_warm_run_beyond_its_time_is_ended(jobs, server):
    """TIMEOUT as of any run; here a minute lasts four seconds."""
    _, java = standby_of(server)
    run = jobs.finish(spark_job(jobs, SLEEP, Timeout=1))
    assert run["JobRunState"] == "TIMEOUT"
    assert jobs.log("output", run["Id"]) == ["True"]
    assert has_ended(java.pid)


def test_run_after_run_leaves_no_memory_no_files_and_no_process(jobs, server, jobs_on, until, held):
    """Here of runs that are killed; those of the tests before count, and it is four at least."""
    job = spark_job(jobs, f"import os, sys; os.kill(os.getpid(), 9 * ({WARM}))")
    while True:
        run = jobs.finish(job)
        assert run["ErrorMessage"].startswith("The script was ended by signal SIGKILL")
        held.append(held_by(server))
        if len(held) >= 4:
            break
        with_standby(server, jobs_on, until)
    (memory, files), (memory_then, files_then) = held[1], held[-1]
    assert memory_then < memory * 1.05
    assert files_then <= files + 2


def test_a_standby_ends_with_a_server_that_is_killed(local_server, jobs_on, until):
    """No process waits for a server that is no more."""
    server = local_server(standby="now", standby_java=JAVA)
    with_standby(server, jobs_on, until)
    waiting = standby_of(server)
    server.kill()
    until(lambda: all(has_ended(one.pid) for one in waiting))


def test_a_server_stops_at_once_while_its_standby_is_made(local_server, jobs_on, until):
    """By itself, and not killed when its time to end is over."""
    server = local_server(standby="now")
    spark_job(jobs_on(server.client), "pass")
    until(lambda: state_of(server) == "being made")
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10


def test_a_run_takes_a_standby_that_is_half_made(local_server, jobs_on, until):
    """It is the run that it would be cold, and what was said before it is not in its log."""
    server = local_server(standby="now", standby_java=JAVA)
    jobs = jobs_on(server.client)
    spark_job(jobs, "pass")
    until(lambda: state_of(server) == "being made")
    python = python_of(server)
    until(lambda: [one for one in python.children() if one.name() == "java"])
    assert state_of(server) == "being made"
    python, java = standby_of(server)
    said = spark_run(jobs, JAVA)
    assert (said["python"], said["java"]) == (python.pid, java.pid)


def test_a_run_that_waits_for_a_half_made_standby_can_be_stopped(local_server, jobs_on, until):
    """It has not begun yet; nothing of the standby stays."""
    server = local_server(standby="now")
    jobs = jobs_on(server.client)
    job = spark_job(jobs, SLEEP)
    until(lambda: state_of(server) == "being made")
    python = python_of(server)
    python.suspend()  # as slow as can be
    began, run = time.monotonic(), jobs.start(job)
    jobs.glue.batch_stop_job_run(JobName=job, JobRunIds=[run])
    assert jobs.wait(job, run)["JobRunState"] == "STOPPED"
    assert time.monotonic() - began < 30
    assert has_ended(python.pid)


def test_a_standby_that_does_not_get_ready_is_given_up(tmp_path, monkeypatch):
    """Its Java hung once: the next is made, and after two such ones none is waited for."""
    hanging = tmp_path / "hanging.py"
    hanging.write_text("import time; time.sleep(600)")
    monkeypatch.setattr(standby, "_WARM_PROCESS", hanging)
    monkeypatch.setattr(standby, "_MAKING_SECONDS", 1)
    settings = Settings(state_dir=tmp_path / "state", port=1, standby="now")
    made = []
    monkeypatch.setattr(standby.Standby, "last_words", lambda self: made.append(self) or "")

    async def keep():
        keeper = standby.StandbyKeeper(settings, busy=lambda: False)
        keeper.wish()
        while keeper.state() != "failed" or any(one.alive or one.folder.exists() for one in made):
            await asyncio.sleep(0.1)
        await keeper.close()

    asyncio.run(asyncio.wait_for(keep(), 60))
    assert len(made) == 2


def test_without_a_spark_job_or_where_it_is_off_there_is_no_standby(local_server, jobs_on):
    """It costs seconds of two cores: nobody who asks for neither has it."""
    server = local_server(standby="now")
    jobs_on(server.client).make("pass")
    assert state_of(server) == "none"
    server.stop()
    server = local_server("other")
    spark_job(jobs_on(server.client), "pass")
    assert state_of(server) == "off"


def test_an_unknown_standby_is_refused(tmp_path, monkeypatch):
    """By the variable, too."""
    monkeypatch.setenv("LOCALAWS_STANDBY", "always")
    with pytest.raises(LocalAwsError, match="'always'"):
        process.start(tmp_path / "state", port=0)
