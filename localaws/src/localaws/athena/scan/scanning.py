"""A scan made real: partitions chosen, files checked, a relation under the scan's name."""

# ruff: noqa: S608 - SQL is what this module makes, from a checked tree
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from localaws.athena.catalog import (
    NULL_VALUE,
    Catalog,
    Partition,
    QueryTables,
    information_rows,
    sql_columns,
)
from localaws.athena.errors import QueryError
from localaws.athena.names import INFORMATION
from localaws.athena.scan.column_types import check_partition, column_sql
from localaws.athena.scan.footers import ParquetSchema, not_parquet, open_parquet
from localaws.athena.scan.objects import DataFile, Objects
from localaws.athena.scan.small import SMALL_BYTES, FileRows, SmallFiles, rows_of
from localaws.athena.sql.model import Column, Scan, quoted, text_literal

_HIDDEN = ("$path", "$file_size", "$file_modified_time")
_PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Piece:
    """A file with the partition that it belongs to."""

    file: DataFile
    partition: Partition


@dataclass
class Scanner:
    """Makes the relations of one query on one connection of DuckDB."""

    connection: Any
    catalog: Catalog
    tables: QueryTables
    objects: Objects
    small: SmallFiles
    check: Callable[[], None]
    """Raises where the query was stopped."""
    bytes_scanned: int = field(default=0, init=False)

    def prepare(self, scan: Scan) -> None:
        """Make the relation of a scan; adds the bytes of the columns that it reads."""
        if scan.table.database == INFORMATION:
            rows = information_rows(self.catalog, scan.table.name)
            self.connection.register(scan.name, rows)
            return
        definition = self.tables.require(scan.table)
        _check_format(definition)
        pieces = self._pieces(scan, definition)
        parts = [*self._small_parts(scan, pieces), *self._large_parts(scan, pieces)]
        sql = " UNION ALL ".join(parts) or self._nothing(scan)
        self.connection.execute(f"CREATE TEMP VIEW {scan.name} AS {sql}")

    def _pieces(self, scan: Scan, definition: dict[str, Any]) -> list[Piece]:
        pieces = []
        partitions = self._partitions(scan, definition)
        found = self.objects.under_each(partition.location for partition in partitions)
        for partition, files in zip(partitions, found, strict=True):
            self.check()
            pieces += [Piece(file, partition) for file in files]
        return pieces

    def _partitions(self, scan: Scan, definition: dict[str, Any]) -> list[Partition]:
        table = scan.table
        if not table.partition_keys:
            return [Partition((), definition["StorageDescriptor"].get("Location", ""), ())]
        found = self.catalog.partitions(table.database, table.name, " AND ".join(scan.expressions))
        chosen = self._chosen(scan, found)
        self._check_columns(scan, chosen)
        return chosen

    def _chosen(self, scan: Scan, found: list[Partition]) -> list[Partition]:
        """Return the partitions that meet the scan's conditions on their keys."""
        if not scan.predicates or not found:
            return found
        keys = _key_table(scan, found)
        self.connection.register("partition_values", keys)
        columns = ", ".join(_key_sql(key) for key in scan.table.partition_keys)
        sql = f"SELECT i FROM (SELECT i, {columns} FROM partition_values) WHERE "
        try:
            rows = self.connection.execute(sql + " AND ".join(scan.predicates)).fetchall()
        except Exception:
            return found
        finally:
            self.connection.unregister("partition_values")
        return [found[i] for (i,) in sorted(rows)]

    def _check_columns(self, scan: Scan, partitions: list[Partition]) -> None:
        table = scan.table
        columns = {column.name: column for column in table.columns}
        keys = tuple(key.name for key in table.partition_keys)
        for declared in {partition.columns for partition in partitions}:
            listed = [{"Name": name, "Type": kind} for name, kind in declared]
            own = {column.name: column for column in sql_columns(listed)}
            example = next(p for p in partitions if p.columns == declared).path(keys)
            check_partition(f"{table.database}.{table.name}", columns, example, own)

    def _small_parts(self, scan: Scan, pieces: list[Piece]) -> list[str]:
        small = [piece for piece in pieces if piece.file.size < SMALL_BYTES]
        rows, tables = self.small.read([piece.file for piece in small], self.check)
        parts = []
        order = sorted(range(len(small)), key=lambda i: id(rows[i].schema))
        for number, (_, group) in enumerate(groupby(order, key=lambda i: id(rows[i].schema))):
            chosen = list(group)
            schema = rows[chosen[0]].schema
            name = f"{scan.name}_small_{number}"
            own = [rows[i] for i in chosen]
            mine = [small[i] for i in chosen]
            select = self._select(scan, schema, mine[0].file.uri)
            self.connection.register(name, _together(scan, tables[schema], own, mine))
            self._count(scan, schema, [file.sizes for file in own])
            parts.append(f"SELECT {select} FROM {name} AS f")
        return parts

    def _large_parts(self, scan: Scan, pieces: list[Piece]) -> list[str]:
        """Return the parts that DuckDB itself reads from files, a part for each schema."""
        groups: dict[ParquetSchema, list[Piece]] = {}
        for piece in pieces:
            if piece.file.size >= SMALL_BYTES:
                self.check()
                sizes = self._leaf_sizes(piece.file)
                with open_parquet(piece.file, piece.file.path) as parquet:
                    metadata, arrow = parquet.metadata, parquet.schema_arrow
                    schema = self.small.schemas.of(piece.file, metadata, arrow)
                self._count(scan, schema, [sizes or (0,) * metadata.num_columns])
                groups.setdefault(schema, []).append(piece)
        parts = []
        for number, (schema, mine) in enumerate(groups.items()):
            name = f"{scan.name}_large_{number}"
            select = self._select(scan, schema, mine[0].file.uri)
            self.connection.register(name, _file_table(scan, mine))
            paths = ", ".join(text_literal(piece.file.path) for piece in mine)
            parts.append(
                f"SELECT {select} FROM (SELECT d.*, p.* FROM read_parquet([{paths}], "
                f"filename = 'file name', hive_partitioning = false) AS d "
                f'JOIN {name} AS p ON p."file path" = d."file name") AS f'
            )
        return parts

    def _leaf_sizes(self, file: DataFile) -> tuple[int, ...]:
        """Return the compressed bytes of each leaf column of a file that nobody has read yet.

        By DuckDB, which says what is wrong where pyarrow would end the process.
        """
        sql = (
            "SELECT sum(total_compressed_size)::BIGINT, min(total_compressed_size) "
            "FROM parquet_metadata($path) GROUP BY column_id ORDER BY column_id"
        )
        try:
            sizes = self.connection.execute(sql, {"path": file.path}).fetchall()
        except duckdb.Error as error:
            raise not_parquet(file, str(error).replace(file.path, file.uri)) from error
        if any(least < 0 for _, least in sizes):
            raise not_parquet(file, "a column has a size below zero")
        return tuple(size for size, _ in sizes)

    def _select(self, scan: Scan, schema: ParquetSchema, uri: str) -> str:
        """Return the SELECT list of a part: what is read, and NULL for what only is mentioned."""
        known = {column.name: column for column in scan.table.columns}
        keys = {key.name: key for key in scan.table.partition_keys}
        items = []
        for name in sorted(scan.columns) or ["$path"]:
            if name in keys:
                sql = _typed_key(keys[name], f"f.{quoted(_key_name(name))}")
            elif name in _HIDDEN:
                sql = f"f.{quoted(name)}"
            elif name in scan.reads:
                sql = column_sql(schema, known[name], uri)
            else:
                sql = f"CAST(NULL AS {known[name].type.duckdb})"
            items.append(f"{sql} AS {quoted(name)}")
        return ", ".join(items)

    def _nothing(self, scan: Scan) -> str:
        known = {column.name: column.type.duckdb for column in scan.table.all_columns}
        known |= {"$path": "VARCHAR", "$file_size": "BIGINT", "$file_modified_time": "TIMESTAMPTZ"}
        items = (
            f"CAST(NULL AS {known[n]}) AS {quoted(n)}" for n in sorted(scan.columns) or ["$path"]
        )
        return f"SELECT {', '.join(items)} WHERE FALSE"

    def _count(self, scan: Scan, schema: ParquetSchema, sizes: Sequence[tuple[int, ...]]) -> None:
        leaves = [
            i for name in scan.reads if name in schema.columns for i in schema.columns[name].leaves
        ]
        self.bytes_scanned += sum(file[i] for file in sizes for i in leaves)


def _check_format(definition: dict[str, Any]) -> None:
    storage = definition.get("StorageDescriptor", {})
    described = f"{storage.get('InputFormat')} {storage.get('SerdeInfo', {})}"
    if definition.get("Parameters", {}).get("table_type", "").upper() == "ICEBERG":
        described = "Iceberg"
    if _PARQUET not in described.lower():
        raise QueryError(
            "NOT_SUPPORTED", f"The local Athena reads Parquet alone; this table is {described}"
        )


def _key_name(name: str) -> str:
    """Return the name of a partition key beside columns that a file may call the same."""
    return f"key {name}"


def _typed_key(key: Column, sql: str) -> str:
    return sql if key.type.is_text else f"CAST({sql} AS {key.type.duckdb})"


def _key_sql(key: Column) -> str:
    return f"{_typed_key(key, quoted(key.name))} AS {quoted(key.name)}"


def _key_table(scan: Scan, partitions: list[Partition]) -> pa.Table:
    columns: dict[str, Any] = {"i": np.arange(len(partitions))}
    for at, key in enumerate(scan.table.partition_keys):
        values = [_value(partition.values[at]) for partition in partitions]
        columns[key.name] = pa.array(values, pa.string())
    return pa.table(columns)


def _value(text: str) -> str | None:
    return None if text == NULL_VALUE else text


def _file_table(scan: Scan, pieces: Sequence[Piece]) -> pa.Table:
    """Return what a scan asks for of the files themselves, a row for each."""
    columns: dict[str, Any] = {"file path": pa.array([piece.file.path for piece in pieces])}
    for at, key in enumerate(scan.table.partition_keys):
        if key.name in scan.columns:
            values = [_value(piece.partition.values[at]) for piece in pieces]
            columns[_key_name(key.name)] = pa.array(values, pa.string())
    files = [piece.file for piece in pieces]
    columns["$path"] = pa.array([file.uri for file in files])
    columns["$file_size"] = pa.array([file.size for file in files], pa.int64())
    changed = [file.mtime_ns // 1_000_000 for file in files]
    columns["$file_modified_time"] = pa.array(changed, pa.timestamp("ms", "UTC"))
    return pa.table(columns)


def _together(
    scan: Scan, table: pa.Table, rows: Sequence[FileRows], pieces: Sequence[Piece]
) -> pa.Table:
    """Return the rows of small files with the values of their partitions beside them."""
    places, owner = rows_of(rows)
    known = {name.lower(): name for name in table.column_names}
    wanted = [known[name] for name in sorted(scan.reads) if name in known]
    whole = len(places) == table.num_rows and bool((np.diff(places) == 1).all())
    data = table.select(wanted)
    if not whole:
        data = data.take(pa.array(places))
    about = _file_table(scan, pieces)
    needed = [_key_name(k.name) for k in scan.table.partition_keys if k.name in scan.columns]
    needed += [name for name in _HIDDEN if name in scan.columns or name == "$path"]
    about = about.select(needed).take(pa.array(owner))
    return pa.table(
        {
            **dict(zip(wanted, data.columns, strict=True)),
            **dict(zip(needed, about.columns, strict=True)),
        }
    )
