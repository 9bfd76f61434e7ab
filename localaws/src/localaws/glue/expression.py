"""The filter expressions of GetPartitions, as conditions that SQLite computes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp

from localaws.glue.requests import invalid
from localaws.glue.store import Condition
from localaws.wire import AwsError

NULL_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""What Hive writes for the value of a partition key that is null."""

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}


def _iso_date(text: str) -> str:
    return dt.date.fromisoformat(text).isoformat()


def _timestamp(text: str) -> str:
    return dt.datetime.fromisoformat(text).isoformat(sep=" ")


_INTEGER: tuple[str, Callable[[str], Any]] = ("CAST({} AS INTEGER)", int)
_REAL: tuple[str, Callable[[str], Any]] = ("CAST({} AS REAL)", float)
_TEXT: tuple[str, Callable[[str], Any]] = ("{}", str)
# The types that Glue filters by: how SQLite reads a stored value, how a literal is read.
_TYPES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "string": _TEXT,
    "varchar": _TEXT,
    "char": _TEXT,
    "date": ("{}", _iso_date),
    "timestamp": ("{}", _timestamp),
    "int": _INTEGER,
    "integer": _INTEGER,
    "bigint": _INTEGER,
    "long": _INTEGER,
    "smallint": _INTEGER,
    "tinyint": _INTEGER,
    "decimal": _REAL,
}


def compile_expression(expression: str, keys: Sequence[dict[str, str]]) -> Condition:
    """Return the condition of a filter over the partition `keys` (Name and Type each).

    The grammar is that of Glue: =, <>, !=, <, <=, >, >=, AND, OR, NOT, IN, BETWEEN, LIKE,
    IS NULL and parentheses, each between a key and literals. Raises InvalidInputException.
    """
    try:
        tree = sqlglot.condition(expression)
    except sqlglot.ParseError as error:
        raise invalid(f"The expression {expression!r} cannot be parsed.") from error
    compiler = _Compiler(expression, {key["Name"].lower(): (i, key) for i, key in enumerate(keys)})
    return Condition(compiler.condition(tree), tuple(compiler.parameters))


@dataclass
class _Compiler:
    """Walks the tree of one expression, and takes parameters in the order of the SQL."""

    expression: str
    keys: dict[str, tuple[int, dict[str, str]]]
    parameters: list[Any] = field(default_factory=list)

    def condition(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Paren):
            return f"({self.condition(node.this)})"
        if isinstance(node, exp.Not):
            return f"NOT ({self.condition(node.this)})"
        if isinstance(node, exp.And | exp.Or):
            join = "AND" if isinstance(node, exp.And) else "OR"
            return f"({self.condition(node.left)} {join} {self.condition(node.right)})"
        sql = self._predicate(node)
        return f"NOT ({sql})" if node.args.get("negate") else sql

    def _predicate(self, node: exp.Expr) -> str:
        if type(node) in _COMPARISONS:
            return self._comparison(node, _COMPARISONS[type(node)])
        column = self._column(node.this)
        if isinstance(node, exp.In) and node.expressions:
            literals = ", ".join([self._literal(item, node.this) for item in node.expressions])
            return f"{column} IN ({literals})"
        if isinstance(node, exp.Between):
            low, high = node.args["low"], node.args["high"]
            first = self._literal(low, node.this)
            return f"{column} BETWEEN {first} AND {self._literal(high, node.this)}"
        if isinstance(node, exp.Like):
            self.parameters.append(self._text(node.expression))
            return f"{column} LIKE ?"
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return f"{column} IS NULL"
        raise self._unsupported()

    def _comparison(self, node: exp.Expr, operator: str) -> str:
        if isinstance(node.this, exp.Column):
            column, literal = node.this, node.expression
        else:
            column, literal = node.expression, node.this
            operator = _MIRRORED[operator]
        return f"{self._column(column)} {operator} {self._literal(literal, column)}"

    def _column(self, node: exp.Expr) -> str:
        number, _ = self._key(node)
        reading, _ = self._type(node)
        # A path parameter would do as well, but the number comes from us.
        return reading.format(f"NULLIF(json_extract(vals, '$[{number}]'), '{NULL_VALUE}')")

    def _literal(self, node: exp.Expr, column: exp.Expr) -> str:
        _, parse = self._type(column)
        text = self._text(node)
        try:
            self.parameters.append(parse(text))
        except ValueError as error:
            kind = self._key(column)[1]["Type"]
            raise invalid(f"{text!r} is not a {kind}, in {self.expression!r}.") from error
        return "?"

    def _text(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Cast):  # date '2024-01-02'
            node = node.this
        if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
            return f"-{node.this.this}"
        if isinstance(node, exp.Literal):
            return str(node.this)
        raise self._unsupported()

    def _key(self, node: exp.Expr) -> tuple[int, dict[str, str]]:
        if not isinstance(node, exp.Column):
            raise self._unsupported()
        known = self.keys.get(node.name.lower())
        if known is None:
            raise invalid(f"{node.name!r} is not a partition key, in {self.expression!r}.")
        return known

    def _type(self, node: exp.Expr) -> tuple[str, Callable[[str], Any]]:
        kind = self._key(node)[1].get("Type", "string").lower().partition("(")[0].strip()
        if kind not in _TYPES:
            raise invalid(f"Partitions cannot be filtered by a key of type {kind}.")
        return _TYPES[kind]

    def _unsupported(self) -> AwsError:
        return invalid(f"Unsupported expression {self.expression!r}.")
