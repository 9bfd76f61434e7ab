"""Makes a deck of slides of each notebook: `make slides`.

A section is a slide and its cells come one by one. Executed copies are taken where `b3 tutorial`
has left some that are newer than their source. reveal.js comes from wheelhouse/ where it is there,
copied beside the decks; else from a server, when a deck is opened.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import SlidesExporter

ROOT = Path(__file__).resolve().parents[1]
CARRIED = ROOT / "wheelhouse" / "slides"
URLS = {
    "reveal_url_prefix": "lib/reveal.js",
    "require_js_url": "lib/requirejs/require.js",
    "jquery_url": "lib/jquery/dist/jquery.min.js",
}
"""What a deck loads, from beside it where `make wheelhouse` has brought it."""


def main() -> None:
    """Write the decks into the folder given."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"exclude_input_prompt": True, "exclude_output_prompt": True}
    if CARRIED.is_dir():
        shutil.copytree(CARRIED, out / "lib", dirs_exist_ok=True)
        options |= URLS
    for source in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        body, _ = SlidesExporter(**options).from_notebook_node(deck(source))  # type: ignore[no-untyped-call]
        page = out / f"{source.stem}.slides.html"
        page.write_text(body, encoding="utf-8")
        sys.stdout.write(f"{page}\n")


def deck(source: Path) -> Any:
    """Return a notebook whose cells say what they are on a slide; stderr is left out."""
    executed = ROOT / "build" / "notebooks" / source.name
    newer = executed.is_file() and executed.stat().st_mtime >= source.stat().st_mtime
    notebook: Any = nbformat.read(executed if newer else source, as_version=4)  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        cell.metadata["slideshow"] = {"slide_type": kind_of(cell)}
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    return notebook


def kind_of(cell: Any) -> str:
    """Return whether a cell begins a slide, comes on its own step, or is not shown."""
    tags = cell.metadata.get("tags", [])
    if {"parameters", "injected-parameters", "solution"} & set(tags):
        return "skip"
    if cell.cell_type == "markdown" and cell.source.startswith(("# ", "## ")):
        return "slide"
    return "fragment"


if __name__ == "__main__":
    main()
