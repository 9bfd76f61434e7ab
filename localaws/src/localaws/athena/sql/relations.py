"""What stands behind FROM: tables, views, subqueries, VALUES, UNNEST, and their joins."""

# ruff: noqa: S608 - SQL is what this module makes, from a checked tree
from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from localaws.athena.errors import QueryError
from localaws.athena.names import CATALOG, INFORMATION
from localaws.athena.sql import types
from localaws.athena.sql.coercion import coerce
from localaws.athena.sql.columns import name_of
from localaws.athena.sql.joins import joined
from localaws.athena.sql.model import (
    Column,
    Expr,
    Field,
    Output,
    Query,
    Relation,
    Scan,
    Scope,
    Table,
    output_name,
    quoted,
)
from localaws.athena.sql.reading import read_query
from localaws.athena.sql.translator import Translator
from localaws.athena.sql.types import Type

HIDDEN = {
    "$path": types.VARCHAR,
    "$file_size": types.BIGINT,
    "$file_modified_time": types.ZONED,
}


def from_clause(translator: Translator, node: exp.Expr, scope: Scope) -> Relation:
    """Return the relation of a SELECT's FROM and its joins; one row without columns if none."""
    source = node.args.get("from_")
    if source is None:
        return Relation("", ())
    here = scope.inside(())
    left = relation(translator, source.this, here)
    return joined(translator, left, node.args.get("joins") or (), here, relation)


def relation(translator: Translator, node: exp.Expr, scope: Scope) -> Relation:
    """Return one item of FROM with the joins that stand inside it."""
    if node.args.get("sample") is not None:
        translator.refuse(node, "TABLESAMPLE")
    found = _item(translator, node, scope)
    return joined(translator, found, node.args.get("joins") or (), scope, relation)


def _item(translator: Translator, node: exp.Expr, scope: Scope) -> Relation:
    if isinstance(node, exp.Table):
        return _table(translator, node, scope)
    if isinstance(node, exp.Subquery):
        if isinstance(node.this, exp.Table):
            return relation(translator, node.this, scope)
        return _subquery(translator, node, scope)
    if isinstance(node, exp.Values):
        return _subquery(translator, node, scope)
    if isinstance(node, exp.Unnest):
        return unnest(translator, node, scope)
    if not isinstance(node, exp.Lateral):
        translator.refuse(node)
    return _lateral(translator, node, scope)


def _table(translator: Translator, node: exp.Table, scope: Scope) -> Relation:
    translator.allow(node, "this", "db", "catalog", "alias", "joins")
    if not isinstance(node.this, exp.Identifier):
        translator.refuse(node, "a table function")
    parts = [name_of(part) for part in node.parts]
    if len(parts) == 1 and parts[0] in scope.ctes:
        return _cte(translator, node, scope, parts[0])
    database = _database(translator, node, parts, scope)
    if database == INFORMATION:
        return _information_schema(translator, node, parts[-1])
    found = translator.tables.table(database, parts[-1])
    if found is None:
        code, message = _missing(translator, database, parts[-1])
        translator.fail(code, message, node)
    qualifier = (CATALOG, database, found.name)
    made = (
        _view(translator, node, found, scope)
        if found.is_view
        else _scan(translator, found, translator.new_name())
    )
    return aliased(translator, node, made, qualifier)


def _database(translator: Translator, node: exp.Table, parts: list[str], scope: Scope) -> str:
    if len(parts) == 3 and parts[0] != CATALOG:
        message = f"Catalog '{parts[0]}' does not exist"
        translator.fail("CATALOG_NOT_FOUND", message, node)
    database = parts[-2] if len(parts) > 1 else scope.database
    if not database:
        message = "Schema must be specified when session schema is not set"
        translator.fail("MISSING_SCHEMA_NAME", message, node)
    return database


def _missing(translator: Translator, database: str, name: str) -> tuple[str, str]:
    if not translator.tables.has_database(database):
        return "SCHEMA_NOT_FOUND", f"Schema '{database}' does not exist"
    return "TABLE_NOT_FOUND", f"Table '{CATALOG}.{database}.{name}' does not exist"


def _scan(translator: Translator, table: Table, name: str) -> Relation:
    scan = Scan(f"scan_{len(translator.scans) + 1}", table)
    translator.scans.append(scan)
    keys = {key.name for key in table.partition_keys}
    fields = [
        _scanned(scan, name, column.name, column.type, column.name in keys)
        for column in table.all_columns
    ]
    hidden = [_scanned(scan, name, key, kind, False, True) for key, kind in HIDDEN.items()]
    return Relation(f"{scan.name} AS {name}", (*fields, *hidden))


def _scanned(
    scan: Scan, relation_name: str, column: str, kind: Type, key: bool, hidden: bool = False
) -> Field:
    use = (scan, column)
    sql = f"{relation_name}.{quoted(column)}"
    expr = Expr(sql, kind, frozenset([use]), (use,) if key else ())
    return Field(column, (), expr, hidden)


def _view(translator: Translator, node: exp.Expr, view: Table, scope: Scope) -> Relation:
    """Return a view as the query it stands for, its columns as they were when it was made."""
    full_name = f"{view.database}.{view.name}"
    if full_name in scope.views:
        translator.fail("VIEW_IS_RECURSIVE", f"View '{full_name}' is recursive", node)
    tree, source = read_query(view.view_sql or "")
    inner = Scope(views=(*scope.views, full_name), database=view.database)
    try:
        with translator.from_source(source):
            query = translator.query(tree, inner)
    except QueryError as error:
        message = f"Failed analyzing stored view '{CATALOG}.{full_name}': {error.message}"
        raise QueryError("INVALID_VIEW", message, translator.start(node)) from error
    if len(query.outputs) != len(view.columns):
        message = f"View '{CATALOG}.{full_name}' is stale or in invalid state"
        translator.fail("VIEW_IS_STALE", message, node)
    made = derived(translator, query)
    fields = tuple(
        replace(field, name=column.name, expr=coerce(field.expr, column.type))
        for field, column in zip(made.fields, view.columns, strict=True)
    )
    return Relation(made.sql, fields)


def _subquery(translator: Translator, node: exp.Expr, scope: Scope) -> Relation:
    translator.allow(node, "this", "alias", "expressions", "joins")
    # Only LATERAL sees what stands to its left.
    inner = replace(scope, fields=())
    target = node.this if isinstance(node, exp.Subquery) else node
    made = derived(translator, translator.query(target, inner))
    return aliased(translator, node, made, ())


def _cte(translator: Translator, node: exp.Table, scope: Scope, key: str) -> Relation:
    cte = scope.ctes[key]
    name = translator.new_name()
    fields = output_fields(name, cte.outputs)
    if not cte.prunable:
        fields = tuple(field.nullable() for field in fields)
    return aliased(translator, node, Relation(f"{cte.sql_name} AS {name}", fields), (key,))


def _information_schema(translator: Translator, node: exp.Table, table: str) -> Relation:
    found = INFORMATION_TABLES.get(table)
    if found is None:
        message = f"Table '{CATALOG}.{INFORMATION}.{table}' does not exist"
        translator.fail("TABLE_NOT_FOUND", message, node)
    made = _scan(translator, found, translator.new_name())
    visible = tuple(field for field in made.fields if not field.hidden)
    qualifier = (CATALOG, INFORMATION, table)
    return aliased(translator, node, Relation(made.sql, visible), qualifier)


def _lateral(translator: Translator, node: exp.Expr, scope: Scope) -> Relation:
    translator.allow(node, "this", "alias")
    if not isinstance(node.this, exp.Subquery):
        translator.refuse(node)
    query = translator.query(node.this.this, scope)
    return aliased(translator, node, derived(translator, query, "LATERAL "), ())


def _information(name: str, columns: str) -> Table:
    made = tuple(
        Column(column, types.BIGINT if column == "ordinal_position" else types.VARCHAR, "string")
        for column in columns.split()
    )
    return Table(INFORMATION, name, made)


INFORMATION_TABLES = {
    "schemata": _information("schemata", "catalog_name schema_name"),
    "tables": _information("tables", "table_catalog table_schema table_name table_type"),
    "views": _information("views", "table_catalog table_schema table_name view_definition"),
    "columns": _information(
        "columns",
        "table_catalog table_schema table_name column_name ordinal_position column_default "
        "is_nullable data_type comment extra_info",
    ),
}


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
