"""Writes tests/unit/wheels.txt: which wheels the registry holds of each package in the lock file.

`make lock` calls it with the lock file in the form of PEP 751, which names every wheel. What
matters here is kept: the tags of CPython 3.11 and 3.12 on Linux (glibc) and macOS.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "unit" / "wheels.txt"
HEAD = """\
# Written by `make lock`: the tags of the wheels of each package in requirements.lock, for CPython
# 3.11 and 3.12 on Linux and macOS; a package without tags is built where it is installed.
"""
PYTHONS = ("py3", "py311", "py312", "cp311", "cp312")


def main() -> None:
    """Write the list from the file given."""
    packages = tomllib.loads(Path(sys.argv[1]).read_text())["packages"]
    lines = [" ".join((pin(package), *tags(package))) for package in packages]
    LIST.write_text(HEAD + "".join(f"{line}\n" for line in sorted(lines)))


def pin(package: dict[str, Any]) -> str:
    """Return a package as name==version."""
    return f"{package['name']}=={package['version']}"


def tags(package: dict[str, Any]) -> list[str]:
    """Return the tags of a package's wheels that one of our machines may take, sorted."""
    names = (unquote(wheel["url"].rpartition("/")[2]) for wheel in package.get("wheels", ()))
    found = {tag for name in names for tag in parse_wheel_filename(name)[3] if matters(tag)}
    return sorted(map(str, found))


def matters(tag: Tag) -> bool:
    """Return whether a tag is for CPython 3.11 or 3.12 on glibc's Linux or macOS, or for all."""
    older = tag.abi == "abi3" and tag.interpreter.startswith("cp3")
    machine = tag.platform.endswith(("x86_64", "aarch64", "arm64", "universal2"))
    place = tag.platform.startswith(("manylinux", "macosx")) and machine
    return (older or tag.interpreter in PYTHONS) and (place or tag.platform == "any")


if __name__ == "__main__":
    main()
