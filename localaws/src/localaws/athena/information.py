"""The rows of information_schema, from the Data Catalog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from localaws.athena.catalog import Catalog, sql_table
from localaws.athena.errors import QueryError
from localaws.athena.sql.information import TABLES
from localaws.athena.sql.relations import CATALOG


def information_rows(catalog: Catalog, name: str) -> pa.Table:
    """Return one of the tables of information_schema."""
    columns = TABLES[name].columns
    rows = list(_ROWS[name](catalog))
    arrays = [
        pa.array([row[i] for row in rows], pa.int64() if c.type.name == "bigint" else pa.string())
        for i, c in enumerate(columns)
    ]
    return pa.table(arrays, names=[column.name for column in columns])


def _schemata(catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    for name in ("information_schema", *(found["Name"] for found in catalog.databases())):
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
            yield CATALOG, found["DatabaseName"], found["Name"], sql_table(found).view_sql


def _columns(catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    for found in _definitions(catalog):
        try:
            table = sql_table(found)
        except QueryError:
            # A type that Athena does not know: the table cannot be read, the others can.
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
