"""One standby for Spark runs: made while nothing else is to do, handed to the next run, used once.

Of a short Spark run most is Spark's start. The standby has it behind it: a process session with
PySpark imported and a JVM that has run a query (`warm_process.py`), in a folder that becomes the
run's. It holds no credentials: a run's come with the script, over a socket that only the two have.
A run that comes while it is made takes it as it is: what is done of its start need not be done.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from localaws.glue.run_environment import (
    ERRORS,
    OUTPUT,
    SPARK_LOG,
    make_run_folder,
    script_environment,
    spark_environment,
    work_folder,
)
from localaws.orphans import end_session
from localaws.settings import Settings

logger = logging.getLogger(__name__)

IDLE_SECONDS = 600.0
_WARM_PROCESS = Path(__file__).with_name("warm_process.py")
_TICK_SECONDS = 1.0
_ANSWER_SECONDS = 10.0
_START_SECONDS = 60.0  # of Java, on a slow machine
_MEGABYTE = 1024 * 1024
# A standby holds about half a gigabyte.
_MEMORY_TO_MAKE = 1536 * _MEGABYTE
_MEMORY_TO_KEEP = 512 * _MEGABYTE
_MOST_FAILURES = 2
# An idle core takes five to ten seconds, a slow machine many times that. Pauses do not count.
_MAKING_SECONDS = 180.0
# Made with the cores that nobody else wants: it stops for a moment, looks, and works on where a
# core was free; on a machine that is never idle it takes one slice in three. Nobody but root
# could raise a lowered priority again, and a run must not be left with it.
_SLICE_SECONDS = 0.5
_LOOK_SECONDS = 0.1
_FREE_CORES = 0.5
_MOST_PAUSES = 2


class Standby:
    """A process that waits to be a run."""

    def __init__(
        self,
        folder: Path,
        child: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.folder = folder
        self.child = child
        self._reader = reader
        self._writer = writer
        self.made = asyncio.create_task(self._is_ready())
        """Ends when it is ready, or has ended; its result is whether it is ready."""

    @classmethod
    async def launch(cls, settings: Settings) -> Standby | None:
        """Return a standby at its beginning; None where there is no Java."""
        folder = work_folder(settings) / f"standby-{secrets.token_hex(8)}"
        spark = spark_environment(settings, folder)
        if spark is None:
            return None
        make_run_folder(folder)
        (folder / SPARK_LOG).touch()
        ours, theirs = socket.socketpair()
        command = [sys.executable, str(_WARM_PROCESS), str(theirs.fileno()), settings.standby_java]
        with theirs, (folder / OUTPUT).open("ab") as stdout, (folder / ERRORS).open("ab") as stderr:
            child = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                env=script_environment(settings, folder) | spark,
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
            )
        return cls(folder, child, *await asyncio.open_connection(sock=ours))

    @property
    def alive(self) -> bool:
        return self.child.returncode is None

    async def become(
        self, script: Path, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> bool:
        """Return whether this process is the script now; where not, it is of no use any more."""
        order = {"script": str(script), "arguments": arguments, "environment": dict(environment)}
        # A RuntimeError is uvloop's for a socket whose other end is gone.
        with contextlib.suppress(TimeoutError, OSError, RuntimeError):
            self._writer.write(b"\n")  # ends its warming up
            if await asyncio.wait_for(self.made, _START_SECONDS):
                for name in (OUTPUT, ERRORS, SPARK_LOG):
                    os.truncate(self.folder / name, 0)
                self._writer.write(json.dumps(order).encode() + b"\n")
                await self._writer.drain()
                return await asyncio.wait_for(self._line(), _ANSWER_SECONDS) == b"yes\n"
        return False

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    async def end(self) -> None:
        """End it and all that it started; its folder stays."""
        self.forget()
        await asyncio.to_thread(end_session, self.child.pid)
        await self.child.wait()

    def forget(self) -> None:
        """Close this end of the socket: whoever waits at the other ends."""
        self.made.cancel()
        self._writer.close()

    def last_words(self) -> str:
        return (self.folder / ERRORS).read_text(errors="replace")[-2000:]

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, number)

    async def _is_ready(self) -> bool:
        return await self._line() == b"ready\n"

    async def _line(self) -> bytes:
        try:
            return await self._reader.readline()
        except OSError:
            return b""


class StandbyKeeper:
    """Keeps one standby ready while Spark runs are likely; `busy` says whether a run is at work."""

    def __init__(self, settings: Settings, busy: Callable[[], bool]) -> None:
        self._settings = settings
        self._busy = busy
        self._ready: Standby | None = None
        self._making: Standby | None = None
        self._until = 0.0
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def wish(self) -> None:
        """Keep a standby for the next ten minutes."""
        if self._settings.standby == "no":
            return
        self._until = time.monotonic() + IDLE_SECONDS
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep())

    def take(self) -> Standby | None:
        """Return the standby, ready or half made, which is the taker's then; None without one."""
        standby, self._ready = self._ready, None
        if standby is None and self._making is not None:
            standby, self._making = self._making, None
            standby.resume()
        return standby

    def state(self) -> str:
        """Return what is to be said of it: `off`, `ready`, `being made`, `none` or `failed`."""
        if self._settings.standby == "no":
            return "off"
        if self._ready is not None and self._ready.alive:
            return "ready"
        if self._failures >= _MOST_FAILURES:
            return "failed"
        return "being made" if self._making is not None else "none"

    async def close(self) -> None:
        """End the standby, made or half made."""
        self._until = 0.0
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._drop_ready()

    async def _keep(self) -> None:
        while time.monotonic() < self._until and self._failures < _MOST_FAILURES:
            memory = psutil.virtual_memory().available
            if self._ready is not None and not (self._ready.alive and memory > _MEMORY_TO_KEEP):
                await self._drop_ready()
            if self._ready is None and memory > _MEMORY_TO_MAKE and not self._busy():
                try:
                    await self._make()
                except OSError as error:  # no room, no files: runs start cold
                    self._failures += 1
                    logger.warning("the standby for Spark runs cannot be made: %s", error)
            await asyncio.sleep(_TICK_SECONDS)
        await self._drop_ready()

    async def _make(self) -> None:
        standby = self._making = await Standby.launch(self._settings)
        if standby is None:
            self._failures = _MOST_FAILURES
            return
        slices = round(_MAKING_SECONDS / _SLICE_SECONDS)
        try:
            while self._making is standby and not standby.made.done() and slices:
                await self._give_way(standby)
                await asyncio.wait([standby.made], timeout=_SLICE_SECONDS)
                slices -= 1
            if self._making is not standby:  # a run has taken it
                return
            if standby.made.done() and standby.made.result():
                self._ready, self._failures = standby, 0
                return
            self._failures += 1
            late = f"was not ready after {_MAKING_SECONDS:.0f} seconds"
            how = "ended" if standby.made.done() else late
            logger.warning("the standby for Spark runs %s: %s", how, standby.last_words())
        finally:
            if self._making is standby:
                self._making = None
                if self._ready is not standby:
                    await _drop(standby)

    async def _give_way(self, standby: Standby) -> None:
        """Hold the making of a standby for as long as the cores are somebody else's."""
        standby.pause()
        while self._busy():
            await asyncio.sleep(_LOOK_SECONDS)
            if self._making is not standby:
                return
        pauses = 0 if self._settings.standby == "idle" else _MOST_PAUSES
        while pauses < _MOST_PAUSES and await _free_cores(_LOOK_SECONDS) < _FREE_CORES:
            await asyncio.sleep(_SLICE_SECONDS)
            pauses += 1
        standby.resume()

    async def _drop_ready(self) -> None:
        standby, self._ready = self._ready, None
        if standby is not None:
            await _drop(standby)


async def _drop(standby: Standby) -> None:
    await standby.end()
    shutil.rmtree(standby.folder, ignore_errors=True)


async def _free_cores(seconds: float) -> float:
    """Return how many cores had nothing to do for a moment."""
    before: float = psutil.cpu_times().idle
    started = time.monotonic()
    await asyncio.sleep(seconds)
    after: float = psutil.cpu_times().idle
    return (after - before) / (time.monotonic() - started)
