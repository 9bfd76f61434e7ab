"""The Athena service: which operations are answered, and by what."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

from localaws.athena.api.executions import Executions
from localaws.athena.api.metadata import Metadata
from localaws.athena.api.requests import Handler, Payload, check
from localaws.athena.api.results import Results
from localaws.athena.api.saved import NamedQueries, PreparedStatements
from localaws.athena.api.workgroups import WorkGroups
from localaws.athena.executor.context import Outcome, Request
from localaws.athena.output import Output
from localaws.athena.statements.model import Statement
from localaws.athena.store import Store
from localaws.settings import Settings
from localaws.wire import AwsError, Service

if TYPE_CHECKING:
    from localaws.athena.executor.worker import Worker


class AthenaService:
    """SQL over the Data Catalog: every operation of Athena is answered here, or refused.

    `glue` answers for the Data Catalog. The bodies of objects are read in place, from the
    files of the local S3; what queries write goes through its API.
    """

    prefix = "AmazonAthena"

    def __init__(self, settings: Settings, glue: Service) -> None:
        self._settings = settings
        self._glue = glue
        self._store = Store(settings.athena_dir / "athena.db")
        self._output = Output(settings)
        workgroups = WorkGroups(self._store)
        prepared = PreparedStatements(self._store, workgroups)
        self._executions = Executions(self._store, workgroups, prepared, self._run, self._output)
        self._worker: Worker | None = None
        self._making = threading.Lock()
        self._handlers: dict[str, Handler] = {}
        parts: tuple[Any, ...] = (
            workgroups,
            prepared,
            NamedQueries(self._store, workgroups),
            Metadata(glue, settings.account_id),
            Results(self._store, self._output),
            self._executions,
        )
        for part in parts:
            self._handlers |= part.handlers()

    def owns(self, operation: str) -> bool:
        """Return True: ministack has another Athena, whose answers would not fit to these."""
        return True

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

                self._worker = Worker(self._settings, self._glue, self._loop)
        return self._worker.run(request, statement)
