"""The objects behind a location, found as the plain files in which the local S3 keeps them."""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from pathlib import Path

from localaws.athena.errors import QueryError
from localaws.athena.rights import Rights
from localaws.objectfiles import ENCODED_KEYS, SUFFIXES, key_of

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SETTLED_NS = 2_000_000_000
"""A folder that changed less than this before it was listed may change again unseen."""


_PLAIN_SECONDS = 1.0
_MOST_PLAIN = 100_000
_uri = attrgetter("uri")


@dataclass(frozen=True, slots=True)
class DataFile:
    """An object that is not hidden: its address, the file that holds it, and its state."""

    uri: str
    path: str
    size: int
    mtime_ns: int


class Objects:
    """The objects of one account.

    A folder is listed anew only where its time of change says so: objects are replaced by
    renaming, which changes the folder.
    """

    def __init__(self, root: Path, rights: Rights | None = None) -> None:
        self._rights = rights
        # Addresses are compared by what they resolve to: the state folder may lie behind a link.
        self._root = root.resolve()
        self._base = str(self._root)
        self._plain: dict[str, float] = {}
        self._known: dict[str, tuple[int, tuple[DataFile, ...]]] = {}
        self._lock = threading.Lock()

    def under(self, location: str) -> list[DataFile]:
        """Return the visible objects under a location `s3://bucket/prefix`, by key."""
        return next(self.under_each([location]))

    def under_each(self, locations: Iterable[str]) -> Iterator[list[DataFile]]:
        """Yield, for each location, its visible objects by key.

        As for Hive, names that start with `_` or `.` are hidden, and so is all below them.
        """
        encoded: dict[str, list[tuple[str, DataFile]]] = {}
        for location in locations:
            bucket, prefix = split_uri(location)
            if self._rights is not None:
                self._rights.check("s3:ListBucket", f"s3://{bucket}")
            if bucket not in encoded:
                encoded[bucket] = list(self._encoded(bucket))
            base = f"s3://{bucket}/{prefix}".rstrip("/")
            found = list(self._walk(*self._folder(location, bucket, prefix), base))
            if encoded[bucket]:
                start = prefix.rstrip("/") + "/" if prefix else ""
                found += [file for key, file in encoded[bucket] if _is_below(key, start)]
            if self._rights is not None and self._rights.limited:
                for file in found:
                    self._rights.check("s3:GetObject", file.uri)
            yield sorted(found, key=_uri) if len(found) > 1 else found

    def folders(self, location: str) -> Iterator[str]:
        """Yield the paths of the folders below a location that hold visible objects."""
        bucket, prefix = split_uri(location)
        if self._rights is not None:
            self._rights.check("s3:ListBucket", f"s3://{bucket}")
        root, _ = self._folder(location, bucket, prefix)
        for folder, _, _ in os.walk(root):
            names = Path(folder).relative_to(root).parts
            if not any(map(_hidden, names)) and any(self._files(folder, "")):
                yield "/".join(names)

    def _folder(self, location: str, bucket: str, prefix: str) -> tuple[str, int | None]:
        """Return the folder of a location, and its time of change where there is one.

        Refuses a folder that is reached through a link.
        """
        folder = f"{self._base}/{bucket}/{prefix}".rstrip("/")
        # A table has a location a partition, and few folders above them: those are resolved once
        # in a while, the last step each time.
        if not self._is_plain(folder.rpartition("/")[0]):
            raise _outside(location)
        try:
            state = os.lstat(folder)
        except OSError:
            return folder, None
        if stat.S_ISLNK(state.st_mode):
            raise _outside(location)
        return folder, state.st_mtime_ns

    def _is_plain(self, folder: str) -> bool:
        """Return whether no part of a path below the root is a link, as a second ago at most."""
        if folder == self._base:
            return True
        now = time.monotonic()
        if now - self._plain.get(folder, -_PLAIN_SECONDS) >= _PLAIN_SECONDS:
            if os.path.islink(folder) or not self._is_plain(folder.rpartition("/")[0]):  # noqa: PTH114
                return False
            if len(self._plain) > _MOST_PLAIN:
                self._plain.clear()
            self._plain[folder] = now
        return True

    def _walk(self, folder: str, changed: int | None, base: str) -> Iterator[DataFile]:
        """Yield the objects in a folder, which had changed at `changed`, and below it."""
        known = self._known.get(folder)
        if known is not None and known[0] == changed:
            yield from known[1]
            return
        listed = time.time_ns()
        files, subfolders = self._split(folder, base)
        if changed is not None and not subfolders and listed - changed > _SETTLED_NS:
            with self._lock:
                self._known[folder] = (changed, files)
        yield from files
        for name in subfolders:
            below = f"{folder}/{name}"
            yield from self._walk(below, _mtime(below), f"{base}/{name}")

    def _split(self, folder: str, base: str) -> tuple[tuple[DataFile, ...], list[str]]:
        try:
            with os.scandir(folder) as entries:
                visible = [entry for entry in entries if not _hidden(entry.name)]
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                raise
            return (), []
        if links := [entry.name for entry in visible if entry.is_symlink()]:
            raise _outside(f"{base}/{links[0]}")
        subfolders = sorted(entry.name for entry in visible if entry.is_dir())
        files = [_data_file(entry, base) for entry in visible if not entry.is_dir()]
        return tuple(file for file in files if file is not None), subfolders

    def _files(self, folder: str, base: str) -> tuple[DataFile, ...]:
        return self._split(folder, base)[0]

    def _encoded(self, bucket: str) -> Iterator[tuple[str, DataFile]]:
        """Yield, with their keys, the objects whose key no path can hold."""
        folder = f"{self._base}/{bucket}/{ENCODED_KEYS}"
        try:
            with os.scandir(folder) as entries:
                bodies = [entry for entry in entries if not entry.name.endswith(SUFFIXES)]
        except (FileNotFoundError, NotADirectoryError):
            return
        for body in bodies:
            key = key_of(body.path)
            if key is None or key.endswith("/"):
                continue
            uri = f"s3://{bucket}/{key}"
            if body.is_symlink():
                raise _outside(uri)
            if body.is_file():
                state = body.stat()
                yield key, DataFile(uri, body.path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=100_000)
def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of `s3://bucket/key`; QueryError where it is no such address.

    Stricter than S3: a key with an empty part, `.` or `..` in it is an address that the local
    Athena does not follow, for no folder may be left by one. AWS's Athena does not read behind
    two slashes either.
    """
    for scheme in ("s3://", "s3a://", "s3n://"):
        if uri.startswith(scheme):
            bucket, _, key = uri.removeprefix(scheme).partition("/")
            parts = key.removesuffix("/").split("/") if key else []
            if _is_bucket(bucket) and not any(map(_leaves, parts)):
                return bucket, key
    raise QueryError("HIVE_INVALID_METADATA", f"Invalid S3 location: {uri}")


def _is_bucket(name: str) -> bool:
    return bool(_BUCKET.fullmatch(name)) and ".." not in name


def _leaves(part: str) -> bool:
    """Return whether a part of a key is no name of a file or folder."""
    return part in ("", ".", "..") or "\0" in part or "\\" in part


def _outside(uri: str) -> QueryError:
    message = f"Error opening Hive split {uri}: it is a link that leads out of its bucket"
    return QueryError("HIVE_CANNOT_OPEN_SPLIT", message)


def _hidden(name: str) -> bool:
    return name.startswith(("_", "."))


def _is_below(key: str, start: str) -> bool:
    """Return whether a key begins so, and nothing of what follows is hidden."""
    return key.startswith(start) and not any(map(_hidden, key.removeprefix(start).split("/")))


def _mtime(folder: str) -> int | None:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - thousands of times a query
    except OSError:
        return None


def _data_file(entry: os.DirEntry[str], base: str) -> DataFile | None:
    if entry.name.endswith(SUFFIXES):
        return None
    try:
        state = entry.stat()
    except FileNotFoundError:
        return None
    return DataFile(f"{base}/{entry.name}", entry.path, state.st_size, state.st_mtime_ns)
