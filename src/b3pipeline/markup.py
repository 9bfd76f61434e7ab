"""The HTML that values show of themselves in a notebook: tables, every text escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LEFT, RIGHT = "text-align:left", "text-align:right;white-space:nowrap"


def facts_table(facts: Mapping[str, Any]) -> str:
    """Return names and values as a two-column table, a row each."""
    rows = (f"<tr>{cell(name, tag='th')}{cell(str(value))}</tr>" for name, value in facts.items())
    return f"<table>{''.join(rows)}</table>"


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    figures: int = 0,
    total: Sequence[str] = (),
    caption: str = "",
) -> str:
    """Return rows of text as a table under a head, which may be empty.

    The last `figures` columns hold figures and stand at the right; `total` is a last row that
    counts as a head. A cell that is `Marked` carries its own mark-up.
    """

    def row(cells: Sequence[str], tag: str) -> str:
        words = len(cells) - figures
        texts = (
            cell(text, tag=tag, style=LEFT if place < words else RIGHT)
            for place, text in enumerate(cells)
        )
        return f"<tr>{''.join(texts)}</tr>"

    said = f"<caption style='{LEFT}'>{html.escape(caption)}</caption>" if caption else ""
    top = f"<thead>{row(head, 'th')}</thead>" if head else ""
    body = "".join(row(cells, "td") for cells in rows)
    last = row(total, "th") if total else ""
    return f"<table>{said}{top}<tbody>{body}{last}</tbody></table>"


class Marked(str):
    """Text that is HTML already."""


def mark(sign: str, colour: str) -> Marked:
    """Return a sign such as ✔ in bold and in a colour."""
    return Marked(f"<b style='color:{colour}'>{html.escape(sign)}</b>")


def cell(text: str, *, tag: str = "td", style: str = LEFT) -> str:
    """Return one cell of a table; its text is escaped unless it is `Marked`."""
    inside = text if isinstance(text, Marked) else html.escape(text)
    return f"<{tag} style='{style}'>{inside}</{tag}>"
