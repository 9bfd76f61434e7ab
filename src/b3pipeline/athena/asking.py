"""A statement asked of Athena, and its answer as Athena gives it: every value a text.

What a statement needs besides boto3 is not here: `b3 query` prints these texts, and answers before
pandas would be imported. `b3pipeline.athena.query` makes frames of them.
"""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from b3pipeline.athena.sql import bind, is_query_name, load_sql
from b3pipeline.cloud.clients import Cloud
from b3pipeline.costs import athena_query_cost
from b3pipeline.errors import QueryError
from b3pipeline.language import later, say
from b3pipeline.names import BRONZE_TABLE, SILVER_TABLE
from b3pipeline.refusals import explain

Row = Sequence[str | None]
Columns = tuple[tuple[str, str], ...]

_NUMBERS = dict.fromkeys(("tinyint", "smallint", "int", "integer", "bigint"), int) | dict.fromkeys(
    ("float", "real", "double"), float
)
_VALUES: dict[str, Callable[[str], Any]] = {**_NUMBERS, "boolean": lambda text: text == "true"}
_FINAL_STATES = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
_FIRST_POLL, _GROWTH, _LAST_POLL = 0.02, 1.2, 1.0
"""Seconds between looks: a fifth of the time that the query has taken, so that little is lost."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What Athena answered, and what it counted; printed, a table.

    `columns` are names with Athena's types, such as ("close", "double"); `rows` hold texts, None
    for NULL. Where `complete` is False there are more rows, and all of them lie as CSV at
    `location`. `seconds` is Athena's own total, queueing included; `cost_usd` the list price.
    """

    columns: Columns
    rows: list[Row]
    complete: bool
    location: str
    query_id: str
    sql: str = field(repr=False)
    bytes_scanned: int
    seconds: float
    cost_usd: float

    def records(self) -> list[dict[str, Any]]:
        """Return a dict a row: numbers and booleans as such, NULL as None, all else as text."""
        read = [_VALUES.get(kind, str) for _, kind in self.columns]
        return [
            {
                name: None if text is None else value(text)
                for (name, _), value, text in zip(self.columns, read, row, strict=True)
            }
            for row in self.rows
        ]

    def to_csv(self) -> str:
        """Return names and rows as CSV; NULL is nothing."""
        text = io.StringIO()
        rows = [[name for name, _ in self.columns], *self.rows] if self.columns else []
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue()

    def __str__(self) -> str:
        """Names and rows as a table, numbers to the right."""
        shown = [["NULL" if text is None else text for text in row] for row in self.rows]
        columns = zip([name for name, _ in self.columns], *shown, strict=True)
        aligned = []
        for (_, kind), cells in zip(self.columns, columns, strict=True):
            width = max(map(len, cells))
            push = str.rjust if kind in _NUMBERS else str.ljust
            aligned.append([push(cell, width) for cell in cells])
        return "\n".join("  ".join(line).rstrip() for line in zip(*aligned, strict=True))


def ask(
    cloud: Cloud,
    sql_or_name: str,
    *,
    database: str | None = None,
    params: Mapping[str, Any] | None = None,
    most_rows: int | None = None,
    progress: Callable[..., Any] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """Return the answer to a statement that ran on the deployment's workgroup.

    As `athena.query`, which makes a frame of it. Of a query no more than `most_rows` are fetched,
    at most 999; without, all of them, a thousand with each call.
    Raises QueryError with Athena's reason where the statement is refused or fails.
    """
    text = load_sql(sql_or_name) if is_query_name(sql_or_name) else sql_or_name
    sql = bind(text, params or {})
    if not sql.strip():
        raise QueryError(
            say("the statement is empty."), hint=say("ask for something: 'SHOW TABLES'.")
        )
    try:
        query_id = _start(cloud, sql, database or cloud.config.glue_database)
        execution = _wait(cloud, query_id, progress, sleep)
        columns, rows, complete = _fetch(cloud, execution, most_rows)
    except (ClientError, BotoCoreError) as error:
        raise refused(error) from error
    statistics = execution.get("Statistics", {})
    scanned = int(statistics.get("DataScannedInBytes", 0))
    return Answer(
        columns=columns,
        rows=rows,
        complete=complete,
        location=_location(execution),
        query_id=query_id,
        sql=sql,
        bytes_scanned=scanned,
        seconds=statistics.get("TotalExecutionTimeInMillis", 0) / 1000,
        cost_usd=athena_query_cost(scanned, ddl=execution.get("StatementType") != "DML"),
    )


def _start(cloud: Cloud, sql: str, database: str) -> str:
    answer = cloud.athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": database},
        WorkGroup=cloud.config.athena_workgroup,
        # A workgroup that enforces its own place for results goes before this one.
        ResultConfiguration={"OutputLocation": f"s3://{cloud.config.athena_results_bucket}/"},
    )
    return str(answer["QueryExecutionId"])


def _wait(
    cloud: Cloud,
    query_id: str,
    progress: Callable[..., Any] | None,
    sleep: Callable[[float], None],
) -> dict[str, Any]:
    bar = progress(desc=say("query"), bar_format="{desc} {elapsed}") if progress else None
    pause = _FIRST_POLL
    try:
        while True:
            answer = cloud.athena.get_query_execution(QueryExecutionId=query_id)
            execution: dict[str, Any] = answer["QueryExecution"]
            state = execution["Status"]["State"]
            if bar is not None:
                bar.set_description_str(say("query {state}", state=state))
            if state in _FINAL_STATES:
                return _succeeded(execution)
            sleep(pause)
            pause = min(pause * _GROWTH, _LAST_POLL)
    except KeyboardInterrupt:
        # Whoever stops waiting wants the query stopped too: it would go on scanning, and cost.
        cloud.athena.stop_query_execution(QueryExecutionId=query_id)
        raise
    finally:
        if bar is not None:
            bar.close()


def _succeeded(execution: dict[str, Any]) -> dict[str, Any]:
    status = execution["Status"]
    if status["State"] == "SUCCEEDED":
        return execution
    reason = status.get("StateChangeReason") or say("Athena gave no reason.")
    if status["State"] == "CANCELLED":
        raise QueryError(say("the query cancelled: {reason}", reason=reason), hint=hint_for(reason))
    raise QueryError(say("the query failed: {reason}", reason=reason), hint=hint_for(reason))


def _location(execution: dict[str, Any]) -> str:
    return str(execution.get("ResultConfiguration", {}).get("OutputLocation", ""))


def _fetch(
    cloud: Cloud, execution: dict[str, Any], most_rows: int | None
) -> tuple[Columns, list[Row], bool]:
    """Return columns and rows, and whether these are all.

    CREATE TABLE AS, INSERT and UNLOAD answer with a count instead, the one row of `rows`.
    """
    is_query = execution.get("StatementType") == "DML" and _location(execution).endswith(".csv")
    part = most_rows if is_query else None
    asked = {"MaxResults": part + 1} if part else {}  # the first row of a query are the names
    paginator = cloud.athena.get_paginator("get_query_results")
    pages = paginator.paginate(QueryExecutionId=execution["QueryExecutionId"], **asked)
    taken = list(islice(pages, 1 if part else None))
    described = taken[0]["ResultSet"].get("ResultSetMetadata", {}).get("ColumnInfo", [])
    rows: list[Row] = [
        [cell.get("VarCharValue") for cell in row.get("Data", [])]
        for page in taken
        for row in page["ResultSet"].get("Rows", [])
    ]
    if is_query:
        columns = tuple((str(info["Name"]), str(info["Type"])) for info in described)
        return columns, rows[1:], "NextToken" not in taken[-1]
    names = [str(info["Name"]) for info in described]
    count = taken[0].get("UpdateCount")
    if names == ["rows"] and not rows and count is not None:
        rows = [[str(count)]]
    return *text_lines(names, rows), True


def text_lines(names: Sequence[str], lines: Sequence[Row]) -> tuple[Columns, list[Row]]:
    """Return columns and rows of what every statement but a query answers: lines of text.

    Athena's DDL describes the columns of a table that it then writes as lines: DESCRIBE names
    three columns and gives one value a row, with tabs in it and blanks that fill it up. Lines
    that fit to no columns, such as those of MSCK, come back under the one name `result`.
    """
    rows = [_cells(line, len(names)) for line in lines]
    if any(len(row) != len(names) for row in rows):
        names, rows = ["result"], [["\t".join(cell or "" for cell in line)] for line in lines]
    return tuple((name, "string") for name in names), rows


def _cells(line: Row, width: int) -> Row:
    """Return the cells of a line: as they came, or split where they came as one text."""
    if width > 1 and len(line) == 1:
        parts = (line[0] or "").split("\t", width - 1)
        return [*(part.strip() for part in parts), *[""] * (width - len(parts))]
    return [cell.rstrip() if cell else cell for cell in line]


_MAKE_TABLES = later(
    "notebook 01 checks that the tables exist; `b3 local up`, or Terraform on AWS, makes them, "
    "notebook 02 fills bronze and notebook 03 silver."
)
_HINTS = (
    (
        r"TABLE_NOT_FOUND|SCHEMA_NOT_FOUND|Table .* does not exist|Schema .* does not exist",
        _MAKE_TABLES,
    ),
    (
        r"COLUMN_NOT_FOUND|Column .* cannot be resolved",
        later("{bronze} has {bronze_columns}; {silver} has {silver_columns}."),
    ),
    (
        r"HIVE_BAD_DATA|HIVE_PARTITION_SCHEMA_MISMATCH",
        later(
            "an object was written with other types than the table's: `b3 refine --rebuild` writes "
            "silver again, another ingestion of those dates bronze."
        ),
    ),
    (
        r"HIVE_CANNOT_OPEN_SPLIT|HIVE_FILESYSTEM_ERROR|NoSuchKey|NoSuchBucket",
        later(
            "a registered partition points at an object that is gone: ingest those dates again, "
            "then `b3 refine --rebuild`."
        ),
    ),
    (
        r"TYPE_MISMATCH|Cannot apply operator",
        later(
            "the partition keys dt and ticker are text: compare dt with '2024-01-02', not with a "
            "date."
        ),
    ),
    (
        r"[Bb]ytes scanned limit",
        later("filter on the partition keys dt and ticker, so that fewer objects are read."),
    ),
    (
        r"SYNTAX_ERROR|mismatched input|extraneous input",
        later(
            "Athena speaks Trino's SQL; the reason names line and column of what it did not expect."
        ),
    ),
    (
        r"FUNCTION_NOT_FOUND|Function .* not registered",
        later("Athena knows Trino's functions: see the list in its manual, section Functions."),
    ),
    (
        r"WorkGroup .* is not found|WorkGroup is not found",
        later("`b3 doctor` lists what the deployment lacks."),
    ),
    (
        r"AccessDenied|ExpiredToken|UnrecognizedClient|not authorized|Unable to locate credentials",
        later(
            "renew the credentials (those of AWS Academy end with their session), then run it "
            "again."
        ),
    ),
)


def hint_for(reason: str) -> str:
    """Return what to try next, from the reason that Athena gave for a failure."""
    from b3pipeline import schema  # with pyarrow, which an answer needs not

    columns = {
        "bronze": BRONZE_TABLE,
        "bronze_columns": ", ".join((*schema.BRONZE.names, *schema.PARTITION_KEYS)),
        "silver": SILVER_TABLE,
        "silver_columns": ", ".join((*schema.SILVER.names, *schema.PARTITION_KEYS)),
    }
    for pattern, hint in _HINTS:
        if re.search(pattern, reason):
            return say(hint, **columns)
    return say(
        "read the reason; `SHOW PARTITIONS` and `DESCRIBE` show what Athena sees of a table."
    )


def refused(error: ClientError | BotoCoreError) -> QueryError:
    """Return the error that says why Athena, or S3 for it, refused a call."""
    refusal = explain(error)
    if refusal.kind not in {"other", "gone"}:
        return QueryError(refusal.about("Athena"), hint=refusal.hint)
    reason = f"{refusal.code}: {refusal.said}"
    return QueryError(
        say("Athena refused the query: {reason}", reason=reason), hint=hint_for(reason)
    )
