"""The SQLite file of executions, workgroups and saved queries: what was answered is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from localaws.damage import Damage
from localaws.sqlite import open_database

Document = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS executions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    workgroup TEXT NOT NULL,
    state TEXT NOT NULL,
    token TEXT UNIQUE,
    request TEXT NOT NULL,
    body TEXT NOT NULL,
    result TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS executions_of_workgroup ON executions (workgroup, sequence);
CREATE INDEX IF NOT EXISTS executions_in_state ON executions (state);
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL,
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, scope, name)
) WITHOUT ROWID;
"""


_LOST = (
    "Workgroups, saved queries and the history of executions are gone; their results are still "
    "in the bucket. `b3 local up` makes the pipeline's workgroup anew."
)


class Store:
    """Executions by sequence, and documents of any kind by scope and name."""

    def __init__(self, path: Path, damage: Damage) -> None:
        self._connection = open_database(path, _SCHEMA, damage, _LOST)

    def close(self) -> None:
        self._connection.close()

    def put(self, kind: str, scope: str, name: str, body: Document) -> None:
        """Keep a document, in the place of one of the same name."""
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)",
                (kind, scope, name, json.dumps(body)),
            )

    def get(self, kind: str, scope: str, name: str) -> Document | None:
        row = self._connection.execute(
            "SELECT body FROM documents WHERE kind = ? AND scope = ? AND name = ?",
            (kind, scope, name),
        ).fetchone()
        return dict(json.loads(row[0])) if row else None

    def all_of(self, kind: str, scope: str) -> list[Document]:
        """Return the documents of a kind in a scope, by name."""
        rows = self._connection.execute(
            "SELECT body FROM documents WHERE kind = ? AND scope = ? ORDER BY name", (kind, scope)
        )
        return [json.loads(body) for (body,) in rows]

    def delete(self, kind: str, scope: str, name: str | None = None) -> int:
        """Forget a document, or all of a scope, and return how many there were."""
        with self._connection:
            return self._connection.execute(
                "DELETE FROM documents WHERE kind = ? AND scope = ? AND name = coalesce(?, name)",
                (kind, scope, name),
            ).rowcount

    def add_execution(self, body: Document, request: Document, token: str | None) -> None:
        """Keep a new execution; `request` is what its token stands for."""
        with self._connection:
            self._connection.execute(
                "INSERT INTO executions (id, workgroup, state, token, request, body, result) "
                "VALUES (?, ?, ?, ?, ?, ?, '{}')",
                (
                    body["QueryExecutionId"],
                    body["WorkGroup"],
                    body["Status"]["State"],
                    token,
                    json.dumps(request, sort_keys=True),
                    json.dumps(body),
                ),
            )

    def keep_execution(self, body: Document, result: Document | None = None) -> None:
        """Keep an execution as it is now, with the description of its result if it has one."""
        with self._connection:
            self._connection.execute(
                "UPDATE executions SET state = ?, body = ?, result = coalesce(?, result) "
                "WHERE id = ?",
                (
                    body["Status"]["State"],
                    json.dumps(body),
                    json.dumps(result) if result is not None else None,
                    body["QueryExecutionId"],
                ),
            )

    def execution(self, execution_id: str) -> Document | None:
        row = self._connection.execute(
            "SELECT body FROM executions WHERE id = ?", (execution_id,)
        ).fetchone()
        return dict(json.loads(row[0])) if row else None

    def result(self, execution_id: str) -> Document:
        """Return the description of an execution's result; empty where it has none."""
        row = self._connection.execute(
            "SELECT result FROM executions WHERE id = ?", (execution_id,)
        ).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def by_token(self, token: str) -> tuple[str, Document] | None:
        """Return the execution that a client's token started, and its request."""
        row = self._connection.execute(
            "SELECT id, request FROM executions WHERE token = ?", (token,)
        ).fetchone()
        return (row[0], json.loads(row[1])) if row else None

    def newest(self, workgroup: str, before: int | None, count: int) -> list[tuple[int, str]]:
        """Return sequence and id of executions of a workgroup, newest first."""
        return self._connection.execute(
            "SELECT sequence, id FROM executions WHERE workgroup = ? AND sequence < ? "
            "ORDER BY sequence DESC LIMIT ?",
            (workgroup, before if before is not None else 1 << 62, count),
        ).fetchall()

    def unfinished(self) -> list[Document]:
        """Return the executions that have not ended."""
        rows = self._connection.execute(
            "SELECT body FROM executions WHERE state IN ('QUEUED', 'RUNNING')"
        )
        return [json.loads(body) for (body,) in rows]

    def forget_executions(self, workgroup: str) -> None:
        with self._connection:
            self._connection.execute("DELETE FROM executions WHERE workgroup = ?", (workgroup,))
