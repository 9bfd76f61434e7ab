"""The front door: no page of a browser comes in, and nobody who was told another name for us.

A page of any site can send requests to a server on its reader's machine. What tells them from a
client's is what a browser adds and a page cannot take away: `Origin`, `Sec-Fetch-Site`, and the
`Host` under which the page knows this server (a name of its own that it pointed to 127.0.0.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from localaws.settings import LOCALHOST, Settings
from localaws.wire import AsgiApp, AwsError, Headers, Message, Receive, Scope, Send, send_refusal

_LOCAL_NAMES = (LOCALHOST, "localhost", "[::1]")
_DEFAULT_PORT = 80
# What a browser says of a request that no page caused: an address typed or a bookmark.
_NO_PAGE = b"none"
# ministack's administration asks for no signature and for no right: it wipes everything, sets
# variables of its modules, reads mails and messages. Nothing of ours calls it over HTTP.
_CLOSED = ("/_ministack", "/_localstack")


class Guard:
    """An ASGI application that lets through to `app` what comes from a program on purpose.

    `Settings.hosts` names further hosts, `Settings.origins` the pages that may come in all the
    same. No header that opens an answer to a page leaves, but for those.
    """

    def __init__(self, settings: Settings, app: AsgiApp) -> None:
        self._app = app
        self._hosts = frozenset(
            name.lower().encode()
            for name in _with_port((*_LOCAL_NAMES, settings.host, *settings.hosts), settings.port)
        )
        self._origins = frozenset(origin.lower().encode() for origin in settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # a WebSocket: nothing here speaks it
            raise RuntimeError(f"a connection of the kind {scope['type']!r} is not served")
        try:
            self._check_host(scope)
            origin = self._checked_origin(scope)
            _check_path(scope)
        except AwsError as refused:
            await send_refusal(scope, _closed_to_pages(send), refused)
            return
        guarded = _closed_to_pages(send, origin)
        if origin and scope["method"] == "OPTIONS":
            await _answer_preflight(scope, guarded)
        else:
            await self._app(scope, receive, guarded)

    def _check_host(self, scope: Scope) -> None:
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or not self._is_ours(hosts[0].lower()):
            told = b", ".join(hosts).decode("latin-1") or "no host"
            raise _refusal(
                f"This server does not answer for {told!r}.",
                "use the address that `b3 local status` prints, or start with --allow-host.",
            )

    def _is_ours(self, host: bytes) -> bool:
        return host in self._hosts or re.sub(rb":\d+$", b":*", host) in self._hosts

    def _checked_origin(self, scope: Scope) -> bytes:
        """Return the origin that a setting lets in; empty where no page sent the request."""
        origins = _values(scope, b"origin")
        if len(origins) == 1 and origins[0].lower() in self._origins:
            return origins[0]
        sites = _values(scope, b"sec-fetch-site")
        if origins or any(site != _NO_PAGE for site in sites):
            told = b", ".join(origins or sites).decode("latin-1")
            raise _refusal(
                f"This server answers no web page (this one: {told!r}).",
                "start it with --allow-origin, if you wrote that page.",
            )
        return b""


def _with_port(names: Iterable[str], port: int) -> Iterator[str]:
    """Return hosts as a client writes them; a name that brings its own port, or `:*`, keeps it."""
    for name in names:
        if re.search(r":(\d+|\*)$", name):
            yield name
            continue
        yield f"{name}:{port}"
        if port == _DEFAULT_PORT:  # which clients leave out
            yield name


def _check_path(scope: Scope) -> None:
    if scope["path"].lower().lstrip("/").startswith(tuple(path[1:] for path in _CLOSED)):
        raise _refusal(f"{scope['path']} is closed.", "the calls of AWS do the same, signed.")


def _refusal(message: str, hint: str) -> AwsError:
    return AwsError("AccessDenied", f"{message} Try: {hint}", status=403)


def _values(scope: Scope, wanted: bytes) -> list[bytes]:
    return [bytes(value).strip() for name, value in scope["headers"] if name.lower() == wanted]


def _closed_to_pages(send: Send, origin: bytes = b"") -> Send:
    """Return a `send` whose answers a browser shows to no page, but to one of `origin`."""
    added: Headers = [(b"cross-origin-resource-policy", b"same-origin")]
    if origin:
        added = [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", b"*"),
            (b"vary", b"origin"),
        ]

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", ()) if not _opens(bytes(pair[0]))]
            message = {**message, "headers": [*kept, *added, *message.get("preflight", ())]}
        await send(message)

    return guarded


def _opens(name: bytes) -> bool:
    """Return whether a header of an answer shows something of it to a page of another origin."""
    lowered = name.lower()
    return lowered.startswith(b"access-control-") or lowered in (
        b"timing-allow-origin",
        b"cross-origin-resource-policy",
    )


async def _answer_preflight(scope: Scope, send: Send) -> None:
    asked = _values(scope, b"access-control-request-headers")
    allowed: Headers = [
        (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, DELETE, PATCH"),
        *((b"access-control-allow-headers", value) for value in asked),
    ]
    headers: Headers = [(b"content-length", b"0")]
    start = {"type": "http.response.start", "status": 204, "headers": headers}
    await send({**start, "preflight": allowed})
    await send({"type": "http.response.body", "body": b""})
