"""Ports: who has one, and a socket that holds one."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localaws.errors import PortError
from localaws.settings import endpoint_url

HEALTH_PATH = "/_localaws/health"


def check_port(host: str, port: int) -> None:
    """Raise LocalAwsError where the port cannot be bound, saying by what it is taken if known."""
    with bound(host, port):
        pass


def ask_health(host: str, port: int, timeout: float = 2.0) -> dict[str, Any] | None:
    """Return what the local AWS on a port says of itself; None where none answers."""
    # A proxy of the environment must not be asked for this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(endpoint_url(host, port) + HEALTH_PATH, timeout=timeout) as answer:
            health = json.load(answer)
    except (OSError, ValueError, RecursionError, http.client.HTTPException):
        return None
    return health if isinstance(health, dict) and "state_dir" in health else None


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """Hold a port by a listening socket; raise LocalAwsError where it cannot be had."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
        except OSError as error:
            raise PortError(
                f"port {port} of {host} cannot be had: {_taken_by(host, port, error)}.",
                hint="give another port with --port, or end what holds this one.",
            ) from error
        yield listener


def _taken_by(host: str, port: int, error: OSError) -> str:
    health = ask_health(host, port, timeout=0.5)
    if health is None:
        return str(error.strerror)
    return f"the local AWS of {health['state_dir']} (process {health['pid']}) is there"
