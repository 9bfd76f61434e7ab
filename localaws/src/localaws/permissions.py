"""Which right each operation of Glue and Athena needs, and on which resources.

As in the Service Authorization Reference. Where that lets an operation do with less than all the
resources that its request names, all are asked for: a policy that works here works there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from localaws.callers import Need

Payload = dict[str, Any]

# Operations that name no single resource: a policy must allow them on `*`.
_ON_EVERYTHING = (
    "ListJobs", "GetJobs", "ListWorkGroups", "ListDataCatalogs", "ListEngineVersions",
    "ListApplicationDPUSizes",
)  # fmt: skip


def glue_needs(operation: str, payload: Payload, arn_of: Callable[[str], str]) -> Iterator[Need]:
    """Return the rights of one operation of Glue; `arn_of` makes an ARN of `job/name`."""
    resources = [arn_of(resource) for resource in _glue_resources(operation, payload)]
    if "TagResource" in operation or operation in ("UntagResource", "GetTags"):
        resources = [_text(payload, "ResourceArn")]
    for resource in resources or ["*"]:
        yield f"glue:{operation}", resource


def passed_role(operation: str, payload: Payload) -> str:
    """Return the role that a request hands to a job; empty where it hands none."""
    given = payload if operation == "CreateJob" else payload.get("JobUpdate")
    if operation not in ("CreateJob", "UpdateJob") or not isinstance(given, dict):
        return ""
    return _text(given, "Role")


def passed_to_function(body: bytes) -> str:
    """Return the role that a request hands to a Lambda; empty where it hands none."""
    try:
        role = json.loads(body or b"{}").get("Role")
    except (ValueError, AttributeError, RecursionError):
        return ""  # the answer to it says what is wrong
    return role if isinstance(role, str) else ""


def passed_to_host(form: bytes) -> str:
    """Return the instance profile, a name or an ARN, that a request hands to a host of EC2.

    AWS asks for its role when a host starts; here one in a launch template is asked for as well.
    """
    return next(
        (
            value
            for name, value in parse_qsl(form.decode("utf-8", "replace"))
            if name.endswith(("IamInstanceProfile.Arn", "IamInstanceProfile.Name"))
        ),
        "",
    )


def passed_to_profile(form: bytes) -> str:
    """Return the role that a request puts into an instance profile; empty where it puts none."""
    asked = dict(parse_qsl(form.decode("utf-8", "replace")))
    return asked.get("RoleName", "") if asked.get("Action") == "AddRoleToInstanceProfile" else ""


def _glue_resources(operation: str, payload: Payload) -> list[str]:
    if operation in _ON_EVERYTHING:
        return []
    if "Job" in operation:
        jobs = payload.get("JobNames")
        names = jobs if isinstance(jobs, list) else [_text(payload, "JobName", "Name")]
        return [f"job/{name}" for name in names]
    if "Database" in operation:
        name = _text(payload, "Name") or _text(payload.get("DatabaseInput"), "Name") or "*"
        whole = [f"table/{name}/*"] if operation == "DeleteDatabase" else []
        return ["catalog", f"database/{name.lower()}", *(one.lower() for one in whole)]
    if "Table" in operation or "Partition" in operation or "ColumnStatistics" in operation:
        database = (_text(payload, "DatabaseName") or "*").lower()
        tables = [f"table/{database}/{name.lower()}" for name in _tables(payload)]
        return ["catalog", f"database/{database}", *tables]
    return []


def _tables(payload: Payload) -> list[str]:
    several = payload.get("TablesToDelete")
    if isinstance(several, list):
        return [str(name) for name in several]
    name = _text(payload, "TableName", "Name") or _text(payload.get("TableInput"), "Name")
    return [name or "*"]


def athena_needs(
    operation: str, payload: Payload, arn_of: Callable[[str], str], group_of: Callable[[str], str]
) -> Iterator[Need]:
    """Return the rights of one operation of Athena.

    `group_of` gives the workgroup of a query or a saved query by its id, `*` for one that is not.
    """
    if operation in _ON_EVERYTHING:
        resources = ["*"]
    elif "TagResource" in operation or operation in ("UntagResource", "ListTagsForResource"):
        resources = [_text(payload, "ResourceARN") or "*"]
    elif "CatalogName" in payload or operation == "GetDataCatalog":
        resources = [arn_of(f"datacatalog/{_text(payload, 'CatalogName', 'Name')}")]
    else:
        resources = [arn_of(f"workgroup/{name}") for name in _groups(operation, payload, group_of)]
    for resource in resources:
        yield f"athena:{operation}", resource


def _groups(operation: str, payload: Payload, group_of: Callable[[str], str]) -> list[str]:
    ids = [payload[name] for name in ("QueryExecutionId", "NamedQueryId") if name in payload]
    for name in ("QueryExecutionIds", "NamedQueryIds"):
        several = payload.get(name)
        ids += several if isinstance(several, list) else []
    if ids:
        return sorted({group_of(str(one)) for one in ids})
    named = _text(payload, "WorkGroup", "WorkGroupName")
    if not named and re.fullmatch(r"(Create|Get|Update|Delete)WorkGroup", operation):
        named = _text(payload, "Name")
    return [named or "primary"]


def _text(payload: object, *names: str) -> str:
    """Return the first of some members that is there; a request may hold anything."""
    if isinstance(payload, dict):
        for name in names:
            if payload.get(name):
                return str(payload[name])
    return ""
