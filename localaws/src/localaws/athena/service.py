"""The Athena service: which operations are answered, and by what."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from localaws.athena.api.executions import Executions
from localaws.athena.api.metadata import Metadata
from localaws.athena.api.requests import Handler, Payload, check
from localaws.athena.api.results import Results
from localaws.athena.api.saved import NamedQueries, PreparedStatements
from localaws.athena.api.workgroups import WorkGroups
from localaws.athena.executor.context import Outcome, Request
from localaws.athena.output import Output
from localaws.athena.rights import CallersRights
from localaws.athena.store import Store
from localaws.callers import Callers, Need
from localaws.damage import Damage
from localaws.permissions import athena_needs
from localaws.settings import Settings
from localaws.sqlite import LastWords
from localaws.troubles import Troubles
from localaws.wire import AwsError, Service

if TYPE_CHECKING:
    from localaws.athena.executor.worker import Worker
    from localaws.athena.statements.model import Statement


class AthenaService:
    """SQL over the Data Catalog: every operation of Athena is answered here, or refused.

    `glue` answers for the Data Catalog. The bodies of objects are read in place, from the
    files of the local S3; what queries write goes through its API.
    """

    prefix = "AmazonAthena"
    signing_name = "athena"

    def __init__(
        self,
        settings: Settings,
        glue: Service,
        callers: Callers,
        damage: Damage,
        troubles: Troubles,
    ) -> None:
        self._settings = settings
        self._rights = CallersRights(callers)
        self._arn = f"arn:aws:athena:{settings.region}:{settings.account_id}:"
        glue = self._rights.over(glue)
        self._glue = glue
        self._store = Store(settings.athena_dir / "athena.db", damage)
        self._output = Output(settings, self._rights)
        workgroups = WorkGroups(self._store)
        prepared = PreparedStatements(self._store, workgroups)
        self._named = NamedQueries(self._store, workgroups)
        last_words = LastWords(self.prefix, troubles)
        self._executions = Executions(
            self._store, workgroups, prepared, self._run, self._output, last_words
        )
        self._worker: Worker | None = None
        self._making = threading.Lock()
        self._handlers: dict[str, Handler] = {}
        parts: tuple[Any, ...] = (
            workgroups,
            prepared,
            self._named,
            Metadata(glue, settings.account_id),
            Results(self._store, self._output),
            self._executions,
        )
        for part in parts:
            self._handlers |= part.handlers()

    def owns(self, operation: str) -> bool:
        """Return True: ministack has another Athena, whose answers would not fit to these."""
        return True

    def needs(self, operation: str, payload: Payload) -> Iterable[Need]:
        return athena_needs(operation, payload, lambda name: self._arn + name, self._group_of)

    def _group_of(self, query_id: str) -> str:
        """Return the workgroup of a query or a saved query; `*` where there is none of that id."""
        query = self._store.execution(query_id)
        return self._named.group_of(query_id) if query is None else str(query["WorkGroup"])

    async def call(self, operation: str, payload: Payload) -> Payload:
        handler = self._handlers.get(operation)
        if handler is None:
            raise AwsError("InvalidRequestException", f"The local Athena does not do {operation}.")
        check(operation, payload)
        answer = handler(payload)
        return await answer if inspect.isawaitable(answer) else answer

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._executions.close_orphans()

    async def close(self) -> None:
        await self._executions.close()
        if self._worker is not None:
            self._worker.close()
        self._store.close()

    def _run(self, request: Request, statement: Statement) -> Outcome:
        """Return the outcome of a statement; called from a worker thread."""
        with self._making:
            if self._worker is None:
                from localaws.athena.executor.worker import Worker

                self._worker = Worker(self._settings, self._glue, self._rights, self._loop)
        return self._worker.run(request, statement)
