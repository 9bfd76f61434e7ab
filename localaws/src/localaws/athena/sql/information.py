"""The tables of information_schema: what they are called and what they hold."""

from __future__ import annotations

from localaws.athena.sql import types
from localaws.athena.sql.model import Column, Table

DATABASE = "information_schema"


def _table(name: str, columns: str) -> Table:
    made = tuple(
        Column(column, types.BIGINT if column == "ordinal_position" else types.VARCHAR, "string")
        for column in columns.split()
    )
    return Table(DATABASE, name, made)


TABLES = {
    "schemata": _table("schemata", "catalog_name schema_name"),
    "tables": _table("tables", "table_catalog table_schema table_name table_type"),
    "views": _table("views", "table_catalog table_schema table_name view_definition"),
    "columns": _table(
        "columns",
        "table_catalog table_schema table_name column_name ordinal_position column_default "
        "is_nullable data_type comment extra_info",
    ),
}
