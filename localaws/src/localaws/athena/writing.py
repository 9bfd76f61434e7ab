"""CREATE TABLE AS, INSERT INTO and UNLOAD: rows of a query as Parquet objects."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from localaws.athena.catalog import NULL_VALUE
from localaws.athena.errors import QueryError
from localaws.athena.output import Output
from localaws.athena.sql import types
from localaws.athena.sql.translate import ResultColumn
from localaws.athena.sql.types import Type

PARQUET_STORAGE = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
_COMPRESSIONS = {"SNAPPY": "snappy", "GZIP": "gzip", "ZSTD": "zstd", "LZ4": "lz4", "NONE": "none"}
_UNSTORABLE = (
    types.UNKNOWN.name,
    types.TIMESTAMP_TZ,
    types.DAY_TO_SECOND,
    types.YEAR_TO_MONTH,
    "time",
    "json",
)

PartitionValues = tuple[str, ...]


def format_of(properties: dict[str, Any], known: Sequence[str]) -> str:
    """Return the codec of Parquet that properties ask for; refuses what else they ask for."""
    for name, value in properties.items():
        if name not in known:
            raise QueryError(
                "NOT_SUPPORTED",
                f"The local Athena does not support the property '{name}' = {value}",
            )
    given = str(properties.get("format", "PARQUET")).upper()
    if given != "PARQUET":
        raise QueryError("NOT_SUPPORTED", f"The local Athena writes Parquet alone, not {given}")
    names = ("write_compression", "parquet_compression", "compression")
    codec = str(next((properties[n] for n in names if n in properties), "GZIP")).upper()
    if codec not in _COMPRESSIONS:
        raise QueryError("INVALID_TABLE_PROPERTY", f"Unsupported compression: {codec}")
    return _COMPRESSIONS[codec]


def check_columns(columns: Sequence[ResultColumn]) -> None:
    """Refuse columns that no table can have, in the words that clients look for."""
    seen: set[str] = set()
    for number, column in enumerate(columns, start=1):
        name = column.name.lower()
        if not column.named:
            message = f"line 1:1: Column name not specified at position {number}"
            raise QueryError("MISSING_COLUMN_NAME", message)
        if name in seen:
            message = f"line 1:1: Column name '{name}' specified more than once"
            raise QueryError("DUPLICATE_COLUMN_NAME", message)
        if column.type == types.UNKNOWN:
            message = f"line 1:1: Column type is unknown: {name}"
            raise QueryError("COLUMN_TYPE_UNKNOWN", message)
        if column.type.name in _UNSTORABLE:
            raise QueryError("NOT_SUPPORTED", f"Unsupported Hive type: {column.type}")
        seen.add(name)


def write_rows(
    output: Output,
    location: str,
    table: pa.Table,
    partition_keys: Sequence[str],
    codec: str,
) -> dict[PartitionValues, list[str]]:
    """Return the addresses of the objects written below a location, by partition values.

    An empty table writes nothing.
    """
    written: dict[PartitionValues, list[str]] = {}
    for values, rows in _by_partition(table, partition_keys):
        folder = partition_folder(location, partition_keys, values)
        uri = f"{folder}{uuid.uuid4()}"
        output.put_parquet(uri, rows, codec)
        written.setdefault(values, []).append(uri)
    return written


def partition_folder(location: str, keys: Sequence[str], values: PartitionValues) -> str:
    """Return where the rows of a partition lie below the location of a table."""
    parts = [f"{key}={quote(value, safe=_SAFE)}/" for key, value in zip(keys, values, strict=True)]
    return f"{location.rstrip('/')}/{''.join(parts)}"


_SAFE = " !$&()+,-.;<>@^_`|~"


def _by_partition(
    table: pa.Table, keys: Sequence[str]
) -> Iterator[tuple[PartitionValues, pa.Table]]:
    if not table.num_rows:
        return
    if not keys:
        yield (), table
        return
    texts = [pc.fill_null(pc.cast(table.column(key), pa.string()), NULL_VALUE) for key in keys]
    names = [f"k{i}" for i in range(len(keys))]
    marked = pa.table(dict(zip(names, texts, strict=True)))
    rest = table.drop_columns(list(keys))
    for group in marked.group_by(names, use_threads=False).aggregate([]).to_pylist():
        values = tuple(str(group[name]) for name in names)
        mask = pc.equal(texts[0], values[0])
        for text, value in zip(texts[1:], values[1:], strict=True):
            mask = pc.and_(mask, pc.equal(text, value))
        yield values, rest.filter(mask)


def catalog_columns(columns: Sequence[tuple[str, Type]]) -> list[dict[str, str]]:
    """Return columns as the Data Catalog writes them."""
    return [{"Name": name, "Type": kind.hive} for name, kind in columns]
