"""The notebooks keep the shape that the style guide asks for."""

import ast
import re
from pathlib import Path
from statistics import median

import nbformat
import pytest

from b3pipeline.course import exercises

ROOT = Path(__file__).parents[2]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in PATHS}
PARAMETER = re.compile(r"\w+: (str|int|float|bool) = \S.*  # \S.+")

each_notebook = pytest.mark.parametrize("notebook", list(NOTEBOOKS.values()), ids=list(NOTEBOOKS))


def code_cells(notebook):
    """Return the sources of the code cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook):
    """Return the sources of the Markdown cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def test_the_notebooks_are_numbered_without_gaps():
    """A reader walks from 01 to 06."""
    assert [path.stem[:2] for path in PATHS] == ["01", "02", "03", "04", "05", "06"]


@each_notebook
def test_the_source_holds_no_outputs(notebook):
    """Executed copies are build products."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


@each_notebook
def test_the_opening_says_what_why_and_how_long(notebook):
    """One cell tells a reader whether to begin."""
    opening = notebook.cells[0].source
    wanted = ["What you will do", "What you will learn", "Before you start"]
    wanted += ["**Time**", "**Cost**", "**Leaves behind**"]
    assert [phrase for phrase in wanted if phrase not in opening] == []


@each_notebook
def test_every_parameter_has_a_type_a_default_and_help(notebook):
    """Papermill shows the comment as the parameter's help."""
    cell = notebook.cells[1]
    assert cell.metadata.get("tags") == ["parameters"]
    assert [line for line in cell.source.splitlines() if not PARAMETER.fullmatch(line)] == []


@each_notebook
def test_code_is_thin(notebook):
    """12 to 25 cells, three lines at the median, and no functions: those stand in the package."""
    cells = code_cells(notebook)
    assert 12 <= len(cells) <= 25
    assert median(len(cell.splitlines()) for cell in cells) <= 3
    nodes = [node for cell in cells for node in ast.walk(ast.parse(cell))]
    assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in nodes)


@each_notebook
def test_nothing_waits_for_a_reader(notebook):
    """A headless run must not hang at a prompt."""
    assert not any(re.search(r"\b(input|getpass)\(", cell) for cell in code_cells(notebook))


@each_notebook
def test_checks_ask_a_question_or_name_the_next_step(notebook):
    """A check cell is an assert with a message."""
    nodes = [node for cell in code_cells(notebook) for node in ast.walk(ast.parse(cell))]
    asserts = [node for node in nodes if isinstance(node, ast.Assert)]
    assert asserts
    assert all(node.msg is not None for node in asserts)


@each_notebook
def test_a_cell_of_prose_has_20_to_50_words(notebook):
    """Headings are not counted; opening, recap and solutions are longer or shorter."""
    texts = [cell for cell in notebook.cells[1:-1] if cell.cell_type == "markdown"]
    counted = {cell.id: words(cell.source) for cell in texts if tags(cell) != ["solution"]}
    assert {name: count for name, count in counted.items() if not 20 <= count <= 50} == {}


def words(text):
    """Return how many words a text has below its headings."""
    return sum(len(line.split()) for line in text.splitlines() if not line.startswith("#"))


def tags(cell):
    """Return the tags of a cell."""
    return cell.metadata.get("tags", [])


@each_notebook
def test_the_title_carries_the_number_of_the_file(notebook):
    """`03_….ipynb` opens with `# 3. …`, and the next link leads to the following number."""
    number = int(next(name for name, one in NOTEBOOKS.items() if one is notebook)[:2])
    assert notebook.cells[0].source.startswith(f"# {number}. ")
    following = f"({number + 1:02}_" if number < len(PATHS) else "(../docs/aws.md)"
    assert following in notebook.cells[-1].source


@each_notebook
def test_the_headings_of_a_notebook_differ(notebook):
    """The report's table of contents links to each."""
    headings = [line for text in prose(notebook) for line in text.splitlines() if line[:3] == "## "]
    assert len(headings) == len(set(headings))


@pytest.mark.parametrize(("number", "count"), [("02", 3), ("03", 3), ("04", 3), ("05", 2)])
def test_exercises_end_a_notebook(number, count):
    """A question, an empty cell that says what to bind, a check of that name, a solution."""
    [notebook] = [one for name, one in NOTEBOOKS.items() if name.startswith(number)]
    kinds = [tags(cell) or [cell.cell_type] for cell in notebook.cells[-4 * count - 1 :]]
    assert kinds == [["markdown"], ["exercise"], ["check"], ["solution"]] * count + [["markdown"]]
    for place in range(-4 * count, 0, 4):
        empty, check, solution = notebook.cells[place : place + 3]
        name = re.fullmatch(r"# Bind: (\w+)", empty.source)[1]
        assert check.source == f'exercises.check("{name}", vars(), solve=solve)'
        assert re.search(rf"^{name} = ", exercises.solution(name), re.MULTILINE)
        assert solution.source.startswith("<details><summary>")
        assert name in exercises.EXERCISES


def test_every_exercise_of_the_package_is_asked_somewhere():
    """A judge without a question would never be seen to fail."""
    asked = {
        name
        for notebook in NOTEBOOKS.values()
        for cell in code_cells(notebook)
        for name in re.findall(r"exercises\.check\(\"(\w+)\"", cell)
    }
    assert asked == set(exercises.EXERCISES)


@each_notebook
def test_the_close_recaps_and_leads_on(notebook):
    """The learn-list is answered, and the reader knows what still runs."""
    close = notebook.cells[-1].source
    assert all(phrase in close for phrase in ("## Recap", "**Next**", "**Still running**"))


@each_notebook
def test_links_lead_somewhere(notebook):
    """A link to a file of the project is one that exists."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", "\n".join(prose(notebook)))
    assert [name for name in targets if not (ROOT / "notebooks" / name).exists()] == []


def test_the_readme_names_every_notebook():
    """The table of the README and the folder agree."""
    readme = (ROOT / "README.md").read_text()
    assert [path.name for path in PATHS if path.name not in readme] == []
