"""Joins, by a condition or by columns of one name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlglot import exp

from localaws.athena.sql.coercion import need_boolean
from localaws.athena.sql.columns import name_of, touch, unresolved
from localaws.athena.sql.model import Expr, Field, Relation, Scope
from localaws.athena.sql.operators import compare
from localaws.athena.sql.pruning import prune
from localaws.athena.sql.translator import Translator

ReadItem = Callable[[Translator, exp.Expr, Scope], Relation]


def joined(
    translator: Translator,
    left: Relation,
    joins: Sequence[exp.Join],
    scope: Scope,
    read_item: ReadItem,
) -> Relation:
    """Return a relation with what is joined to it, from left to right.

    `read_item` reads what stands behind JOIN; it may see the fields to its left.
    """
    for join in joins:
        right = read_item(translator, join.this, replace(scope, fields=left.fields))
        left = _join(translator, left, right, join, scope)
    return left


def _join(
    translator: Translator, left: Relation, right: Relation, node: exp.Join, scope: Scope
) -> Relation:
    translator.allow(node, "this", "side", "kind", "method", "on", "using")
    side, kind = node.side.upper(), node.kind.upper()
    if node.args.get("method") or kind not in ("", "INNER", "CROSS", "OUTER"):
        translator.refuse(node, f"{node.args.get('method') or ''} {kind} JOIN".strip())
    a = _nullable(left) if side in ("RIGHT", "FULL") else left
    b = _nullable(right) if side in ("LEFT", "FULL") else right
    if node.args.get("using"):
        return _using(translator, node, a, b)
    fields = a.fields + b.fields
    if node.args.get("on") is None:
        return _cross(translator, node, left, right, fields)
    # Inside ON a filter may choose partitions of the side that may be missing, but not of the
    # other one, whose rows all stay.
    choosing = {"": fields, "LEFT": right.fields, "RIGHT": left.fields}.get(side, ())
    condition = _condition(translator, node.args["on"], replace(scope, fields=fields), choosing)
    return Relation(f"{left.sql} {side or 'INNER'} JOIN {right.sql} ON {condition.sql}", fields)


def _nullable(side: Relation) -> Relation:
    return Relation(side.sql, tuple(field.nullable() for field in side.fields))


def _cross(
    translator: Translator,
    node: exp.Join,
    left: Relation,
    right: Relation,
    fields: tuple[Field, ...],
) -> Relation:
    is_comma = not node.kind and not node.side
    if node.kind.upper() != "CROSS" and not is_comma:
        translator.fail("SYNTAX_ERROR", "mismatched input. Expecting: 'ON', 'USING'", node)
    return Relation(f"{left.sql} CROSS JOIN {right.sql}", fields)


def _condition(
    translator: Translator, node: exp.Expr, scope: Scope, choosing: tuple[Field, ...]
) -> Expr:
    found = len(translator.calls)
    value = translator.expression(node, scope)
    condition = need_boolean(translator, value, node, "JOIN ON clause")
    if translator.calls[found:]:
        message = "JOIN clause cannot contain aggregations, window functions or grouping operations"
        translator.fail("EXPRESSION_NOT_SCALAR", message, node)
    translator.read(condition)
    prune(translator, node, replace(scope, fields=choosing))
    return condition


def _using(translator: Translator, node: exp.Join, left: Relation, right: Relation) -> Relation:
    """Return a join by columns of one name, which come first and once."""
    side = node.side.upper()
    merged: list[Field] = []
    tests: list[str] = []
    used: set[int] = set()
    for column in node.args["using"]:
        a, b = _only(translator, left, column), _only(translator, right, column)
        test = touch(compare(translator, "=", a.expr, b.expr, column))
        translator.read(test)
        tests.append(test.sql)
        used |= {id(a), id(b)}
        merged.append(replace(a, qualifier=(), expr=_merged(side, a.expr, b.expr)))
    rest = tuple(f for f in left.fields + right.fields if id(f) not in used)
    sql = f"{left.sql} {side or 'INNER'} JOIN {right.sql} ON {' AND '.join(tests)}"
    return Relation(sql, (*merged, *rest))


def _merged(side: str, a: Expr, b: Expr) -> Expr:
    if side == "FULL":
        return Expr(f"coalesce({a.sql}, {b.sql})", a.type, a.uses | b.uses)
    return b if side == "RIGHT" else a


def _only(translator: Translator, side: Relation, column: exp.Expr) -> Field:
    found = [field for field in side.fields if field.answers((name_of(column),))]
    if len(found) > 1:
        translator.fail("AMBIGUOUS_NAME", f"Column '{column.name}' is ambiguous", column)
    if not found:
        raise unresolved(translator, column, column.name)
    return found[0]
