"""Databases of the Data Catalog."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from localaws.glue.requests import Handler, Payload, not_found, paged
from localaws.glue.store import dump, load
from localaws.glue.tags import Tags
from localaws.wire import AwsError

_PAGE = 100
# What AWS gives a database whose maker names no permissions.
_OPEN_TO_IAM = [
    {
        "Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"},
        "Permissions": ["ALL"],
    }
]


class Databases:
    """The operations on databases. Names are folded to lower case, as Hive needs it."""

    def __init__(self, store: sqlite3.Connection, account_id: str, tags: Tags) -> None:
        self._store = store
        self._account_id = account_id
        self._tags = tags

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateDatabase": self.create,
            "GetDatabase": self.get,
            "GetDatabases": self.get_all,
            "UpdateDatabase": self.update,
            "DeleteDatabase": self.delete,
        }

    def create(self, payload: Payload) -> Payload:
        given = payload["DatabaseInput"]
        name = given["Name"].lower()
        body = self._body(name, given, created=time.time())
        try:
            with self._store:
                self._store.execute("INSERT INTO databases VALUES (?, ?)", (name, dump(body)))
        except sqlite3.IntegrityError as error:
            raise AwsError("AlreadyExistsException", f"Database already exists: {name}") from error
        self._tags.replace(self._tags.arn("database", name), payload.get("Tags"))
        return {}

    def get(self, payload: Payload) -> Payload:
        return {"Database": self.require(payload["Name"])}

    def get_all(self, payload: Payload) -> Payload:
        rows = self._store.execute("SELECT body FROM databases ORDER BY name")
        return paged("DatabaseList", [load(body) for (body,) in rows], payload, _PAGE)

    def update(self, payload: Payload) -> Payload:
        known = self.require(payload["Name"])
        body = self._body(known["Name"], payload["DatabaseInput"], created=known["CreateTime"])
        with self._store:
            self._store.execute(
                "UPDATE databases SET body = ? WHERE name = ?", (dump(body), known["Name"])
            )
        return {}

    def delete(self, payload: Payload) -> Payload:
        """Remove a database with its tables and their partitions."""
        name = self.require(payload["Name"])["Name"]
        with self._store:
            self._store.execute("DELETE FROM databases WHERE name = ?", (name,))
        self._tags.replace(self._tags.arn("database", name), None)
        return {}

    def require(self, name: str) -> dict[str, Any]:
        """Return a database; raise EntityNotFoundException where it does not exist."""
        row = self._store.execute(
            "SELECT body FROM databases WHERE name = ?", (name.lower(),)
        ).fetchone()
        if row is None:
            raise not_found(f"Database {name.lower()} not found.")
        return dict(load(row[0]))

    def _body(self, name: str, given: Payload, created: float) -> Payload:
        return {
            "CreateTableDefaultPermissions": _OPEN_TO_IAM,
            **given,
            "Name": name,
            "CreateTime": created,
            "CatalogId": self._account_id,
        }
