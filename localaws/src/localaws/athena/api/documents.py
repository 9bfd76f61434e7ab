"""A query execution as GetQueryExecution shows it, from its start to its end."""

from __future__ import annotations

import time
import uuid
from typing import Any

from localaws.athena.api.metadata import CATALOG_NAME
from localaws.athena.api.requests import Payload, invalid
from localaws.athena.api.workgroups import ENGINE
from localaws.athena.errors import CancelledQueryError, QueryError
from localaws.athena.executor.context import Outcome, Request
from localaws.athena.statements import model
from localaws.athena.statements.model import Statement

SERVER_ENDED = "The local Athena ended while this query ran"


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
