"""Types read from their names: Trino's `row(a bigint)`, Hive's `struct<a:bigint>`."""

from __future__ import annotations

import re

from localaws.athena.errors import QueryError
from localaws.athena.sql import types
from localaws.athena.sql.types import Type

_SIMPLE = {
    "boolean": types.BOOLEAN,
    "tinyint": types.TINYINT,
    "smallint": types.SMALLINT,
    "int": types.INTEGER,
    "integer": types.INTEGER,
    "bigint": types.BIGINT,
    "real": types.REAL,
    "double": types.DOUBLE,
    "varchar": types.VARCHAR,
    "string": types.VARCHAR,
    "char": Type("char", (1,)),
    "varbinary": types.VARBINARY,
    "binary": types.VARBINARY,
    "date": types.DATE,
    "time": types.TIME,
    "timestamp": types.TIMESTAMP,
    types.TIMESTAMP_TZ: types.ZONED,
    types.DAY_TO_SECOND: types.DAYS,
    types.YEAR_TO_MONTH: types.MONTHS,
    "json": types.JSON,
    "decimal": types.decimal(38, 0),
    "unknown": types.UNKNOWN,
}
_HIVE_ONLY = {"string", "binary", "float"}
_HIVE_MEANING = {"float": types.REAL, "decimal": types.decimal(10, 0)}
_TRINO_ONLY = {
    "varbinary",
    "real",
    "json",
    "time",
    "unknown",
    types.TIMESTAMP_TZ,
    types.DAY_TO_SECOND,
    types.YEAR_TO_MONTH,
}
_PARAMETRIC = re.compile(r"([a-z]+)\s*\(([\d\s,]+)\)(.*)", re.DOTALL)
_NESTED = re.compile(r"(array|map|row|struct)\s*[(<](.*)[)>]", re.DOTALL)
_ZONED = re.compile(r"timestamp\s*\((\d+)\)\s+with\s+time\s+zone")
_ROW_FIELD = re.compile(r'(?:"([^"]+)"|([a-z_]\w*))\s+(.+)', re.DOTALL)

_DEEPEST = 100
"""Types inside one another; what is kept of a type must be read again, deep in the stack."""


def trino_type(text: str) -> Type:
    """Return the type that Trino writes as `text`; QueryError where it has none."""
    return _checked(text, _HIVE_ONLY)


def hive_type(text: str) -> Type:
    """Return the type of a column of the Data Catalog; QueryError where Athena has none."""
    return _checked(text, _TRINO_ONLY)


def _checked(text: str, foreign: set[str]) -> Type:
    depth = deepest = 0
    for char in text:
        depth += (char in "(<") - (char in ")>")
        deepest = max(deepest, depth)
    try:
        if deepest <= _DEEPEST:
            return _parse(text, foreign)
    except ValueError:  # a precision that is no number, or has thousands of digits
        pass
    raise QueryError("TYPE_NOT_FOUND", f"Unknown type: {text[:200]}")


def _parse(text: str, foreign: set[str]) -> Type:
    name = " ".join(text.strip().lower().split())
    if name in _HIVE_MEANING and "float" not in foreign:
        return _HIVE_MEANING[name]
    if name in _SIMPLE and name not in foreign:
        return _SIMPLE[name]
    found = _nested(name, foreign) or _parametric(name)
    if found is None:
        raise QueryError("TYPE_NOT_FOUND", f"Unknown type: {text[:200]}")
    return found


def _parametric(name: str) -> Type | None:
    if zoned := _ZONED.fullmatch(name):
        return Type(types.TIMESTAMP_TZ, (_digits(zoned[1]),))
    matched = _PARAMETRIC.fullmatch(name)
    if matched is None or matched[3].strip():
        return None
    numbers = tuple(int(number) for number in matched[2].split(","))
    base = matched[1]
    if base == "decimal" and len(numbers) in (1, 2):
        return _checked_decimal(*numbers)
    if base in ("varchar", "char") and len(numbers) == 1:
        return Type(base, numbers)
    if base in ("timestamp", "time") and len(numbers) == 1:
        return Type(base, (_digits(matched[2]),))
    return None


def _checked_decimal(precision: int, scale: int = 0) -> Type:
    if not 1 <= precision <= types.MAX_PRECISION or scale > precision:
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"Invalid DECIMAL({precision},{scale})")
    return types.decimal(precision, scale)


def _digits(text: str) -> int:
    """Return the precision of a time; DuckDB keeps microseconds."""
    digits = int(text)
    if digits > 6:
        raise QueryError(
            "NOT_SUPPORTED", f"The local Athena keeps 6 digits of a second, not {digits}"
        )
    return digits


def _nested(name: str, foreign: set[str]) -> Type | None:
    matched = _NESTED.fullmatch(name)
    if matched is None:
        return None
    parts = split_top_level(matched[2])
    kind = matched[1]
    if kind == "array" and len(parts) == 1:
        return types.array(_parse(parts[0], foreign))
    if kind == "map" and len(parts) == 2:
        return types.map_of(_parse(parts[0], foreign), _parse(parts[1], foreign))
    if kind == "struct":
        return _struct(parts, foreign)
    return _row(parts, foreign) if kind == "row" else None


def _struct(parts: list[str], foreign: set[str]) -> Type:
    pairs = [part.partition(":") for part in parts]
    names = tuple(name.strip() for name, _, _ in pairs)
    return types.row(names, tuple(_parse(kind, foreign) for _, _, kind in pairs))


def _row(parts: list[str], foreign: set[str]) -> Type:
    names: list[str | None] = []
    items = []
    for part in parts:
        field = _ROW_FIELD.fullmatch(part.strip())
        named = field if field and part.strip() not in _SIMPLE else None
        names.append((named[1] or named[2]) if named else None)
        items.append(_parse(named[3] if named else part, foreign))
    return types.row(tuple(names), tuple(items))


def split_top_level(text: str) -> list[str]:
    """Return the parts of `text` between the commas that stand outside all brackets."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char in "(<") - (char in ")>")
        if char == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]
