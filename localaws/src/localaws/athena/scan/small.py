"""Small files kept as one Arrow table a schema: thousands of one-row objects answer at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from localaws.athena.scan.footers import (
    ParquetSchema,
    Schemas,
    check_schema,
    leaf_sizes,
    open_parquet,
    unreadable,
)
from localaws.athena.scan.objects import DataFile

SMALL_BYTES = 256 * 1024
"""A file below this costs more to open than to keep."""
_KEPT_BYTES = 512 * 1024 * 1024
_MOST_CHUNKS = 32
_MOST_UNPACKED = 256 * 1024 * 1024
"""How large a small file may become; stricter than Athena."""
_ROWS_AT_ONCE = 2**16
_FILES_AT_ONCE = 200
"""Tables of one row each are large: only so many are held before they become one."""
_FOOTERS = 1000
"""Footers that are alike to the byte are read once: those of rows of one length are."""


@dataclass(frozen=True, slots=True)
class FileRows:
    """A file that was read: its state then, and where its rows stand."""

    size: int
    mtime_ns: int
    schema: ParquetSchema
    first: int
    rows: int
    sizes: tuple[int, ...]
    """Compressed bytes of each leaf column."""

    def is_of(self, file: DataFile) -> bool:
        return (self.size, self.mtime_ns) == (file.size, file.mtime_ns)


class SmallFiles:
    """What small files hold, by path, size and time of change."""

    def __init__(self) -> None:
        self.schemas = Schemas()
        self._files: dict[str, FileRows] = {}
        self._tables: dict[ParquetSchema, pa.Table] = {}
        self._footers: dict[bytes, tuple[Any, ParquetSchema, tuple[int, ...]]] = {}
        self._lock = threading.Lock()

    def read(
        self, files: Sequence[DataFile], check: Callable[[], None]
    ) -> tuple[list[FileRows], dict[ParquetSchema, pa.Table]]:
        """Return where the rows of each file stand, and the tables in which they stand.

        `check` is called between files; it may raise to end the work.
        """
        with self._lock:
            if sum(table.nbytes for table in self._tables.values()) > _KEPT_BYTES:
                self._files.clear()
                self._tables.clear()
            missing = [file for file in files if not self._is_known(file)]
            if missing:
                self._load(missing, check)
            found = [self._files[file.path] for file in files]
            return found, dict(self._tables)

    def _is_known(self, file: DataFile) -> bool:
        known = self._files.get(file.path)
        return known is not None and known.is_of(file)

    def _load(self, files: Sequence[DataFile], check: Callable[[], None]) -> None:
        for first in range(0, len(files), _FILES_AT_ONCE):
            self._load_some(files[first : first + _FILES_AT_ONCE], check)

    def _load_some(self, files: Iterable[DataFile], check: Callable[[], None]) -> None:
        read: dict[ParquetSchema, list[pa.Table]] = {}
        ends = {schema: table.num_rows for schema, table in self._tables.items()}
        entries: dict[str, FileRows] = {}
        for file in files:
            check()
            schema, sizes, table = self._parse(file)
            first = ends.get(schema, 0)
            ends[schema] = first + table.num_rows
            read.setdefault(schema, []).append(table)
            entries[file.path] = FileRows(
                file.size, file.mtime_ns, schema, first, table.num_rows, sizes
            )
        for schema, tables in read.items():
            known = [self._tables[schema]] if schema in self._tables else []
            self._tables[schema] = _together(known, tables)
        self._files.update(entries)

    def _parse(self, file: DataFile) -> tuple[ParquetSchema, tuple[int, ...], pa.Table]:
        with open(file.path, "rb") as source:  # noqa: PTH123 - thousands of times a query
            body = source.read()
        footer = body[-8 - int.from_bytes(body[-8:-4], "little") :]  # its length and magic as well
        known = self._footers.get(footer)
        if known is None:
            check_schema(file, footer)
        with open_parquet(file, pa.BufferReader(body), known and known[0]) as parquet:
            try:
                table = parquet.read(use_threads=False) if known else _read_bounded(file, parquet)
                table = table.replace_schema_metadata(None)
            except (pa.ArrowException, OSError) as error:
                raise unreadable(file.uri, str(error)) from error
            if known is None:
                metadata = parquet.metadata
                known = (
                    metadata,
                    self.schemas.of(file, metadata, table.schema),
                    leaf_sizes(metadata),
                )
                if len(self._footers) >= _FOOTERS:
                    self._footers.clear()
                self._footers[footer] = known
            return known[1], known[2], table


def _read_bounded(file: DataFile, parquet: Any) -> pa.Table:
    """Return the rows of a file, whatever its footer says of how many they are.

    Raises QueryError, naming the object, where they become larger than `_MOST_UNPACKED`.
    """
    batches, held = [], 0
    for batch in parquet.iter_batches(_ROWS_AT_ONCE, use_threads=False):
        batches.append(batch)
        held += batch.nbytes
        if held > _MOST_UNPACKED:
            megabytes = _MOST_UNPACKED // 2**20
            raise unreadable(file.uri, f"it becomes larger than {megabytes} MB in memory")
    return pa.Table.from_batches(batches, parquet.schema_arrow)


def _together(known: list[pa.Table], new: list[pa.Table]) -> pa.Table:
    """Return the tables one below the other, the new ones in one piece."""
    added = pa.concat_tables(new).combine_chunks()
    table = pa.concat_tables([*known, added])
    chunks = table.column(0).num_chunks if table.num_columns else 1
    return table.combine_chunks() if chunks > _MOST_CHUNKS else table


def rows_of(files: Sequence[FileRows]) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the rows of `files`, and for each the index of its file."""
    counts = np.fromiter((file.rows for file in files), np.int64, len(files))
    firsts = np.fromiter((file.first for file in files), np.int64, len(files))
    owner = np.repeat(np.arange(len(files)), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    return np.arange(counts.sum()) - before + np.repeat(firsts, counts), owner
