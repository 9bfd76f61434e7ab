"""Tables as statements name them, found in the Data Catalog."""

from __future__ import annotations

from dataclasses import dataclass

from localaws.athena.catalog import Definition
from localaws.athena.errors import QueryError
from localaws.athena.executor.context import Request, Services
from localaws.athena.sql.relations import CATALOG
from localaws.athena.statements.model import TableName


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
