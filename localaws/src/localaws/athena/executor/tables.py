"""DDL of databases, tables and views."""

from __future__ import annotations

import base64
import json
from typing import Any

from localaws.athena.catalog import Definition, QueryTables
from localaws.athena.errors import QueryError, not_supported
from localaws.athena.executor.context import (
    Request,
    Services,
    full_name,
    require_database,
    require_table,
    target,
)
from localaws.athena.names import CATALOG
from localaws.athena.scan.objects import split_uri
from localaws.athena.sql.translate import translate
from localaws.athena.statements import model
from localaws.athena.writing import PARQUET_STORAGE, check_columns
from localaws.wire import AwsError

_KEPT = (
    "Name",
    "Description",
    "Owner",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "TableType",
    "Parameters",
)


def create_table(services: Services, request: Request, statement: model.CreateTable) -> list[str]:
    """Register a table over the Parquet objects of a location."""
    name = target(request, statement.table)
    _check_parquet(statement)
    location = statement.location or ""
    split_uri(location)
    require_database(services, name.database)
    storage: dict[str, Any] = {
        **PARQUET_STORAGE,
        "Columns": _columns(statement.columns),
        "Location": location,
        "SerdeInfo": {
            **PARQUET_STORAGE["SerdeInfo"],  # type: ignore[dict-item]
            "Parameters": {"serialization.format": "1", **statement.serde_properties},
        },
    }
    definition: Definition = {
        "Name": name.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", **statement.properties},
        "StorageDescriptor": storage,
        "PartitionKeys": _columns(statement.partition_keys),
    }
    if statement.comment:
        definition["Description"] = statement.comment
    _create(services, name.database, definition, statement.if_not_exists)
    return []


def _create(services: Services, database: str, definition: Definition, if_not_exists: bool) -> None:
    try:
        services.catalog.call("CreateTable", DatabaseName=database, TableInput=definition)
    except AwsError as error:
        if error.code != "AlreadyExistsException":
            raise
        if not if_not_exists:
            raise _hive(
                f"AlreadyExistsException(message:Table {definition['Name']} already exists)"
            ) from error


def _hive(message: str) -> QueryError:
    """Return a failure as Hive words those of its catalog."""
    task = "Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask"
    return QueryError("FAILED", f"{task}. {message}")


def _check_parquet(statement: model.CreateTable) -> None:
    described = f"{statement.stored_as or ''} {statement.serde or ''}"
    if "parquet" not in described.lower():
        raise not_supported(f"tables other than Parquet: {described.strip() or 'text'}")


def _columns(columns: tuple[tuple[str, str, str | None], ...]) -> list[dict[str, str]]:
    return [
        {"Name": name, "Type": kind} | ({"Comment": comment} if comment else {})
        for name, kind, comment in columns
    ]


def drop(services: Services, request: Request, statement: model.Drop) -> list[str]:
    """Forget a table or view; the objects of a table stay."""
    name = target(request, statement.table)
    definition = services.catalog.definition(name.database, name.name)
    if definition is None:
        if statement.if_exists:
            return []
        if statement.is_view:
            message = f"line 1:1: View '{full_name(name.database, name.name)}' does not exist"
            raise QueryError("TABLE_NOT_FOUND", message)
        message = f"SemanticException [Error 10001]: Table not found {name.database}.{name.name}"
        raise QueryError("FAILED", message)
    is_view = definition.get("TableType") == "VIRTUAL_VIEW"
    if is_view != statement.is_view:
        kind, other = ("view", "DROP VIEW") if is_view else ("table", "DROP TABLE")
        message = f"line 1:1: {full_name(name.database, name.name)} is a {kind}: use {other}"
        raise QueryError("GENERIC_USER_ERROR", message)
    services.catalog.call("DeleteTable", DatabaseName=name.database, Name=name.name)
    return []


def create_view(services: Services, request: Request, statement: model.CreateView) -> list[str]:
    """Keep a query under a name, with the types of its columns now, as Athena encodes it."""
    name = target(request, statement.table)
    require_database(services, name.database)
    existing = services.catalog.definition(name.database, name.name)
    if existing is not None and existing.get("TableType") != "VIRTUAL_VIEW":
        message = f"line 1:1: Table '{full_name(name.database, name.name)}' already exists"
        raise QueryError("TABLE_ALREADY_EXISTS", message)
    if existing is not None and not statement.replace:
        message = f"line 1:1: View already exists: '{full_name(name.database, name.name)}'"
        raise QueryError("TABLE_ALREADY_EXISTS", message)
    tables = QueryTables(services.catalog)
    columns = translate(statement.query, tables, database=request.database).columns
    check_columns(columns)
    definition = _view(name.name, request.database or name.database, statement.query, columns)
    operation = "UpdateTable" if existing else "CreateTable"
    services.catalog.call(operation, DatabaseName=name.database, TableInput=definition)
    return []


def _view(name: str, database: str, query: str, columns: Any) -> Definition:
    view = {
        "originalSql": query.strip(),
        "catalog": CATALOG,
        "schema": database,
        "columns": [{"name": c.name.lower(), "type": str(c.type)} for c in columns],
    }
    encoded = base64.b64encode(json.dumps(view).encode()).decode()
    return {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "ViewOriginalText": f"/* Presto View: {encoded} */",
        "ViewExpandedText": "/* Presto View */",
        "StorageDescriptor": {
            "Columns": [{"Name": c.name.lower(), "Type": c.type.hive} for c in columns],
            "Location": "",
            "SerdeInfo": {},
        },
        "PartitionKeys": [],
    }


def create_database(
    services: Services, request: Request, statement: model.CreateDatabase
) -> list[str]:
    """Make a database."""
    given: dict[str, Any] = {"Name": statement.name, "Parameters": statement.properties}
    if statement.comment:
        given["Description"] = statement.comment
    if statement.location:
        given["LocationUri"] = statement.location
    try:
        services.catalog.call("CreateDatabase", DatabaseInput=given)
    except AwsError as error:
        if error.code != "AlreadyExistsException":
            raise
        if not statement.if_not_exists:
            raise _hive(f"Database {statement.name} already exists") from error
    return []


def drop_database(services: Services, request: Request, statement: model.DropDatabase) -> list[str]:
    """Forget a database, which must be empty unless CASCADE says otherwise."""
    if services.catalog.database(statement.name) is None:
        if statement.if_exists:
            return []
        raise QueryError(
            "FAILED", f"SemanticException [Error 10072]: Database does not exist: {statement.name}"
        )
    if not statement.cascade and services.catalog.definitions(statement.name):
        message = f"Database {statement.name} is not empty. One or more tables exist."
        raise _hive(f"InvalidOperationException(message:{message})")
    services.catalog.call("DeleteDatabase", Name=statement.name)
    return []


def add_columns(services: Services, request: Request, statement: model.AddColumns) -> list[str]:
    """Add columns behind those that a table has."""
    definition = require_table(services, request, statement.table)
    storage = definition["StorageDescriptor"]
    known = {column["Name"] for column in storage["Columns"] + definition["PartitionKeys"]}
    for column, _, _ in statement.columns:
        if column in known:
            raise _hive(f"Duplicate column name: {column}")
    columns = [*storage["Columns"], *_columns(statement.columns)]
    _update(services, definition, StorageDescriptor={**storage, "Columns": columns})
    return []


def set_properties(
    services: Services, request: Request, statement: model.SetProperties
) -> list[str]:
    """Set properties of a table."""
    definition = require_table(services, request, statement.table)
    parameters = {**definition.get("Parameters", {}), **statement.properties}
    _update(services, definition, Parameters=parameters)
    return []


def _update(services: Services, definition: Definition, **changed: Any) -> None:
    given = {name: definition[name] for name in _KEPT if name in definition}
    database = definition["DatabaseName"]
    services.catalog.call("UpdateTable", DatabaseName=database, TableInput=given | changed)
