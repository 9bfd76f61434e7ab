"""Athena's state over the end of its server, clean or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

LONG = (
    "SELECT count(*) FROM UNNEST(sequence(1, 10000)) a(x) CROSS JOIN UNNEST(sequence(1, 10000)) "
    "b(y) CROSS JOIN UNNEST(sequence(1, 10000)) c(z) WHERE (x * y + z) % 7 = 8"
)


def test_a_killed_server_loses_nothing_and_fails_what_ran(
    local_server: Callable[..., Any], lake_on: Callable[..., Any], until: Callable[..., Any]
) -> None:
    """After kill -9 results, workgroups and named queries stand; the running query has failed."""
    server = local_server()
    lake = lake_on(server.client)
    lake.athena.create_work_group(Name="kept")
    named = lake.athena.create_named_query(
        Name="n", Database=lake.database, QueryString="SELECT 1", WorkGroup="kept"
    )["NamedQueryId"]
    done = lake.run("SELECT 42 AS x")["QueryExecutionId"]
    running = lake.start(LONG)

    def state(execution_id: str) -> str:
        found = lake.athena.get_query_execution(QueryExecutionId=execution_id)
        return str(found["QueryExecution"]["Status"]["State"])

    until(lambda: state(running) == "RUNNING")
    server.kill()
    server.start()
    lake.athena = server.client("athena")

    results = lake.athena.get_query_results(QueryExecutionId=done)
    assert results["ResultSet"]["Rows"][1] == {"Data": [{"VarCharValue": "42"}]}
    assert lake.athena.get_work_group(WorkGroup="kept")["WorkGroup"]["State"] == "ENABLED"
    assert lake.athena.get_named_query(NamedQueryId=named)["NamedQuery"]["Name"] == "n"
    status = lake.athena.get_query_execution(QueryExecutionId=running)["QueryExecution"]["Status"]
    assert status["State"] == "FAILED", status
    assert "The local Athena ended while this query ran" in status["StateChangeReason"]
    listed = lake.athena.list_query_executions(WorkGroup="primary")["QueryExecutionIds"]
    assert listed == [running, done]


@pytest.mark.parametrize("work", [0, 2], ids=["as it begins", "at work"])
def test_a_server_that_stops_ends_its_queries_at_once(
    local_server: Callable[..., Any],
    lake_on: Callable[..., Any],
    until: Callable[..., Any],
    work: float,
) -> None:
    """A long query does not keep the server from stopping; it has failed afterwards."""
    server = local_server()
    lake = lake_on(server.client)
    running = lake.start(LONG)
    until(lambda: server.query_seconds() >= work, seconds=60)
    assert server.stop()
    server.start()
    athena = server.client("athena")
    status = athena.get_query_execution(QueryExecutionId=running)["QueryExecution"]["Status"]
    assert status["State"] == "FAILED", status
