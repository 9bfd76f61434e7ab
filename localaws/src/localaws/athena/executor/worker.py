"""The server's side of the process that runs statements: started, watched, ended, made anew."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import psutil

from localaws.athena.errors import CancelledQueryError, QueryError
from localaws.athena.executor.context import Control, Outcome, Request
from localaws.athena.executor.engine_process import error_of, exhausted
from localaws.athena.limits import EXHAUSTED, STATEMENTS_AT_WORK, Limits, limits_of
from localaws.athena.rights import Rights
from localaws.athena.statements.model import Statement
from localaws.settings import Settings
from localaws.wire import AwsError, Service

logger = logging.getLogger(__name__)

_MODULE = "localaws.athena.executor.engine_process"
_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 5.0
"""How long a statement that was stopped may go on before its process is ended."""
_TIMED_OUT = "Query timeout"


class Worker:
    """Runs statements in a process that is started with the first one and anew after its end.

    Called from threads of the server, one a statement.
    """

    def __init__(
        self,
        settings: Settings,
        glue: Service,
        rights: Rights,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._settings = settings
        self._glue = glue
        self._rights = rights
        self._loop = loop
        self._limits = limits_of(settings)
        self._starting = threading.Lock()
        self._process: _Process | None = None

    def run(self, request: Request, statement: Statement) -> Outcome:
        """Return the outcome of a statement; raises QueryError or CancelledQueryError."""
        request.control.check()
        process = self._living()
        done = process.start(request, statement)
        begun: float | None = None
        stopped: float | None = None
        while True:
            try:
                return done.result(_LOOK_SECONDS)
            except TimeoutError:
                pass
            except CancelledQueryError:
                if request.control.reason == _TIMED_OUT:
                    raise self._timed_out() from None
                raise
            if begun is None and process.ready:
                begun = time.monotonic()
            if begun is not None and time.monotonic() - begun > self._limits.seconds:
                request.control.stop(_TIMED_OUT)
            if request.control.reason is not None and stopped is None:
                stopped = time.monotonic()
                process.stop(request.execution_id, request.control.reason)
            if stopped is not None and time.monotonic() - stopped > _GRACE_SECONDS:
                process.end(self._ending(request.control))

    def _ending(self, control: Control) -> Exception:
        if control.reason == _TIMED_OUT:
            return self._timed_out()
        return CancelledQueryError(control.reason or "")

    def _timed_out(self) -> QueryError:
        minutes = self._limits.seconds / 60
        return QueryError("EXCEEDED_TIME_LIMIT", f"{_TIMED_OUT}: longer than {minutes:g} minutes")

    def close(self) -> None:
        with self._starting:
            if self._process is not None:
                self._process.close()

    def _living(self) -> _Process:
        with self._starting:
            if self._process is None or self._process.ended:
                self._process = _Process(
                    self._settings, self._limits, self._glue, self._rights, self._loop
                )
            return self._process


class _Process:
    """One process with the statements that it has at work."""

    def __init__(
        self,
        settings: Settings,
        limits: Limits,
        glue: Service,
        rights: Rights,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._glue, self._loop, self._limits = glue, loop, limits
        self._rights = rights
        self._callers: dict[str, Context] = {}
        """The context of each statement: who called is part of it."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
            )
        self._connection = Connection(ours.detach())
        self._sending = threading.Lock()
        self._lock = threading.Lock()
        self._work: dict[str, Future[Outcome]] = {}
        self._reason: Exception | None = None
        self.ended = False
        self.ready = False
        """Whether its libraries are loaded: the time of a statement begins then."""
        self._answering = ThreadPoolExecutor(STATEMENTS_AT_WORK, thread_name_prefix="catalog")
        self._send((settings, limits))
        for target in (self._receive, self._watch):
            threading.Thread(target=target, daemon=True, name="athena-engine").start()

    def start(self, request: Request, statement: Statement) -> Future[Outcome]:
        """Hand over a statement, and return its outcome to be."""
        done: Future[Outcome] = Future()
        with self._lock:
            if self.ended:
                done.set_exception(self._why())
                return done
            self._work[request.execution_id] = done
            self._callers[request.execution_id] = copy_context()
        # Its control holds a lock, which stays here.
        plain = replace(request, control=None)  # type: ignore[arg-type]
        self._send(("run", plain, statement, self._rights.limited))
        return done

    def stop(self, execution_id: str, reason: str) -> None:
        self._send(("stop", execution_id, reason))

    def end(self, reason: Exception) -> None:
        """End the process at once; what it has at work fails for this reason."""
        with self._lock:
            self._reason = self._reason or reason
        self._child.kill()

    def close(self) -> None:
        """End the process: politely, for its socket is closed, or by force."""
        self._connection.close()
        try:
            self._child.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._answering.shutdown(wait=False, cancel_futures=True)

    def _send(self, message: Any) -> None:
        try:
            with self._sending:
                self._connection.send(message)
        except OSError:
            # It has ended: whoever waits is told by the thread that receives.
            logger.info("the process that runs statements has ended")

    def _receive(self) -> None:
        while True:
            try:
                kind, *content = self._connection.recv()
            except (EOFError, OSError):
                break
            if kind == "ready":
                self.ready = True
            elif kind == "call":
                self._answering.submit(self._answer, *content)
            else:
                self._finish(*content)
        self._child.kill()
        self._child.wait()
        with self._lock:
            self.ended = True
            work, self._work = self._work, {}
        for done in work.values():
            done.set_exception(self._why())

    def _finish(self, execution_id: str, outcome: Outcome | None, error: Any) -> None:
        with self._lock:
            done = self._work.pop(execution_id)
            self._callers.pop(execution_id, None)
        if error is not None:
            done.set_exception(error_of(error))
        else:
            done.set_result(outcome or Outcome())

    def _why(self) -> Exception:
        if self._reason is not None:
            return self._reason
        # Ended by the system, or by an allocation that nobody caught: it took too much.
        code = self._child.returncode
        return exhausted() if code else QueryError("GENERIC_INTERNAL_ERROR", "The engine has ended")

    def _answer(
        self, number: int, execution_id: str, operation: str, payload: dict[str, Any]
    ) -> None:
        context = self._callers[execution_id].copy()
        try:
            answer = context.run(self._done, operation, payload)
        except AwsError as error:
            self._send(("answer", number, None, (error.code, error.message, error.status)))
        except Exception as error:
            logger.exception("the Data Catalog failed at %s", operation)
            self._send(("answer", number, None, ("InternalServiceException", str(error), 500)))
        else:
            self._send(("answer", number, answer, None))

    def _done(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Return what Glue answers to the statement's caller; without operation, whether it may."""
        if not operation:
            self._rights.authorize(payload["action"], payload["uri"])
            return {}
        call = self._glue.call(operation, payload)
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    def _watch(self) -> None:
        """End the process where it takes more memory than it may."""
        try:
            child = psutil.Process(self._child.pid)
            while self._child.returncode is None:
                if child.memory_info().rss > self._limits.process:
                    logger.warning("%s: the process that runs statements is ended", EXHAUSTED)
                    self.end(exhausted())
                    return
                time.sleep(_LOOK_SECONDS if self._work else 5 * _LOOK_SECONDS)
        except psutil.Error:
            return
