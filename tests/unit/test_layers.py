"""A module of the package imports only from the layers below it."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"

ORDER = [
    *("errors", "names", "schema", "markup", "refusals"),
    *("config", "aws", "deployment", "calendar", "progress", "java"),
    "sources",
    "quality",
    "lake",
    *("factors", "ingest", "reconciliation", "reconcile"),
    *("costs", "jobs", "athena", "checks", "wiring", "clashes", "account"),
    "plots",
    *("provision", "teardown", "sandbox"),
    *("notebooks", "sentences", "exercises", "lesson", "tutorial"),
    "cli",
]
"""The modules of the package, low to high."""


def module_of(path: Path) -> str:
    """Return the first part of a module's name below the package."""
    return path.relative_to(SRC / "b3pipeline").with_suffix("").parts[0]


RANK = {module: rank for rank, module in enumerate(ORDER)}
NOT_MODULES = {"__init__", "sql"}
MODULES = sorted(
    path for path in (SRC / "b3pipeline").rglob("*.py") if module_of(path) not in NOT_MODULES
)


def imported_names(path: Path) -> set[str]:
    """Return the dotted names that a file imports, wherever in the file it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_a_module_imports_only_from_layers_below_it(path):
    """An import of the same or a higher layer would make a cycle sooner or later."""
    own = module_of(path)
    for name in imported_names(path):
        root, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if root == "b3pipeline" and other in RANK and other != own:
            assert RANK[other] < RANK[own], f"{own} imports {other}, which lies above it"


def test_every_module_has_a_layer():
    """A new module is placed in the list above, or this fails."""
    assert {module_of(path) for path in MODULES} <= set(RANK)


@pytest.mark.parametrize(
    "path", sorted((SRC / "localaws").rglob("*.py")), ids=lambda path: path.stem
)
def test_localaws_knows_nothing_of_the_pipeline(path):
    """The two meet over HTTP alone."""
    assert not any(name.startswith("b3pipeline") for name in imported_names(path))


def test_only_the_sandbox_imports_localaws():
    """Everything else of the package speaks AWS."""
    importers = {
        module_of(path)
        for path in MODULES
        if any(name.startswith("localaws") for name in imported_names(path))
    }
    assert importers <= {"sandbox"}
