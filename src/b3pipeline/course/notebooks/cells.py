"""The cells of an executed notebook as HTML that stands alone, its pictures within it."""

from __future__ import annotations

import base64
import html
import mimetypes
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag
from nbconvert.filters import Highlight2HTML, ansi2html, markdown2html

from b3pipeline.language import say, shown

_HEADINGS = ("h1", "h2", "h3", "h4")
# A progress bar as tqdm draws it, with or without a known total.
_BAR = re.compile(r"\d+%\|.*\||\d+(it|cell|B) \[[\d:]+, ")
# What a plotting call returns beside its picture; the picture says it all.
_REPR_OF_A_PLOT = re.compile(r"\[?<(Axes|Figure|matplotlib)[^>]*>")
_FIGURE = re.compile(
    r"[-+−–.,:%×\d\s()]*(\d[eE][-+]?\d+)?|nan|none|nat|<na>|true|false", re.IGNORECASE
)
_IMAGES = ("image/svg+xml", "image/png", "image/jpeg")
_WIDGET = "application/vnd.jupyter.widget-view+json"
_highlight = Highlight2HTML(pygments_lexer="python")  # type: ignore[no-untyped-call]
_ansi: Callable[[str], str] = ansi2html


@dataclass(frozen=True)
class Place:
    """Where a notebook stands in the page: its anchor, its folder, and the page's folder."""

    anchor: str
    folder: Path
    page_folder: Path


def markdown_html(source: str, attachments: dict[str, Any], place: Place) -> str:
    """Return a Markdown cell as HTML: headings with ids, pictures within, links that work."""
    soup = BeautifulSoup(markdown2html(source), "html.parser")
    for pilcrow in soup.select("a.anchor-link"):
        pilcrow.decompose()
    for heading in soup.find_all(_HEADINGS):
        heading["id"] = f"{place.anchor}-{slug(heading.get_text())}"
    for image in soup.find_all("img"):
        _embed_image(image, attachments, place)
    for link in soup.find_all("a", href=True):
        link["href"] = _link(str(link["href"]), place)
    return _boxed(soup)


def code_html(cell: Any) -> str:
    """Return a code cell's source, folded away under its first line."""
    lines = cell.source.strip().splitlines()
    seconds = cell.metadata.get("papermill", {}).get("duration") or 0.0
    time = f'<span class="time">{shown(seconds, ".1f")} s</span>' if seconds >= 0.5 else ""
    return (
        f'<details class="code"><summary><code>{html.escape(_first_line(lines))}</code>{time}'
        f"</summary>{_highlight(cell.source.strip())}</details>"
    )


def _first_line(lines: list[str]) -> str:
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    first = (code or lines or [""])[0]
    return first if len(lines) <= 1 else f"{first} …"


def output_html(output: Any, place: Place, caption: str) -> str:
    """Return one output of a cell as HTML, or nothing where it is noise.

    `caption` says in words what a picture belongs to, for those who do not see it.
    """
    if output.output_type == "stream":
        return _stream_html(output)
    if output.output_type == "error":
        return f'<pre class="error">{_ansi(chr(10).join(output.traceback))}</pre>'
    data = output.data
    if _WIDGET in data:
        return ""
    if "text/html" in data:
        shown_html = _boxed(BeautifulSoup(data["text/html"], "html.parser"))
        return f'<div class="output">{shown_html}</div>'
    for kind in _IMAGES:
        if kind in data:
            return _picture(kind, data[kind], output.metadata.get(kind, {}), caption)
    if "text/markdown" in data:
        return markdown_html(data["text/markdown"], {}, place)
    text = data.get("text/plain", "")
    if not text or _REPR_OF_A_PLOT.fullmatch(text.strip()):
        return ""
    return f"<pre>{html.escape(text)}</pre>"


def _stream_html(output: Any) -> str:
    lines = list(_settled_lines(output.text))
    if output.name == "stdout":
        text = "\n".join(lines).strip("\n")
        return f"<pre>{_ansi(text)}</pre>" if text else ""
    said = [line for line in lines if line.strip() and not _BAR.search(line)]
    if not said:
        return ""
    body = _ansi("\n".join(said))
    head = html.escape(say("messages"))
    return f'<details class="messages"><summary>{head}</summary><pre>{body}</pre></details>'


def _settled_lines(text: str) -> Iterable[str]:
    """Yield the lines as a terminal leaves them: after a carriage return a line starts anew."""
    for line in text.split("\n"):
        parts = [part for part in line.split("\r") if part]
        yield parts[-1] if parts else ""


def _picture(kind: str, payload: str, size: dict[str, Any], caption: str) -> str:
    if kind == "image/svg+xml":
        payload = base64.b64encode(payload.encode()).decode()
    width = f' width="{int(size["width"])}"' if "width" in size else ""
    source = f"data:{kind};base64,{''.join(payload.split())}"
    told = str(size.get("alt") or caption)
    return f'<figure><img src="{source}"{width} alt="{html.escape(told)}"></figure>'


def _embed_image(image: Tag, attachments: dict[str, Any], place: Place) -> None:
    """Put a picture's bytes into the page, or leave its words where they cannot be had."""
    source = str(image.get("src", ""))
    name = source.removeprefix("attachment:")
    if source.startswith("data:"):
        return
    if name in attachments:
        kind, payload = next(iter(attachments[name].items()))
        image["src"] = f"data:{kind};base64,{payload}"
        return
    path = place.folder / unquote(source)
    if not urlsplit(source).scheme and path.is_file():
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        image["src"] = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
        return
    image.replace_with(str(image.get("alt") or source))


def _link(target: str, place: Place) -> str:
    """Return where a notebook's link leads in the page: chapters within, files beside it."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return target
    if not parts.path:
        return f"#{place.anchor}-{slug(unquote(parts.fragment))}"
    if parts.path.endswith(".ipynb"):
        section = f"-{slug(unquote(parts.fragment))}" if parts.fragment else ""
        return f"#{Path(parts.path).stem}{section}"
    return os.path.relpath(place.folder / unquote(parts.path), place.page_folder)


def _boxed(soup: BeautifulSoup) -> str:
    """Return HTML with its tables in boxes that scroll, without the pictures of elsewhere."""
    for image in soup.find_all("img", src=True):
        if not str(image["src"]).startswith("data:"):
            image.decompose()
    for table in soup.find_all("table"):
        if table.find_parent("table") is None:
            _mark_words(table)
            table.wrap(soup.new_tag("div", attrs={"class": "scroll"}))
    return str(soup)


def _mark_words(table: Tag) -> None:
    """Mark the columns of a frame that hold words: those read better from the left."""
    if "dataframe" not in str(table.get("class", "")):
        return
    rows = [row.find_all(["th", "td"]) for row in table.find_all("tr")]
    width = max(map(len, rows), default=0)
    for column in range(width):
        cells = [row[column] for row in rows if len(row) == width]
        if any(cell.name == "td" and not _FIGURE.fullmatch(cell.get_text()) for cell in cells):
            for cell in cells:
                cell["class"] = "words"
                del cell["style"]


def slug(text: str) -> str:
    """Return a heading as an id: lower case, words joined by hyphens."""
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-")
