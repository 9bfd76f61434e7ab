"""Query executions: started, run a few at a time, stopped, looked at."""

from __future__ import annotations

import asyncio
import sqlite3
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from localaws.athena.api.metadata import CATALOG_NAME
from localaws.athena.api.requests import (
    Handler,
    Payload,
    comparable,
    invalid,
    page_size,
    read_token,
    write_token,
)
from localaws.athena.api.saved import PreparedStatements
from localaws.athena.api.workgroups import ENGINE, PRIMARY, WorkGroups
from localaws.athena.errors import CancelledQueryError, QueryError
from localaws.athena.executor.context import BytesExceededError, Control, Outcome, Request
from localaws.athena.limits import STATEMENTS_AT_WORK
from localaws.athena.output import Output
from localaws.athena.store import Store
from localaws.sqlite import LastWords

if TYPE_CHECKING:
    from localaws.athena.statements.model import Statement

_LONGEST_QUERY = 262_144
STOPPED_BY_USER = "Query was cancelled by user"

SERVER_ENDED = "The local Athena ended while this query ran"


class Executions:
    """The operations on query executions, and the tasks behind them."""

    def __init__(
        self,
        store: Store,
        workgroups: WorkGroups,
        prepared: PreparedStatements,
        run: Callable[[Request, Statement], Outcome],
        output: Output,
        last_words: LastWords,
    ) -> None:
        self._store = store
        self._last_words = last_words
        self._workgroups = workgroups
        self._prepared = prepared
        self._run_statement = run
        self._output = output
        self._slots = asyncio.Semaphore(STATEMENTS_AT_WORK)
        self._threads = ThreadPoolExecutor(STATEMENTS_AT_WORK, thread_name_prefix="athena")
        self._running: dict[str, tuple[asyncio.Task[None], Control]] = {}
        self._queued: set[str] = set()

    def handlers(self) -> dict[str, Handler]:
        return {
            "StartQueryExecution": self.start,
            "StopQueryExecution": self.stop,
            "GetQueryExecution": self.get,
            "BatchGetQueryExecution": self.get_many,
            "ListQueryExecutions": self.list_ids,
            "GetQueryRuntimeStatistics": self.runtime_statistics,
        }

    def close_orphans(self) -> None:
        """Fail what was still running when an earlier server ended."""
        for body in self._store.unfinished():
            fail(body, QueryError("GENERIC_INTERNAL_ERROR", SERVER_ENDED))
            self._store.keep_execution(body)

    async def close(self) -> None:
        """End what runs; it fails, and says why."""
        self._last_words.close()
        tasks = [task for task, _ in self._running.values()]
        for execution_id in list(self._running):
            self._end(execution_id, SERVER_ENDED)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown()

    async def start(self, payload: Payload) -> Payload:
        group = self._workgroups.require(payload.get("WorkGroup") or PRIMARY)
        if group["State"] != "ENABLED":
            raise invalid(f"WorkGroup {group['Name']} is disabled.")
        check_context(payload)
        statement = await self._statement(payload, group["Name"])
        location = await self._location(payload, group["Configuration"])
        # From here on nothing is awaited, so that a token is never taken twice.
        known = self._known(payload)
        if known is not None:
            return {"QueryExecutionId": known}
        body = new_execution(payload, group["Name"], statement, location)
        self._store.add_execution(body, comparable(payload), payload.get("ClientRequestToken"))
        request = new_request(payload, body, location, group["Configuration"])
        task = asyncio.create_task(self._run(body, request, statement))
        self._running[request.execution_id] = task, request.control
        task.add_done_callback(lambda _: self._running.pop(request.execution_id, None))
        return {"QueryExecutionId": request.execution_id}

    def _known(self, payload: Payload) -> str | None:
        """Return the query that the request's token has started before."""
        token = payload.get("ClientRequestToken")
        known = self._store.by_token(token) if token else None
        if known is not None and known[1] != comparable(payload):
            raise invalid("Idempotent parameters do not match")
        return known[0] if known is not None else None

    async def _statement(self, payload: Payload, group: str) -> Statement:
        """Return the statement of a request; InvalidRequestException where it is none."""
        text = payload["QueryString"]
        if len(text.encode()) > _LONGEST_QUERY:
            raise invalid(f"Query string is longer than {_LONGEST_QUERY} bytes")
        try:
            # Off the loop: a long or deep statement takes seconds to read.
            statement = await asyncio.to_thread(_parse, text)
            from localaws.athena.statements import model

            if not isinstance(statement, model.Execute):
                return statement
            known = self._prepared.find(group, statement.name)
            if known is None:
                raise invalid(
                    f"PreparedStatement {statement.name} was not found in workGroup {group}"
                )
            inner = await asyncio.to_thread(_parse, known["QueryStatement"])
            if not isinstance(inner, model.Select):
                raise invalid("The local Athena executes prepared queries for rows alone")
            return model.Select(inner.query, statement.parameters)
        except QueryError as error:
            raise invalid(error.message) from error

    async def _location(self, payload: Payload, configuration: dict[str, Any]) -> str:
        """Return where the results go, with a slash at its end."""
        own = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
        given = (payload.get("ResultConfiguration") or {}).get("OutputLocation")
        location = (
            own if configuration.get("EnforceWorkGroupConfiguration") and own else given or own
        )
        if not location:
            raise invalid(
                "No output location provided. An output location is required either through the "
                "Workgroup result configuration setting or as an API input."
            )
        try:
            exists = await asyncio.to_thread(self._output.has_bucket, location)
        except QueryError as error:
            raise invalid(f"outputLocation is not a valid S3 path. Provided {location}") from error
        if not exists:
            raise invalid(f"Unable to verify/create output bucket {location.split('/')[2]}")
        return str(location).rstrip("/") + "/"

    async def _run(self, body: Payload, request: Request, statement: Statement) -> None:
        submitted = begun = time.monotonic()
        outcome, ending = Outcome(), None
        self._queued.add(request.execution_id)
        try:
            async with self._slots:
                self._queued.discard(request.execution_id)
                begun = time.monotonic()
                body["Status"]["State"] = "RUNNING"
                # Where it cannot be kept, the query runs: how it ends is what counts.
                with suppress(sqlite3.OperationalError):
                    self._store.keep_execution(body)
                outcome, ending = await self._outcome(request, statement)
        except asyncio.CancelledError:
            # Only one that waits for its turn is cancelled as a task.
            ending = CancelledQueryError(request.control.reason or SERVER_ENDED)
        self._queued.discard(request.execution_id)
        finish(body, outcome, ending)
        set_times(body["Statistics"], submitted, begun, time.monotonic())
        await self._last_words.store(
            f"The end of the query {request.execution_id}",
            lambda: self._store.keep_execution(body, described_result(outcome)),
        )

    async def _outcome(
        self, request: Request, statement: Statement
    ) -> tuple[Outcome, Exception | None]:
        loop = asyncio.get_running_loop()
        try:
            done = loop.run_in_executor(
                self._threads, copy_context().run, self._run_statement, request, statement
            )
            return await done, None
        except BytesExceededError as error:
            return Outcome(bytes_scanned=error.bytes_scanned), error
        except Exception as error:
            # Whatever goes wrong while it ends, as on a full disk: it was ended, and by whom.
            reason = request.control.reason
            if reason is not None and reason in (STOPPED_BY_USER, SERVER_ENDED):
                return Outcome(), CancelledQueryError(reason)
            return Outcome(), error

    def stop(self, payload: Payload) -> Payload:
        """End a query at once; one that has ended stays as it is."""
        execution_id = self._require(payload["QueryExecutionId"])["QueryExecutionId"]
        if execution_id in self._running:
            self._end(execution_id, STOPPED_BY_USER)
        return {}

    def _end(self, execution_id: str, reason: str) -> None:
        task, control = self._running[execution_id]
        control.stop(reason)
        if execution_id in self._queued:
            task.cancel()

    def get(self, payload: Payload) -> Payload:
        return {"QueryExecution": self._require(payload["QueryExecutionId"])}

    def get_many(self, payload: Payload) -> Payload:
        found = {i: self._store.execution(i) for i in payload["QueryExecutionIds"]}
        missing = [
            {
                "QueryExecutionId": i,
                "ErrorCode": "INVALID_INPUT",
                "ErrorMessage": f"{i} was not found",
            }
            for i, body in found.items()
            if body is None
        ]
        known = [body for body in found.values() if body is not None]
        return {"QueryExecutions": known, "UnprocessedQueryExecutionIds": missing}

    def list_ids(self, payload: Payload) -> Payload:
        group = self._workgroups.require(payload.get("WorkGroup") or PRIMARY)["Name"]
        size = page_size(payload, 50)
        rows = self._store.newest(group, read_token(payload), size + 1)
        page: Payload = {"QueryExecutionIds": [execution_id for _, execution_id in rows[:size]]}
        if len(rows) > size:
            page["NextToken"] = write_token(rows[size - 1][0])
        return page

    def runtime_statistics(self, payload: Payload) -> Payload:
        body = self._require(payload["QueryExecutionId"])
        statistics = body["Statistics"]
        timeline = {
            "QueryQueueTimeInMillis": statistics.get("QueryQueueTimeInMillis", 0),
            "EngineExecutionTimeInMillis": statistics.get("EngineExecutionTimeInMillis", 0),
            "ServiceProcessingTimeInMillis": statistics.get("ServiceProcessingTimeInMillis", 0),
            "TotalExecutionTimeInMillis": statistics.get("TotalExecutionTimeInMillis", 0),
        }
        rows = {
            "InputBytes": statistics.get("DataScannedInBytes", 0),
            "OutputRows": self._store.result(body["QueryExecutionId"]).get("Rows", 0),
        }
        return {"QueryRuntimeStatistics": {"Timeline": timeline, "Rows": rows}}

    def _require(self, execution_id: str) -> Payload:
        body = self._store.execution(execution_id)
        if body is None:
            raise invalid(f"QueryExecution {execution_id} was not found")
        return body


def _parse(text: str) -> Statement:
    """Return the statement that a text is; for a thread."""
    # sqlglot would be a third of the server's start: it comes with the first statement.
    from localaws.athena.statements.parsing import parse_statement

    return parse_statement(text)


def new_execution(payload: Payload, group: str, statement: Statement, location: str) -> Payload:
    """Return an execution that waits for its turn."""
    execution_id = str(uuid.uuid4())
    context = payload.get("QueryExecutionContext") or {}
    body: Payload = {
        "QueryExecutionId": execution_id,
        "Query": payload["QueryString"].strip().rstrip(";"),
        "StatementType": statement.type,
        "SubstatementType": statement.subtype,
        "ResultConfiguration": {
            **(payload.get("ResultConfiguration") or {}),
            "OutputLocation": location + _result_name(statement, execution_id),
        },
        "ResultReuseConfiguration": payload.get("ResultReuseConfiguration")
        or {"ResultReuseByAgeConfiguration": {"Enabled": False}},
        "QueryExecutionContext": {**context},
        "Status": {"State": "QUEUED", "SubmissionDateTime": time.time()},
        "Statistics": {},
        "WorkGroup": group,
        "EngineVersion": ENGINE,
    }
    if payload.get("ExecutionParameters"):
        body["ExecutionParameters"] = payload["ExecutionParameters"]
    return body


def _result_name(statement: Statement, execution_id: str) -> str:
    from localaws.athena.statements import model

    if isinstance(statement, model.Select):
        return f"{execution_id}.csv"
    if isinstance(statement, model.CreateTableAs):
        return f"tables/{execution_id}"
    if isinstance(statement, model.Insert | model.Unload):
        return execution_id
    return f"{execution_id}.txt"


def check_context(payload: Payload) -> None:
    """Refuse another catalog than the one there is."""
    given = (payload.get("QueryExecutionContext") or {}).get("Catalog") or CATALOG_NAME
    if given.lower() != CATALOG_NAME.lower():
        raise invalid(f"Catalog {given} does not exist")


def new_request(
    payload: Payload, body: Payload, location: str, configuration: dict[str, Any]
) -> Request:
    """Return what the runner needs to know of an execution."""
    context = payload.get("QueryExecutionContext") or {}
    return Request(
        body["QueryExecutionId"],
        payload["QueryString"],
        # Clients quote the name for Hive's sake.
        (context.get("Database") or "").strip('`"').lower(),
        location,
        tuple(payload.get("ExecutionParameters") or ()),
        configuration.get("BytesScannedCutoffPerQuery"),
    )


def finish(body: Payload, outcome: Outcome, ending: Exception | None) -> None:
    """Write into an execution how it ended."""
    body["Statistics"]["DataScannedInBytes"] = outcome.bytes_scanned
    body["Statistics"]["ResultReuseInformation"] = {"ReusedPreviousResult": False}
    if outcome.manifest_location:
        body["Statistics"]["DataManifestLocation"] = outcome.manifest_location
    if ending is None:
        body["Status"]["State"] = "SUCCEEDED"
        body["Status"]["CompletionDateTime"] = time.time()
    elif isinstance(ending, CancelledQueryError) and ending.reason != SERVER_ENDED:
        body["Status"]["State"] = "CANCELLED"
        body["Status"]["StateChangeReason"] = ending.reason
        body["Status"]["CompletionDateTime"] = time.time()
    else:
        fail(body, ending)


def fail(body: Payload, error: Exception) -> None:
    """Write into an execution why it failed."""
    failure = error
    if not isinstance(failure, QueryError):
        failure = QueryError("GENERIC_INTERNAL_ERROR", str(error))
    body["Status"] |= {
        "State": "FAILED",
        "StateChangeReason": failure.reason,
        "CompletionDateTime": time.time(),
        "AthenaError": {
            "ErrorCategory": failure.category,
            "ErrorType": failure.error_type,
            "Retryable": False,
            "ErrorMessage": failure.reason,
        },
    }


def set_times(statistics: dict[str, Any], submitted: float, begun: float, ended: float) -> None:
    """Write into an execution's statistics how long it took, from readings of one clock."""
    statistics |= {
        "QueryQueueTimeInMillis": round((begun - submitted) * 1000),
        "EngineExecutionTimeInMillis": round((ended - begun) * 1000),
        "ServiceProcessingTimeInMillis": 0,
        "TotalExecutionTimeInMillis": round((ended - submitted) * 1000),
    }


def described_result(outcome: Outcome) -> Payload:
    """Return what GetQueryResults needs to know of a result."""
    return {
        "Columns": outcome.columns,
        "HasHeader": outcome.has_header,
        "Location": outcome.output_location if outcome.manifest_location is None else None,
        "Rows": outcome.rows,
        "UpdateCount": outcome.update_count,
    }
