"""Servers of the local AWS for every test: a free port, a temporary folder, nothing left over."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config

from b3pipeline.aws import Cloud
from b3pipeline.config import parse_outputs
from localaws import process
from localaws.environment import STATE_DIR_MARK

ANY_PORT = "127.0.0.1:*"
"""Tests put proxies before the server that they share."""


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
        self.info = process.start(self.state_dir, port=0, **{"owner": os.getpid(), **self.options})
        return self

    def stop(self) -> bool:
        return process.stop(self.state_dir)

    def kill(self) -> None:
        """End the server as a power cut would."""
        assert self.info is not None
        os.kill(self.info.pid, signal.SIGKILL)
        psutil.Process(self.info.pid).wait(10)

    def client(self, service: str) -> Any:
        return make_client(service, self.endpoint_url)

    def processes(self) -> list[psutil.Process]:
        """Return the living processes that belong to this server."""
        return processes_of(self.state_dir)


def make_client(service: str, endpoint_url: str) -> Any:
    """Return a client with the dummy keys, whatever the environment holds."""
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
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
        command += ["--allow-host", ANY_PORT]
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
def aws_client(localaws_endpoint: str) -> Callable[[str], Any]:
    """A factory of clients of the server that tests share, one a service."""
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = make_client(service, localaws_endpoint)
        return clients[service]

    return client


ROOT = Path(__file__).parents[1]
CHECKOUT_PARTS = ("pyproject.toml", "notebooks", "glue", "src/lambda")


def make_checkout(folder: Path) -> Path:
    """Return a folder with what the sandbox and the notebooks need of a checkout."""
    for part in CHECKOUT_PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


@pytest.fixture(scope="session")
def new_checkout() -> Callable[[Path], Path]:
    """A maker of checkouts, for fixtures that outlive a test."""
    return make_checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A checkout whose local AWS is down; it is stopped at the end, whatever the test did."""
    from b3pipeline import sandbox  # here, for the tests on Spark 4.1 do without its packages

    root = make_checkout(tmp_path / "checkout")
    yield root
    sandbox.down(root)


@pytest.fixture(scope="session")
def tools_without_java(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PATH with this machine's tools, but for its Java."""
    folder = tmp_path_factory.mktemp("tools")
    for tool in (*Path("/usr/bin").iterdir(), *Path("/bin").iterdir()):
        link = folder / tool.name
        if not tool.name.startswith("java") and not link.is_symlink():
            link.symlink_to(tool)
    assert shutil.which("java", path=str(folder)) is None
    return folder


@pytest.fixture(scope="session")
def clean_environment(tools_without_java: Path) -> Callable[[Path], dict[str, str]]:
    """A maker of environments for `b3` in a checkout: no AWS settings, no Java, no home."""

    def make(root: Path) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "JAVA_", "B3_")) and name not in ("RAW_BUCKET",)
        }
        home = root / "home"
        home.mkdir(exist_ok=True)
        return {**kept, "HOME": str(home), "B3_HOME": str(root), "PATH": str(tools_without_java)}

    return make


@dataclass(frozen=True)
class CourseRun:
    """The course, executed in a checkout of its own whose local AWS still stands."""

    root: Path
    environment: dict[str, str]
    answer: subprocess.CompletedProcess[str]

    @property
    def executed(self) -> Path:
        return self.root / "build" / "notebooks"

    @property
    def report(self) -> Path:
        return self.root / "build" / "report" / "index.html"

    @property
    def cloud(self) -> Cloud:
        outputs = self.root / ".localaws" / "outputs.json"
        return Cloud(parse_outputs(outputs.read_text(), "local"))

    def run(self, *command: str, seconds: int = 800) -> subprocess.CompletedProcess[str]:
        """Return what a Python module with its arguments answers in the checkout."""
        return run_module(self.root, self.environment, *command, seconds=seconds)


def run_module(
    root: Path, environment: dict[str, str], *command: str, seconds: int = 800
) -> subprocess.CompletedProcess[str]:
    """Return what a Python module with its arguments answers in a checkout."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.fixture(scope="session")
def course(
    tmp_path_factory: pytest.TempPathFactory,
    clean_environment: Callable[[Path], dict[str, str]],
) -> Iterator[CourseRun]:
    """One run of all five notebooks for every test that looks at what came of it.

    There is no Java on the path, no home and no AWS setting. The last notebook only shows what it
    would remove, so that the tests find what the others left; `test_teardown.py` removes it.
    """
    from b3pipeline import sandbox

    root = make_checkout(tmp_path_factory.mktemp("course") / "checkout")
    environment = clean_environment(root)
    sandbox.up(root=root, port=0)
    try:
        answer = run_module(
            root, environment, "b3pipeline.cli", "tutorial", "--param", "remove=false"
        )
        yield CourseRun(root, environment, answer)
    finally:
        sandbox.down(root)


@pytest.fixture(scope="session")
def run_in() -> Callable[..., subprocess.CompletedProcess[str]]:
    """A runner of Python modules in a checkout."""
    return run_module
