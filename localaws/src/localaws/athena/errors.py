"""Why a query fails, in Athena's own words and categories."""

from __future__ import annotations

from dataclasses import dataclass

SYSTEM, USER, OTHER = 1, 2, 3
"""AthenaError's ErrorCategory: 1 the service's fault, 2 the user's, 3 anything else."""

_ERROR_TYPES = {
    "SYNTAX_ERROR": 1006,
    "COLUMN_NOT_FOUND": 1006,
    "TABLE_NOT_FOUND": 1006,
    "SCHEMA_NOT_FOUND": 1006,
    "TYPE_MISMATCH": 1006,
    "FUNCTION_NOT_FOUND": 1006,
    "HIVE_BAD_DATA": 1100,
    "HIVE_CANNOT_OPEN_SPLIT": 1100,
    "HIVE_PARTITION_SCHEMA_MISMATCH": 1102,
    "GENERIC_INTERNAL_ERROR": 1,
}
_UNKNOWN_TYPE = 1000


@dataclass(frozen=True)
class Position:
    """A place in a statement; both count from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}:{self.column}"


class QueryError(Exception):
    """A query that cannot be answered: an error code of Trino, and what went wrong where."""

    def __init__(self, code: str, message: str, position: Position | None = None) -> None:
        self.code = code
        self.message = f"{position}: {message}" if position else message
        super().__init__(f"{code}: {self.message}")

    @property
    def reason(self) -> str:
        """The text that Athena shows as StateChangeReason."""
        return f"{self.code}: {self.message}"

    @property
    def category(self) -> int:
        return SYSTEM if self.code == "GENERIC_INTERNAL_ERROR" else USER

    @property
    def error_type(self) -> int:
        return _ERROR_TYPES.get(self.code, _UNKNOWN_TYPE)


class MalformedQueryError(QueryError):
    """A statement that the grammar does not know: Athena refuses it before it runs."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__("SYNTAX_ERROR", message, position)


class CancelledQueryError(Exception):
    """A query ended before its time: by its user, by a limit, or because the server closes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def not_supported(what: str, position: Position | None = None) -> QueryError:
    """Return the refusal of something that Athena knows and the local one does not."""
    return QueryError("NOT_SUPPORTED", f"The local Athena does not support {what}", position)
