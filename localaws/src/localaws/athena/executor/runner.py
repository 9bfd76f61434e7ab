"""One statement from its text to its outcome; all of it may be called from a worker thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from localaws.athena.catalog import CallGlue, Catalog
from localaws.athena.engine import Engine
from localaws.athena.errors import CancelledQueryError, MalformedQueryError, QueryError
from localaws.athena.executor import partitions, queries, shows, tables
from localaws.athena.executor.context import Outcome, Request, Services
from localaws.athena.limits import EXHAUSTED, Limits
from localaws.athena.output import Output
from localaws.athena.results import text_column
from localaws.athena.rights import Rights
from localaws.athena.scan.objects import Objects
from localaws.athena.scan.small import SmallFiles
from localaws.athena.statements import model
from localaws.athena.statements.model import Statement
from localaws.settings import Settings
from localaws.wire import AwsError

logger = logging.getLogger(__name__)

_WITH_OUTCOME: dict[type[Statement], Callable[[Services, Request, Any], Outcome]] = {
    model.Select: queries.select,
    model.CreateTableAs: queries.create_table_as,
    model.Insert: queries.insert,
    model.Unload: queries.unload,
}
_WITHOUT_COLUMNS: dict[type[Statement], Callable[[Services, Request, Any], list[str]]] = {
    model.CreateTable: tables.create_table,
    model.Drop: tables.drop,
    model.CreateView: tables.create_view,
    model.CreateDatabase: tables.create_database,
    model.DropDatabase: tables.drop_database,
    model.AddColumns: tables.add_columns,
    model.SetProperties: tables.set_properties,
    model.RepairTable: partitions.repair,
    model.AddPartitions: partitions.add,
    model.DropPartitions: partitions.drop,
}
_LINES: dict[type[Statement], Callable[[Services, Request, Any], shows.Lines]] = {
    model.Show: shows.show,
    model.Describe: shows.describe,
}


def make_runner(settings: Settings, call_glue: CallGlue, rights: Rights, limits: Limits) -> Runner:
    """Return what carries out statements over the objects and the catalog of one server."""
    objects_dir = (settings.s3_data_dir / settings.account_id).resolve()
    services = Services(
        Catalog(call_glue),
        Engine(objects_dir, settings.athena_dir / "spill", limits),
        Objects(objects_dir, rights),
        SmallFiles(),
        Output(settings, rights),
        settings.athena_dir / "spill",
    )
    return Runner(services)


class Runner:
    """Carries out statements."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def close(self) -> None:
        self._services.engine.close()

    def run(self, request: Request, statement: Statement) -> Outcome:
        """Return the outcome of a statement; raises QueryError or CancelledQueryError."""
        request.control.check()
        try:
            return self._run(request, statement)
        except (QueryError, CancelledQueryError):
            raise
        except AwsError as error:
            raise QueryError("GENERIC_USER_ERROR", error.message) from error
        except MemoryError as error:
            raise QueryError("EXCEEDED_LOCAL_MEMORY_LIMIT", EXHAUSTED) from error
        except Exception as error:
            logger.exception("query %s failed inside the local Athena", request.execution_id)
            message = f"{type(error).__name__}: {error}"
            raise QueryError("GENERIC_INTERNAL_ERROR", message) from error

    def _run(self, request: Request, statement: Statement) -> Outcome:
        kind = type(statement)
        if kind in _WITH_OUTCOME:
            return _WITH_OUTCOME[kind](self._services, request, statement)
        if kind in _WITHOUT_COLUMNS:
            lines = _WITHOUT_COLUMNS[kind](self._services, request, statement)
            return self._text(request, [], lines)
        if kind in _LINES:
            return self._text(request, *_LINES[kind](self._services, request, statement))
        if isinstance(statement, model.Explain):
            lines = queries.explain(self._services, request, statement)
            return self._text(request, ["Query Plan"], lines)
        raise MalformedQueryError(f"Queries of this type are not supported: {statement.subtype}")

    def _text(self, request: Request, columns: list[str], lines: list[str]) -> Outcome:
        """Put lines as the text object that Athena writes for everything but queries."""
        uri = f"{request.location}{request.execution_id}.txt"
        infos = [text_column(name) for name in columns]
        self._services.output.put(uri, "".join(f"{line}\n" for line in lines).encode())
        self._services.output.put_metadata(f"{uri}.metadata", infos)
        return Outcome(infos, False, uri, rows=len(lines))
