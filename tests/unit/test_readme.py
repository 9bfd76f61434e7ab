"""What both READMEs promise, held against the notebooks and JupyterLab."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH, PORTUGUESE = (ROOT / name for name in ("README.md", "README.pt-BR.md"))


@pytest.mark.parametrize("path", [ENGLISH, PORTUGUESE], ids=lambda path: path.name)
def test_the_minutes_are_those_that_each_notebook_says(path):
    """A reader plans by the table, and starts by the notebook."""
    rows = re.findall(r"\(notebooks/(?:pt-BR/)?(\S+\.ipynb)\).*\| (\d+) min \|", path.read_text())
    said = {
        one.name: re.search(r"\*\*Time\*\* (\d+) minute", one.read_text())[1]
        for one in (ROOT / "notebooks").glob("*.ipynb")
    }
    assert dict(rows) == said


@pytest.mark.process  # the import asks node for its settings, where there is one
def test_jupyterlab_is_opened_without_its_question_about_news():
    """The pop-up of its first start would lie over the notebook."""
    from jupyterlab.labapp import LabApp

    option = re.search(r"^NO_NEWS := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    app = LabApp()
    app.parse_command_line([option])
    assert app.news_url is None
