"""Each notebook stands in Portuguese, too: the same code, and every text of today translated."""

import importlib.util
import io
import re
import tokenize
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[2]
REMEDY = "run `make translations`, and translate what it names in the catalogue"

_spec = importlib.util.spec_from_file_location(
    "translate_notebooks", ROOT / "scripts" / "translate_notebooks.py"
)
script = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)

PATHS = script.english_notebooks()
each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def portuguese(path):
    """Return the Portuguese notebook of an English one."""
    return nbformat.read(script.portuguese_path(path), as_version=4)


def test_every_notebook_has_its_portuguese_one_and_its_catalogue():
    """And none has been left behind by a notebook that is gone."""
    names = [path.stem for path in PATHS]
    assert [path.stem for path in sorted((ROOT / "notebooks/pt-BR").glob("*.ipynb"))] == names
    assert [path.stem for path in sorted((ROOT / script.CATALOGUES).iterdir())] == names


@each_notebook
def test_every_text_of_the_notebook_is_translated(path):
    """None is new, none has changed since its translation."""
    assert script.untranslated(script.updated_catalogue(path)) == [], REMEDY


@each_notebook
def test_the_catalogue_holds_the_notebooks_texts_and_no_others(path):
    """`make translations` would change nothing: neither in the catalogue, nor in the notebook."""
    catalogue = script.updated_catalogue(path)
    assert script.catalogue_path(path).read_bytes() == script.catalogue_bytes(catalogue), REMEDY
    made = script.portuguese_path(path).read_text(encoding="utf-8")
    assert made == script.notebook_text(path, catalogue), REMEDY


@each_notebook
def test_the_code_is_the_same_but_for_its_comments(path):
    """Compared token by token, and not by the script that made it."""

    def code(notebook):
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        return [(cell.id, cell.metadata, without_comments(cell.source)) for cell in cells]

    assert code(portuguese(path)) == code(script.read(path))


def without_comments(source):
    """Return the tokens of a piece of Python, and where each begins, but for the comments."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    kept = [token for token in tokens if token.type != tokenize.COMMENT]
    return [(token.type, token.string, token.start) for token in kept if token.string.strip()]


@each_notebook
def test_a_translation_names_the_same_code(path):
    """What stands between backticks is typed, or shown by AWS: it is no text of ours."""
    pairs = [(m.id, m.string) for m in script.read_catalogue(path) if m.id]
    differing = {
        text: said
        for text, said in pairs
        if sorted(re.findall(r"`([^`]+)`", text)) != sorted(re.findall(r"`([^`]+)`", said))
    }
    assert differing == {}


@each_notebook
def test_a_translation_has_the_shape_of_its_text(path):
    """Headings, lists and tables have the same number of lines, each begun in the same way."""

    def shape(text):
        return [re.match(r"(#+ |\||- |\d+\. |\*\*|<\w+>)?", line)[0] for line in text.splitlines()]

    pairs = [(m.id, m.string) for m in script.read_catalogue(path) if m.id]
    assert {text: said for text, said in pairs if shape(text) != shape(said)} == {}


@each_notebook
def test_the_links_lead_somewhere_and_stay_in_portuguese(path):
    """A page that has its Portuguese twin is linked to as that."""
    here = script.portuguese_path(path)
    prose = [cell.source for cell in portuguese(path).cells if cell.cell_type == "markdown"]
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", "\n".join(prose))
    assert targets
    for target in targets:
        place = (here.parent / target).resolve()
        assert place.is_file(), target
        twin = place.parent / "pt-BR" / place.name
        assert not twin.exists(), f"{target} is English, and {twin} is there"


@each_notebook
def test_a_portuguese_notebook_says_which_language_it_is_in(path):
    """Whoever runs it makes the package speak that language."""
    assert portuguese(path).metadata["language"] == "pt-BR"


def test_the_same_text_is_translated_in_the_same_way_everywhere():
    """A heading that all notebooks have is one heading in Portuguese."""
    said = {}
    for path in PATHS:
        for message in script.read_catalogue(path):
            said.setdefault(message.id, set()).add(message.string)
    assert {text: ways for text, ways in said.items() if text and len(ways) > 1} == {}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A course of one notebook, translated, in a folder of its own."""
    monkeypatch.setattr(script, "ROOT", tmp_path)
    path = tmp_path / "notebooks" / "01_check.ipynb"
    path.parent.mkdir()

    def put(prose, code="x: int = 1  # how many\nprint('# no comment')"):
        cells = [new_markdown_cell(prose, id="01-00"), new_code_cell(code, id="01-01")]
        nbformat.write(new_notebook(cells=cells), path)
        script.main()
        return path

    put("# Check\n\nLook at it.")
    catalogue = script.read_catalogue(path)
    for text, said in {
        "# Check": "# Confira",
        "Look at it.": "Olhe.",
        "how many": "quantos",
    }.items():
        catalogue.get(text).string = said
    script.catalogue_path(path).write_bytes(script.catalogue_bytes(catalogue))
    script.main()
    return put


def sources(path):
    """Return the sources of the cells of the Portuguese notebook."""
    return [cell.source for cell in portuguese(path).cells]


def test_text_and_comments_are_translated_and_strings_are_not(write):
    """The sign of a comment within a string begins none."""
    path = write("# Check\n\nLook at it.")
    assert sources(path) == ["# Confira\n\nOlhe.", "x: int = 1  # quantos\nprint('# no comment')"]
    assert script.untranslated(script.updated_catalogue(path)) == []


def test_a_changed_paragraph_makes_itself_stale_and_no_other(write, capsys):
    """Its old translation stays in the catalogue, marked, and is not shown."""
    path = write("# Check\n\nLook at it twice.")
    assert capsys.readouterr().out.splitlines()[-1] == (
        "translations/pt_BR/notebooks/01_check.po: Look at it twice."
    )
    assert sources(path)[0] == "# Confira\n\nLook at it twice."
    message = script.read_catalogue(path).get("Look at it twice.")
    assert (message.fuzzy, message.string) == (True, "Olhe.")


def test_a_new_text_comes_in_untranslated_and_a_gone_one_leaves(write):
    """The catalogue is brought up to the notebook by `make translations`."""
    path = write("# Check\n\nAn entirely different sentence.", code="1")
    catalogue = script.read_catalogue(path)
    assert {m.id: m.string for m in catalogue if m.id} == {
        "# Check": "# Confira",
        "An entirely different sentence.": "",
    }


def test_of_a_fenced_block_only_the_comments_of_python_are_text(write):
    """SQL, and what stands in other fences, stays; so does a line of tags alone."""
    fences = "```python\n\nlook()  # at it\n```\n\n```sql\nSELECT 1 -- one\n```\n\n</details>"
    path = write(fences, code="1")
    assert [m.id for m in script.read_catalogue(path) if m.id] == ["at it"]
    assert sources(path)[0] == fences
