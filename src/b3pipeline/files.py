"""Files of this machine: opened where they are regular ones, written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from b3pipeline.language import say

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


def unwritten(error: OSError) -> tuple[str, str] | None:
    """Return in a sentence that the disk is full or a folder takes no file, and what to try.

    None for any other error: it may be a mistake of ours, and is not to be told as one of the disk.
    """
    number, path = error.errno, error.filename
    if isinstance(error, shutil.Error):  # of a folder that was copied: each file, and why not
        copied = error.args[0][0] if isinstance(error.args[0], list) else ("", "", "")
        found = re.search(r"\[Errno (\d+)\]", str(copied[2]))
        number, path = int(found[1]) if found else None, copied[1]
    if number not in _NO_ROOM:
        return None
    said = say(
        "{path} cannot be read or written: {why}.",
        path=path or say("a file"),
        why=os.strerror(number),
    )
    return said, say("make room on the disk, or give another folder.")


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
    except OSError as error:
        with suppress(OSError):  # the folder may take no change at all
            draft.unlink(missing_ok=True)
        error.filename = str(path)
        raise
