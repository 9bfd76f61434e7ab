"""SQL on Athena: a question in, a frame out, with what it scanned, how long, and its price."""

from __future__ import annotations

import html
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import awswrangler as wr
import numpy as np
import pandas as pd
from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError

from b3pipeline.athena.sql import bind, is_query_name
from b3pipeline.athena.sql import load_sql as load_sql
from b3pipeline.cloud.clients import Cloud
from b3pipeline.costs import athena_query_cost, format_usd
from b3pipeline.costs import format_bytes as format_bytes
from b3pipeline.errors import QueryError
from b3pipeline.language import later, say, say_many, shown
from b3pipeline.names import BRONZE_TABLE, SILVER_TABLE
from b3pipeline.refusals import explain
from b3pipeline.schema import BRONZE, PARTITION_KEYS, SILVER

SHOWN_ROWS = 10

_FINAL_STATES = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
_FIRST_POLL, _LAST_POLL = 0.05, 1.0
_ENDPOINTS = ("athena_endpoint_url", "glue_endpoint_url", "s3_endpoint_url", "sts_endpoint_url")
_wrangler_lock = threading.RLock()


@dataclass(frozen=True, eq=False)
class QueryResult:
    """What a query brought back, and what Athena counted.

    `frame` has awswrangler's types: text is `string`, bigint and int `Int64` and `Int32` (they
    can hold nulls), double `float64`, timestamp `datetime64`, date `object` of `datetime.date`.
    `seconds` is Athena's own total, queueing included; `cost_usd` the list price.
    """

    frame: pd.DataFrame
    query_id: str
    sql: str = field(repr=False)
    bytes_scanned: int
    seconds: float
    cost_usd: float

    @property
    def summary(self) -> str:
        """Return rows, time, bytes scanned and price in one line."""
        rows = len(self.frame)
        return say_many(
            "{count:,} row · {seconds:.1f} s · {size} scanned · {price}",
            "{count:,} rows · {seconds:.1f} s · {size} scanned · {price}",
            rows,
            seconds=self.seconds,
            size=format_bytes(self.bytes_scanned),
            price=format_usd(self.cost_usd),
        )

    def _repr_html_(self) -> str:
        if self.frame.empty:
            told = say(
                "No rows. Athena sees registered partitions only: {statement} lists them.",
                statement="<code>SHOW PARTITIONS</code>",
            )
            table = f"<p>{told}</p>"
        else:
            table = self.frame.apply(_with_dashes).to_html(
                max_rows=SHOWN_ROWS,
                index=False,
                border=0,
                na_rep="–",
                float_format=lambda value: shown(value, ",.4g"),
            )
        return f"{table}<p style='font-size:90%'>{html.escape(self.summary)}</p>"


def _with_dashes(column: pd.Series) -> pd.Series:
    """Return a column with its nulls as dashes: pandas' `na_rep` is for those of floats alone."""
    if column.dtype.kind in "fM" and isinstance(column.dtype, np.dtype):
        return column
    return column.astype(object).where(column.notna(), "–") if column.hasnans else column


def query(
    cloud: Cloud,
    sql_or_name: str,
    *,
    database: str | None = None,
    params: Mapping[str, Any] | None = None,
    progress: Callable[..., Any] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> QueryResult:
    """Return the result of a query that ran on the deployment's workgroup.

    `sql_or_name` is SQL, or the name of a packaged query (`sql.query_names()`); `params` fill its
    placeholders. `database` is the deployment's own where none is given. `progress` shows state
    and seconds. What SHOW, DESCRIBE, EXPLAIN and MSCK print comes back as text, CREATE TABLE AS,
    INSERT and UNLOAD with the number of rows written; a statement that says nothing brings an
    empty frame.
    Raises QueryError with Athena's reason where the query is refused or fails.
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
        frame = _read_result(cloud, execution)
    except (ClientError, BotoCoreError) as error:
        raise _refused(error) from error
    return _query_result(frame, execution, sql)


def _start(cloud: Cloud, sql: str, database: str) -> str:
    with _wrangler(cloud):
        return str(
            wr.athena.start_query_execution(
                sql,
                database=database,
                workgroup=cloud.config.athena_workgroup,
                s3_output=f"s3://{cloud.config.athena_results_bucket}/",
                boto3_session=cloud.session,
            )
        )


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
            pause = min(pause * 1.5, _LAST_POLL)
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


def _read_result(cloud: Cloud, execution: dict[str, Any]) -> pd.DataFrame:
    location = execution.get("ResultConfiguration", {}).get("OutputLocation", "")
    if execution.get("StatementType") != "DML" or not location.endswith(".csv"):
        return _read_rows(cloud, execution["QueryExecutionId"])
    with _wrangler(cloud):
        frame: pd.DataFrame = wr.athena.get_query_results(
            execution["QueryExecutionId"], boto3_session=cloud.session
        )
    return frame


def _read_rows(cloud: Cloud, query_id: str) -> pd.DataFrame:
    """Return what every statement but a query answers: text, no header among the rows.

    CREATE TABLE AS, INSERT and UNLOAD answer with a count instead, the one row of `rows`.
    """
    pages = list(
        cloud.athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
    )
    described = pages[0]["ResultSet"].get("ResultSetMetadata", {}).get("ColumnInfo", [])
    columns = [info["Name"] for info in described]
    lines = [
        [cell.get("VarCharValue") for cell in row.get("Data", [])]
        for page in pages
        for row in page["ResultSet"].get("Rows", [])
    ]
    if columns == ["rows"] and not lines and pages[0].get("UpdateCount") is not None:
        lines = [[str(pages[0]["UpdateCount"])]]
    return text_frame(columns, lines)


def text_frame(columns: Sequence[str], lines: Sequence[Sequence[str | None]]) -> pd.DataFrame:
    """Return lines of text under the names of their columns, as type `string`.

    Athena's DDL describes the columns of a table that it then writes as lines: DESCRIBE names
    three columns and gives one value a row, with tabs in it and blanks that fill it up. Lines
    that fit to no columns, such as those of MSCK, come back under the one name `result`.
    """
    rows = [_cells(line, len(columns)) for line in lines]
    if not columns and not rows:
        return pd.DataFrame()
    if any(len(row) != len(columns) for row in rows):
        joined = ["\t".join(cell or "" for cell in line) for line in lines]
        return pd.DataFrame({"result": pd.array(joined, dtype="string")})
    # Names may occur twice: a frame of rows takes them, a dict of columns would not.
    return pd.DataFrame(rows, columns=list(columns), dtype="string")


def _cells(line: Sequence[str | None], width: int) -> list[str | None]:
    """Return the cells of a line: as they came, or split where they came as one text."""
    if width > 1 and len(line) == 1:
        parts = (line[0] or "").split("\t", width - 1)
        return [*(part.strip() for part in parts), *[""] * (width - len(parts))]
    return [cell.rstrip() if cell else cell for cell in line]


def _query_result(frame: pd.DataFrame, execution: dict[str, Any], sql: str) -> QueryResult:
    statistics = execution.get("Statistics", {})
    scanned = int(statistics.get("DataScannedInBytes", 0))
    free = execution.get("StatementType") != "DML"
    return QueryResult(
        frame=frame,
        query_id=execution["QueryExecutionId"],
        sql=sql,
        bytes_scanned=scanned,
        seconds=statistics.get("TotalExecutionTimeInMillis", 0) / 1000,
        cost_usd=athena_query_cost(scanned, ddl=free),
    )


@contextmanager
def _wrangler(cloud: Cloud) -> Iterator[None]:
    """Point awswrangler at a deployment, and back at what it was pointed at before.

    Its endpoints are global to the process: one thread at a time, and nothing stays behind, so
    that a query on AWS after a local one goes to AWS.
    """
    endpoint = cloud.config.endpoint_url
    settings: dict[str, Any] = dict.fromkeys(_ENDPOINTS, endpoint)
    settings["botocore_config"] = BotoConfig(
        # Nobody at a local address will not become somebody in twenty seconds.
        retries={"mode": "standard", "max_attempts": 2 if endpoint else 5},
        s3={"addressing_style": "path"} if endpoint else None,
    )
    with _wrangler_lock:
        before = {name: getattr(wr.config, name) for name in settings}
        try:
            for name, value in settings.items():
                setattr(wr.config, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(wr.config, name, value)


_MAKE_TABLES = later(
    "notebook 01 checks that the tables exist; `b3 local up`, or Terraform on AWS, makes them, "
    "notebook 02 fills bronze and notebook 03 silver."
)
_COLUMNS = {
    "bronze": BRONZE_TABLE,
    "bronze_columns": ", ".join((*BRONZE.names, *PARTITION_KEYS)),
    "silver": SILVER_TABLE,
    "silver_columns": ", ".join((*SILVER.names, *PARTITION_KEYS)),
}
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
    for pattern, hint in _HINTS:
        if re.search(pattern, reason):
            return say(hint, **_COLUMNS)
    return say(
        "read the reason; `SHOW PARTITIONS` and `DESCRIBE` show what Athena sees of a table."
    )


def _refused(error: ClientError | BotoCoreError) -> QueryError:
    refusal = explain(error)
    if refusal.kind not in {"other", "gone"}:
        return QueryError(refusal.about("Athena"), hint=refusal.hint)
    reason = f"{refusal.code}: {refusal.said}"
    return QueryError(
        say("Athena refused the query: {reason}", reason=reason), hint=hint_for(reason)
    )
