"""Processes that a local AWS started: found by the mark they carry, and ended."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from localaws.environment import STATE_DIR_MARK

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 5.0
_LOOK_SECONDS = 0.01


def end_processes_of(state_dir: Path) -> int:
    """End the children of every server of `state_dir`, past ones too; return how many ended.

    A process counts by the mark in its environment, never by a number that somebody wrote down:
    process ids are used again.
    """
    return _kill(_marked(state_dir))


def end_session(session_id: int) -> int:
    """End every process of a session that this server opened; return how many ended.

    A session holds what a child started, whatever process groups those made.
    """
    return _kill([process for process in _all() if _session(process) == session_id])


def _all() -> list[psutil.Process]:
    own = os.getpid()
    return [process for process in psutil.process_iter() if process.pid != own]


def _marked(state_dir: Path) -> list[psutil.Process]:
    found = []
    for process in _all():
        try:
            mark = process.environ().get(STATE_DIR_MARK)
        except psutil.Error:  # gone, or of another user
            continue
        if mark == str(state_dir):
            found.append(process)
    return found


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except OSError:
        return None


def _kill(processes: Iterable[psutil.Process]) -> int:
    """Kill processes and wait for their end, but leave it to their parents to take note of it.

    psutil's own wait would take a child's status away from the event loop, which would then wait
    for that child for ever.
    """
    ended = []
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
        ended.append(process)
    deadline = time.monotonic() + _WAIT_SECONDS
    while (alive := [each for each in ended if not _is_over(each)]) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    for process in alive:
        logger.warning("process %s does not end", process.pid)
    return len(ended)


def _is_over(process: psutil.Process) -> bool:
    """Return whether a process is gone, or of it only a status is left for its parent to take.

    While another thread of it still ends, and holds its files, it looks the same but for that.
    """
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1)
    except psutil.NoSuchProcess:
        return True
