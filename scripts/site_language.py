"""A hook of MkDocs: a page speaks its language, and leads to its twin in the other one."""

from __future__ import annotations

import posixpath
import re
from typing import Any

PORTUGUESE = "pt-BR"
"""What the path of such a page has in it."""

LINKS = {"en": "In English", PORTUGUESE: "Em português"}
"""What a link to a page is called, by the language of that page."""

WORDS = {
    "Copied!": "Copiado!",
    "Copy to Clipboard": "Copiar para área de transferência",
    "Dark": "Escuro",
    "Light": "Claro",
    "Permanent link": "Link permanente",
}
"""What the theme does not translate itself: attributes and texts of elements."""


def language(place: str) -> str:
    """Return the language of the page at a place of the repository."""
    return PORTUGUESE if PORTUGUESE in place else "en"


def twin(place: str) -> str:
    """Return where the same page stands in the other language, if there is such a page."""
    folder, name = posixpath.split(place)
    if folder == "":  # README.md and README.pt-BR.md
        stem, end = posixpath.splitext(name)
        short = stem.removesuffix(f".{PORTUGUESE}")
        return f"{short}{end}" if short != stem else f"{stem}.{PORTUGUESE}{end}"
    if posixpath.basename(folder) == PORTUGUESE:
        return posixpath.join(posixpath.dirname(folder), name)
    return posixpath.join(folder, PORTUGUESE, name)


def on_page_content(html: str, *, page: Any, files: Any, **_: Any) -> str:
    """Return a page's text, its diagrams in a box that scrolls, with a link to its twin.

    Where the text has such a link already, none is added.
    """
    html = re.sub(r'<pre class="mermaid">.*?</pre>', box, html, flags=re.S)
    other = files.get_file_from_path(twin(page.file.src_uri))
    if other is None:
        return html
    address = posixpath.relpath(other.url, posixpath.dirname(page.file.url) or ".")
    if f'href="{address}"' in html:
        return html
    spoken = language(other.src_uri)
    link = f'<a href="{address}" hreflang="{spoken}" lang="{spoken}">{LINKS[spoken]}</a>'
    return html.replace("</h1>", f"</h1><p><em>{link}</em></p>", 1)


def box(diagram: re.Match[str]) -> str:
    """Return a diagram in a box that scrolls, by keys, too; one from left to right is wide."""
    kind = "diagram wide" if re.search(r"(?:graph|flowchart) LR", diagram[0]) else "diagram"
    return f'<div class="{kind}" tabindex="0">{diagram[0]}</div>'


def on_page_context(context: Any, *, page: Any, config: Any, **_: Any) -> Any:
    """Let the theme speak the language of the page that it is about to write."""
    config.theme["language"] = language(page.file.src_uri)
    return context


def on_post_page(output: str, *, page: Any, **_: Any) -> str:
    """Return a page with its own language, and with the words that the theme left in English."""
    if language(page.file.src_uri) == "en":
        return output
    for english, said in WORDS.items():
        output = re.sub(rf'(?<=="){english}(?=")|(?<=>){english}(?=<)', said, output)
    return output.replace('<html lang="pt"', f'<html lang="{PORTUGUESE}"', 1)
