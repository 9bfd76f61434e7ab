"""Tests side by side: which of them share a worker."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
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


def test_what_waits_is_begun_by_a_worker_beside_those_of_the_cores(tmp_path):
    """It takes no core from the others, and that worker helps them when it has waited."""
    cores = os.cpu_count() or 1
    files = [f"tests/unit/test_{n}.py" for n in range(2 * cores + 2)] + ["tests/infra/test_w.py"]
    (tmp_path / "notes").mkdir()
    answer = run(tmp_path, dict.fromkeys(files, PROBE), *PARALLEL, PROBE=str(tmp_path / "notes"))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    ran = {path.name: path.read_text() for path in (tmp_path / "notes").iterdir()}
    assert len({ran[f"test_w {n}"] for n in range(4)}) == 1
    assert len(set(ran.values())) == cores + 1


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


def temporary_folder(bin_folder, **variables):
    """Return where a command's temporary files lie, under scripts/in_memory.sh."""
    command = ["bash", ROOT / "scripts/in_memory.sh", "bash", "-c", 'echo "${TMPDIR:-}"; exit 3']
    kept = {name: value for name, value in os.environ.items() if name not in ("TMPDIR", "NIGHTLY")}
    environment = kept | {"PATH": f"{bin_folder}:{os.environ['PATH']}"} | variables
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 3, ran.stderr
    return ran.stdout.strip()


@pytest.fixture
def room(tmp_path):
    """A machine whose memory has as much room for files as is said, in kB."""

    def make(free):
        program = tmp_path / "df"
        program.write_text(f"#!/bin/sh\necho head\necho tmpfs 0 0 {free} 0% /dev/shm\n")
        program.chmod(0o755)
        return tmp_path

    return make


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no /dev/shm on this machine")  # noqa: S108
@pytest.mark.skipif(
    psutil.virtual_memory().available < 12 * 2**30, reason="less than 12 GB of memory are free"
)
def test_files_of_the_tests_lie_in_memory_and_go_with_them(room):
    """What the local AWS acknowledges it writes through, and a slow disk would be waited for."""
    folder = temporary_folder(room(10**8))
    assert folder.startswith("/dev/shm/b3-")  # noqa: S108
    assert not Path(folder).exists()


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no /dev/shm on this machine")  # noqa: S108
def test_what_a_killed_run_left_in_memory_goes_after_a_day(room):
    """A folder of today may be that of a run at work."""
    old, new = (Path(tempfile.mkdtemp(prefix="b3-", dir="/dev/shm")) for _ in range(2))
    old, new = (folder.rename(folder.with_name(folder.name[:9])) for folder in (old, new))
    try:
        os.utime(old, (0, 0))
        temporary_folder(room(65_536))
        assert (old.exists(), new.exists()) == (False, True)
    finally:
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(new)


def test_files_of_the_tests_lie_where_they_would_if_there_is_no_room(room):
    """As in a container, whose /dev/shm has 64 MB."""
    assert temporary_folder(room(65_536)) == ""


@pytest.mark.parametrize("variables", [{"TMPDIR": "/elsewhere"}, {"NIGHTLY": "1"}])
def test_files_of_the_tests_lie_on_the_disk_where_that_is_asked_for(room, variables):
    """Each night what is written is written to a file system, as the user's is."""
    assert temporary_folder(room(10**8), **variables) == variables.get("TMPDIR", "")


def test_a_costly_fixture_is_refused_where_its_file_is_not_named(tmp_path):
    """It would be made once more, on every worker that comes to such a file."""
    answer = run(tmp_path, {"tests/unit/test_d.py": COSTLY})
    assert answer.returncode == pytest.ExitCode.USAGE_ERROR
    assert "test_it uses {'course'}: conftest.py must name its file." in answer.stderr
