"""Files of this machine: opened where they are regular ones, written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: Path) -> BinaryIO:
    """Return a file opened for reading bytes; raises OSError where it is no regular file.

    Opening a named pipe would wait for a writer that never comes, and a device has no end.
    """
    # Without waiting, and looked at once it is open: what was looked at is what is read.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no file")
        raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path) -> str:
    """Return the text of a regular file; raises OSError where it is none or cannot be read."""
    with open_regular(path) as file:
        return file.read().decode("utf-8", errors="replace")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader, or the next start after a power cut, sees old or new whole."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        draft.unlink(missing_ok=True)
        with draft.open("x", encoding="utf-8") as file:  # no link of that name is followed
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
