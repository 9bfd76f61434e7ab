"""GetQueryResults: pages read back from the object that the query wrote."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from localaws.athena.api.requests import (
    Handler,
    Payload,
    invalid,
    page_size,
    read_token,
    write_token,
)
from localaws.athena.output import Output
from localaws.athena.results import read_csv_page, read_text_page
from localaws.athena.store import Store

_MOST_ROWS = 1000
_REMEMBERED = 4
"""Results of which more pages may be asked for soon."""


class Results:
    """The operation that reads results."""

    def __init__(self, store: Store, output: Output) -> None:
        self._store = store
        self._output = output
        self._texts: OrderedDict[str, str] = OrderedDict()

    def handlers(self) -> dict[str, Handler]:
        return {"GetQueryResults": self.get}

    async def get(self, payload: Payload) -> Payload:
        """Return a page of rows; the first row of a query's first page is its header."""
        execution_id = payload["QueryExecutionId"]
        self._check_ended(execution_id)
        result = self._store.result(execution_id)
        size, start = page_size(payload, _MOST_ROWS), read_token(payload)
        rows: list[list[str | None]] = []
        following: int | None = None
        if result["Location"]:
            text = await self._text(execution_id, result["Location"], fresh=start is None)
            read = read_csv_page if result["HasHeader"] else read_text_page
            rows, following = read(text, start or 0, size)
        answer: Payload = {
            "ResultSet": {
                "Rows": [{"Data": [_datum(value) for value in row]} for row in rows],
                "ResultSetMetadata": {"ColumnInfo": result["Columns"]},
            }
        }
        if result.get("UpdateCount") is not None:
            answer["UpdateCount"] = result["UpdateCount"]
        return answer | ({"NextToken": write_token(following)} if following is not None else {})

    def _check_ended(self, execution_id: str) -> None:
        body = self._store.execution(execution_id)
        if body is None:
            raise invalid(f"QueryExecution {execution_id} was not found")
        state = body["Status"]["State"]
        if state in ("QUEUED", "RUNNING"):
            raise invalid(f"Query has not yet finished. Current state: {state}")
        if state != "SUCCEEDED":
            raise invalid(f"Query did not finish successfully. Final query state: {state}")

    async def _text(self, execution_id: str, location: str, *, fresh: bool) -> str:
        """Return the object of a result; the pages after the first come from memory."""
        if fresh or execution_id not in self._texts:
            body = await asyncio.to_thread(self._output.get, location)
            if body is None:
                raise invalid("Could not find results")
            self._texts[execution_id] = body.decode()
            while len(self._texts) > _REMEMBERED:
                self._texts.popitem(last=False)
        self._texts.move_to_end(execution_id)
        return self._texts[execution_id]


def _datum(value: str | None) -> dict[str, str]:
    return {} if value is None else {"VarCharValue": value}
