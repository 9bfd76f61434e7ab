"""The state folder: one server holds it at a time, and writes who it is."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    raise ImportError("The local AWS needs Linux or macOS: on Windows, work in WSL 2.")
import fcntl

from localaws.errors import LocalAwsError, StateDirError
from localaws.files import check_folder, open_own
from localaws.record import LOCK

# A start writes locks, a log and three databases, each with two files beside it.
_RESERVE = "reserve"
_RESERVED_FILES = 24
_RESERVED_BYTES = 24 << 10


def prepare(state_dir: Path) -> Path:
    """Return the absolute path of a state folder that exists and can be written.

    Raises StateDirError where it cannot, where other users share it, or a link lies in it.
    """
    folder = state_dir.expanduser().resolve()
    try:
        # For its user alone; a folder that was there before is closed once it is one of ours.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_folder(folder)
        if (folder / LOCK).exists():
            folder.chmod(0o700)
        if not is_held(folder):
            shutil.rmtree(folder / _RESERVE, ignore_errors=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        hint = "give this user the right to write there, or give another folder with --state-dir."
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "free some space or files on its disk, or give another folder with --state-dir."
        raise StateDirError(
            f"the state folder {folder} cannot be written ({error.strerror}).", hint=hint
        ) from error
    return folder


def keep_reserve(state_dir: Path) -> None:
    """Keep some room and some files for the next start, should the disk be full then."""
    folder = state_dir / _RESERVE
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        for number in range(_RESERVED_FILES):
            (folder / str(number)).write_bytes(bytes(_RESERVED_BYTES))


@contextmanager
def held(state_dir: Path) -> Iterator[None]:
    """Hold the state folder; the system lets go of it when this process ends, however it ends.

    Raises LocalAwsError where another server holds it.
    """
    with _lock(state_dir / LOCK) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LocalAwsError(
                f"another server holds the state folder {state_dir}.",
                hint="stop it first: python -m localaws down --state-dir …",
            ) from error
        state_dir.chmod(0o700)
        yield


@contextmanager
def one_at_a_time(state_dir: Path) -> Iterator[None]:
    """Wait until nobody else starts a server of this folder, and keep others waiting."""
    with _lock(state_dir / "start.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_held(state_dir: Path) -> bool:
    """Return whether a living server holds the state folder."""
    path = state_dir / LOCK
    if not os.path.lexists(path):
        return False
    with _lock(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def log_path(state_dir: Path) -> Path:
    """Return the file that takes the output of a server in the background."""
    return state_dir / "server.log"


@contextmanager
def _lock(path: Path) -> Iterator[BinaryIO]:
    try:
        file = open_own(path)
    except OSError as error:
        raise StateDirError(
            f"{path} cannot be opened ({error.strerror}).",
            hint="remove it where it is no file of yours, and give this user the right to write.",
        ) from error
    with file:
        yield file
