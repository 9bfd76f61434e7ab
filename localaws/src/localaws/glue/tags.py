"""Tags of the resources that are kept here; those of all others are ministack's."""

from __future__ import annotations

import sqlite3

from localaws.backend import Backend
from localaws.glue.requests import Handler, Payload
from localaws.glue.store import dump, load
from localaws.settings import Settings

_KEPT_HERE = ("database/", "job/", "table/")


class Tags:
    """The operations on tags, by resource name."""

    def __init__(self, store: sqlite3.Connection, settings: Settings, backend: Backend) -> None:
        self._store = store
        self._settings = settings
        self._backend = backend

    def handlers(self) -> dict[str, Handler]:
        return {
            "GetTags": self.get,
            "TagResource": self.add,
            "UntagResource": self.remove,
        }

    def arn(self, kind: str, name: str) -> str:
        """Return the full name of a resource of this account and region."""
        return f"arn:aws:glue:{self._settings.region}:{self._settings.account_id}:{kind}/{name}"

    def of(self, arn: str) -> dict[str, str]:
        """Return the tags of a resource; empty where it has none."""
        row = self._store.execute("SELECT body FROM tags WHERE arn = ?", (arn,)).fetchone()
        return dict(load(row[0])) if row else {}

    def replace(self, arn: str, tags: dict[str, str] | None) -> None:
        """Give a resource these tags and no others."""
        with self._store:
            self._store.execute("DELETE FROM tags WHERE arn = ?", (arn,))
            if tags:
                self._store.execute("INSERT INTO tags VALUES (?, ?)", (arn, dump(tags)))

    async def get(self, payload: Payload) -> Payload:
        arn = payload["ResourceArn"]
        if not _is_kept_here(arn):
            return await self._pass_on("GetTags", payload)
        return {"Tags": self.of(arn)}

    async def add(self, payload: Payload) -> Payload:
        arn = payload["ResourceArn"]
        if not _is_kept_here(arn):
            return await self._pass_on("TagResource", payload)
        self.replace(arn, self.of(arn) | payload["TagsToAdd"])
        return {}

    async def remove(self, payload: Payload) -> Payload:
        arn = payload["ResourceArn"]
        if not _is_kept_here(arn):
            return await self._pass_on("UntagResource", payload)
        gone = payload["TagsToRemove"]
        self.replace(arn, {name: text for name, text in self.of(arn).items() if name not in gone})
        return {}

    async def _pass_on(self, operation: str, payload: Payload) -> Payload:
        return await self._backend.call("glue", f"AWSGlue.{operation}", payload)


def _is_kept_here(arn: str) -> bool:
    return arn.rpartition(":")[2].startswith(_KEPT_HERE)
