"""The server as a process in the background: started, found, stopped."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from localaws import statedir
from localaws.environment import server_environment
from localaws.errors import LocalAwsError as LocalAwsError
from localaws.errors import PortError as PortError
from localaws.errors import StateDirError as StateDirError
from localaws.files import open_own
from localaws.keys import FILE_NAME, Keys, keys_of
from localaws.limits import check_open_files
from localaws.orphans import end_processes_of
from localaws.ports import ask_health, check_port
from localaws.record import LOCK, RecordError, lock_holder, read_record, recorded_process
from localaws.settings import (
    DEFAULT_PORT,
    Settings,
    command_line,
    endpoint_url,
    from_environment,
)

logger = logging.getLogger(__name__)

_READY_SECONDS = 60.0
_ANSWER_SECONDS = 15.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.03
_LOG_LINES = 12

# The children of this process: a Popen that is dropped complains, one that is kept can be reaped.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class ServerInfo:
    """A local AWS that runs."""

    pid: int
    port: int
    endpoint_url: str
    keys: Keys
    """With these a client signs its requests."""
    credentials_file: Path
    """The file that holds them, in AWS's own format."""
    started: bool = False
    """Whether the call that returned this value started it."""
    troubles: tuple[str, ...] = ()
    """What is wrong with it just now, in sentences."""
    standby: str = ""
    """The standby for Spark runs: `ready`, `being made`, `none`, `failed` or `off`."""


def start(state_dir: Path, port: int | None = None, **settings: Any) -> ServerInfo:
    """Return the local AWS of a state folder, started in the background where it is not running.

    `port` None is the default one, 0 any free one; a server that runs already keeps its own.
    The rest is as in `Settings`; what is not given of hosts, origins and standby comes from
    LOCALAWS_HOSTS and LOCALAWS_ORIGINS, with commas between, and from LOCALAWS_STANDBY. Raises
    LocalAwsError where the folder cannot be written, the port is taken, the server dies at its
    start, or it runs on another port than the one asked.
    """
    folder = statedir.prepare(state_dir)
    port_asked = DEFAULT_PORT if port is None else port
    wanted = Settings(folder, port_asked, **from_environment(settings))
    with statedir.one_at_a_time(folder):
        running = status(folder)
        if running is not None:
            return _on_port(running, port)
        check_open_files()
        check_port(wanted.host, wanted.port)
        return _wait_until_ready(_spawn(wanted), folder)


def status(state_dir: Path) -> ServerInfo | None:
    """Return the local AWS that serves a state folder; None where none does.

    A server that is just starting counts: the call waits for it. Raises LocalAwsError where one
    holds the folder and does not answer, or its record is not its own.
    """
    folder = state_dir.expanduser().resolve()
    deadline = time.monotonic() + _ANSWER_SECONDS
    while statedir.is_held(folder):
        info = _answering(folder)
        if info is not None:
            return info
        if time.monotonic() > deadline:
            _recorded(folder)
            raise LocalAwsError(
                f"the local AWS of {folder} does not answer.", hint="stop it, and start it again."
            )
        time.sleep(_POLL_SECONDS)
    return None


def stop(state_dir: Path, *, grace_seconds: float = _STOP_SECONDS) -> bool:
    """Stop the local AWS of a state folder and all that it started; return whether one ran.

    The server saves its state and ends its children; one that does not end within
    `grace_seconds` is killed. What a killed server left behind is ended as well.
    Raises LocalAwsError where the server belongs to another user, and RecordError, before anything
    is ended, where one runs and its record is not its own.
    """
    folder = state_dir.expanduser().resolve()
    held = statedir.is_held(folder)
    try:
        server = _recorded(folder)
    except RecordError as error:
        if held:
            raise
        logger.error("%s", error)  # nothing runs: the next start makes a new one
        server = None
    if held and server is not None:
        _end(server, grace_seconds)
    if folder.is_dir():
        end_processes_of(folder)
    # The system frees what a killed server held last of all.
    if held and not _within(_STOP_SECONDS, lambda: not statedir.is_held(folder)):
        raise LocalAwsError(
            f"what holds {folder / LOCK} is no server that this user can end.",
            hint="stop it as the user who started it.",
        )
    return held


def _recorded(folder: Path) -> psutil.Process | None:
    """Return the server that a folder's record names, or, without one, whoever holds its lock."""
    record = read_record(folder)
    if record is not None:
        return recorded_process(folder, record)
    return lock_holder(folder) if statedir.is_held(folder) else None


def _on_port(running: ServerInfo, port: int | None) -> ServerInfo:
    if port in (None, 0, running.port):
        return running
    raise LocalAwsError(
        f"the local AWS of this folder runs on port {running.port} already, not on {port}.",
        hint="use it there, or stop it first.",
    )


def _spawn(settings: Settings) -> subprocess.Popen[bytes]:
    """Return the server's process, in a session of its own, writing to the folder's log."""
    command = [sys.executable, "-P", "-m", "localaws", "serve", *command_line(settings)]
    with _empty_log(settings.state_dir) as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=settings.state_dir,
            env=server_environment(settings, os.environ),
            start_new_session=True,
        )
    _children[child.pid] = child
    return child


def _empty_log(folder: Path) -> BinaryIO:
    path = statedir.log_path(folder)
    try:
        log = open_own(path)
        log.truncate()
    except OSError as error:
        raise StateDirError(
            f"{path} cannot be written ({error.strerror}).", hint="remove it, and start again."
        ) from error
    return log


def _wait_until_ready(child: subprocess.Popen[bytes], folder: Path) -> ServerInfo:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        info = _answering(folder)
        if info is not None:
            return replace(info, started=info.pid == child.pid)
        if child.poll() is not None:
            return _after_death(child, folder)
        time.sleep(_POLL_SECONDS)
    child.kill()
    raise LocalAwsError(
        f"the local AWS did not answer within {_READY_SECONDS:.0f} seconds.{_log_tail(folder)}",
        hint=f"read {statedir.log_path(folder)}.",
    )


def _after_death(child: subprocess.Popen[bytes], folder: Path) -> ServerInfo:
    """Return the server that was quicker than ours; raise where ours died of something else."""
    _children.pop(child.pid, None)
    other = status(folder)
    if other is not None:
        return other
    raise LocalAwsError(
        f"the local AWS ended at its start with exit code {child.returncode}.{_log_tail(folder)}",
        hint=f"read {statedir.log_path(folder)}.",
    )


def _answering(folder: Path) -> ServerInfo | None:
    """Return the server that the folder's record names, if that very server answers."""
    try:
        record = read_record(folder)
        if record is None or recorded_process(folder, record) is None:
            return None
    except RecordError:  # of an earlier server, where one is just starting
        return None
    health = ask_health(record.host, record.port)
    if health is None or (health["pid"], health["state_dir"]) != (record.pid, str(folder)):
        return None
    address = endpoint_url(record.host, record.port)
    troubles = tuple(map(str, health.get("troubles", ())))
    keys, file = keys_of(folder), folder / FILE_NAME
    standby = str(health.get("standby", ""))
    return ServerInfo(
        record.pid, record.port, address, keys, file, troubles=troubles, standby=standby
    )


def _end(process: psutil.Process, grace_seconds: float) -> None:
    child = _children.pop(process.pid, None)
    try:
        process.send_signal(signal.SIGTERM)
        if not _ends_within(process, grace_seconds):
            process.kill()
            _ends_within(process, _STOP_SECONDS)
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied as error:
        raise LocalAwsError(
            f"process {process.pid} belongs to another user.", hint="stop it as that user."
        ) from error
    if child is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1)


def _ends_within(process: psutil.Process, seconds: float) -> bool:
    """Return whether a process ends in time; one that its parent has not reaped has ended, too."""
    return _within(
        seconds,
        lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE,
    )


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Return whether a condition holds in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _log_tail(folder: Path) -> str:
    lines = statedir.log_path(folder).read_text(errors="replace").splitlines()[-_LOG_LINES:]
    return " Its last lines:\n" + "\n".join(lines) if lines else ""
