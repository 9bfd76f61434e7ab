"""The partitions of both tables in the Data Catalog."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from b3pipeline import names
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import CatalogError
from b3pipeline.lake.storage import in_parallel, stored_partitions
from b3pipeline.language import say
from b3pipeline.progress import Progress, track
from b3pipeline.refusals import explain, told

log = logging.getLogger(__name__)

PARTITIONS_A_CALL = 100
"""What one BatchCreatePartition takes at most."""
DELETIONS_A_CALL = 25
"""What one BatchDeletePartition takes at most."""
CALLS_IN_FLIGHT = 4
TICKERS_A_CALL = 100
"""Tickers in one filter, which the catalog takes up to 2,048 characters of."""

_PREFIXES = {names.BRONZE_TABLE: names.BRONZE_PREFIX, names.SILVER_TABLE: names.SILVER_PREFIX}


def check_table(cloud: Cloud, table: str) -> None:
    """Return where the catalog holds `table`; raises CatalogError otherwise."""
    with _catalog_errors(cloud, table):
        cloud.glue.get_table(DatabaseName=cloud.config.glue_database, Name=table)


def register_partitions(
    cloud: Cloud,
    table: str,
    partitions: Iterable[tuple[str, str]],
    *,
    progress: Progress | None = None,
) -> int:
    """Return how many of `partitions` (dt and ticker) are new to the catalog; all are there now.

    A partition that is there already stays as it is. Raises CatalogError where the table is
    missing or a partition is refused.
    """
    wanted = sorted(set(partitions))
    calls = [
        wanted[place : place + PARTITIONS_A_CALL]
        for place in range(0, len(wanted), PARTITIONS_A_CALL)
    ]
    made = in_parallel(lambda call: _register(cloud, table, call), calls, CALLS_IN_FLIGHT)
    return sum(track(made, progress, total=len(calls), desc=say("register")))


def forget_partitions(cloud: Cloud, table: str, partitions: Iterable[tuple[str, str]]) -> None:
    """Take `partitions` (dt and ticker) out of the catalog; those that lack already do not matter.

    Their objects stay. Raises CatalogError where the table is missing or a call is refused.
    """
    gone = sorted(set(partitions))
    for place in range(0, len(gone), DELETIONS_A_CALL):
        with _catalog_errors(cloud, table):
            answer = cloud.glue.batch_delete_partition(
                DatabaseName=cloud.config.glue_database,
                TableName=table,
                PartitionsToDelete=[
                    {"Values": [day, ticker]}
                    for day, ticker in gone[place : place + DELETIONS_A_CALL]
                ],
            )
        for error in answer.get("Errors", []):
            if error["ErrorDetail"]["ErrorCode"] != "EntityNotFoundException":
                raise CatalogError(
                    say(
                        "the catalog did not let go of the partition {values} of {table}: "
                        "{reason}.",
                        values=error["PartitionValues"],
                        table=table,
                        reason=error["ErrorDetail"].get("ErrorMessage", say("no reason given")),
                    ),
                    hint=say("`b3 resume` goes on from there."),
                )


def list_partitions(cloud: Cloud, table: str) -> list[tuple[str, str]]:
    """Return the (dt, ticker) that the catalog holds of `table`, in order."""
    return sorted(_partitions_where(cloud, table, ""))


def held_sessions(
    cloud: Cloud,
    tickers: Sequence[str],
    start: dt.date | None = None,
    end: dt.date | None = None,
    table: str = names.BRONZE_TABLE,
) -> dict[str, list[str]]:
    """Return the sessions (YYYY-MM-DD, in order) that the catalog holds of each of `tickers`.

    `start` and `end` are both included. The catalog filters, so the cost is that of the answer:
    a call for each thousand partitions found, whatever else the table holds.
    """
    held: dict[str, list[str]] = {ticker: [] for ticker in tickers}
    for some in _slices(tickers, TICKERS_A_CALL):
        for day, ticker in _partitions_where(cloud, table, _expression(some, start, end)):
            held[ticker].append(day)
    return {ticker: sorted(days) for ticker, days in held.items()}


def held_dates(
    cloud: Cloud, dates: Sequence[str], table: str = names.BRONZE_TABLE
) -> dict[str, list[str]]:
    """Return the tickers (in order) that the catalog holds on each of `dates` (YYYY-MM-DD)."""
    held: dict[str, list[str]] = {day: [] for day in dates}
    for some in _slices(dates, TICKERS_A_CALL):
        for day, ticker in _partitions_where(cloud, table, _in("dt", some)):
            held[day].append(ticker)
    return {day: sorted(tickers) for day, tickers in held.items()}


def register_existing(
    cloud: Cloud, table: str = names.BRONZE_TABLE, *, progress: Progress | None = None
) -> int:
    """Return how many partitions the bucket held that the catalog of `table` lacked: no longer.

    What `MSCK REPAIR TABLE` does, without a query.
    """
    lacking = set(stored_partitions(cloud, _PREFIXES[table])) - set(list_partitions(cloud, table))
    return register_partitions(cloud, table, lacking, progress=progress) if lacking else 0


def _register(cloud: Cloud, table: str, partitions: list[tuple[str, str]]) -> int:
    with _catalog_errors(cloud, table):
        answer = cloud.glue.batch_create_partition(
            DatabaseName=cloud.config.glue_database,
            TableName=table,
            PartitionInputList=list(_partition_inputs(cloud, table, partitions)),
        )
    known = 0
    for error in answer.get("Errors", []):
        if error["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException":
            raise CatalogError(
                say(
                    "the catalog refused the partition {values} of {table}: {reason}.",
                    values=error["PartitionValues"],
                    table=table,
                    reason=error["ErrorDetail"].get("ErrorMessage", say("no reason given")),
                ),
                hint=say("run the ingestion again: it is idempotent."),
            )
        known += 1
    return len(partitions) - known


def _partition_inputs(
    cloud: Cloud, table: str, partitions: Iterable[tuple[str, str]]
) -> Iterator[dict[str, Any]]:
    from b3pipeline import schema  # with pyarrow, which whoever only looks does without

    columns = schema.BRONZE if table == names.BRONZE_TABLE else schema.SILVER
    root = f"s3://{cloud.config.raw_data_bucket}/{_PREFIXES[table]}"
    storage = schema.storage_descriptor(columns, root)
    for day, ticker in partitions:
        location = f"{root}{names.partition_path(day, ticker)}"
        yield {"Values": [day, ticker], "StorageDescriptor": storage | {"Location": location}}


def _partitions_where(cloud: Cloud, table: str, expression: str) -> Iterator[tuple[str, str]]:
    """Yield the (dt, ticker) of each partition that satisfies an expression.

    One of no session, as MSCK REPAIR TABLE registers what was put by hand, is named in the log.
    """
    pages = cloud.glue.get_paginator("get_partitions").paginate(
        DatabaseName=cloud.config.glue_database,
        TableName=table,
        ExcludeColumnSchema=True,
        Expression=expression,
    )
    with _catalog_errors(cloud, table):
        for page in pages:
            for day, ticker in (partition["Values"] for partition in page["Partitions"]):
                if names.is_session(day, ticker):
                    yield day, ticker
                else:
                    log.warning("%s has a partition of no session: %s", table, [day, ticker])


def _expression(tickers: Sequence[str], start: dt.date | None, end: dt.date | None) -> str:
    bounds = [(">=", start), ("<=", end)]
    limits = [f"dt {sign} {_quoted(str(day))}" for sign, day in bounds if day is not None]
    return " AND ".join([_in("ticker", tickers), *limits])


def _in(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(map(_quoted, values))})"


def _quoted(value: str) -> str:
    """Return a text as the catalog's filters write it: a quote in it is doubled."""
    return "'{}'".format(value.replace("'", "''"))


def _slices(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (items[place : place + size] for place in range(0, len(items), size))


@contextmanager
def _catalog_errors(cloud: Cloud, table: str) -> Iterator[None]:
    place = f"{cloud.config.glue_database}.{table}"
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        if explain(error).kind == "gone":
            raise CatalogError(
                say("the Data Catalog holds no table {place}.", place=place),
                hint=say("run `b3 local up` or `terraform apply`: both make it."),
            ) from error
        raise told(error, say("{place} in the Data Catalog", place=place), CatalogError) from error
