"""Checkouts of one's own: the files that the sandbox reads, in a temporary folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from b3pipeline import sandbox
from b3pipeline.aws import Cloud

ROOT = Path(__file__).parents[2]
PARTS = ("pyproject.toml", "notebooks", "glue", "src/lambda")


def make_checkout(folder: Path) -> Path:
    """Return a folder with what the sandbox and the notebooks need of a checkout."""
    for part in PARTS:
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
    root = make_checkout(tmp_path / "checkout")
    yield root
    sandbox.down(root)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A provisioned local AWS that the tests of a module share."""
    root = make_checkout(tmp_path_factory.mktemp("shared") / "checkout")
    try:
        yield Cloud(sandbox.up(root=root, port=0))
    finally:
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
