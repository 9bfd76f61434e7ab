"""ministack as a client sees it, called inside this process: no socket, so it works at any time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

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
        self, app: AsgiApp, settings: Settings, credentials: Credentials | None = None
    ) -> None:
        self._app = app
        self._settings = settings
        self._credentials = credentials or Credentials(
            settings.keys.access_key_id, settings.keys.secret_access_key
        )

    def signed_by(self, key_id: str, secret: str, token: str) -> Backend:
        """Return this client as somebody else, whose rights are asked for."""
        return Backend(self._app, self._settings, Credentials(key_id, secret, token or None))

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
        target = f"{path}?{query}" if query else path
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
            "headers": self._signed(service, method, target, headers, body),
            "client": (self._settings.host, 0),
            "server": (self._settings.host, self._settings.port),
        }
        return await _exchange(self._app, scope, body)

    def _signed(
        self, service: str, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> list[tuple[bytes, bytes]]:
        host = f"{self._settings.host}:{self._settings.port}"
        request = AWSRequest(method, f"http://{host}{target}", {**headers, "Host": host}, body)
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(self._credentials, service, self._settings.region).add_auth(request)
        signed = [(k.lower().encode(), str(v).encode()) for k, v in request.headers.items()]
        if body:
            signed.append((b"content-length", str(len(body)).encode()))
        return signed


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
