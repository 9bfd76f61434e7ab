"""The translation's centre: it hands each node of the tree to the one function that knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn, Protocol

from sqlglot import exp

from localaws.athena.errors import MalformedQueryError, Position, QueryError, not_supported
from localaws.athena.sql.model import Expr, Query, Scan, Scope, Table, Use
from localaws.athena.sql.reading import Source


class Tables(Protocol):
    """Where the translation looks tables up."""

    def table(self, database: str, name: str) -> Table | None:
        """Return a table or view, or None where the database has none of that name."""

    def has_database(self, database: str) -> bool:
        """Return whether the catalog knows `database`."""


Handler = Callable[["Translator", exp.Expr, Scope], Expr]
QueryHandler = Callable[["Translator", exp.Expr, Scope], Query]

_EXPRESSIONS: dict[type[exp.Expr], Handler] = {}
_QUERIES: dict[type[exp.Expr], QueryHandler] = {}
_MAX_DEPTH = 150


def translates(*kinds: type[exp.Expr]) -> Callable[[Handler], Handler]:
    """Register a function as the one that translates expressions of these kinds."""

    def register(handler: Handler) -> Handler:
        _EXPRESSIONS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


def translates_query(*kinds: type[exp.Expr]) -> Callable[[QueryHandler], QueryHandler]:
    """Register a function as the one that translates queries of these kinds."""

    def register(handler: QueryHandler) -> QueryHandler:
        _QUERIES.update(dict.fromkeys(kinds, handler))
        return handler

    return register


class Translator:
    """The translation of one statement: its scans, and what it has seen so far."""

    def __init__(self, source: Source, tables: Tables) -> None:
        self.source = source
        self.tables = tables
        self.scans: list[Scan] = []
        self.seen: dict[int, Expr] = {}
        """The translation of each node by its id, for the rules of GROUP BY."""
        self.calls: list[tuple[str, exp.Expr]] = []
        """The aggregations and window functions of the query at hand, with their kind."""
        self._names = 0
        self._depth = 0

    def expression(self, node: exp.Expr, scope: Scope) -> Expr:
        """Return the translation of an expression; QueryError where Trino would refuse it."""
        handler = _EXPRESSIONS.get(type(node))
        if handler is None:
            self.refuse(node)
        with self._deeper(node):
            found = handler(self, node, scope)
        self.seen[id(node)] = found
        return found

    def expressions(self, nodes: Iterable[exp.Expr], scope: Scope) -> list[Expr]:
        """Return the translations of several expressions."""
        return [self.expression(node, scope) for node in nodes]

    def query(self, node: exp.Expr, scope: Scope) -> Query:
        """Return the translation of a query; `scope` is what surrounds it."""
        handler = _QUERIES.get(type(node))
        if handler is None:
            self.refuse(node)
        outer, self.calls = self.calls, []
        try:
            with self._deeper(node):
                return handler(self, node, scope)
        finally:
            self.calls = outer

    def new_name(self) -> str:
        """Return a name for a relation that no other one has."""
        self._names += 1
        return f"r{self._names}"

    def read(self, *expressions: Expr) -> None:
        """Note that the answer depends on these expressions."""
        self.read_uses(use for expression in expressions for use in expression.uses)

    def read_uses(self, uses: Iterable[Use]) -> None:
        """Note that the answer depends on these columns."""
        for scan, column in uses:
            scan.reads.add(column)

    @contextmanager
    def from_source(self, source: Source) -> Iterator[None]:
        """Translate another text for a while: that of a view."""
        outer, self.source = self.source, source
        try:
            yield
        finally:
            self.source = outer

    def start(self, node: exp.Expr) -> Position | None:
        """Return where a node begins in the text."""
        return self.source.start(node)

    def fail(self, code: str, message: str, node: exp.Expr) -> NoReturn:
        """Refuse the statement because of `node`, in Trino's words."""
        raise QueryError(code, message, self.start(node))

    def allow(self, node: exp.Expr, *known: str) -> None:
        """Refuse a node that carries more than the parts that the caller reads."""
        extra = [name for name, value in node.args.items() if value and name not in known]
        if extra:
            self.refuse(node, extra[0].rstrip("_").upper())

    def refuse(self, node: exp.Expr, part: str | None = None) -> NoReturn:
        """Refuse what is not part of Trino's grammar, or not of what is translated."""
        what = part or type(node).__name__
        if isinstance(node, _FOREIGN):
            raise MalformedQueryError(
                f"mismatched input: {what} is not SQL of Athena", self.start(node)
            )
        raise not_supported(what, self.start(node))

    @contextmanager
    def _deeper(self, node: exp.Expr) -> Iterator[None]:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self.fail("STACK_OVERFLOW", "The statement is nested too deeply", node)
        try:
            yield
        finally:
            self._depth -= 1


_FOREIGN = (exp.Parameter, exp.Slice, exp.Comprehension, exp.JSONExtract, exp.Struct)
"""What other dialects write and Trino does not know."""
