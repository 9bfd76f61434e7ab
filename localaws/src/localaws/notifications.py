"""Notifications of buckets that call Lambda functions when an object arrives.

ministack reads and judges a configuration; then the part of it that calls functions for new
objects is kept here and taken from it, for it delivers from memory and forgets at its end. What
else a configuration holds (queues, topics, removals) stays with ministack.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote_plus, unquote, urlsplit

from localaws.backend import Answer, Backend
from localaws.events import SUBJECT, Delivery, EventStore
from localaws.readings import split_path
from localaws.settings import Settings
from localaws.troubles import Troubles
from localaws.wire import (
    AsgiApp,
    Message,
    Receive,
    Scope,
    Send,
    header,
    live,
    send_unavailable,
    send_xml,
)

_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_CREATED = "s3:ObjectCreated:"
# A PUT with one of these does not make an object.
_SUBRESOURCES = ("partNumber", "tagging", "acl", "retention", "legal-hold", "annotation")


@dataclass(frozen=True)
class Rule:
    """Which new objects of a bucket call which function."""

    id: str
    function: str
    events: tuple[str, ...]
    prefix: str
    suffix: str

    def fits(self, key: str, event: str) -> bool:
        """Return whether an object of this key, made by this event, calls the function."""
        named = any(event == name or name == f"{_CREATED}*" for name in self.events)
        return named and key.startswith(self.prefix) and key.endswith(self.suffix)


class Notifications:
    """An application that owes an event for each new object that calls a function."""

    def __init__(
        self,
        app: AsgiApp,
        store: EventStore,
        delivery: Delivery,
        settings: Settings,
        troubles: Troubles,
    ) -> None:
        self._app = app
        self._store = store
        self._delivery = delivery
        self._region = settings.region
        self._troubles = troubles
        self._backend = Backend(app, settings)
        self._rules: dict[str, list[Rule]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(self._app, scope, receive, send, start=self._start, close=self._close)
            return
        if scope["type"] == "http" and scope["method"] not in ("HEAD", "OPTIONS"):
            bucket, key = split_path(scope["path"])
            if not key and b"notification" in scope.get("query_string", b""):
                await self._configuration(bucket, scope, receive, send)
                return
            if bucket in self._rules and scope["method"] != "GET":
                await self._write(bucket, key, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _start(self) -> None:
        """Take over what ministack still has of an earlier server, and go on with what is owed."""
        for bucket, configuration in self._store.configurations().items():
            self._rules[bucket] = rules_of(configuration)
        answer = await self._backend.request_object("GET", "")
        if answer.status >= 300:  # what is damaged is in the log; the server starts all the same
            logging.getLogger(__name__).error("no bucket can be listed: %d", answer.status)
            answer = Answer(answer.status, b"")
        for name in ET.fromstring(answer.body or b"<none/>").iter(f"{_NAMESPACE}Name"):  # noqa: S314
            await self._take_over(name.text or "")
        self._delivery.resume()

    async def _close(self) -> None:
        await self._delivery.close()
        self._store.close()

    async def _configuration(self, bucket: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a bucket's configuration."""
        if scope["method"] == "GET":
            kept = self._store.configurations().get(bucket)
            status, answer = await _status_of(self._app, scope, receive, send, hold=bool(kept))
            if kept and status == 200:
                await send_xml(send, kept)
            elif answer:
                await _replay(answer, send)
            return
        status, answer = await _status_of(self._app, scope, receive, send, hold=True)
        if status == 200:
            try:
                self._forget(bucket)
                await self._take_over(bucket)
            except sqlite3.Error as error:
                sentence = self._troubles.unwritten(SUBJECT, f"The notification of {bucket}", error)
                await send_unavailable(scope, send, sentence)
                return
        await _replay(answer, send)

    async def _take_over(self, bucket: str) -> None:
        """Take from ministack's configuration of a bucket what calls functions for new objects."""
        answer = await self._backend.request_object("GET", bucket, query="notification=")
        if answer.status != 200:
            return
        configuration = answer.body.decode()
        rest = configuration.encode()
        if rules := rules_of(configuration):
            self._store.configure(bucket, configuration)
            self._rules[bucket] = rules
            rest = without_rules(configuration)
            await self._backend.request_object("PUT", bucket, body=rest, query="notification=")
        if not len(ET.fromstring(rest)):  # noqa: S314
            _drop_empty(bucket)

    def _forget(self, bucket: str) -> None:
        if bucket in self._rules:
            self._store.configure(bucket, None)
            del self._rules[bucket]

    async def _write(
        self, bucket: str, key: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Hand a request on; owe its event before its answer leaves."""
        event = event_of(scope, key)
        if event is None:
            status, _ = await _status_of(self._app, scope, receive, send, hold=False)
            if not key and scope["method"] == "DELETE" and status == 204:
                self._forget(bucket)
            return
        if key and not any(rule.fits(key, event) for rule in self._rules[bucket]):
            await self._app(scope, receive, send)
            return
        status, answer = await _status_of(self._app, scope, receive, send, hold=True)
        key = key or _posted_key(answer)
        rules = [rule for rule in self._rules.get(bucket, ()) if rule.fits(key, event)]
        if status < 400 and rules:
            found = await self._backend.request_object("HEAD", bucket, key)
            events = [
                (rule.function, self._payload(rule, event, bucket, key, found)) for rule in rules
            ]
            try:
                owed = self._store.owe(events)
            except sqlite3.Error as error:
                what = f"The event of s3://{bucket}/{key}"
                await send_unavailable(scope, send, self._troubles.unwritten(SUBJECT, what, error))
                return
            self._delivery.deliver(owed)
        await _replay(answer, send)

    def _payload(
        self, rule: Rule, event: str, bucket: str, key: str, found: Answer
    ) -> dict[str, Any]:
        """Return an event as S3 writes it."""
        now = time.time()
        thing = {
            "key": quote_plus(key, safe="/"),
            "size": int(found.headers.get("content-length", 0)),
            "eTag": found.headers.get("etag", "").strip('"'),
            "sequencer": f"{time.time_ns() // 1000:018X}",
        }
        if version := found.headers.get("x-amz-version-id"):
            thing["versionId"] = version
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": self._region,
            "eventTime": time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(now))
            + f"{int(now % 1 * 1000):03d}Z",
            "eventName": event.removeprefix("s3:"),
            "userIdentity": {"principalId": "EXAMPLE"},
            "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {
                "x-amz-request-id": str(uuid.uuid4()),
                "x-amz-id-2": "EXAMPLE",
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": rule.id,
                "bucket": {
                    "name": bucket,
                    "ownerIdentity": {"principalId": "EXAMPLE"},
                    "arn": f"arn:aws:s3:::{bucket}",
                },
                "object": thing,
            },
        }
        return {"Records": [record]}


def event_of(scope: Scope, key: str) -> str | None:
    """Return the name of the event of a request that makes an object; None for any other."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    if scope["method"] == "PUT" and key and not any(name in query for name in _SUBRESOURCES):
        copied = header(scope, b"x-amz-copy-source")
        return f"{_CREATED}Copy" if copied else f"{_CREATED}Put"
    if scope["method"] == "POST" and key and "uploadId" in query:
        return f"{_CREATED}CompleteMultipartUpload"
    form = header(scope, b"content-type").startswith(b"multipart/form-data")
    return f"{_CREATED}Post" if scope["method"] == "POST" and not key and form else None


def rules_of(configuration: str) -> list[Rule]:
    """Return which functions a configuration calls for new objects."""
    return [
        Rule(
            _text(one, "Id"),
            _text(one, "CloudFunction"),
            tuple(created),
            _filter(one, "prefix"),
            _filter(one, "suffix"),
        )
        for one in _functions(_parse(configuration))
        if (created := [name for name in _events(one) if name.startswith(_CREATED)])
    ]


def without_rules(configuration: str) -> bytes:
    """Return a configuration that calls no function for new objects."""
    root = _parse(configuration)
    for one in list(_functions(root)):
        for event in one.findall(f"{_NAMESPACE}Event"):
            if (event.text or "").startswith(_CREATED):
                one.remove(event)
        if not _events(one):
            root.remove(one)
    ET.register_namespace("", _NAMESPACE.strip("{}"))
    return ET.tostring(root)


def _drop_empty(bucket: str) -> None:
    """Remove what ministack keeps of a bucket whose configuration is empty.

    It starts a thread for each new object of a bucket that has any: a fifth of what a PUT costs.
    It has no request that removes one.
    """
    s3 = sys.modules["ministack.services.s3"]
    s3._bucket_notifications.pop(bucket, None)


def _parse(configuration: str) -> ET.Element:
    """Return the root of a configuration, as ministack writes it, in one namespace."""
    root = ET.fromstring(configuration)  # noqa: S314
    for element in root.iter():
        if not element.tag.startswith("{"):
            element.tag = f"{_NAMESPACE}{element.tag}"
    return root


def _functions(root: ET.Element) -> Iterator[ET.Element]:
    yield from root.findall(f"{_NAMESPACE}CloudFunctionConfiguration")


def _events(one: ET.Element) -> list[str]:
    return [event.text or "" for event in one.findall(f"{_NAMESPACE}Event")]


def _text(one: ET.Element, name: str) -> str:
    return one.findtext(f"{_NAMESPACE}{name}") or ""


def _filter(one: ET.Element, name: str) -> str:
    for rule in one.iter(f"{_NAMESPACE}FilterRule"):
        if _text(rule, "Name").lower() == name:
            return _text(rule, "Value")
    return ""


async def _status_of(
    app: AsgiApp, scope: Scope, receive: Receive, send: Send, *, hold: bool
) -> tuple[int, list[Message]]:
    """Return the status of an answer, and the answer itself where it is held back."""
    answer: list[Message] = []
    status = 0

    async def noted(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        if hold:
            answer.append(message)
        else:
            await send(message)

    await app(scope, receive, noted)
    return status, answer


async def _replay(answer: list[Message], send: Send) -> None:
    for message in answer:
        await send(message)


def _posted_key(answer: list[Message]) -> str:
    """Return the key of an object that a form made: the answer tells where it lies."""
    for name, value in answer[0].get("headers", ()) if answer else ():
        if bytes(name).lower() == b"location":
            return unquote(urlsplit(bytes(value).decode("latin-1")).path.removeprefix("/"))
    return ""
