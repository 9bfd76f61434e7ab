"""The one SQLite file of catalog, jobs and runs: what was answered is kept, kill -9 or not."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localaws.damage import Damage
from localaws.sqlite import open_database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS databases (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tables (
    id INTEGER PRIMARY KEY,
    database TEXT NOT NULL REFERENCES databases ON DELETE CASCADE,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (database, name)
);
CREATE TABLE IF NOT EXISTS versions (
    table_id INTEGER NOT NULL REFERENCES tables ON DELETE CASCADE,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (table_id, version)
) WITHOUT ROWID;
-- Partitions of a table nearly always share their columns: each list is kept once.
CREATE TABLE IF NOT EXISTS column_lists (
    id INTEGER PRIMARY KEY,
    body TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS partitions (
    table_id INTEGER NOT NULL REFERENCES tables ON DELETE CASCADE,
    vals TEXT NOT NULL,
    segment INTEGER NOT NULL,
    columns_id INTEGER REFERENCES column_lists,
    body TEXT NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (table_id, vals)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS runs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    job TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS runs_of_job ON runs (job, sequence);
CREATE INDEX IF NOT EXISTS runs_in_state ON runs (state, job);
CREATE TABLE IF NOT EXISTS tags (
    arn TEXT PRIMARY KEY,
    body TEXT NOT NULL
);
"""


_LOST = (
    "Databases, tables, partitions, jobs and the history of runs are gone; the objects are still "
    "there. `b3 local up` makes the pipeline's anew and registers its partitions again."
)


@dataclass(frozen=True)
class Condition:
    """A condition on a row of a table: SQL with its parameters."""

    sql: str
    parameters: tuple[Any, ...] = ()


def open_store(path: Path, damage: Damage) -> sqlite3.Connection:
    """Return the store at `path`, made where it is missing; `with store:` is a transaction."""
    store = open_database(path, _SCHEMA, damage, _LOST)
    store.execute("PRAGMA case_sensitive_like = ON")
    return store


def dump(value: Any) -> str:
    """Return the one text of a JSON value."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


load = json.loads
