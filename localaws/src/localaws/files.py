"""Files of the state folder are its own: no symbolic link is followed, no other kind is opened."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from localaws.errors import StateDirError

PRIVATE = 0o077
"""The umask of a server and of all that it starts: what they write is for their user alone."""


_MADE_ANEW = (".db", "server.json")
"""How files end that are set aside, and made anew, whatever lies in their place."""


def open_own(path: Path) -> BinaryIO:
    """Return a file opened for reading and writing, made where it is missing, for this user alone.

    Raises OSError for a symbolic link, and for what is no regular file: a pipe would wait.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, "r+b")


def check_folder(folder: Path) -> None:
    """Raise StateDirError where others share a folder, or a link lies on its first level."""
    status = folder.stat()
    if status.st_mode & stat.S_ISVTX:
        raise StateDirError(
            f"the state folder {folder} is shared by all users of this machine.",
            hint="give a folder of your own with --state-dir.",
        )
    if os.geteuid() not in (0, status.st_uid):
        raise StateDirError(
            f"the state folder {folder} belongs to another user, who could read its keys.",
            hint="give a folder of your own with --state-dir.",
        )
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                raise _is_link(entry.path)


def check_links(folder: Path, scratch: Collection[Path]) -> None:
    """Raise StateDirError where a link, a pipe or a device lies in a folder, but within `scratch`.

    Whatever is written later, by ministack and SQLite as well, is then written in the folder:
    it is closed to other users, and no request makes a link. `scratch` holds what Lambdas and
    runs leave, who may make links as they like; it is emptied without following any.
    """
    passed = {str(path) for path in scratch}
    for entry in _walk(str(folder), passed):
        if entry.is_symlink():
            raise _is_link(entry.path)
        is_plain = entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
        if not is_plain and not entry.name.endswith(_MADE_ANEW):
            raise StateDirError(
                f"{entry.path} is neither a file nor a folder: whoever reads it may wait for ever.",
                hint="remove it, and start again.",
            )


def check_folders(folders: Collection[Path]) -> None:
    """Raise StateDirError where something else lies in the place of a folder."""
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise StateDirError(
                f"{folder} is no folder.", hint="move it away, and start again: a folder is made."
            )


def _walk(folder: str, passed: set[str]) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry
            if entry.path not in passed and entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, passed)


def _is_link(path: str) -> StateDirError:
    return StateDirError(
        f"{path} is a symbolic link to {os.readlink(path)}: what the local AWS writes would leave "  # noqa: PTH115
        "its state folder.",
        hint="remove the link, or put in its place what it points to, and start again.",
    )
