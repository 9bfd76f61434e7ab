"""A release: the version in every place, the changelog dated, one commit and one tag."""

import datetime as dt
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from b3pipeline import __version__

ROOT = Path(__file__).parents[2]
DAY = dt.date(2026, 12, 1)


@pytest.fixture(scope="module")
def release():
    """The script, loaded by its path."""
    spec = importlib.util.spec_from_file_location("release", ROOT / "scripts" / "release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def git(root, *arguments):
    """Return what git answers, as somebody."""
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path, release, monkeypatch):
    """A repository with the places of the version, and one change that is not released."""
    for name, value in (("NAME", "somebody"), ("EMAIL", "somebody@example.org")):
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    for place in release.PLACES:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / place, tmp_path / place)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- A change.\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "begin")
    return tmp_path


def test_a_release_is_one_commit_and_one_tag(release, repository):
    """The version stands everywhere, and the change has its date."""
    said = release.main("7.8.9", repository, DAY)
    assert "git push --follow-tags" in said
    assert git(repository, "log", "-1", "--format=%s %(describe)") == "Release 7.8.9 v7.8.9"
    assert git(repository, "status", "--porcelain") == ""
    assert '__version__ = "7.8.9"' in (repository / "src/b3pipeline/__init__.py").read_text()
    assert '\nversion = "7.8.9"' in (repository / "localaws/pyproject.toml").read_text()
    assert yaml.safe_load((repository / "CITATION.cff").read_text())["version"] == "7.8.9"
    changes = (repository / "CHANGELOG.md").read_text()
    assert changes == "# Changelog\n\n## Unreleased\n\n## 7.8.9 - 2026-12-01\n\n- A change.\n"


@pytest.mark.parametrize(
    ("version", "spoil", "words"),
    [
        ("seven", None, "is no version"),
        ("7.8.9", "edit", "not committed"),
        ("7.8.9", "tag", "released already"),
        ("7.8.9", "empty", "nothing under"),
    ],
)
def test_a_release_that_cannot_be_made_changes_nothing(release, repository, version, spoil, words):
    """One sentence says why."""
    changelog = repository / "CHANGELOG.md"
    if spoil == "tag":
        git(repository, "tag", "v7.8.9")
    if spoil in ("edit", "empty"):
        changelog.write_text("# Changelog\n\n## Unreleased\n")
    if spoil == "empty":
        git(repository, "commit", "--quiet", "--all", "--message", "empty")
    before = git(repository, "rev-parse", "HEAD"), changelog.read_text()
    with pytest.raises(SystemExit, match=words):
        release.main(version, repository, DAY)
    assert (git(repository, "rev-parse", "HEAD"), changelog.read_text()) == before


def test_the_version_is_the_same_everywhere(release):
    """One that was forgotten would be the one that people cite."""
    for place, pattern in release.PLACES.items():
        assert __version__ in re.search(pattern, (ROOT / place).read_text())[0]
