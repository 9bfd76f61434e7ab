"""What the translation speaks of: expressions with types, fields, scopes, scans of tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from localaws.athena.sql.types import Type


@dataclass(frozen=True)
class Column:
    """A column of a table: its name in lower case, its type, and that type as Hive writes it."""

    name: str
    type: Type
    hive: str
    comment: str | None = None


@dataclass(frozen=True)
class Table:
    """A table or view of the Data Catalog, as far as SQL sees it."""

    database: str
    name: str
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...] = ()
    view_sql: str | None = None
    """The text of the query that a view stands for."""

    @property
    def is_view(self) -> bool:
        return self.view_sql is not None

    @property
    def all_columns(self) -> tuple[Column, ...]:
        return self.columns + self.partition_keys


@dataclass(eq=False)
class Scan:
    """One mention of a table: what is read of it, and of which of its partitions.

    `columns` appear in the SQL; the values of `reads` decide the answer. The two differ
    where a subquery yields a column that nobody asks for.
    """

    name: str
    table: Table
    columns: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    predicates: list[str] = field(default_factory=list)
    """Conditions in DuckDB's SQL on the partition keys alone; a partition must meet all."""
    expressions: list[str] = field(default_factory=list)
    """Those of them that Glue's GetPartitions understands, in its own grammar."""


Use = tuple[Scan, str]
NO_USES: frozenset[Use] = frozenset()


@dataclass(frozen=True)
class Expr:
    """An expression in DuckDB's SQL with its type in Trino."""

    sql: str
    type: Type
    uses: frozenset[Use] = NO_USES
    """The columns of tables that its value depends on."""
    origins: tuple[Use, ...] = ()
    """The partition keys whose value this is, unchanged: filters on it choose partitions."""
    literal: bool = False

    def typed(self, sql: str, kind: Type) -> Expr:
        """Return an expression computed from this one alone."""
        return Expr(sql, kind, self.uses)


def all_uses(expressions: Iterable[Expr]) -> frozenset[Use]:
    """Return the columns that any of `expressions` depends on."""
    return frozenset().union(*(expression.uses for expression in expressions))


@dataclass(frozen=True)
class Field:
    """A column of a relation: its name, what may stand before the name, and its value."""

    name: str | None
    qualifier: tuple[str, ...]
    expr: Expr
    hidden: bool = False
    """Left out by `*`, such as "$path"."""

    def answers(self, parts: tuple[str, ...]) -> bool:
        """Return whether the name `parts`, in lower case, means this field."""
        *before, name = parts
        if self.name is None or self.name.lower() != name or len(before) > len(self.qualifier):
            return False
        return not before or self.qualifier[-len(before) :] == tuple(before)

    def nullable(self) -> Field:
        """Return this field on the side of an outer join that may be missing.

        A condition on it then also decides about the other side's rows, so that it must not
        choose partitions.
        """
        return replace(self, expr=replace(self.expr, origins=()))


@dataclass(frozen=True)
class Relation:
    """What stands behind FROM: SQL and the fields that it makes visible."""

    sql: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Output:
    """A column of a query's result; in the SQL its place names it: c0, c1 and so on."""

    name: str | None
    expr: Expr


@dataclass(frozen=True)
class Query:
    """A query in DuckDB's SQL, whose columns are called c0, c1 and so on."""

    sql: str
    outputs: tuple[Output, ...]


@dataclass(frozen=True)
class Cte:
    """A named subquery of a WITH clause."""

    sql_name: str
    outputs: tuple[Output, ...]
    prunable: bool
    """Whether it is mentioned once only, so that a filter there may choose its partitions."""


@dataclass(frozen=True)
class Scope:
    """The names that an expression may use."""

    fields: tuple[Field, ...] = ()
    parent: Scope | None = None
    ctes: Mapping[str, Cte] = field(default_factory=dict)
    windows: Mapping[str, exp.Window] = field(default_factory=dict)
    lambdas: Mapping[str, Expr] = field(default_factory=dict)
    aliases: Mapping[str, Expr] = field(default_factory=dict)
    """The outputs by name, for ORDER BY, where they go before the fields."""
    views: tuple[str, ...] = ()
    """The views being unfolded, outermost first."""
    database: str = ""

    def inside(self, fields: tuple[Field, ...]) -> Scope:
        """Return the scope of a subquery here that itself reads `fields`."""
        return Scope(
            fields, self, self.ctes, lambdas=self.lambdas, views=self.views, database=self.database
        )


def output_name(position: int) -> str:
    """Return the SQL name of the output at `position`."""
    return f"c{position}"


def quoted(name: str) -> str:
    """Return a name as DuckDB reads it, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """Return a string as a literal of DuckDB."""
    return "'" + text.replace("'", "''") + "'"
