"""Answers that leave in one piece: uvicorn writes the head of an answer and its body apart.

Each write goes to the system at once and wakes the client, who can do nothing with half an answer:
that was a third of what a small object took of the server.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Transport
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MOST_HELD = 2**16


class JoinedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with its writes of one turn of the event loop joined."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(Transport, _Joined(transport, self.loop)))


class _Joined:
    """A transport that holds what is written until the turn ends, or until it is much."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if len(data) > _MOST_HELD:  # joined it would be there twice
            self._flush()
            self._transport.write(data)
            return
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        if sum(map(len, self._held)) > _MOST_HELD:  # whoever sends much is told to wait
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            self._transport.write(b"".join(self._held))
            self._held.clear()
