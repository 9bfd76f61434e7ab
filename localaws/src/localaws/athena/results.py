"""Results as Athena writes them: values as text, CSV files, and pages read back from those."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from localaws.athena.errors import QueryError, not_supported
from localaws.athena.limits import EXHAUSTED, MOST_ROW_BYTES
from localaws.athena.sql import types
from localaws.athena.sql.translate import ResultColumn
from localaws.athena.sql.types import Type
from localaws.athena.values.rendering import double_text, real_text

_SHOWN_NAMES = {"real": "float", types.TIMESTAMP_TZ: "timestamp with time zone"}
_PRECISIONS = {
    "tinyint": 3,
    "smallint": 5,
    "integer": 10,
    "bigint": 19,
    "real": 17,
    "double": 17,
    "varchar": 2147483647,
    "char": 2147483647,
    "timestamp": 3,
    types.TIMESTAMP_TZ: 3,
    "time": 3,
    "varbinary": 1073741824,
}
_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")


def column_info(column: ResultColumn) -> dict[str, Any]:
    """Return a column as GetQueryResults describes it."""
    kind = column.type
    precision = _PRECISIONS.get(kind.name, 0)
    if kind.is_decimal or (kind.is_text and kind.numbers):
        precision = kind.precision
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": column.name,
        "Label": column.name,
        "Type": _SHOWN_NAMES.get(kind.name, kind.name),
        "Precision": precision,
        "Scale": kind.scale if kind.is_decimal else 0,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind.is_text,
    }


def text_column(name: str) -> dict[str, Any]:
    """Return a column of the text that SHOW and DESCRIBE give."""
    info = column_info(ResultColumn(name, types.VARCHAR))
    return {**info, "Type": "string", "Precision": 0, "CaseSensitive": False}


def renderer(kind: Type) -> Callable[[Any], str]:
    """Return the function that writes values of a type, which are not NULL, as Athena does."""
    simple = _RENDERERS.get(kind.name)
    if simple is not None:
        return simple
    if kind.name == "timestamp":
        return lambda value: _timestamp(value, kind.precision)
    if kind.name == types.TIMESTAMP_TZ:
        return _zoned(kind)
    if kind.items:
        return _nested(kind)
    if kind.name == "char":
        return lambda value: str(value).ljust(kind.precision)
    return str


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _decimal(value: Decimal) -> str:
    return f"{value:f}"


def _bytes(value: bytes) -> str:
    return " ".join(f"{byte:02x}" for byte in value)


def _time(value: dt.time) -> str:
    return f"{value:%H:%M:%S}.{value.microsecond // 1000:03d}"


def _timestamp(value: dt.datetime, precision: int) -> str:
    """Return a timestamp with its digits, at least the three that Athena shows."""
    fraction = f"{value.microsecond:06d}"[: max(3, precision)]
    return f"{value:%Y-%m-%d %H:%M:%S}.{fraction}".rjust(20 + len(fraction), "0")


def _zoned(kind: Type) -> Callable[[Any], str]:
    try:
        zone = _zone(kind.zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        message = f"'{kind.zone}' is not a valid time zone"
        raise QueryError("INVALID_FUNCTION_ARGUMENT", message) from error
    return lambda value: f"{_timestamp(value.astimezone(zone), kind.precision)} {kind.zone}"


def _zone(name: str) -> dt.tzinfo:
    if name == "UTC":
        return dt.UTC
    if offset := _OFFSET.fullmatch(name):
        minutes = int(offset[2]) * 60 + int(offset[3])
        return dt.timezone(dt.timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    return ZoneInfo(name)


def _days(value: Any) -> str:
    """Return an interval of days to seconds: 1 02:03:04.000."""
    milliseconds = value.days * 86_400_000 + round(value.nanoseconds / 1_000_000)
    sign = "-" if milliseconds < 0 else ""
    seconds, rest = divmod(abs(milliseconds), 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"{sign}{day} {hour:02d}:{minute:02d}:{second:02d}.{rest:03d}"


def _months(value: Any) -> str:
    sign = "-" if value.months < 0 else ""
    year, month = divmod(abs(value.months), 12)
    return f"{sign}{year}-{month}"


_RENDERERS: dict[str, Callable[[Any], str]] = {
    "boolean": _boolean,
    "real": real_text,
    "double": double_text,
    "decimal": _decimal,
    "varbinary": _bytes,
    "time": _time,
    "date": dt.date.isoformat,
    types.DAY_TO_SECOND: _days,
    types.YEAR_TO_MONTH: _months,
}


def _nested(kind: Type) -> Callable[[Any], str]:
    items = [_or_null(renderer(item)) for item in kind.items]
    if kind.name == "array":
        return lambda value: f"[{', '.join(map(items[0], value))}]"
    if kind.name == "map":
        write_key, write_value = items
        return lambda value: _braced(f"{write_key(k)}={write_value(v)}" for k, v in value)
    pairs = list(zip(kind.keys, items, strict=True))
    return lambda value: _braced(f"{key}={write(value[key])}" for key, write in pairs)


def _braced(parts: Iterable[str]) -> str:
    return "{" + ", ".join(parts) + "}"


def _or_null(write: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "null" if value is None else write(value)


def csv_lines(columns: Sequence[ResultColumn], batches: Iterable[Any]) -> Iterator[str]:
    """Yield the lines of Athena's CSV: a header, every value quoted, NULL as nothing at all."""
    yield ",".join(_quoted(column.name) for column in columns) + "\n"
    writers = [renderer(column.type) for column in columns]
    for batch in batches:
        texts = [_column(write, batch.column(i)) for i, write in enumerate(writers)]
        for row in zip(*texts, strict=True):
            line = ",".join(row) + "\n"
            if len(line) > MOST_ROW_BYTES:
                raise QueryError("EXCEEDED_LOCAL_MEMORY_LIMIT", EXHAUSTED)
            yield line


def _column(write: Callable[[Any], str], values: Any) -> list[str]:
    try:
        return ["" if value is None else _quoted(write(value)) for value in values.to_pylist()]
    except OverflowError as error:
        raise not_supported("times outside the years 1 to 9999") from error


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def read_csv_rows(data: bytes, rows: int, *, final: bool) -> tuple[list[list[str | None]], int]:
    """Return up to `rows` whole rows at the start of data, and how many bytes they take.

    A field of nothing is NULL, one of two quotes an empty text. `final` says that nothing follows.
    """
    found: list[list[str | None]] = []
    row: list[str | None] = []
    at = taken = 0
    while at < len(data) and len(found) < rows:
        value, end = _field(data, at)
        if end < 0 or (end == len(data) and not final):
            break
        row.append(value)
        at = end + 1
        if data[end : end + 1] != b",":
            found.append(row)
            row, taken = [], at
    return found, taken


def _field(data: bytes, at: int) -> tuple[str | None, int]:
    """Return a field and where it ends: at a comma, a line's end or the data's; -1 if it is cut."""
    if data[at : at + 1] != b'"':
        return None, at
    end = data.find(b'"', at + 1)
    while end >= 0 and data[end + 1 : end + 2] == b'"':
        end = data.find(b'"', end + 2)
    if end < 0:
        return None, -1
    return data[at + 1 : end].decode().replace('""', '"'), end + 1


def read_text_rows(data: bytes, rows: int, *, final: bool) -> tuple[list[list[str | None]], int]:
    """Return up to `rows` whole lines at the start of data, and how many bytes they take."""
    found: list[list[str | None]] = []
    at = 0
    while at < len(data) and len(found) < rows:
        end = data.find(b"\n", at)
        if end < 0 and not final:
            break
        end = len(data) if end < 0 else end
        found.append([data[at:end].decode()])
        at = end + 1
    return found, at
