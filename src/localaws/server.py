"""One server in this process: it holds the state folder, binds the port and serves until told."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import socket
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from localaws import statedir
from localaws.app import HEALTH_PATH, create_app
from localaws.environment import server_environment
from localaws.errors import LocalAwsError
from localaws.orphans import end_processes_of
from localaws.recovery import drop_torn_metadata
from localaws.settings import Settings, endpoint_url

logger = logging.getLogger(__name__)

# Long enough for a client's pool to keep its connections over a pause.
_KEEP_ALIVE_SECONDS = 75
_GRACE_SECONDS = 3.0
_BACKLOG = 512


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, with port 0 on any free port.

    Raises LocalAwsError where the folder is held or cannot be written, or the port is taken.
    """
    settings = replace(settings, state_dir=statedir.prepare(settings.state_dir))
    with statedir.held(settings.state_dir), _bound(settings.host, settings.port) as listener:
        settings = replace(settings, port=listener.getsockname()[1])
        _recover(settings)
        with _recorded(settings):
            environment = server_environment(settings, os.environ)
            os.environ.clear()
            os.environ.update(environment)
            asyncio.run(_serve(settings, listener))


def check_port(host: str, port: int) -> None:
    """Raise LocalAwsError where the port cannot be bound, saying by what it is taken if known."""
    with _bound(host, port):
        pass


def ask_health(host: str, port: int, timeout: float = 2.0) -> dict[str, Any] | None:
    """Return what the local AWS on a port says of itself; None where none answers."""
    # A proxy of the environment must not be asked for this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(endpoint_url(host, port) + HEALTH_PATH, timeout=timeout) as answer:
            health = json.load(answer)
    except (OSError, ValueError):
        return None
    return health if isinstance(health, dict) and "state_dir" in health else None


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """Hold a port by a listening socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(_BACKLOG)
        except OSError as error:
            raise LocalAwsError(
                f"port {port} of {host} cannot be had: {_taken_by(host, port, error)}.",
                hint="give another port with --port, or end what holds this one.",
            ) from error
        yield listener


def _taken_by(host: str, port: int, error: OSError) -> str:
    health = ask_health(host, port, timeout=0.5)
    if health is None:
        return str(error.strerror)
    return f"the local AWS of {health['state_dir']} (process {health['pid']}) is there"


def _recover(settings: Settings) -> None:
    """Put the folder right after a server that did not end well."""
    killed = end_processes_of(settings.state_dir)
    if killed:
        logger.warning("ended %d processes that an earlier server left", killed)
    if statedir.read_record(settings.state_dir) is not None:
        dropped = drop_torn_metadata(settings.s3_data_dir)
        logger.warning("the last server was killed; %d torn metadata files dropped", dropped)
    shutil.rmtree(settings.temp_dir, ignore_errors=True)
    settings.temp_dir.mkdir()


@contextmanager
def _recorded(settings: Settings) -> Iterator[None]:
    record = statedir.Record(os.getpid(), settings.host, settings.port)
    statedir.write_record(settings.state_dir, record)
    try:
        yield
    finally:
        shutil.rmtree(settings.temp_dir, ignore_errors=True)
        statedir.remove_record(settings.state_dir)


async def _serve(settings: Settings, listener: socket.socket) -> None:
    # ministack reads its environment when it is imported, and hypercorn's configuration is
    # changed by that import: not before this moment.
    app = create_app(settings)
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    config = Config()
    # hypercorn closes the descriptor that it is given; ours is closed by its own context.
    config.bind = [f"fd://{os.dup(listener.fileno())}"]
    config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
    config.keep_alive_max_requests = sys.maxsize  # a client of many objects keeps its connection
    config.graceful_timeout = _GRACE_SECONDS
    config.errorlog = logging.getLogger("localaws.http")
    await hypercorn_serve(app, config, mode="asgi")  # type: ignore[arg-type]
    # A Lambda still at work would hold one of ministack's threads, and with it this process.
    await asyncio.to_thread(end_processes_of, settings.state_dir)
