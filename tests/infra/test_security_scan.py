"""checkov over `infra/`: it finds what `security_exceptions.json` lists with reasons, no more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"
EXCEPTIONS = Path(__file__).with_name("security_exceptions.json")


@pytest.mark.skipif(not CHECKOV.exists(), reason="`make checkov` installs the scanner")
def test_the_scan_finds_the_listed_exceptions_and_nothing_else(tmp_path: Path) -> None:
    """A new finding fails, and so does an exception that is no longer needed."""
    for path in (ROOT / "infra").glob("*.tf"):  # and nobody's own terraform.tfvars
        shutil.copy(path, tmp_path)
    answer = subprocess.run(
        [
            str(CHECKOV),
            *("--directory", str(tmp_path), "--framework", "terraform"),
            *("--output", "json", "--compact", "--quiet", "--skip-download"),
        ],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, "LOG_LEVEL": "ERROR"},
    )
    report = json.loads(answer.stdout)

    found = {f"{f['check_id']} {f['resource']}" for f in report["results"]["failed_checks"]}

    assert report["summary"]["parsing_errors"] == 0
    assert found == set(json.loads(EXCEPTIONS.read_text()))
