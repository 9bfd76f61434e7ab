"""The local AWS is a distribution of its own: nothing of the repository around it is needed."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

HOUSE = Path(__file__).parents[1]
NAMES = {"pyarrow": "pyarrow", "botocore": "boto3"}
"""Distributions whose module has another name, or that come with another one."""


def declared():
    """Return the names of the distributions that pyproject.toml asks for, without extras."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
    return {re.split(r"[<>=!~ ;\[]", wish)[0].lower() for wish in project["dependencies"]}


def imported():
    """Return the top modules that the package imports, the standard library's left out."""
    found = set()
    for path in (HOUSE / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"localaws", "pytest"}


def test_whatever_the_package_imports_is_asked_for_by_name():
    """A dependency that comes by chance with another one goes with it, too."""
    assert {NAMES.get(name, name) for name in imported()} <= declared()


def test_the_plugin_and_the_command_come_with_the_installation():
    """Both are entry points: no path has to be known."""
    points = metadata.distribution("b3-localaws").entry_points
    assert {(point.group, point.name) for point in points} == {
        ("console_scripts", "localaws"),
        ("pytest11", "localaws"),
    }
