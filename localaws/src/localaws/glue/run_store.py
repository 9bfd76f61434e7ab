"""Runs as they are kept."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from typing import Any

from localaws.glue.requests import Payload
from localaws.glue.store import dump, load


class RunStore:
    """Runs as they are kept: the JobRun of AWS, and the private moment when the script began."""

    def __init__(self, store: sqlite3.Connection) -> None:
        self._store = store

    def add(self, run: Payload) -> None:
        with self._store:
            self._store.execute(
                "INSERT INTO runs (id, job, state, body) VALUES (?, ?, ?, ?)",
                (run["Id"], run["JobName"], run["JobRunState"], dump(run)),
            )

    def change(self, run_id: str, **fields: Any) -> Payload:
        """Set fields of a run and return it; a run that is gone stays gone."""
        run = self.find(run_id) or {}
        run |= {**fields, "LastModifiedOn": time.time()}
        with self._store:
            self._store.execute(
                "UPDATE runs SET state = ?, body = ? WHERE id = ?",
                (run.get("JobRunState"), dump(run), run_id),
            )
        return run

    def find(self, run_id: str) -> Payload | None:
        row = self._store.execute("SELECT body FROM runs WHERE id = ?", (run_id,)).fetchone()
        return None if row is None else dict(load(row[0]))

    def of_job(self, job: str) -> list[Payload]:
        """Return the runs of a job, newest first."""
        return self._bodies("job = ? ORDER BY sequence DESC", (job,))

    def in_state(self, states: Iterable[str], job: str | None = None) -> list[Payload]:
        """Return the runs in one of some states, of one job or of all, oldest first."""
        return self._bodies(
            "state IN (SELECT value FROM json_each(?)) AND (job = ? OR ? IS NULL)"
            " ORDER BY sequence",
            (dump(list(states)), job, job),
        )

    def remove_job(self, job: str) -> None:
        with self._store:
            self._store.execute("DELETE FROM runs WHERE job = ?", (job,))

    def _bodies(self, where: str, parameters: tuple[Any, ...]) -> list[Payload]:
        rows = self._store.execute(f"SELECT body FROM runs WHERE {where}", parameters)  # noqa: S608
        return [load(body) for (body,) in rows]
