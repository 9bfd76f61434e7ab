"""Notebooks as files: those of the course, without outputs, without solutions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from b3pipeline.errors import NotebookError
from b3pipeline.language import say

NUMBERED = "[0-9][0-9]_*.ipynb"


def course_notebooks(root: Path) -> list[Path]:
    """Return the notebooks of the course and their translations, as paths below `notebooks/`.

    Raises NotebookError where there are none.
    """
    folder = root / "notebooks"
    found = sorted(path.relative_to(folder) for path in folder.rglob(NUMBERED))
    found = [path for path in found if not any(part.startswith(".") for part in path.parts)]
    if not found:
        raise NotebookError(
            say("{folder} holds no notebook.", folder=folder),
            hint=say("check out the project anew, or set B3_HOME."),
        )
    return found


def stripped(notebook: Any, parameters: Mapping[str, str] | None = None) -> Any:
    """Return a notebook without its solutions, outputs and counts; it is changed in place.

    `parameters` are new defaults, as source text, for lines of the cell tagged `parameters`.
    """
    notebook.cells = [cell for cell in notebook.cells if "solution" not in tags_of(cell)]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if "parameters" in tags_of(cell):
            for name, value in (parameters or {}).items():
                line = re.compile(rf"^({re.escape(name)}: \w+ = )[^#\n]*?(  #.*)?$", re.MULTILINE)
                quoted = value.replace("\\", r"\\")
                cell.source = line.sub(rf"\g<1>{quoted}\g<2>", cell.source)
    return notebook


def tags_of(cell: Any) -> list[str]:
    """Return the tags of a cell."""
    return list(cell.metadata.get("tags", []))


def written(notebook: Any) -> str:
    """Return a notebook as text, as Jupyter writes it."""
    text: str = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    return text.rstrip("\n") + "\n"


def sources_of(text: str) -> list[tuple[str, str]]:
    """Return kind and source of each cell: what a person writes, and no output.

    Raises ValueError where the text is no notebook.
    """
    try:
        cells = json.loads(text)["cells"]
        return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"it is no notebook ({type(error).__name__}: {error})") from error
