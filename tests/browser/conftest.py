"""Debian's Chromium, driven by Playwright; JupyterLab as `make lab` starts it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
# A root's Chromium has no sandbox; the others keep it from asking hosts that nobody wants.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-features=SpareRendererForSitePerProcess",  # a process a page that nobody opens
    "--disable-sync",
]


@pytest.fixture(scope="module")
def launch_browser() -> Iterator[Callable[..., Any]]:
    """A launcher of Chromium without a window; the test is skipped where there is none.

    A module's own: while Playwright is open it holds an event loop, which papermill would trip on.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no Chromium on this machine: `apt-get install chromium` brings it")
    with sync_api.sync_playwright() as playwright:
        opened: list[Any] = []

        def launch(*flags: str) -> Any:
            launched = playwright.chromium.launch(executable_path=program, args=[*FLAGS, *flags])
            opened.append(launched)
            return launched

        yield launch
        for one in opened:
            one.close()


@pytest.fixture(scope="module")
def browser(launch_browser: Callable[..., Any]) -> Any:
    """Chromium without a window."""
    return launch_browser()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder where pictures of the pages are kept, for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that serves a checkout: its address, its process, its files."""

    url: str
    token: str
    process: psutil.Process
    root: Path

    def address(self, notebook: str) -> str:
        """Return where a notebook opens, in a workspace that remembers nothing."""
        place = f"lab/workspaces/{notebook[:2]}/tree/notebooks/{notebook}"
        return f"{self.url}/{place}?token={self.token}&reset"


@pytest.fixture(scope="module")
def lab(
    course: Any, plain_addresses: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """JupyterLab on the checkout of the course, ended afterwards as Ctrl-C ends it."""
    folder = tmp_path_factory.mktemp("lab")
    token = secrets.token_hex(16)
    _decline_news(folder / "settings")
    environment = course.environment | plain_addresses
    environment |= {
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ServerApp.port=0"),
        *(f"--IdentityProvider.token={token}", f"--notebook-dir={course.root}"),
        *(["--allow-root"] if os.getuid() == 0 else []),
    ]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=course.root, env=environment, stdout=log, stderr=log, text=True
        )
    process = psutil.Process(server.pid)
    try:
        yield Lab(_wait_for_url(folder, server), token, process, course.root)
    finally:
        family = [process]
        with contextlib.suppress(psutil.NoSuchProcess):  # it died at its start
            family += process.children(recursive=True)
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == [], f"JupyterLab left {alive}: {(folder / 'log').read_text()[-2000:]}"


def _decline_news(settings: Path) -> None:
    """Answer the question that JupyterLab asks at its first start, and that hides a corner."""
    path = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))


def _wait_for_url(folder: Path, server: subprocess.Popen[str], seconds: float = 90) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for path in (folder / "runtime").glob("jpserver-*.json"):
            # The file may be there half written, and before anybody listens.
            with contextlib.suppress(ValueError, OSError):
                said = json.loads(path.read_text())
                url: str = said["url"].rstrip("/")
                with urllib.request.urlopen(f"{url}/api?token={said['token']}", timeout=10):  # noqa: S310
                    return url
        if server.poll() is not None:
            break
        time.sleep(0.3)
    raise AssertionError(f"JupyterLab did not start: {(folder / 'log').read_text()[-3000:]}")
