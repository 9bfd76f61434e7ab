"""The course in the reader's language: its notebooks, what their kernels speak, JupyterLab."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from b3pipeline.course import notebooks
from b3pipeline.course.chosen import chosen as chosen_notebooks
from b3pipeline.errors import NotebookError

ROOT = Path(__file__).parents[2]

_spec = importlib.util.spec_from_file_location("open_lab", ROOT / "scripts" / "open_lab.py")
open_lab = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(open_lab)


@pytest.mark.process
@pytest.mark.parametrize(("metadata", "spoken"), [({"language": "pt-BR"}, "pt_BR"), ({}, "en")])
def test_the_package_speaks_the_language_of_the_notebook_that_runs(
    tmp_path, monkeypatch, metadata, spoken
):
    """Its metadata says which; the variable of the terminal does not reach into the kernel."""
    monkeypatch.setenv("B3_LANG", "en" if spoken == "pt_BR" else "pt_BR")
    cell = new_code_cell("from b3pipeline.language import language\nprint(language())")
    path = tmp_path / "01_check.ipynb"
    nbformat.write(new_notebook(cells=[cell], metadata=metadata), path)
    [done] = notebooks.execute([path], tmp_path / "out")
    [ran] = nbformat.read(done.path, as_version=4).cells
    assert ran.outputs[0].text == f"{spoken}\n"


@pytest.mark.parametrize(("spoken", "folder"), [("pt_BR", "notebooks/pt-BR"), ("en", "notebooks")])
def test_the_course_takes_the_notebooks_of_the_language(monkeypatch, spoken, folder):
    """All of them where none is named, in their order."""
    monkeypatch.setenv("B3_LANG", spoken)
    chosen = [path.relative_to(ROOT) for path in chosen_notebooks(ROOT, [])]
    assert [path.parent for path in chosen] == [Path(folder)] * len(chosen)
    english = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
    assert [path.name for path in chosen] == english


def test_a_number_that_the_course_has_not_is_refused_in_the_language(monkeypatch):
    """In Portuguese, as all that follows would be."""
    monkeypatch.setenv("B3_LANG", "pt_BR")
    with pytest.raises(NotebookError) as refused:
        chosen_notebooks(ROOT, ["77"])
    assert refused.value.message == "não existe o notebook 77."


@pytest.mark.process
@pytest.mark.parametrize("lang", ["fr", ""])
def test_a_language_that_the_course_does_not_speak_is_refused_before_anything_runs(lang):
    """With the two that it speaks."""
    answer = subprocess.run(
        [sys.executable, "-m", "b3pipeline.cli", "tutorial", "--lang", lang],
        env=os.environ | {"B3_LANG": "en"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        f"error: the course does not speak {lang!r}.",
        "  try: use one of en, pt-BR.",
    ]


@pytest.mark.parametrize(
    ("spoken", "first"),
    [
        ("pt_BR", "work/pt-BR/01_provisioning_check.ipynb"),
        ("en", "work/01_provisioning_check.ipynb"),
    ],
)
def test_jupyterlab_opens_in_the_readers_language(tmp_path, spoken, first):
    """The first notebook of the language, and its menus by a setting that others may overrule."""
    command = open_lab.lab_command(spoken, ["--allow-root"], root=tmp_path)
    assert command[-1] == first
    assert (ROOT / first.replace("work", "notebooks", 1)).is_file()  # `b3 class work` copies it
    assert "--allow-root" in command
    [folder] = [re.sub(r".*=", "", word) for word in command if "app_settings_dir" in word]
    settings = json.loads((Path(folder) / "overrides.json").read_text())
    assert settings["@jupyterlab/translation-extension:plugin"] == {"locale": spoken}


def test_the_menus_of_jupyterlab_are_there_in_portuguese():
    """The language pack is installed with it."""
    from jupyterlab_server.translation_utils import get_language_pack

    pack, trouble = get_language_pack("pt_BR")
    assert trouble == ""
    assert pack["jupyterlab"]["Run All Cells"] == ["Executar todas as células"]
