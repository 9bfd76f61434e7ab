"""SQLite files of the state folder: what was committed survives the end of the process."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from localaws.damage import Damage
from localaws.errors import LocalAwsError
from localaws.troubles import Troubles

_VERSION = 1
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


_AGAIN_SECONDS = 1.0


class LastWords:
    """Stores what nobody would ask for again, how work has ended: until it is stored."""

    def __init__(self, subject: str, troubles: Troubles) -> None:
        self._subject = subject
        self._troubles = troubles
        self._closing = asyncio.Event()

    async def store(self, what: str, write: Callable[[], object]) -> None:
        """Write, again and again where there is no room; once more, at most, when closing."""
        while True:
            last = self._closing.is_set()
            try:
                write()
            except sqlite3.OperationalError as error:
                self._troubles.unwritten(self._subject, what, error)
                if last:
                    return
                await self._pause()
            else:
                self._troubles.clear(self._subject)
                return

    def close(self) -> None:
        """The server ends: who waits tries once more, and gives up."""
        self._closing.set()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), _AGAIN_SECONDS)
        except TimeoutError:
            return


class _DamagedError(Exception):
    """A file that is no database of ours."""


def open_database(path: Path, schema: str, damage: Damage, lost: str) -> sqlite3.Connection:
    """Return the database at `path`, made where it is missing; `with database:` is a transaction.

    With a write-ahead log a commit survives the end of the process without waiting for the disk.
    A file that is damaged, or of a newer version, is set aside, and a new one made; `lost` says
    what is gone with it. Raises LocalAwsError where none can be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _open(path, schema)
        except _DamagedError as error:
            damage.set_aside(path, str(error), lost)
            return _open(path, schema)
    except (OSError, sqlite3.Error) as error:
        raise LocalAwsError(
            f"{path} cannot be opened: {error}.",
            hint="free some space on its disk, and give this user the right to read and write it.",
        ) from error


def _open(path: Path, schema: str) -> sqlite3.Connection:
    if path.exists():
        if not path.is_file():
            raise _DamagedError("it is no regular file")
        if path.stat().st_size == 0:
            raise _DamagedError("it is empty")
        if not os.access(path, os.R_OK | os.W_OK):
            raise _DamagedError("this user may not read and write it")
    database = sqlite3.connect(path)
    try:
        _check(database, schema)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA foreign_keys = ON")
        database.executescript(schema)
        database.execute(f"PRAGMA user_version = {_VERSION}")
    except sqlite3.DatabaseError as error:
        database.close()
        # The code's upper bytes tell more than is asked here.
        if (error.sqlite_errorcode & 0xFF) in _DAMAGED:
            raise _DamagedError(str(error)) from error
        raise
    except _DamagedError:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection, schema: str) -> None:
    """Raise where a database is broken, of a newer version, or holds other columns than ours."""
    [version] = database.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise _DamagedError(f"its version {version} is newer than {_VERSION}")
    [verdict] = database.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _DamagedError(str(verdict))
    with sqlite3.connect(":memory:") as wanted:
        wanted.executescript(schema)
        for table, columns in _columns(wanted).items():
            found = _columns(database).get(table, columns)
            if missing := [column for column in columns if column not in found]:
                raise _DamagedError(f"its table {table} lacks {', '.join(missing)}")
    wanted.close()


def _columns(database: sqlite3.Connection) -> dict[str, list[str]]:
    rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {
        name: [row[1] for row in database.execute(f"PRAGMA table_info({name!r})")]
        for (name,) in rows
    }
