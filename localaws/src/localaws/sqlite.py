"""SQLite files of the state folder: what was committed survives the end of the process."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """Return the database at `path`, made where it is missing; `with database:` is a transaction.

    With a write-ahead log a commit survives the end of the process without waiting for the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("PRAGMA foreign_keys = ON")
    database.executescript(schema)
    return database
