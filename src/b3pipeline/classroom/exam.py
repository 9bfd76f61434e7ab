"""One hand-in in a process of its own: started within walls, watched, ended with all it began."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nbformat
import psutil

from b3pipeline.classroom import sitting, walls
from b3pipeline.classroom.hand_ins import HandIn, read_notebook, to_run
from b3pipeline.deployment import sandbox
from b3pipeline.files import open_regular
from b3pipeline.language import say

POLL_SECONDS = 0.4
END_SECONDS = 5.0
ANSWERS = "answers"
LOOKS_A_COUNT = 5
"""How many looks at the processes come before the folder's size is taken once more."""


@dataclass(frozen=True)
class Limits:
    """What one hand-in may take; beyond it, its run is ended."""

    seconds: float = 300.0
    memory_megabytes: int = 6_000
    file_megabytes: int = 500
    folder_megabytes: int = 1_500
    files: int = 100_000
    processes: int = 200


@dataclass(frozen=True)
class Sitting:
    """A run that is over: its folder of answers, its seconds, why it ended early, or ''."""

    answers: Path
    seconds: float
    ended: str = ""


def hold(
    hand_in: HandIn,
    folder: Path,
    prepared: Path,
    parameters: Mapping[str, Any],
    limits: Limits,
) -> Sitting:
    """Return the sitting of a hand-in, in a new `folder`, on a copy of its prepared market.

    Whatever the notebook does ends with the call: its processes, its local AWS, and all that it
    wrote but for its answers.
    """
    began = time.monotonic()
    remove(folder)
    shutil.copytree(prepared, folder / "checkout", symlinks=True)
    for part in ("home", "tmp", ANSWERS, "out", "checkout/work"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _lend_fonts(folder / "home/matplotlib")
    if hand_in.assignment is None:
        raise ValueError(f"{hand_in.path} is no notebook of the course")
    notebook = to_run(read_notebook(hand_in.path), hand_in.assignment)
    nbformat.write(notebook, folder / "checkout/work/hand-in.ipynb")  # type: ignore[no-untyped-call]
    command = walls.namespaces()
    order = {**vars(limits), "parameters": dict(parameters), "own_network": bool(command)}
    (folder / sitting.ORDER).write_text(json.dumps(order), encoding="utf-8")
    ended = _watched(
        [*command, sys.executable, "-m", sitting.__name__, str(folder)], folder, limits
    )
    folder.chmod(0o700)  # whatever the notebook made of it
    ended = ended or _said(folder)
    for path in folder.iterdir():
        if path.name != ANSWERS:
            remove(path)
    return Sitting(folder / ANSWERS, time.monotonic() - began, ended)


def _lend_fonts(folder: Path) -> None:
    """Copy matplotlib's list of fonts: to make it anew takes seconds of each run."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in Path(mpl.get_cachedir()).glob("fontlist-*.json"):
        shutil.copy2(path, folder)


def _watched(command: list[str], folder: Path, limits: Limits) -> str:
    """Return why a run was ended, '' where it ended by itself; nothing of it is left."""
    with (folder / "sitting.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=sitting.environment(folder),
            cwd=folder / "checkout/work",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        ended = _watch(process, folder, limits)
    finally:
        _end(process, folder)
    return ended or _too_much(folder, limits)


def _watch(process: subprocess.Popen[bytes], folder: Path, limits: Limits) -> str:
    deadline = time.monotonic() + limits.seconds
    looks = 0
    while not _ended(process, POLL_SECONDS):
        if time.monotonic() > deadline:
            return say("it was ended after {seconds:.0f} seconds", seconds=limits.seconds)
        family = _family(process.pid)
        if len(family) > limits.processes:
            return say("it started more than {count} processes", count=limits.processes)
        most = limits.memory_megabytes * sitting.MEGABYTE
        if sum(map(_memory, family)) > most and sum(map(_own_memory, family)) > most:
            return say("it took more than {most:,} MB of memory", most=limits.memory_megabytes)
        looks += 1
        if looks % LOOKS_A_COUNT == 0 and (said := _too_much(folder, limits)):
            return said
    return ""


def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Return whether a process has ended, within some seconds."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        return True
    return False


def _too_much(folder: Path, limits: Limits) -> str:
    """Return what is to be said of a folder that has grown beyond its limits, or ''."""
    megabytes, files = _size(folder, limits.files)
    if files > limits.files:
        return say("it made more than {most:,} files", most=limits.files)
    if megabytes > limits.folder_megabytes:
        return say("it wrote more than {most:,} MB", most=limits.folder_megabytes)
    return ""


def _family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        one = psutil.Process(pid)
        return [one, *one.children(recursive=True)]
    return []


def _memory(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _own_memory(process: psutil.Process) -> int:
    """Return what a process takes, of shared pages its share alone: a fork shares nearly all."""
    with suppress(psutil.Error):
        taken = process.memory_full_info()
        return int(getattr(taken, "pss", taken.rss))
    return 0


def _size(folder: Path, most: int) -> tuple[float, int]:
    """Return the megabytes and the number of what is below a folder; it stops beyond `most`.

    What vanishes meanwhile counts as nothing; folders too deep for a path count as too many.
    """
    total, count, waiting = 0, 0, [str(folder)]
    while waiting and count <= most:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        with suppress(OSError):
                            total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError as error:
            count += most + 1 if error.errno == errno.ENAMETOOLONG else 0
    return total / sitting.MEGABYTE, count


def remove(path: Path) -> None:
    """Remove a folder, however deep and whatever its rights, or a file; a link is not followed."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):  # Python's own way is recursive
        subprocess.run([*command, "--", str(path)], capture_output=True, check=False)


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Kill what is left of a run. In a namespace all ends with its first process."""
    family = _family(process.pid)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for one in family:
        with suppress(psutil.Error):
            one.kill()
    process.wait()
    psutil.wait_procs(family, timeout=END_SECONDS)
    if not walls.namespaces():
        with suppress(Exception):  # the student may have broken the folder
            sandbox.down(folder / "checkout")
        _each_of(folder.name, lambda one: one.kill())


def _each_of(mark: str, act: Callable[[psutil.Process], None]) -> None:
    """Act on every process that carries the mark of a sitting in its environment."""
    for one in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if one.environ().get("B3_SITTING") == mark:
                act(one)


def _said(folder: Path) -> str:
    """Return what the sitting itself says of its end; a sentence where it could not say it."""
    path = folder / sitting.END
    try:
        if path.is_symlink():
            raise ValueError("a link")
        with open_regular(path) as file:  # a pipe would be waited for
            return str(json.loads(file.read(20_000))["error"])[:400]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return say("its process ended before the notebook did")
