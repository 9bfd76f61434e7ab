"""Servers of the local AWS for tests, as a plugin of pytest: a free port, a folder, nothing left.

Installed with the package, so a test asks for a fixture by its name: `localaws_server` is one
server for all tests of a session, `local_server` makes servers of one's own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config

from localaws import process
from localaws.environment import STATE_DIR_MARK
from localaws.keys import Keys

ANY_PORT = "127.0.0.1:*"
"""Tests put proxies before the server that they share."""
_QUERIES = "localaws.athena.executor.engine_process"


@dataclass
class LocalServer:
    """One local AWS under test: its folder, its address, and what may be done to it."""

    state_dir: Path
    options: dict[str, Any] = field(default_factory=dict)
    info: process.ServerInfo | None = None

    @property
    def endpoint_url(self) -> str:
        assert self.info is not None
        return self.info.endpoint_url

    def start(self) -> LocalServer:
        # A standby for Spark takes seconds of two cores: a test that wants one says so.
        options: dict[str, Any] = {"owner": os.getpid(), "standby": "no"} | self.options
        self.info = process.start(self.state_dir, port=0, **options)
        return self

    def stop(self) -> bool:
        return process.stop(self.state_dir)

    def kill(self) -> None:
        """End the server as a power cut would."""
        assert self.info is not None
        os.kill(self.info.pid, signal.SIGKILL)
        psutil.Process(self.info.pid).wait(10)

    def client(self, service: str) -> Any:
        assert self.info is not None
        return make_client(service, self.endpoint_url, self.info.keys)

    def identity(self, name: str, *statements: dict[str, Any]) -> Callable[[str], Any]:
        """Return a maker of clients of a new user who has these rights alone."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        keys = Keys(key["AccessKeyId"], key["SecretAccessKey"])
        return lambda service: make_client(service, self.endpoint_url, keys)

    def processes(self) -> list[psutil.Process]:
        """Return the living processes that belong to this server."""
        return processes_of(self.state_dir)

    def query_processes(self) -> list[psutil.Process]:
        """Return the living processes in which Athena's queries run: one, or none yet."""
        found = []
        for one in self.processes():
            with suppress(psutil.Error):  # another of them has ended meanwhile
                if _QUERIES in one.cmdline():
                    found.append(one)
        return found

    def query_seconds(self) -> float:
        """Return the CPU seconds that Athena's queries took; 0.0 without a process of theirs."""
        return sum((one.cpu_times().user for one in self.query_processes()), 0.0)


def make_client(service: str, endpoint_url: str, keys: Keys) -> Any:
    """Return a client with these keys, whatever the environment holds."""
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        config=Config(
            retries={"max_attempts": 2, "mode": "standard"},
            read_timeout=60,
            s3={"addressing_style": "path"},
        ),
    )


def processes_of(state_dir: Path) -> list[psutil.Process]:
    """Return the living processes that carry the mark of a state folder."""
    found = []
    for candidate in psutil.process_iter():
        try:
            if candidate.environ().get(STATE_DIR_MARK) == str(state_dir.resolve()):
                found.append(candidate)
        except psutil.Error:
            continue
    return found


def has_ended(pid: int) -> bool:
    """Return whether no process works under a number; that its parent still asks is no work."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def local_server(tmp_path: Path) -> Iterator[Callable[..., LocalServer]]:
    """A factory of servers of one's own; what still runs at the end of the test is stopped."""
    servers: list[LocalServer] = []

    def make(name: str = "state", **options: Any) -> LocalServer:
        server = LocalServer(tmp_path / name, options).start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop()
        assert server.processes() == []


@pytest.fixture(scope="session")
def localaws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """The server that tests share: they keep apart by the names of what they make."""
    folder = tmp_path_factory.mktemp("local aws ção")  # as a home folder may be called
    if python := os.environ.get("LOCALAWS_PYTHON"):  # these tests run on a Python that lacks it
        command = [python, "-P", "-m", "localaws", "up", "--state-dir", str(folder), "--port", "0"]
        command += ["--allow-host", ANY_PORT, "--standby", "no"]
        subprocess.run([*command, "--owner", str(os.getpid())], check=True)
    server = LocalServer(folder, {"hosts": (ANY_PORT,)}).start()
    yield server
    server.stop()
    assert server.processes() == []


@pytest.fixture(scope="session")
def localaws_endpoint(localaws_server: LocalServer) -> str:
    """The address of the server that tests share."""
    return localaws_server.endpoint_url


@pytest.fixture(scope="session")
def localaws_keys(localaws_server: LocalServer) -> Keys:
    """The key of the server that tests share."""
    assert localaws_server.info is not None
    return localaws_server.info.keys


@pytest.fixture(scope="session")
def localaws_variables(localaws_endpoint: str, localaws_keys: Keys) -> dict[str, str]:
    """The variables under which any AWS tool finds the server that tests share."""
    return {
        "AWS_ENDPOINT_URL": localaws_endpoint,
        "AWS_ACCESS_KEY_ID": localaws_keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": localaws_keys.secret_access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.fixture(scope="session")
def aws_client(localaws_server: LocalServer) -> Callable[[str], Any]:
    """A factory of clients of the server that tests share, one a service."""
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = localaws_server.client(service)
        return clients[service]

    return client
