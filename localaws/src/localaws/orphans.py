"""Processes that a local AWS started: found by the mark they carry, and ended."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import psutil

from localaws.environment import STATE_DIR_MARK

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 5.0


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
    ended = []
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
        ended.append(process)
    _, alive = psutil.wait_procs(ended, timeout=_WAIT_SECONDS)
    for process in alive:
        logger.warning("process %s does not end", process.pid)
    return len(ended)
