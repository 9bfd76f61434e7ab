"""The figures that docs/performance.md leads with are those that the benchmarks left."""

import hashlib
import importlib
import io
import json
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/performance.md").read_text()


@pytest.fixture
def picture(monkeypatch):
    """The script that draws the picture; benchmarks are no package."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("picture")


@pytest.fixture
def s3a(monkeypatch, tmp_path):
    """The script that fetches Hadoop's S3A, here one small jar of it, with a cache of its own."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setenv("B3_BENCHMARK_CACHE", str(tmp_path))
    module = importlib.import_module("s3a")
    monkeypatch.setattr(module, "JARS", {"s3a.jar": hashlib.sha256(b"classes").hexdigest()})
    return module


def test_the_page_says_each_figure_that_the_picture_shows(picture):
    """A benchmark that was run anew changes the page, too."""
    figures = json.loads((ROOT / "benchmarks/figures.json").read_text())
    titles = [title for title, _ in picture.panels(figures)]
    assert len(titles) == 3
    assert [title for title in titles if f"**{title}**" not in PAGE] == []
    assert f"![{picture.alternative(figures)}](images/performance.svg)" in PAGE


def test_the_picture_was_drawn_from_the_figures(picture):
    """`python benchmarks/picture.py` draws it anew."""
    figures = json.loads((ROOT / "benchmarks/figures.json").read_text())
    assert picture.alternative(figures) in (ROOT / "docs/images/performance.svg").read_text()


def test_a_notebook_takes_its_kernel_and_its_cells(picture):
    """What is no notebook is not counted."""
    stages = {"local AWS: start": 2.0, "02_glue_refine: kernel": 1.0, "02_glue_refine: cells": 4.5}
    assert picture.by_notebook(stages) == {"02 Glue refine": 5.5}


def test_jars_that_are_in_the_cache_are_not_fetched_again(s3a, tmp_path, monkeypatch):
    """The package is 180 MB."""
    monkeypatch.setattr(s3a, "fetch", lambda folder: pytest.fail("fetched"))
    (tmp_path / "s3a.jar").write_bytes(b"classes")
    assert s3a.class_path() == str(tmp_path / "s3a.jar")


def test_a_jar_with_other_bytes_is_refused_and_not_kept(s3a, tmp_path):
    """What a registry serves is run only where it is what was looked at once."""
    package = tmp_path / "package.tar"
    with tarfile.open(package, "w") as archive:
        member = tarfile.TarInfo("package/s3a.jar")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"other"))
    with (
        tarfile.open(package) as archive,
        pytest.raises(ValueError, match=r"^s3a\.jar has the SHA"),
    ):
        s3a.save(archive, archive.getmembers()[0], tmp_path / "s3a.jar")
    assert [path.name for path in tmp_path.iterdir()] == ["package.tar"]
