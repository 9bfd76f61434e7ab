"""Queries, and what becomes of their rows: SELECT, EXPLAIN, CREATE TABLE AS, INSERT, UNLOAD.

A query is translated, its scans made ready, and run by DuckDB within the limits.
"""

# ruff: noqa: S608 - SQL is what this module makes, from a checked tree
from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from localaws.athena.catalog import Definition, QueryTables, sql_table
from localaws.athena.engine import Engine
from localaws.athena.errors import QueryError
from localaws.athena.executor.context import (
    BytesExceededError,
    Outcome,
    Request,
    Services,
    full_name,
    require_database,
    target,
)
from localaws.athena.limits import EXHAUSTED, MOST_RESULT_BYTES
from localaws.athena.results import column_info, csv_lines
from localaws.athena.scan.scanning import Scanner
from localaws.athena.sql import types
from localaws.athena.sql.translate import ResultColumn, Translation, translate
from localaws.athena.sql.types import can_become
from localaws.athena.statements import model
from localaws.athena.writing import (
    PARQUET_STORAGE,
    PartitionValues,
    catalog_columns,
    check_columns,
    format_of,
    partition_folder,
    write_rows,
)

_BATCH_ROWS = 10_000

_ROWS = [column_info(ResultColumn("rows", types.BIGINT))]
_CODECS = ("format", "write_compression", "parquet_compression", "compression")


@dataclass
class Running:
    """A query whose scans are ready."""

    engine: Engine
    connection: Any
    translation: Translation
    bytes_scanned: int
    check: Callable[[], None]
    """Raises where the query was stopped."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; QueryError, in Athena's words, where one cannot be computed."""
        with translated_errors(self.engine):
            for batch in self.connection.sql(self.translation.sql).to_arrow_reader(_BATCH_ROWS):
                self.check()
                yield batch

    def table(self) -> pa.Table:
        """Return all rows, under the names of the query's columns in lower case."""
        with translated_errors(self.engine):
            table = self.connection.sql(self.translation.sql).to_arrow_table()
        return table.rename_columns([c.name.lower() for c in self.translation.columns])


@contextmanager
def running_query(
    services: Services, request: Request, text: str, parameters: tuple[str, ...] = ()
) -> Iterator[Running]:
    """Translate a query and make its scans ready, on a connection of its own."""
    tables = QueryTables(services.catalog)
    translation = translate(
        text, tables, database=request.database, parameters=parameters or request.parameters
    )
    connection = services.engine.connect()
    try:
        request.control.attach(connection)
        scanner = Scanner(
            connection,
            services.catalog,
            tables,
            services.objects,
            services.small,
            request.control.check,
        )
        with translated_errors(services.engine):
            for scan in translation.scans:
                scanner.prepare(scan)
        if request.bytes_cutoff is not None and scanner.bytes_scanned > request.bytes_cutoff:
            raise BytesExceededError(request.bytes_cutoff)
        yield Running(
            services.engine,
            connection,
            translation,
            scanner.bytes_scanned,
            request.control.check,
        )
    finally:
        request.control.detach()
        connection.close()


@contextmanager
def translated_errors(engine: Engine) -> Iterator[None]:
    """Turn the errors of DuckDB into Athena's."""
    try:
        yield
    except duckdb.Error as error:
        raise engine.failure(error) from error


def select(services: Services, request: Request, statement: model.Select) -> Outcome:
    """Write the rows of a query as CSV, once they are all known."""
    uri = f"{request.location}{request.execution_id}.csv"
    with running_query(services, request, statement.query, statement.parameters) as running:
        columns = running.translation.columns
        scanned = running.bytes_scanned
        # In a file, for a result may be larger than what the process may hold.
        with tempfile.NamedTemporaryFile(dir=services.spill, suffix=".csv") as file:
            rows = _write_lines(file, csv_lines(columns, running.batches()))
            services.output.put_file(uri, Path(file.name))
    infos = [column_info(column) for column in columns]
    services.output.put_metadata(f"{uri}.metadata", infos)
    return Outcome(infos, True, uri, bytes_scanned=scanned, rows=rows - 1)


def _write_lines(file: Any, lines: Iterable[str]) -> int:
    """Write lines, and return how many; QueryError where they are more than a result may be."""
    count = size = 0
    for line in lines:
        written = line.encode()
        size += len(written)
        if size > MOST_RESULT_BYTES:
            raise QueryError("EXCEEDED_LOCAL_MEMORY_LIMIT", EXHAUSTED)
        file.write(written)
        count += 1
    file.flush()
    return count


def explain(services: Services, request: Request, statement: model.Explain) -> list[str]:
    """Return the lines that say what a query would read, and how it would be computed."""
    with running_query(services, request, statement.query) as running:
        lines = []
        for scan in running.translation.scans:
            table = full_name(scan.table.database, scan.table.name)
            lines.append(f"TableScan[table = {table}]")
            lines.append(f"    columns: {', '.join(sorted(scan.reads)) or '(none)'}")
            lines += [f"    partition filter: {predicate}" for predicate in scan.predicates]
        lines.append(f"Estimated bytes scanned: {running.bytes_scanned}")
        plan = running.connection.execute(f"EXPLAIN {running.translation.sql}").fetchall()
    return lines + [line for _, text in plan for line in text.splitlines()]


def create_table_as(
    services: Services, request: Request, statement: model.CreateTableAs
) -> Outcome:
    """Write a query's rows as a new table; the table is registered when its objects stand."""
    name = target(request, statement.table)
    properties = dict(statement.properties)
    keys = [key.lower() for key in _listed(properties.pop("partitioned_by", []))]
    given = properties.pop("external_location", None)
    codec = format_of(properties, _CODECS)
    require_database(services, name.database)
    if services.catalog.definition(name.database, name.name):
        if statement.if_not_exists:
            return Outcome(_ROWS, update_count=0)
        message = f"line 1:1: Table '{full_name(name.database, name.name)}' already exists"
        raise QueryError("TABLE_ALREADY_EXISTS", message)
    location = str(given or f"{request.location}tables/{request.execution_id}/")
    location = location.rstrip("/") + "/"
    _require_empty(services, location, full_name(name.database, name.name))
    with running_query(services, request, statement.query) as running:
        check_columns(running.translation.columns)
        columns = {c.name.lower(): c.type for c in running.translation.columns}
        _check_keys(keys, list(columns))
        table = running.table() if statement.with_data else running.table().slice(0, 0)
        written = write_rows(services.output, location, table, keys, codec)
    definition = _new_table(name.name, columns, keys, location, codec)
    services.catalog.call("CreateTable", DatabaseName=name.database, TableInput=definition)
    if keys:
        _register(services, {**definition, "DatabaseName": name.database}, written)
    base = f"{request.location}tables/{request.execution_id}"
    return _written(services, base, written, running, table.num_rows)


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _check_keys(keys: list[str], columns: list[str]) -> None:
    if keys and columns[-len(keys) :] != keys:
        message = (
            "Partition keys must be the last columns in the table and in the same order as the "
            f"table properties: {keys}"
        )
        raise QueryError("HIVE_COLUMN_ORDER_MISMATCH", message)


def _require_empty(services: Services, location: str, table: str) -> None:
    if services.objects.under(location):
        message = (
            f"Target directory for table '{table}' already exists: {location}. You may need to "
            f"manually clean the data at location '{location}' before retrying. Athena will not "
            "delete data in your account."
        )
        raise QueryError("HIVE_PATH_ALREADY_EXISTS", message)


def _new_table(
    name: str, columns: dict[str, types.Type], keys: list[str], location: str, codec: str
) -> Definition:
    data = [(n, kind) for n, kind in columns.items() if n not in keys]
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "parquet.compression": codec.upper()},
        "StorageDescriptor": {
            "Columns": catalog_columns(data),
            "Location": location,
            **PARQUET_STORAGE,
        },
        "PartitionKeys": catalog_columns([(key, columns[key]) for key in keys]),
    }


def _register(
    services: Services, definition: Definition, written: dict[PartitionValues, list[str]]
) -> None:
    """Register the partitions of objects that were written, where they are not known yet."""
    storage = definition["StorageDescriptor"]
    keys = [key["Name"] for key in definition["PartitionKeys"]]
    inputs = [
        {
            "Values": list(values),
            "StorageDescriptor": {
                **storage,
                "Location": partition_folder(storage["Location"], keys, values),
            },
        }
        for values in written
    ]
    services.catalog.add_partitions(definition["DatabaseName"], definition["Name"], inputs)


def _written(
    services: Services,
    base: str,
    written: dict[PartitionValues, list[str]],
    running: Running,
    rows: int,
) -> Outcome:
    """Put the manifest of what was written, and return the outcome that names it."""
    uris = [uri for found in written.values() for uri in found]
    manifest = f"{base}-manifest.csv"
    services.output.put(manifest, "".join(f"{uri}\n" for uri in uris).encode())
    infos = [column_info(column) for column in running.translation.columns]
    services.output.put_metadata(f"{base}.metadata", infos)
    return Outcome(
        list(_ROWS),
        output_location=base,
        manifest_location=manifest,
        bytes_scanned=running.bytes_scanned,
        rows=rows,
        update_count=rows,
    )


def unload(services: Services, request: Request, statement: model.Unload) -> Outcome:
    """Write a query's rows as Parquet objects at a location that is still empty."""
    properties = dict(statement.properties)
    keys = [key.lower() for key in _listed(properties.pop("partitioned_by", []))]
    codec = format_of(properties, _CODECS)
    location = statement.location.rstrip("/") + "/"
    if services.objects.under(location):
        message = f"Target directory already exists: {location}"
        raise QueryError("HIVE_PATH_ALREADY_EXISTS", message)
    with running_query(services, request, statement.query) as running:
        check_columns(_named(running.translation.columns))
        _check_keys(keys, [column.name.lower() for column in running.translation.columns])
        table = running.table()
        written = write_rows(services.output, location, table, keys, codec)
    base = f"{request.location}{request.execution_id}"
    return _written(services, base, written, running, table.num_rows)


def _named(columns: tuple[ResultColumn, ...]) -> list[ResultColumn]:
    return [ResultColumn(column.name, column.type) for column in columns]


def insert(services: Services, request: Request, statement: model.Insert) -> Outcome:
    """Add a query's rows to a table of Parquet, each to its partition."""
    name = target(request, statement.table)
    definition = services.catalog.definition(name.database, name.name)
    if definition is None:
        message = f"line 1:1: Table '{full_name(name.database, name.name)}' does not exist"
        raise QueryError("TABLE_NOT_FOUND", message)
    table = sql_table(definition)
    wanted = [(column.name, column.type) for column in table.all_columns]
    names = statement.columns or tuple(column for column, _ in wanted)
    if table.is_view or list(names) != [column for column, _ in wanted]:
        raise QueryError("NOT_SUPPORTED", "INSERT into a view, or into some of the columns")
    with running_query(services, request, statement.query) as running:
        rows = _as_columns(running, wanted)
        keys = [key.name for key in table.partition_keys]
        location = definition["StorageDescriptor"]["Location"]
        written = write_rows(services.output, location, rows, keys, "gzip")
    if keys:
        _register(services, definition, written)
    base = f"{request.location}{request.execution_id}"
    return _written(services, base, written, running, rows.num_rows)


def _as_columns(running: Running, wanted: list[tuple[str, types.Type]]) -> Any:
    """Return a query's rows as the columns of a table, which they must be able to become."""
    given = [column.type for column in running.translation.columns]
    fits = len(given) == len(wanted) and all(
        can_become(have, want) for have, (_, want) in zip(given, wanted, strict=True)
    )
    if not fits:
        table = ", ".join(str(kind) for _, kind in wanted)
        query = ", ".join(map(str, given))
        message = f"Insert query has mismatched column types: Table: [{table}], Query: [{query}]"
        raise QueryError("TYPE_MISMATCH", message)
    items = ", ".join(f"CAST(c{i} AS {kind.duckdb}) AS c{i}" for i, (_, kind) in enumerate(wanted))
    running.translation = running.translation.wrapped(
        f"SELECT {items} FROM ({running.translation.sql}) AS q"
    )
    return running.table().rename_columns([name for name, _ in wanted])
