"""DuckDB with Trino's ways, closed to everything but the objects of the local S3."""

from __future__ import annotations

import re
import threading
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb

from localaws.athena.errors import CancelledQueryError, QueryError
from localaws.athena.limits import EXHAUSTED, Limits
from localaws.athena.scan.footers import unreadable
from localaws.athena.values.registry import register_functions

_FAILURE = re.compile(r"(?:string|value) '([A-Z][A-Z_]+): (.*)' to INT32", re.DOTALL)
_OVERFLOW = re.compile(r"Overflow in (addition|subtraction|multiplication) of (\w+) \((.*)\)")
_SUM_OVERFLOW = re.compile(r"Type INT128 with value .* range for the destination type INT64")
_UNREADABLE = re.compile(r'Failed to read file "(.*?)": (.*)')
_INTEGERS = {"INT8": "tinyint", "INT16": "smallint", "INT32": "integer", "INT64": "bigint"}
_TEXTS = (
    ("Division by zero", "DIVISION_BY_ZERO", "Division by zero"),
    ("More than one row returned", "SUBQUERY_MULTIPLE_ROWS",
     "Scalar sub-query has returned multiple rows"),
    ("Map keys must be unique", "INVALID_FUNCTION_ARGUMENT", "Duplicate map keys are not allowed"),
)  # fmt: skip


class Engine:
    """One DuckDB in memory; each query has a connection of its own with its own relations."""

    def __init__(self, objects_dir: Path, spill_dir: Path, limits: Limits | None = None) -> None:
        """Open it; without limits it takes what DuckDB takes by itself."""
        spill_dir.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._root, self._spill, self._limits = str(objects_dir), str(spill_dir), limits
        self._database = self._opened()

    def _opened(self) -> Any:
        database = duckdb.connect(
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
                "temp_directory": self._spill,
                **_limited(self._limits),
            }
        )
        database.execute("SET allowed_directories = $folders", {"folders": [self._root]})
        database.execute("SET GLOBAL TimeZone = 'UTC'")
        prelude = resources.files("localaws.athena.sql").joinpath("prelude.sql").read_text()
        register_functions(database)
        database.execute(prelude)
        # From here on no statement reaches another file or changes these settings.
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        return database

    def failure(self, error: Exception) -> Exception:
        """Return what an error of this DuckDB means, in the words of Athena."""
        return query_failure(error, self._root)

    def connect(self) -> Any:
        """Return a connection: it has its own temporary relations, and can be interrupted.

        A DuckDB that met an error of its own, as at a damaged file, answers nothing any more: the
        next query has a new one.
        """
        with self._lock:
            try:
                self._database.execute("SELECT 1")
            except duckdb.FatalException:
                self._database = self._opened()
            return self._database.cursor()

    def close(self) -> None:
        self._database.close()


def _limited(limits: Limits | None) -> dict[str, str]:
    if limits is None:
        return {}
    return {
        "memory_limit": f"{limits.memory}B",
        "max_temp_directory_size": f"{limits.spill}B",
    }


def query_failure(error: Exception, root: str = "") -> Exception:
    """Return what an error of DuckDB means, in the words of Athena.

    `root` is the folder of the objects: their paths are shown as addresses.
    """
    text = str(error)
    if isinstance(error, duckdb.InterruptException):
        # By whom is not known here: the server, which asked for it, says so.
        return CancelledQueryError("The query was interrupted")
    if found := _UNREADABLE.search(text):
        return unreadable(f"s3://{found[1].removeprefix(root).lstrip('/')}", found[2])
    if "MemoryError" in text or "bad_alloc" in text:
        return QueryError("EXCEEDED_LOCAL_MEMORY_LIMIT", EXHAUSTED)
    if found := _FAILURE.search(text):
        return QueryError(found[1], found[2])
    for part, code, message in _TEXTS:
        if part in text:
            return QueryError(code, message)
    if _SUM_OVERFLOW.search(text):
        return QueryError("NUMERIC_VALUE_OUT_OF_RANGE", "bigint addition overflow")
    if overflow := _OVERFLOW.search(text):
        kind = _INTEGERS.get(overflow[2], overflow[2].lower())
        message = f"{kind} {overflow[1]} overflow: {overflow[3]}"
        return QueryError("NUMERIC_VALUE_OUT_OF_RANGE", message)
    return _by_class(error, _first_line(text))


def _by_class(error: Exception, message: str) -> Exception:
    if isinstance(error, duckdb.ConversionException):
        return QueryError("INVALID_CAST_ARGUMENT", message)
    if isinstance(error, duckdb.OutOfRangeException):
        return QueryError("NUMERIC_VALUE_OUT_OF_RANGE", message)
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError("EXCEEDED_LOCAL_MEMORY_LIMIT", EXHAUSTED)
    if isinstance(error, duckdb.InvalidInputException):
        if found := re.search(r"ValueError: ([A-Z_]+): (.*)", str(error), re.DOTALL):
            return QueryError(found[1], found[2])
        return QueryError("INVALID_FUNCTION_ARGUMENT", message)
    if isinstance(error, duckdb.BinderException | duckdb.ParserException):
        return QueryError("NOT_SUPPORTED", f"The local Athena cannot run this query: {message}")
    return QueryError("GENERIC_INTERNAL_ERROR", message)


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line.partition("Error: ")[2] or line
