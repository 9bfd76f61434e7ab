"""The statements that the local Athena knows, each with what its text says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar, dataclass_transform

DDL, DML, UTILITY = "DDL", "DML", "UTILITY"


@dataclass(frozen=True)
class Statement:
    """Any statement; its type and subtype are what GetQueryExecution shows."""

    type: ClassVar[str] = UTILITY
    subtype: ClassVar[str] = ""


One = TypeVar("One", bound=Statement)


@dataclass_transform(frozen_default=True)
def _statement(kind: str, subtype: str) -> Callable[[type[One]], type[One]]:
    """Return what makes a frozen dataclass of a class, with its type and subtype."""

    def made(cls: type[One]) -> type[One]:
        cls.type, cls.subtype = kind, subtype
        return dataclass(frozen=True)(cls)

    return made


@dataclass(frozen=True)
class TableName:
    """A table, in the database of the query's context where it names none."""

    name: str
    database: str | None = None


@_statement(DML, "SELECT")
class Select(Statement):
    """A query for its rows."""

    query: str = ""
    parameters: tuple[str, ...] = ()


@_statement(DML, "EXECUTE")
class Execute(Statement):
    """A prepared statement to be run with these parameters."""

    name: str = ""
    parameters: tuple[str, ...] = ()


@_statement(UTILITY, "EXPLAIN")
class Explain(Statement):
    """A query for its plan."""

    query: str = ""


@_statement(DDL, "CREATE_TABLE_AS_SELECT")
class CreateTableAs(Statement):
    """A new table of the rows of a query."""

    table: TableName
    query: str
    properties: dict[str, str | list[str]] = field(default_factory=dict)
    if_not_exists: bool = False
    with_data: bool = True


@_statement(DML, "INSERT")
class Insert(Statement):
    """The rows of a query for a table that exists."""

    table: TableName
    query: str
    columns: tuple[str, ...] = ()


@_statement(DML, "UNLOAD")
class Unload(Statement):
    """The rows of a query as files at a location."""

    query: str
    location: str
    properties: dict[str, str | list[str]] = field(default_factory=dict)


@_statement(DDL, "CREATE_VIEW")
class CreateView(Statement):
    """A query under a name."""

    table: TableName
    query: str
    replace: bool = False


@_statement(DDL, "CREATE_TABLE")
class CreateTable(Statement):
    """A table over objects that exist: columns are (name, type, comment)."""

    table: TableName
    columns: tuple[tuple[str, str, str | None], ...]
    partition_keys: tuple[tuple[str, str, str | None], ...] = ()
    location: str | None = None
    comment: str | None = None
    serde: str | None = None
    stored_as: str | None = None
    serde_properties: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    if_not_exists: bool = False


@_statement(DDL, "DROP_TABLE")
class Drop(Statement):
    """A table or view to be dropped."""

    table: TableName
    is_view: bool = False
    if_exists: bool = False


@_statement(DDL, "CREATE_DATABASE")
class CreateDatabase(Statement):
    """A new database."""

    name: str
    if_not_exists: bool = False
    comment: str | None = None
    location: str | None = None
    properties: dict[str, str] = field(default_factory=dict)


@_statement(DDL, "DROP_DATABASE")
class DropDatabase(Statement):
    """A database to be dropped; with its tables where `cascade` says so."""

    name: str
    if_exists: bool = False
    cascade: bool = False


@_statement(DDL, "MSCK_REPAIR_TABLE")
class RepairTable(Statement):
    """Partitions to be registered as they lie in S3."""

    table: TableName


@dataclass(frozen=True)
class PartitionSpec:
    """One PARTITION (k = 'v', …), with its LOCATION if it has one."""

    values: dict[str, str]
    location: str | None = None


@_statement(DDL, "ALTER_TABLE_ADD_PARTITION")
class AddPartitions(Statement):
    """Partitions to be registered."""

    table: TableName
    partitions: tuple[PartitionSpec, ...]
    if_not_exists: bool = False


@_statement(DDL, "ALTER_TABLE_DROP_PARTITION")
class DropPartitions(Statement):
    """Partitions to be forgotten; their objects stay."""

    table: TableName
    partitions: tuple[PartitionSpec, ...]
    if_exists: bool = False


@_statement(DDL, "ALTER_TABLE_ADD_COLUMNS")
class AddColumns(Statement):
    """Columns to be added to a table."""

    table: TableName
    columns: tuple[tuple[str, str, str | None], ...]


@_statement(DDL, "ALTER_TABLE_SET_PROPERTIES")
class SetProperties(Statement):
    """Properties to be set on a table."""

    table: TableName
    properties: dict[str, str]


@_statement(UTILITY, "SHOW")
class Show(Statement):
    """SHOW of something: its kind, and what it is asked of."""

    what: str
    table: TableName | None = None
    database: str | None = None
    pattern: str | None = None


@_statement(UTILITY, "DESCRIBE_TABLE")
class Describe(Statement):
    """DESCRIBE of a table."""

    table: TableName
    style: str = ""
    """FORMATTED or EXTENDED, for what the catalog says of the table besides its columns."""
