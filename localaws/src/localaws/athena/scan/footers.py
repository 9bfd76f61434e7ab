"""The schema of a Parquet file, as far as a table's columns need it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from localaws.athena.errors import QueryError
from localaws.athena.scan.objects import DataFile

_MAGIC = b"PAR1"
_BEGINNING = re.compile(rb"\x15.\x19([\x0c-\xfc])([\x80-\xff]*.)", re.DOTALL)
"""Of a footer, as Thrift's compact protocol has it: a version, and a list of so many structs."""
_MOST_COLUMNS = 1000
"""Columns within columns without end would end the process; stricter than Athena."""


@dataclass(frozen=True)
class ParquetColumn:
    """A top-level column of a file: its own name, its type, and which of the leaves it has."""

    name: str
    physical: str
    logical: str
    arrow: pa.DataType
    leaves: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ParquetSchema:
    """A schema that files share; columns by their names in lower case."""

    schema: Any
    arrow: pa.Schema
    columns: dict[str, ParquetColumn] = field(repr=False)


class Schemas:
    """The schemas seen so far: files with equal ones share one object."""

    def __init__(self) -> None:
        self._known: list[ParquetSchema] = []

    def of(self, file: DataFile, metadata: Any, arrow: pa.Schema) -> ParquetSchema:
        """Return the schema of a file's metadata, which Arrow reads as `arrow`.

        Raises QueryError, naming the object, where two columns have one name.
        """
        for known in self._known:
            if known.schema.equals(metadata.schema) and known.arrow.equals(arrow):
                return known
        try:
            made = ParquetSchema(metadata.schema, arrow, _columns(metadata.schema))
        except KeyError as error:
            raise _cannot_open(file, "two of its columns have one name") from error
        self._known.insert(0, made)
        return made


def _columns(schema: Any) -> dict[str, ParquetColumn]:
    leaves: dict[str, list[int]] = {}
    for i in range(len(schema)):
        leaves.setdefault(schema.column(i).path.partition(".")[0], []).append(i)
    arrow = schema.to_arrow_schema()
    found = {}
    for name, indexes in leaves.items():
        first = schema.column(indexes[0])
        found[name.lower()] = ParquetColumn(
            name,
            first.physical_type,
            str(first.logical_type),
            arrow.field(name).type,
            tuple(indexes),
        )
    return found


def leaf_sizes(metadata: Any) -> tuple[int, ...]:
    """Return the compressed bytes of each leaf column, over all row groups.

    Of a file that was read: pyarrow ends the process where a column's metadata is damaged.
    """
    total = [0] * metadata.num_columns
    for g in range(metadata.num_row_groups):
        group = metadata.row_group(g)
        for i in range(metadata.num_columns):
            total[i] += group.column(i).total_compressed_size
    return tuple(total)


def open_parquet(file: DataFile, source: Any, metadata: Any = None) -> pq.ParquetFile:
    """Return an opened file; HIVE_BAD_DATA, naming the object, where it is not Parquet.

    `metadata` is that of its footer, where it is known.
    """
    try:
        # Read-ahead is for large files: on a small one it is a fifth of the time.
        return pq.ParquetFile(source, metadata=metadata, pre_buffer=False)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise not_parquet(file, str(error)) from error


def not_parquet(file: DataFile, reason: str) -> QueryError:
    """Return Athena's complaint about an object that is no whole Parquet file."""
    with open(file.path, "rb") as body:  # noqa: PTH123 - a path of another's making
        tail = body.read()[-4:]
    if tail != _MAGIC:
        shown = tail.decode("latin-1")
        message = f"Not valid Parquet file: {file.uri} expected magic number: PAR1 got: {shown}"
        return QueryError("HIVE_BAD_DATA", message)
    return _cannot_open(file, reason)


def check_schema(file: DataFile, footer: bytes) -> None:
    """Raise QueryError, naming the object, where a footer has more columns than one can read."""
    found = _BEGINNING.match(footer)
    if found is None:
        return  # it is no footer, and read as none
    count = found[1][0] >> 4
    if count == 15:
        count = sum((byte & 127) << 7 * place for place, byte in enumerate(found[2][:5]))
    if count > _MOST_COLUMNS:
        raise _cannot_open(
            file, f"it has {count:,} columns, and {_MOST_COLUMNS:,} are read at most"
        )


def _cannot_open(file: DataFile, reason: str) -> QueryError:
    message = f"Error opening Hive split {file.uri} (offset=0, length={file.size}): {reason}"
    return QueryError("HIVE_CANNOT_OPEN_SPLIT", message)


def unreadable(uri: str, reason: str) -> QueryError:
    """Return Athena's complaint about an object whose pages are broken."""
    return QueryError("HIVE_CURSOR_ERROR", f"Failed to read Parquet file: {uri}: {reason}")
