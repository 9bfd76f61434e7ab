"""Kernels, driven cell by cell as a reader does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Answer:
    """What a cell answered: the text it showed, and the error that stopped it."""

    shown: str
    error: str = ""
    traceback: tuple[str, ...] = ()


@dataclass
class Reader:
    """A notebook that is open, and its kernel."""

    path: Path
    environment: dict[str, str]
    manager: KernelManager = field(init=False)
    client: Any = field(init=False)

    def __post_init__(self) -> None:
        notebook = nbformat.read(self.path, as_version=4)
        self.cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        self.start()

    def start(self) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=self.environment, cwd=str(self.path.parent))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def restart(self) -> None:
        """Begin with an empty kernel, as Kernel > Restart does."""
        self.close()
        self.start()

    def run(self, code: str) -> Answer:
        """Return what a piece of code answers."""
        shown: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            shown.append(content.get("text") or content.get("data", {}).get("text/plain", ""))

        reply = self.client.execute_interactive(
            code, output_hook=hear, allow_stdin=False, timeout=400
        )["content"]
        lines = "\n".join(reply.get("traceback", ())).splitlines()
        return Answer(
            "".join(shown).strip(),
            f"{reply['ename']}: {reply['evalue']}" if reply["status"] == "error" else "",
            tuple(COLOUR.sub("", line) for line in lines),
        )

    def cell(self, part: str) -> Answer:
        """Return what the first cell answers that holds a piece of text."""
        return self.run(next(source for source in self.cells if part in source))


@pytest.fixture
def open_notebook() -> Iterator[Callable[..., Reader]]:
    """A factory of readers; their kernels end with the test."""
    readers: list[Reader] = []

    def make(path: Path, environment: dict[str, str]) -> Reader:
        readers.append(Reader(path, environment))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()
