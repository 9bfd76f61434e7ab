"""Makes a release: version, changelog, artefacts, one commit, one tag; pushes nothing.

Usage: make release VERSION=0.2.0
"""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

PLACES = {
    "src/b3pipeline/__init__.py": r'(?m)^__version__ = "[^"]+"',
    "localaws/pyproject.toml": r'(?m)^version = "[^"]+"',
    "CITATION.cff": r"(?m)^version: \S+",
}
"""Where the version stands, and how."""


def main(version: str, root: Path, today: dt.date) -> str:
    """Return what is left to do; raise SystemExit with one sentence where it cannot be done."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        sys.exit(f"{version!r} is no version: write make release VERSION=1.2.3.")
    if git(root, "status", "--porcelain"):
        sys.exit("There are changes that are not committed: commit them, or put them aside.")
    if git(root, "tag", "--list", f"v{version}"):
        sys.exit(f"v{version} is released already: choose the next version.")
    changelog = root / "CHANGELOG.md"
    changelog.write_text(dated(changelog.read_text(), version, today))
    for place, pattern in PLACES.items():
        path = root / place
        path.write_text(bumped(path.read_text(), pattern, version))
    git(root, "commit", "--quiet", "--all", "--message", f"Release {version}")
    git(root, "tag", "--annotate", f"v{version}", "--message", f"Release {version}")
    return f"v{version} is committed and tagged here. Publish it: git push --follow-tags"


def dated(changelog: str, version: str, today: dt.date) -> str:
    """Return a changelog whose unreleased changes are those of a version."""
    head, mark, rest = changelog.partition("## Unreleased\n")
    changes = rest.partition("\n## ")[0].strip()
    if not mark or not changes:
        sys.exit("CHANGELOG.md has nothing under '## Unreleased': what would the release bring?")
    return f"{head}{mark}\n## {version} - {today:%Y-%m-%d}\n{rest}"


def bumped(text: str, pattern: str, version: str) -> str:
    """Return a text with the version in it."""
    new, count = re.subn(pattern, lambda found: re.sub(r"\d[\w.]*", version, found[0]), text)
    if count != 1:
        sys.exit(f"The version is not where it was: nothing matches {pattern}.")
    return new


def git(root: Path, *arguments: str) -> str:
    """Return what git answers."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[1]
    sys.stdout.write(main(sys.argv[1], here, dt.datetime.now(dt.UTC).date()) + "\n")
