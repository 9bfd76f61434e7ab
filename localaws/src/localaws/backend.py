"""ministack as a client sees it, called inside this process: no socket, so it works at any time."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

from localaws.keys import Keys
from localaws.settings import Settings
from localaws.wire import AsgiApp, AwsError, Message


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, body, and headers by their names in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Backend:
    """A signed client of an ASGI application that speaks the protocols of AWS."""

    def __init__(
        self, app: AsgiApp, settings: Settings, keys: Keys | None = None, token: str = ""
    ) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys or settings.keys
        self._token = token

    def signed_by(self, key_id: str, secret: str, token: str) -> Backend:
        """Return this client as somebody else, whose rights are asked for."""
        return Backend(self._app, self._settings, Keys(key_id, secret), token)

    async def call(self, service: str, target: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to an AWS JSON 1.1 operation of `service`, its signing name.

        Raises AwsError with the code that the backend gives.
        """
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
        answer = await self.request(service, "POST", "/", headers, json.dumps(payload).encode())
        content = json.loads(answer.body or b"{}")
        if answer.status >= 300:
            code = str(content.get("__type", "InternalFailure")).rpartition("#")[2]
            message = content.get("message") or content.get("Message") or content
            raise AwsError(code, str(message), answer.status)
        return dict(content)

    async def query(self, service: str, **parameters: str) -> str:
        """Return the XML of an operation of a query protocol (IAM, STS), an error's as well."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode({"Version": "2010-05-08", **parameters}).encode()
        return (await self.request(service, "POST", "/", headers, body)).body.decode()

    async def get_object(self, bucket: str, key: str) -> bytes:
        """Return the body of an S3 object; raise AwsError where bucket or key do not exist."""
        answer = await self.request_object("GET", bucket, key)
        if answer.status != 200:
            code = "NoSuchKey" if answer.status == 404 else "AccessDenied"
            raise AwsError(code, f"s3://{bucket}/{key} cannot be read.", answer.status)
        return answer.body

    async def request_object(
        self,
        method: str,
        bucket: str,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        query: str = "",
    ) -> Answer:
        """Return the answer of S3, whatever it is, to a request for an object or a bucket."""
        path = f"/{bucket}/{quote(key)}" if key else f"/{bucket}"
        return await self.request("s3", method, path, headers or {}, body, query)

    async def request(
        self,
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: str = "",
    ) -> Answer:
        """Return the answer to any signed request, whatever it is."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": self._signed(service, method, path, query, headers, body),
            "client": (self._settings.host, 0),
            "server": (self._settings.host, self._settings.port),
        }
        return await _exchange(self._app, scope, body)

    def _signed(
        self,
        service: str,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> list[tuple[bytes, bytes]]:
        """Return the headers of a request with a signature, made as ministack recomputes it.

        botocore's signer would bring its clients' imports into each start of the server.
        """
        from ministack.core.sigv4 import (
            HeaderSignature,
            calculate_signature,
            header_signing_documents,
        )

        now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        day, region = now[:8], self._settings.region
        sent = {name.lower(): value for name, value in headers.items()}
        sent["host"] = f"{self._settings.host}:{self._settings.port}"
        sent["x-amz-date"] = now
        sent["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
        if self._token:
            sent["x-amz-security-token"] = self._token
        names, key = ";".join(sorted(sent)), self._keys.access_key_id
        parts = HeaderSignature(key, day, region, service, names, "", now)
        asked = parse_qs(query, keep_blank_values=True)
        _, text = header_signing_documents(parts, method, path, asked, sent, body)
        made = calculate_signature(self._keys.secret_access_key, day, region, service, text)
        sent["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={key}/{day}/{region}/{service}/aws4_request, "
            f"SignedHeaders={names}, Signature={made}"
        )
        if body:
            sent["content-length"] = str(len(body))
        return [(name.encode(), value.encode()) for name, value in sent.items()]


async def _exchange(app: AsgiApp, scope: dict[str, Any], body: bytes) -> Answer:
    status = 0
    headers: dict[str, str] = {}
    chunks: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            for name, value in message.get("headers", ()):
                headers[bytes(name).decode("latin-1").lower()] = bytes(value).decode("latin-1")
        else:
            chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    return Answer(status, b"".join(chunks), headers)
