"""Tables of the Data Catalog, with their versions."""

from __future__ import annotations

import re
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from localaws.glue.databases import Databases
from localaws.glue.requests import Handler, Payload, invalid, not_found, paged
from localaws.glue.store import dump, load
from localaws.wire import AwsError

_PAGE = 100
_STORAGE_DEFAULTS = {"Compressed": False, "NumberOfBuckets": 0, "StoredAsSubDirectories": False}


@dataclass(frozen=True)
class Table:
    """A table as it is kept: its number in the store, and what GetTable answers."""

    number: int
    body: dict[str, Any]

    @property
    def partition_keys(self) -> list[dict[str, str]]:
        return list(self.body["PartitionKeys"])


class Tables:
    """The operations on tables. Names are folded to lower case, as Hive needs it."""

    def __init__(self, store: sqlite3.Connection, databases: Databases, account_id: str) -> None:
        self._store = store
        self._databases = databases
        self._account_id = account_id

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateTable": self.create,
            "GetTable": self.get,
            "GetTables": self.get_all,
            "SearchTables": self.search,
            "UpdateTable": self.update,
            "DeleteTable": self.delete,
            "BatchDeleteTable": self.delete_many,
            "GetTableVersion": self.get_version,
            "GetTableVersions": self.get_versions,
            "DeleteTableVersion": self.delete_version,
            "BatchDeleteTableVersion": self.delete_versions,
        }

    def create(self, payload: Payload) -> Payload:
        database = self._databases.require(payload["DatabaseName"])["Name"]
        body = self._body(database, payload["TableInput"], created=time.time(), version=0)
        try:
            with self._store:
                cursor = self._store.execute(
                    "INSERT INTO tables (database, name, body) VALUES (?, ?, ?)",
                    (database, body["Name"], dump(body)),
                )
                self._archive(Table(cursor.lastrowid or 0, body))
        except sqlite3.IntegrityError as error:
            raise AwsError("AlreadyExistsException", "Table already exists.") from error
        return {}

    def get(self, payload: Payload) -> Payload:
        return {"Table": self.require(payload["DatabaseName"], payload["Name"]).body}

    def get_all(self, payload: Payload) -> Payload:
        """Return the tables of a database whose names match the regular expression, if given."""
        database = self._databases.require(payload["DatabaseName"])["Name"]
        tables = [table for table in self._all() if table["DatabaseName"] == database]
        pattern = payload.get("Expression")
        if pattern:
            matches = _name_pattern(pattern)
            tables = [table for table in tables if matches.fullmatch(table["Name"])]
        return paged("TableList", tables, payload, _PAGE)

    def search(self, payload: Payload) -> Payload:
        """Return the tables that carry a text anywhere in their definition."""
        if payload.get("Filters") or payload.get("SortCriteria"):
            raise invalid("The local AWS searches tables by SearchText alone.")
        text = payload.get("SearchText", "").lower()
        found = [table for table in self._all() if text in dump(table).lower()]
        return paged("TableList", found, payload, _PAGE)

    def update(self, payload: Payload) -> Payload:
        """Replace a table's definition; the one before stays as an archived version."""
        given = payload["TableInput"]
        known = self.require(payload["DatabaseName"], payload.get("Name") or given["Name"])
        version = known.body["VersionId"]
        if payload.get("VersionId") not in (None, version):
            raise AwsError(
                "ConcurrentModificationException",
                f"Update table failed due to concurrent modifications: the version is {version}.",
            )
        body = self._body(
            known.body["DatabaseName"],
            given,
            created=known.body["CreateTime"],
            version=int(version) + 1,
        )
        with self._store:
            self._store.execute(
                "UPDATE tables SET name = ?, body = ? WHERE id = ?",
                (body["Name"], dump(body), known.number),
            )
            if payload.get("SkipArchive"):
                self._forget(known.number, int(version))
            self._archive(Table(known.number, body))
        return {}

    def delete(self, payload: Payload) -> Payload:
        """Remove a table with its versions and partitions."""
        table = self.require(payload["DatabaseName"], payload["Name"])
        with self._store:
            self._store.execute("DELETE FROM tables WHERE id = ?", (table.number,))
        return {}

    def delete_many(self, payload: Payload) -> Payload:
        errors = []
        for name in payload["TablesToDelete"]:
            try:
                self.delete({"DatabaseName": payload["DatabaseName"], "Name": name})
            except AwsError as error:
                detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
                errors.append({"TableName": name, "ErrorDetail": detail})
        return {"Errors": errors}

    def get_version(self, payload: Payload) -> Payload:
        versions = self._versions(payload)
        if not versions:
            raise not_found(f"Table version {payload.get('VersionId')} not found.")
        return {"TableVersion": versions[0]}

    def get_versions(self, payload: Payload) -> Payload:
        return paged("TableVersions", self._versions(payload), payload, _PAGE)

    def delete_version(self, payload: Payload) -> Payload:
        table = self.require(payload["DatabaseName"], payload["TableName"])
        if not self._versions(payload):
            raise not_found(f"Table version {payload['VersionId']} not found.")
        with self._store:
            self._forget(table.number, int(payload["VersionId"]))
        return {}

    def delete_versions(self, payload: Payload) -> Payload:
        errors = []
        for version in payload["VersionIds"]:
            try:
                self.delete_version({**payload, "VersionId": version})
            except AwsError as error:
                detail = {"ErrorCode": error.code, "ErrorMessage": error.message}
                name = payload["TableName"]
                errors.append({"TableName": name, "VersionId": version, "ErrorDetail": detail})
        return {"Errors": errors}

    def require(self, database: str, name: str) -> Table:
        """Return a table; raise EntityNotFoundException where it or its database is missing."""
        row = self._store.execute(
            "SELECT id, body FROM tables WHERE database = ? AND name = ?",
            (database.lower(), name.lower()),
        ).fetchone()
        if row is None:
            self._databases.require(database)
            raise not_found(f"Table {name.lower()} not found in database {database.lower()}.")
        return Table(row[0], load(row[1]))

    def _all(self) -> list[dict[str, Any]]:
        rows = self._store.execute("SELECT body FROM tables ORDER BY database, name")
        return [load(body) for (body,) in rows]

    def _versions(self, payload: Payload) -> list[Payload]:
        """Return the versions of a table, newest first, or the one that the payload names."""
        table = self.require(payload["DatabaseName"], payload["TableName"])
        rows = self._store.execute(
            "SELECT version, body FROM versions WHERE table_id = ? ORDER BY version DESC",
            (table.number,),
        )
        wanted = payload.get("VersionId")
        return [
            {"Table": load(body), "VersionId": str(version)}
            for version, body in rows
            if wanted in (None, str(version))
        ]

    def _archive(self, table: Table) -> None:
        self._store.execute(
            "INSERT INTO versions VALUES (?, ?, ?)",
            (table.number, int(table.body["VersionId"]), dump(table.body)),
        )

    def _forget(self, number: int, version: int) -> None:
        self._store.execute(
            "DELETE FROM versions WHERE table_id = ? AND version = ?", (number, version)
        )

    def _body(self, database: str, given: Payload, created: float, version: int) -> Payload:
        body = {
            "Retention": 0,
            "PartitionKeys": [],
            **given,
            "Name": given["Name"].lower(),
            "DatabaseName": database,
            "CreateTime": created,
            "UpdateTime": time.time(),
            "CreatedBy": f"arn:aws:iam::{self._account_id}:root",
            "IsRegisteredWithLakeFormation": False,
            "CatalogId": self._account_id,
            "VersionId": str(version),
        }
        if "StorageDescriptor" in given:
            body["StorageDescriptor"] = _STORAGE_DEFAULTS | given["StorageDescriptor"]
        return body


def _name_pattern(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise invalid(f"The expression {pattern!r} is not a regular expression.") from error
