"""A table's columns against a file's: which fit, which Athena refuses, and how they are read."""

from __future__ import annotations

import pyarrow as pa

from localaws.athena.errors import QueryError
from localaws.athena.scan.footers import ParquetColumn, ParquetSchema
from localaws.athena.sql.model import Column, quoted
from localaws.athena.sql.types import Type

_PHYSICAL = {
    "boolean": {"BOOLEAN"},
    "tinyint": {"INT32"},
    "smallint": {"INT32"},
    "integer": {"INT32"},
    "bigint": {"INT32", "INT64"},
    "real": {"FLOAT"},
    "double": {"DOUBLE"},
    "decimal": {"INT32", "INT64", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"},
    "varchar": {"BYTE_ARRAY"},
    "char": {"BYTE_ARRAY"},
    "varbinary": {"BYTE_ARRAY"},
    "date": {"INT32"},
    "timestamp": {"INT64", "INT96"},
}
"""The types of Parquet from which Athena reads each of its own."""
_SHOWN = {"BYTE_ARRAY": "BINARY"}


def column_sql(schema: ParquetSchema, column: Column, uri: str) -> str:
    """Return how a column of a table is read from a file of `schema`, called f in the SQL.

    A column that the file lacks is NULL. Raises HIVE_BAD_DATA where the file's type is not one
    that Athena reads as the table's; `uri` is such a file.
    """
    found = schema.columns.get(column.name)
    if found is None:
        return f"CAST(NULL AS {column.type.duckdb})"
    if not _fits(found, column.type):
        shown = _SHOWN.get(found.physical, found.physical)
        raise QueryError(
            "HIVE_BAD_DATA",
            f"Malformed Parquet file. Field {column.name}'s type {shown} in parquet file {uri} "
            f"is incompatible with type {column.type} defined in table schema",
        )
    return _read(f"f.{quoted(found.name)}", found, column.type)


def _fits(column: ParquetColumn, kind: Type) -> bool:
    if kind.items:
        return _arrow_fits(column.arrow, kind)
    if pa.types.is_nested(column.arrow) or column.physical not in _PHYSICAL.get(kind.name, set()):
        return False
    return _meaning_fits(column.arrow, kind)


def _meaning_fits(arrow: pa.DataType, kind: Type) -> bool:
    """Return whether what a physical type stands for agrees: an INT64 may be a time."""
    if kind.is_integer:
        return bool(pa.types.is_signed_integer(arrow))
    if kind.is_decimal:
        return bool(pa.types.is_decimal(arrow) or pa.types.is_signed_integer(arrow))
    if kind.name == "date":
        return bool(pa.types.is_date(arrow))
    if kind.name == "timestamp":
        return bool(pa.types.is_timestamp(arrow))
    if kind.is_text or kind.name == "varbinary":
        return _is_bytes(arrow)
    return True


def _is_bytes(arrow: pa.DataType) -> bool:
    checks = (
        pa.types.is_string,
        pa.types.is_binary,
        pa.types.is_large_string,
        pa.types.is_large_binary,
    )
    return any(check(arrow) for check in checks) or pa.types.is_dictionary(arrow)


_ARROW = {
    "boolean": pa.types.is_boolean,
    "real": pa.types.is_float32,
    "double": pa.types.is_float64,
}


def _arrow_fits(arrow: pa.DataType, kind: Type) -> bool:
    if kind.name == "array":
        return _is_list(arrow) and _arrow_fits(arrow.value_type, kind.items[0])
    if kind.name == "map":
        if not pa.types.is_map(arrow):
            return False
        return _arrow_fits(arrow.key_type, kind.items[0]) and _arrow_fits(
            arrow.item_type, kind.items[1]
        )
    if kind.name == "row":
        names = (
            {field.name.lower(): field.type for field in arrow} if pa.types.is_struct(arrow) else {}
        )
        pairs = zip(kind.keys, kind.items, strict=True)
        return len(names) == len(kind.items) and all(
            key in names and _arrow_fits(names[key], item) for key, item in pairs
        )
    check = _ARROW.get(kind.name)
    return check(arrow) if check else _meaning_fits(arrow, kind)


def _is_list(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_list(arrow) or pa.types.is_large_list(arrow))


def _read(sql: str, column: ParquetColumn, kind: Type) -> str:
    if kind.name == "timestamp":
        return _timestamp(sql, column.arrow)
    if kind.is_text:
        text = f"decode({sql})" if pa.types.is_binary(column.arrow) else sql
        return f"substr({text}, 1, {kind.precision})" if kind.numbers else text
    if kind.name == "varbinary" and pa.types.is_string(column.arrow):
        return f"encode({sql})"
    return f"CAST({sql} AS {kind.duckdb})"


def _timestamp(sql: str, arrow: pa.DataType) -> str:
    """Return a timestamp with Athena's milliseconds; one in UTC is shown as UTC."""
    local = f"timezone('UTC', {sql})" if arrow.tz else sql
    return f"CAST(CAST({local} AS TIMESTAMP_MS) AS TIMESTAMP)"


_WIDENED = {
    "tinyint": {"smallint", "integer", "bigint"},
    "smallint": {"integer", "bigint"},
    "integer": {"bigint"},
    "real": {"double"},
}


def check_partition(
    table: str, columns: dict[str, Column], partition: str, own: dict[str, Column]
) -> None:
    """Raise HIVE_PARTITION_SCHEMA_MISMATCH where a partition declares another type.

    Columns are compared by name, as Athena does for Parquet; `partition` is its path.
    """
    for name, declared in own.items():
        expected = columns.get(name)
        if expected is None or declared.type == expected.type:
            continue
        if expected.type.name in _WIDENED.get(declared.type.name, set()):
            continue
        raise QueryError(
            "HIVE_PARTITION_SCHEMA_MISMATCH",
            "There is a mismatch between the table and partition schemas. The types are "
            f"incompatible and cannot be coerced. The column '{name}' in table '{table}' is "
            f"declared as type '{expected.hive}', but partition '{partition}' declared column "
            f"'{name}' as type '{declared.hive}'.",
        )
