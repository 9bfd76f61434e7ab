"""One server in this process: it holds the state folder, binds the port and serves until told."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psutil
import uvicorn
import uvloop

from localaws import statedir
from localaws.app import create_app
from localaws.damage import Damage
from localaws.environment import server_environment
from localaws.files import PRIVATE, check_folders, check_links
from localaws.glue.run_environment import work_folder
from localaws.joined import JoinedProtocol
from localaws.limits import check_open_files, raise_open_files
from localaws.orphans import end_processes_of
from localaws.ports import bound
from localaws.record import (
    RecordError,
    own_record,
    read_record,
    record_path,
    remove_record,
    write_record,
)
from localaws.recovery import drop_torn_metadata
from localaws.settings import Settings

logger = logging.getLogger(__name__)

# Long enough for a client's pool to keep its connections over a pause.
_KEEP_ALIVE_SECONDS = 75
_GRACE_SECONDS = 3
_BACKLOG = 512
_WATCH_SECONDS = 1.0


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, with port 0 on any free port.

    Raises LocalAwsError where the folder is held, cannot be written or holds a link, or the port is
    taken.
    """
    os.umask(PRIVATE)
    settings = replace(settings, state_dir=statedir.prepare(settings.state_dir))
    # uvicorn takes these signals while it serves, and raises them again when it has ended.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())
    check_open_files()
    raise_open_files()
    with statedir.held(settings.state_dir), bound(settings.host, settings.port) as listener:
        settings = replace(settings, port=listener.getsockname()[1])
        check_links(settings.state_dir, (settings.temp_dir, work_folder(settings)))
        check_folders(settings.folders)
        _recover(settings)
        with _recorded(settings):
            environment = server_environment(settings, os.environ)
            os.environ.clear()
            os.environ.update(environment)
            uvloop.run(_serve(settings, listener))


def _recover(settings: Settings) -> None:
    """Put the folder right after a server that did not end well."""
    killed = end_processes_of(settings.state_dir)
    if killed:
        logger.warning("ended %d processes that an earlier server left", killed)
    if _was_killed(settings):
        dropped = drop_torn_metadata(settings.s3_data_dir)
        logger.warning("the last server was killed; %d torn metadata files dropped", dropped)
    for folder in (settings.temp_dir, settings.kept_dir):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)


def _was_killed(settings: Settings) -> bool:
    """Return whether the last server left its record; one that makes no sense is set aside."""
    try:
        return read_record(settings.state_dir) is not None
    except RecordError as error:
        lost = "This start has made a new one."
        Damage(settings.state_dir).set_aside(record_path(settings.state_dir), error.why, lost)
        return True


@contextmanager
def _recorded(settings: Settings) -> Iterator[None]:
    write_record(settings.state_dir, own_record(settings.host, settings.port))
    try:
        yield
    finally:
        shutil.rmtree(settings.temp_dir, ignore_errors=True)
        remove_record(settings.state_dir)


async def _serve(settings: Settings, listener: socket.socket) -> None:
    # ministack reads its environment when it is imported: not before this moment.
    app = create_app(settings)
    gc.freeze()
    gc.enable()
    config = uvicorn.Config(
        app,
        http=JoinedProtocol,
        ws="none",
        lifespan="on",
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        # ministack writes both itself, as AWS does.
        server_header=False,
        date_header=False,
    )
    watch = asyncio.create_task(_end_with(settings.owner))
    try:
        await uvicorn.Server(config).serve(sockets=[listener])
    finally:
        watch.cancel()
        # A Lambda still at work would hold one of ministack's threads, and with it this process.
        await asyncio.to_thread(end_processes_of, settings.state_dir)


async def _end_with(owner: int | None) -> None:
    """End this server as a signal would, once its owner is no more."""
    while owner is not None and psutil.pid_exists(owner):
        await asyncio.sleep(_WATCH_SECONDS)
    if owner is not None:
        os.kill(os.getpid(), signal.SIGTERM)
