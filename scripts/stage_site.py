"""Lays out what the site is made of in build/site-src, and writes the pages of the API.

The pages keep the places that they have in the repository, so that their links hold. Notebooks
come from build/notebooks, where `b3 tutorial` leaves the executed ones. A link to a file that is
no page leads to the repository where SITE_REPOSITORY names its address, else it is plain text.
What a notebook printed shows where the project lay only as seen from its folder, or from `~`.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
STAGE = ROOT / "build" / "site-src"
DRAWS = ROOT / ".venv-site" / "mermaid.min.js"
"""Draws the diagrams, where `make site` could fetch it; else it comes from another host."""
PAGES = ("README.md", "README.pt-BR.md", "CHANGELOG.md", "docs", "localaws/README.md")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#:]+)(#[^)]*)?\)")


def main() -> None:
    """Make build/site-src anew, with a configuration of MkDocs that holds its navigation."""
    shutil.rmtree(STAGE, ignore_errors=True)
    for name in PAGES:
        copy(ROOT / name, STAGE / name)
    for source in sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb")):
        place = source.relative_to(ROOT)
        executed = ROOT / "build" / place
        if not executed.exists() or executed.stat().st_mtime < source.stat().st_mtime:
            sys.exit(f"build/ has no {place} of today: run `b3 tutorial` in its language first.")
        stage_notebook(executed, STAGE / place)
    copy(ROOT / "scripts" / "site.css", STAGE / "assets" / "site.css")
    rooms = [*write_api("b3pipeline", ROOT / "src"), *write_api("localaws", ROOT / "localaws/src")]
    for page in STAGE.rglob("*.md"):
        text = LINK.sub(partial(link, page), page.read_text())
        page.write_text(text + (drawing(page) if "```mermaid" in text else ""))
    write_configuration(rooms)


def copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder's pages and pictures."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.lock"))
    else:
        shutil.copy(source, target)


def stage_notebook(source: Path, target: Path) -> None:
    """Copy a notebook; its text links to pages, which only Markdown gets from MkDocs itself."""
    notebook = json.loads(without_places(source.read_text()))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            cell["source"] = re.sub(r"(\]\([^):]+)\.(?:md|ipynb)\b", r"\1.html", text)
        for output in cell.get("outputs", []):
            stage_output(output)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(notebook))


def without_places(text: str) -> str:
    """Return a text whose paths do not tell where on its machine the project lay."""
    text = text.replace(f"{ROOT}/", "")
    text = re.sub(rf"{re.escape(str(ROOT))}(?![\w.-])", ".", text)
    return re.sub(rf"(?<![\w.]){re.escape(str(Path.home()))}(?=/)", "~", text)


def stage_output(output: dict[str, Any]) -> None:
    """Show progress as what it is, no error, and a plot with the text that tells what it shows."""
    if output.get("name") == "stderr":
        output["name"] = "stdout"
    told = output.get("metadata", {}).get("image/png", {}).get("alt")
    if told:  # nbconvert has no place for it
        image = "".join(output["data"].pop("image/png")).replace("\n", "")
        output["data"]["text/html"] = (
            f'<img alt="{html.escape(told)}" src="data:image/png;base64,{image}">'
        )


def drawing(page: Path) -> str:
    """Return what makes a page draw its diagrams without asking another host."""
    if not DRAWS.exists():
        return ""
    copy(DRAWS, STAGE / "assets" / DRAWS.name)
    place = os.path.relpath(STAGE / "assets" / DRAWS.name, page.parent)
    return f'\n<script src="{place}"></script>\n'


def write_api(package: str, source: Path) -> list[str]:
    """Write a page for each public module or room of a package; return their paths."""
    found = []
    for module in sorted((source / package).iterdir()):
        is_room = (module / "__init__.py").exists()
        if module.name.startswith("_") or not (is_room or module.suffix == ".py"):
            continue
        name = f"{package}.{module.stem}"
        parts = [f"::: {name}"]
        if is_room:
            below = sorted(module.glob("[!_]*.py"))
            parts += [f"::: {name}.{one.stem}" for one in below]
        found.append(f"api/{name}.md")
        page = STAGE / found[-1]
        page.parent.mkdir(exist_ok=True)
        page.write_text(f"# {name}\n\n" + "\n\n".join(parts) + "\n")
    return found


def link(page: Path, match: re.Match[str]) -> str:
    """Return a link of a page as the site has it."""
    text, target = match[1], match[2]
    if (page.parent / target).exists():
        return match[0]
    place = (page.parent / target).resolve().relative_to(STAGE)
    if not (ROOT / place).exists():
        sys.exit(f"{page.relative_to(STAGE)} links to {target}, and there is no such file.")
    repository = os.environ.get("SITE_REPOSITORY", "").rstrip("/")
    return f"[{text}]({repository}/blob/main/{place})" if repository else text


def write_configuration(rooms: list[str]) -> None:
    """Write build/mkdocs.yml: that of the repository, and the navigation."""
    navigation = [
        {"Start": "README.md"},
        {"Notebooks": pages("notebooks/*.ipynb")},
        {"Guide": [*pages("docs/*.md"), "localaws/README.md"]},
        {"Português": ["README.pt-BR.md", *pages("notebooks/pt-BR/*"), *pages("docs/pt-BR/*")]},
        {"Decisions": pages("docs/adr/*.md")},
        {"API": [{room.removeprefix("api/").removesuffix(".md"): room} for room in rooms]},
        {"Changes": "CHANGELOG.md"},
    ]
    text = yaml.safe_dump({"nav": navigation}, allow_unicode=True, sort_keys=False)
    (ROOT / "build" / "mkdocs.yml").write_text(
        f"INHERIT: ../mkdocs.yml\ndocs_dir: site-src\nsite_dir: site\n{text}"
    )


def pages(pattern: str) -> list[str]:
    """Return the staged pages that a pattern finds, in the order of their names."""
    return sorted(str(path.relative_to(STAGE)) for path in STAGE.glob(pattern))


if __name__ == "__main__":
    main()
