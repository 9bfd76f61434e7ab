"""The ASGI application: our services first, ministack for all the rest."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence

from localaws.athena import AthenaService
from localaws.backend import Backend
from localaws.checkpoint import Checkpoint
from localaws.glue import GlueService
from localaws.glue.java import find_java
from localaws.guard import Guard
from localaws.ports import HEALTH_PATH
from localaws.settings import Settings
from localaws.wire import (
    AsgiApp,
    AwsError,
    Receive,
    Scope,
    Send,
    Service,
    live,
    parse_payload,
    read_body,
    send_error,
    send_json,
)

logger = logging.getLogger(__name__)

# The SDK for Go, and Terraform with it, closes the body of its request when the answer begins.
# Where its writer has not noticed its own end by then, the connection breaks, the answer is lost
# and the request is sent again: a service in the same machine is quick enough for that, one time
# in a thousand. AWS never is.
_PATIENCE_SECONDS = 0.01
_IN_NEED_OF_PATIENCE = b"aws-sdk-go"


class LocalAws:
    """An ASGI application that answers its services' operations and hands on every other request.

    A request that is not ours reaches `backend` with its scope, its body stream and its `send`
    untouched: S3 is the hot path.
    """

    def __init__(self, settings: Settings, services: Sequence[Service], backend: AsgiApp) -> None:
        self._settings = settings
        self._services = {service.prefix: service for service in services}
        self._backend = backend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if _IN_NEED_OF_PATIENCE in _header(scope, b"user-agent"):
                await asyncio.sleep(_PATIENCE_SECONDS)
            if scope["method"] == "POST":
                target = _header(scope, b"x-amz-target").decode("latin-1")
                if target and (service := self._owner(target)):
                    await _answer(service, target.partition(".")[2], receive, send)
                    return
            elif scope["path"] == HEALTH_PATH:
                await send_json(send, self._health())
                return
        elif scope["type"] == "lifespan":
            await live(self._backend, scope, receive, send, start=self._start, close=self._close)
            return
        await self._backend(scope, receive, send)

    def _owner(self, target: str) -> Service | None:
        prefix, _, operation = target.partition(".")
        service = self._services.get(prefix)
        return service if service is not None and service.owns(operation) else None

    def _health(self) -> dict[str, object]:
        """Return who answers on this port, so that a client can tell this server from another."""
        return {
            "pid": os.getpid(),
            "state_dir": str(self._settings.state_dir),
            "services": sorted(self._services),
            "java": str(find_java().home or ""),
        }

    async def _start(self) -> None:
        for service in self._services.values():
            await service.start()

    async def _close(self) -> None:
        for service in reversed(self._services.values()):
            try:
                await service.close()
            except Exception:
                # The others, and ministack's state, must still be saved.
                logger.exception("%s did not close cleanly", service.prefix)


def _header(scope: Scope, wanted: bytes) -> bytes:
    """Return the value of a request's header, empty where it has none."""
    return next((bytes(value) for name, value in scope["headers"] if name == wanted), b"")


async def _answer(service: Service, operation: str, receive: Receive, send: Send) -> None:
    try:
        answer = await service.call(operation, parse_payload(await read_body(receive)))
    except AwsError as error:
        await send_error(send, error)
    except Exception:
        logger.exception("%s.%s failed", service.prefix, operation)
        failure = f"{operation} failed inside the local AWS: its log has the traceback."
        await send_error(send, AwsError("InternalServiceException", failure, status=500))
    else:
        await send_json(send, answer)


def create_app(settings: Settings) -> AsgiApp:
    """Return the local AWS as an ASGI application; set ministack's environment before."""
    # ministack reads its environment when it is imported, so not before this call.
    from ministack.app import app as ministack

    kept = Checkpoint(ministack)
    glue = GlueService(settings, Backend(kept, settings))
    services: list[Service] = [glue, AthenaService(settings, glue)]
    return Guard(settings, LocalAws(settings, services, kept))
