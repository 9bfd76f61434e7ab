"""The layers of the package are contracts, and the page on the architecture shows them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def contracts() -> str:
    """Return the part of pyproject.toml that import-linter reads."""
    text = (ROOT / "pyproject.toml").read_text()
    found = re.search(r"^\[tool\.importlinter\]\n.*?(?=^\[tool\.pytest)", text, re.M | re.S)
    assert found is not None
    return found[0].rstrip()


@pytest.mark.process
def test_every_contract_on_imports_is_kept():
    """A module imports from the rooms below its own; the two houses meet over HTTP alone."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    assert "Contracts: 3 kept, 0 broken." in answer.stdout


def test_the_architecture_shows_the_contracts_word_for_word():
    """Who reads the page reads what is checked."""
    assert contracts() in (ROOT / "docs" / "architecture.md").read_text()


def test_nothing_of_ours_imports_what_the_type_checker_passes_over():
    """Its types would be Any, and nobody would be told."""
    mypy = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    [skipped] = [one["module"] for one in mypy["overrides"] if one.get("follow_imports") == "skip"]
    name = "|".join(re.escape(module.removesuffix(".*")) for module in skipped)
    imports = re.compile(rf"^\s*(?:from|import) (?:{name})\b.*", re.M)
    assert imports.findall("import rich\nimport richer\nfrom pyspark.ml.x import y\n") == [
        "import rich",
        "from pyspark.ml.x import y",
    ]
    places = [ROOT / place for place in mypy["files"]]
    files = [path for place in places for path in [place, *place.rglob("*.py")] if path.is_file()]
    assert len(files) > 200
    found = {str(path): imports.findall(path.read_text()) for path in files}
    assert {name: lines for name, lines in found.items() if lines} == {}
