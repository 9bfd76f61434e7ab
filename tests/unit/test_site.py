"""The site's scripts: what is staged, what the hook writes, what the check finds."""

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    """Return what loads a script of the project by its name."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module


@pytest.fixture
def faults(script, monkeypatch, tmp_path):
    """Return what tells the faults of a site's first page, given its pages by their places."""
    check = script("check_site")
    monkeypatch.setattr(check, "SITE", tmp_path)

    def found(**pages):
        paths = [tmp_path / f"{name.replace('__', '/')}.html" for name in pages]
        for path, text in zip(paths, pages.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return check.faults(paths[0])

    return found


class Files:
    """The files of a site, as MkDocs hands them to a hook."""

    def __init__(self, *places):
        self.all = {place: page(place).file for place in places}

    def get_file_from_path(self, place):
        return self.all.get(place)


def page(place):
    """Return a page as MkDocs hands it to a hook."""
    url = "index.html" if place == "README.md" else place.rpartition(".")[0] + ".html"
    return SimpleNamespace(file=SimpleNamespace(src_uri=place, url=url))


@pytest.mark.parametrize(
    ("english", "portuguese"),
    [
        ("README.md", "README.pt-BR.md"),
        ("docs/aws.md", "docs/pt-BR/aws.md"),
        ("notebooks/02_ingestion.ipynb", "notebooks/pt-BR/02_ingestion.ipynb"),
    ],
)
def test_a_page_and_its_twin_are_each_others_twin(script, english, portuguese):
    """At the top of the project the language is in the name, below it in the folder."""
    language = script("site_language")
    assert language.twin(english) == portuguese
    assert language.twin(portuguese) == english


def test_a_notebook_leads_to_its_twin(script):
    """Below its title, in the words of the other language."""
    place = "notebooks/01_check.ipynb"
    files = Files(place, "notebooks/pt-BR/01_check.ipynb")
    made = script("site_language").on_page_content("<h1>1</h1>", page=page(place), files=files)
    assert made == (
        '<h1>1</h1><p><em><a href="pt-BR/01_check.html" hreflang="pt-BR" lang="pt-BR">'
        "Em português</a></em></p>"
    )


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("<h1>1</h1>", []),
        ('<h1>1</h1><a href="README.pt-BR.html">Em português</a>', ["README.pt-BR.md"]),
    ],
)
def test_no_link_is_added_where_there_is_no_twin_or_one_already(script, text, others):
    """The pages of Markdown lead to their twins themselves."""
    files = Files("README.md", *others)
    made = script("site_language").on_page_content(text, page=page("README.md"), files=files)
    assert made == text


@pytest.mark.parametrize(("way", "kind"), [("TD", "diagram"), ("LR", "diagram wide")])
def test_a_diagram_stands_in_a_box_that_scrolls(script, way, kind):
    """For its text is too small to read where it is shrunk to a phone's width."""
    text = f'<pre class="mermaid"><code>flowchart {way}\nb</code></pre>'
    made = script("site_language").on_page_content(text, page=page("a.md"), files=Files())
    assert made == f'<div class="{kind}" tabindex="0">{text}</div>'


def test_the_theme_speaks_portuguese_in_a_portuguese_page_alone(script):
    """Page after page, for the theme is one and the same object."""
    hook, config = script("site_language"), SimpleNamespace(theme={})
    for place, language in (("docs/pt-BR/a.md", "pt-BR"), ("docs/a.md", "en")):
        hook.on_page_context({}, page=page(place), config=config)
        assert config.theme["language"] == language


def test_the_words_that_the_theme_leaves_in_english_are_translated(script):
    """As names and as texts of elements, never within a sentence."""
    text = '<html lang="pt"><a title="Dark"></a><i>Copied!</i><p>Dark matter</p>'
    made = script("site_language").on_post_page(text, page=page("docs/pt-BR/a.md"))
    assert made == ('<html lang="pt-BR"><a title="Escuro"></a><i>Copiado!</i><p>Dark matter</p>')


def test_a_staged_plot_has_its_text_and_progress_is_no_error(script, tmp_path):
    """And the notebook does not tell where it ran."""
    stage = script("stage_site")
    outputs = [
        {"data": {"image/png": "QUJD\n"}, "metadata": {"image/png": {"alt": 'A "rose"'}}},
        {"name": "stderr", "text": [f"{stage.ROOT}/.localaws in {Path.home()}/x, {stage.ROOT}"]},
    ]
    source, target = tmp_path / "1.ipynb", tmp_path / "out" / "1.ipynb"
    source.write_text(json.dumps({"cells": [{"cell_type": "code", "outputs": outputs}]}))
    stage.stage_notebook(source, target)
    plot, progress = json.loads(target.read_text())["cells"][0]["outputs"]
    assert plot["data"] == {
        "text/html": '<img alt="A &quot;rose&quot;" src="data:image/png;base64,QUJD">'
    }
    assert progress == {"name": "stdout", "text": [".localaws in ~/x, ."]}


def test_a_page_without_fault_has_none(faults):
    """Its picture is told, and it leads to its twin."""
    text = '<html lang="en"><article><a href="pt-BR/a.html">pt</a><img src="a.html" alt="A rose">'
    assert faults(docs__a=text, **{"docs__pt-BR__a": ""}) == []


@pytest.mark.parametrize(
    "alt", ["", 'alt=" "', 'alt="No description has been provided for this image"']
)
def test_a_picture_without_a_text_is_found(faults, alt):
    """Nobody has told what it shows, also where nbconvert says so."""
    found = faults(a=f'<html lang="en"><img src="a.html" {alt}>')
    assert found == ["picture without a text: a.html"]


def test_a_missing_link_to_the_twin_is_found(faults):
    """The twin is there, and the page does not say so: that the navigation does is not enough."""
    menu = '<html lang="en"><nav><a href="README.pt-BR.html">pt</a></nav><article></article>'
    found = faults(index=menu, **{"README.pt-BR": ""})
    assert found == ["has no link to the same page in the other language"]


def test_a_dead_link_and_a_wrong_language_are_found(faults):
    """A screen reader would read the page as English."""
    found = faults(**{"docs__pt-BR__a": '<html lang="en"><a href="b.html">b</a>'})
    assert found == ["dead link b.html", "names another language than its own"]


def test_a_place_of_the_builders_machine_is_found(faults):
    """It tells the builder's name, and helps no reader."""
    found = faults(a=f'<html lang="en">{Path.home()}/notes')
    assert found == [f"names a place of this machine: {Path.home()}"]
