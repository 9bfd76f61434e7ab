"""Times and other values written by a pattern: MySQL's, Joda's, and Java's for `format`."""

from __future__ import annotations

import re

from localaws.athena.sql import types
from localaws.athena.sql.calls import Call, arguments, special
from localaws.athena.sql.casts import cast_value, local_time
from localaws.athena.sql.coercion import coerce
from localaws.athena.sql.literals import literal_text
from localaws.athena.sql.model import Expr, Scope, all_uses, text_literal
from localaws.athena.sql.translator import Translator

_MYSQL_WRITE = {
    "%Y": "%Y", "%y": "%y", "%m": "%m", "%c": "%-m", "%d": "%d", "%e": "%-d", "%H": "%H",
    "%k": "%-H", "%h": "%I", "%I": "%I", "%l": "%-I", "%i": "%M", "%s": "%S", "%S": "%S",
    "%f": "%f", "%p": "%p", "%M": "%B", "%b": "%b", "%W": "%A", "%a": "%a", "%j": "%j",
    "%T": "%H:%M:%S", "%r": "%I:%M:%S %p", "%v": "%V", "%x": "%G", "%%": "%%",
}  # fmt: skip
_MYSQL_READ = {**_MYSQL_WRITE, "%c": "%m", "%e": "%d", "%k": "%H", "%l": "%I"}
_MYSQL_PART = re.compile(r"%.|[^%]+", re.DOTALL)
_JODA = {
    "yyyy": "%Y", "YYYY": "%Y", "y": "%Y", "yy": "%y", "MM": "%m", "M": "%-m", "MMM": "%b",
    "MMMM": "%B", "dd": "%d", "d": "%-d", "HH": "%H", "H": "%-H", "hh": "%I", "h": "%-I",
    "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "SSS": "%g", "a": "%p", "EEE": "%a",
    "EEEE": "%A", "DDD": "%j",
}  # fmt: skip
_JODA_PART = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")

_FIELD = re.compile(r"%-?([A-Za-z])")
_YEARS = frozenset("YyG")
_CLOCK = frozenset("HIMSfgp")


@special("date_format")
def date_format(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a time written by a pattern of MySQL: '%Y-%m-%d %H:%i'."""
    pattern = _mysql(translator, call, _MYSQL_WRITE)
    return _written(translator, call, scope, pattern)


@special("format_datetime")
def format_datetime(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a time written by a pattern of Joda: 'yyyy-MM-dd HH:mm'."""
    return _written(translator, call, scope, _joda(translator, call))


def _written(translator: Translator, call: Call, scope: Scope, pattern: str) -> Expr:
    value = arguments(translator, call, scope)[0]
    if not types.can_become(value.type, types.ZONED) and value.type.name != types.TIMESTAMP_TZ:
        message = f"Unexpected parameters ({value.type}, varchar) for function {call.name}"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    local = coerce(local_time(value), types.TIMESTAMP)
    text = f"strftime({local.sql}, {text_literal(pattern)})"
    return value.typed(f"trino_time_text({local.sql}, {text})", types.VARCHAR)


@special("date_parse")
def date_parse(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the timestamp that a text is, read by a pattern of MySQL."""
    pattern = _mysql(translator, call, _MYSQL_READ)
    return _read(translator, call, scope, pattern, "trino_mysql_year")


@special("parse_datetime")
def parse_datetime(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the timestamp with time zone that a text is, read by a pattern of Joda."""
    pattern = _joda(translator, call).replace("%-", "%")
    found = _read(translator, call, scope, pattern, "trino_joda_year")
    return coerce(found, types.ZONED)


def _read(translator: Translator, call: Call, scope: Scope, pattern: str, century: str) -> Expr:
    """Return the timestamp that a text is; `century` names what completes a year of two digits."""
    value = arguments(translator, call, scope)[0]
    if not value.type.is_text and value.type != types.UNKNOWN:
        message = f"Unexpected parameters ({value.type}, varchar) for function {call.name}"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    fields = set(_FIELD.findall(pattern.replace("%%", "")))
    text = value.sql
    if not fields & _YEARS:
        if not fields <= _CLOCK:
            message = f"The local Athena does not know {call.name} of a month or day without a year"
            translator.fail("NOT_SUPPORTED", message, call.args[1])
        pattern, text = f"%Y {pattern}", f"('1970 ' || {text})"
    sql = f"strptime({text}, {text_literal(pattern)})"
    return value.typed(f"{century}({sql})" if "y" in fields else sql, types.TIMESTAMP)


def _pattern(translator: Translator, call: Call) -> str:
    if len(call.args) != 2:
        message = f"{call.name} takes a value and a pattern"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    return literal_text(translator, call.args[1], "the pattern")


def _mysql(translator: Translator, call: Call, known: dict[str, str]) -> str:
    parts = _MYSQL_PART.findall(_pattern(translator, call))
    for part in parts:
        if part.startswith("%") and part not in known:
            message = f"Date format {part} is not supported"
            translator.fail("INVALID_FUNCTION_ARGUMENT", message, call.args[1])
    return "".join(known.get(part, part) for part in parts)


def _joda(translator: Translator, call: Call) -> str:
    written = []
    for part in _JODA_PART.finditer(_pattern(translator, call)):
        text = part[0]
        if part[2] and text not in _JODA:
            message = f"The local Athena does not know '{text}' in a pattern of time"
            translator.fail("NOT_SUPPORTED", message, call.args[1])
        quoted = part[1].replace("''", "'") if part[1] is not None else text
        written.append(_JODA[text] if part[2] else quoted.replace("%", "%%"))
    return "".join(written)


@special("format")
def format_(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the values written by a pattern of Java's Formatter: '%,.2f'."""
    pattern, *values = arguments(translator, call, scope)
    if not pattern.type.is_text or not values:
        message = "format takes a pattern and the values for it"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    tagged = [_tagged(translator, value, call) for value in values]
    sql = f"trino_format({pattern.sql}, [{', '.join(tagged)}])"
    return Expr(sql, types.VARCHAR, all_uses([pattern, *values]))


def _tagged(translator: Translator, value: Expr, call: Call) -> str:
    """Return a value as text behind a letter for what it is."""
    kind = value.type
    if kind.name in ("time", "timestamp", types.TIMESTAMP_TZ):
        message = f"The local Athena does not know format of {kind}"
        translator.fail("NOT_SUPPORTED", message, call.node)
    tag = "i" if kind.is_integer else "n" if kind.is_number else "s"
    tag = "b" if kind == types.BOOLEAN else tag
    text = cast_value(translator, value, types.VARCHAR, call.node)
    return f"('{tag}' || coalesce({text.sql}, 'null'))"
