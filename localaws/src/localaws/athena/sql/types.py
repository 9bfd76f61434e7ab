"""Trino's types: their names in Trino, Hive and DuckDB, and which becomes which by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

INTEGERS = ("tinyint", "smallint", "integer", "bigint")
FLOATS = ("real", "double")
MAX_PRECISION = 38
TIMESTAMP_TZ = "timestamp with time zone"
TIME_TZ = "time with time zone"
DAY_TO_SECOND = "interval day to second"
YEAR_TO_MONTH = "interval year to month"

_INTEGER_DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
_DUCKDB = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "double": "DOUBLE",
    "varchar": "VARCHAR",
    "char": "VARCHAR",
    "varbinary": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    TIMESTAMP_TZ: "TIMESTAMPTZ",
    DAY_TO_SECOND: "INTERVAL",
    YEAR_TO_MONTH: "INTERVAL",
    "json": "JSON",
    "unknown": '"NULL"',
}
_HIVE = {"integer": "int", "real": "float", "varchar": "string", "varbinary": "binary"}


@dataclass(frozen=True)
class Type:
    """A type of Trino; `numbers` are its precision and scale, or its length."""

    name: str
    numbers: tuple[int, ...] = ()
    items: tuple[Type, ...] = ()
    """Of an array its element, of a map key and value, of a row its fields."""
    fields: tuple[str | None, ...] = ()
    """The names of a row's fields."""
    zone: str = "UTC"
    """Of a timestamp with time zone the zone it is shown in; DuckDB keeps the instant alone."""

    def __str__(self) -> str:
        if self.name == TIMESTAMP_TZ:
            return f"timestamp({self.numbers[0]}) with time zone"
        if self.name == "row":
            return f"row({', '.join(self._row_items())})"
        inner: Iterator[object] = iter(self.items or self.numbers)
        listed = ", " if self.items else ","
        text = listed.join(str(item) for item in inner)
        return f"{self.name}({text})" if text else self.name

    def _row_items(self) -> Iterator[str]:
        for name, item in zip(self.fields, self.items, strict=True):
            yield f"{name} {item}" if name else str(item)

    @property
    def is_integer(self) -> bool:
        return self.name in INTEGERS

    @property
    def is_float(self) -> bool:
        return self.name in FLOATS

    @property
    def is_decimal(self) -> bool:
        return self.name == "decimal"

    @property
    def is_number(self) -> bool:
        return self.is_integer or self.is_float or self.is_decimal

    @property
    def is_text(self) -> bool:
        return self.name in ("varchar", "char")

    @property
    def is_interval(self) -> bool:
        return self.name in (DAY_TO_SECOND, YEAR_TO_MONTH)

    @property
    def precision(self) -> int:
        return self.numbers[0]

    @property
    def scale(self) -> int:
        return self.numbers[1] if len(self.numbers) > 1 else 0

    @property
    def duckdb(self) -> str:
        """The type of DuckDB that holds this one's values."""
        if self.is_decimal:
            return f"DECIMAL({self.precision},{self.scale})"
        if self.name == "array":
            return f"{self.items[0].duckdb}[]"
        if self.name == "map":
            return f"MAP({self.items[0].duckdb}, {self.items[1].duckdb})"
        if self.name == "row":
            pairs = zip(self.keys, self.items, strict=True)
            fields = ('"{}" {}'.format(n.replace('"', '""'), t.duckdb) for n, t in pairs)
            return f"STRUCT({', '.join(fields)})"
        return _DUCKDB[self.name]

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of a row's fields in DuckDB: a field without a name gets one."""
        return tuple(name or f"field{i}" for i, name in enumerate(self.fields))

    @property
    def hive(self) -> str:
        """The type as the Data Catalog writes it."""
        if self.is_decimal:
            return f"decimal({self.precision},{self.scale})"
        if self.name == "array":
            return f"array<{self.items[0].hive}>"
        if self.name == "map":
            return f"map<{self.items[0].hive},{self.items[1].hive}>"
        if self.name == "row":
            fields = (f"{n}:{t.hive}" for n, t in zip(self.keys, self.items, strict=True))
            return f"struct<{','.join(fields)}>"
        if self.is_text and self.numbers:
            return f"{self.name}({self.precision})"
        return _HIVE.get(self.name, self.name)


BOOLEAN = Type("boolean")
TINYINT = Type("tinyint")
SMALLINT = Type("smallint")
INTEGER = Type("integer")
BIGINT = Type("bigint")
REAL = Type("real")
DOUBLE = Type("double")
VARCHAR = Type("varchar")
VARBINARY = Type("varbinary")
DATE = Type("date")
TIME = Type("time", (3,))
TIMESTAMP = Type("timestamp", (3,))
ZONED = Type(TIMESTAMP_TZ, (3,))
DAYS = Type(DAY_TO_SECOND)
MONTHS = Type(YEAR_TO_MONTH)
JSON = Type("json")
UNKNOWN = Type("unknown")


def decimal(precision: int, scale: int) -> Type:
    """Return a decimal, its precision cut to the 38 digits that Trino has."""
    return Type("decimal", (min(MAX_PRECISION, precision), scale))


def array(item: Type) -> Type:
    """Return the array of `item`."""
    return Type("array", items=(item,))


def map_of(key: Type, value: Type) -> Type:
    """Return the map of `key` to `value`."""
    return Type("map", items=(key, value))


def row(names: tuple[str | None, ...], items: tuple[Type, ...]) -> Type:
    """Return the row of `items`; a name is None where the field has none."""
    return Type("row", items=items, fields=names)


def as_decimal(kind: Type) -> Type:
    """Return the decimal that holds every value of an integer type; a decimal is itself."""
    return kind if kind.is_decimal else decimal(_INTEGER_DIGITS[kind.name], 0)


def common_type(left: Type, right: Type) -> Type | None:
    """Return the type that values of both become by themselves, or None where there is none."""
    if left == right or right == UNKNOWN:
        return left
    if left == UNKNOWN:
        return right
    if left.is_number and right.is_number:
        return _common_number(left, right)
    if left.name == right.name:
        return _common_same(left, right)
    if left.is_text and right.is_text:
        lengths = [kind.precision for kind in (left, right) if kind.numbers]
        return Type("char", (max(lengths),))
    return _common_time(left, right) or _common_time(right, left)


def in_utc(kind: Type) -> Type:
    """Return a type whose instants are shown in UTC, another type as it is."""
    return replace(kind, zone="UTC") if kind.name == TIMESTAMP_TZ else kind


def compared_type(left: Type, right: Type) -> Type | None:
    """Return the type in which values are compared: an instant is one, wherever its clock stands.

    A time without zone is one of UTC, the zone of every session.
    """
    return common_type(in_utc(left), in_utc(right))


def can_become(source: Type, target: Type) -> bool:
    """Return whether a value of `source` becomes one of `target` without a cast."""
    if source.name == "char" and target.name == "varchar":
        return True
    common = common_type(source, target)
    return common is not None and _same_shape(common, target)


def _same_shape(left: Type, right: Type) -> bool:
    """Return whether two types differ in lengths, precisions or zones alone."""
    if left.name != right.name or len(left.items) != len(right.items):
        return False
    return all(map(_same_shape, left.items, right.items))


def _common_number(left: Type, right: Type) -> Type:
    if left.name == "double" or right.name == "double":
        return DOUBLE
    if left.name == "real" or right.name == "real":
        return REAL
    if left.is_integer and right.is_integer:
        return max(left, right, key=lambda kind: INTEGERS.index(kind.name))
    a, b = as_decimal(left), as_decimal(right)
    scale = max(a.scale, b.scale)
    return decimal(max(a.precision - a.scale, b.precision - b.scale) + scale, scale)


def _common_same(left: Type, right: Type) -> Type | None:
    """Return the common type of two types of one name that differ in their parameters."""
    if left.is_text:
        bounded = left.numbers and right.numbers
        return Type(left.name, (max(left.precision, right.precision),)) if bounded else VARCHAR
    if left.items:
        return _common_nested(left, right)
    if left.name == TIMESTAMP_TZ and left.zone != right.zone:
        return None
    return Type(left.name, (max(left.precision, right.precision),), zone=left.zone)


def _common_nested(left: Type, right: Type) -> Type | None:
    if len(left.items) != len(right.items):
        return None
    items = tuple(map(common_type, left.items, right.items))
    known = tuple(item for item in items if item is not None)
    if len(known) != len(items):
        return None
    names = tuple(a if a == b else None for a, b in zip(left.fields, right.fields, strict=False))
    return Type(left.name, items=known, fields=names)


_TIME_ORDER = {"date": 0, "timestamp": 1, TIMESTAMP_TZ: 2}


def _common_time(left: Type, right: Type) -> Type | None:
    if left.name not in _TIME_ORDER or right.name not in _TIME_ORDER:
        return None
    kind = max(left, right, key=lambda kind: _TIME_ORDER[kind.name])
    if kind.zone != "UTC":  # one value would be shown in UTC, the other in its zone
        return None
    return replace(kind, numbers=max(left.numbers, right.numbers))
