"""The Trino that sqlglot shall read: functions stay as they are called, nothing is rewritten."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.generators.trino import TrinoGenerator
from sqlglot.parsers.trino import TrinoParser
from sqlglot.tokenizer_core import TokenType

BARE = "bare"
"""Marks a row of VALUES without parentheses: VALUES 1, 2."""

_FUNCTIONS_WITH_SYNTAX = ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "LISTAGG")


class TypedLiteral(exp.Expression):
    """A literal with its type before it: DATE '2024-01-02'."""

    arg_types: ClassVar = {"this": True, "to": True}


def _typed_literal(parser: TrinoParser, this: exp.Expr, kind: exp.DataType) -> exp.Expr:
    return parser.expression(TypedLiteral(this=this, to=kind))


class StrictParser(TrinoParser):
    """Reads a function as its name and arguments, so that no dialect's meaning slips in."""

    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        name: TrinoParser.FUNCTION_PARSERS[name] for name in _FUNCTIONS_WITH_SYNTAX
    }
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        "CASE": TrinoParser.NO_PAREN_FUNCTION_PARSERS["CASE"]
    }
    TYPE_LITERAL_PARSERS = dict.fromkeys(exp.DType, _typed_literal)
    ZONE_AWARE_TIMESTAMP_CONSTRUCTOR = False

    def _parse_value(self, values: bool = True) -> exp.Tuple | None:
        """Read a row of VALUES, and note where it has no parentheses around it."""
        bare = self._curr is not None and self._curr.token_type is not TokenType.L_PAREN
        row = super()._parse_value(values)
        if row is not None and bare:
            row.meta[BARE] = True
        return row


class StrictGenerator(TrinoGenerator):
    """Writes back what was read, without the rewriting that other engines need."""

    TRANSFORMS = {
        kind: write
        for kind, write in TrinoGenerator.TRANSFORMS.items()
        if kind not in (exp.AtTimeZone, exp.Cast, exp.Select)
    } | {TypedLiteral: lambda self, e: f"{self.sql(e, 'to')} {self.sql(e, 'this')}"}

    def tuple_sql(self, expression: exp.Tuple) -> str:
        row = self.expressions(expression, flat=True)
        return row if expression.meta.get(BARE) else f"({row})"

    def windowspec_sql(self, expression: exp.WindowSpec) -> str:
        """Write a frame with one bound as the one bound that it was."""
        start = f"{self.sql(expression, 'start')} {self.sql(expression, 'start_side')}"
        kind = self.sql(expression, "kind")
        end = f"{self.sql(expression, 'end')} {self.sql(expression, 'end_side')}".strip()
        return f"{kind} BETWEEN {start} AND {end}" if end else f"{kind} {start}"


class StrictTrino(Trino):
    """Trino as Athena reads it: arrays count from 1 in the tree as well."""

    INDEX_OFFSET = 0

    class Parser(StrictParser):
        """The parser of this dialect."""

    class Generator(StrictGenerator):
        """The generator of this dialect."""
