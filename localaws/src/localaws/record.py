"""The record of a server: who serves a state folder, and whether a living process is the one."""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from localaws.errors import LocalAwsError

LOCK = "server.lock"
"""A server has this file of its folder open, and locked, for as long as it lives."""

_VERSION = 1
_MOST_BYTES = 64 << 10
_MOST_PID = 2**31 - 1
# Of the moment at which a process began, the system's own rounding.
_SECONDS = 2.0
_HINT = "remove {path}, then again: a server that runs is found by what it has locked."


class RecordError(LocalAwsError):
    """The record of a folder makes no sense, or names a process that is not its server."""

    why: str = ""


@dataclass(frozen=True)
class Record:
    """Who serves a state folder: written by the server, removed when it ends well."""

    pid: int
    host: str
    port: int
    born: float
    """When the process began, in seconds as `_born` counts them."""
    command: list[str]
    """The command line of the process."""


def own_record(host: str, port: int) -> Record:
    """Return the record of this process."""
    process = psutil.Process()
    return Record(process.pid, host, port, _born(process), process.cmdline())


def write_record(state_dir: Path, record: Record) -> None:
    """Write who serves the folder, whole or not at all."""
    path = record_path(state_dir)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with draft.open("x") as file:  # which a link refuses
        json.dump({"version": _VERSION, **asdict(record)}, file)
    draft.replace(path)


def read_record(state_dir: Path) -> Record | None:
    """Return who serves the folder, or served it when it was killed; None after a clean end.

    Raises RecordError where the file makes no sense.
    """
    path = record_path(state_dir)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _nonsense(path, f"it cannot be read: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "rb") as file:
            return _parse(file.read(_MOST_BYTES))
    except OSError as error:
        raise _nonsense(path, f"it cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _nonsense(path, str(error)) from error


def remove_record(state_dir: Path) -> None:
    """Say that the server of the folder ended well; a record of another process stays."""
    try:
        record = read_record(state_dir)
    except RecordError:
        return
    if record is not None and record.pid == os.getpid():
        record_path(state_dir).unlink(missing_ok=True)


def record_path(state_dir: Path) -> Path:
    """Return the file that holds the record."""
    return state_dir / "server.json"


def recorded_process(state_dir: Path, record: Record) -> psutil.Process | None:
    """Return the living process that is the recorded server; None where its number is free.

    Raises RecordError where that number is another's: process ids are used again, and a record
    can be forged.
    """
    try:
        process = psutil.Process(record.pid)
        why = _difference(process, record, state_dir)
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        why = "it belongs to another user"
    if not why:
        return process
    path = record_path(state_dir)
    message = (
        f"{path} names process {record.pid}, which is not the server of this folder ({why}): it "
        "is left alone."
    )
    raise RecordError(message, hint=_HINT.format(path=path))


def lock_holder(state_dir: Path) -> psutil.Process | None:
    """Return the server of this user that has the lock of a folder open; None where none has."""
    for process in psutil.process_iter():
        try:
            if "serve" in process.cmdline() and _has_lock(process, state_dir):
                return process
        except psutil.Error:  # gone, or of another user
            continue
    return None


def _difference(process: psutil.Process, record: Record, state_dir: Path) -> str:
    """Return why a process is not the one that wrote a record; empty where it is."""
    if process.uids().effective not in (os.geteuid(), state_dir.stat().st_uid):
        return "it belongs to another user"
    if abs(_born(process) - record.born) > _SECONDS:
        return "it began at another moment"
    if process.cmdline() != record.command:
        return "its command is another one"
    return "" if _has_lock(process, state_dir) else f"it does not hold {LOCK}"


def _born(process: psutil.Process) -> float:
    """Return when a process began: since the start of the system, where that is to be had.

    A clock that is set while a server runs, as after a laptop's sleep, then changes nothing.
    """
    since = psutil.boot_time() if sys.platform == "linux" else 0.0
    return float(process.create_time()) - since


def _has_lock(process: psutil.Process, state_dir: Path) -> bool:
    lock = state_dir / LOCK
    return any(
        os.path.basename(file.path) == LOCK and lock.samefile(file.path)  # noqa: PTH119
        for file in process.open_files()
        if os.path.exists(file.path)  # noqa: PTH110
    )


def _parse(text: bytes) -> Record:
    """Return the record that a file holds; raise ValueError, which says what is wrong with it."""
    if not text:
        raise ValueError("it is empty")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError("it is no JSON") from error
    if not isinstance(content, dict):
        raise ValueError("it is no object")
    version = content.pop("version", None)
    if version != _VERSION or isinstance(version, bool):
        raise ValueError(f"its version is {version!r:.40}, and {_VERSION} is understood")
    for name, sound in _SOUND.items():
        if name not in content:
            raise ValueError(f"it has no {name}")
        if not sound(content[name]):
            raise ValueError(f"its {name} is {content[name]!r:.40}")
    return Record(**{name: content[name] for name in _SOUND})


def _is_number(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= most


def _is_loopback(value: Any) -> bool:
    try:
        return isinstance(value, str) and ipaddress.ip_address(value).is_loopback
    except ValueError:
        return False


_SOUND: dict[str, Callable[[Any], bool]] = {
    "pid": lambda value: isinstance(value, int) and _is_number(value, _MOST_PID),
    "host": _is_loopback,
    "port": lambda value: isinstance(value, int) and _is_number(value, 65_535),
    "born": lambda value: _is_number(value, 1e11),
    "command": lambda value: isinstance(value, list) and all(isinstance(v, str) for v in value),
}


def _nonsense(path: Path, why: str) -> RecordError:
    error = RecordError(f"{path} is no record of a server ({why}).", hint=_HINT.format(path=path))
    error.why = why
    return error
