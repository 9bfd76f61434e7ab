"""Queries around SELECT: WITH, set operations, VALUES, ORDER BY and LIMIT of the whole."""

# ruff: noqa: S608 - SQL is what this module makes, from a checked tree
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.coercion import check_zones, coerce, coerce_all
from localaws.athena.sql.columns import name_of
from localaws.athena.sql.model import Cte, Expr, Output, Query, Scope, all_uses, output_name
from localaws.athena.sql.translator import Translator, translates_query
from localaws.athena.sql.windows import direction

_SET_WORDS = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}
ENDINGS = ("order", "limit", "offset")


def with_ctes(translator: Translator, node: exp.Expr, scope: Scope) -> tuple[str, Scope]:
    """Return the WITH clause of a query, and the scope in which its names are known."""
    clause = node.args.get("with_")
    if clause is None:
        return "", scope
    translator.allow(clause, "expressions")
    mentions = Counter(name_of(table) for table in node.find_all(exp.Table))
    texts = []
    for item in clause.expressions:
        translator.allow(item, "this", "alias")
        key = name_of(item.args["alias"])
        query = translator.query(item.this, scope)
        cte = _cte(translator, item, query, once=mentions[key] == 1)
        texts.append(f"{cte.sql_name} AS ({query.sql})")
        scope = replace(scope, ctes={**scope.ctes, key: cte})
    return f"WITH {', '.join(texts)} ", scope


def _cte(translator: Translator, item: exp.Expr, query: Query, *, once: bool) -> Cte:
    alias = item.args["alias"]
    names = [column.name for column in alias.args.get("columns") or ()]
    if names and len(names) != len(query.outputs):
        message = (
            f"Column alias list has {len(names)} entries but WITH query({alias.name}) "
            f"has {len(query.outputs)} columns"
        )
        translator.fail("MISMATCHED_COLUMN_ALIASES", message, item)
    outputs = query.outputs
    if names:
        outputs = tuple(replace(o, name=n) for o, n in zip(outputs, names, strict=True))
    return Cte(translator.new_name(), outputs, once)


@translates_query(exp.Subquery)
def parenthesised(translator: Translator, node: exp.Expr, scope: Scope) -> Query:
    """Return a query in parentheses, with what stands behind them."""
    translator.allow(node, "this", "with_", *ENDINGS)
    prefix, inner = with_ctes(translator, node, scope)
    query = translator.query(node.this, inner)
    if not prefix and not any(node.args.get(ending) for ending in ENDINGS):
        return query
    name = translator.new_name()
    listed = ", ".join(output_name(i) for i in range(len(query.outputs)))
    tail, outputs = ending(translator, node, query.outputs)
    return Query(f"{prefix}SELECT {listed} FROM ({query.sql}) AS {name}{tail}", outputs)


@translates_query(exp.Values)
def values(translator: Translator, node: exp.Expr, scope: Scope) -> Query:
    """Return the rows of VALUES, each column brought to one type."""
    translator.allow(node, "expressions", "alias", "with_", "joins", *ENDINGS)
    rows = [translator.expressions(_row_items(row), scope) for row in node.expressions]
    if len({len(row) for row in rows}) != 1:
        translator.fail("SYNTAX_ERROR", "Values rows have mismatched sizes", node)
    message = "Values rows have mismatched types"
    columns = [
        coerce_all(translator, column, node, message)[0] for column in zip(*rows, strict=True)
    ]
    made = zip(*columns, strict=True)
    listed = ", ".join(f"({', '.join(value.sql for value in row)})" for row in made)
    outputs = tuple(Output(None, Expr("", c[0].type, all_uses(c))) for c in columns)
    names = ", ".join(output_name(i) for i in range(len(outputs)))
    name = translator.new_name()
    tail, outputs = ending(translator, node, outputs)
    return Query(f"SELECT {names} FROM (VALUES {listed}) AS {name}({names}){tail}", outputs)


def _row_items(row: exp.Expr) -> list[exp.Expr]:
    """Return the values of a row of VALUES; ROW(1, 'a') is the row that (1, 'a') is."""
    items: list[exp.Expr] = row.expressions
    alone = items[0] if len(items) == 1 else None
    if isinstance(alone, exp.Anonymous) and alone.name.lower() == "row":
        return list(alone.expressions)
    return items


@translates_query(*_SET_WORDS)
def set_operation(translator: Translator, node: exp.Expr, scope: Scope) -> Query:
    """Return UNION, EXCEPT or INTERSECT; a long chain is translated without going deep."""
    translator.allow(node, "this", "expression", "distinct", "with_", *ENDINGS)
    prefix, inner = with_ctes(translator, node, scope)
    branches = _branches(node)
    queries = [translator.query(branch, inner) for branch, _ in branches]
    columns = _matched(translator, node, queries)
    parts = [f"({_cast(q, columns)})" for q in queries]
    sql = parts[0]
    for (_, word), part in zip(branches[1:], parts[1:], strict=True):
        sql = f"({sql} {word} {part})"
    only_all = all(word == "UNION ALL" for _, word in branches[1:])
    outputs = tuple(_united(queries, i, kind, only_all) for i, kind in enumerate(columns))
    if not only_all:
        translator.read(*(output.expr for output in outputs))
    listed = ", ".join(output_name(i) for i in range(len(columns)))
    tail, outputs = ending(translator, node, outputs)
    return Query(f"{prefix}SELECT {listed} FROM ({sql}) AS {translator.new_name()}{tail}", outputs)


def _branches(node: exp.Expr) -> list[tuple[exp.Expr, str]]:
    """Return the operands of a chain from left to right, each with the word before it."""
    found: list[tuple[exp.Expr, str]] = []
    left = node
    while isinstance(left, exp.SetOperation) and (left is node or not _has_ending(left)):
        word = _SET_WORDS[type(left)] + ("" if left.args.get("distinct") else " ALL")
        found.append((left.expression, word))
        left = left.this
    return [(left, ""), *reversed(found)]


def _has_ending(node: exp.Expr) -> bool:
    return any(node.args.get(part) for part in ("with_", *ENDINGS))


def _matched(translator: Translator, node: exp.Expr, queries: Sequence[Query]) -> list[types.Type]:
    widths = {len(query.outputs) for query in queries}
    if len(widths) != 1:
        message = f"{node.key.upper()} query has different number of fields"
        shown = ", ".join(str(len(query.outputs)) for query in queries)
        translator.fail("TYPE_MISMATCH", f"{message}: {shown}", node)
    kinds: list[types.Type] = []
    for column in zip(*(query.outputs for query in queries), strict=True):
        merged: types.Type | None = types.UNKNOWN
        for output in column:
            before = merged
            merged = types.common_type(before, output.expr.type) if before else None
            if before and merged is None:
                check_zones(translator, before, output.expr.type, node)
        if merged is None:
            message = (
                f"column {len(kinds) + 1} in {node.key.upper()} query has incompatible types: "
                f"{', '.join(str(output.expr.type) for output in column)}"
            )
            translator.fail("TYPE_MISMATCH", message, node)
        kinds.append(merged)
    return kinds


def _cast(query: Query, columns: list[types.Type]) -> str:
    listed = ", ".join(
        f"{coerce(replace(o.expr, sql=output_name(i)), kind).sql} AS {output_name(i)}"
        for i, (o, kind) in enumerate(zip(query.outputs, columns, strict=True))
    )
    return f"SELECT {listed} FROM ({query.sql}) AS q"


def _united(queries: Sequence[Query], i: int, kind: types.Type, only_all: bool) -> Output:
    column = [query.outputs[i].expr for query in queries]
    keep = only_all and all(expr.origins for expr in column)
    origins = tuple(o for expr in column for o in expr.origins) if keep else ()
    return Output(queries[0].outputs[i].name, Expr("", kind, all_uses(column), origins))


def ending(
    translator: Translator, node: exp.Expr, outputs: tuple[Output, ...]
) -> tuple[str, tuple[Output, ...]]:
    """Return ORDER BY, OFFSET and LIMIT over the outputs, and what these still allow.

    A filter outside a LIMIT must not reach the tables inside.
    """
    order = node.args.get("order")
    named = {
        o.name.lower(): replace(o.expr, sql=output_name(i)) for i, o in enumerate(outputs) if o.name
    }
    scope = Scope(aliases=named)
    keys = []
    for item in order.expressions if order else ():
        key = ordinal(translator, item.this, outputs)
        value = output_name(key) if key is not None else translator.expression(item.this, scope).sql
        keys.append(f"{value}{direction(item)}")
        translator.read(*(output.expr for output in outputs))
    sql = f" ORDER BY {', '.join(keys)}" if keys else ""
    if ties := with_ties(translator, node, keys):
        return ties + sql, without_origins(outputs)
    tail = limits(translator, node)
    return sql + tail, without_origins(outputs) if tail else outputs


def without_origins(outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    """Return outputs on which no filter may choose partitions any more."""
    return tuple(replace(o, expr=replace(o.expr, origins=())) for o in outputs)


def ordinal(translator: Translator, node: exp.Expr, outputs: Sequence[Output]) -> int | None:
    """Return the index that ORDER BY 2 or GROUP BY 2 means, or None for another expression."""
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdigit():
        return None
    position = int(node.name)
    if not 1 <= position <= len(outputs):
        message = f"ORDER BY position {position} is not in select list"
        translator.fail("INVALID_COLUMN_REFERENCE", message, node)
    return position - 1


def with_ties(translator: Translator, node: exp.Expr, keys: Sequence[str]) -> str:
    """Return FETCH FIRST n ROWS WITH TIES as a condition on places; nothing without it.

    `keys` are the expressions of ORDER BY, each with its direction.
    """
    limit, offset = node.args.get("limit"), node.args.get("offset")
    options = limit.args.get("limit_options") if limit is not None else None
    if limit is None or options is None or not options.args.get("with_ties"):
        return ""
    if not keys:
        message = "FETCH FIRST WITH TIES clause requires ORDER BY"
        translator.fail("MISSING_ORDER_BY", message, limit)
    count = _fetched(translator, limit)
    skipped = _whole(translator, offset.expression, offset) if offset is not None else 0
    order = ", ".join(keys)
    sql = f" QUALIFY rank() OVER (ORDER BY {order}) <= {skipped + count}"
    return sql + (f" AND row_number() OVER (ORDER BY {order}) > {skipped}" if skipped else "")


def _fetched(translator: Translator, fetch: exp.Expr) -> int:
    count = fetch.args.get("count")
    return 1 if count is None else _whole(translator, count, fetch)


def limits(translator: Translator, node: exp.Expr) -> str:
    """Return OFFSET and LIMIT as DuckDB has them."""
    limit, offset = node.args.get("limit"), node.args.get("offset")
    sql = ""
    if limit is not None:
        translator.allow(limit, "expression", "count", "direction", "limit_options")
        if isinstance(limit, exp.Fetch):
            return f" LIMIT {_fetched(translator, limit)}" + _offset(translator, offset)
        count = limit.expression
        if not (isinstance(count, exp.Var | exp.Column) and count.name.upper() == "ALL"):
            sql += f" LIMIT {_whole(translator, count, limit)}"
    return sql + _offset(translator, offset)


def _offset(translator: Translator, offset: exp.Expr | None) -> str:
    return "" if offset is None else f" OFFSET {_whole(translator, offset.expression, offset)}"


def _whole(translator: Translator, node: exp.Expr | None, where: exp.Expr) -> int:
    if node is None or not isinstance(node, exp.Literal) or not node.name.isdigit():
        translator.fail("SYNTAX_ERROR", "LIMIT and OFFSET take a whole number", where)
    return int(node.name)
