"""What stands behind FROM: tables, views, subqueries, VALUES, UNNEST, and their joins."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from localaws.athena.errors import QueryError
from localaws.athena.sql import information, types
from localaws.athena.sql.coercion import coerce
from localaws.athena.sql.columns import name_of
from localaws.athena.sql.derived import aliased, derived, output_fields
from localaws.athena.sql.joins import joined
from localaws.athena.sql.model import Expr, Field, Relation, Scan, Scope, Table, quoted
from localaws.athena.sql.reading import read_query
from localaws.athena.sql.translator import Translator
from localaws.athena.sql.types import Type
from localaws.athena.sql.unnesting import unnest

CATALOG = "awsdatacatalog"
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
    if database == "information_schema":
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
    found = information.TABLES.get(table)
    if found is None:
        message = f"Table '{CATALOG}.information_schema.{table}' does not exist"
        translator.fail("TABLE_NOT_FOUND", message, node)
    made = _scan(translator, found, translator.new_name())
    visible = tuple(field for field in made.fields if not field.hidden)
    qualifier = (CATALOG, "information_schema", table)
    return aliased(translator, node, Relation(made.sql, visible), qualifier)


def _lateral(translator: Translator, node: exp.Expr, scope: Scope) -> Relation:
    translator.allow(node, "this", "alias")
    if not isinstance(node.this, exp.Subquery):
        translator.refuse(node)
    query = translator.query(node.this.this, scope)
    return aliased(translator, node, derived(translator, query, "LATERAL "), ())
