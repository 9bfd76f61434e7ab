"""The Glue service: which operations are answered here, and by what."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from localaws.backend import Backend
from localaws.callers import PASS_ROLE, Callers, Need
from localaws.damage import Damage
from localaws.glue.databases import Databases
from localaws.glue.jobs import Jobs
from localaws.glue.partitions import Partitions
from localaws.glue.requests import Handler, Payload, validate
from localaws.glue.runs import Runs
from localaws.glue.store import open_store
from localaws.glue.tables import Tables
from localaws.glue.tags import Tags
from localaws.permissions import glue_needs, passed_role
from localaws.settings import Settings
from localaws.sqlite import LastWords
from localaws.troubles import Troubles
from localaws.wire import AwsError

# ministack would say that these were done, and do nothing; or it would look into a catalog of
# its own, which stays empty.
_REFUSED = (
    "StartCrawler",
    "StartTrigger",
    "StartWorkflowRun",
    "CreateUserDefinedFunction",
    "GetColumnStatisticsForTable",
    "UpdateColumnStatisticsForTable",
    "DeleteColumnStatisticsForTable",
    "GetColumnStatisticsForPartition",
    "UpdateColumnStatisticsForPartition",
    "DeleteColumnStatisticsForPartition",
)
_CHANGES_OF_JOBS = ("CreateJob", "UpdateJob", "DeleteJob")


class GlueService:
    """Data Catalog, jobs and their tags; what is left (crawlers, connections…) is ministack's."""

    prefix = "AWSGlue"
    signing_name = "glue"

    def __init__(
        self,
        settings: Settings,
        backend: Backend,
        callers: Callers,
        damage: Damage,
        troubles: Troubles,
    ) -> None:
        self._callers = callers
        self._has_spark = False
        self._store = open_store(settings.glue_dir / "glue.db", damage)
        tags = Tags(self._store, settings, backend)
        self._arn = f"arn:aws:glue:{settings.region}:{settings.account_id}:"
        self._jobs = Jobs(self._store, tags, deleted=self._forget, changed=self._dispatch)
        last_words = LastWords(self.prefix, troubles)
        self._runs = Runs(self._store, self._jobs, settings, backend, callers, last_words)
        databases = Databases(self._store, settings.account_id, tags)
        tables = Tables(self._store, databases, settings.account_id)
        partitions = Partitions(self._store, tables, settings.account_id)
        self._handlers: dict[str, Handler] = {name: _refuse(name) for name in _REFUSED}
        for part in (tags, self._jobs, self._runs, databases, tables, partitions):
            self._handlers |= part.handlers()

    def owns(self, operation: str) -> bool:
        return operation in self._handlers

    def needs(self, operation: str, payload: Payload) -> Iterator[Need]:
        yield from glue_needs(operation, payload, lambda resource: self._arn + resource)
        if role := passed_role(operation, payload):
            yield PASS_ROLE, role

    async def call(self, operation: str, payload: Payload) -> Payload:
        validate(operation, payload)
        answer = self._handlers[operation](payload)
        self._expect_spark(operation)
        return await answer if inspect.isawaitable(answer) else answer

    async def start(self) -> None:
        self._runs.resume()
        self._expect_spark("CreateJob")

    def standby(self) -> str:
        """Return what is to be said of the standby for Spark runs."""
        return self._runs.standbys.state()

    def _expect_spark(self, operation: str) -> None:
        """Have a standby while a Spark job is there and somebody works with it or the catalog."""
        if operation in _CHANGES_OF_JOBS:
            self._has_spark = self._jobs.any_spark()
        if self._has_spark:
            self._runs.standbys.wish()

    async def close(self) -> None:
        await self._runs.close()
        self._store.close()

    def _forget(self, job_name: str) -> None:
        self._runs.forget(job_name)

    def _dispatch(self, job_name: str) -> None:
        self._runs.dispatch(job_name)


def _refuse(operation: str) -> Handler:
    def handler(_: Payload) -> Any:
        raise AwsError("OperationNotSupportedException", f"The local AWS does not do {operation}.")

    return handler
