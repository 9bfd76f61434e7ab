"""CASE, IN, BETWEEN, LIKE, IS NULL, EXISTS and the subqueries of an expression."""

# ruff: noqa: S608 - SQL is what this module makes, from a checked tree
from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.coercion import coerce, coerce_all, need_boolean
from localaws.athena.sql.model import Expr, Query, Scope, all_uses, quoted
from localaws.athena.sql.operators import compare, is_plain
from localaws.athena.sql.translator import Translator, translates
from localaws.athena.sql.types import Type, compared_type, in_utc


@translates(exp.Case)
def case(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return CASE, searched or simple, its results brought to one type."""
    operand = translator.expression(node.this, scope) if node.this else None
    conditions = [_when(translator, branch, operand, scope) for branch in node.args["ifs"]]
    results = [translator.expression(branch.args["true"], scope) for branch in node.args["ifs"]]
    if node.args.get("default") is not None:
        results.append(translator.expression(node.args["default"], scope))
    message = "All CASE results must be the same type"
    made, kind = coerce_all(translator, results, node, message)
    whens = " ".join(
        f"WHEN {when.sql} THEN {then.sql}" for when, then in zip(conditions, made, strict=False)
    )
    other = f" ELSE {made[-1].sql}" if len(made) > len(conditions) else ""
    return Expr(f"(CASE {whens}{other} END)", kind, all_uses([*conditions, *results]))


def _when(translator: Translator, branch: exp.Expr, operand: Expr | None, scope: Scope) -> Expr:
    condition = translator.expression(branch.this, scope)
    if operand is not None:
        return compare(translator, "=", operand, condition, branch.this)
    return need_boolean(translator, condition, branch.this, "CASE WHEN clause")


@translates(exp.Between)
def between(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return x BETWEEN low AND high."""
    translator.allow(node, "this", "low", "high")
    value, low, high = (translator.expression(node.args[k], scope) for k in ("this", "low", "high"))
    common = compared_type(value.type, low.type)
    common = compared_type(common, high.type) if common else None
    if common is None:
        message = f"Cannot check if {value.type} is BETWEEN {low.type} and {high.type}"
        translator.fail("TYPE_MISMATCH", message, node)
    above = compare(translator, ">=", value, low, node)
    below = compare(translator, "<=", value, high, node)
    return Expr(f"({above.sql} AND {below.sql})", types.BOOLEAN, above.uses | below.uses)


@translates(exp.In)
def contained(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return x IN (a, b) or x IN (query)."""
    translator.allow(node, "this", "expressions", "query")
    value = translator.expression(node.this, scope)
    listed = node.expressions[0] if len(node.expressions) == 1 else None
    query = node.args.get("query") or (listed if isinstance(listed, exp.Values) else None)
    if query is not None:
        return _in_query(translator, node, value, query, scope)
    items = translator.expressions(node.expressions, scope)
    message = "IN value and list items must be the same type"
    values = [replace(item, type=in_utc(item.type)) for item in (value, *items)]
    made, kind = coerce_all(translator, values, node, message)
    if not is_plain(kind):
        tests = [compare(translator, "=", made[0], item, node).sql for item in made[1:]]
        return Expr(f"({' OR '.join(tests)})", types.BOOLEAN, all_uses(made))
    listed = ", ".join(item.sql for item in made[1:])
    return Expr(f"({made[0].sql} IN ({listed}))", types.BOOLEAN, all_uses(made))


def _in_query(
    translator: Translator, node: exp.Expr, value: Expr, inside: exp.Expr, scope: Scope
) -> Expr:
    query = _one_column(translator, inside, scope)
    item = query.outputs[0].expr
    common = compared_type(value.type, item.type)
    if common is None:
        message = "value and result of subquery must be of the same type for IN expression"
        translator.fail("TYPE_MISMATCH", f"{message}: {value.type} vs {item.type}", node)
    inner = f"SELECT CAST(c0 AS {common.duckdb}) FROM ({query.sql}) AS q"
    sql = f"({coerce(value, common).sql} IN ({inner}))"
    return Expr(sql, types.BOOLEAN, value.uses | item.uses)


@translates(exp.Subquery)
def scalar_subquery(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return the one value of a query."""
    query = _one_column(translator, node, scope)
    value = query.outputs[0].expr
    return Expr(f"({query.sql})", value.type, value.uses)


def _one_column(translator: Translator, node: exp.Expr, scope: Scope) -> Query:
    query = translator.query(node, scope.inside(()))
    if len(query.outputs) != 1:
        translator.fail(
            "NOT_SUPPORTED",
            f"Multiple columns returned by subquery are not yet supported. "
            f"Found {len(query.outputs)}",
            node,
        )
    translator.read(query.outputs[0].expr)
    return query


@translates(exp.Exists)
def exists(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return whether a query has a row."""
    query = translator.query(node.this, scope.inside(()))
    return Expr(f"EXISTS ({query.sql})", types.BOOLEAN)


@translates(exp.Is)
def is_null(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return x IS NULL."""
    if not isinstance(node.expression, exp.Null):
        translator.refuse(node)
    value = translator.expression(node.this, scope)
    return value.typed(f"({value.sql} IS NULL)", types.BOOLEAN)


@translates(exp.Escape)
def like_escape(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return x LIKE pattern ESCAPE character."""
    if not isinstance(node.this, exp.Like):
        translator.refuse(node)
    escape = translator.expression(node.expression, scope)
    _need_text(translator, escape, node, "Escape for LIKE expression")
    return _like(translator, node.this, scope, escape)


@translates(exp.Like)
def like(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return x LIKE pattern."""
    return _like(translator, node, scope)


def _like(translator: Translator, node: exp.Expr, scope: Scope, escape: Expr | None = None) -> Expr:
    # sqlglot keeps NOT LIKE as a flag or as a NOT around it.
    translator.allow(node, "this", "expression", "negate")
    value = translator.expression(node.this, scope)
    pattern = translator.expression(node.expression, scope)
    _need_text(translator, value, node, "Left side of LIKE expression")
    _need_text(translator, pattern, node, "Pattern for LIKE expression")
    word = "NOT LIKE" if node.args.get("negate") else "LIKE"
    if escape is None:
        sql = f"({value.sql} {word} {pattern.sql})"
        return Expr(sql, types.BOOLEAN, value.uses | pattern.uses)
    checked = f"trino_like_pattern({pattern.sql}, {escape.sql})"
    sql = f"({value.sql} {word} {checked} ESCAPE {escape.sql})"
    return Expr(sql, types.BOOLEAN, all_uses([value, pattern, escape]))


def _need_text(translator: Translator, value: Expr, node: exp.Expr, what: str) -> None:
    if not value.type.is_text and value.type != types.UNKNOWN:
        message = f"{what} must evaluate to a varchar (actual: {value.type})"
        translator.fail("TYPE_MISMATCH", message, node)


@translates(exp.Bracket)
def subscript(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return an item of an array or a map; it fails where there is none."""
    translator.allow(node, "this", "expressions")
    base = translator.expression(node.this, scope)
    key = translator.expression(node.expressions[0], scope)
    uses = base.uses | key.uses
    kind: Type = base.type
    if kind.name == "row" and isinstance(node.expressions[0], exp.Literal):
        return _row_item(translator, base, node)
    if kind.name == "array" and key.type.is_integer:
        return Expr(f"trino_item({base.sql}, {key.sql})", kind.items[0], uses)
    if kind.name != "map" or not types.can_become(key.type, kind.items[0]):
        message = f"Cannot use {key.type} for subscript of {kind}"
        translator.fail("TYPE_MISMATCH", message, node)
    made = coerce(key, kind.items[0])
    return Expr(f"trino_value({base.sql}, {made.sql})", kind.items[1], uses)


def _row_item(translator: Translator, base: Expr, node: exp.Expr) -> Expr:
    """Return the field of a row at a place, counted from 1."""
    place = node.expressions[0]
    at = int(place.name) if not place.is_string and place.name.isdigit() else 0
    if not 1 <= at <= len(base.type.items):
        message = f"ROW subscript must be between 1 and {len(base.type.items)}: {place.name}"
        translator.fail("INVALID_FUNCTION_ARGUMENT", message, node)
    return base.typed(f"({base.sql}).{quoted(base.type.keys[at - 1])}", base.type.items[at - 1])
