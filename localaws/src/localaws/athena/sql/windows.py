"""OVER, its frame, and the ORDER BY of windows and aggregations."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.columns import name_of
from localaws.athena.sql.model import Expr, Scope, all_uses
from localaws.athena.sql.translator import Translator

_NOTHING = Expr("", types.UNKNOWN)


def order_by(translator: Translator, items: Sequence[exp.Expr], scope: Scope) -> Expr:
    """Return ORDER BY with its nulls where Trino puts them: last, unless told otherwise."""
    if not items:
        return _NOTHING
    values = [translator.expression(item.this, scope) for item in items]
    listed = ", ".join(
        f"{value.sql}{direction(item)}" for value, item in zip(values, items, strict=True)
    )
    return Expr(f" ORDER BY {listed}", types.UNKNOWN, all_uses(values))


def direction(item: exp.Expr) -> str:
    """Return what stands behind a key of ORDER BY."""
    way = "DESC" if item.args.get("desc") else "ASC"
    return f" {way} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"


def over(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return OVER (…), a named window written out in its place."""
    translator.allow(node, "this", "partition_by", "order", "spec", "over", "alias")
    base = _NOTHING
    alias = node.args.get("alias")
    if alias is not None:
        named = scope.windows.get(name_of(alias))
        if named is None:
            message = f"WINDOW {alias.name} is not defined"
            translator.fail("INVALID_WINDOW_REFERENCE", message, node)
        base = _inside(translator, named, scope)
    inside = _inside(translator, node, scope)
    return Expr(f" OVER ({base.sql}{inside.sql})", types.UNKNOWN, base.uses | inside.uses)


def _inside(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    parts = translator.expressions(node.args.get("partition_by") or (), scope)
    listed = ", ".join(part.sql for part in parts)
    order = node.args.get("order")
    keys = order_by(translator, order.expressions if order else (), scope)
    frame = _frame(translator, node.args.get("spec"), scope)
    sql = (f" PARTITION BY {listed}" if listed else "") + keys.sql + frame.sql
    return Expr(sql, types.UNKNOWN, all_uses([*parts, keys, frame]))


def _frame(translator: Translator, spec: exp.Expr | None, scope: Scope) -> Expr:
    if spec is None:
        return _NOTHING
    translator.allow(spec, "kind", "start", "start_side", "end", "end_side")
    start = _bound(translator, spec, "start", scope)
    end = _bound(translator, spec, "end", scope)
    kind = str(spec.args["kind"]).upper()
    sql = f" {kind} BETWEEN {start.sql} AND {end.sql or 'CURRENT ROW'}"
    return Expr(sql, types.UNKNOWN, start.uses | end.uses)


def _bound(translator: Translator, spec: exp.Expr, which: str, scope: Scope) -> Expr:
    value = spec.args.get(which)
    side = str(spec.args.get(f"{which}_side") or "").upper()
    if not isinstance(value, exp.Expr):
        return Expr(f"{str(value or '').upper()} {side}".strip(), types.UNKNOWN)
    made = translator.expression(value, scope)
    return made.typed(f"{made.sql} {side}", types.UNKNOWN)
