"""The layers of the package are contracts, and the page on the architecture shows them."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def contracts() -> str:
    """Return the part of pyproject.toml that import-linter reads."""
    text = (ROOT / "pyproject.toml").read_text()
    found = re.search(r"^\[tool\.importlinter\]\n.*?(?=^\[tool\.pytest)", text, re.M | re.S)
    assert found is not None
    return found[0].rstrip()


def test_every_contract_on_imports_is_kept():
    """A module imports from the rooms below its own; the two houses meet over HTTP alone."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    assert "Contracts: 3 kept, 0 broken." in answer.stdout


def test_the_architecture_shows_the_contracts_word_for_word():
    """Who reads the page reads what is checked."""
    assert contracts() in (ROOT / "docs" / "architecture.md").read_text()
