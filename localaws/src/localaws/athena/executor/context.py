"""What a statement needs while it runs, the tables that it names, and what comes of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localaws.athena.errors import CancelledQueryError, QueryError
from localaws.athena.names import CATALOG

if TYPE_CHECKING:
    from localaws.athena.catalog import Catalog, Definition
    from localaws.athena.engine import Engine
    from localaws.athena.output import Output
    from localaws.athena.scan.objects import Objects
    from localaws.athena.scan.small import SmallFiles
    from localaws.athena.statements.model import TableName


class BytesExceededError(CancelledQueryError):
    """A query that would read more than its workgroup allows; it ends at the limit."""

    def __init__(self, cutoff: int) -> None:
        super().__init__("Bytes scanned limit was exceeded")
        self.bytes_scanned = cutoff


class Control:
    """The way to end a running statement from outside."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._connection: Any = None
        self._lock = threading.Lock()

    def stop(self, reason: str) -> None:
        """End the statement at its next step, its query at once."""
        with self._lock:
            self.reason = self.reason or reason
            if self._connection is not None:
                self._connection.interrupt()

    def check(self) -> None:
        """Raise CancelledQueryError where the statement was stopped."""
        if self.reason is not None:
            raise CancelledQueryError(self.reason)

    def attach(self, connection: Any) -> None:
        """Say which connection a stop must interrupt."""
        with self._lock:
            self._connection = connection
        self.check()

    def detach(self) -> None:
        """Say that there is no connection to interrupt any more."""
        with self._lock:
            self._connection = None


@dataclass(frozen=True)
class Services:
    """What all statements share."""

    catalog: Catalog
    engine: Engine
    objects: Objects
    small: SmallFiles
    output: Output
    spill: Path
    """The folder of temporary files."""


@dataclass
class Request:
    """A statement to be run: where, and with which limits."""

    execution_id: str
    text: str
    database: str
    location: str
    """Where results go: the address without the name of the object."""
    parameters: tuple[str, ...] = ()
    bytes_cutoff: int | None = None
    control: Control = field(default_factory=Control)


@dataclass
class Outcome:
    """What a statement gave: the description of its columns, its place, what it read."""

    columns: list[dict[str, Any]] = field(default_factory=list)
    has_header: bool = False
    output_location: str | None = None
    manifest_location: str | None = None
    bytes_scanned: int = 0
    rows: int = 0
    update_count: int | None = None


@dataclass(frozen=True)
class Target:
    """A table with its database."""

    database: str
    name: str


def full_name(database: str, name: str) -> str:
    """Return a table with its database and catalog, as errors show it."""
    return f"{CATALOG}.{database}.{name}"


def target(request: Request, table: TableName) -> Target:
    """Return the table that a statement means; in its context's database if it names none."""
    database = table.database or request.database
    if not database:
        message = "Schema must be specified when session schema is not set"
        raise QueryError("MISSING_SCHEMA_NAME", f"line 1:1: {message}")
    return Target(database, table.name)


def require_database(services: Services, database: str) -> None:
    """Raise SCHEMA_NOT_FOUND where the catalog does not know a database."""
    if services.catalog.database(database) is None:
        message = f"line 1:1: Schema '{database}' does not exist"
        raise QueryError("SCHEMA_NOT_FOUND", message)


def require_table(services: Services, request: Request, table: TableName) -> Definition:
    """Return a table's definition; fails as Hive does where there is none."""
    name = target(request, table)
    definition = services.catalog.definition(name.database, name.name)
    if definition is None:
        message = f"SemanticException [Error 10001]: Table not found {name.database}.{name.name}"
        raise QueryError("FAILED", message)
    return definition
