"""ministack's control plane saved before a change of it is answered; its logs soon after.

ministack saves its state when it ends well, and only then. Its saving function and the register
of its services are public names, and saving all but the logs takes a few milliseconds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localaws.damage import Damage, control_lost
from localaws.hearing import Failure, Hearing
from localaws.troubles import Troubles
from localaws.wire import AsgiApp, Message, Receive, Scope, Send, live, send_unavailable

SUBJECT = "control plane"
_PAUSE_SECONDS = 0.1
_AGAIN_SECONDS = 2.0
_LOGS_KEY = "cloudwatch_logs"
# Saving the logs costs some 20 microseconds a line ever written, so it waits for
# this many times its own last cost: 4% of the server's time at most.
_LOGS_PATIENCE = 25.0
_LOGS_SECONDS = 2.0


class Checkpoint:
    """ministack as an ASGI application that saves what a request may have changed."""

    def __init__(
        self, ministack: AsgiApp, control_dir: Path, troubles: Troubles, damage: Damage
    ) -> None:
        self._ministack = ministack
        self._control_dir = control_dir
        self._troubles = troubles
        self._damage = damage
        self._restoring = Hearing("ministack", ("Failed to restore persisted state",))
        self._hearing = Hearing("persistence", ("Persistence: failed to save",))
        self._control_changed = asyncio.Event()
        self._logs_changed = False
        self._logs_due = 0.0
        self._saving_logs = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            with self._restoring.listening() as failures:

                async def start() -> None:
                    self._set_aside(failures)
                    await self._start()

                await live(self._ministack, scope, receive, send, start=start, close=self._close)
            return
        if scope["type"] != "http" or not _may_change_control(scope):
            await self._ministack(scope, receive, send)
            self._logs_changed = True
            return
        sentence = ""

        async def saved(message: Message) -> None:
            nonlocal sentence
            if message["type"] == "http.response.start" and message["status"] < 400:
                sentence = self._save_control()
                if sentence:
                    await send_unavailable(scope, send, sentence)
            if not sentence:
                await send(message)

        await self._ministack(scope, receive, saved)
        # Some changes come after the answer, such as a function that becomes active.
        self._logs_changed = True
        self._control_changed.set()

    def _save_control(self) -> str:
        """Save all but the logs; return why that failed, or nothing."""
        with self._hearing.listening() as failures:
            _save(lambda key: key != _LOGS_KEY)
        if not failures:
            self._troubles.clear(SUBJECT)
            return ""
        service, error = failures[0]
        return self._troubles.unwritten(SUBJECT, f"The state of {service}", error)

    def _set_aside(self, failures: list[Failure]) -> None:
        """Keep what ministack could not restore: its next save would write over it."""
        for (service,) in failures:
            path = self._control_dir / f"{service}.json"
            self._damage.set_aside(path, "ministack cannot restore it", control_lost(service))

    async def _start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._keep_control()),
            asyncio.create_task(self._keep_logs()),
        ]

    async def _close(self) -> None:
        """End; ministack itself saves everything after this."""
        async with self._saving_logs:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_control(self) -> None:
        while True:
            await self._control_changed.wait()
            await asyncio.sleep(_PAUSE_SECONDS)
            self._control_changed.clear()
            if self._save_control():
                self._control_changed.set()
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _keep_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOGS_SECONDS)
            if self._logs_changed and time.monotonic() > self._logs_due:
                self._logs_changed = False
                begun = time.monotonic()
                # In a thread: with many lines this is long for the loop. A line that arrives
                # meanwhile can spoil the copy; then ministack logs it, and the next save is whole.
                async with self._saving_logs:
                    await asyncio.to_thread(_save, lambda key: key == _LOGS_KEY)
                self._logs_due = time.monotonic() + _LOGS_PATIENCE * (time.monotonic() - begun)


def _may_change_control(scope: Scope) -> bool:
    """Return whether a request may change more than objects, which are kept at once, and logs."""
    method, path = scope["method"], scope["path"]
    if method in ("GET", "HEAD"):
        return False
    signature = next((v for name, v in scope["headers"] if name == b"authorization"), b"")
    if b"/s3/aws4_request" in signature:
        bucket_alone = "/" not in path.strip("/")
        return bucket_alone and not scope.get("query_string", b"").startswith(b"delete")
    return b"/logs/aws4_request" not in signature


def _save(wanted: Callable[[str], bool]) -> None:
    from ministack.core.persistence import save_all

    states = {key: module.get_state for key, module in _loaded_services() if wanted(key)}
    save_all(states)


def _loaded_services() -> list[tuple[str, Any]]:
    """Return the services in use, each under the name of its state file."""
    from ministack.app import SERVICE_REGISTRY

    names: dict[str, str] = {}
    for entry in SERVICE_REGISTRY.values():
        names[entry.get("state_key", entry["module"])] = entry["module"]
        names.update({part: part for part in entry.get("sub_modules", ())})
    loaded = ((key, sys.modules.get(f"ministack.services.{name}")) for key, name in names.items())
    return [(key, module) for key, module in loaded if hasattr(module, "get_state")]
