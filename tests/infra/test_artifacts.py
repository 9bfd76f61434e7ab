"""What `make artifacts` builds, and what the ingestion host does with it."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import time
import zipfile
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from b3pipeline.cloud.config import ENVIRONMENT_VARIABLES

ROOT = Path(__file__).resolve().parents[2]

LOCK = textwrap.dedent(
    """\
    # made by a tool
    apple==1.0 \\
        --hash=sha256:aa
        # via project (pyproject.toml)
    bolt==2.0 ; sys_platform == 'linux' \\
        --hash=sha256:bb
        # via
        #   apple
        #   crane
    bolt==1.9 ; sys_platform == 'win32' \\
        --hash=sha256:bc
        # via apple
    crane==3.0 \\
        --hash=sha256:cc
        # via project (pyproject.toml)
    """
)


def test_a_requirement_brings_what_it_needs_and_nothing_else(build_artifacts: ModuleType) -> None:
    """The host's list holds the roots and what hangs below them, with markers and hashes."""
    assert build_artifacts.host_requirements(LOCK, ["apple"]) == textwrap.dedent(
        """\
        apple==1.0 \\
            --hash=sha256:aa
        bolt==2.0 ; sys_platform == 'linux' \\
            --hash=sha256:bb
        bolt==1.9 ; sys_platform == 'win32' \\
            --hash=sha256:bc
        """
    )


def test_the_host_gets_every_package_that_the_project_imports_there(artifacts: Path) -> None:
    """With `--require-hashes` one missing requirement would stop the host's installation."""
    text = (artifacts / "host" / "requirements.txt").read_text()
    pinned = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}

    missing = _closure("b3-batch-pipeline") - pinned

    assert missing == set()


def _closure(name: str) -> set[str]:
    """Return all that a distribution needs in this environment, itself and extras left out."""
    found: set[str] = set()
    waiting = [Requirement(name)]
    while waiting:
        asked = waiting.pop()
        extras = asked.extras or {""}
        for line in metadata.requires(asked.name) or []:
            needed = Requirement(line)
            wanted = not needed.marker or any(
                needed.marker.evaluate({"extra": extra}) for extra in extras
            )
            if wanted and canonicalize_name(needed.name) not in found:
                found.add(canonicalize_name(needed.name))
                waiting.append(needed)
    return found


def test_the_host_does_not_get_the_notebooks_nor_spark(artifacts: Path) -> None:
    """The ingestion host stays small: no extra of the project is in its list."""
    text = (artifacts / "host" / "requirements.txt").read_text()

    unwanted = [name for name in ("pyspark", "jupyterlab", "ministack") if f"{name}==" in text]

    assert unwanted == []


def test_the_same_sources_give_the_same_bytes(
    artifacts: Path, build_artifacts: ModuleType, tmp_path: Path
) -> None:
    """A second build, later and in another folder, is equal byte by byte."""
    time.sleep(2.1)  # a ZIP archive counts time in steps of two seconds

    build_artifacts.build(ROOT, tmp_path / "again")

    assert _contents(tmp_path / "again") == _contents(artifacts)


def _contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_build_leaves_nothing_of_the_one_before(
    build_artifacts: ModuleType, tmp_path: Path
) -> None:
    """A file that no build makes is gone: Terraform uploads all that it finds."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    (folder / "old.whl").write_text("stale")

    build_artifacts.build(ROOT, folder)

    assert not (folder / "old.whl").exists()


def test_the_lambda_package_holds_the_handler_alone(artifacts: Path) -> None:
    """AWS looks for `handler.handler`: one file, at the archive's top."""
    with zipfile.ZipFile(artifacts / "start_glue_job.zip") as package:
        assert package.namelist() == ["handler.py"]


def test_the_wheel_holds_the_package_with_its_sql(artifacts: Path) -> None:
    """The wheel is whole: modules, data files and the command `b3`."""
    (wheel,) = (artifacts / "host").glob("*.whl")
    with zipfile.ZipFile(wheel) as package:
        names = package.namelist()

    assert "b3pipeline/cli.py" in names
    assert "b3pipeline/athena/sql/closes_with_ma5.sql" in names
    assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
    assert not any("__pycache__" in name for name in names)


@pytest.mark.parametrize("tickers", ["[]", '["PETR4","VALE3"]'])
def test_the_first_start_of_the_host_is_a_script_that_bash_can_read(
    user_data, tickers: str, tmp_path: Path
) -> None:
    """`bash -n` finds no error in the user data, with and without the daily timer."""
    script = tmp_path / "user_data.sh"
    script.write_text(user_data(tickers))

    answer = subprocess.run(
        ["bash", "-n", str(script)], capture_output=True, text=True, check=False
    )

    assert answer.stderr == ""
    assert script.stat().st_size < 16 * 1024  # the limit of EC2


def test_the_host_knows_the_deployment_by_the_settings_of_its_first_start(terraform) -> None:
    """The variables written to the host are those that the package reads."""
    (names,) = terraform.evaluate(["keys(local.host_settings)"])

    known_to_itself = {"EC2_INSTANCE_ID"}
    deployment = set(ENVIRONMENT_VARIABLES.values()) - known_to_itself
    assert set(names) == deployment | {
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "B3_HOME",
        "B3_HOST",
        "B3_TARGET",
    }


def test_the_script_builds_from_any_folder(tmp_path: Path) -> None:
    """`--help` works far from the checkout: no path depends on where one stands."""
    script = ROOT / "scripts" / "build_artifacts.py"

    answer = subprocess.run(
        [sys.executable, str(script), "--help"], cwd=tmp_path, capture_output=True, check=False
    )

    assert answer.returncode == 0
