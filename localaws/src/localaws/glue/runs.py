"""Job runs: kept durably, started within the job's limit, queued where that is asked for."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import sqlite3
import time
from contextlib import suppress
from typing import Any

from localaws.backend import Backend
from localaws.callers import Callers
from localaws.glue.execution import Execution, Outcome
from localaws.glue.jobs import Jobs, capacity, check_capacity, check_timeout
from localaws.glue.requests import Handler, Payload, invalid, not_found, paged
from localaws.glue.run_environment import work_folder
from localaws.glue.run_store import RunStore
from localaws.glue.standby import StandbyKeeper
from localaws.glue.store import dump
from localaws.settings import Settings
from localaws.sqlite import LastWords
from localaws.wire import AwsError

logger = logging.getLogger(__name__)

ACTIVE = ("STARTING", "RUNNING", "STOPPING")
ENDED = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT")
_PAGE = 200
_LOG_GROUP = "/aws-glue/jobs"
_ARGUMENT_BYTES = 260 << 10
# What a run takes from its job where its own request does not say otherwise.
_INHERITED = (
    "JobMode",
    "Timeout",
    "WorkerType",
    "NumberOfWorkers",
    "SecurityConfiguration",
    "NotificationProperty",
    "GlueVersion",
    "ExecutionClass",
)
_SETTABLE = (*_INHERITED, "Arguments")
# Each start says for itself whether it would queue: on AWS, too, the job's flag does not.
_ASKED = "JobRunQueuingEnabled"
_PRIVATE = "RunningSince"


class Runs:
    """The operations on runs, and the runs at work."""

    def __init__(
        self,
        store: sqlite3.Connection,
        jobs: Jobs,
        settings: Settings,
        backend: Backend,
        callers: Callers,
        last_words: LastWords,
    ) -> None:
        self._runs = RunStore(store)
        self._last_words = last_words
        self._jobs = jobs
        self._settings = settings
        self._backend = backend
        self._callers = callers
        self._at_work: dict[str, tuple[Execution, asyncio.Task[None]]] = {}
        self._closing = False
        self.standbys = StandbyKeeper(settings, busy=lambda: bool(self._at_work))

    def handlers(self) -> dict[str, Handler]:
        return {
            "StartJobRun": self.start_run,
            "GetJobRun": self.get,
            "GetJobRuns": self.get_all,
            "BatchStopJobRun": self.stop_runs,
        }

    def resume(self) -> None:
        """Close the runs that an earlier server left at work, and go on with those that wait."""
        shutil.rmtree(work_folder(self._settings), ignore_errors=True)
        for run in self._runs.in_state(ACTIVE):
            message = f"The local AWS ended while this run was {run['JobRunState']}."
            self._finish(run["Id"], Outcome("FAILED", message))
        for name in {run["JobName"] for run in self._runs.in_state(["WAITING"])}:
            self.dispatch(name)

    async def close(self) -> None:
        """End the runs at work, and close them as FAILED; those that wait stay in the queue."""
        self._closing = True
        self._last_words.close()
        tasks = [task for _, task in self._at_work.values()]
        for execution, _ in self._at_work.values():
            execution.stop()
        await asyncio.gather(*tasks, self.standbys.close(), return_exceptions=True)

    def start_run(self, payload: Payload) -> Payload:
        """Start a run, or let it wait where its job is at its limit and the request asks for that.

        Stricter than AWS may be: where only runs that have just ended take the room, even a
        start that would queue is refused.
        """
        job = self._jobs.find(payload["JobName"])
        if job is None:
            raise not_found("Failed to start job run due to missing metadata")
        run = self._new_run(job, payload)
        room = self._room(job)
        if room > self._just_ended(job):
            self._runs.add(run)
            self._launch(run, job)
        elif room <= 0 and _queues(run, job):
            detail = "The run waits until one of the runs before it ends."
            self._runs.add({**run, "JobRunState": "WAITING", "StateDetail": detail})
        else:
            raise AwsError(
                "ConcurrentRunsExceededException", f"Concurrent runs exceeded for {job['Name']}"
            )
        return {"JobRunId": run["Id"]}

    def get(self, payload: Payload) -> Payload:
        return {"JobRun": _answer(self._require(payload["JobName"], payload["RunId"]))}

    def get_all(self, payload: Payload) -> Payload:
        """Return a page of the runs of a job, newest first."""
        self._jobs.require(payload["JobName"])
        runs = [_answer(run) for run in self._runs.of_job(payload["JobName"])]
        return paged("JobRuns", runs, payload, _PAGE)

    def stop_runs(self, payload: Payload) -> Payload:
        """Ask runs to stop; a run that has ended already, or never was, is reported."""
        name = payload["JobName"]
        done, errors = [], []
        for run_id in payload["JobRunIds"]:
            try:
                self._stop(self._require(name, run_id))
                done.append({"JobName": name, "JobRunId": run_id})
            except AwsError as error:
                detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
                errors.append({"JobName": name, "JobRunId": run_id, "ErrorDetail": detail})
        return {"SuccessfulSubmissions": done, "Errors": errors}

    def dispatch(self, job_name: str) -> None:
        """Start the runs that wait, in their order, as far as the job's limit allows."""
        job = self._jobs.find(job_name)
        for run in self._runs.in_state(["WAITING"], job_name):
            if job is None or self._closing or self._room(job) <= 0:
                return
            run = self._runs.change(run["Id"], JobRunState="STARTING", StateDetail=None)
            self._launch(run, job)

    def forget(self, job_name: str) -> None:
        """End the runs of a job that is no more, and drop their record."""
        for run in self._runs.of_job(job_name):
            if run["Id"] in self._at_work:
                self._at_work[run["Id"]][0].stop()
        self._runs.remove_job(job_name)

    def _room(self, job: Payload) -> int:
        """Return how many runs more may be at work."""
        most = int(job["ExecutionProperty"].get("MaxConcurrentRuns", 1))
        return most - len(self._runs.in_state(ACTIVE, job["Name"]))

    def _just_ended(self, job: Payload) -> int:
        """Return how many runs have ended and still count."""
        since = time.time() - self._settings.ended_run_seconds
        ended = self._runs.in_state(ENDED, job["Name"]) if self._settings.ended_run_seconds else ()
        return sum(run["CompletedOn"] > since and run["ExecutionTime"] > 0 for run in ended)

    def _require(self, job_name: str, run_id: str) -> Payload:
        run = self._runs.find(run_id)
        if run is None or run["JobName"] != job_name:
            raise not_found(f"Job Run {run_id} of job {job_name} not found.")
        return run

    def _stop(self, run: Payload) -> None:
        if run["JobRunState"] == "WAITING":
            self._finish(run["Id"], Outcome("STOPPED"))
        elif run["JobRunState"] in ACTIVE:
            self._runs.change(run["Id"], JobRunState="STOPPING")
            self._at_work[run["Id"]][0].stop()
        else:
            raise AwsError("JobRunInTerminalStateException", f"The run {run['JobRunState']}.")

    def _new_run(self, job: Payload, payload: Payload) -> Payload:
        _check_request(payload)
        previous = payload.get("JobRunId")
        before = self._require(job["Name"], previous) if previous else {}
        settled = {name: job[name] for name in _INHERITED if name in job}
        settled |= {name: before[name] for name in _SETTABLE if name in before}
        settled |= {name: payload[name] for name in (*_SETTABLE, _ASKED) if name in payload}
        asks = any(name in payload for name in ("WorkerType", "MaxCapacity", "AllocatedCapacity"))
        units = capacity(payload if asks else job, job["Command"]["Name"])
        now = time.time()
        return {
            **settled,
            **({"PreviousRunId": previous} if previous else {}),
            "Id": f"jr_{secrets.token_hex(32)}",
            "Attempt": before.get("Attempt", -1) + 1,
            "JobName": job["Name"],
            "JobRunState": "STARTING",
            "StartedOn": now,
            "LastModifiedOn": now,
            "PredecessorRuns": [],
            "ExecutionTime": 0,
            "MaxCapacity": units,
            "AllocatedCapacity": int(units),
            "LogGroupName": _LOG_GROUP,
        }

    def _launch(self, run: Payload, job: Payload) -> None:
        run_id = run["Id"]

        def running() -> None:
            state = "RUNNING" if self._state(run_id) == "STARTING" else self._state(run_id)
            run[_PRIVATE] = time.time()
            # Where it cannot be kept, the run goes on: how it ends is what counts.
            with suppress(sqlite3.OperationalError):
                self._runs.change(run_id, JobRunState=state, **{_PRIVATE: run[_PRIVATE]})

        execution = Execution(
            self._settings, self._backend, self._callers, run, job, running, self.standbys
        )
        task = asyncio.create_task(self._work(run, job, execution))
        self._at_work[run_id] = (execution, task)

    def _state(self, run_id: str) -> str | None:
        run = self._runs.find(run_id)
        return None if run is None else str(run["JobRunState"])

    async def _work(self, run: Payload, job: Payload, execution: Execution) -> None:
        try:
            outcome = await execution.outcome()
        except Exception as error:
            logger.exception("run %s broke", run["Id"])
            outcome = Outcome("FAILED", f"The local AWS could not run it: {error}")
        if self._closing and outcome.state == "STOPPED":
            outcome = Outcome("FAILED", "The local AWS was stopped while this run was at work.")
        run_id, ended = run["Id"], _ending(run, outcome)
        tell = self._last_words.store
        if self._state(run_id) is not None:  # else the job was deleted meanwhile
            await tell(f"The end of the run {run_id}", lambda: self._runs.change(run_id, **ended))
        del self._at_work[run_id]
        if self._state(run_id) is None:
            return
        if outcome.state == "FAILED" and not self._closing:
            await tell(f"The retry of the run {run_id}", lambda: self._retry(run, job))
        await tell(f"The run after {run_id}", lambda: self.dispatch(run["JobName"]))

    def _finish(self, run_id: str, outcome: Outcome) -> None:
        self._runs.change(run_id, **_ending(self._runs.find(run_id) or {}, outcome))

    def _retry(self, run: Payload, job: Payload) -> None:
        """Start a failed run again, as often as its job allows."""
        attempt = run["Attempt"] + 1
        if attempt > job["MaxRetries"]:
            return
        first = run["Id"].partition("_attempt_")[0]
        again = self._new_run(job, {name: run[name] for name in _SETTABLE if name in run})
        again |= {
            "Id": f"{first}_attempt_{attempt}",
            "PreviousRunId": run["Id"],
            "Attempt": attempt,
        }
        self._runs.add(again)
        self._launch(again, job)


def _ending(run: Payload, outcome: Outcome) -> dict[str, Any]:
    """Return what is to be kept of a run that ends now."""
    seconds = _seconds_at_work(run)
    fields: dict[str, Any] = {
        "JobRunState": outcome.state,
        "CompletedOn": time.time(),
        "ExecutionTime": seconds,
        "DPUSeconds": seconds * run["MaxCapacity"],
        "StateDetail": None,
        _PRIVATE: None,
    }
    if outcome.message:
        fields["ErrorMessage"] = outcome.message
    return fields


def _queues(run: Payload, job: Payload) -> bool:
    """Return whether a run may wait: Glue queues what asks for it, of jobs without retries."""
    return bool(run.get(_ASKED)) and job["MaxRetries"] == 0


def _check_request(payload: Payload) -> None:
    check_capacity(payload)
    check_timeout(payload)
    arguments = payload.get("Arguments", {})
    strange = [name for name in arguments if not name.startswith("--")]
    if strange:
        raise invalid(f"The names of arguments begin with two dashes: {', '.join(strange)}.")
    if len(dump(arguments).encode()) > _ARGUMENT_BYTES:
        raise invalid("The arguments exceed 260 KB.")


def _seconds_at_work(run: Payload) -> int:
    """Return how long the script of a run has worked, in whole seconds, rounded up."""
    since = run.get(_PRIVATE)
    return 0 if since is None else int(time.time() - since) + 1


def _answer(run: Payload) -> Payload:
    """Return a run as AWS shows it."""
    shown = {name: value for name, value in run.items() if value is not None and name != _PRIVATE}
    if run["JobRunState"] in ACTIVE:
        shown["ExecutionTime"] = _seconds_at_work(run)
    return shown
