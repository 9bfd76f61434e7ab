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
    translator.read(*sources)
    outputs: list[Output] = []
    selected: list[str] = []
    lengths = []
    for source, item in zip(sources, node.expressions, strict=True):
        columns, length = _unnested(translator, source, item)
        lengths.append(length)
        for sql, kind in columns:
            selected.append(f"{sql} AS {output_name(len(selected))}")
            outputs.append(Output(None, Expr(sql, kind, source.uses)))
    rows = f"range(1, coalesce(greatest({', '.join(lengths)}), 0) + 1)"
    if node.args.get("offset"):
        selected.append(f"i AS {output_name(len(selected))}")
        outputs.append(Output(None, Expr("i", types.BIGINT)))
    sql = f"SELECT {', '.join(selected)} FROM (SELECT unnest({rows}) AS i) AS n"
    return aliased(
        translator, node, derived(translator, Query(sql, tuple(outputs)), "LATERAL "), ()
    )


def _unnested(
    translator: Translator, source: Expr, node: exp.Expr
) -> tuple[list[tuple[str, Type]], str]:
    kind = source.type
    if kind.name == "map":
        columns = [
            (f"list_extract(map_{what}({source.sql}), i)", item)
            for what, item in zip(("keys", "values"), kind.items, strict=True)
        ]
        return columns, f"len(map_keys({source.sql}))"
    if kind.name != "array":
        translator.fail("TYPE_MISMATCH", f"Cannot unnest type: {kind}", node)
    (item,) = kind.items
    one = f"list_extract({source.sql}, i)"
    if item.name == "row":
        fields = [(f"({one}).{quoted(k)}", t) for k, t in zip(item.keys, item.items, strict=True)]
        return fields, f"len({source.sql})"
    return [(one, item)], f"len({source.sql})"
