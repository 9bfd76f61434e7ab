"""Objects that are answered for are on disk: what could not be written is undone and refused.

ministack changes its memory first and its files second. Where a file cannot be written (a full
disk, no inodes, a folder that became read-only), it says so in its log and answers 200. Here that
line of its log is heard, memory and files are put back to what they were before the request, and
the client gets ServiceUnavailable, which every SDK tries again.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from localaws.backend import Backend
from localaws.hearing import Failure, Hearing
from localaws.objectfiles import ENCODED_KEYS, METADATA_SUFFIX, encoded, read_metadata
from localaws.readings import split_path
from localaws.settings import Settings
from localaws.troubles import Troubles
from localaws.wire import (
    AsgiApp,
    AwsError,
    Message,
    Receive,
    Scope,
    Send,
    again,
    header,
    read_body,
    send_refusal,
    send_unavailable,
)

logger = logging.getLogger(__name__)

SUBJECT = "objects"
# What ministack logs where a file of an object cannot be written, or not be removed; the
# arguments of these lines are bucket, key and error.
_SAID = ("Failed to persist S3", "Failed to delete persisted S3 object")
# What it logs where it cannot read one: it goes on as if the object were empty.
_SAID_UNREAD = ("Failed to read persisted S3",)
# Without hard links in the file system, or for a folder, there is nothing to keep.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.ENAMETOOLONG)
_LOST_UPLOADS = 1000
_LONGEST_KEY = 1024  # bytes


@dataclass
class _Kept:
    """The files of an object before a request: hard links to them, by where they belong."""

    links: dict[str, str] = field(default_factory=dict)

    def put_back(self) -> None:
        """Put the files back: a rename, which needs no room."""
        for path, link in self.links.items():
            os.replace(link, path)  # noqa: PTH105

    def drop(self) -> None:
        for link in self.links.values():
            with suppress(OSError):
                os.unlink(link)  # noqa: PTH108


class DurableObjects:
    """ministack as an ASGI application whose every 200 for an object is true on disk."""

    def __init__(self, ministack: AsgiApp, settings: Settings, troubles: Troubles) -> None:
        self._ministack = ministack
        self._kept_dir = str(settings.kept_dir)
        self._data_dir = f"{settings.s3_data_dir}/{settings.account_id}"
        self._troubles = troubles
        self._backend = Backend(ministack, settings)
        self._numbers = itertools.count()
        self._lost_uploads: dict[str, None] = {}
        self._hearing = Hearing("s3", _SAID)
        self._reading = Hearing("s3", _SAID_UNREAD)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._ministack(scope, receive, send)
            return
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._read(scope, receive, send)
            return
        # Once the body is there, ministack answers in one go: between looking at the files and
        # the answer no other request changes them.
        try:
            body = await read_body(receive)
        except AwsError:  # the client went away
            return
        await self._write(scope, again(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def checked(message: Message) -> None:
            nonlocal refused
            if unread and not refused:
                refused = True
                await send_unavailable(scope, send, _unread(unread))
            if not refused:
                await send(message)

        with self._reading.listening() as unread:
            await self._ministack(scope, receive, checked)

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        bucket, key = split_path(scope["path"])
        if len(key.encode()) > _LONGEST_KEY:
            await send_refusal(scope, send, AwsError("KeyTooLongError", "Your key is too long"))
            return
        upload = _completed_upload(scope)
        if upload in self._lost_uploads:
            await send_unavailable(scope, send, _LOST.format(key=key))
            return
        refused = False

        async def checked(message: Message) -> None:
            nonlocal refused
            if failures and not refused:
                refused = True
                await self._undo(failures, (bucket, key), kept)
                if upload:
                    self._lose(upload)
                await send_unavailable(scope, send, self._sentence(failures))
            elif copies and unread and not refused:
                refused = True
                if not is_part:
                    await self._undo([(bucket, key)], (bucket, key), kept)
                await send_unavailable(scope, send, _unread(unread))
            if not refused:
                await send(message)

        copies = bool(header(scope, b"x-amz-copy-source"))
        is_part = b"uploadId=" in scope.get("query_string", b"")
        try:
            with (
                self._keeping(bucket, key) as kept,
                self._hearing.listening() as failures,
                self._reading.listening() as unread,
            ):
                await self._ministack(scope, receive, checked)
        except OSError as error:
            what = f"s3://{bucket}/{key}"
            await send_unavailable(scope, send, self._troubles.unwritten(SUBJECT, what, error))
            return
        if key and not refused:
            self._troubles.clear(SUBJECT)

    def _sentence(self, failures: list[Failure]) -> str:
        bucket, key, error = failures[0]
        return self._troubles.unwritten(SUBJECT, f"s3://{bucket}/{key}", error)

    @contextmanager
    def _keeping(self, bucket: str, key: str) -> Iterator[_Kept]:
        """Keep the files of an object that a request may overwrite, by hard links.

        Raises OSError where not even that can be written.
        """
        kept = _Kept()
        try:
            for path in self._files(bucket, key):
                link = f"{self._kept_dir}/{next(self._numbers)}"
                if _link(path, link):
                    kept.links[path] = link
            yield kept
        finally:
            kept.drop()

    def _files(self, bucket: str, key: str) -> Iterator[str]:
        """Yield the paths at which ministack may have an object's body and metadata."""
        if not bucket or not key or "\x00" in key or bucket in (".", ".."):
            return
        body = f"{self._data_dir}/{bucket}/{key}"
        named = not any(part in ("", ".", "..") for part in key.split("/"))
        if not named or not os.path.isfile(body):  # noqa: PTH113
            body = f"{self._data_dir}/{bucket}/{ENCODED_KEYS}/{encoded(key)}"
            if not os.path.isfile(body):  # noqa: PTH113
                return
        yield body
        yield body + METADATA_SUFFIX

    async def _undo(self, failures: list[Failure], target: tuple[str, str], kept: _Kept) -> None:
        """Put memory and files back to what they were before the request."""
        with self._hearing.listening():  # what fails now has been told already
            for bucket, key in {failure[:2] for failure in failures}:
                try:
                    if (bucket, key) != target:  # one of many that a request removes
                        body = next(self._files(bucket, key), None)
                    else:
                        kept.put_back()
                        body = next(iter(kept.links), None)
                    await self._remember(bucket, key, body)
                except OSError:
                    logger.exception("s3://%s/%s could not be put back", bucket, key)

    async def _remember(self, bucket: str, key: str, body: str | None) -> None:
        """Make ministack's memory of an object that of its file; of none where there is none."""
        if body is None:
            await self._backend.request_object("DELETE", bucket, key)
            return
        with open(body, "rb") as file:  # noqa: PTH123
            content = file.read()
        # Where this is written to disk as well, it is the same body over itself.
        headers = _headers_of(body + METADATA_SUFFIX)
        await self._backend.request_object("PUT", bucket, key, headers, content)

    def _lose(self, upload: str) -> None:
        """Remember an upload whose parts are gone: ministack would say that it is complete."""
        self._lost_uploads[upload] = None
        if len(self._lost_uploads) > _LOST_UPLOADS:
            del self._lost_uploads[next(iter(self._lost_uploads))]


_LOST = (
    "The upload of {key} could not be written when it was completed, and its parts are gone. "
    "Begin the upload again."
)


def _unread(failures: list[Failure]) -> str:
    bucket, key, error = failures[0]
    said = error.strerror if isinstance(error, OSError) else error
    return (
        f"The file of s3://{bucket}/{key} cannot be read ({said}). Try again, and put the object "
        "again where that does not help."
    )


def _completed_upload(scope: Scope) -> str:
    """Return the id of the upload that a request completes; empty where it is no such request."""
    query = scope.get("query_string", b"")
    if scope["method"] != "POST" or b"uploadId=" not in query:
        return ""
    upload: str = parse_qs(query.decode("latin-1")).get("uploadId", [""])[0]
    return upload


def _link(path: str, link: str) -> bool:
    """Link a file and return True; False where it is not there, or links are not to be had."""
    try:
        os.link(path, link)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, *_NO_LINKS):
            return False
        raise
    return True


def _headers_of(metadata: str) -> dict[str, str]:
    """Return the headers with which an object of this metadata was put."""
    try:
        content = read_metadata(metadata)
    except (OSError, ValueError):
        return {}
    headers = {
        "Content-Type": content.get("content_type"),
        "Content-Encoding": content.get("content_encoding"),
        "x-amz-storage-class": content.get("storage_class"),
        **content.get("preserved_headers", {}),
        **content.get("metadata", {}),
    }
    return {name: str(value) for name, value in headers.items() if value}
