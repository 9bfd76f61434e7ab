"""Intervals, and the arithmetic of dates and times."""

from __future__ import annotations

import re

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.coercion import clock, coerce, instant
from localaws.athena.sql.model import Expr, Scope
from localaws.athena.sql.translator import Translator, translates

_MILLISECONDS = {"DAY": 86_400_000, "HOUR": 3_600_000, "MINUTE": 60_000, "SECOND": 1_000}
_MONTHS = {"YEAR": 12, "MONTH": 1}
_YEAR_MONTH = re.compile(r"([+-]?)(\d+)-(\d+)")
_DAY_SECOND = re.compile(r"([+-]?)(\d+) (\d+)(?::(\d+)(?::(\d+(?:\.\d+)?))?)?")
_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?")


@translates(exp.Interval)
def interval(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return INTERVAL '2' DAY and its like."""
    unit = node.args.get("unit")
    text = node.this.name if node.this is not None and node.this.is_string else None
    amount = _amount(text, unit.sql("trino").upper()) if text and unit else None
    if amount is None:
        translator.fail("INVALID_LITERAL", f"Invalid INTERVAL literal: {text}", node)
    months, milliseconds = amount
    if months is not None:
        return Expr(f"to_months({months})", types.MONTHS, literal=True)
    days, rest = divmod(milliseconds, _MILLISECONDS["DAY"])
    sql = f"to_milliseconds({milliseconds})" if rest else f"to_days({days})"
    return Expr(sql, types.DAYS, literal=True)


def _amount(text: str, unit: str) -> tuple[int | None, int] | None:
    """Return an interval as months, or as milliseconds; None where it is malformed."""
    if unit in _MONTHS and re.fullmatch(r"[+-]?\d+", text):
        return int(text) * _MONTHS[unit], 0
    if unit in _MILLISECONDS and _PLAIN.fullmatch(text):
        return None, round(float(text) * _MILLISECONDS[unit])
    if unit == "YEAR TO MONTH" and (found := _YEAR_MONTH.fullmatch(text)):
        months = int(found[2]) * 12 + int(found[3])
        return (-months if found[1] == "-" else months), 0
    if unit.startswith("DAY TO ") and (found := _DAY_SECOND.fullmatch(text)):
        parts = [float(part or 0) for part in found.groups()[1:]]
        total = round(sum(a * b for a, b in zip(parts, _MILLISECONDS.values(), strict=True)))
        return None, (-total if found[1] == "-" else total)
    return None


def time_arithmetic(operator: str, left: Expr, right: Expr) -> Expr | None:
    """Return the sum or difference of times and intervals, or None where there is none."""
    if operator in ("*", "/"):
        return _scaled(operator, left, right)
    if operator == "+" and left.type.is_interval and not right.type.is_interval:
        left, right = right, left
    if operator in ("+", "-") and right.type.is_interval:
        return _shifted(operator, left, right)
    return _difference(left, right) if operator == "-" else None


def _shifted(operator: str, left: Expr, right: Expr) -> Expr | None:
    uses = left.uses | right.uses
    sql = f"({left.sql} {operator} {right.sql})"
    if left.type == right.type:
        return Expr(sql, left.type, uses)
    if left.type == types.DATE:
        return Expr(f"trino_whole_date({sql})", types.DATE, uses)
    if left.type.name in ("timestamp", "time"):
        return Expr(sql, left.type, uses)
    if left.type.name == types.TIMESTAMP_TZ:
        local = f"({clock(left.type.zone, left.sql)} {operator} {right.sql})"
        moved = instant(left.type.zone, local) if right.type == types.MONTHS else sql
        return Expr(moved, left.type, uses)
    return None


def _difference(left: Expr, right: Expr) -> Expr | None:
    """Return what lies between two dates or two timestamps."""
    names = {left.type.name, right.type.name}
    uses = left.uses | right.uses
    if names == {"date"}:
        return Expr(f"to_days(CAST({left.sql} - {right.sql} AS INTEGER))", types.DAYS, uses)
    if not names <= {"date", "timestamp", types.TIMESTAMP_TZ}:
        return None
    common = types.compared_type(left.type, right.type) or types.TIMESTAMP
    a, b = coerce(left, common), coerce(right, common)
    return Expr(f"({a.sql} - {b.sql})", types.DAYS, uses)


def _scaled(operator: str, left: Expr, right: Expr) -> Expr | None:
    if operator == "*" and right.type.is_interval:
        left, right = right, left
    if left.type != types.DAYS or not right.type.is_number:
        return None
    sql = f"(epoch({left.sql}) * 1000 {operator} {coerce(right, types.DOUBLE).sql})"
    return Expr(
        f"to_milliseconds(CAST(trunc({sql}) AS BIGINT))", types.DAYS, left.uses | right.uses
    )
