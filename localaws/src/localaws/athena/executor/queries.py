"""Queries: translated, their scans made ready, run by DuckDB within the limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from localaws.athena.catalog import QueryTables
from localaws.athena.engine import Engine
from localaws.athena.executor.context import BytesExceededError, Request, Services
from localaws.athena.scan.scanning import Scanner
from localaws.athena.sql.translate import Translation, translate

_BATCH_ROWS = 10_000


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
