"""A statement read as Trino reads it: by sqlglot, and refused where sqlglot is more lenient.

sqlglot understands many dialects at once, so it also reads what Athena refuses. What it has
understood is therefore written back as Trino, and compared with the statement, token by token.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, TokenError
from sqlglot.generators.trino import TrinoGenerator
from sqlglot.parsers.trino import TrinoParser
from sqlglot.tokenizer_core import Token, TokenType

from localaws.athena.errors import MalformedQueryError, Position
from localaws.athena.sql.dialect import StrictTrino

MOST_TOKENS = 20_000
"""Of a statement: ten thousand terms take seconds to read, and more of them to plan."""

_NOISE_WORDS = "AS NOT ASC INNER OUTER NULLS FIRST LAST ROW ROWS ONLY NEXT ALL DISTINCT"
_NOISE = frozenset(_NOISE_WORDS.split())
"""Words that Trino lets out or moves without a change of meaning.

What ALL and DISTINCT say stays in the tree; here they only stand in different places.
"""
_RESERVED_WORDS = """
ALTER AND AS BETWEEN BY CASE CAST CONSTRAINT CREATE CROSS CUBE CURRENT_DATE CURRENT_TIME
CURRENT_TIMESTAMP CURRENT_USER DEALLOCATE DELETE DESCRIBE DISTINCT DROP ELSE END ESCAPE EXCEPT
EXECUTE EXISTS EXTRACT FALSE FOR FROM FULL GROUP GROUPING HAVING IN INNER INSERT INTERSECT INTO IS
JOIN LEFT LIKE LISTAGG LOCALTIME LOCALTIMESTAMP NATURAL NORMALIZE NOT NULL ON OR ORDER OUTER PREPARE
RECURSIVE RIGHT ROLLUP SELECT SKIP TABLE THEN TRIM TRUE UESCAPE UNION UNNEST USING VALUES WHEN WHERE
WITH
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())
_NO_NAMES = (TokenType.COMMA, TokenType.R_PAREN, TokenType.FROM)
_SAME = {"!=": "<>", "INT": "INTEGER", "SOME": "ANY"}
_KEYWORDS: dict[type[exp.Expr], tuple[str, ...]] = {
    exp.Cast: ("CAST",),
    exp.TryCast: ("TRY_CAST",),
    exp.Case: ("CASE",),
    exp.Extract: ("EXTRACT",),
    exp.Interval: ("INTERVAL",),
    exp.Exists: ("EXISTS",),
    exp.Array: ("ARRAY",),
}
"""Expressions that begin with a word of which sqlglot does not keep the place."""


@dataclass(frozen=True)
class Source:
    """The text of a statement, and the places of its tokens."""

    text: str
    tokens: tuple[Token, ...]
    starts: tuple[int, ...] = field(repr=False)

    def position(self, offset: int) -> Position:
        """Return line and column of an offset into the text."""
        return Position(
            self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)
        )

    def start(self, node: exp.Expr) -> Position | None:
        """Return where `node` begins, or None where sqlglot has not kept it."""
        offset = self._offset(node)
        return None if offset is None else self.position(offset)

    def _offset(self, node: exp.Expr) -> int | None:
        keywords = _KEYWORDS.get(type(node))
        if keywords is None:
            offsets = [part.meta["start"] for part in node.walk() if "start" in part.meta]
            children = [self._offset(part) for part in node.find_all(*_KEYWORDS)]
            return min([*offsets, *filter(None, children)], default=None)
        inside = [self._offset(part) for part in node.iter_expressions()]
        before = min(filter(None, inside), default=len(self.text))
        at = bisect_left(self.starts, before) - 1
        while at >= 0 and self.tokens[at].text.upper() not in keywords:
            at -= 1
        return self.starts[at] if at >= 0 else None

    def operator(self, node: exp.Expr, symbol: str) -> Position | None:
        """Return where the operator of a binary `node` stands: after its left side."""
        ends = [part.meta["end"] for part in node.this.walk() if "end" in part.meta]
        at = bisect_left(self.starts, max(ends, default=-1) + 1)
        for token in self.tokens[at:]:
            if _SAME.get(token.text, token.text) == symbol:
                return self.position(token.start)
        return self.start(node)


def tokenize(text: str) -> Source:
    """Return a statement's tokens, without the semicolon at its end."""
    try:
        tokens = StrictTrino().tokenize(text)
    except TokenError as error:
        raise MalformedQueryError(str(error).partition("\n")[0], Position(1, 1)) from error
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    if len(tokens) > MOST_TOKENS:  # stricter than Athena, which stops at 262,144 bytes
        message = f"The statement has {len(tokens):,} words and signs, and {MOST_TOKENS:,} are read"
        raise MalformedQueryError(message, Position(1, 1))
    return Source(text, tuple(tokens), tuple(token.start for token in tokens))


def read_query(text: str) -> tuple[exp.Expr, Source]:
    """Return the query that `text` is, with its source; MalformedQueryError where it is none."""
    source = tokenize(text)
    if not source.tokens:
        raise MalformedQueryError("mismatched input '<EOF>'. Expecting: <query>", Position(1, 1))
    tree = _parse(source)
    if not isinstance(tree, exp.Query | exp.Values):
        raise _mismatch(source, source.tokens[0], "<query>")
    return tree, source


def read_expression(text: str) -> tuple[exp.Expr, Source]:
    """Return the expression that `text` is: a parameter of a query, for example."""
    prefix = "SELECT "
    query, source = read_query(prefix + text)
    items = query.expressions
    if (
        set(query.args) - {"expressions"} & {k for k, v in query.args.items() if v}
        or len(items) != 1
    ):
        raise MalformedQueryError(f"mismatched input '{text}'. Expecting: <expression>")
    return items[0], source


def _parse(source: Source) -> exp.Expr:
    parser = cast("TrinoParser", StrictTrino().parser(error_level=ErrorLevel.IMMEDIATE))
    try:
        trees = parser.parse(list(source.tokens), source.text)
        tree = trees[0] if len(trees) == 1 else None
        if tree is None:
            raise _mismatch(source, _second_statement(source), "<EOF>")
        _check_echo(source, tree)
    except ParseError as error:
        raise _from_parse_error(source, error) from error
    except RecursionError as error:  # types go deeper into the stack when they are written
        raise MalformedQueryError("The statement is nested too deeply", Position(1, 1)) from error
    return tree


def _second_statement(source: Source) -> Token:
    return next(t for t in source.tokens if t.token_type is TokenType.SEMICOLON)


def _check_echo(source: Source, tree: exp.Expr) -> None:
    """Refuse a statement that sqlglot understood by changing it."""
    generator = cast(
        "TrinoGenerator",
        StrictTrino().generator(comments=False, unsupported_level=ErrorLevel.IGNORE),
    )
    written = StrictTrino().tokenize(generator.generate(tree, copy=True))
    echoed = [word for word, _ in _words(written)]
    said = list(_words(source.tokens))
    for at, (word, token) in enumerate(said):
        if at >= len(echoed) or echoed[at] != word:
            raise _mismatch(source, token)
    _check_names(source, tree)
    if len(echoed) > len(said):
        raise MalformedQueryError("mismatched input '<EOF>'", source.position(len(source.text)))


def _check_names(source: Source, tree: exp.Expr) -> None:
    """Refuse reserved words as names, and AS without a name behind it."""
    for name in tree.find_all(exp.Identifier):
        if not name.quoted and name.name.upper() in _RESERVED and "start" in name.meta:
            at = bisect_left(source.starts, name.meta["start"])
            raise _mismatch(source, source.tokens[at])
    for token, following in zip(source.tokens, (*source.tokens[1:], None), strict=True):
        ends = following is None or following.token_type in _NO_NAMES
        if token.token_type is TokenType.ALIAS and ends:
            raise _mismatch(source, token)


def _words(tokens: tuple[Token, ...] | list[Token]) -> Iterator[tuple[str, Token]]:
    """Yield the words that carry meaning, in one spelling."""
    for token in tokens:
        kind = token.token_type
        if kind in (TokenType.STRING, TokenType.IDENTIFIER, TokenType.HEX_STRING):
            yield f"{kind.name}:{token.text}", token
            continue
        for word in token.text.upper().split():
            if word not in _NOISE:
                yield _SAME.get(word, word), token


def _from_parse_error(source: Source, error: ParseError) -> MalformedQueryError:
    details: dict[str, Any] = error.errors[0] if error.errors else {}
    word = details.get("highlight")
    line, column = details.get("line"), details.get("col")
    for token in source.tokens:
        if word and (token.line, token.col) == (line, column):
            return _mismatch(source, token)
    return MalformedQueryError("mismatched input '<EOF>'", source.position(len(source.text)))


def _mismatch(source: Source, token: Token, expecting: str | None = None) -> MalformedQueryError:
    hint = f". Expecting: {expecting}" if expecting else ""
    shown = source.text[token.start : token.end + 1]
    return MalformedQueryError(f"mismatched input '{shown}'{hint}", source.position(token.start))
