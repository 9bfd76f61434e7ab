"""Functions of dates and times."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.calls import Call, add_signatures, apply, arguments, special
from localaws.athena.sql.casts import cast_value, local_time
from localaws.athena.sql.coercion import clock, coerce, instant
from localaws.athena.sql.literals import literal_text
from localaws.athena.sql.model import Expr, Scope, text_literal
from localaws.athena.sql.signatures import SCALAR
from localaws.athena.sql.translator import Translator, translates
from localaws.athena.sql.types import Type

add_signatures(
    SCALAR,
    """
    year(T:time) -> bigint : year({0})
    quarter(T:time) -> bigint : quarter({0})
    month(T:time) -> bigint : month({0})
    week(T:time) -> bigint : week({0})
    week_of_year(T:time) -> bigint : week({0})
    year_of_week(T:time) -> bigint : isoyear({0})
    yow(T:time) -> bigint : isoyear({0})
    day(T:time) -> bigint : day({0})
    day_of_month(T:time) -> bigint : day({0})
    day_of_week(T:time) -> bigint : isodow({0})
    dow(T:time) -> bigint : isodow({0})
    day_of_year(T:time) -> bigint : dayofyear({0})
    doy(T:time) -> bigint : dayofyear({0})
    hour(T:clock) -> bigint : hour({0})
    minute(T:clock) -> bigint : minute({0})
    second(T:clock) -> bigint : second({0})
    millisecond(T:clock) -> bigint : (millisecond({0}) % 1000)
    hour(time) -> bigint : hour({0})
    minute(time) -> bigint : minute({0})
    second(time) -> bigint : second({0})
    last_day_of_month(T:time) -> date : last_day({0})
    to_milliseconds(days) -> bigint : CAST(epoch_ms({0}) AS BIGINT)
    to_unixtime(timestamp) -> double : epoch({0})
    to_unixtime(timestamp_tz) -> double : epoch({0})
    from_iso8601_date(varchar) -> date : trino_iso_date({0})
    now() -> timestamp_tz : date_trunc('milliseconds', now())
    current_timezone() -> varchar : 'UTC'
    """,
)

_DATE_UNITS = ("day", "week", "month", "quarter", "year")
_TIME_UNITS = ("millisecond", "second", "minute", "hour")
_INTERVALS: dict[str, Callable[[str], str]] = {
    "millisecond": lambda n: f"to_milliseconds({n})",
    "second": lambda n: f"to_seconds({n})",
    "minute": lambda n: f"to_minutes({n})",
    "hour": lambda n: f"to_hours({n})",
    "day": lambda n: f"to_days(CAST({n} AS INTEGER))",
    "week": lambda n: f"to_days(CAST(7 * {n} AS INTEGER))",
    "month": lambda n: f"to_months(CAST({n} AS INTEGER))",
    "quarter": lambda n: f"to_months(CAST(3 * {n} AS INTEGER))",
    "year": lambda n: f"to_years(CAST({n} AS INTEGER))",
}


def _unit(translator: Translator, call: Call, kind: Type) -> str:
    unit = literal_text(translator, call.args[0], "the unit").lower()
    known = _DATE_UNITS if kind == types.DATE else _DATE_UNITS + _TIME_UNITS
    if unit not in known:
        what = "Date" if kind == types.DATE else "Timestamp"
        message = f"'{unit}' is not a valid {what} field"
        translator.fail("INVALID_FUNCTION_ARGUMENT", message, call.args[0])
    return unit


def _times(translator: Translator, call: Call, scope: Scope, count: int) -> list[Expr]:
    """Return the arguments; the last one must be a date or a timestamp."""
    values = arguments(translator, call, scope)
    if len(values) != count or values[-1].type.name not in _POINTS:
        shown = ", ".join(str(value.type) for value in values)
        message = f"Unexpected parameters ({shown}) for function {call.name}"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    return values


_POINTS = ("date", "timestamp", types.TIMESTAMP_TZ)


@special("date_trunc")
def date_trunc(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the start of the second, …, year that a time lies in."""
    value = _times(translator, call, scope, 2)[1]
    unit = _unit(translator, call, value.type)
    if unit in _TIME_UNITS and value.type.name == types.TIMESTAMP_TZ:
        local = clock(value.type.zone, "t")
        start = f"t - ({local} - date_trunc('{unit}', {local}))"
        sql = f"list_extract(list_transform([{value.sql}], lambda t: {start}), 1)"
        return value.typed(sql, value.type)
    return _on_the_clock(value, lambda local: f"date_trunc('{unit}', {local})")


@special("date_add")
def date_add(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a time moved by a number of units."""
    _, amount, value = _times(translator, call, scope, 3)
    unit = _unit(translator, call, value.type)
    if not amount.type.is_integer and amount.type != types.UNKNOWN:
        message = f"Unexpected parameters ({amount.type}) for function date_add"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    number = coerce(amount, types.BIGINT)
    step = _INTERVALS[unit](number.sql)
    if unit in _TIME_UNITS and value.type.name == types.TIMESTAMP_TZ:
        moved = value.typed(f"({value.sql} + {step})", value.type)
    else:
        moved = _on_the_clock(value, lambda local: f"({local} + {step})")
    return Expr(moved.sql, moved.type, value.uses | amount.uses)


def _on_the_clock(value: Expr, change: Callable[[str], str]) -> Expr:
    """Return a time changed as the clock of its zone shows it."""
    changed = change(local_time(value).sql)
    if value.type == types.DATE:
        return value.typed(f"CAST({changed} AS DATE)", types.DATE)
    if value.type.name == types.TIMESTAMP_TZ:
        changed = instant(value.type.zone, changed)
    return value.typed(changed, value.type)


@special("date_diff")
def date_diff(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return how many whole units lie between two times."""
    _, start, end = _times(translator, call, scope, 3)
    common = types.compared_type(start.type, end.type)
    if common is None or common.name not in _POINTS:
        message = f"Unexpected parameters ({start.type}, {end.type}) for function date_diff"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    unit = _unit(translator, call, common)
    a, b = coerce(start, common), coerce(end, common)
    if common.name == types.TIMESTAMP_TZ:
        # Days and longer by the clock of the first one's zone; hours and shorter pass alike in all.
        zone = "UTC" if unit in _TIME_UNITS else start.type.zone
        a, b = (value.typed(clock(zone, value.sql), types.TIMESTAMP) for value in (a, b))
    return Expr(f"date_sub('{unit}', {a.sql}, {b.sql})", types.BIGINT, a.uses | b.uses)


@special("date")
def date(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return CAST(x AS date)."""
    values = arguments(translator, call, scope)
    if len(values) != 1:
        translator.fail("FUNCTION_NOT_FOUND", "date takes one value", call.node)
    return cast_value(translator, values[0], types.DATE, call.node)


@translates(exp.Extract)
def extract(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return EXTRACT(field FROM x): the function of the field's name."""
    field = node.this.name.lower()
    if field not in _FIELDS:
        translator.fail("SYNTAX_ERROR", f"Invalid EXTRACT field: {field}", node)
    return apply(translator, Call(field, (node.expression,), node), scope)


_FIELD_NAMES = """
year quarter month week day day_of_month day_of_week dow day_of_year doy year_of_week yow
hour minute second
"""
_FIELDS = frozenset(_FIELD_NAMES.split())


@translates(exp.AtTimeZone)
def at_time_zone(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return x AT TIME ZONE 'zone'."""
    value = translator.expression(node.this, scope)
    return _at_zone(translator, value, node.args["zone"], node)


@special("at_timezone")
def at_timezone(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the same instant, shown in another zone."""
    value = arguments(translator, call, scope)[0]
    return _at_zone(translator, value, call.args[-1], call.node)


def _at_zone(translator: Translator, value: Expr, zone: exp.Expr, node: exp.Expr) -> Expr:
    name = literal_text(translator, zone, "the time zone")
    if value.type.name not in ("timestamp", types.TIMESTAMP_TZ):
        message = (
            "Type of value must be a time or timestamp with or without time zone "
            f"(actual {value.type})"
        )
        translator.fail("TYPE_MISMATCH", message, node)
    utc = coerce(value, Type(types.TIMESTAMP_TZ, value.type.numbers))
    return value.typed(utc.sql, Type(types.TIMESTAMP_TZ, value.type.numbers, zone=name))


@special("with_timezone")
def with_timezone(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the instant at which the clock of a zone shows a timestamp."""
    value = arguments(translator, call, scope)[0]
    name = literal_text(translator, call.args[-1], "the time zone")
    if value.type.name != "timestamp":
        translator.fail("FUNCTION_NOT_FOUND", "with_timezone takes a timestamp", call.node)
    kind = Type(types.TIMESTAMP_TZ, value.type.numbers, zone=name)
    return value.typed(instant(name, value.sql), kind)


@special("from_unixtime")
def from_unixtime(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the instant of so many seconds since 1970, shown in UTC or in a zone."""
    value, *rest = arguments(translator, call, scope)
    if not types.can_become(value.type, types.DOUBLE) or len(rest) > 1:
        message = f"Unexpected parameters ({value.type}) for function from_unixtime"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    zone = literal_text(translator, call.args[1], "the time zone") if rest else "UTC"
    seconds = coerce(value, types.DOUBLE)
    sql = f"to_timestamp(round({seconds.sql} * 1000) / 1000)"
    return value.typed(sql, Type(types.TIMESTAMP_TZ, (3,), zone=zone))


@special("to_iso8601")
def to_iso8601(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a time as ISO 8601 writes it: with three digits of a second at least, and its zone."""
    (value,) = arguments(translator, call, scope)
    if value.type == types.DATE:
        return cast_value(translator, value, types.VARCHAR, call.node)
    if value.type.name not in ("timestamp", types.TIMESTAMP_TZ):
        message = f"Unexpected parameters ({value.type}) for function to_iso8601"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    local = local_time(value).sql
    digits = max(3, value.type.precision)
    text = f"left(strftime({local}, '%Y-%m-%dT%H:%M:%S.%f'), {20 + digits})"
    sql = f"trino_time_text({local}, {text})"
    if value.type.name == types.TIMESTAMP_TZ:
        sql = f"({sql} || trino_offset_text({_offset(value)}))"
    return value.typed(sql, types.VARCHAR)


def _offset(value: Expr) -> str:
    """Return how many minutes the clock of a zone is before that of UTC."""
    return f"date_diff('minute', timezone('UTC', {value.sql}), {local_time(value).sql})"


@special("timezone_hour", "timezone_minute")
def timezone_part(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return hours or minutes by which the clock of a time's zone is before that of UTC."""
    (value,) = arguments(translator, call, scope)
    if value.type.name != types.TIMESTAMP_TZ:
        message = f"Unexpected parameters ({value.type}) for function {call.name}"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    part = "// 60" if call.name == "timezone_hour" else "% 60"
    return value.typed(f"CAST({_offset(value)} {part} AS BIGINT)", types.BIGINT)


_ISO_OFFSET = re.compile(r".*T.*([+-]\d{2}:?\d{2})")


@special("from_iso8601_timestamp")
def from_iso8601_timestamp(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the instant that a text names; its zone is known where the text is written out."""
    (value,) = arguments(translator, call, scope)
    if not types.can_become(value.type, types.VARCHAR):
        message = f"Unexpected parameters ({value.type}) for function from_iso8601_timestamp"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    written = call.args[0]
    found = _ISO_OFFSET.fullmatch(written.name) if isinstance(written, exp.Literal) else None
    if found is None or found[1] in ("+00:00", "-00:00"):
        return value.typed(f"trino_iso_timestamp({value.sql})", types.ZONED)
    hours, minutes = found[1][1:3], found[1][-2:]
    sign = "-" if found[1][0] == "+" else "+"
    moved = f"to_minutes({int(hours) * 60 + int(minutes)})"
    text = text_literal(written.name.removesuffix(found[1]))
    sql = f"(trino_iso_timestamp({text}) {sign} {moved})"
    return value.typed(sql, Type(types.TIMESTAMP_TZ, (3,), zone=f"{found[1][0]}{hours}:{minutes}"))
