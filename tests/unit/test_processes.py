"""Quick unit tests and the others: the mark of each, and what holds them to it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
TESTS = """
import multiprocessing, os, pathlib, subprocess, sys, threading
import pytest

NOTE = pathlib.Path(__file__).with_name("note")
CODE = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()"

def start():
    subprocess.run([sys.executable, "-c", CODE, NOTE], check=True)

def test_python():
    start()

def test_caught():
    try:
        start()
    except Exception:
        pass

def test_thread():
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert not NOTE.exists()

def test_shell():
    os.system("true")

def test_fork():
    multiprocessing.get_context("fork").Process(target=start).start()

@pytest.fixture
def started():
    start()

def test_fixture(started): ...

def test_git():
    subprocess.run(["git", "--version"], check=True)

def test_first_import_of_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    import matplotlib.pyplot
    assert list(tmp_path.glob("fontlist*"))

@pytest.mark.process
def test_marked():
    start()
    assert NOTE.exists()

@pytest.fixture
def localaws_server(): ...

@pytest.fixture
def lake(localaws_server):
    start()

def test_lake(lake): ...
"""
STARTING = ("python", "caught", "shell", "fork", "fixture")


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    """A caller of pytest about the tests above, under the conftest.py of the unit tests."""
    folder = tmp_path_factory.mktemp("probe")
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "tests/unit").mkdir(parents=True)
    shutil.copy(ROOT / "tests/unit/conftest.py", folder / "tests/unit")
    (folder / "tests/unit/test_probe.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]

    def ask(*options):
        ran = subprocess.run(
            [*command, *options], cwd=folder, capture_output=True, text=True, check=False
        )
        return ran.stdout

    return ask


def test_a_quick_test_that_starts_a_process_fails_and_says_which_mark_it_lacks(answer):
    """By whatever way, in its fixtures as well, and though it would catch what is raised."""
    said = answer()
    failed = [line.split()[1] for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert sorted(failed) == sorted(f"tests/unit/test_probe.py::test_{name}" for name in STARTING)
    assert said.splitlines()[-1].startswith("4 failed, 5 passed,")
    assert "test_python is a quick test, and starts a process (subprocess.Popen" in said
    assert "mark it with @pytest.mark.process, or its file" in said


def test_what_needs_the_local_aws_or_is_marked_is_left_out_of_the_quick_tests(answer):
    """A lake is known by the server below it."""
    chosen = answer("--collect-only", "-m", "process").splitlines()
    assert chosen[:2] == [
        "tests/unit/test_probe.py::test_marked",
        "tests/unit/test_probe.py::test_lake",
    ]
