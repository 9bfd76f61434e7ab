"""The bucket and the Data Catalog, as the driver sees them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config

from b3pipeline.errors import RefineError
from b3pipeline.job.objects import AGAIN, ATTEMPTS, THREADS, Store
from b3pipeline.job.plan import Session
from b3pipeline.language import note
from b3pipeline.names import (
    SILVER_PREFIX,
    is_session,
    is_stray,
    named_strays,
    partition_path,
    session_of,
    silver_key,
)
from b3pipeline.schema import SILVER, table_input

logger = logging.getLogger(__name__)


def client(service: str) -> Any:
    """Return the driver's client of an AWS service; boto3 reads AWS_ENDPOINT_URL itself."""
    s3 = {"addressing_style": "path"} if "AWS_ENDPOINT_URL" in os.environ else None
    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    # Without a check of each parameter a call with 100 partitions takes half the time.
    lean = {"parameter_validation": False, "max_pool_connections": 32}
    return boto3.client(service, config=Config(retries=retries, s3=s3, **lean))


@dataclass(frozen=True)
class Lake:
    """The bucket and the Data Catalog: control calls of the driver."""

    s3: Any
    glue: Any
    bucket: str
    database: str
    bronze_table: str
    silver_table: str

    def get(self, key: str) -> bytes | None:
        """Return the body of an object of the bucket, or None where there is none."""
        try:
            return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except self.s3.exceptions.NoSuchKey:
            return None

    def get_json(self, key: str) -> dict[str, Any] | None:
        """Return a JSON object of the bucket, or None where there is none: a run makes it anew."""
        body = self.get(key)
        try:
            return None if body is None else dict(json.loads(body))
        except (ValueError, TypeError, RecursionError) as error:
            logger.warning("s3://%s/%s is passed over: %s", self.bucket, key, error)
            return None

    def put_json(self, key: str, value: dict[str, Any]) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(value).encode())

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        """Yield the keys under a prefix, in order, those after `after` alone."""
        pager = self.s3.get_paginator("list_objects_v2")
        for page in pager.paginate(Bucket=self.bucket, Prefix=prefix, StartAfter=after):
            yield from (entry["Key"] for entry in page.get("Contents", ()))

    def objects(self, prefix: str) -> Iterator[Session]:
        """Yield the session of every object of a table; name in the log what else Hive sees."""
        strays = []
        for key in self.keys(f"{prefix}dt="):
            if found := session_of(key, prefix):
                yield found[1], found[0]
            elif is_stray(key, prefix):
                strays.append(key)
        if strays:
            logger.warning("%s: %s", prefix, named_strays(strays))

    def partitions(self, table: str, expression: str = "") -> Iterator[Session]:
        """Yield the session of each registered partition that satisfies an expression."""
        pager = self.glue.get_paginator("get_partitions")
        where = {"DatabaseName": self.database, "TableName": table, "Expression": expression}
        for page in pager.paginate(**where, ExcludeColumnSchema=True):
            for partition in page["Partitions"]:
                day, ticker = partition["Values"]
                if is_session(day, ticker):
                    yield ticker, day
                else:
                    logger.warning("%s has a partition of no session: %s", table, [day, ticker])

    def between(self, tickers: Iterable[str], first: str, last: str) -> Iterator[Session]:
        """Yield the registered sessions of bronze between two days, both included."""
        for some in _slices(sorted(tickers), 100):
            days = f"dt >= '{first}' AND dt <= '{last}'"
            yield from self.partitions(self.bronze_table, f"{_in('ticker', some)} AND {days}")

    @property
    def store(self) -> Store:
        meta = self.s3.meta
        attempts = meta.config.retries.get("total_max_attempts", ATTEMPTS)
        return Store(self.bucket, meta.region_name, meta.endpoint_url, attempts)

    @cached_property
    def silver_storage(self) -> dict[str, Any]:
        """The storage descriptor of the silver table, made where it is missing.

        Raises RefineError where it is not the one that we write.
        """
        names, location = [f.name for f in SILVER], f"s3://{self.bucket}/{SILVER_PREFIX}"
        try:
            answer = self.glue.get_table(DatabaseName=self.database, Name=self.silver_table)
        except self.glue.exceptions.EntityNotFoundException:
            definition = table_input(self.silver_table, SILVER, location)
            self.glue.create_table(DatabaseName=self.database, TableInput=definition)
            logger.info("table %s.%s was missing, and is made", self.database, self.silver_table)
            made: dict[str, Any] = definition["StorageDescriptor"]
            return made
        storage: dict[str, Any] = answer["Table"]["StorageDescriptor"]
        found = [storage["Location"].rstrip("/"), [c["Name"] for c in storage["Columns"]]]
        wanted = [location.rstrip("/"), names]
        if found != wanted:
            raise RefineError(
                note(
                    "table {table} lies at and has {found}, the job writes {wanted}.",
                    table=f"{self.database}.{self.silver_table}",
                    found=found,
                    wanted=wanted,
                ),
                hint=note("provision the table again."),
            )
        return storage

    def register(self, sessions: Sequence[Session]) -> None:
        """Register silver partitions, 100 a call; what is registered already stays as it is."""

        def create(some: Sequence[Session]) -> None:
            root = f"s3://{self.bucket}/{SILVER_PREFIX}"
            places = [f"{root}{partition_path(day, ticker)}" for ticker, day in some]
            inputs = [
                {
                    "Values": [day, ticker],
                    "StorageDescriptor": {**self.silver_storage, "Location": place},
                }
                for (ticker, day), place in zip(some, places, strict=True)
            ]
            answer = self.glue.batch_create_partition(
                DatabaseName=self.database, TableName=self.silver_table, PartitionInputList=inputs
            )
            _raise_unless(answer, "AlreadyExistsException")

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(create, _slices(sessions, 100)))

    def remove(self, sessions: Sequence[Session]) -> int:
        """Take silver partitions away, then their objects; return how many were registered."""
        removed = 0
        for some in _slices(sessions, 25):
            values = [{"Values": [day, ticker]} for ticker, day in some]
            answer = self.glue.batch_delete_partition(
                DatabaseName=self.database, TableName=self.silver_table, PartitionsToDelete=values
            )
            removed += len(some) - _raise_unless(answer, "EntityNotFoundException")
        for some in _slices(sessions, 1000):
            keys = [{"Key": silver_key(day, ticker)} for ticker, day in some]
            self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": keys, "Quiet": True})
        return removed


def _in(column: str, values: Iterable[str]) -> str:
    quoted = ("'{}'".format(value.replace("'", "''")) for value in values)
    return f"{column} IN ({', '.join(quoted)})"


def _slices(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _raise_unless(answer: dict[str, Any], expected: str) -> int:
    """Return how many partitions a call reports with the expected error; raise for any other."""
    errors = answer.get("Errors", [])
    for error in errors:
        if error["ErrorDetail"]["ErrorCode"] != expected:
            detail = error["ErrorDetail"]
            raise RefineError(
                note(
                    "the catalog refused partition {values}: {detail}.",
                    values=error["PartitionValues"],
                    detail=detail,
                ),
                hint=AGAIN,
            )
    return len(errors)
