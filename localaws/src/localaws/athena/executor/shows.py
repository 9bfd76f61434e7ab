"""SHOW and DESCRIBE: what the Data Catalog holds, in Hive's words."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from localaws.athena.catalog import Definition, sql_table
from localaws.athena.errors import QueryError
from localaws.athena.executor.context import Request, Services, full_name, require_table
from localaws.athena.statements import model
from localaws.athena.statements.model import TableName

Lines = tuple[list[str], list[str]]
"""The names of the columns, and the lines."""


def show(services: Services, request: Request, statement: model.Show) -> Lines:
    """Return the answer to a SHOW."""
    return _SHOWS[statement.what](services, request, statement)


def _tables(services: Services, request: Request, statement: model.Show) -> Lines:
    found = [d["Name"] for d in _definitions(services, request, statement)]
    return ["tab_name"], _matching(found, statement.pattern)


def _views(services: Services, request: Request, statement: model.Show) -> Lines:
    found = _definitions(services, request, statement)
    views = [d["Name"] for d in found if d.get("TableType") == "VIRTUAL_VIEW"]
    return ["views"], _matching(views, statement.pattern)


def _definitions(services: Services, request: Request, statement: model.Show) -> list[Definition]:
    database = statement.database or request.database or "default"
    if services.catalog.database(database) is None:
        message = f"SemanticException [Error 10072]: Database does not exist: {database}"
        raise QueryError("FAILED", message)
    return services.catalog.definitions(database)


def _databases(services: Services, request: Request, statement: model.Show) -> Lines:
    names = [database["Name"] for database in services.catalog.databases()]
    return ["database_name"], _matching(names, statement.pattern)


def _matching(names: list[str], pattern: str | None) -> list[str]:
    """Return the names that match a pattern of Hive: `*` for any text, `|` between choices."""
    if pattern is None:
        return names
    choices = [re.escape(part.strip()).replace(r"\*", ".*") for part in pattern.split("|")]
    matches = re.compile("|".join(choices), re.IGNORECASE)
    return [name for name in names if matches.fullmatch(name)]


def _columns(services: Services, request: Request, statement: model.Show) -> Lines:
    definition = _table(services, request, statement.table)
    listed = definition["StorageDescriptor"].get("Columns", []) + definition["PartitionKeys"]
    return ["field"], [f"{column['Name']:<20}" for column in listed]


def _partitions(services: Services, request: Request, statement: model.Show) -> Lines:
    definition = _table(services, request, statement.table)
    keys = tuple(key["Name"] for key in definition["PartitionKeys"])
    if not keys:
        name = f"{definition['DatabaseName']}.{definition['Name']}"
        message = f"SemanticException [Error 10001]: Table {name} is not a partitioned table"
        raise QueryError("FAILED", message)
    found = services.catalog.partitions(definition["DatabaseName"], definition["Name"])
    return ["partition"], [partition.path(keys) for partition in found]


def _create_table(services: Services, request: Request, statement: model.Show) -> Lines:
    definition = _table(services, request, statement.table)
    if definition.get("TableType") == "VIRTUAL_VIEW":
        name = full_name(definition["DatabaseName"], definition["Name"])
        raise QueryError("NOT_SUPPORTED", f"line 1:1: Relation '{name}' is a view, not a table")
    return ["createtab_stmt"], create_statement(definition)


def create_statement(definition: Definition) -> list[str]:
    """Return the statement that makes a table, as Hive writes it."""
    storage = definition["StorageDescriptor"]
    keys = definition.get("PartitionKeys", [])
    lines = [f"CREATE EXTERNAL TABLE `{definition['DatabaseName']}.{definition['Name']}`("]
    lines += _column_lines(storage.get("Columns", []))
    if keys:
        lines += ["PARTITIONED BY ( ", *_column_lines(keys)]
    lines += ["ROW FORMAT SERDE ", f"  '{storage['SerdeInfo'].get('SerializationLibrary')}' "]
    lines += ["STORED AS INPUTFORMAT ", f"  '{storage.get('InputFormat')}' "]
    lines += ["OUTPUTFORMAT ", f"  '{storage.get('OutputFormat')}'"]
    lines += ["LOCATION", f"  '{storage.get('Location')}'"]
    properties = {k: v for k, v in definition.get("Parameters", {}).items() if k != "EXTERNAL"}
    listed = ", \n".join(f"  '{key}'='{value}'" for key, value in properties.items())
    return lines + (f"TBLPROPERTIES (\n{listed})".split("\n") if listed else [])


def _column_lines(columns: list[dict[str, str]]) -> list[str]:
    texts = [
        f"  `{column['Name']}` {column['Type']}"
        + (f" COMMENT '{column['Comment']}'" if column.get("Comment") else "")
        for column in columns
    ]
    return [f"{text}, " for text in texts[:-1]] + [f"{text})" for text in texts[-1:]]


def _create_view(services: Services, request: Request, statement: model.Show) -> Lines:
    definition = _table(services, request, statement.table)
    view = sql_table(definition)
    if view.view_sql is None:
        name = full_name(view.database, view.name)
        raise QueryError("NOT_SUPPORTED", f"line 1:1: Relation '{name}' is a table, not a view")
    return ["Create View"], [
        f"CREATE VIEW {view.database}.{view.name} AS",
        *view.view_sql.split("\n"),
    ]


def _properties(services: Services, request: Request, statement: model.Show) -> Lines:
    definition = _table(services, request, statement.table)
    found = definition.get("Parameters", {})
    if statement.pattern is not None:
        found = {k: v for k, v in found.items() if k == statement.pattern}
    return ["prpt_name", "prpt_value"], [f"{key}\t{value}" for key, value in found.items()]


def _table(services: Services, request: Request, table: TableName | None) -> Definition:
    if table is None:
        raise QueryError("GENERIC_INTERNAL_ERROR", "SHOW without a table")
    return require_table(services, request, table)


def describe(services: Services, request: Request, statement: model.Describe) -> Lines:
    """Return the columns of a table with their types, the partition keys once more below.

    FORMATTED sets the keys apart and says where the table lies and how it is stored; EXTENDED
    says the same in one line.
    """
    definition = require_table(services, request, statement.table)
    names = ["col_name", "data_type", "comment"]
    if statement.style == "FORMATTED":
        return names, _formatted(definition)
    columns = definition["StorageDescriptor"].get("Columns", [])
    keys = definition.get("PartitionKeys", [])
    lines = [_described(column) for column in columns + keys]
    if keys:
        blank = _padded("", "", "")
        lines += [
            blank,
            _padded("# Partition Information", "", ""),
            _padded("# " + names[0], *names[1:]),
        ]
        lines += [blank, *map(_described, keys)]
    if statement.style == "EXTENDED":
        lines += [_padded("", "", ""), f"Detailed Table Information\tTable({_facts(definition)})\t"]
    return names, lines


def _facts(definition: Definition) -> str:
    storage = definition["StorageDescriptor"]
    shown = {
        "tableName": definition["Name"],
        "dbName": definition["DatabaseName"],
        "owner": definition.get("Owner"),
        "retention": definition.get("Retention", 0),
        "location": storage.get("Location"),
        "inputFormat": storage.get("InputFormat"),
        "outputFormat": storage.get("OutputFormat"),
        "serdeInfo": storage.get("SerdeInfo", {}).get("SerializationLibrary"),
        "partitionKeys": [key["Name"] for key in definition.get("PartitionKeys", [])],
        "parameters": definition.get("Parameters", {}),
        "tableType": definition.get("TableType"),
    }
    return ", ".join(f"{name}:{value}" for name, value in shown.items())


def _formatted(definition: Definition) -> list[str]:
    """Return DESCRIBE FORMATTED as Hive writes it: three cells a line, headings with a #."""
    storage = definition["StorageDescriptor"]
    serde = storage.get("SerdeInfo", {})
    heading, blank = _padded("# col_name", "data_type", "comment"), "\t \t "
    lines = [heading, blank, *map(_described, storage.get("Columns", []))]
    if keys := definition.get("PartitionKeys", []):
        lines += [blank, "# Partition Information\t \t ", heading, blank, *map(_described, keys)]
    lines += [
        blank,
        "# Detailed Table Information\t \t ",
        _fact("Database:", definition["DatabaseName"]),
        _fact("Owner:", definition.get("Owner", "")),
        _fact("CreateTime:", _time(definition.get("CreateTime"))),
        _fact("LastAccessTime:", "UNKNOWN"),
        _fact("Protect Mode:", "None"),
        _fact("Retention:", definition.get("Retention", 0)),
        _fact("Location:", storage.get("Location", "")),
        _fact("Table Type:", definition.get("TableType", "")),
        "Table Parameters:\t \t ",
        *_named(definition.get("Parameters", {})),
        blank,
        "# Storage Information\t \t ",
        _fact("SerDe Library:", serde.get("SerializationLibrary", "")),
        _fact("InputFormat:", storage.get("InputFormat", "")),
        _fact("OutputFormat:", storage.get("OutputFormat", "")),
        _fact("Compressed:", "Yes" if storage.get("Compressed") else "No"),
        _fact("Num Buckets:", storage.get("NumberOfBuckets", -1)),
        _fact("Bucket Columns:", storage.get("BucketColumns", [])),
        _fact("Sort Columns:", storage.get("SortColumns", [])),
        "Storage Desc Params:\t \t ",
        *_named(serde.get("Parameters", {})),
    ]
    return lines


def _fact(name: str, value: object) -> str:
    return f"{name:<20}\t{value!s:<20}\t "


def _named(properties: dict[str, str]) -> list[str]:
    return [f"\t{key:<20}\t{value:<20}" for key, value in sorted(properties.items())]


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "UNKNOWN"
    return dt.datetime.fromtimestamp(float(seconds), dt.UTC).strftime("%a %b %d %H:%M:%S UTC %Y")


def _described(column: dict[str, str]) -> str:
    return _padded(column["Name"], column["Type"], column.get("Comment", ""))


def _padded(*texts: str) -> str:
    return "\t".join(f"{text:<20}" for text in texts)


_SHOWS: dict[str, Callable[[Services, Request, model.Show], Lines]] = {
    "tables": _tables,
    "views": _views,
    "databases": _databases,
    "columns": _columns,
    "partitions": _partitions,
    "create table": _create_table,
    "create view": _create_view,
    "properties": _properties,
}
