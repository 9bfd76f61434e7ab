"""From the text of a query to DuckDB's SQL, with its columns and the tables it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from localaws.athena.errors import QueryError
from localaws.athena.sql import conditions, functions, literals, operators, selects
from localaws.athena.sql.model import Scan, Scope
from localaws.athena.sql.reading import read_expression, read_query
from localaws.athena.sql.translator import Tables, Translator
from localaws.athena.sql.types import Type

__all__ = [
    "ResultColumn",
    "Translation",
    "conditions",
    "functions",
    "literals",
    "operators",
    "selects",
    "translate",
]


@dataclass(frozen=True)
class ResultColumn:
    """A column of a result: its name, its type, and whether the query gave it the name."""

    name: str
    type: Type
    named: bool = True


@dataclass(frozen=True)
class Translation:
    """A query that DuckDB can run once its scans are there."""

    sql: str
    columns: tuple[ResultColumn, ...]
    scans: tuple[Scan, ...]

    def wrapped(self, sql: str) -> Translation:
        """Return this translation with other SQL around it."""
        return replace(self, sql=sql)


def translate(
    text: str, tables: Tables, *, database: str = "", parameters: Sequence[str] = ()
) -> Translation:
    """Return the translation of a query of Athena.

    `parameters` are literals in SQL that take the place of its question marks. Raises
    MalformedQueryError for what is not SQL of Athena, QueryError for what Athena would fail.
    """
    tree, source = read_query(text)
    _fill_in(tree, parameters)
    translator = Translator(source, tables)
    query = translator.query(tree, Scope(database=database.lower()))
    translator.read(*(output.expr for output in query.outputs))
    columns = tuple(
        ResultColumn(output.name or f"_col{i}", output.expr.type, output.name is not None)
        for i, output in enumerate(query.outputs)
    )
    return Translation(query.sql, columns, tuple(translator.scans))


def _fill_in(tree: exp.Expr, parameters: Sequence[str]) -> None:
    marks = list(tree.find_all(exp.Placeholder, bfs=False))
    if len(marks) != len(parameters):
        raise QueryError(
            "INVALID_PARAMETER_USAGE",
            f"Incorrect number of parameters: expected {len(marks)} but found {len(parameters)}",
        )
    for mark, text in zip(marks, parameters, strict=True):
        value, _ = read_expression(text)
        for part in value.walk():
            part.meta.clear()
        mark.replace(value)
