"""Filters on partition keys, found in WHERE and ON: they choose what is read at all."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlglot import exp

from localaws.athena.errors import QueryError
from localaws.athena.sql.model import Expr, Field, Scan, Scope, quoted, text_literal
from localaws.athena.sql.translator import Translator

_VOLATILE = {"rand", "random", "uuid"}
_LONGEST_EXPRESSION = 2000
"""GetPartitions takes 2,048 characters."""
_PLAIN_NAME = re.compile(r"[a-z_]\w*")
_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}


def prune(translator: Translator, condition: exp.Expr, scope: Scope) -> None:
    """Give each scan the parts of a condition that speak of its partition keys alone."""
    for part in _conjuncts(condition):
        if _is_plain(part):
            _prune_by(translator, part, scope)


def _conjuncts(node: exp.Expr) -> list[exp.Expr]:
    while isinstance(node, exp.Paren):
        node = node.this
    return list(node.flatten()) if isinstance(node, exp.And) else [node]


def _is_plain(node: exp.Expr) -> bool:
    """Return whether a condition can be decided from the values of its columns alone."""
    if node.find(exp.Query, exp.Subquery, exp.Window, exp.Lambda):
        return False
    return not any(call.name.lower() in _VOLATILE for call in node.find_all(exp.Anonymous))


def _prune_by(translator: Translator, node: exp.Expr, scope: Scope) -> None:
    columns = list(node.find_all(exp.Column))
    fields = [_field(column, scope) for column in columns]
    known = [field for field in fields if field is not None]
    if not known or len(known) != len(fields):
        return
    for scan in {scan for field in known for scan, _ in field.expr.origins}:
        if all(any(origin is scan for origin, _ in f.expr.origins) for f in known):
            _add(translator, node, scope, scan, known)


def _field(column: exp.Expr, scope: Scope) -> Field | None:
    parts = tuple(part.name.lower() for part in column.parts)  # type: ignore[attr-defined]
    found = [field for field in scope.fields if field.answers(parts)]
    return found[0] if len(found) == 1 and found[0].expr.origins else None


def _add(
    translator: Translator, node: exp.Expr, scope: Scope, scan: Scan, fields: list[Field]
) -> None:
    """Note the condition with each column as the partition key of `scan` that it is."""
    renamed = tuple(replace(field, expr=_as_key(field.expr, scan)) for field in fields)
    unique = tuple({field.expr.sql: field for field in renamed}.values())
    try:
        found = translator.expression(node, Scope(unique, lambdas=scope.lambdas))
    except QueryError:
        return
    scan.predicates.append(found.sql)
    keys = {key.name: key.type for key in scan.table.partition_keys}
    names = {name for field in fields for origin, name in field.expr.origins if origin is scan}
    if len(names) == 1 and keys[min(names)].is_text:
        _add_expression(scan, glue_expression(node, min(names)))


def _add_expression(scan: Scan, expression: str | None) -> None:
    length = len(" AND ".join(scan.expressions))
    if expression is not None and length + len(expression) < _LONGEST_EXPRESSION:
        scan.expressions.append(expression)


def _as_key(expr: Expr, scan: Scan) -> Expr:
    (key, *_) = [name for origin, name in expr.origins if origin is scan]
    return Expr(quoted(key), expr.type)


def glue_expression(node: exp.Expr, name: str) -> str | None:
    """Return a condition on the key `name` in the grammar of Glue, or None if it has no words.

    Only for keys of text, which Glue compares as Trino does.
    """
    while isinstance(node, exp.Paren):
        node = node.this
    if not isinstance(node.this, exp.Column) or not _PLAIN_NAME.fullmatch(name):
        return None
    if type(node) in _COMPARISONS and _is_text(node.expression):
        return f"{name} {_COMPARISONS[type(node)]} {_literal(node.expression)}"
    if isinstance(node, exp.In) and node.expressions and all(map(_is_text, node.expressions)):
        return f"{name} IN ({', '.join(map(_literal, node.expressions))})"
    low, high = node.args.get("low"), node.args.get("high")
    if isinstance(node, exp.Between) and _is_text(low) and _is_text(high):
        return f"{name} BETWEEN {_literal(low)} AND {_literal(high)}"
    return None


def _is_text(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and node.is_string


def _literal(node: exp.Expr | None) -> str:
    return text_literal(node.name) if node is not None else ""
