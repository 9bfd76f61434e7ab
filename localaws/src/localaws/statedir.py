"""The state folder: one server holds it at a time, and writes who it is."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

if sys.platform == "win32":
    raise ImportError("The local AWS needs Linux or macOS: on Windows, work in WSL 2.")
import fcntl

from localaws.errors import LocalAwsError, StateDirError

# A start writes locks, a log and three databases, each with two files beside it.
_RESERVE = "reserve"
_RESERVED_FILES = 24
_RESERVED_BYTES = 24 << 10


@dataclass(frozen=True)
class Record:
    """Who serves a state folder: written by the server, removed when it ends well."""

    pid: int
    host: str
    port: int


def prepare(state_dir: Path) -> Path:
    """Return the absolute path of a state folder that exists and can be written.

    Raises LocalAwsError where it cannot.
    """
    folder = state_dir.expanduser().resolve()
    try:
        # For its user alone; a folder that was there before is closed once it is one of ours.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (folder / "server.lock").exists():
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
    with (state_dir / "server.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LocalAwsError(
                f"another server holds the state folder {state_dir}.",
                hint="stop it first: python -m localaws down --state-dir …",
            ) from error
        yield


@contextmanager
def one_at_a_time(state_dir: Path) -> Iterator[None]:
    """Wait until nobody else starts a server of this folder, and keep others waiting."""
    with (state_dir / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_held(state_dir: Path) -> bool:
    """Return whether a living server holds the state folder."""
    path = state_dir / "server.lock"
    if not path.exists():
        return False
    with path.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def write_record(state_dir: Path, record: Record) -> None:
    """Write who serves the folder, whole or not at all."""
    path = _record_path(state_dir)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(record)))
    draft.replace(path)


def read_record(state_dir: Path) -> Record | None:
    """Return who serves the folder, or served it when it was killed; None after a clean end."""
    try:
        return Record(**json.loads(_record_path(state_dir).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remove_record(state_dir: Path) -> None:
    """Say that the server of the folder ended well; a record of another process stays."""
    record = read_record(state_dir)
    if record is not None and record.pid == os.getpid():
        _record_path(state_dir).unlink(missing_ok=True)


def log_path(state_dir: Path) -> Path:
    """Return the file that takes the output of a server in the background."""
    return state_dir / "server.log"


def _record_path(state_dir: Path) -> Path:
    return state_dir / "server.json"
