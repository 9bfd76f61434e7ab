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
    translator.allow(clause, "expressions", "grouping_sets", "rollup", "cube")
    keys: list[Expr] = []
    parts = [_part(translator, item, scope, outputs, keys) for item in clause.expressions]
    simple = not clause.find(exp.GroupingSets, exp.Rollup, exp.Cube)
    for name in ("grouping_sets", "rollup", "cube"):
        found = clause.args.get(name) or ()
        parts += [_part(translator, item, scope, outputs, keys) for item in found]
    translator.read(*keys)
    return Grouping(f" GROUP BY {', '.join(parts)}", frozenset(k.sql for k in keys), True, simple)


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
