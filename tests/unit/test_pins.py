"""One list of versions: the lock file; all other lists are made from it and agree."""

import importlib.util
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def locked():
    """Return the entries of the lock file: each requirement with its hashes."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    return re.findall(r"^(?=[a-z0-9])(?:.*\\\n)*.*", text, re.MULTILINE)


def test_every_requirement_is_exact_and_has_its_hashes():
    """Whoever installs it gets the same bytes, or an error."""
    loose = [
        entry.partition("\n")[0]
        for entry in locked()
        if not re.match(r"[a-z0-9._-]+==\S+", entry) or "--hash=sha256:" not in entry
    ]
    assert loose == []


def test_the_lock_file_has_all_that_the_project_asks_for():
    """A dependency that was added without `make lock` would be missing on every other machine."""
    groups = []
    for path in ("pyproject.toml", "localaws/pyproject.toml"):
        project = tomllib.loads((ROOT / path).read_text())["project"]
        groups += [project["dependencies"], *project["optional-dependencies"].values()]
    versions = dict(
        re.match(r"([a-z0-9._-]+)==([^ ;\\]+)", entry).groups() for entry in reversed(locked())
    )
    wishes = {Requirement(text) for group in groups for text in group}
    for wish in wishes - {Requirement("b3-localaws")}:  # the folder of that name, no download
        assert wish.specifier.contains(versions[wish.name]), wish


def test_the_environment_of_conda_has_the_pins_of_the_lock_file():
    """`make lock` writes both; nobody edits one of them alone."""
    spec = importlib.util.spec_from_file_location(
        "make_environment_yml", ROOT / "scripts" / "make_environment_yml.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    wanted = script.HEAD + "".join(f"      - {pin}\n" for pin in script.pins())
    assert (ROOT / "environment.yml").read_text() == wanted


def test_every_hook_before_a_commit_runs_from_the_environment():
    """Its tools have the locked versions, and the files that it names exist."""
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    entries = re.findall(r"entry: (\S+)(.*)", text)
    assert {tool for tool, _ in entries} == {".venv/bin/ruff", ".venv/bin/mypy", ".venv/bin/python"}
    named = [word for _, rest in entries for word in rest.split() if "/" in word]
    assert named == [word for word in named if (ROOT / word).exists()]
