"""Operators: arithmetic, comparisons, logic, with the types that Trino gives them."""

# ruff: noqa: S608 - SQL is what this module makes, from a checked tree
from __future__ import annotations

from typing import NoReturn

from sqlglot import exp

from localaws.athena.errors import QueryError
from localaws.athena.sql import types
from localaws.athena.sql.coercion import coerce, need_boolean
from localaws.athena.sql.dialect import Plus
from localaws.athena.sql.intervals import time_arithmetic
from localaws.athena.sql.model import Expr, Scope, all_uses, quoted
from localaws.athena.sql.translator import Translator, translates
from localaws.athena.sql.types import Type, as_decimal, common_type, compared_type, decimal

_ARITHMETIC: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
}
_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_NAN_SAFE = {"=": "eq", "<>": "neq", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_ORDERED = {"date", "time", "timestamp", types.TIMESTAMP_TZ, "varchar", "char", "varbinary"}


@translates(*_ARITHMETIC)
def arithmetic(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return a sum, difference, product, quotient or remainder."""
    left = translator.expression(node.this, scope)
    right = translator.expression(node.expression, scope)
    operator = _ARITHMETIC[type(node)]
    return compute(translator, operator, left, right, node)


def compute(translator: Translator, operator: str, left: Expr, right: Expr, node: exp.Expr) -> Expr:
    """Return `left operator right`; TYPE_MISMATCH where Trino knows no such operator."""
    if left.type == types.UNKNOWN or right.type == types.UNKNOWN:
        left, right = _typed_nulls(left, right)
    if left.type.is_number and right.type.is_number:
        return _numeric(operator, left, right)
    found = time_arithmetic(operator, left, right)
    if found is None:
        _no_operator(translator, operator, left, right, node)
    return found


def _typed_nulls(left: Expr, right: Expr) -> tuple[Expr, Expr]:
    known = right.type if left.type == types.UNKNOWN else left.type
    kind = known if known.is_number else types.DAYS if known != types.UNKNOWN else types.INTEGER
    return (
        coerce(left, kind) if left.type == types.UNKNOWN else left,
        coerce(right, kind) if right.type == types.UNKNOWN else right,
    )


def _numeric(operator: str, left: Expr, right: Expr) -> Expr:
    common = common_type(left.type, right.type) or types.DOUBLE
    uses = left.uses | right.uses
    if common.is_decimal:
        return _decimal(operator, left, right)
    a, b = coerce(left, common), coerce(right, common)
    if common.is_integer and operator == "/":
        # Trino cuts towards zero: 7 / 2 is 3.
        return Expr(f"({a.sql} // {b.sql})", common, uses)
    return Expr(f"({a.sql} {operator} {b.sql})", common, uses)


def _decimal(operator: str, left: Expr, right: Expr) -> Expr:
    """Return decimal arithmetic with Trino's rules for precision and scale."""
    a, b = as_decimal(left.type), as_decimal(right.type)
    x, y = coerce(left, a), coerce(right, b)
    kind = _decimal_type(operator, a, b)
    if operator == "/":
        factor = power_of_ten(kind.scale + b.scale - a.scale)
        sql = f"trino_decimal_divide({x.sql}, {y.sql}, {factor}, {power_of_ten(kind.scale)})"
    else:
        sql = f"({x.sql} {operator} {y.sql})"
    return Expr(f"CAST({sql} AS {kind.duckdb})", kind, left.uses | right.uses)


def power_of_ten(exponent: int) -> str:
    """Return 10 to the power of `exponent`, exactly."""
    return f"{10**exponent}::HUGEINT"


def _decimal_type(operator: str, a: Type, b: Type) -> Type:
    scale = max(a.scale, b.scale)
    if operator in ("+", "-"):
        return decimal(scale + max(a.precision - a.scale, b.precision - b.scale) + 1, scale)
    if operator == "*":
        return decimal(a.precision + b.precision, a.scale + b.scale)
    if operator == "%":
        return decimal(min(a.precision - a.scale, b.precision - b.scale) + scale, scale)
    return decimal(a.precision + b.scale + max(b.scale - a.scale, 0), scale)


@translates(exp.Neg)
def negation(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return the negative of a number or an interval."""
    value = translator.expression(node.this, scope)
    if not value.type.is_number and not value.type.is_interval:
        translator.fail("TYPE_MISMATCH", f"Cannot negate {value.type}", node)
    return Expr(f"(-{value.sql})", value.type, value.uses, literal=value.literal)


@translates(Plus)
def affirmation(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return a number as it is."""
    value = translator.expression(node.this, scope)
    if not value.type.is_number:
        translator.fail(
            "TYPE_MISMATCH", f"Unary '+' operator cannot be applied to {value.type} type", node
        )
    return value


@translates(*_COMPARISONS)
def comparison(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return a comparison; both sides must have one type, for Trino never guesses."""
    left = translator.expression(node.this, scope)
    if _is_quantifier(node.expression):
        return _quantified(translator, node, left, scope)
    right = translator.expression(node.expression, scope)
    return compare(translator, _COMPARISONS[type(node)], left, right, node)


def compare(translator: Translator, operator: str, left: Expr, right: Expr, node: exp.Expr) -> Expr:
    """Return `left operator right`, with NaN never equal to and never above anything."""
    common = compared_type(left.type, right.type)
    if common is None or not _comparable(operator, common):
        _no_operator(translator, operator, left, right, node)
    a, b = coerce(left, common), coerce(right, common)
    uses = left.uses | right.uses
    return Expr(_compared(operator, a.sql, b.sql, common, right.literal), types.BOOLEAN, uses)


def is_plain(kind: Type) -> bool:
    """Return whether DuckDB's own comparison of a type is Trino's: no NaN, no NULL, no blanks."""
    return not (kind.is_float or kind.items or kind.name == "char")


def _compared(operator: str, a: str, b: str, kind: Type, literal: bool = False) -> str:
    if kind.is_float and not (literal and "NaN" not in b and operator in ("=", "<", "<=")):
        return f"trino_{_NAN_SAFE[operator]}({a}, {b})"
    if kind.name == "char":
        return f"(rtrim({a}, ' ') {operator} rtrim({b}, ' '))"
    if kind.items and operator == "=":
        return _equal(a, b, kind)
    if kind.items and operator == "<>":
        return f"(NOT {_equal(a, b, kind)})"
    if kind.items:
        return (
            f"(trino_ordered({a}) {operator} trino_ordered({b}))"
            if kind.name == "array"
            else f"({a} {operator} {b})"
        )
    return f"({a} {operator} {b})"


def _equal(a: str, b: str, kind: Type) -> str:
    """Return whether two arrays, maps or rows are equal: NULL where a NULL inside decides it."""
    if kind.name == "row":
        parts = (
            _compared("=", f"({a}).{quoted(key)}", f"({b}).{quoted(key)}", item)
            for key, item in zip(kind.keys, kind.items, strict=True)
        )
        return f"({' AND '.join(parts)})"
    if kind.name == "map":
        one = _compared("=", f"({a})[eq_k]", f"({b})[eq_k]", kind.items[1])
        keys, others = f"map_keys({a})", f"map_keys({b})"
        every = f"trino_every(list_transform({keys}, lambda eq_k: {one}))"
        same = f"len({keys}) = len({others}) AND list_has_all({keys}, {others})"
        known = f"{a} IS NOT NULL AND {b} IS NOT NULL"
        return f"(CASE WHEN {same} THEN {every} WHEN {known} THEN FALSE END)"
    if is_plain(kind.items[0]):
        return f"trino_array_eq({a}, {b})"
    one = _compared("=", f"({a})[eq_i]", f"({b})[eq_i]", kind.items[0])
    every = f"trino_every(list_transform(range(1, len({a}) + 1), lambda eq_i: {one}))"
    return f"(CASE WHEN len({a}) <> len({b}) THEN FALSE WHEN len({a}) = len({b}) THEN {every} END)"


def _comparable(operator: str, kind: Type) -> bool:
    if operator in ("=", "<>") or kind in (types.UNKNOWN, types.BOOLEAN):
        return kind.name != "json" or operator in ("=", "<>")
    if kind.name in ("array", "row"):
        return all(_comparable(operator, item) for item in kind.items)
    return kind.is_number or kind.is_interval or kind.name in _ORDERED


_QUANTIFIERS = ("any", "some", "all")


def _is_quantifier(node: exp.Expr) -> bool:
    if isinstance(node, exp.Any | exp.All):
        return True
    # sqlglot takes ANY (VALUES …) for a call.
    alone = node.expressions[0] if len(node.expressions) == 1 else None
    named = isinstance(node, exp.Anonymous) and node.name.lower() in _QUANTIFIERS
    return named and isinstance(alone, exp.Values | exp.Query)


def _quantified(translator: Translator, node: exp.Expr, left: Expr, scope: Scope) -> Expr:
    """Return `left = ANY (query)` or `left > ALL (query)`."""
    quantifier = node.expression
    called = isinstance(quantifier, exp.Anonymous)
    inside = quantifier.expressions[0] if called else quantifier.this
    query = translator.query(inside, scope.inside(()))
    right = query.outputs[0].expr
    operator = _COMPARISONS[type(node)]
    common = compared_type(left.type, right.type)
    if common is None or len(query.outputs) != 1:
        _no_operator(translator, operator, left, right, node)
    translator.read(right)
    is_all = isinstance(quantifier, exp.All) or (called and quantifier.name.lower() == "all")
    word = "ALL" if is_all else "ANY"
    inner = f"SELECT CAST(c0 AS {common.duckdb}) FROM ({query.sql}) AS q"
    sql = f"({coerce(left, common).sql} {operator} {word} ({inner}))"
    return Expr(sql, types.BOOLEAN, left.uses | right.uses)


@translates(exp.And, exp.Or)
def connective(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return AND or OR; a chain of many is translated without going deep."""
    parts = list(node.flatten())
    word = "AND" if isinstance(node, exp.And) else "OR"
    values = [_condition(translator, part, scope) for part in parts]
    joined = f" {word} ".join(value.sql for value in values)
    return Expr(f"({joined})", types.BOOLEAN, all_uses(values))


@translates(exp.Not)
def negated(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return NOT of a condition."""
    value = _condition(translator, node.this, scope)
    return Expr(f"(NOT {value.sql})", types.BOOLEAN, value.uses)


def _condition(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    value = translator.expression(node, scope)
    return need_boolean(translator, value, node, "Logical expression term")


@translates(exp.NullSafeEQ, exp.NullSafeNEQ)
def distinct_from(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return IS [NOT] DISTINCT FROM."""
    left = translator.expression(node.this, scope)
    right = translator.expression(node.expression, scope)
    common = compared_type(left.type, right.type)
    if common is None:
        _no_operator(translator, "IS DISTINCT FROM", left, right, node)
    word = "IS NOT DISTINCT FROM" if isinstance(node, exp.NullSafeEQ) else "IS DISTINCT FROM"
    sql = f"({coerce(left, common).sql} {word} {coerce(right, common).sql})"
    return Expr(sql, types.BOOLEAN, left.uses | right.uses)


def _no_operator(
    translator: Translator, operator: str, left: Expr, right: Expr, node: exp.Expr
) -> NoReturn:
    message = f"Cannot apply operator: {left.type} {operator} {right.type}"
    raise QueryError("TYPE_MISMATCH", message, translator.source.operator(node, operator))
