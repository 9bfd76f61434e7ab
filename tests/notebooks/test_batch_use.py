"""The notebooks without a browser: papermill as it comes, and `b3 tutorial`."""

import nbformat
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ANALYSIS = "notebooks/04_athena_analysis.ipynb"


@pytest.fixture
def papermill(course, plain_addresses, run_in):
    """A caller of papermill in the checkout of the course."""

    def call(*arguments):
        return run_in(course.root, course.environment | plain_addresses, "papermill", *arguments)

    return call


def test_papermill_runs_a_notebook_with_parameters_of_ones_own(course, papermill):
    """Two tickers, the exercises solved; every other parameter keeps its default."""
    given = ["-p", "target", "local", "-p", "tickers", "PETR4,VALE3", "-p", "solve", "True"]
    answer = papermill(ANALYSIS, "build/two.ipynb", *given, "--no-progress-bar")
    assert answer.returncode == 0, answer.stderr[-3000:]
    notebook = nbformat.read(course.root / "build" / "two.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert "PETR4" in str(outputs)
    assert "WEGE3" not in str(outputs)
    plain = [output.get("data", {}).get("text/plain", "") for output in outputs]
    assert sum("own solution ran" in said for said in plain) == 3


def test_papermill_leaves_exercises_alone_unless_told(course, papermill):
    """Its own default is a reader's: the checks say so, and the run comes to its end."""
    given = ["-p", "tickers", "PETR4,VALE3"]
    answer = papermill(ANALYSIS, "build/plain.ipynb", *given, "--no-progress-bar")
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert "○ Not solved yet" in (course.root / "build" / "plain.ipynb").read_text()


def test_papermill_lists_the_parameters(papermill):
    """Name, type, default and help of each."""
    answer = papermill("--help-notebook", ANALYSIS)
    assert answer.returncode == 0
    for said in ("target: str", "codes of B3", "YYYY-MM-DD", "solutions of the exercises"):
        assert said in answer.stdout


def test_an_unknown_parameter_is_refused(course):
    """Before anything runs, with the names of those that exist."""
    answer = course.run("b3pipeline.cli", "tutorial", "--only", "04", "--param", "tikcers=VALE3")
    assert answer.returncode == 1
    assert "no notebook has a parameter tikcers" in answer.stderr
    assert "tickers" in answer.stderr


def test_papermill_itself_only_warns_of_an_unknown_parameter(papermill):
    """The documentation says so; this notices the day on which it changes."""
    check = "notebooks/01_provisioning_check.ipynb"
    answer = papermill(check, "build/w.ipynb", "-p", "tikcers", "x")
    assert answer.returncode == 0
    assert "Passed unknown parameter: tikcers" in answer.stderr
