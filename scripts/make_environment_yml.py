"""Writes environment.yml for conda: the pins of requirements.lock that pyproject.toml names."""

from __future__ import annotations

import re
import tomllib
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
    """Return name==version of each package that pyproject.toml names, sorted."""
    locked = locked_versions()
    return [f"{name}=={locked[name]}" for name in sorted(direct_dependencies())] + OURS


def locked_versions() -> dict[str, str]:
    """Return the version of each package in requirements.lock, that of Python 3.11 first."""
    found: dict[str, str] = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        match = re.match(r"([a-z0-9._-]+)==([^ ;\\]+)", line)
        if match:
            found.setdefault(match[1], match[2])
    return found


def direct_dependencies() -> set[str]:
    """Return the names that the project and its local AWS ask for, in all their groups."""
    names: set[str] = set()
    for path in (ROOT / "pyproject.toml", ROOT / "localaws" / "pyproject.toml"):
        project = tomllib.loads(path.read_text())["project"]
        groups = [project["dependencies"], *project["optional-dependencies"].values()]
        names |= {re.split(r"[<>=!~ ;]", wish)[0] for group in groups for wish in group}
    return names - {"b3-localaws"}


if __name__ == "__main__":
    main()
