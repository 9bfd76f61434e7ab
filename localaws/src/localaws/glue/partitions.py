"""Partitions of the Data Catalog: many, so indexed, filtered and paged by the store."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Iterable
from typing import Any

from localaws.glue.requests import Handler, Payload, invalid, not_found, read_token, write_token
from localaws.glue.store import Condition, dump, load
from localaws.glue.tables import Table, Tables
from localaws.wire import AwsError

_PAGE = 1000
_MOST_PAGES = 32
_FIELDS = ("StorageDescriptor", "Parameters", "LastAccessTime", "LastAnalyzedTime")

ColumnLists = list[tuple[Any, int | None]]
"""Lists of columns of one call, with their numbers in the store."""


class Partitions:
    """The operations on partitions."""

    def __init__(self, store: sqlite3.Connection, tables: Tables, account_id: str) -> None:
        self._store = store
        self._tables = tables
        self._account_id = account_id
        self._pages: dict[str, Payload] = {}
        self._changes = -1

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreatePartition": self.create,
            "BatchCreatePartition": self.create_many,
            "GetPartition": self.get,
            "BatchGetPartition": self.get_many,
            "GetPartitions": self.get_matching,
            "UpdatePartition": self.update,
            "BatchUpdatePartition": self.update_many,
            "DeletePartition": self.delete,
            "BatchDeletePartition": self.delete_many,
        }

    def create(self, payload: Payload) -> Payload:
        with self._store:
            self._insert(self._table(payload), payload["PartitionInput"])
        return {}

    def create_many(self, payload: Payload) -> Payload:
        """Add partitions; those that exist already are reported and left as they are."""
        table = self._table(payload)
        errors = []
        known: ColumnLists = []
        with self._store:
            for given in payload["PartitionInputList"]:
                try:
                    self._insert(table, given, known=known)
                except AwsError as error:
                    if error.code != "AlreadyExistsException":
                        raise
                    errors.append(_failure("PartitionValues", given["Values"], error))
        return {"Errors": errors}

    def get(self, payload: Payload) -> Payload:
        values = payload["PartitionValues"]
        found = self._select(self._table(payload), _has_values([values]))
        if not found:
            raise not_found("Cannot find partition.")
        return {"Partition": found[0]}

    def get_many(self, payload: Payload) -> Payload:
        wanted = [entry["Values"] for entry in payload["PartitionsToGet"]]
        found = self._select(self._table(payload), _has_values(wanted))
        known = {tuple(partition["Values"]) for partition in found}
        missing = [{"Values": values} for values in wanted if tuple(values) not in known]
        return {"Partitions": found, "UnprocessedKeys": missing}

    def get_matching(self, payload: Payload) -> Payload:
        """Return a page of the partitions that an expression and a segment select, by values.

        A page is kept for as long as nothing at all was written into the store.
        """
        if self._changes != self._store.total_changes or len(self._pages) > _MOST_PAGES:
            self._pages.clear()
            self._changes = self._store.total_changes
        key = dump(payload)
        if key not in self._pages:
            self._pages[key] = self._page(payload)
        return self._pages[key]

    def _page(self, payload: Payload) -> Payload:
        table = self._table(payload)
        size = payload.get("MaxResults") or _PAGE
        found = self._select(
            table,
            _all_of(_requested(table, payload)),
            limit=size + 1,
            with_columns=not payload.get("ExcludeColumnSchema"),
        )
        page: Payload = {"Partitions": found[:size]}
        if len(found) > size:
            page["NextToken"] = write_token(dump(found[size - 1]["Values"]))
        return page

    def update(self, payload: Payload) -> Payload:
        table = self._table(payload)
        with self._store:
            self._replace(table, payload["PartitionValueList"], payload["PartitionInput"])
        return {}

    def update_many(self, payload: Payload) -> Payload:
        table = self._table(payload)
        errors = []
        with self._store:
            for entry in payload["Entries"]:
                values = entry["PartitionValueList"]
                try:
                    self._replace(table, values, entry["PartitionInput"])
                except AwsError as error:
                    errors.append(_failure("PartitionValueList", values, error))
        return {"Errors": errors}

    def delete(self, payload: Payload) -> Payload:
        with self._store:
            self._remove(self._table(payload), payload["PartitionValues"])
        return {}

    def delete_many(self, payload: Payload) -> Payload:
        table = self._table(payload)
        errors = []
        with self._store:
            for entry in payload["PartitionsToDelete"]:
                try:
                    self._remove(table, entry["Values"])
                except AwsError as error:
                    errors.append(_failure("PartitionValues", entry["Values"], error))
        return {"Errors": errors}

    def _table(self, payload: Payload) -> Table:
        return self._tables.require(payload["DatabaseName"], payload["TableName"])

    def _insert(
        self,
        table: Table,
        given: Payload,
        created: float | None = None,
        known: ColumnLists | None = None,
    ) -> None:
        values = given.get("Values", [])
        _check_count(table, values)
        body = {name: given[name] for name in _FIELDS if name in given}
        columns_id, body = self._without_columns(body, [] if known is None else known)
        vals = dump(values)
        try:
            self._store.execute(
                "INSERT INTO partitions VALUES (?, ?, ?, ?, ?, ?)",
                (
                    table.number,
                    vals,
                    zlib.crc32(vals.encode()),
                    columns_id,
                    dump(body),
                    created or time.time(),
                ),
            )
        except sqlite3.IntegrityError as error:
            raise AwsError("AlreadyExistsException", "Partition already exists.") from error

    def _replace(self, table: Table, values: list[str], given: Payload) -> None:
        """Give a partition another definition, and other values where `given` has them."""
        row = self._store.execute(
            "SELECT created FROM partitions WHERE table_id = ? AND vals = ?",
            (table.number, dump(values)),
        ).fetchone()
        if row is None:
            raise not_found("Cannot find partition.")
        given = {"Values": values, **given}
        _check_count(table, given["Values"])
        if given["Values"] != values and self._select(table, _has_values([given["Values"]])):
            raise AwsError("AlreadyExistsException", "Partition already exists.")
        self._remove(table, values)
        self._insert(table, given, created=row[0])

    def _remove(self, table: Table, values: list[str]) -> None:
        gone = self._store.execute(
            "DELETE FROM partitions WHERE table_id = ? AND vals = ?", (table.number, dump(values))
        )
        if not gone.rowcount:
            raise not_found("Partition not found.")

    def _without_columns(self, body: Payload, known: ColumnLists) -> tuple[int | None, Payload]:
        """Return the number of a partition's columns, and the rest; `known` is of the same call."""
        storage = body.get("StorageDescriptor", {})
        if "Columns" not in storage:
            return None, body
        rest = {name: value for name, value in storage.items() if name != "Columns"}
        if not known or known[-1][0] != storage["Columns"]:
            columns = dump(storage["Columns"])
            found = self._store.execute("SELECT id FROM column_lists WHERE body = ?", (columns,))
            row = found.fetchone()
            number = row[0] if row else self._new_column_list(columns)
            known.append((storage["Columns"], number))
        return known[-1][1], {**body, "StorageDescriptor": rest}

    def _new_column_list(self, columns: str) -> int | None:
        return self._store.execute(
            "INSERT INTO column_lists (body) VALUES (?)", (columns,)
        ).lastrowid

    def _select(
        self, table: Table, where: Condition, limit: int = -1, *, with_columns: bool = True
    ) -> list[Payload]:
        rows = self._store.execute(
            "SELECT vals, columns_id, body, created FROM partitions"  # noqa: S608
            f" WHERE table_id = ? AND ({where.sql}) ORDER BY vals LIMIT ?",
            (table.number, *where.parameters, limit),
        ).fetchall()
        columns = self._column_lists({row[1] for row in rows}) if with_columns else {}
        return [self._answer(table, row, columns) for row in rows]

    def _column_lists(self, numbers: set[int | None]) -> dict[int | None, Any]:
        known = {}
        for number in numbers - {None}:
            (body,) = self._store.execute(
                "SELECT body FROM column_lists WHERE id = ?", (number,)
            ).fetchone()
            known[number] = load(body)
        return known

    def _answer(
        self, table: Table, row: tuple[str, int, str, float], columns: dict[int | None, Any]
    ) -> Payload:
        vals, columns_id, body, created = row
        partition = load(body)
        if columns_id in columns:
            partition["StorageDescriptor"]["Columns"] = columns[columns_id]
        return {
            "Values": load(vals),
            "DatabaseName": table.body["DatabaseName"],
            "TableName": table.body["Name"],
            "CreationTime": created,
            "CatalogId": self._account_id,
            **partition,
        }


def _check_count(table: Table, values: list[str]) -> None:
    if len(values) != len(table.partition_keys):
        raise invalid("The number of partition keys do not match the number of partition values")


def _requested(table: Table, payload: Payload) -> Iterable[Condition]:
    if payload.get("Expression", "").strip():
        # With sqlglot, which reads it: a quarter of the server's start, and few ask this.
        from localaws.glue.expression import compile_expression

        yield compile_expression(payload["Expression"], table.partition_keys)
    if segment := payload.get("Segment"):
        number, total = segment["SegmentNumber"], segment["TotalSegments"]
        if number >= total:
            raise invalid(f"Segment {number} does not exist among {total}.")
        yield Condition("segment % ? = ?", (total, number))
    if (last := read_token(payload)) is not None:
        yield Condition("vals > ?", (last,))


def _all_of(conditions: Iterable[Condition]) -> Condition:
    found = list(conditions)
    return Condition(
        " AND ".join(f"({condition.sql})" for condition in found) or "TRUE",
        tuple(parameter for condition in found for parameter in condition.parameters),
    )


def _has_values(wanted: list[list[str]]) -> Condition:
    # One JSON array is one parameter, however many values it holds.
    return Condition(
        "vals IN (SELECT value FROM json_each(?))", (dump([dump(values) for values in wanted]),)
    )


def _failure(name: str, values: list[str], error: AwsError) -> Payload:
    detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
    return {name: values, "ErrorDetail": detail}
