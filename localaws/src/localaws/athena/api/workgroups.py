"""Workgroups, with the limits that they set, and the tags of resources."""

from __future__ import annotations

import re
import time
from typing import Any

from localaws.athena.api.requests import Handler, Payload, invalid, paged
from localaws.athena.store import Store

PRIMARY = "primary"
EFFECTIVE = "Athena engine version 3"
ENGINE = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": EFFECTIVE}
_KIND, _TAGS, _DELETED = "workgroup", "tags", "workgroup_deleted"
_NAME = re.compile(r"[a-zA-Z0-9._-]{1,128}")
_LEAST_CUTOFF = 10_000_000
_UPDATED = (
    "EnforceWorkGroupConfiguration",
    "PublishCloudWatchMetricsEnabled",
    "RequesterPaysEnabled",
)


class WorkGroups:
    """The operations on workgroups and tags."""

    def __init__(self, store: Store) -> None:
        self._store = store
        if store.get(_KIND, "", PRIMARY) is None:
            self._keep(_new(PRIMARY, {"EnforceWorkGroupConfiguration": False}, None))

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreateWorkGroup": self.create,
            "GetWorkGroup": self.get,
            "ListWorkGroups": self.list_all,
            "UpdateWorkGroup": self.update,
            "DeleteWorkGroup": self.delete,
            "TagResource": self.tag,
            "UntagResource": self.untag,
            "ListTagsForResource": self.tags,
            "ListEngineVersions": self.engine_versions,
        }

    def require(self, name: str) -> Payload:
        """Return a workgroup; InvalidRequestException where there is none of that name."""
        found = self._store.get(_KIND, "", name)
        if found is None:
            raise invalid(f"WorkGroup {name} is not found.")
        return found

    def create(self, payload: Payload) -> Payload:
        name = payload["Name"]
        if not _NAME.fullmatch(name):
            raise invalid(f"Invalid workgroup name {name!r}")
        if self._store.get(_KIND, "", name) is not None:
            raise invalid(f"WorkGroup {name} is already created")
        given = _checked(payload.get("Configuration") or {})
        self._store.delete(_DELETED, "", name)
        self._keep(_new(name, given, payload.get("Description")))
        self._put_tags(name, payload.get("Tags") or [])
        return {}

    def get(self, payload: Payload) -> Payload:
        return {"WorkGroup": self.require(payload["WorkGroup"])}

    def list_all(self, payload: Payload) -> Payload:
        found = [
            {
                "Name": group["Name"],
                "State": group["State"],
                "Description": group.get("Description", ""),
                "CreationTime": group["CreationTime"],
                "EngineVersion": group["Configuration"]["EngineVersion"],
            }
            for group in self._store.all_of(_KIND, "")
        ]
        return paged("WorkGroups", found, payload)

    def update(self, payload: Payload) -> Payload:
        group = self.require(payload["WorkGroup"])
        if "Description" in payload:
            group["Description"] = payload["Description"]
        if "State" in payload:
            group["State"] = payload["State"]
        _apply(group["Configuration"], payload.get("ConfigurationUpdates") or {})
        self._keep(group)
        return {}

    def delete(self, payload: Payload) -> Payload:
        """Remove a workgroup; the same request again has the same answer, as AWS has it."""
        if self._store.get(_DELETED, "", payload["WorkGroup"]) is not None:
            return {}
        name = self.require(payload["WorkGroup"])["Name"]
        if name == PRIMARY:
            raise invalid("WorkGroup primary cannot be deleted.")
        holds = self._store.newest(name, None, 1) or self._store.all_of("named_query", name)
        if holds and not payload.get("RecursiveDeleteOption"):
            raise invalid(f"WorkGroup {name} is not empty")
        self._store.forget_executions(name)
        for kind in ("named_query", "prepared_statement", _TAGS):
            self._store.delete(kind, name)
        self._store.put(_DELETED, "", name, {})
        self._store.delete(_KIND, "", name)
        return {}

    def tag(self, payload: Payload) -> Payload:
        self._put_tags(self._tagged(payload), payload["Tags"])
        return {}

    def untag(self, payload: Payload) -> Payload:
        name = self._tagged(payload)
        for key in payload["TagKeys"]:
            self._store.delete(_TAGS, name, key)
        return {}

    def tags(self, payload: Payload) -> Payload:
        found = self._store.all_of(_TAGS, self._tagged(payload))
        return paged("Tags", found, payload, 200)

    def engine_versions(self, payload: Payload) -> Payload:
        return {"EngineVersions": [ENGINE]}

    def _tagged(self, payload: Payload) -> str:
        """Return the workgroup that an ARN names; other resources carry no tags here."""
        arn = payload["ResourceARN"]
        name = arn.rpartition(":workgroup/")[2]
        if ":workgroup/" not in arn:
            raise invalid(f"Unable to find resource {arn}")
        return str(self.require(name)["Name"])

    def _put_tags(self, name: str, tags: list[dict[str, str]]) -> None:
        for tag in tags:
            entry = {"Key": tag["Key"], "Value": tag.get("Value", "")}
            self._store.put(_TAGS, name, tag["Key"], entry)

    def _keep(self, group: Payload) -> None:
        self._store.put(_KIND, "", group["Name"], group)


def _new(name: str, configuration: dict[str, Any], description: str | None) -> Payload:
    made: Payload = {
        "Name": name,
        "State": "ENABLED",
        "Configuration": {
            "ResultConfiguration": {},
            "EnforceWorkGroupConfiguration": True,
            "PublishCloudWatchMetricsEnabled": False,
            "RequesterPaysEnabled": False,
            **configuration,
            "EngineVersion": _engine(configuration),
        },
        "CreationTime": time.time(),
    }
    return made | ({"Description": description} if description else {})


def _checked(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration; refuses what the local Athena would only pretend to do."""
    if (configuration.get("ManagedQueryResultsConfiguration") or {}).get("Enabled"):
        raise invalid("The local Athena has no managed query results: give an output location.")
    engine = _engine(configuration)["SelectedEngineVersion"]
    if engine not in ENGINE.values():
        raise invalid(f"Engine version {engine} is not supported: use AUTO.")
    cutoff = configuration.get("BytesScannedCutoffPerQuery")
    if cutoff is not None and cutoff < _LEAST_CUTOFF:
        raise invalid(f"BytesScannedCutoffPerQuery is {cutoff}: at least {_LEAST_CUTOFF} bytes")
    return configuration


def _engine(configuration: dict[str, Any]) -> dict[str, str]:
    """Return the engine as it is asked for; there is only one."""
    return (
        ENGINE | (configuration.get("EngineVersion") or {}) | {"EffectiveEngineVersion": EFFECTIVE}
    )


def _apply(configuration: dict[str, Any], updates: dict[str, Any]) -> None:
    _checked(updates)
    configuration |= {name: updates[name] for name in _UPDATED if name in updates}
    if "EngineVersion" in updates:
        configuration["EngineVersion"] = _engine(updates)
    if updates.get("RemoveBytesScannedCutoffPerQuery"):
        configuration.pop("BytesScannedCutoffPerQuery", None)
    elif "BytesScannedCutoffPerQuery" in updates:
        configuration["BytesScannedCutoffPerQuery"] = updates["BytesScannedCutoffPerQuery"]
    result = configuration.setdefault("ResultConfiguration", {})
    changes = updates.get("ResultConfigurationUpdates") or {}
    for name in (
        "OutputLocation",
        "EncryptionConfiguration",
        "ExpectedBucketOwner",
        "AclConfiguration",
    ):
        if changes.get(f"Remove{name}"):
            result.pop(name, None)
        elif name in changes:
            result[name] = changes[name]
