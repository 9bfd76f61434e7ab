"""Named queries and prepared statements: text kept in a workgroup."""

from __future__ import annotations

import time
import uuid

from localaws.athena.api.requests import Handler, Payload, comparable, invalid, paged
from localaws.athena.api.workgroups import PRIMARY, WorkGroups
from localaws.athena.store import Store
from localaws.wire import AwsError

_NAMED, _BY_ID, _PREPARED = "named_query", "named_query_workgroup", "prepared_statement"
_TOKEN, _DELETED = "named_query_token", "named_query_deleted"


class NamedQueries:
    """The operations on named queries."""

    def __init__(self, store: Store, workgroups: WorkGroups) -> None:
        self._store = store
        self._workgroups = workgroups

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateNamedQuery": self.create,
            "GetNamedQuery": self.get,
            "BatchGetNamedQuery": self.get_many,
            "ListNamedQueries": self.list_all,
            "UpdateNamedQuery": self.update,
            "DeleteNamedQuery": self.delete,
        }

    def create(self, payload: Payload) -> Payload:
        """Keep a named query; the same token again is the same query, or refused."""
        token = payload.get("ClientRequestToken")
        known = self._store.get(_TOKEN, "", token) if token else None
        if known is not None:
            if known["Request"] != comparable(payload):
                raise invalid("Idempotent parameters do not match")
            return {"NamedQueryId": known["NamedQueryId"]}
        group = self._workgroups.require(payload.get("WorkGroup") or PRIMARY)["Name"]
        query_id = str(uuid.uuid4())
        kept = ("Name", "Description", "Database", "QueryString")
        body = {name: payload[name] for name in kept if name in payload}
        self._store.put(
            _NAMED, group, query_id, {**body, "NamedQueryId": query_id, "WorkGroup": group}
        )
        self._store.put(_BY_ID, "", query_id, {"WorkGroup": group})
        if token:
            given = {"NamedQueryId": query_id, "Request": comparable(payload)}
            self._store.put(_TOKEN, "", token, given)
        return {"NamedQueryId": query_id}

    def group_of(self, query_id: str) -> str:
        """Return the workgroup of a named query; `*` where there is none of that id."""
        return str((self._store.get(_BY_ID, "", query_id) or {}).get("WorkGroup", "*"))

    def get(self, payload: Payload) -> Payload:
        return {"NamedQuery": self._require(payload["NamedQueryId"])}

    def get_many(self, payload: Payload) -> Payload:
        found = {query_id: self._find(query_id) for query_id in payload["NamedQueryIds"]}
        missing = [
            {"NamedQueryId": query_id, "ErrorCode": "INVALID_INPUT", "ErrorMessage": "not found"}
            for query_id, query in found.items()
            if query is None
        ]
        known = [query for query in found.values() if query is not None]
        return {"NamedQueries": known, "UnprocessedNamedQueryIds": missing}

    def list_all(self, payload: Payload) -> Payload:
        group = self._workgroups.require(payload.get("WorkGroup") or PRIMARY)["Name"]
        ids = [query["NamedQueryId"] for query in self._store.all_of(_NAMED, group)]
        return paged("NamedQueryIds", ids, payload)

    def update(self, payload: Payload) -> Payload:
        query = self._require(payload["NamedQueryId"])
        changed = ("Name", "Description", "QueryString")
        query |= {name: payload[name] for name in changed if name in payload}
        self._store.put(_NAMED, query["WorkGroup"], query["NamedQueryId"], query)
        return {}

    def delete(self, payload: Payload) -> Payload:
        """Remove a named query; the same request again has the same answer, as AWS has it."""
        query_id = payload["NamedQueryId"]
        if self._store.get(_DELETED, "", query_id) is not None:
            return {}
        query = self._require(query_id)
        self._store.put(_DELETED, "", query_id, {})
        self._store.delete(_NAMED, query["WorkGroup"], query_id)
        self._store.delete(_BY_ID, "", query_id)
        return {}

    def _find(self, query_id: str) -> Payload | None:
        place = self._store.get(_BY_ID, "", query_id)
        return self._store.get(_NAMED, place["WorkGroup"], query_id) if place else None

    def _require(self, query_id: str) -> Payload:
        found = self._find(query_id)
        if found is None:
            raise invalid(f"NamedQueryId {query_id} was not found")
        return found


class PreparedStatements:
    """The operations on prepared statements."""

    def __init__(self, store: Store, workgroups: WorkGroups) -> None:
        self._store = store
        self._workgroups = workgroups

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreatePreparedStatement": self.create,
            "GetPreparedStatement": self.get,
            "ListPreparedStatements": self.list_all,
            "UpdatePreparedStatement": self.update,
            "DeletePreparedStatement": self.delete,
        }

    def find(self, workgroup: str, name: str) -> Payload | None:
        return self._store.get(_PREPARED, workgroup, name.lower())

    def create(self, payload: Payload) -> Payload:
        group, name = self._place(payload)
        if self.find(group, name) is not None:
            raise invalid(f"PreparedStatement {name} already exists")
        self._keep(group, name, payload)
        return {}

    def get(self, payload: Payload) -> Payload:
        return {"PreparedStatement": self._require(payload)}

    def list_all(self, payload: Payload) -> Payload:
        group = self._workgroups.require(payload["WorkGroup"])["Name"]
        shown = ("StatementName", "LastModifiedTime")
        found = [{n: s[n] for n in shown} for s in self._store.all_of(_PREPARED, group)]
        return paged("PreparedStatements", found, payload)

    def update(self, payload: Payload) -> Payload:
        self._require(payload)
        self._keep(*self._place(payload), payload)
        return {}

    def delete(self, payload: Payload) -> Payload:
        self._require(payload)
        group, name = self._place(payload)
        self._store.delete(_PREPARED, group, name.lower())
        return {}

    def _place(self, payload: Payload) -> tuple[str, str]:
        return self._workgroups.require(payload["WorkGroup"])["Name"], payload["StatementName"]

    def _require(self, payload: Payload) -> Payload:
        group, name = self._place(payload)
        found = self.find(group, name)
        if found is None:
            raise AwsError("ResourceNotFoundException", f"PreparedStatement {name} was not found")
        return found

    def _keep(self, group: str, name: str, payload: Payload) -> None:
        body = {
            "StatementName": name,
            "QueryStatement": payload["QueryStatement"],
            "WorkGroupName": group,
            "Description": payload.get("Description", ""),
            "LastModifiedTime": time.time(),
        }
        self._store.put(_PREPARED, group, name.lower(), body)
