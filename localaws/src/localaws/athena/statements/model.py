"""The statements that the local Athena knows, each with what its text says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

DDL, DML, UTILITY = "DDL", "DML", "UTILITY"


@dataclass(frozen=True)
class Statement:
    """Any statement; its type and subtype are what GetQueryExecution shows."""

    type: ClassVar[str] = UTILITY
    subtype: ClassVar[str] = ""


@dataclass(frozen=True)
class TableName:
    """A table, in the database of the query's context where it names none."""

    name: str
    database: str | None = None


@dataclass(frozen=True)
class Select(Statement):
    """A query for its rows."""

    type = DML
    subtype = "SELECT"
    query: str = ""
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Execute(Statement):
    """A prepared statement to be run with these parameters."""

    type = DML
    subtype = "EXECUTE"
    name: str = ""
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explain(Statement):
    """A query for its plan."""

    subtype = "EXPLAIN"
    query: str = ""


@dataclass(frozen=True)
class CreateTableAs(Statement):
    """A new table of the rows of a query."""

    type = DDL
    subtype = "CREATE_TABLE_AS_SELECT"
    table: TableName
    query: str
    properties: dict[str, str | list[str]] = field(default_factory=dict)
    if_not_exists: bool = False
    with_data: bool = True


@dataclass(frozen=True)
class Insert(Statement):
    """The rows of a query for a table that exists."""

    type = DML
    subtype = "INSERT"
    table: TableName
    query: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unload(Statement):
    """The rows of a query as files at a location."""

    type = DML
    subtype = "UNLOAD"
    query: str
    location: str
    properties: dict[str, str | list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class CreateView(Statement):
    """A query under a name."""

    type = DDL
    subtype = "CREATE_VIEW"
    table: TableName
    query: str
    replace: bool = False


@dataclass(frozen=True)
class CreateTable(Statement):
    """A table over objects that exist: columns are (name, type, comment)."""

    type = DDL
    subtype = "CREATE_TABLE"
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


@dataclass(frozen=True)
class Drop(Statement):
    """A table or view to be dropped."""

    type = DDL
    subtype = "DROP_TABLE"
    table: TableName
    is_view: bool = False
    if_exists: bool = False


@dataclass(frozen=True)
class CreateDatabase(Statement):
    """A new database."""

    type = DDL
    subtype = "CREATE_DATABASE"
    name: str
    if_not_exists: bool = False
    comment: str | None = None
    location: str | None = None
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DropDatabase(Statement):
    """A database to be dropped; with its tables where `cascade` says so."""

    type = DDL
    subtype = "DROP_DATABASE"
    name: str
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True)
class RepairTable(Statement):
    """Partitions to be registered as they lie in S3."""

    type = DDL
    subtype = "MSCK_REPAIR_TABLE"
    table: TableName


@dataclass(frozen=True)
class PartitionSpec:
    """One PARTITION (k = 'v', …), with its LOCATION if it has one."""

    values: dict[str, str]
    location: str | None = None


@dataclass(frozen=True)
class AddPartitions(Statement):
    """Partitions to be registered."""

    type = DDL
    subtype = "ALTER_TABLE_ADD_PARTITION"
    table: TableName
    partitions: tuple[PartitionSpec, ...]
    if_not_exists: bool = False


@dataclass(frozen=True)
class DropPartitions(Statement):
    """Partitions to be forgotten; their objects stay."""

    type = DDL
    subtype = "ALTER_TABLE_DROP_PARTITION"
    table: TableName
    partitions: tuple[PartitionSpec, ...]
    if_exists: bool = False


@dataclass(frozen=True)
class AddColumns(Statement):
    """Columns to be added to a table."""

    type = DDL
    subtype = "ALTER_TABLE_ADD_COLUMNS"
    table: TableName
    columns: tuple[tuple[str, str, str | None], ...]


@dataclass(frozen=True)
class SetProperties(Statement):
    """Properties to be set on a table."""

    type = DDL
    subtype = "ALTER_TABLE_SET_PROPERTIES"
    table: TableName
    properties: dict[str, str]


@dataclass(frozen=True)
class Show(Statement):
    """SHOW of something: its kind, and what it is asked of."""

    subtype = "SHOW"
    what: str
    table: TableName | None = None
    database: str | None = None
    pattern: str | None = None


@dataclass(frozen=True)
class Describe(Statement):
    """DESCRIBE of a table."""

    subtype = "DESCRIBE_TABLE"
    table: TableName
    style: str = ""
    """FORMATTED or EXTENDED, for what the catalog says of the table besides its columns."""
