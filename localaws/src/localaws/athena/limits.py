"""What one statement may take of the machine, so that S3 goes on answering whatever is asked."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from localaws.settings import Settings

MEGABYTE = 1024 * 1024
MOST_ROW_BYTES = 32 * MEGABYTE
"""Of a row of a result: Athena's own limit."""
MOST_RESULT_BYTES = 1024 * MEGABYTE
"""Of a result: it lies in the memory of the local S3 while it is put."""
MOST_PAGE_BYTES = 8 * MEGABYTE
"""Of a page of GetQueryResults; a row that is longer is a page of its own."""
STATEMENTS_AT_WORK = 4
"""Statements that run at the same time; the others are QUEUED."""
EXHAUSTED = "Query exhausted resources at this scale factor"

_MOST_MEMORY = 2048 * MEGABYTE
_BESIDE_QUERIES = 1024 * MEGABYTE
"""What the engine's process may hold besides: its libraries, small files, rows on their way out."""
_MOST_SPILL = 10 * 1024 * MEGABYTE


@dataclass(frozen=True)
class Limits:
    """The limits of the process that runs statements; sizes in bytes.

    `memory` is what DuckDB may hold for all statements together before it spills to disk, up to
    `spill`; a process that grows beyond `process` is ended, and its statements fail.
    """

    memory: int
    process: int
    spill: int
    seconds: float


def limits_of(settings: Settings) -> Limits:
    """Return the limits that settings ask for, or those that fit this machine.

    A quarter of the machine's memory, 2 GB at most; half of the free disk, 10 GB at most.
    """
    memory = min(_MOST_MEMORY, psutil.virtual_memory().total // 4)
    if settings.athena_memory_mb:
        memory = settings.athena_memory_mb * MEGABYTE
    spill = min(_MOST_SPILL, shutil.disk_usage(_existing(settings.state_dir)).free // 2)
    return Limits(memory, memory + _BESIDE_QUERIES, spill, settings.athena_seconds)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
