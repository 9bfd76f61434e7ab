"""GetQueryResults: pages read back from the object that the query wrote."""

from __future__ import annotations

import asyncio

from localaws.athena.api.requests import (
    Handler,
    Payload,
    invalid,
    page_size,
    read_token,
    write_token,
)
from localaws.athena.limits import MOST_PAGE_BYTES
from localaws.athena.output import Output
from localaws.athena.store import Store

_MOST_ROWS = 1000
_PIECE_BYTES = 256 * 1024


class Results:
    """The operation that reads results."""

    def __init__(self, store: Store, output: Output) -> None:
        self._store = store
        self._output = output

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
            # Off the loop: a page may be megabytes.
            rows, following = await asyncio.to_thread(
                self._page, result["Location"], start or 0, size, bool(result["HasHeader"])
            )
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

    def _page(
        self, location: str, start: int, size: int, is_csv: bool
    ) -> tuple[list[list[str | None]], int | None]:
        """Return the rows from a place in an object on, and the place where more follow.

        Read in pieces: a page ends at so many rows or bytes, a row that is longer is one alone.
        """
        # With the SQL that results are of, which a server without queries does without.
        from localaws.athena.results import read_csv_rows, read_text_rows

        if start < 0:
            raise invalid("Invalid token provided")
        read = read_csv_rows if is_csv else read_text_rows
        piece, data = _PIECE_BYTES, b""
        while True:
            found = self._output.read(location, start + len(data), piece)
            if found is None:
                raise invalid("Could not find results")
            data, whole = data + found[0], found[1]
            if start and not data:
                raise invalid("Invalid token provided")
            final = start + len(data) >= whole
            rows, taken = read(data, size, final=final)
            if final or len(rows) == size or (rows and len(data) >= MOST_PAGE_BYTES):
                break
            piece = min(2 * piece, MOST_PAGE_BYTES)
        following = start + taken
        return rows, following if rows and following < whole else None


def _datum(value: str | None) -> dict[str, str]:
    return {} if value is None else {"VarCharValue": value}
