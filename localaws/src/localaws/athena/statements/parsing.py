"""A statement's text to what it asks for; the first word says which grammar it has."""

from __future__ import annotations

from collections.abc import Callable

from localaws.athena.errors import MalformedQueryError
from localaws.athena.names import CATALOG
from localaws.athena.sql.reading import read_query
from localaws.athena.sql.type_names import split_top_level
from localaws.athena.statements import model
from localaws.athena.statements.hive import pairs, parse_alter, parse_create_external
from localaws.athena.statements.model import Statement, TableName
from localaws.athena.statements.tokens import Words

_STARTS = (
    "'ALTER', 'CREATE', 'DESC', 'DESCRIBE', 'DROP', 'EXECUTE', 'EXPLAIN', 'INSERT', 'MSCK', "
    "'SHOW', 'UNLOAD', <query>"
)


def parse_statement(text: str) -> Statement:
    """Return the statement that `text` is; MalformedQueryError where Athena refuses it at once."""
    words = Words(text)
    first = words.here
    parse = _PARSERS.get(first.text.upper()) if first and first.kind in ("word", "mark") else None
    if parse is None:
        words.fail(_STARTS)
    statement = parse(words)
    query = getattr(statement, "query", None)
    if query is not None:
        read_query(query)
    return statement


def _select(words: Words) -> Statement:
    return model.Select(words.rest_blanked())


def _explain(words: Words) -> Statement:
    words.need("EXPLAIN")
    if words.peek("ANALYZE"):
        words.fail("<query>")
    if words.peek("(") and not (words.peek("(", "SELECT") or words.peek("(", "WITH")):
        words.inside_parentheses()
    return model.Explain(words.rest_blanked())


def _execute(words: Words) -> Statement:
    words.need("EXECUTE")
    name = words.name()
    if not words.take("USING"):
        words.end()
        return model.Execute(name)
    parameters = split_top_level(words.text[words.offset : words.last_end])
    return model.Execute(name, tuple(parameters))


def _create(words: Words) -> Statement:
    words.need("CREATE")
    if words.take("OR", "REPLACE"):
        words.need("VIEW")
        return _create_view(words, replace=True)
    if words.take("VIEW"):
        return _create_view(words, replace=False)
    if words.take("EXTERNAL", "TABLE"):
        return parse_create_external(words, table_name)
    if words.take("TABLE"):
        return _create_table_as(words)
    if not words.take("DATABASE") and not words.take("SCHEMA"):
        words.fail("'DATABASE', 'EXTERNAL', 'OR', 'SCHEMA', 'TABLE', 'VIEW'")
    return _create_database(words)


def _create_view(words: Words, *, replace: bool) -> Statement:
    table = table_name(words)
    words.need("AS")
    return model.CreateView(table, words.rest_blanked(), replace)


def _create_table_as(words: Words) -> Statement:
    if_not_exists = words.take("IF", "NOT", "EXISTS")
    table = table_name(words)
    properties = _properties(words.inside_parentheses()) if words.take("WITH") else {}
    words.need("AS")
    end, with_data = _with_data(words)
    return model.CreateTableAs(table, words.rest_blanked(end), properties, if_not_exists, with_data)


def _with_data(words: Words) -> tuple[int, bool]:
    """Return where the query ends, before WITH [NO] DATA, and whether there shall be data."""
    ahead = Words(words.text)
    tail: list[tuple[str, int]] = []
    while ahead.here is not None:
        word = ahead.next()
        tail = [*tail[-2:], (word.text.upper(), word.start)]
    spoken = [word for word, _ in tail]
    if spoken == ["WITH", "NO", "DATA"]:
        return tail[0][1], False
    if spoken[-2:] == ["WITH", "DATA"]:
        return tail[-2][1], True
    return words.last_end, True


def _create_database(words: Words) -> Statement:
    if_not_exists = words.take("IF", "NOT", "EXISTS")
    name = words.name()
    comment = words.string() if words.take("COMMENT") else None
    location = words.string() if words.take("LOCATION") else None
    properties = pairs(words) if words.take("WITH", "DBPROPERTIES") else {}
    words.end()
    return model.CreateDatabase(name, if_not_exists, comment, location, properties)


def _drop(words: Words) -> Statement:
    words.need("DROP")
    if words.take("DATABASE") or words.take("SCHEMA"):
        if_exists = words.take("IF", "EXISTS")
        name = words.name()
        cascade = words.take("CASCADE")
        if not cascade:
            words.take("RESTRICT")
        words.end()
        return model.DropDatabase(name, if_exists, cascade)
    is_view = words.take("VIEW")
    if not is_view:
        words.need("TABLE")
    if_exists = words.take("IF", "EXISTS")
    table = table_name(words)
    words.end()
    return model.Drop(table, is_view, if_exists)


def _insert(words: Words) -> Statement:
    words.need("INSERT", "INTO")
    table = table_name(words)
    columns: tuple[str, ...] = ()
    if words.peek("(") and not (words.peek("(", "SELECT") or words.peek("(", "WITH")):
        listed = Words(words.inside_parentheses())
        names = [listed.name()]
        while listed.take(","):
            names.append(listed.name())
        listed.end()
        columns = tuple(names)
    return model.Insert(table, words.rest_blanked(), columns)


def _unload(words: Words) -> Statement:
    words.need("UNLOAD")
    ahead = Words(words.text)
    ahead.need("UNLOAD")
    inside = ahead.inside_parentheses()
    words.need("(")
    query = words.rest_blanked(words.offset + len(inside))
    ahead.need("TO")
    location = ahead.string()
    properties = _properties(ahead.inside_parentheses()) if ahead.take("WITH") else {}
    ahead.end()
    return model.Unload(query, location, properties)


def _repair(words: Words) -> Statement:
    words.need("MSCK", "REPAIR", "TABLE")
    table = table_name(words)
    words.end()
    return model.RepairTable(table)


def _alter(words: Words) -> Statement:
    words.need("ALTER", "TABLE")
    return parse_alter(words, table_name(words))


def _describe(words: Words) -> Statement:
    words.next()
    style = next((style for style in ("EXTENDED", "FORMATTED") if words.take(style)), "")
    table = table_name(words)
    words.end()
    return model.Describe(table, style)


def _show(words: Words) -> Statement:
    words.need("SHOW")
    what = next((what for spoken, what in _SHOWN.items() if words.take(*spoken.split())), None)
    if what is None:
        words.fail("'COLUMNS', 'CREATE', 'DATABASES', 'PARTITIONS', 'SCHEMAS', 'TABLES', 'VIEWS'")
    return _show_of(words, what)


_SHOWN = {
    "TABLES": "tables",
    "VIEWS": "views",
    "DATABASES": "databases",
    "SCHEMAS": "databases",
    "COLUMNS": "columns",
    "PARTITIONS": "partitions",
    "CREATE TABLE": "create table",
    "CREATE VIEW": "create view",
    "TBLPROPERTIES": "properties",
}


def _show_of(words: Words, what: str) -> Statement:
    table = database = pattern = None
    if what == "columns" and not words.take("IN"):
        words.need("FROM")
    if what in ("columns", "partitions", "create table", "create view", "properties"):
        table = table_name(words)
    if what in ("tables", "views", "columns") and (words.take("IN") or words.take("FROM")):
        database = words.name()
    if what == "properties" and words.peek("("):
        pattern = Words(words.inside_parentheses()).string()
    elif what in ("tables", "views", "databases") and words.here is not None:
        words.take("LIKE")
        pattern = words.string()
    words.end()
    if table is not None and database is not None:
        table = TableName(table.name, database)
    return model.Show(what, table, database, pattern)


def table_name(words: Words) -> TableName:
    """Return `table`, `database.table` or `awsdatacatalog.database.table`."""
    names = words.names()
    if len(names) == 3 and names[0] == CATALOG:
        names = names[1:]
    if len(names) > 2:
        raise MalformedQueryError(f"Catalog '{names[0]}' does not exist", words.position(0))
    return TableName(names[-1], names[0] if len(names) == 2 else None)


def _properties(text: str) -> dict[str, str | list[str]]:
    """Return the properties of WITH (format = 'PARQUET', partitioned_by = ARRAY['dt'])."""
    found: dict[str, str | list[str]] = {}
    words = Words(text)
    while words.here is not None:
        name = words.name()
        words.need("=")
        found[name] = _property_value(words)
        if words.here is not None:
            words.need(",")
    return found


def _property_value(words: Words) -> str | list[str]:
    if not words.take("ARRAY"):
        return words.next().text
    words.need("[")
    items: list[str] = []
    while not words.take("]"):
        items.append(words.string())
        words.take(",")
    return items


_PARSERS: dict[str, Callable[[Words], Statement]] = {
    **dict.fromkeys(("SELECT", "WITH", "VALUES", "("), _select),
    "EXPLAIN": _explain,
    "EXECUTE": _execute,
    "CREATE": _create,
    "DROP": _drop,
    "INSERT": _insert,
    "UNLOAD": _unload,
    "MSCK": _repair,
    "ALTER": _alter,
    "DESCRIBE": _describe,
    "DESC": _describe,
    "SHOW": _show,
}
