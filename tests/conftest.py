"""What the project's tests share: checkouts of their own, and one run of the course.

Servers of the local AWS come from its own plugin, `localaws.testing`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import botocore.session
import pytest

from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import copy_checkout, parse_outputs

ROOT = Path(__file__).parents[1]
SANITIZE = ROOT / "tests" / "notebooks" / "sanitize.cfg"
# A standby for Spark takes seconds of two cores: only what waits for several runs has one.
os.environ["LOCALAWS_STANDBY"] = "no"
# A session reads what AWS's services are anew: a third of a second of CPU for each lake of a test.
botocore.session.create_loader = cache(botocore.session.create_loader)


def make_checkout(folder: Path) -> Path:
    """Return a folder with what the sandbox and the notebooks need of a checkout."""
    return copy_checkout(ROOT, folder)


@pytest.fixture(scope="session")
def new_checkout() -> Callable[[Path], Path]:
    """A maker of checkouts, for fixtures that outlive a test."""
    return make_checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A checkout whose local AWS is down; it is stopped at the end, whatever the test did."""
    from b3pipeline.deployment import sandbox

    root = make_checkout(tmp_path / "checkout")
    yield root
    sandbox.down(root)


@pytest.fixture(scope="session")
def cut_event() -> Callable[[Path], None]:
    """A cut of the event by which a batch starts a run, in the local AWS of a checkout.

    For tests that ingest and look at bronze: nobody would see that run of Spark, which takes ten
    CPU seconds. `sandbox.up` and `provision.ensure_notification` wire it again.
    """

    def cut(root: Path) -> None:
        cloud = Cloud(parse_outputs((root / ".localaws" / "outputs.json").read_text(), "local"))
        cloud.s3.put_bucket_notification_configuration(
            Bucket=cloud.config.raw_data_bucket, NotificationConfiguration={}
        )

    return cut


@pytest.fixture(scope="session")
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


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


@pytest.fixture(scope="session")
def plain_addresses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variable under which any Python goes without what `b3pipeline.plain_addresses` spares.

    For papermill and JupyterLab as they come: three CPU seconds less of each of their starts.
    """
    folder = tmp_path_factory.mktemp("plain")
    (folder / "rfc3987_syntax.py").write_text("raise ImportError")
    return {"PYTHONPATH": str(folder)}


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
def nbval() -> Callable[..., list[str]]:
    """Returns the command that runs executed notebooks again and compares what their cells say."""

    def command(root: Path, *paths: Path) -> list[str]:
        sooner = ["-p", "b3pipeline.plain_addresses"]  # nbval is imported in a third of the time
        quiet = ["-q", "-c", "/dev/null", "--rootdir", str(root), "-p", "no:cacheprovider"]
        options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(SANITIZE)]
        return ["pytest", *sooner, *quiet, *options, *map(str, paths)]

    return command


@pytest.fixture(scope="session")
def course(
    tmp_path_factory: pytest.TempPathFactory,
    clean_environment: Callable[[Path], dict[str, str]],
) -> Iterator[CourseRun]:
    """One run of all six notebooks for every test that looks at what came of it.

    There is no Java on the path, no home and no AWS setting. The last notebook only shows what it
    would remove, so that the tests find what the others left; `test_teardown.py` removes it.
    """
    from b3pipeline.deployment import sandbox

    root = make_checkout(tmp_path_factory.mktemp("course") / "checkout")
    environment = clean_environment(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LOCALAWS_STANDBY")
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
