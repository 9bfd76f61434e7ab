"""Notebooks run by papermill: parameters, progress, failures; on small notebooks made here."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from b3pipeline.course import notebooks
from b3pipeline.course.notebooks import Parameter
from b3pipeline.errors import NotebookError

pytestmark = pytest.mark.process

PARAMETERS = """target: str = "local"  # local or aws
tickers: list[str] = ["PETR4"]  # codes of the exchange"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A maker of notebooks: its name, then its cells; a `parameters` cell where one is given."""

    def make(name: str, *cells: Any, parameters: str | None = None) -> Path:
        first = [new_code_cell(parameters, metadata={"tags": ["parameters"]})] if parameters else []
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = new_notebook(cells=[*first, *cells], metadata={"kernelspec": kernel})
        folder = tmp_path / "notebooks"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path

    return make


class Bar:
    """A bar shaped like tqdm that writes down what it is told."""

    made: list["Bar"]

    def __init__(self, **options: Any) -> None:
        self.options, self.moved, self.sections, self.closed = options, 0, [], False

    def update(self, steps: int) -> None:
        self.moved += steps

    def set_postfix_str(self, text: str) -> None:
        self.sections.append(text)

    def close(self) -> None:
        self.closed = True


def outputs_of(path: Path) -> list[str]:
    """Return what the code cells of an executed notebook printed, in order."""
    cells = nbformat.read(path, as_version=4).cells
    return ["".join(o.get("text", "") for o in c.outputs) for c in cells if c.cell_type == "code"]


def test_parameters_are_listed_with_type_default_and_help(write: Write) -> None:
    """What `--help` of a notebook shows."""
    path = write("01_check", parameters=PARAMETERS)

    assert notebooks.parameters(path) == [
        Parameter("target", "str", '"local"', "local or aws"),
        Parameter("tickers", "list[str]", '["PETR4"]', "codes of the exchange"),
    ]


def test_a_notebook_without_a_parameters_cell_has_none(write: Write) -> None:
    """Not an error: there is nothing to set."""
    assert notebooks.parameters(write("01_check", new_code_cell("1"))) == []


def test_notebooks_run_in_order_with_the_parameters_that_each_knows(
    write: Write, tmp_path: Path
) -> None:
    """One value goes to the one notebook that has it; a quote in a value stays a quote."""
    show = new_code_cell("print(tickers)")
    first = write("01_check", new_code_cell("print('first')"))
    second = write("02_ingest", show, parameters=PARAMETERS)

    done = notebooks.execute([first, second], tmp_path / "out", {"tickers": ["VALE3", "O'X"]})

    assert [item.name for item in done] == ["01_check", "02_ingest"]
    assert [item.path for item in done] == [
        tmp_path / "out" / "01_check.ipynb",
        tmp_path / "out" / "02_ingest.ipynb",
    ]
    assert [item.cells for item in done] == [1, 2]
    assert all(item.seconds > 0 for item in done)
    assert outputs_of(done[0].path) == ["first\n"]
    assert outputs_of(done[1].path)[-1] == "['VALE3', \"O'X\"]\n"


def test_a_notebook_runs_on_this_python_in_its_own_folder(write: Write, tmp_path: Path) -> None:
    """Whatever kernels are installed, and wherever the command was typed."""
    path = write("01_check", new_code_cell("import sys, os\nprint(sys.executable, os.getcwd())"))
    where = Path.cwd()

    done = notebooks.execute([path], tmp_path / "out")

    assert outputs_of(done[0].path) == [f"{sys.executable} {path.parent}\n"]
    assert Path.cwd() == where


def test_a_kernel_that_somebody_else_installed_is_not_used(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel named python3, as the notebooks ask for, may belong to a Python long gone."""
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {"argv": ["false"], "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))

    done = notebooks.execute([write("01_check", new_code_cell("print(1)"))], tmp_path / "out")

    assert outputs_of(done[0].path) == ["1\n"]
    assert os.environ["JUPYTER_PATH"] == str(tmp_path / "jupyter")


def test_running_leaves_the_environment_and_the_source_as_they_were(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel of the run is offered for the run alone; sources hold no outputs."""
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    path = write("01_check", new_code_cell("print(1)"))
    source, environment = path.read_bytes(), dict(os.environ)

    notebooks.execute([path], tmp_path / "out")

    assert path.read_bytes() == source
    assert dict(os.environ) == environment


def test_progress_is_told_each_cell_and_the_section_it_is_in(write: Write, tmp_path: Path) -> None:
    """A bar a notebook, as long as its code cells are many."""
    path = write(
        "01_check",
        new_markdown_cell("# 1. Check"),
        new_code_cell("1"),
        new_markdown_cell("Words.\n\n## Who am I"),
        new_code_cell("2"),
    )
    bars: list[Bar] = []

    def progress(**options: Any) -> Bar:
        bars.append(Bar(**options))
        return bars[-1]

    notebooks.execute([path], tmp_path / "out", progress=progress)

    assert [bar.options for bar in bars] == [{"total": 2, "desc": "01_check", "unit": "cell"}]
    assert (bars[0].moved, bars[0].sections, bars[0].closed) == (2, ["1. Check", "Who am I"], True)


def test_whoever_asks_is_called_before_each_notebook(write: Write, tmp_path: Path) -> None:
    """The last notebook removes everything: what there was must be counted before it."""
    first, second = write("01_check"), write("05_teardown")
    seen: list[tuple[str, bool]] = []

    def look(path: Path) -> None:
        seen.append((path.name, (tmp_path / "out" / path.name).exists()))

    notebooks.execute([first, second], tmp_path / "out", before=look)

    assert seen == [("01_check.ipynb", False), ("05_teardown.ipynb", False)]


def test_a_failing_cell_stops_everything_and_is_named(write: Write, tmp_path: Path) -> None:
    """Notebook, cell and error in one sentence; the next notebook does not run."""
    first = write(
        "01_check",
        new_code_cell("print('before')"),
        new_code_cell("raise ValueError('the bucket\\nis gone')"),
        new_code_cell("print('after')"),
    )
    second = write("02_ingest", new_code_cell("1"))

    with pytest.raises(NotebookError) as caught:
        notebooks.execute([first, second], tmp_path / "out")

    assert caught.value.message == (
        "01_check.ipynb stopped at cell In [2]: ValueError: the bucket is gone"
    )
    assert str(tmp_path / "out" / "01_check.ipynb") in caught.value.hint
    assert not (tmp_path / "out" / "02_ingest.ipynb").exists()


def test_a_failing_cell_leaves_the_partial_notebook(write: Write, tmp_path: Path) -> None:
    """Cells before it hold their outputs, it holds its error, those after it hold nothing."""
    path = write(
        "01_check",
        new_code_cell("print('before')"),
        new_code_cell("assert False, 'ask again'"),
        new_code_cell("print('after')"),
    )

    with pytest.raises(NotebookError, match="AssertionError: ask again"):
        notebooks.execute([path], tmp_path / "out")

    cells = nbformat.read(tmp_path / "out" / "01_check.ipynb", as_version=4).cells
    code = {c.source: c.outputs for c in cells if c.cell_type == "code"}
    assert code["print('before')"][0].text == "before\n"
    assert code["assert False, 'ask again'"][0].ename == "AssertionError"
    assert code["print('after')"] == []


def test_a_kernel_that_dies_is_said_to_have_died(write: Write, tmp_path: Path) -> None:
    """Out of memory, say: no traceback exists, so the message must do."""
    path = write("01_check", new_code_cell("import os\nos._exit(1)"))

    with pytest.raises(NotebookError, match=r"01_check\.ipynb stopped: its kernel died"):
        notebooks.execute([path], tmp_path / "out")


def test_an_unknown_parameter_is_refused_before_anything_runs(write: Write, tmp_path: Path) -> None:
    """Papermill would log it and run with the default; here the known ones are listed."""
    path = write("01_check", parameters=PARAMETERS)

    with pytest.raises(NotebookError, match="no notebook has a parameter tikcers") as caught:
        notebooks.execute([path], tmp_path / "out", {"tikcers": ["VALE3"]})

    assert caught.value.hint == "known parameters: target, tickers."
    assert not (tmp_path / "out").exists()


def test_a_missing_notebook_lists_those_that_are_there(write: Write, tmp_path: Path) -> None:
    """A slip in the name is seen at once."""
    path = write("01_check", new_code_cell("1"))

    with pytest.raises(NotebookError, match="there is no notebook") as caught:
        notebooks.execute([path.with_name("01_chekc.ipynb")], tmp_path / "out")

    assert caught.value.hint == "notebooks in that folder: 01_check.ipynb."


def test_every_plot_of_a_notebook_is_in_its_executed_copy(write: Write, tmp_path: Path) -> None:
    """Two cells, two pictures: the first figure must not switch the later ones off."""
    plot = (
        "import pandas as pd\nfrom b3pipeline import plots\n"
        "plots.bytes_scanned(pd.DataFrame({'query': ['a'], 'bytes_scanned': [1024]}));"
    )
    path = write("04_analysis", new_code_cell(plot), new_code_cell(plot))

    done = notebooks.execute([path], tmp_path / "out")

    cells = nbformat.read(done[0].path, as_version=4).cells
    assert [["image/png" in o.data for o in cell.outputs] for cell in cells] == [[True], [True]]
