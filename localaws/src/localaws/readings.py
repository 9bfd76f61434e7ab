"""Requests that can be read in two ways are refused.

ministack reads a request twice: for the rights that it needs, and for what is to be done. It does
not read both alike: `GET /bucket/key?policy` needs the right to a bucket's policy, and gives the
object; `POST /?Action=ListUsers` lists users, unless its body says `Action=CreateUser`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Collection, Iterator
from urllib.parse import parse_qs, parse_qsl

from localaws.callers import Need
from localaws.wire import AwsError, Scope, header

_OF_OBJECTS = {
    "GET": "acl annotation attributes legal-hold retention tagging uploadId",
    "PUT": "acl annotation legal-hold retention tagging uploadId",
    "POST": "restore uploadId uploads",
    "DELETE": "annotation tagging uploadId",
}
_CONFIGURATIONS = "cors encryption lifecycle ownershipControls policy publicAccessBlock"
_CONFIGURATIONS += " replication tagging website"
_PUT_ALONE = "accelerate acl logging notification object-lock requestPayment versioning"
_OF_BUCKETS = {
    "GET": f"{_CONFIGURATIONS} {_PUT_ALONE} list-type location uploads versions",
    "PUT": f"{_CONFIGURATIONS} {_PUT_ALONE}",
    "POST": "delete",
    "DELETE": _CONFIGURATIONS,
}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# S3 has these; ministack passes over them: it would delete the bucket, or list what is in it.
_MISSING = frozenset(
    (
        "abac", "analytics", "intelligent-tiering", "inventory", "metadataConfiguration",
        "metadataTable", "metrics", "policyStatus", "renameObject", "select", "session", "torrent",
    )
)  # fmt: skip
_KNOWN = _MISSING.union(*(each.split() for each in (*_OF_OBJECTS.values(), *_OF_BUCKETS.values())))


def asked_of(parameters: Collection[str]) -> list[str]:
    """Return which parameters of a request choose what is done."""
    return sorted(_KNOWN.intersection(parameters))


def check_subresource(method: str, path: str, parameters: Collection[str]) -> None:
    """Raise AwsError for a request to S3 that asks for two things at once, or for one too many."""
    asked, (bucket, key) = asked_of(parameters), split_path(path)
    if len(asked) > 1:
        message = f"Conflicting query string parameters: {', '.join(asked)}"
        raise AwsError("InvalidArgument", message)
    if not asked or not bucket:
        return
    if asked[0] in _MISSING:
        raise AwsError("NotImplemented", f"The local S3 has no {asked[0]}.", status=501)
    known = _OF_OBJECTS if key else _OF_BUCKETS
    if asked[0] not in known.get(method, "").split():
        message = "The specified method is not allowed against this resource."
        raise AwsError("MethodNotAllowed", message, status=405)


def check_headers_of(parameters: dict[str, list[str]]) -> None:
    """Raise AwsError where a link says in a header's place what no header can say."""
    for name, values in parameters.items():
        if name.lower().startswith(("x-amz-", "response-")) and _CONTROL.search(
            "".join((name, *values))
        ):
            raise AwsError("InvalidArgument", f"The value of {name!r} has control characters.")


def needs_of(method: str, path: str, parameters: dict[str, list[str]]) -> Iterator[Need]:
    """Yield the rights of a request to S3 for which ministack asks of something else, or not.

    It leaves out the empty parts of a key, and takes `/bucket//` for a bucket.
    """
    from ministack.core.iam_actions import extract_iam_action

    bucket, key = split_path(path)
    if key and "" in key.split("/"):
        action = extract_iam_action("s3", method, f"/{bucket}/key", {}, b"", parameters)
        if action:
            yield action, f"arn:aws:s3:::{bucket}/{key}"
    elif not key and method == "GET" and "requestPayment" in parameters:  # it lists the bucket
        yield "s3:ListBucket", f"arn:aws:s3:::{bucket}"


def check_body(
    method: str, parameters: Collection[str], path: str, form: Collection[str], body: bytes
) -> None:
    """Raise AwsError where the body of a request to S3 changes how it is judged, or what it does.

    A form's parameters are judged, whatever the address says. Of two keys of an object that is to
    be deleted the last is judged and the first deleted; of a form that puts an object, its bucket.
    """
    if judged := sorted({*_KNOWN, "annotationName", "versionId"}.intersection(form)):
        message = (
            f"The body is a form that names {', '.join(judged)}: give it another Content-Type."
        )
        raise AwsError("InvalidArgument", message)
    if method != "POST" or split_path(path)[1]:
        return
    if "delete" not in parameters:
        message = "The specified method is not allowed against this resource."
        raise AwsError("MethodNotAllowed", message, status=405)
    try:
        objects = [one for one in ET.fromstring(body).iter() if _name(one) == "Object"]  # noqa: S314
    except (ET.ParseError, ValueError) as error:
        raise AwsError("MalformedXML", _MALFORMED) from error
    for one in objects:
        if max(Counter(map(_name, one)).values(), default=0) > 1:
            raise AwsError("MalformedXML", _MALFORMED)


_MALFORMED = (
    "The XML you provided was not well-formed or did not validate against our published schema"
)


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def parameters_of(body: bytes, content_type: bytes) -> dict[str, list[str]]:
    """Return the parameters of a form, which ministack judges for S3 as well; none of no form."""
    if not body or not content_type.startswith(b"application/x-www-form-urlencoded"):
        return {}
    return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)


def check_form(scope: Scope, body: bytes) -> None:
    """Raise AwsError where a request to another service than S3 says something twice.

    Its parameters stand in its address or in its body, and the body is what is judged: ministack
    takes it out of a wrapping that nobody has looked into.
    """
    query, content_type = scope.get("query_string", b""), header(scope, b"content-type")
    if header(scope, b"content-encoding") and b"/monitoring/" not in header(
        scope, b"authorization"
    ):
        raise AwsError(
            "InvalidRequest", "The local AWS reads no body that is compressed or chunked."
        )
    has_target, is_form = bool(header(scope, b"x-amz-target")), b"form" in content_type
    if not (is_form or has_target or scope["path"] == "/" or b"Action" in query):
        return
    if query and body:
        message = "Parameters are given in the address or in the body, not in both."
        raise AwsError("MalformedQueryString", message)
    if is_form or query:
        names = [name for name, _ in parse_qsl(body or query, keep_blank_values=True)]
        if len(names) != len(set(names)):
            raise AwsError("MalformedQueryString", "A parameter is given twice.")


def split_path(path: str) -> tuple[str, str]:
    """Return bucket and key of a path-style request; both are empty where it has none."""
    bucket, _, key = path.lstrip("/").partition("/")
    return bucket, key
