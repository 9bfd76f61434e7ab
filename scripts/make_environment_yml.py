"""Writes environment.yml for conda: every pin of requirements.lock."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = """\
# For those who prefer conda: `conda env create -f environment.yml`, then `conda activate b3`.
# Written by `make lock`: the same pins as requirements.lock. `make env` needs no conda.
name: b3
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:
"""
OURS = ["-e ./localaws", "-e ."]


def main() -> None:
    """Write environment.yml beside this project's pyproject.toml."""
    (ROOT / "environment.yml").write_text(HEAD + "".join(f"      - {pin}\n" for pin in pins()))


def pins() -> list[str]:
    """Return every pin of the lock file as pip reads it: name==version, and where it is for."""
    text = (ROOT / "requirements.lock").read_text()
    found = re.findall(r"^([a-z0-9][\w.-]*==[^\\\n]*?) *\\?$", text, re.MULTILINE)
    return [f'"{pin}"' if ";" in pin else pin for pin in found] + OURS


if __name__ == "__main__":
    main()
