"""The schema of a Parquet file, as far as a table's columns need it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from localaws.athena.errors import QueryError
from localaws.athena.scan.objects import DataFile

_MAGIC = b"PAR1"


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

    def of(self, metadata: Any, arrow: pa.Schema) -> ParquetSchema:
        """Return the schema of a file's metadata, which Arrow reads as `arrow`."""
        for known in self._known:
            if known.schema.equals(metadata.schema) and known.arrow.equals(arrow):
                return known
        made = ParquetSchema(metadata.schema, arrow, _columns(metadata.schema))
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
    """Return the compressed bytes of each leaf column, over all row groups."""
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
    except (pa.ArrowException, OSError) as error:
        raise not_parquet(file, str(error)) from error


def not_parquet(file: DataFile, reason: str) -> QueryError:
    """Return Athena's complaint about an object that is no whole Parquet file."""
    with open(file.path, "rb") as body:  # noqa: PTH123 - a path of another's making
        tail = body.read()[-4:]
    if tail != _MAGIC:
        shown = tail.decode("latin-1")
        message = f"Not valid Parquet file: {file.uri} expected magic number: PAR1 got: {shown}"
        return QueryError("HIVE_BAD_DATA", message)
    message = f"Error opening Hive split {file.uri} (offset=0, length={file.size}): {reason}"
    return QueryError("HIVE_CANNOT_OPEN_SPLIT", message)


def unreadable(uri: str, reason: str) -> QueryError:
    """Return Athena's complaint about an object whose pages are broken."""
    return QueryError("HIVE_CURSOR_ERROR", f"Failed to read Parquet file: {uri}: {reason}")
