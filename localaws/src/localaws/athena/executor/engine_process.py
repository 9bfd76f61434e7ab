"""The process of its own that runs statements: what it takes, the server does not miss.

The server speaks with it over a pair of sockets: statements and stops go in, outcomes and calls of
the Data Catalog come out. It ends when its socket does.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

from localaws.athena.errors import CancelledQueryError, QueryError
from localaws.athena.executor.context import BytesExceededError, Control, Request
from localaws.athena.limits import EXHAUSTED, Limits
from localaws.settings import Settings
from localaws.wire import AwsError

Message = tuple[Any, ...]


def main() -> None:
    """Serve on the socket whose number is the first argument, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server is told, and closes the socket
    connection = Connection(socket.socket(fileno=int(sys.argv[1])).detach())
    settings, limits = connection.recv()
    _hold_to(limits)
    EngineProcess(connection, settings, limits).serve()
    # Threads in the middle of a query would keep the process.
    os._exit(0)


def _hold_to(limits: Limits) -> None:
    """Let allocations fail before the machine is short of memory, where the system can do that."""
    if sys.platform == "linux":
        import resource

        most, (_, hard) = 2 * limits.process, resource.getrlimit(resource.RLIMIT_DATA)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)  # whoever started the server may have set less
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


class EngineProcess:
    """Runs each statement in a thread of its own."""

    def __init__(self, connection: Connection, settings: Settings, limits: Limits) -> None:
        from localaws.athena.executor.runner import make_runner

        self._connection = connection
        self._sending = threading.Lock()
        self._numbers = count()
        self._calls: dict[int, Future[dict[str, Any]]] = {}
        self._controls: dict[str, Control] = {}
        self._at_work = threading.local()
        self._runner = make_runner(settings, self._call, _RemoteRights(self), limits)
        self._handlers: dict[str, Callable[..., None]] = {
            "run": self._start,
            "stop": self._stop,
            "answer": self._answered,
        }

    def serve(self) -> None:
        """Handle messages until the other side is gone."""
        self._send("ready")
        while True:
            try:
                kind, *content = self._connection.recv()
            except (EOFError, OSError):
                return
            self._handlers[kind](*content)

    def _send(self, *message: Any) -> None:
        with self._sending:
            self._connection.send(message)

    @property
    def limited(self) -> bool:
        """Whether the caller of the statement of this thread may less than the account's root."""
        return bool(self._at_work.limited)

    def authorize(self, action: str, uri: str) -> None:
        """Raise AwsError where the statement's caller may not do `action` to an address."""
        self._call("", {"action": action, "uri": uri})

    def _call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the server's answer to an operation of Glue; AwsError where it refuses."""
        number = next(self._numbers)
        answer: Future[dict[str, Any]] = Future()
        self._calls[number] = answer
        self._send("call", number, self._at_work.execution_id, operation, payload)
        return answer.result()

    def _answered(self, number: int, answer: dict[str, Any] | None, error: Message | None) -> None:
        waiting = self._calls.pop(number)
        if error is not None:
            waiting.set_exception(AwsError(*error))
        else:
            waiting.set_result(answer or {})

    def _start(self, request: Request, statement: Any, limited: bool) -> None:
        request.control = self._controls[request.execution_id] = Control()
        threading.Thread(target=self._run, args=(request, statement, limited), daemon=True).start()

    def _stop(self, execution_id: str, reason: str) -> None:
        control = self._controls.get(execution_id)
        if control is not None:
            control.stop(reason)

    def _run(self, request: Request, statement: Any, limited: bool) -> None:
        self._at_work.execution_id, self._at_work.limited = request.execution_id, limited
        try:
            outcome, error = self._runner.run(request, statement), None
        except Exception as failure:
            outcome, error = None, told(failure)
        self._controls.pop(request.execution_id, None)
        self._send("done", request.execution_id, outcome, error)


class _RemoteRights:
    """The rights of a statement's caller, which the server knows; root need not be asked for."""

    def __init__(self, process: EngineProcess) -> None:
        self._process = process

    @property
    def limited(self) -> bool:
        return self._process.limited

    def authorize(self, action: str, uri: str) -> None:
        if self.limited:
            self._process.authorize(action, uri)

    def check(self, action: str, uri: str) -> None:
        try:
            self.authorize(action, uri)
        except AwsError as error:
            raise QueryError("PERMISSION_DENIED", f"{error.message} ({uri})") from error


def told(error: Exception) -> Message:
    """Return an error as a message: exceptions do not travel with all that they carry."""
    if isinstance(error, BytesExceededError):
        return "bytes", error.bytes_scanned
    if isinstance(error, CancelledQueryError):
        return "cancelled", error.reason
    if isinstance(error, QueryError):
        return "failed", error.code, error.message
    return "failed", "GENERIC_INTERNAL_ERROR", f"{type(error).__name__}: {error}"


def error_of(message: Message) -> Exception:
    """Return the error that a message tells of."""
    kind, *content = message
    if kind == "bytes":
        return BytesExceededError(*content)
    return CancelledQueryError(*content) if kind == "cancelled" else QueryError(*content)


def exhausted() -> QueryError:
    """Return Athena's refusal of a statement that takes too much."""
    return QueryError("EXCEEDED_LOCAL_MEMORY_LIMIT", EXHAUSTED)


if __name__ == "__main__":
    main()
