"""Output of a run on its way to CloudWatch Logs, while it is written."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localaws.backend import Backend
from localaws.settings import Settings
from localaws.wire import AwsError

logger = logging.getLogger(__name__)

_TARGET = "Logs_20140328"
_PAUSE_SECONDS = 0.2
_READ_BYTES = 4 << 20
# The limits of PutLogEvents: a batch counts its bytes and 26 for each event.
_BATCH_EVENTS = 10_000
_BATCH_BYTES = 1 << 20
_EVENT_OVERHEAD = 26
_LINE_CHARACTERS = 60_000

# Late lines outlive their run; the loop itself would forget them.
_on_their_way: set[asyncio.Task[None]] = set()


def stream_name(settings: Settings, run_id: str) -> str:
    """Return the name of a run's log stream: its id, and on AWS at times more than that."""
    return f"{run_id}_driver" if settings.late_log_seconds else run_id


async def open_stream(backend: Backend, group: str, stream: str) -> None:
    """Make a log stream, and its group, where they are missing."""
    for operation, names in (
        ("CreateLogGroup", {"logGroupName": group}),
        ("CreateLogStream", {"logGroupName": group, "logStreamName": stream}),
    ):
        try:
            await backend.call("logs", f"{_TARGET}.{operation}", names)
        except AwsError as error:
            if error.code != "ResourceAlreadyExistsException":
                raise


class LogShipper:
    """Sends what appears at the end of a file to a log stream, line by line, from now on.

    With `late` seconds, lines are sent so much later, several to an event, even after `finish`.
    """

    def __init__(
        self, backend: Backend, group: str, stream: str, path: Path, late: float = 0.0
    ) -> None:
        self._backend = backend
        self._late = late
        self._names = {"logGroupName": group, "logStreamName": stream}
        self._path = path
        self._position = 0
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._ended = asyncio.Event()
        self._task = asyncio.create_task(self._follow())

    async def finish(self) -> None:
        """Send all that is left, a last line without its end included."""
        self._ended.set()
        await self._task
        if not self._late:
            await self._send_new()
            await self._send([self._rest])
            return
        lines = self._path.read_text(errors="replace")
        rest = asyncio.create_task(self._send_late(lines))
        _on_their_way.add(rest)
        rest.add_done_callback(_on_their_way.discard)

    async def _send_late(self, text: str) -> None:
        await asyncio.sleep(self._late)
        await self._send([text.rstrip("\n")])

    async def _follow(self) -> None:
        while not (self._ended.is_set() or self._late):
            await self._send_new()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _PAUSE_SECONDS)

    async def _send_new(self) -> None:
        while chunk := self._read():
            *lines, self._rest = (self._rest + self._decoder.decode(chunk)).split("\n")
            if len(self._rest) > _LINE_CHARACTERS:
                lines.append(self._rest)
                self._rest = ""
            await self._send(lines)

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            file.seek(self._position)
            chunk = file.read(_READ_BYTES)
        self._position += len(chunk)
        return chunk

    async def _send(self, lines: list[str]) -> None:
        for events in _batches(lines, int(time.time() * 1000)):
            try:
                await self._backend.call(
                    "logs", f"{_TARGET}.PutLogEvents", {**self._names, "logEvents": events}
                )
            except AwsError:
                # Somebody may have deleted the group: the run itself must go on.
                logger.exception("log events of %s are lost", self._names["logStreamName"])


def _batches(lines: list[str], now: int) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for piece in _pieces(lines):
        cost = len(piece.encode()) + _EVENT_OVERHEAD
        if batch and (size + cost > _BATCH_BYTES or len(batch) == _BATCH_EVENTS):
            yield batch
            batch, size = [], 0
        batch.append({"timestamp": now, "message": piece})
        size += cost
    if batch:
        yield batch


def _pieces(lines: list[str]) -> Iterator[str]:
    """Return the lines that say something, the endless ones in pieces."""
    for line in lines:
        text = line.rstrip("\r")
        for start in range(0, len(text), _LINE_CHARACTERS):
            yield text[start : start + _LINE_CHARACTERS]
