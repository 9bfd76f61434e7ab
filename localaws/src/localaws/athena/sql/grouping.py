"""GROUP BY, and the rule that whatever stands outside an aggregation is grouped by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from localaws.athena.sql.model import Expr, Output, Scope
from localaws.athena.sql.queries import ordinal
from localaws.athena.sql.translator import Translator


@dataclass(frozen=True)
class Grouping:
    """The GROUP BY clause: its SQL, and the SQL of each expression grouped by."""

    sql: str = ""
    keys: frozenset[str] = frozenset()
    is_grouped: bool = False
    is_simple: bool = True
    """Whether there is one grouping set, so that a filter on a key may go before."""


def group_by(
    translator: Translator, node: exp.Expr, scope: Scope, outputs: tuple[Output, ...]
) -> Grouping:
    """Return GROUP BY with its ordinals, grouping sets, rollups and cubes."""
    clause = node.args.get("group")
    if clause is None:
        return Grouping()
    translator.allow(clause, "expressions", "grouping_sets", "rollup", "cube", "all")
    keys: list[Expr] = []
    parts = [_part(translator, item, scope, outputs, keys) for item in clause.expressions]
    simple = not clause.find(exp.GroupingSets, exp.Rollup, exp.Cube)
    for name in ("grouping_sets", "rollup", "cube"):
        found = clause.args.get(name) or ()
        parts += [_part(translator, item, scope, outputs, keys) for item in found]
    translator.read(*keys)
    if clause.args.get("all") is False:
        parts = [_distinct_sets(translator, clause, scope, outputs)]
    return Grouping(f" GROUP BY {', '.join(parts)}", frozenset(k.sql for k in keys), True, simple)


_MOST_SETS = 4096


def _distinct_sets(
    translator: Translator, clause: exp.Expr, scope: Scope, outputs: tuple[Output, ...]
) -> str:
    """Return GROUP BY DISTINCT as its grouping sets, each of them once."""
    sets: list[tuple[str, ...]] = [()]
    items = [*clause.expressions]
    for name in ("grouping_sets", "rollup", "cube"):
        items += clause.args.get(name) or ()
    for item in items:
        found = _sets_of(translator, item, scope, outputs)
        if len(sets) * len(found) > _MOST_SETS:
            message = f"GROUP BY has more than {_MOST_SETS} grouping sets"
            translator.fail("TOO_MANY_GROUPING_SETS", message, clause)
        sets = [(*a, *b) for a in sets for b in found]
    once = {frozenset(keys): dict.fromkeys(keys) for keys in reversed(sets)}
    listed = (f"({', '.join(keys)})" for keys in once.values())
    return f"GROUPING SETS ({', '.join(listed)})"


def _sets_of(
    translator: Translator, node: exp.Expr, scope: Scope, outputs: tuple[Output, ...]
) -> list[tuple[str, ...]]:
    """Return the grouping sets that an item of GROUP BY stands for."""
    if isinstance(node, exp.GroupingSets):
        inner = (_sets_of(translator, item, scope, outputs) for item in node.expressions)
        return [keys for found in inner for keys in found]
    if isinstance(node, exp.Rollup | exp.Cube):
        columns = [_sets_of(translator, item, scope, outputs)[0] for item in node.expressions]
        chosen: list[tuple[int, ...]] = (
            [tuple(range(n)) for n in range(len(columns), -1, -1)]
            if isinstance(node, exp.Rollup)
            else [tuple(i for i in range(len(columns)) if bits >> i & 1)
                  for bits in reversed(range(2 ** len(columns)))]
        )  # fmt: skip
        return [tuple(key for i in picked for key in columns[i]) for picked in chosen]
    if isinstance(node, exp.Tuple):
        return [tuple(_key(translator, item, scope, outputs).sql for item in node.expressions)]
    if isinstance(node, exp.Paren):
        return _sets_of(translator, node.this, scope, outputs)
    return [(_key(translator, node, scope, outputs).sql,)]


_SETS: dict[type[exp.Expr], str] = {
    exp.GroupingSets: "GROUPING SETS",
    exp.Rollup: "ROLLUP",
    exp.Cube: "CUBE",
}


def _part(
    translator: Translator,
    node: exp.Expr,
    scope: Scope,
    outputs: tuple[Output, ...],
    keys: list[Expr],
) -> str:
    word = _SETS.get(type(node))
    if word is not None or isinstance(node, exp.Tuple):
        inner = [_part(translator, item, scope, outputs, keys) for item in node.expressions]
        return f"{word or ''}({', '.join(inner)})".strip()
    if isinstance(node, exp.Paren):
        return f"({_part(translator, node.this, scope, outputs, keys)})"
    key = _key(translator, node, scope, outputs)
    keys.append(key)
    return key.sql


def _key(translator: Translator, node: exp.Expr, scope: Scope, outputs: Sequence[Output]) -> Expr:
    at = ordinal(translator, node, outputs)
    if at is not None:
        return outputs[at].expr
    before = len(translator.calls)
    found = translator.expression(node, scope)
    if translator.calls[before:]:
        message = (
            "GROUP BY clause cannot contain aggregations, window functions or grouping operations"
        )
        translator.fail("EXPRESSION_NOT_SCALAR", message, node)
    return found


def check_grouped(
    translator: Translator,
    node: exp.Expr,
    whole: exp.Expr,
    grouping: Grouping,
    allowed: frozenset[str] = frozenset(),
) -> None:
    """Refuse a column that is neither grouped by nor inside an aggregation.

    `allowed` is the SQL of what may stand there besides: for ORDER BY the outputs.
    """
    known = translator.seen.get(id(node))
    if known is not None and known.sql in grouping.keys | allowed:
        return
    kinds = {kind for kind, call in translator.calls if call is node}
    if kinds & {"aggregate", "grouping"} or isinstance(node, exp.Query | exp.Subquery):
        return
    if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and known is not None):
        shown = whole.sql("trino")
        message = f"'{shown}' must be an aggregate expression or appear in GROUP BY clause"
        translator.fail("EXPRESSION_NOT_AGGREGATE", message, whole)
    children = _arguments(node) if kinds else node.iter_expressions()
    for child in children:
        check_grouped(translator, child, whole, grouping, allowed)


def _arguments(node: exp.Expr) -> list[exp.Expr]:
    """Return what a window function computes with: its arguments and its window."""
    inner = node
    parts: list[exp.Expr] = []
    while isinstance(inner, exp.Window | exp.Filter | exp.IgnoreNulls):
        parts += [child for child in inner.iter_expressions() if child is not inner.this]
        inner = inner.this
    return [*inner.iter_expressions(), *parts]
