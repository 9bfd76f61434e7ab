"""Events that are owed to Lambda functions: kept before they are promised, until answered.

As in AWS an event is delivered at least once: a server that is stopped or killed meanwhile
delivers it after its next start. A function that fails is called twice more, then the event is
dropped: it goes to the function's OnFailure queue where it has one, and a record of it stays.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from localaws.backend import Answer, Backend
from localaws.damage import Damage
from localaws.orphans import end_processes_of
from localaws.settings import Settings
from localaws.sqlite import open_database
from localaws.troubles import Troubles
from localaws.wire import AwsError

logger = logging.getLogger(__name__)

SUBJECT = "events"
# AWS waits a minute before the second call and two before the third.
_BACK_OFF_SECONDS = 1.0
_RETRIES = 2
_OLDEST_SECONDS = 6 * 3600.0
# A function that is busy (429), or a service that is not well, costs no attempt.
_BUSY_SECONDS = 2.0
# All start on this one machine: a second one at the same time slows the first one down.
_AT_ONCE = 2
_SHOWN = 5
_TOLD_SECONDS = 24 * 3600.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notifications (
    bucket TEXT PRIMARY KEY,
    configuration TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS owed (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    function TEXT NOT NULL,
    payload TEXT NOT NULL,
    created REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS dropped (
    id INTEGER PRIMARY KEY,
    function TEXT NOT NULL,
    payload TEXT NOT NULL,
    created REAL NOT NULL,
    dropped REAL NOT NULL,
    reason TEXT NOT NULL
);
"""


_LOST = (
    "Which functions a bucket calls, and the events that were owed, are gone. `b3 local up` makes "
    "the pipeline's notification anew; `b3 status` names the batches that no run has refined."
)


@dataclass(frozen=True)
class Event:
    """An event that a function has not answered yet."""

    id: int
    function: str
    payload: str
    created: float
    attempts: int

    def __str__(self) -> str:
        record = json.loads(self.payload)["Records"][0]
        place = f"s3://{record['s3']['bucket']['name']}/{record['s3']['object']['key']}"
        return f"{record['eventName']} of {place} for {self.function.rpartition(':')[2]}"


class EventStore:
    """The SQLite file of notification configurations and of the events that are owed."""

    def __init__(self, path: Path, damage: Damage) -> None:
        self._store = open_database(path, _SCHEMA, damage, _LOST)

    def close(self) -> None:
        self._store.close()

    def configurations(self) -> dict[str, str]:
        """Return the notification configuration of each bucket, as XML."""
        return dict(self._store.execute("SELECT bucket, configuration FROM notifications"))

    def configure(self, bucket: str, configuration: str | None) -> None:
        """Keep a bucket's configuration, or forget it."""
        with self._store:
            self._store.execute("DELETE FROM notifications WHERE bucket = ?", (bucket,))
            if configuration is not None:
                self._store.execute(
                    "INSERT INTO notifications VALUES (?, ?)", (bucket, configuration)
                )

    def owe(self, events: list[tuple[str, dict[str, Any]]]) -> list[Event]:
        """Keep events, each a function and a payload, all or none of them."""
        kept = []
        with self._store:
            for function, payload in events:
                text, now = json.dumps(payload), time.time()
                cursor = self._store.execute(
                    "INSERT INTO owed (function, payload, created) VALUES (?, ?, ?)",
                    (function, text, now),
                )
                kept.append(Event(int(cursor.lastrowid or 0), function, text, now, 0))
        return kept

    def owed(self) -> list[Event]:
        """Return the events that are owed, oldest first."""
        rows = self._store.execute(
            "SELECT id, function, payload, created, attempts FROM owed ORDER BY id"
        )
        return [Event(*row) for row in rows]

    def attempted(self, event: Event) -> None:
        with self._store:
            self._store.execute(
                "UPDATE owed SET attempts = ? WHERE id = ?", (event.attempts, event.id)
            )

    def answered(self, event: Event) -> None:
        with self._store:
            self._store.execute("DELETE FROM owed WHERE id = ?", (event.id,))

    def drop(self, event: Event, reason: str) -> None:
        """Give an event up, and keep a record of it."""
        with self._store:
            self._store.execute("DELETE FROM owed WHERE id = ?", (event.id,))
            self._store.execute(
                "INSERT OR REPLACE INTO dropped VALUES (?, ?, ?, ?, ?, ?)",
                (event.id, event.function, event.payload, event.created, time.time(), reason),
            )

    def dropped(self) -> list[tuple[Event, str]]:
        """Return the events that were given up since yesterday, newest first, and why."""
        rows = self._store.execute(
            "SELECT id, function, payload, created, 0, reason FROM dropped WHERE dropped > ?"
            " ORDER BY id DESC",
            (time.time() - _TOLD_SECONDS,),
        )
        return [(Event(*row[:5]), row[5]) for row in rows]


class Delivery:
    """Calls functions with the events that are owed to them."""

    def __init__(
        self, store: EventStore, backend: Backend, settings: Settings, troubles: Troubles
    ) -> None:
        self._store = store
        self._backend = backend
        self._state_dir = settings.state_dir
        self._troubles = troubles
        self._closing = False
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def resume(self) -> None:
        """Deliver what an earlier server still owed, and tell what it had to give up."""
        owed = self._store.owed()
        if owed:
            logger.warning("%d event(s) of an earlier server are delivered now", len(owed))
        self.deliver(owed)
        self._tell_dropped()

    def deliver(self, events: list[Event]) -> None:
        """Begin to deliver events; returns at once."""
        for event in events:
            task = asyncio.create_task(self._deliver(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Leave off; what no function has answered is still owed.

        A function at work is ended: nobody answers its calls any more, and ministack waits for it.
        """
        self._closing = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.to_thread(end_processes_of, self._state_dir)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, event: Event) -> None:
        attempts = event.attempts
        while True:
            if attempts:
                await asyncio.sleep(_BACK_OFF_SECONDS * 2 ** (attempts - 1))
            async with self._slots:
                answer = await self._invoke(event)
            reason = _why_it_failed(answer)
            if self._closing and reason:
                return
            if not reason:
                await self._kept(lambda: self._store.answered(event))
                return
            if time.time() - event.created > _OLDEST_SECONDS:
                break
            if answer.status == 429 or answer.status >= 500:
                await asyncio.sleep(_BUSY_SECONDS)
                continue
            attempts += 1
            if attempts > await self._retries(event.function):
                break
            now = Event(event.id, event.function, event.payload, event.created, attempts)
            await self._kept(lambda now=now: self._store.attempted(now))  # type: ignore[misc]
        await self._kept(lambda: self._store.drop(event, reason))
        logger.error("dropped after %d call(s): %s: %s", attempts, event, reason)
        self._tell_dropped()
        await self._send_to_queue(event, answer)

    async def _kept(self, change: Callable[[], None]) -> None:
        """Change the store; where that fails, again until it is done or the server ends."""
        while True:
            try:
                change()
            except sqlite3.Error as error:
                self._troubles.unwritten(SUBJECT, "The list of the events that are owed", error)
                await asyncio.sleep(_BUSY_SECONDS)
            else:
                self._troubles.clear(SUBJECT)
                return

    async def _invoke(self, event: Event) -> Answer:
        path = f"/2015-03-31/functions/{quote(event.function, safe='')}/invocations"
        headers = {"X-Amz-Invocation-Type": "RequestResponse", "Content-Type": "application/json"}
        return await self._backend.request("lambda", "POST", path, headers, event.payload.encode())

    async def _retries(self, function: str) -> int:
        """Return how often a function that fails is called again."""
        return int((await self._asynchronous(function)).get("MaximumRetryAttempts", _RETRIES))

    async def _asynchronous(self, function: str) -> dict[str, Any]:
        """Return what a function says of asynchronous calls; nothing where it says nothing."""
        path = f"/2019-09-25/functions/{quote(function, safe='')}/event-invoke-config"
        answer = await self._backend.request("lambda", "GET", path, {}, b"")
        return dict(json.loads(answer.body)) if answer.status == 200 else {}

    async def _send_to_queue(self, event: Event, answer: Answer) -> None:
        """Send an event that was given up to the queue that its function has for that."""
        settings = await self._asynchronous(event.function)
        queue = settings.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
        if not queue.startswith("arn:aws:sqs:"):
            return
        body = {
            "version": "1.0",
            "requestContext": {
                "functionArn": event.function,
                "condition": "RetriesExhausted",
                "approximateInvokeCount": event.attempts,
            },
            "requestPayload": json.loads(event.payload),
            "responseContext": {"statusCode": answer.status, "functionError": "Unhandled"},
            "responsePayload": _json(answer.body),
        }
        name = {"QueueName": queue.rpartition(":")[2]}
        try:
            found = await self._backend.call("sqs", "AmazonSQS.GetQueueUrl", name)
            message = {"QueueUrl": found["QueueUrl"], "MessageBody": json.dumps(body)}
            await self._backend.call("sqs", "AmazonSQS.SendMessage", message)
        except AwsError:
            logger.exception("the dropped event could not be sent to %s", queue)

    def _tell_dropped(self) -> None:
        dropped = self._store.dropped()
        if dropped:
            shown = "; ".join(f"{event} ({reason})" for event, reason in dropped[:_SHOWN])
            self._troubles.note(
                "dropped events",
                f"{len(dropped)} event(s) were dropped, for their function failed each time: "
                f"{shown}. See the function's log; `b3 status` names what was not refined.",
            )


def _why_it_failed(answer: Answer) -> str:
    """Return why a function did not do its work; empty where it did."""
    if answer.status == 200 and "x-amz-function-error" not in answer.headers:
        return ""
    said = _json(answer.body)
    text = said.get("errorMessage") or said.get("Message") or said.get("message")
    return str(text or f"status {answer.status}")[:300]


def _json(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
