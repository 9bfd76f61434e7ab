"""Hive's part of the grammar: CREATE EXTERNAL TABLE and ALTER TABLE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localaws.athena.errors import MalformedQueryError, not_supported
from localaws.athena.sql.type_names import hive_type
from localaws.athena.statements import model
from localaws.athena.statements.model import PartitionSpec, Statement, TableName
from localaws.athena.statements.tokens import Words

ColumnText = tuple[str, str, str | None]


def parse_create_external(words: Words, table_name: Callable[[Words], TableName]) -> Statement:
    """Return CREATE EXTERNAL TABLE, its clauses in any order, as Hive takes them."""
    if_not_exists = words.take("IF", "NOT", "EXISTS")
    table = table_name(words)
    columns = _columns(words)
    clauses: dict[str, Any] = {}
    while words.here is not None:
        clauses |= _clause(words)
    if not clauses.get("location"):
        raise MalformedQueryError("No LOCATION provided for the external table", words.position(0))
    return model.CreateTable(table, columns, if_not_exists=if_not_exists, **clauses)


def _clause(words: Words) -> dict[str, Any]:
    if words.take("COMMENT"):
        return {"comment": words.string()}
    if words.take("PARTITIONED", "BY"):
        return {"partition_keys": _columns(words)}
    if words.take("ROW", "FORMAT", "SERDE"):
        serde = words.string()
        extra = pairs(words) if words.take("WITH", "SERDEPROPERTIES") else {}
        return {"serde": serde, "serde_properties": extra}
    if words.take("STORED", "AS", "INPUTFORMAT"):
        given = words.string()
        words.need("OUTPUTFORMAT")
        words.string()
        return {"stored_as": given}
    if words.take("STORED", "AS"):
        return {"stored_as": words.name()}
    if words.take("LOCATION"):
        return {"location": words.string()}
    if words.peek("ROW", "FORMAT") or words.peek("CLUSTERED"):
        raise not_supported("ROW FORMAT DELIMITED and CLUSTERED BY: tables are Parquet here")
    if not words.take("TBLPROPERTIES"):
        words.fail("'COMMENT', 'LOCATION', 'PARTITIONED', 'ROW', 'STORED', 'TBLPROPERTIES'")
    return {"properties": pairs(words)}


def _columns(words: Words) -> tuple[ColumnText, ...]:
    """Return the columns in parentheses: name, type in Hive's words, comment."""
    words.need("(")
    found = [_column(words)]
    while words.take(","):
        found.append(_column(words))
    words.need(")")
    return tuple(found)


def _column(words: Words) -> ColumnText:
    name = words.name()
    words.take(":")
    start, depth = words.offset, 0
    end = start
    while words.here is not None:
        word = words.here
        if depth == 0 and (word.is_word(",") or word.is_word(")") or word.is_word("COMMENT")):
            break
        depth += (word.text in ("(", "<")) - (word.text in (")", ">"))
        end = words.next().end
    kind = "".join(words.text[start:end].lower().split())
    hive_type(kind)
    comment = words.string() if words.take("COMMENT") else None
    return name, kind, comment


def pairs(words: Words) -> dict[str, str]:
    """Return ('key' = 'value', …)."""
    words.need("(")
    found: dict[str, str] = {}
    while not words.take(")"):
        key = words.string()
        words.need("=")
        found[key] = words.string()
        if not words.peek(")"):
            words.need(",")
    return found


def parse_alter(words: Words, table: TableName) -> Statement:
    """Return what follows ALTER TABLE name."""
    if words.take("ADD", "COLUMNS"):
        columns = _columns(words)
        words.end()
        return model.AddColumns(table, columns)
    if words.take("SET", "TBLPROPERTIES"):
        properties = pairs(words)
        words.end()
        return model.SetProperties(table, properties)
    if words.take("ADD"):
        if_not_exists = words.take("IF", "NOT", "EXISTS")
        return model.AddPartitions(table, _partitions(words), if_not_exists)
    if words.take("DROP"):
        if_exists = words.take("IF", "EXISTS")
        return model.DropPartitions(table, _partitions(words), if_exists)
    raise not_supported(
        f"this ALTER TABLE: {words.text[words.offset :].strip()}", words.position(words.offset)
    )


def _partitions(words: Words) -> tuple[PartitionSpec, ...]:
    found = []
    while words.take("PARTITION"):
        values = _values(words)
        location = words.string() if words.take("LOCATION") else None
        found.append(PartitionSpec(values, location))
        words.take(",")
    if not found:
        words.fail("'PARTITION'")
    words.end()
    return tuple(found)


def _values(words: Words) -> dict[str, str]:
    words.need("(")
    found: dict[str, str] = {}
    while not words.take(")"):
        name = words.name()
        words.need("=")
        found[name] = words.next().text
        if not words.peek(")"):
            words.need(",")
    return found
