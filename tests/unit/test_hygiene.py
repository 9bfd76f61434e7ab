"""Nothing that is committed names a registry's host, a machine's path, an account or a secret."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FORBIDDEN = {
    "the host of a registry": r"\b(pypi|anaconda|npmjs|maven)\.(org|com)|pythonhosted\.org"
    r"|registry\.terraform\.io|--(extra-)?index-url",
    "a path of somebody's machine": r"(?<![\w.-])/(root|work|home/\w|Users/\w)",
    "the number of an account": r"(?<![\w.+-])\d{12}(?![\w.])",
    "a secret": r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN|\bgh[pousr]_\w{20}"
    r"|(?i:secret_access_key)\W{1,4}[A-Za-z0-9/+]{40}",
}
ALLOWED = {
    "0" * 12: "the account of the local AWS",
    "123456789012": "the example account of AWS's documentation",
    "111122223333": "its other example account",
}
ALLOWED_IN = {
    "infra/.terraform.lock.hcl": "the provider's own address, as Terraform writes it",
    "tests/infra/conftest.py": "the folder by which a provider mirror is found",
    "tests/unit/test_hygiene.py": "the patterns themselves",
}


@pytest.fixture(scope="module")
def committed():
    """Return the text files that git tracks, by their paths; skip outside a clone."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no clone, or git is not installed")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    paths = [path for path in listed.split("\0") if path and (ROOT / path).is_file()]
    bodies = {path: (ROOT / path).read_bytes() for path in paths}
    return {path: body.decode() for path, body in bodies.items() if b"\0" not in body}


def findings(text, pattern):
    """Return what a pattern finds in a text, but for what is allowed everywhere."""
    found = {match.group() for match in re.finditer(pattern, text)}
    return sorted(found - set(ALLOWED))


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_no_committed_file_holds(committed, kind):
    """Each such file is named with what was found in it."""
    found = {
        path: findings(text, FORBIDDEN[kind])
        for path, text in committed.items()
        if path not in ALLOWED_IN
    }
    assert {path: words for path, words in found.items() if words} == {}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("the host of a registry", "pip install --index-url https://mirror/simple"),
        ("a path of somebody's machine", "see /home/maria/b3"),
        ("the number of an account", "arn:aws:iam::210987654321:role/LabRole"),
        ("a secret", 'key = "AKIAABCDEFGHIJKLMNOP"'),
    ],
)
def test_what_is_forbidden_is_recognised(kind, text):
    """A pattern that finds nothing would prove nothing."""
    assert findings(text, FORBIDDEN[kind])


def test_every_exception_is_still_needed(committed):
    """One that no file needs any more is removed."""
    needless = [
        path
        for path in ALLOWED_IN
        if not any(findings(committed.get(path, ""), pattern) for pattern in FORBIDDEN.values())
    ]
    assert needless == []


def test_no_file_of_more_than_a_megabyte_is_committed(committed):
    """A data set, a recorded output or a report does not belong here."""
    large = {path: len(text) for path, text in committed.items() if len(text) > 1_000_000}
    assert large == {}
