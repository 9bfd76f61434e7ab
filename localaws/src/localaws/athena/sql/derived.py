"""Relations of queries: a name for the whole, and names for its columns."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from localaws.athena.sql.columns import name_of
from localaws.athena.sql.model import Field, Output, Query, Relation, output_name
from localaws.athena.sql.translator import Translator


def derived(translator: Translator, query: Query, lateral: str = "") -> Relation:
    """Return a query as a relation."""
    name = translator.new_name()
    return Relation(f"{lateral}({query.sql}) AS {name}", output_fields(name, query.outputs))


def output_fields(name: str, outputs: tuple[Output, ...]) -> tuple[Field, ...]:
    """Return the fields of the relation `name`, one for each output of its query."""
    return tuple(
        Field(output.name, (), replace(output.expr, sql=f"{name}.{output_name(i)}", literal=False))
        for i, output in enumerate(outputs)
    )


def aliased(
    translator: Translator, node: exp.Expr, made: Relation, qualifier: tuple[str, ...]
) -> Relation:
    """Return a relation under its alias, and its columns under theirs."""
    alias = node.args.get("alias")
    names: list[str] = []
    if alias is not None:
        qualifier = (name_of(alias),) if alias.this else qualifier
        names = [column.name.lower() for column in alias.args.get("columns") or ()]
        offset = node.args.get("offset")
        if isinstance(offset, exp.Identifier):
            # sqlglot takes the last name of WITH ORDINALITY AS t(a, n) apart.
            names.append(name_of(offset))
    visible = [field for field in made.fields if not field.hidden]
    if names and len(names) != len(visible):
        message = (
            f"Column alias list has {len(names)} entries but '{alias.name if alias else ''}' "
            f"has {len(visible)} columns available"
        )
        translator.fail("MISMATCHED_COLUMN_ALIASES", message, node)
    renamed = (
        [replace(f, name=n) for f, n in zip(visible, names, strict=True)] if names else visible
    )
    hidden = [field for field in made.fields if field.hidden]
    fields = tuple(replace(field, qualifier=qualifier) for field in (*renamed, *hidden))
    return Relation(made.sql, fields)
