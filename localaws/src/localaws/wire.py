"""The AWS JSON 1.1 protocol: what a service of ours is, and how its answers are written."""

from __future__ import annotations

import datetime as dt
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from itertools import chain
from typing import Any, Protocol
from xml.sax.saxutils import escape

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_DEEPEST = 100
"""Objects and lists inside one another in a request; those of AWS's own shapes are a dozen."""


class AwsError(Exception):
    """An error as AWS reports it: a code, a message, and the HTTP status that carries them."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def too_deep() -> AwsError:
    """Return the error of a body whose objects and lists are too many inside one another."""
    return AwsError("SerializationException", "The body is nested too deeply.")


class Service(Protocol):
    """A service that answers some operations of one `X-Amz-Target` prefix."""

    prefix: str
    """What stands before the dot of the target, for example `AWSGlue`."""
    signing_name: str
    """The name of the service in a signature, for example `glue`."""

    def owns(self, operation: str) -> bool:
        """Return whether this service answers `operation`; ministack answers the others."""

    def needs(self, operation: str, payload: dict[str, Any]) -> Iterable[tuple[str, str]]:
        """Return the actions of an operation, each with the ARN of what it is done to."""

    async def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one operation; raise AwsError where AWS would.

        Times in the answer are aware datetimes or epoch seconds.
        """

    async def start(self) -> None:
        """Make ready: called once, when ministack stands and before the port answers."""

    async def close(self) -> None:
        """End all work: called once, while ministack still stands and the port is closed."""


async def live(
    app: AsgiApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    start: Callable[[], Awaitable[None]],
    close: Callable[[], Awaitable[None]],
) -> None:
    """Run the lifespan of `app` with another inside it: started after it, closed before it."""

    async def started(message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            try:
                await start()
            except Exception as error:
                # Without this message the server would go on, and serve what never started.
                logger.exception("the server cannot start")
                message = {"type": "lifespan.startup.failed", "message": str(error)}
        await send(message)

    async def stopping() -> Message:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await close()
        return message

    await app(scope, stopping, started)


async def read_body(receive: Receive) -> bytes:
    """Return a request's whole body."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise AwsError("RequestAborted", "The client went away before its request was whole.")
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def again(body: bytes, rest: Receive) -> Receive:
    """Return a `receive` that gives a body again that was read already, then what comes next."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return left.pop() if left else await rest()

    return receive


def parse_payload(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a request's body; an empty body is an empty object."""
    try:
        payload = json.loads(body) if body else {}
    except RecursionError as error:
        raise too_deep() from error
    except ValueError as error:
        raise AwsError("SerializationException", f"The body is not JSON: {error}.") from error
    if not isinstance(payload, dict):
        raise AwsError("SerializationException", "The body is not a JSON object.")
    depth = 0
    layer: list[Any] = [payload]
    while layer:
        if depth == _DEEPEST:  # what is kept must be read and written again, deep in the stack
            raise too_deep()
        inside = (node.values() if isinstance(node, dict) else node for node in layer)
        layer = [each for each in chain.from_iterable(inside) if isinstance(each, dict | list)]
        depth += 1
    return payload


async def send_json(send: Send, answer: dict[str, Any], status: int = 200) -> None:
    """Send `answer` as AWS JSON 1.1."""
    await _send(send, status, json.dumps(answer, default=_plain).encode(), [])


async def send_error(send: Send, error: AwsError) -> None:
    """Send an error as AWS JSON 1.1: its code under `__type`, its text under `message`."""
    body = json.dumps({"__type": error.code, "message": error.message}).encode()
    await _send(send, error.status, body, [(b"x-amzn-errortype", error.code.encode())])


async def send_refusal(scope: Scope, send: Send, error: AwsError) -> None:
    """Send an error in the form that the client of a request reads, whichever service it called."""
    form = _XML_FORMS.get(protocol_of(scope))
    if form is None:
        await send_error(send, error)
        return
    body = form.format(code=escape(error.code), message=escape(error.message)).encode()
    await _send(send, error.status, body, [], b"application/xml")


def protocol_of(scope: Scope) -> str:
    """Return how the service that a request calls writes: `json`, `query`, `ec2` or `s3`."""
    headers = {bytes(name).lower(): bytes(value) for name, value in scope["headers"]}
    credential = headers.get(b"authorization", b"").partition(b"Credential=")[2].split(b"/")
    service = credential[3] if len(credential) > 4 else b""
    if b"x-amz-target" in headers or b"json" in headers.get(b"content-type", b""):
        return "json" if service != b"s3" else "s3"
    if service == b"ec2":
        return "ec2"
    if headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
        return "query"
    return "s3" if service in (b"s3", b"") else "json"


_XML_FORMS = {
    "s3": "<Error><Code>{code}</Code><Message>{message}</Message></Error>",
    "query": "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
    "<Message>{message}</Message></Error></ErrorResponse>",
    "ec2": "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    "</Errors></Response>",
}


async def send_unavailable(scope: Scope, send: Send, sentence: str) -> None:
    """Send AWS's ServiceUnavailable, which every SDK tries again."""
    await send_refusal(scope, send, AwsError("ServiceUnavailable", sentence, status=503))


async def send_xml(send: Send, document: str, status: int = 200) -> None:
    """Send an XML document."""
    await _send(send, status, document.encode(), [], b"application/xml")


def header(scope: Scope, wanted: bytes) -> bytes:
    """Return the value of a request's header, empty where it has none."""
    return next((bytes(value) for name, value in scope["headers"] if name == wanted), b"")


async def _send(
    send: Send,
    status: int,
    body: bytes,
    extra: Headers,
    content_type: bytes = b"application/x-amz-json-1.1",
) -> None:
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"x-amzn-requestid", str(uuid.uuid4()).encode()),
        *extra,
    ]
    await send_answer(send, status, headers, body)


async def send_answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _plain(value: object) -> object:
    """Return a time as epoch seconds, the form of the protocol."""
    if isinstance(value, dt.datetime):
        return value.timestamp()
    raise TypeError(f"{type(value).__name__} has no form in AWS JSON")
