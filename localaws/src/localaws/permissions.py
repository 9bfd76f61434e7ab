"""Which right each operation of Glue and Athena needs, and on which resources.

As in the Service Authorization Reference. Where that lets an operation do with less than all the
resources that its request names, all are asked for: a policy that works here works there. So is
what stands in a member that the operation does not use: none can stand for another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote

from localaws.callers import Need
from localaws.wire import AwsError

Payload = dict[str, Any]

# Operations whose request names a database alone, or nothing, and whose answer may hold all.
_ON_ALL_TABLES = ("GetTables", "SearchTables")
_ON_ALL_DATABASES = ("GetDatabases",)
# Operations that name no single resource: a policy must allow them on `*`.
_ON_EVERYTHING = (
    "ListJobs", "GetJobs", "ListWorkGroups", "ListDataCatalogs", "ListEngineVersions",
    "ListApplicationDPUSizes",
)  # fmt: skip
_BY_ID = re.compile(r"(Get|BatchGet|Stop)Query\w+|(Get|BatchGet|Update|Delete)NamedQuery")
_ROLE_ARN = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
_OF_A_CATALOG = re.compile(r"DataCatalog|Databases?$|TableMetadata$")


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


# Services of ministack that do what a role may do, or give its keys, and ask for no right of it.
_ACTING = frozenset(
    (
        "airflow", "apigateway", "appsync", "appsync-events", "batch", "bedrock-agent",
        "bedrock-agentcore", "cloudcontrol", "cloudformation", "codebuild", "cognito-identity",
        "ecs", "ecs-metadata", "eks", "elasticmapreduce", "events", "firehose", "imds", "iot",
        "kinesisanalyticsv2", "lambda-core", "lambda-microvms", "pipes", "s3files", "scheduler",
        "states", "transfer",
    )
)  # fmt: skip


def check_services(services: Collection[str]) -> None:
    """Raise AwsError where a request of anybody but root calls a service that acts for roles."""
    if acting := sorted(_ACTING.intersection(services)):
        message = (
            f"The local AWS does not check what {acting[0]} does in the name of a role: only the "
            "account's root may call it. Use the keys that `b3 local env` prints."
        )
        raise AwsError("AccessDeniedException", message, status=403)


def passed_to_function(body: bytes) -> str:
    """Return the role that a request hands to a Lambda; empty where it hands none."""
    try:
        role = json.loads(body or b"{}").get("Role")
    except (ValueError, AttributeError, RecursionError):
        return ""  # the answer to it says what is wrong
    return role if isinstance(role, str) else ""


def role_of_function(method: str, path: str, body: bytes) -> str:
    """Return the role that a request gives to a Lambda; empty where it gives none.

    Raises AwsError where it makes a Lambda without the ARN of a role, or takes it its own, in the
    words of AWS, as reports of failed deployments quote them. AWS reads a null in an update as no
    change; here it is refused, too.
    """
    parts = unquote(path).rstrip("/").split("/")  # as ministack does
    made = method == "POST" and len(parts) == 3
    changed = method == "PUT" and parts[4:5] == ["configuration"]
    if parts[2:3] != ["functions"] or not (made or changed):
        return ""
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return ""  # the answer to it says what is wrong
    if not isinstance(given, dict) or not (made or "Role" in given):
        return ""
    role = given.get("Role")
    if not isinstance(role, str):
        wanted = "must not be null"
    elif not re.fullmatch(_ROLE_ARN, role, re.ASCII):
        wanted = f"must satisfy regular expression pattern: {_ROLE_ARN}"
    else:
        return role
    value = f"'{role}'" if isinstance(role, str) else json.dumps(role)
    raise AwsError(
        "ValidationException",
        f"1 validation error detected: Value {value} at 'role' failed to satisfy constraint: "
        f"Member {wanted}",
    )


def passed_to_host(form: bytes) -> list[str]:
    """Return the instance profiles, names or ARNs, that a request hands to hosts of EC2.

    AWS asks for its role when a host starts; here one in a launch template is asked for as well.
    """
    asked = parse_qsl(form.decode("utf-8", "replace"))
    endings = ("IamInstanceProfile.Arn", "IamInstanceProfile.Name")
    return [value for name, value in asked if name.endswith(endings)]


def passed_to_profile(form: bytes) -> list[str]:
    """Return the roles that a request puts into an instance profile."""
    asked = parse_qsl(form.decode("utf-8", "replace"))
    if ("Action", "AddRoleToInstanceProfile") not in asked:
        return []
    return [value for name, value in asked if name == "RoleName"]


def _glue_resources(operation: str, payload: Payload) -> list[str]:
    if operation in _ON_EVERYTHING:
        return []
    if "Job" in operation:
        names = [*_texts(payload, "JobName", "Name"), *_listed(payload, "JobNames")]
        return [f"job/{name}" for name in names]
    if "Database" in operation:
        found = [*_texts(payload, "Name"), *_texts(payload.get("DatabaseInput"), "Name")]
        names = _or_all(operation in _ON_ALL_DATABASES, found)
        databases = [f"database/{name}" for name in names]
        whole = [f"table/{name}/*" for name in names] if operation == "DeleteDatabase" else []
        return ["catalog", *databases, *whole]
    if "Table" in operation or "Partition" in operation or "ColumnStatistics" in operation:
        database = (_text(payload, "DatabaseName") or "*").lower()
        found = [*_texts(payload, "TableName", "Name"), *_listed(payload, "TablesToDelete")]
        found += _texts(payload.get("TableInput"), "Name")
        names = _or_all(operation in _ON_ALL_TABLES, found)
        return ["catalog", f"database/{database}", *(f"table/{database}/{name}" for name in names)]
    return []


def _or_all(everything: bool, names: list[str]) -> list[str]:
    """Return names as the catalog has them; `*` where there are none, or all are concerned."""
    lower = sorted({name.lower() for name in names})
    return [*lower, "*"] if everything or not lower else lower


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
    else:
        catalogs = _texts(payload, "CatalogName")
        if operation.endswith("DataCatalog"):
            catalogs += _texts(payload, "Name")
        groups = _groups(operation, payload, group_of, of_catalog=bool(catalogs))
        resources = [arn_of(f"datacatalog/{name}") for name in catalogs]
        resources += [arn_of(f"workgroup/{name}") for name in groups]
    for resource in resources:
        yield f"athena:{operation}", resource


def _groups(
    operation: str, payload: Payload, group_of: Callable[[str], str], *, of_catalog: bool
) -> list[str]:
    """Return the workgroups of an operation; `primary` is the one of a request that names none."""
    ids = _texts(payload, "QueryExecutionId", "NamedQueryId")
    ids += _listed(payload, "QueryExecutionIds") + _listed(payload, "NamedQueryIds")
    named = _texts(payload, "WorkGroup", "WorkGroupName")
    if operation == "CreateWorkGroup":
        named += _texts(payload, "Name")
    by_id = _BY_ID.fullmatch(operation)
    if not (ids if by_id else named) and not (of_catalog and _OF_A_CATALOG.search(operation)):
        named.append("primary")
    return sorted({*map(group_of, ids), *named})


def _listed(payload: Payload, name: str) -> list[str]:
    """Return what a member lists, as texts."""
    several = payload.get(name)
    return [str(one) for one in several] if isinstance(several, list) else []


def _texts(payload: object, *names: str) -> list[str]:
    """Return what some members hold, those that are there; a request may hold anything."""
    if not isinstance(payload, dict):
        return []
    return [str(payload[name]) for name in names if payload.get(name)]


def _text(payload: object, name: str) -> str:
    """Return what a member holds; empty where it is not there."""
    return next(iter(_texts(payload, name)), "")
