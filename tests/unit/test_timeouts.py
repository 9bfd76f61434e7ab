"""A time-out fails the test that is too slow, and neither its neighbours nor the session."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]

SLOW_MACHINE = """
import time

import pytest

@pytest.fixture(scope="session")
def shared():
    time.sleep(2)
    yield
    time.sleep(2)

def pytest_runtest_logreport(report):
    time.sleep(0.6)
"""

TESTS = """
import time

def test_first(shared):
    pass

def test_that_hangs(shared):
    time.sleep(60)

def test_last(shared):
    time.sleep(0.6)
"""


def test_a_slow_machine_fails_one_test_and_not_the_session(tmp_path):
    """Shared fixtures and reports that take longer than a test may: one test hangs, one fails."""
    (tmp_path / "conftest.py").write_text(SLOW_MACHINE)
    (tmp_path / "test_three.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml")]
    command += ["--rootdir", str(tmp_path), "-o", "timeout=1", "-p", "no:cacheprovider"]
    answer = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert "INTERNALERROR" not in answer.stdout + answer.stderr
    assert "FAILED test_three.py::test_that_hangs - Failed: Timeout" in answer.stdout
    assert (answer.returncode, answer.stdout.splitlines()[-1][:18]) == (1, "1 failed, 2 passed")
