"""The Data Catalog as queries see it: through the operations of Glue, from a worker thread."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from localaws.athena.errors import QueryError
from localaws.athena.names import CATALOG, INFORMATION
from localaws.athena.sql.model import Column, Table
from localaws.athena.sql.relations import INFORMATION_TABLES
from localaws.athena.sql.type_names import hive_type, trino_type
from localaws.wire import AwsError

NULL_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""What Hive writes for a partition value that is null."""
_BATCH = 100
_VIEW_TEXT = re.compile(r"/\* Presto View: (\S+) \*/")

Definition = dict[str, Any]

CallGlue = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Returns the answer to an operation of Glue; AwsError where it refuses."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A registered partition: its values, where it lies, and the columns it declares."""

    values: tuple[str, ...]
    location: str
    columns: tuple[tuple[str, str], ...]

    def path(self, keys: tuple[str, ...]) -> str:
        """Return the partition as Hive names it: dt=2024-01-02/ticker=PETR4."""
        return "/".join(f"{key}={value}" for key, value in zip(keys, self.values, strict=True))


class Catalog:
    """The operations of Glue that queries need."""

    def __init__(self, call_glue: CallGlue) -> None:
        self._call_glue = call_glue

    def call(self, operation: str, **payload: Any) -> dict[str, Any]:
        """Return the answer to an operation of Glue; AwsError where it refuses."""
        return self._call_glue(operation, payload)

    def databases(self) -> list[Definition]:
        """Return the databases by name."""
        return list(self._pages("GetDatabases", "DatabaseList"))

    def database(self, name: str) -> Definition | None:
        return self._found("GetDatabase", "Database", Name=name)

    def definitions(self, database: str, expression: str | None = None) -> list[Definition]:
        """Return the tables and views of a database, by name."""
        payload = {"DatabaseName": database} | ({"Expression": expression} if expression else {})
        return list(self._pages("GetTables", "TableList", **payload))

    def definition(self, database: str, name: str) -> Definition | None:
        """Return a table or view, with the members that statements read; Glue asks for none."""
        found = self._found("GetTable", "Table", DatabaseName=database, Name=name)
        return found and {"PartitionKeys": [], **found, "StorageDescriptor": _whole(found)}

    def partitions(self, database: str, table: str, expression: str = "") -> list[Partition]:
        """Return the registered partitions that an expression of Glue selects, by values."""
        payload = {"DatabaseName": database, "TableName": table}
        if expression:
            payload["Expression"] = expression
        columns: dict[int, tuple[tuple[str, str], ...]] = {}
        found = []
        for page in self._raw_pages("GetPartitions", **payload):
            # Partitions of one page share the list of their columns.
            columns.clear()
            found += [_partition(given, columns) for given in page["Partitions"]]
        return found

    def add_partitions(self, database: str, table: str, inputs: list[Definition]) -> list[Any]:
        """Register partitions, and return the complaints about those that exist already."""
        errors: list[Any] = []
        for first in range(0, len(inputs), _BATCH):
            answer = self.call(
                "BatchCreatePartition",
                DatabaseName=database,
                TableName=table,
                PartitionInputList=inputs[first : first + _BATCH],
            )
            errors += answer["Errors"]
        return errors

    def _found(self, operation: str, member: str, **payload: Any) -> Definition | None:
        try:
            return dict(self.call(operation, **payload)[member])
        except AwsError as error:
            if error.code == "EntityNotFoundException":
                return None
            raise

    def _pages(self, operation: str, member: str, **payload: Any) -> Iterator[Definition]:
        for page in self._raw_pages(operation, **payload):
            yield from page[member]

    def _raw_pages(self, operation: str, **payload: Any) -> Iterator[dict[str, Any]]:
        token: str | None = None
        while True:
            page = self.call(operation, **payload, **({"NextToken": token} if token else {}))
            yield page
            token = page.get("NextToken")
            if not token:
                return


def _whole(table: Definition) -> Definition:
    storage = table.get("StorageDescriptor", {})
    columns = [{"Type": "string", **column} for column in storage.get("Columns", [])]
    return {"Location": "", "SerdeInfo": {}, **storage, "Columns": columns}


def _partition(given: Definition, columns: dict[int, tuple[tuple[str, str], ...]]) -> Partition:
    storage = given.get("StorageDescriptor", {})
    listed = storage.get("Columns", [])
    if id(listed) not in columns:
        columns[id(listed)] = tuple((c["Name"].lower(), c.get("Type", "string")) for c in listed)
    return Partition(tuple(given["Values"]), storage.get("Location", ""), columns[id(listed)])


def sql_table(definition: Definition) -> Table:
    """Return a table or view of the catalog as SQL sees it.

    Raises QueryError for a view whose text is none that Athena wrote, and for a type without a
    name.
    """
    storage = definition.get("StorageDescriptor", {})
    view = _VIEW_TEXT.fullmatch(definition.get("ViewOriginalText", "").strip())
    if view is not None:
        return _sql_view(definition, view[1])
    return Table(
        definition["DatabaseName"],
        definition["Name"],
        sql_columns(storage.get("Columns", [])),
        sql_columns(definition.get("PartitionKeys", [])),
    )


def _sql_view(definition: Definition, text: str) -> Table:
    name, database = definition["Name"], definition["DatabaseName"]
    try:
        view = json.loads(base64.b64decode(text, validate=True))
        columns = tuple(
            Column(column["name"].lower(), trino_type(column["type"]), column["type"])
            for column in view["columns"]
        )
        if not isinstance(view["originalSql"], str):
            raise TypeError("originalSql is no text")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
        message = f"Invalid view JSON: {database}.{name} ({why}). Make the view anew."
        raise QueryError("HIVE_INVALID_VIEW_DATA", message) from error
    return Table(database, name, columns, view_sql=view["originalSql"])


def sql_columns(listed: list[Definition]) -> tuple[Column, ...]:
    """Return columns of the catalog with their types; QueryError for a type without a name."""
    return tuple(
        Column(
            column["Name"].lower(),
            hive_type(column.get("Type", "string")),
            column.get("Type", "string"),
            column.get("Comment"),
        )
        for column in listed
    )


class QueryTables:
    """The tables that one query looks up, each as it was when it was first asked for."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._definitions: dict[tuple[str, str], Definition | None] = {}

    def table(self, database: str, name: str) -> Table | None:
        definition = self.definition(database, name)
        return sql_table(definition) if definition else None

    def has_database(self, database: str) -> bool:
        return self._catalog.database(database) is not None

    def definition(self, database: str, name: str) -> Definition | None:
        key = (database, name)
        if key not in self._definitions:
            self._definitions[key] = self._catalog.definition(database, name)
        return self._definitions[key]

    def require(self, table: Table) -> Definition:
        """Return the definition of a table that was looked up before."""
        definition = self.definition(table.database, table.name)
        if definition is None:
            message = f"Table '{table.database}.{table.name}' does not exist"
            raise QueryError("TABLE_NOT_FOUND", message)
        return definition


def information_rows(catalog: Catalog, name: str) -> pa.Table:
    """Return one of the tables of information_schema."""
    columns = INFORMATION_TABLES[name].columns
    rows = list(_ROWS[name](catalog))
    arrays = [
        pa.array([row[i] for row in rows], pa.int64() if c.type.name == "bigint" else pa.string())
        for i, c in enumerate(columns)
    ]
    return pa.table(arrays, names=[column.name for column in columns])


def _schemata(catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    for name in (INFORMATION, *(found["Name"] for found in catalog.databases())):
        yield CATALOG, name


def _definitions(catalog: Catalog) -> Iterator[dict[str, Any]]:
    for database in catalog.databases():
        yield from catalog.definitions(database["Name"])


def _tables(catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    for found in _definitions(catalog):
        kind = "VIEW" if found.get("TableType") == "VIRTUAL_VIEW" else "BASE TABLE"
        yield CATALOG, found["DatabaseName"], found["Name"], kind


def _views(catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    for found in _definitions(catalog):
        if found.get("TableType") == "VIRTUAL_VIEW":
            yield CATALOG, found["DatabaseName"], found["Name"], _view_sql(found)


def _view_sql(definition: Definition) -> str | None:
    try:
        return sql_table(definition).view_sql
    except QueryError:  # the other views can be shown
        return None


def _columns(catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    for found in _definitions(catalog):
        try:
            table = sql_table(found)
        except QueryError:
            # A view or a type that Athena does not know: it cannot be read, the others can.
            continue
        keys = {key.name for key in table.partition_keys}
        place = (CATALOG, table.database, table.name)
        for number, column in enumerate(table.all_columns, start=1):
            extra = "partition key" if column.name in keys else None
            yield (
                *place,
                column.name,
                number,
                None,
                "YES",
                str(column.type),
                column.comment,
                extra,
            )


_ROWS = {"schemata": _schemata, "tables": _tables, "views": _views, "columns": _columns}
