"""Tests side by side: which of them share a worker."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
PROBE = """
import os, pathlib, pytest

@pytest.mark.parametrize("n", range(4))
def test_probe(n, request):
    note = pathlib.Path(os.environ["PROBE"]) / f"{pathlib.Path(__file__).stem} {n}"
    note.write_text(os.environ["PYTEST_XDIST_WORKER"])
"""
COSTLY = """
import pytest

@pytest.fixture
def course(): ...

def test_it(course): ...
"""
MAKEFILE = (ROOT / "Makefile").read_text()
PARALLEL = ["-p", "xdist", *MAKEFILE.partition("\nPARALLEL := ")[2].partition("\n")[0].split()]
FILES = ("tests/spark/test_a.py", "tests/unit/test_b.py", "tests/spark/test_c.py")


def run(folder, files, *options, **variables):
    """Return what pytest answers about a few files, under our conftest.py."""
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "pytest.ini").touch()
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    # A folder of its own: in the common one it would clear away what earlier runs have left.
    quiet = ["-q", "-p", "no:cacheprovider", f"--basetemp={folder / 'temporary'}"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *quiet, *options],
        cwd=folder,
        env={"PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """The worker of each test of three small files, run as `make test` runs ours."""
    notes = tmp_path_factory.mktemp("notes")
    options = [option.replace("logical", "2") for option in PARALLEL]
    files = dict.fromkeys(FILES, PROBE)
    folder = tmp_path_factory.mktemp("probe")
    answer = run(folder, files, *options, PROBE=str(notes))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return {path.name: path.read_text() for path in notes.iterdir()}


def test_what_needs_a_costly_fixture_runs_on_one_worker(workers):
    """Two files whose tests ask for Spark: it is started once."""
    assert len({workers[f"test_{name} {n}"] for name in "ac" for n in range(4)}) == 1


def test_a_file_runs_on_one_worker(workers):
    """A fixture of its module is made once."""
    assert len({workers[f"test_b {n}"] for n in range(4)}) == 1


def test_files_run_side_by_side(workers):
    """All tests on one worker would be the order of before, with more words."""
    assert workers["test_a 0"] != workers["test_b 0"]


def test_what_waits_has_a_worker_of_its_own_beside_those_of_the_cores(tmp_path):
    """It takes no core from the others, which are as many as there are cores."""
    cores = os.cpu_count() or 1
    files = [f"tests/unit/test_{n}.py" for n in range(2 * cores + 2)] + ["tests/infra/test_w.py"]
    (tmp_path / "notes").mkdir()
    answer = run(tmp_path, dict.fromkeys(files, PROBE), *PARALLEL, PROBE=str(tmp_path / "notes"))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    ran = {path.name: path.read_text() for path in (tmp_path / "notes").iterdir()}
    (its_own,) = {ran.pop(f"test_w {n}") for n in range(4)}
    assert its_own not in ran.values()
    assert len(set(ran.values())) == cores


@pytest.mark.parametrize(
    ("beside", "tests", "code"),
    [("true", "exit 0", 0), ("false", "exit 0", 1), ("true", "exit 5", 5), ("false", "exit 5", 1)],
)
def test_what_runs_beside_the_tests_fails_with_them(beside, tests, code):
    """Types and Spark 4.1, whose words follow those of the tests."""
    command = ["bash", ROOT / "scripts/beside.sh", beside, "echo types", "--", "bash", "-c"]
    ran = subprocess.run(
        [*command, f"sleep 0.2; echo tests; {tests}"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout.split()) == (code, ["tests", "types"])


def test_a_costly_fixture_is_refused_where_its_file_is_not_named(tmp_path):
    """It would be made once more, on every worker that comes to such a file."""
    answer = run(tmp_path, {"tests/unit/test_d.py": COSTLY})
    assert answer.returncode == pytest.ExitCode.USAGE_ERROR
    assert "test_it uses {'course'}: conftest.py must name its file." in answer.stderr
