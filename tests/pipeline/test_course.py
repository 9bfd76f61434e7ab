"""The whole course, as `make tutorial` runs it, in a checkout of its own."""

import subprocess
import sys

import nbformat
import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOTEBOOKS = [
    "01_provisioning_check",
    "02_ingestion",
    "03_glue_refine",
    "04_athena_analysis",
    "05_teardown",
]


def b3(root, environment, *arguments):
    """Return what a call of the command line in a checkout answers."""
    return subprocess.run(
        [sys.executable, "-m", "b3pipeline.cli", *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )


def on_a_free_port(checkout, environment):
    """Start the checkout's local AWS where no other one is; the course then finds it."""
    code = (
        "import sys, pathlib; from b3pipeline import sandbox;"
        "sandbox.up(root=pathlib.Path(sys.argv[1]), port=0)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(checkout)], env=environment, check=True, timeout=120
    )


@pytest.fixture(scope="module")
def course(tmp_path_factory, clean_environment, new_checkout):
    """One run of the course without Java, home or AWS settings: its checkout and its answer."""
    root = new_checkout(tmp_path_factory.mktemp("course") / "checkout")
    environment = clean_environment(root)
    on_a_free_port(root, environment)
    return root, b3(root, environment, "tutorial")


def test_the_course_runs_to_its_end(course):
    """Exit code 0, and the last lines say what was made and where to look."""
    root, answer = course
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert str(root / "build" / "report" / "index.html") in answer.stdout


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_each_executed_notebook_is_whole(course, name):
    """Every code cell ran, in order, and none left an error."""
    root, _ = course
    notebook = nbformat.read(root / "build" / "notebooks" / f"{name}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]


def test_the_report_has_the_plots_of_the_analysis(course):
    """One page, with every notebook and at least four plots, labelled as simulated."""
    root, _ = course
    page = (root / "build" / "report" / "index.html").read_text()
    assert page.count("data:image/") >= 4
    assert all(f'id="{name}"' in page for name in NOTEBOOKS)
    assert "simulated" in page


def test_the_course_leaves_no_process_and_no_state(course):
    """Its last notebook removes the local AWS; what it made for the reader stays."""
    root, _ = course
    assert not (root / ".localaws").exists()
    left = [
        candidate.pid
        for candidate in psutil.process_iter(["cmdline"])
        if str(root) in " ".join(candidate.info["cmdline"] or ())
    ]
    assert left == []


def test_a_failing_cell_stops_the_course(checkout, clean_environment):
    """Exit code 1; notebook, cell and error are named; the partial notebook stays."""
    path = checkout / "notebooks" / "01_provisioning_check.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(3, nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(notebook, path)
    environment = clean_environment(checkout)
    on_a_free_port(checkout, environment)
    answer = b3(checkout, environment, "tutorial")
    assert answer.returncode == 1
    assert "01_provisioning_check.ipynb" in answer.stderr
    assert "ZeroDivisionError" in answer.stderr
    assert (checkout / "build" / "notebooks" / "01_provisioning_check.ipynb").is_file()
    assert not (checkout / "build" / "notebooks" / "02_ingestion.ipynb").exists()
