"""The short way to a whole object: most of what an ingestion and a refine ask for.

ministack leads a request past each of its services, finds out who calls three times and checks the
signature once more: a GET of two kilobytes takes three times what its object takes. Here a caller
who is known is judged by ministack's evaluator, once, and answered by its functions for objects.

The short way is for requests without anything unusual, and for answers of 200 alone: whatever is
refused, missing or wrong is asked again by the whole way, in ministack's own words.
"""

from __future__ import annotations

import re
from base64 import b64encode
from email.utils import formatdate
from os import urandom
from typing import Any
from uuid import uuid4

from localaws.settings import Settings
from localaws.wire import AsgiApp, Headers, Receive, Scope, Send, again, read_body, send_answer

CALLER = "localaws.caller"
"""Where a request's scope holds who signed it, once that is known: nothing else may set it."""

_ACTIONS = {"GET": "s3:GetObject", "PUT": "s3:PutObject"}
# None of these changes what is done, or which rights it takes, beyond what ministack's functions
# for objects read of them.
_HEADERS = frozenset((
    b"accept", b"accept-encoding", b"amz-sdk-invocation-id", b"amz-sdk-request", b"authorization",
    b"connection", b"content-length", b"content-md5", b"host", b"user-agent",
    b"x-amz-checksum-crc32", b"x-amz-checksum-mode", b"x-amz-content-sha256", b"x-amz-date",
    b"x-amz-sdk-checksum-algorithm", b"x-amz-security-token", b"x-forwarded-proto",
))  # fmt: skip
_PAYLOAD = re.compile(rb"[0-9a-f]{64}|UNSIGNED-PAYLOAD")
_SCOPE = re.compile(rb"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([a-z0-9-]+)/s3/aws4_request,")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
# No part of it is empty or begins with a dot: ministack keeps such keys elsewhere.
_KEY = re.compile(r"(?:[\w=-][\w=.-]*/)*[\w=-][\w=.-]*", re.ASCII)
_LONGEST_KEY = 512
_ALIASES = ("-s3alias", "--ol-s3")


class PlainObjects:
    """ministack as an ASGI application that takes the short way where there is one."""

    def __init__(self, ministack: AsgiApp, settings: Settings) -> None:
        from ministack import app
        from ministack.core import iam_evaluator, responses
        from ministack.services import s3

        self._ministack = ministack
        self._settings = settings
        self._host = f"{settings.host}:{settings.port}".encode()
        self._policies, self._request, self._s3 = iam_evaluator, responses, s3
        self._as_sent = app._asgi_header_list

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = self._plain(scope)
        if headers is not None:
            body = await read_body(receive)
            answer = self._answer(scope, headers, body)
            if answer is not None:
                await send_answer(send, 200, *answer)
                return
            receive = again(body, receive)
        await self._ministack(scope, receive, send)

    def _plain(self, scope: Scope) -> dict[str, str] | None:
        """Return the headers of a request that asks for nothing but a whole object, else None."""
        if CALLER not in scope or scope["method"] not in _ACTIONS or scope.get("query_string"):
            return None
        found = dict(scope["headers"])
        if len(found) != len(scope["headers"]) or not found.keys() <= _HEADERS:
            return None
        signed = _SCOPE.match(found.get(b"authorization", b""))
        if (
            found.get(b"host") != self._host
            or not signed
            or signed[1].decode() != self._settings.region
            or not _PAYLOAD.fullmatch(found.get(b"x-amz-content-sha256", b""))
        ):
            return None
        return {name.decode(): value.decode("latin-1") for name, value in found.items()}

    def _answer(
        self, scope: Scope, headers: dict[str, str], body: bytes
    ) -> tuple[Headers, bytes] | None:
        """Return headers and body of an answer of 200; None where there is no such answer."""
        bucket, _, key = scope["path"][1:].partition("/")
        if not self._knows(bucket) or len(key) > _LONGEST_KEY or not _KEY.fullmatch(key):
            return None
        client = (scope.get("client") or (self._settings.host,))[0]
        self._request.set_request_client_ip(client)
        self._request.set_request_account_id(self._settings.account_id)
        self._request.set_request_region(self._settings.region)
        self._policies.pin_request_origin(client, headers.get("x-forwarded-proto") == "https")
        if not self._may(scope, bucket, key, headers):
            return None
        try:
            if scope["method"] == "GET":
                status, told, content = self._s3._get_object(bucket, key, headers, {})
            else:
                status, told, content = self._s3._put_object(bucket, key, body, headers)
        except Exception:  # the whole way says what is wrong
            return None
        if status != 200 or not isinstance(content, bytes):
            return None
        return self._headers(told, content), content

    def _knows(self, bucket: str) -> bool:
        """Return whether a bucket is of this account and region, and its objects call nobody."""
        return (
            _BUCKET.fullmatch(bucket) is not None
            and not bucket.endswith(_ALIASES)
            and bucket not in self._s3._bucket_notifications
            and self._s3.bucket_region(bucket) == self._settings.region
        )

    def _may(self, scope: Scope, bucket: str, key: str, headers: dict[str, str]) -> bool:
        from ministack.core.iam_actions import s3_service_context

        action = _ACTIONS[scope["method"]]
        context = s3_service_context(action, {}, scope["path"], headers)
        denied = self._policies.enforce(
            scope[CALLER].access_key_id, action, "s3", self._settings.region,
            resource_arn=f"arn:aws:s3:::{bucket}/{key}", service_context=context,
        )  # fmt: skip
        return denied is None

    def _headers(self, told: dict[str, Any], content: bytes) -> Headers:
        """Return the headers of an answer as ministack sends them."""
        self._request.fix_success_content_type("s3", 200, told)
        request_id = str(uuid4())
        told = {
            **told,
            "Content-Length": str(len(content)),
            "x-amzn-requestid": request_id,
            "x-amz-request-id": request_id,
            "x-amz-id-2": b64encode(urandom(48)).decode(),
            "date": formatdate(usegmt=True),
        }
        pairs: Headers = self._as_sent(told)
        return pairs
