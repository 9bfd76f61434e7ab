"""SELECT itself: its list, WHERE, GROUP BY, HAVING, DISTINCT and ORDER BY."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from localaws.athena.sql import signatures as sig
from localaws.athena.sql.coercion import need_boolean
from localaws.athena.sql.columns import name_of, touch
from localaws.athena.sql.grouping import Grouping, check_grouped, group_by
from localaws.athena.sql.model import Expr, Field, Output, Query, Scope, output_name
from localaws.athena.sql.pruning import prune
from localaws.athena.sql.queries import (
    ENDINGS,
    limits,
    ordinal,
    with_ctes,
    with_ties,
    without_origins,
)
from localaws.athena.sql.relations import from_clause
from localaws.athena.sql.translator import Translator, translates_query
from localaws.athena.sql.windows import direction

_PARTS = (
    "expressions",
    "from_",
    "joins",
    "where",
    "group",
    "having",
    "windows",
    "distinct",
    "with_",
)


@translates_query(exp.Select)
def select(translator: Translator, node: exp.Expr, scope: Scope) -> Query:
    """Return a SELECT."""
    translator.allow(node, *_PARTS, *ENDINGS)
    prefix, scope = with_ctes(translator, node, scope)
    source = from_clause(translator, node, scope)
    windows = {name_of(window): window for window in node.args.get("windows") or ()}
    here = replace(scope.inside(source.fields), windows=windows)
    where = _where(translator, node, here)
    marked = len(translator.calls)
    items = _items(translator, node, here)
    outputs = tuple(output for output, _ in items)
    grouping = group_by(translator, node, here, outputs)
    having = _having(translator, node, here)
    keys = _order_by(translator, node, here, outputs)
    aggregated = any(kind == sig.AGGREGATE for kind, _ in translator.calls[marked:])
    is_grouped = grouping.is_grouped or aggregated or node.args.get("having") is not None
    if is_grouped:
        _check_all_grouped(translator, node, grouping, items)
    from_sql = f" FROM {source.sql}" if source.sql else ""
    word = "SELECT DISTINCT" if _is_distinct(translator, node, outputs) else "SELECT"
    listed = ", ".join(f"{o.expr.sql} AS {output_name(i)}" for i, o in enumerate(outputs))
    order = f" ORDER BY {', '.join(keys)}" if keys else ""
    tail = _ties(translator, node, outputs, keys)
    if not tail:
        tail = limits(translator, node)
        sql = f"{prefix}{word} {listed}{from_sql}{where}{grouping.sql}{having}{order}{tail}"
    elif word == "SELECT":
        sql = f"{prefix}{word} {listed}{from_sql}{where}{grouping.sql}{having}{tail}{order}"
    else:
        translator.refuse(node, "SELECT DISTINCT with FETCH FIRST WITH TIES")
    return Query(sql, _kept_origins(translator, outputs, grouping, is_grouped, bool(tail), marked))


def _where(translator: Translator, node: exp.Expr, scope: Scope) -> str:
    clause = node.args.get("where")
    if clause is None:
        return ""
    condition = _filter(translator, clause.this, scope, "WHERE clause")
    if translator.calls:
        message = (
            "WHERE clause cannot contain aggregations, window functions or grouping operations"
        )
        translator.fail("EXPRESSION_NOT_SCALAR", message, translator.calls[0][1])
    prune(translator, clause.this, scope)
    return f" WHERE {condition.sql}"


def _having(translator: Translator, node: exp.Expr, scope: Scope) -> str:
    clause = node.args.get("having")
    if clause is None:
        return ""
    return f" HAVING {_filter(translator, clause.this, scope, 'HAVING clause').sql}"


def _filter(translator: Translator, node: exp.Expr, scope: Scope, what: str) -> Expr:
    value = translator.expression(node, scope)
    condition = need_boolean(translator, value, node, what)
    translator.read(condition)
    return condition


def _items(translator: Translator, node: exp.Expr, scope: Scope) -> list[tuple[Output, exp.Expr]]:
    """Return the outputs of a SELECT list, each with its node; `*` spread out."""
    found: list[tuple[Output, exp.Expr]] = []
    for item in node.expressions:
        if isinstance(item, exp.Star) or (
            isinstance(item, exp.Column) and isinstance(item.this, exp.Star)
        ):
            found += [(output, item) for output in _star(translator, item, scope)]
        else:
            found.append(_item(translator, item, scope))
    if not found:
        translator.fail("SYNTAX_ERROR", "SELECT list is empty", node)
    return found


def _item(translator: Translator, node: exp.Expr, scope: Scope) -> tuple[Output, exp.Expr]:
    name = None
    if isinstance(node, exp.Alias):
        if not isinstance(node.args["alias"], exp.Identifier):
            translator.refuse(node)
        name, node = node.alias, node.this
    value = translator.expression(node, scope)
    if name is None and isinstance(node, exp.Column | exp.Dot):
        name = node.name if isinstance(node, exp.Column) else node.expression.name
    return Output(name, value), node


def _star(translator: Translator, node: exp.Expr, scope: Scope) -> list[Output]:
    """Return `*`, or `t.*`."""
    if isinstance(node, exp.Star):
        translator.allow(node)
        if not scope.fields:
            message = "SELECT * not allowed in queries without FROM clause"
            translator.fail("COLUMN_NOT_FOUND", message, node)
        fields = scope.fields
    else:
        parts = tuple(name_of(part) for part in node.parts[:-1])  # type: ignore[attr-defined]
        fields = tuple(f for f in scope.fields if f.qualifier[-len(parts) :] == parts)
        if not fields:
            shown = ".".join(parts)
            translator.fail("TABLE_NOT_FOUND", f"Unable to resolve reference {shown}", node)
    return [_shown(field) for field in fields if not field.hidden]


def _shown(field: Field) -> Output:
    return Output(field.name, touch(field.expr))


def _check_all_grouped(
    translator: Translator,
    node: exp.Expr,
    grouping: Grouping,
    items: list[tuple[Output, exp.Expr]],
) -> None:
    for output, item in items:
        if output.expr.sql not in grouping.keys:
            check_grouped(translator, item, item, grouping)
    having, order = node.args.get("having"), node.args.get("order")
    if having is not None:
        check_grouped(translator, having.this, having.this, grouping)
    shown = frozenset(output.expr.sql for output, _ in items)
    for item in order.expressions if order else ():
        if id(item.this) in translator.seen:
            check_grouped(translator, item.this, item.this, grouping, shown)


def _ties(
    translator: Translator, node: exp.Expr, outputs: tuple[Output, ...], order: list[str]
) -> str:
    """Return FETCH FIRST WITH TIES: ORDER BY names outputs by place, a window names them whole."""
    keys = []
    for key in order:
        place, _, way = key.partition(" ")
        keys.append(f"{outputs[int(place) - 1].expr.sql} {way}" if place.isdigit() else key)
    return with_ties(translator, node, keys)


def _is_distinct(translator: Translator, node: exp.Expr, outputs: tuple[Output, ...]) -> bool:
    distinct = node.args.get("distinct")
    if distinct is None:
        return False
    translator.allow(distinct)
    translator.read(*(output.expr for output in outputs))
    return True


def _order_by(
    translator: Translator, node: exp.Expr, scope: Scope, outputs: tuple[Output, ...]
) -> list[str]:
    """Return the keys of ORDER BY; an output's name goes before a column's."""
    order = node.args.get("order")
    if order is None:
        return []
    aliases = {o.name.lower(): o.expr for o in outputs if o.name}
    inside = replace(scope, aliases=aliases)
    return [_order_key(translator, node, item, inside, outputs) for item in order.expressions]


def _order_key(
    translator: Translator,
    node: exp.Expr,
    item: exp.Expr,
    scope: Scope,
    outputs: tuple[Output, ...],
) -> str:
    at = ordinal(translator, item.this, outputs)
    if at is not None:
        translator.read(outputs[at].expr)
        return f"{at + 1}{direction(item)}"
    value = translator.expression(item.this, scope)
    translator.read(value)
    for i, output in enumerate(outputs):
        if output.expr.sql == value.sql:
            return f"{i + 1}{direction(item)}"
    if node.args.get("distinct") is not None:
        message = "For SELECT DISTINCT, ORDER BY expressions must appear in select list"
        translator.fail("EXPRESSION_NOT_IN_DISTINCT", message, item)
    return f"{value.sql}{direction(item)}"


def _kept_origins(
    translator: Translator,
    outputs: tuple[Output, ...],
    grouping: Grouping,
    is_grouped: bool,
    limited: bool,
    marked: int,
) -> tuple[Output, ...]:
    """Return the outputs; a filter around may choose partitions where it could stand inside.

    Not through LIMIT or a window, which see all rows, and through GROUP BY by its keys alone.
    """
    windowed = any(kind == sig.WINDOW for kind, _ in translator.calls[marked:])
    if limited or windowed or (is_grouped and not grouping.is_simple):
        return without_origins(outputs)
    if is_grouped:
        return tuple(
            o if o.expr.sql in grouping.keys else replace(o, expr=replace(o.expr, origins=()))
            for o in outputs
        )
    return outputs
