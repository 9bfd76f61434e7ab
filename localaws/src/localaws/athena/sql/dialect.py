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
WORDS = "words"
"""The words between the arguments of a call: substring(x FROM 1 FOR 2)."""

_FUNCTIONS_WITH_SYNTAX = ("CAST", "TRY_CAST", "EXTRACT", "LISTAGG")


class TypedLiteral(exp.Expression):
    """A literal with its type before it: DATE '2024-01-02'."""

    arg_types: ClassVar = {"this": True, "to": True}


class Plus(exp.Unary):
    """A number with a plus before it."""


def _typed_literal(parser: TrinoParser, this: exp.Expr, kind: exp.DataType) -> exp.Expr:
    return parser.expression(TypedLiteral(this=this, to=kind))


class StrictParser(TrinoParser):
    """Reads a function as its name and arguments, so that no dialect's meaning slips in."""

    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        **{name: TrinoParser.FUNCTION_PARSERS[name] for name in _FUNCTIONS_WITH_SYNTAX},
        "SUBSTRING": lambda self: self._parse_call("substring", ("FROM", "FOR")),
        "POSITION": lambda self: self._parse_call("position", ("IN",)),
        "TRIM": lambda self: self._parse_trim_call(),
    }
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        "CASE": TrinoParser.NO_PAREN_FUNCTION_PARSERS["CASE"]
    }
    TYPE_LITERAL_PARSERS = dict.fromkeys(exp.DType, _typed_literal)
    ZONE_AWARE_TIMESTAMP_CONSTRUCTOR = False

    def _values_to_select(self, values: exp.Values) -> Any:
        """Leave VALUES as it stands: what was read is compared with what was written."""
        return values

    def _parse_primary(self) -> exp.Expr | None:
        """Read .5 as it is written."""
        if self._match_pair(TokenType.DOT, TokenType.NUMBER):
            return exp.Literal.number(f".{self._prev.text}")
        return super()._parse_primary()

    def _parse_unary(self) -> exp.Expr | None:
        """Read +x as what it is, a number with its sign written out."""
        if self._match(TokenType.PLUS):
            return self.expression(Plus(this=self._parse_unary()))
        return super()._parse_unary()

    def _parse_call(self, name: str, words: tuple[str, ...]) -> exp.Expr:
        """Read a call whose arguments may have words between them instead of commas."""
        arguments = [self._parse_bitwise()]
        spoken = []
        for word in words:
            if self._match_text_seq(word):
                spoken.append(word)
                arguments.append(self._parse_bitwise())
        while not spoken and self._match(TokenType.COMMA):
            arguments.append(self._parse_disjunction())
        call = self.expression(exp.Anonymous(this=name, expressions=arguments))
        call.meta[WORDS] = spoken
        return call

    def _parse_trim_call(self) -> exp.Expr:
        """Read TRIM([BOTH] [x FROM] y), or trim(y, x)."""
        position = self._prev.text.upper() if self._match_texts(self.TRIM_TYPES) else None
        source = None if self._match(TokenType.FROM, advance=False) else self._parse_bitwise()
        characters, words = None, [position] if position else []
        if self._match(TokenType.FROM):
            characters, source = source, self._parse_bitwise()
            words.append("FROM")
        elif not position and self._match(TokenType.COMMA):
            characters = self._parse_bitwise()
        call = self.expression(exp.Trim(this=source, position=position, expression=characters))
        call.meta[WORDS] = words
        return call

    def _parse_value(self, values: bool = True) -> exp.Tuple | None:
        """Read a row of VALUES, and note where it has no parentheses around it."""
        bare = self._curr is not None and self._curr.token_type is not TokenType.L_PAREN
        row = super()._parse_value(values)
        if row is not None and bare:
            row.meta[BARE] = True
        return row


class StrictGenerator(TrinoGenerator):
    """Writes back what was read, without the rewriting that other engines need."""

    TRANSFORMS = (
        {
            kind: write
            for kind, write in TrinoGenerator.TRANSFORMS.items()
            if kind not in (exp.AtTimeZone, exp.Cast, exp.GroupConcat, exp.Select, exp.Trim)
        }
        | {Plus: lambda self, e: f"+{self.sql(e, 'this')}"}
        | {TypedLiteral: lambda self, e: f"{self.sql(e, 'to')} {self.sql(e, 'this')}"}
    )

    def anonymous_sql(self, expression: exp.Anonymous) -> str:
        """Write a call as it was written: its name in quotes, words between its arguments."""
        arguments = [self.sql(argument) for argument in expression.expressions]
        name = self.sql(expression, "this")
        words = expression.meta.get(WORDS)
        if words:
            rest = (f"{word} {a}" for word, a in zip(words, arguments[1:], strict=True))
            return f"{name}({' '.join([arguments[0], *rest])})"
        return f"{name}({', '.join(arguments)})"

    def trim_sql(self, expression: exp.Trim) -> str:
        """Write TRIM with the words or the comma that it had."""
        source, characters = self.sql(expression, "this"), self.sql(expression, "expression")
        words = expression.meta.get(WORDS, [])
        if "FROM" not in words:
            inside = f"{source}, {characters}" if characters else source
            return f"TRIM({' '.join([*words, inside])})"
        before = [word for word in words if word != "FROM"]
        return f"TRIM({' '.join([*before, *filter(None, [characters]), 'FROM', source])})"

    def groupconcat_sql(self, expression: exp.GroupConcat) -> str:
        """Write LISTAGG with the separator that it had, or none."""
        order = expression.this
        separator = self.sql(expression, "separator")
        inside = ", ".join(filter(None, [self.sql(order, "this"), separator]))
        overflow = self.sql(expression, "on_overflow")
        tail = f" ON OVERFLOW {overflow}" if overflow else ""
        keys = ", ".join(self.sql(key) for key in order.expressions)
        return f"LISTAGG({inside}{tail}) WITHIN GROUP (ORDER BY {keys})"

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
