"""UNNEST: arrays and maps as rows."""

# ruff: noqa: S608 - SQL is what this module makes, from a checked tree
from __future__ import annotations

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.derived import aliased, derived
from localaws.athena.sql.model import Expr, Output, Query, Relation, Scope, output_name, quoted
from localaws.athena.sql.translator import Translator
from localaws.athena.sql.types import Type


def unnest(translator: Translator, node: exp.Expr, scope: Scope) -> Relation:
    """Return UNNEST(arrays, maps) as a lateral subquery, the shorter ones filled with NULL."""
    translator.allow(node, "expressions", "alias", "offset")
    sources = [translator.expression(item, scope) for item in node.expressions]
    whole = _takes_rows_whole(node, sources)
    translator.read(*sources)
    outputs: list[Output] = []
    selected: list[str] = []
    lengths = []
    for source, item in zip(sources, node.expressions, strict=True):
        columns, length = _unnested(translator, source, item, whole)
        lengths.append(length)
        for sql, kind, name in columns:
            selected.append(f"{sql} AS {output_name(len(selected))}")
            outputs.append(Output(name, Expr(sql, kind, source.uses)))
    rows = f"range(1, coalesce(greatest({', '.join(lengths)}), 0) + 1)"
    if node.args.get("offset"):
        selected.append(f"i AS {output_name(len(selected))}")
        outputs.append(Output(None, Expr("i", types.BIGINT)))
    sql = f"SELECT {', '.join(selected)} FROM (SELECT unnest({rows}) AS i) AS n"
    return aliased(
        translator, node, derived(translator, Query(sql, tuple(outputs)), "LATERAL "), ()
    )


def _takes_rows_whole(node: exp.Expr, sources: list[Expr]) -> bool:
    """Return whether the names behind UNNEST are as many as its arrays: a row is one column then.

    With another number of names, or without any, each field of a row is a column of its own.
    """
    alias = node.args.get("alias")
    names = len(alias.args.get("columns") or ()) if alias is not None else 0
    names -= bool(node.args.get("offset")) and not isinstance(node.args["offset"], exp.Identifier)
    expanded = sum(_width(source.type) for source in sources)
    return bool(names) and names != expanded


def _width(kind: Type) -> int:
    if kind.name == "map":
        return 2
    row = kind.name == "array" and kind.items[0].name == "row"
    return len(kind.items[0].items) if row else 1


def _unnested(
    translator: Translator, source: Expr, node: exp.Expr, whole: bool
) -> tuple[list[tuple[str, Type, str | None]], str]:
    kind = source.type
    if kind == types.UNKNOWN:
        return [("NULL", types.UNKNOWN, None)], "0"
    if kind.name == "map":
        columns: list[tuple[str, Type, str | None]] = [
            (f"list_extract(map_{what}({source.sql}), i)", item, None)
            for what, item in zip(("keys", "values"), kind.items, strict=True)
        ]
        return columns, f"len(map_keys({source.sql}))"
    if kind.name != "array":
        translator.fail("TYPE_MISMATCH", f"Cannot unnest type: {kind}", node)
    (item,) = kind.items
    one = f"list_extract({source.sql}, i)"
    if item.name == "row" and not whole:
        fields = [
            (f"({one}).{quoted(key)}", kind, name)
            for key, kind, name in zip(item.keys, item.items, item.fields, strict=True)
        ]
        return fields, f"len({source.sql})"
    return [(one, item, None)], f"len({source.sql})"
