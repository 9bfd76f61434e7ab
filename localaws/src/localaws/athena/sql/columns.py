"""Names to fields: which column a name means, as Trino decides it."""

from __future__ import annotations

from sqlglot import exp

from localaws.athena.errors import QueryError
from localaws.athena.sql.model import Expr, Field, Scope, quoted
from localaws.athena.sql.translator import Translator, translates
from localaws.athena.sql.types import Type


@translates(exp.Column)
def column(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return the field that a possibly qualified name means, or a field of a row in it."""
    translator.allow(node, "this", "table", "db", "catalog")
    parts = tuple(name_of(part) for part in node.parts)  # type: ignore[attr-defined]
    found = _lookup(translator, node, parts, scope)
    if found is None:
        shown = ".".join(part.name for part in node.parts)  # type: ignore[attr-defined]
        raise unresolved(translator, node, shown)
    return found


@translates(exp.Identifier)
def variable(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return the parameter of a lambda that a name means."""
    found = scope.lambdas.get(name_of(node))
    if found is None:
        raise unresolved(translator, node, node.name)
    return found


@translates(exp.Dot)
def dereference(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return the field of a row."""
    base = translator.expression(node.this, scope)
    found = _row_field(base, name_of(node.expression))
    if found is None:
        raise unresolved(translator, node, node.expression.name)
    return found


def unresolved(translator: Translator, node: exp.Expr, name: str) -> QueryError:
    """Return Athena's refusal of a name that means nothing."""
    return QueryError(
        "COLUMN_NOT_FOUND",
        f"Column '{name}' cannot be resolved or requester is not authorized to access "
        "requested resources",
        translator.start(node),
    )


def name_of(node: exp.Expr) -> str:
    """Return an identifier as Trino compares it: without regard to case."""
    return node.name.lower()


def touch(expression: Expr) -> Expr:
    """Return an expression after its columns were made part of the scans' SQL."""
    for scan, name in expression.uses:
        scan.columns.add(name)
    return expression


def _lookup(
    translator: Translator, node: exp.Expr, parts: tuple[str, ...], scope: Scope
) -> Expr | None:
    here: Scope | None = scope
    while here is not None:
        found = _lookup_here(translator, node, parts, here)
        if found is not None:
            return touch(found)
        here = here.parent
    return None


def _lookup_here(
    translator: Translator, node: exp.Expr, parts: tuple[str, ...], scope: Scope
) -> Expr | None:
    """Return the longest reading of a dotted name: columns first, then fields of rows."""
    if len(parts) == 1 and parts[0] in scope.aliases:
        return scope.aliases[parts[0]]
    for length in range(len(parts), 0, -1):
        fields = [field for field in scope.fields if field.answers(parts[:length])]
        if len(fields) > 1:
            translator.fail("AMBIGUOUS_NAME", f"Column '{parts[-1]}' is ambiguous", node)
        found = _descend(fields[0], parts[length:]) if fields else None
        if found is not None:
            return found
    return None


def _descend(field: Field, names: tuple[str, ...]) -> Expr | None:
    found: Expr | None = field.expr
    for name in names:
        found = _row_field(found, name) if found is not None else None
    return found


def _row_field(base: Expr, name: str) -> Expr | None:
    kind: Type = base.type
    for key, named, item in zip(kind.keys, kind.fields, kind.items, strict=False):
        if kind.name == "row" and named is not None and named.lower() == name:
            return base.typed(f"({base.sql}).{quoted(key)}", item)
    return None
