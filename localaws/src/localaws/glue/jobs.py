"""Job definitions: kept as given, with the values that AWS fills in."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Any

from localaws.glue.requests import Handler, Payload, invalid, not_found, paged
from localaws.glue.store import dump, load
from localaws.glue.tags import Tags
from localaws.wire import AwsError

_PAGE = 100
_COMMANDS = ("glueetl", "pythonshell")
_LATEST_VERSION = "5.1"
_MOST_MINUTES = 7 * 24 * 60
# Data processing units of one worker.
_WORKER_UNITS = {
    "Standard": 1.0,
    "G.025X": 0.25,
    "G.1X": 1.0,
    "G.2X": 2.0,
    "G.4X": 4.0,
    "G.8X": 8.0,
    "G.12X": 12.0,
    "G.16X": 16.0,
    "R.1X": 1.0,
    "R.2X": 2.0,
    "R.4X": 4.0,
    "R.8X": 8.0,
}
_DEFAULT_UNITS = {"glueetl": 10.0, "pythonshell": 0.0625}
# The time of the last change says nothing about what a definition asks for.
_TIMES = ("CreatedOn", "LastModifiedOn")


class Jobs:
    """The operations on job definitions; `deleted` is told the name of a job that goes."""

    def __init__(
        self,
        store: sqlite3.Connection,
        tags: Tags,
        deleted: Callable[[str], None],
        changed: Callable[[str], None],
    ) -> None:
        self._store = store
        self._tags = tags
        self._deleted = deleted
        self._changed = changed

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateJob": self.create,
            "GetJob": self.get,
            "GetJobs": self.get_all,
            "BatchGetJobs": self.get_many,
            "ListJobs": self.list_names,
            "UpdateJob": self.update,
            "DeleteJob": self.delete,
        }

    def create(self, payload: Payload) -> Payload:
        """Keep a definition; the very same one again changes nothing, another is refused."""
        given = {name: value for name, value in payload.items() if name != "Tags"}
        job = _complete(given)
        known = self.find(payload["Name"])
        if known is None:
            self._keep(job, created=time.time())
            self._tags.replace(self._tags.arn("job", job["Name"]), payload.get("Tags"))
        elif {name: value for name, value in known.items() if name not in _TIMES} != job:
            raise AwsError(
                "IdempotentParameterMismatchException",
                f"Job already submitted with different configuration: {job['Name']}",
            )
        return {"Name": job["Name"]}

    def get(self, payload: Payload) -> Payload:
        return {"Job": self.require(payload["JobName"])}

    def get_all(self, payload: Payload) -> Payload:
        return paged("Jobs", self._all(), payload, _PAGE)

    def get_many(self, payload: Payload) -> Payload:
        found = {name: self.find(name) for name in payload["JobNames"]}
        return {
            "Jobs": [job for job in found.values() if job is not None],
            "JobsNotFound": [name for name, job in found.items() if job is None],
        }

    def list_names(self, payload: Payload) -> Payload:
        wanted = (payload.get("Tags") or {}).items()
        names = [
            job["Name"]
            for job in self._all()
            if wanted <= self._tags.of(self._tags.arn("job", job["Name"])).items()
        ]
        return paged("JobNames", names, payload, _PAGE)

    def update(self, payload: Payload) -> Payload:
        """Replace a definition whole, as AWS does: what the update leaves out is gone."""
        known = self.require(payload["JobName"])
        job = _complete({**payload["JobUpdate"], "Name": known["Name"]})
        self._keep(job, created=known["CreatedOn"])
        self._changed(known["Name"])
        return {"JobName": known["Name"]}

    def any_spark(self) -> bool:
        """Return whether a job is there whose runs start Spark."""
        return any(job["Command"]["Name"] == "glueetl" for job in self._all())

    def delete(self, payload: Payload) -> Payload:
        """Remove a definition and its runs; those at work are ended. A missing one is no error."""
        name = payload["JobName"]
        with self._store:
            self._store.execute("DELETE FROM jobs WHERE name = ?", (name,))
        self._tags.replace(self._tags.arn("job", name), None)
        self._deleted(name)
        return {"JobName": name}

    def find(self, name: str) -> dict[str, Any] | None:
        """Return a definition, None where there is none."""
        row = self._store.execute("SELECT body FROM jobs WHERE name = ?", (name,)).fetchone()
        return None if row is None else dict(load(row[0]))

    def require(self, name: str) -> dict[str, Any]:
        """Return a definition; raise EntityNotFoundException where there is none."""
        job = self.find(name)
        if job is None:
            raise not_found(f"Job {name} not found.")
        return job

    def _all(self) -> list[dict[str, Any]]:
        return [
            load(body) for (body,) in self._store.execute("SELECT body FROM jobs ORDER BY name")
        ]

    def _keep(self, job: Payload, created: float) -> None:
        body = {**job, "CreatedOn": created, "LastModifiedOn": time.time()}
        with self._store:
            self._store.execute(
                "INSERT OR REPLACE INTO jobs VALUES (?, ?)", (job["Name"], dump(body))
            )


def capacity(given: Mapping[str, Any], command: str) -> float:
    """Return the data processing units that a job or a run asks for."""
    if "WorkerType" in given:
        return _WORKER_UNITS.get(given["WorkerType"], 1.0) * float(given["NumberOfWorkers"])
    if "MaxCapacity" in given:
        return float(given["MaxCapacity"])
    return float(given.get("AllocatedCapacity") or _DEFAULT_UNITS[command])


def check_capacity(given: Mapping[str, Any]) -> None:
    """Raise InvalidInputException where two ways to say how much contradict each other."""
    workers = "WorkerType" in given, "NumberOfWorkers" in given
    if any(workers) and "MaxCapacity" in given:
        raise invalid("Please do not set Max Capacity if using Worker Type and Number of Workers.")
    if any(workers) and not all(workers):
        raise invalid("Worker Type and Number of Workers need each other.")


def check_timeout(given: Mapping[str, Any]) -> None:
    """Raise InvalidInputException where a time-out is longer than seven days."""
    if given.get("Timeout", 1) > _MOST_MINUTES:
        raise invalid(f"Timeout must not exceed {_MOST_MINUTES} minutes.")


def _complete(given: Payload) -> Payload:
    """Return a definition with the defaults of AWS; raise InvalidInputException for nonsense."""
    command = given["Command"].get("Name", "glueetl")
    if command not in _COMMANDS:
        raise invalid(f"The local AWS runs {' and '.join(_COMMANDS)} jobs, not {command}.")
    check_capacity(given)
    check_timeout(given)
    units = capacity(given, command)
    version = given.get("GlueVersion", _LATEST_VERSION)
    return {
        "JobMode": "SCRIPT",
        "JobRunQueuingEnabled": False,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "MaxRetries": 0,
        "Timeout": 480 if version >= "5" else 2880,
        "GlueVersion": version,
        **given,
        "Command": {"Name": command, **given["Command"]},
        "MaxCapacity": units,
        "AllocatedCapacity": int(units),
    }
