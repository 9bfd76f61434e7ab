"""Literals, and the constructors of arrays and rows."""

from __future__ import annotations

import re

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.casts import cast_value
from localaws.athena.sql.coercion import coerce_all, instant
from localaws.athena.sql.dialect import TypedLiteral
from localaws.athena.sql.model import Expr, Scope, all_uses, quoted, text_literal
from localaws.athena.sql.translator import Translator, translates
from localaws.athena.sql.type_names import trino_type
from localaws.athena.sql.types import Type
from localaws.athena.values import json_values

_MAX_INTEGER = 2**31 - 1
_MAX_BIGINT = 2**63 - 1
_ZONE = re.compile(r"(.*\d)\s*([A-Za-z][\w/+-]*|[+-]\d{2}:\d{2})")
_DECIMAL = re.compile(r"[+-]?(?=\.?\d)(\d*)(?:\.(\d*))?")
_ESCAPED = re.compile(r"\\(?:\\|\+([0-9a-fA-F]{6})|([0-9a-fA-F]{4})|)")
_FRACTION = re.compile(r":\d{1,2}\.(\d+)")


@translates(exp.Literal)
def literal(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return a string, an integer or a double, typed by the way it is written.

    A number with a point is a decimal in Trino and a double in Athena: 100.0 * 1 / 7 keeps its
    digits there. DECIMAL '1.2' is a decimal in both.
    """
    text = node.name
    if node.is_string:
        return Expr(text_literal(text), Type("varchar", (len(text),)), literal=True)
    if "e" in text.lower() or "." in text:
        return Expr(f"CAST({text_literal(text)} AS DOUBLE)", types.DOUBLE, literal=True)
    number = int(text)
    if number > _MAX_BIGINT:
        translator.fail("INVALID_LITERAL", f"Invalid numeric literal: {text}", node)
    kind = types.INTEGER if number <= _MAX_INTEGER else types.BIGINT
    return Expr(f"{number}::{kind.duckdb}", kind, literal=True)


@translates(exp.Boolean)
def boolean(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return TRUE or FALSE."""
    return Expr("TRUE" if node.this else "FALSE", types.BOOLEAN, literal=True)


@translates(exp.Null)
def null(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return NULL, of no type as yet."""
    return Expr("NULL", types.UNKNOWN, literal=True)


@translates(exp.UnicodeString)
def unicode_string(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return a text in which backslashes stand before the codes of characters."""
    translator.allow(node, "this")
    try:
        text = _ESCAPED.sub(_unescaped, node.name)
    except ValueError:
        translator.fail("SYNTAX_ERROR", "Invalid escaped character", node)
    return Expr(text_literal(text), Type("varchar", (len(text),)), literal=True)


def _unescaped(found: re.Match[str]) -> str:
    if found[0] == "\\\\":
        return "\\"
    if not (found[1] or found[2]):
        raise ValueError(found[0])
    return chr(int(found[1] or found[2], 16))


@translates(exp.HexString)
def hex_string(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return the bytes of X'0a1b'."""
    digits = re.sub(r"\s", "", node.name)
    if len(digits) % 2 or not re.fullmatch(r"[0-9a-fA-F]*", digits):
        translator.fail("SYNTAX_ERROR", "Binary literal must be pairs of hexadecimal digits", node)
    return Expr(f"unhex('{digits}')", types.VARBINARY, literal=True)


@translates(TypedLiteral)
def typed_literal(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return a literal with its type before it, such as DATE '2024-01-02'."""
    text = node.this.name
    kind = trino_type(node.args["to"].sql("trino"))
    if kind.is_decimal:
        kind = _decimal_of(translator, node, text)
    if kind.name == "timestamp":
        return _timestamp(translator, node, text)
    if kind.name == "time":
        fraction = _FRACTION.search(text)
        kind = Type("time", (min(6, len(fraction[1])) if fraction else 0,))
    if kind == types.JSON:
        return _json(translator, node, text)
    value = Expr(text_literal(text), Type("varchar", (len(text),)))
    made = cast_value(translator, value, kind, node)
    return Expr(made.sql, kind, literal=True)


def _decimal_of(translator: Translator, node: exp.Expr, text: str) -> Type:
    """Return the type of a decimal that is written with these digits."""
    found = _DECIMAL.fullmatch(text.strip())
    if found is None:
        translator.fail("INVALID_LITERAL", f"'{text}' is not a valid decimal literal", node)
    whole, fraction = found[1].lstrip("0"), found[2] or ""
    if len(whole) + len(fraction) > types.MAX_PRECISION:
        translator.fail("INVALID_LITERAL", f"Decimal literal is too long: {text}", node)
    return types.decimal(max(1, len(whole) + len(fraction)), len(fraction))


def _json(translator: Translator, node: exp.Expr, text: str) -> Expr:
    try:
        shown = json_values.parsed(text)
    except ValueError as error:
        translator.fail("INVALID_FUNCTION_ARGUMENT", str(error), node)
    return Expr(f"CAST({text_literal(shown)} AS JSON)", types.JSON, literal=True)


def _timestamp(translator: Translator, node: exp.Expr, text: str) -> Expr:
    """Return a timestamp of as many digits as are written; with a zone where one is named."""
    fraction = _FRACTION.search(text)
    digits = min(6, len(fraction[1])) if fraction else 0
    zoned = _ZONE.fullmatch(text.strip())
    local = zoned[1] if zoned else text
    value = Expr(text_literal(local.strip()), Type("varchar", (len(local),)))
    made = cast_value(translator, value, Type("timestamp", (digits,)), node)
    if zoned is None:
        return Expr(made.sql, made.type, literal=True)
    sql = instant(zoned[2], made.sql)
    return Expr(sql, Type(types.TIMESTAMP_TZ, (digits,), zone=zoned[2]), literal=True)


@translates(exp.CurrentDate)
def current_date(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return today, in UTC."""
    return Expr("CAST(timezone('UTC', now()) AS DATE)", types.DATE)


@translates(exp.CurrentTimestamp)
def current_timestamp(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return the start of the query, in UTC, with milliseconds."""
    translator.allow(node)
    return Expr("date_trunc('milliseconds', now())", types.ZONED)


@translates(exp.Localtimestamp)
def localtimestamp(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return the start of the query as a timestamp without zone."""
    translator.allow(node)
    return Expr("timezone('UTC', date_trunc('milliseconds', now()))", types.TIMESTAMP)


@translates(exp.Array)
def array(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return ARRAY[a, b], its items brought to one type."""
    translator.allow(node, "expressions")
    values = translator.expressions(node.expressions, scope)
    made, item = coerce_all(translator, values, node, "All ARRAY elements must be the same type")
    listed = ", ".join(value.sql for value in made)
    return Expr(f"[{listed}]", types.array(item), all_uses(values))


@translates(exp.Tuple)
def row(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return the row (a, b), whose fields have no names."""
    return row_of(translator.expressions(node.expressions, scope))


def row_of(values: list[Expr]) -> Expr:
    """Return the row of `values`."""
    kind = types.row((None,) * len(values), tuple(value.type for value in values))
    packed = (f"{quoted(key)} := {v.sql}" for key, v in zip(kind.keys, values, strict=True))
    return Expr(f"struct_pack({', '.join(packed)})", kind, all_uses(values))


@translates(exp.Paren)
def parentheses(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return what stands in the parentheses: every translation brings its own."""
    return translator.expression(node.this, scope)


def literal_text(translator: Translator, node: exp.Expr, what: str) -> str:
    """Return the text of a string literal; the local Athena needs it written out."""
    if not isinstance(node, exp.Literal) or not node.is_string:
        translator.fail("NOT_SUPPORTED", f"The local Athena needs {what} as a literal", node)
    return str(node.name)
