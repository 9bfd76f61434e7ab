"""One page of all that the notebooks said: text, tables and plots, to be opened from disk."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from bs4 import BeautifulSoup
from markupsafe import Markup

from b3pipeline.course.notebooks.cells import Place, code_html, markdown_html, output_html
from b3pipeline.course.notebooks.runner import ExecutedNotebook
from b3pipeline.course.notebooks.sanitizer import harmless
from b3pipeline.language import LANGUAGES, language, say, say_many, shown
from b3pipeline.pages import resource, templates


@dataclass(frozen=True)
class Section:
    """A heading of the second level: where it stands, and its words."""

    anchor: str
    title: str


@dataclass(frozen=True)
class Chapter:
    """One notebook on the page."""

    anchor: str
    title: str
    sections: tuple[Section, ...]
    body: Markup
    seconds: float
    kernel_seconds: float
    cells: int
    plots: int


def report(
    executed: Sequence[ExecutedNotebook],
    out_html: Path | str,
    figures: Mapping[str, Any] | None = None,
    *,
    title: str = "",
    made_at: dt.datetime | None = None,
) -> Path:
    """Return the path of the page just written: every executed notebook, one after the other.

    `figures` are the run's own, shown first in their order: label to number or text. `made_at`
    is local time, now where it is not given. The page holds its pictures and styles within it
    and runs no script, so it opens from disk, without a network, on any width.
    """
    page = Path(out_html)
    page.parent.mkdir(parents=True, exist_ok=True)
    chapters = [_chapter(item, page.parent.resolve()) for item in executed]
    environment = templates(__package__)
    environment.filters |= {"figure": format_figure, "shown": shown}
    environment.globals |= {"say": say, "say_many": say_many}
    text = environment.get_template("page.html").render(
        title=title or say("The pipeline, from quotes to answers"),
        language=LANGUAGES[language()],
        style=Markup(resource(__package__, "report.css")),  # noqa: S704  # a file of the package
        chapters=chapters,
        figures=figures or {},
        seconds=sum(chapter.seconds for chapter in chapters),
        longest=max((chapter.seconds for chapter in chapters), default=1.0) or 1.0,
        made_at=made_at or dt.datetime.now().astimezone(),
    )
    page.write_text(text, encoding="utf-8")
    return page


def format_figure(value: object) -> str:
    """Return a figure as text: whole numbers with separators, others with one decimal."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return shown(value, "," if isinstance(value, int) else ",.1f")


def _chapter(item: ExecutedNotebook, page_folder: Path) -> Chapter:
    notebook: Any = nbformat.read(item.path, as_version=4)  # type: ignore[no-untyped-call]
    place = Place(item.name, item.source.parent, page_folder)
    soup = BeautifulSoup("\n".join(_pieces(notebook.cells, place)), "html.parser")
    _number_repeated_ids(soup)
    heading = soup.find("h1")
    title = heading.get_text() if heading else item.name
    sections = tuple(Section(str(h2["id"]), h2.get_text()) for h2 in soup.find_all("h2", id=True))
    return Chapter(
        anchor=item.name,
        title=title,
        sections=sections,
        body=Markup(harmless(str(soup))),  # noqa: S704  # an allow-list of what is left
        seconds=item.seconds,
        kernel_seconds=item.kernel_seconds,
        cells=item.cells,
        plots=len(soup.select("figure img")),
    )


def _number_repeated_ids(soup: BeautifulSoup) -> None:
    """Give headings of the same words an id each: the second becomes `…-2`."""
    seen: Counter[str] = Counter()
    for heading in soup.find_all(["h1", "h2", "h3", "h4"], id=True):
        name = str(heading["id"])
        seen[name] += 1
        if seen[name] > 1:
            heading["id"] = f"{name}-{seen[name]}"


def _pieces(cells: Sequence[Any], place: Place) -> Iterator[str]:
    """Yield the cells as HTML; papermill's own marks of an error are told by the error itself."""
    caption = place.anchor
    for cell in cells:
        if cell.cell_type == "markdown":
            text = markdown_html(cell.source, cell.get("attachments", {}), place)
            headings = BeautifulSoup(text, "html.parser").find_all(["h1", "h2", "h3"])
            caption = headings[-1].get_text() if headings else caption
            yield text
        elif cell.cell_type == "code" and cell.source.strip():
            yield code_html(cell)
            for output in cell.outputs:
                yield output_html(output, place, say("Plot: {heading}", heading=caption))
