"""Both READMEs say the same: the same commands, in the same order, and the same links."""

import re
from pathlib import Path

import pytest
from jupyterlab.labapp import LabApp

ROOT = Path(__file__).parents[2]
ENGLISH, PORTUGUESE = (ROOT / name for name in ("README.md", "README.pt-BR.md"))


def commands(path):
    """Return the lines of the shell blocks, without their comments."""
    blocks = re.findall(r"```bash\n(.*?)```", path.read_text(), re.DOTALL)
    return [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]


def links(path):
    """Return the files that a page links to or shows, but for the page's other language."""
    found = re.findall(r"\]\(([^)]+)\)", path.read_text())
    return [link for link in found if not link.startswith("README")]


def code_words(path):
    """Return what stands as code in the text, outside of blocks."""
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    return sorted(re.findall(r"`([^`]+)`", prose))


@pytest.mark.parametrize("part", [commands, links, code_words], ids=lambda part: part.__name__)
def test_both_languages_name_the_same(part):
    """What a person types, opens or reads as code is not translated."""
    assert part(PORTUGUESE) == part(ENGLISH)
    assert part(ENGLISH)


def test_both_languages_have_the_same_tables_and_sections():
    """A row or a section that one lacks is a fact that one lacks."""

    def shape(path):
        lines = path.read_text().splitlines()
        return [line.count("|") for line in lines if line.startswith("|")], sum(
            line.startswith("## ") for line in lines
        )

    assert shape(PORTUGUESE) == shape(ENGLISH)


def test_each_language_links_to_the_other():
    """On its first lines, where a reader looks for it."""
    assert "](README.pt-BR.md)" in ENGLISH.read_text()[:200]
    assert "](README.md)" in PORTUGUESE.read_text()[:200]


@pytest.mark.parametrize("path", [ENGLISH, PORTUGUESE], ids=lambda path: path.name)
def test_every_file_that_is_linked_exists(path):
    """A moved file leaves no dead link behind."""
    assert [link for link in links(path) if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("path", [ENGLISH, PORTUGUESE], ids=lambda path: path.name)
def test_the_minutes_are_those_that_each_notebook_says(path):
    """A reader plans by the table, and starts by the notebook."""
    table = dict(re.findall(r"\((notebooks/\S+\.ipynb)\).*\| (\d+) min \|", path.read_text()))
    said = {
        f"notebooks/{one.name}": re.search(r"\*\*Time\*\* (\d+) minute", one.read_text())[1]
        for one in (ROOT / "notebooks").glob("*.ipynb")
    }
    assert table == said


def test_jupyterlab_is_opened_without_its_question_about_news():
    """The pop-up of its first start would lie over the notebook."""
    option = re.search(r"^NO_NEWS := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    app = LabApp()
    app.parse_command_line([option])
    assert app.news_url is None
