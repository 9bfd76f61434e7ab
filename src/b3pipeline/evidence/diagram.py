"""The architecture as a drawing of our own: SVG, green and red as the evidence is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from html import escape

from b3pipeline.language import later, say

WIDTH, HEIGHT = 960, 400
INK, MUTED, GOOD, BAD = "#1c2430", "#5b6675", "#006d4e", "#b3261e"


@dataclass(frozen=True)
class Box:
    """A part of the pipeline: where it stands, its two lines, the requirements that it keeps."""

    x: int
    y: int
    title: str
    what: str
    keeps: tuple[str, ...]
    width: int = 200
    height: int = 92

    @property
    def middle(self) -> tuple[int, int]:
        return self.x + self.width // 2, self.y + self.height // 2


_BOXES = {
    "source": Box(20, 40, later("Quotes"), "b3 ingest", ("R1",)),
    "bronze": Box(262, 40, "S3 raw/", "dt=…/ticker=…/*.parquet", ("R2",)),
    "event": Box(504, 40, later("S3 event"), "raw/b3/_batches/*.json", ("R3",)),
    "lambda": Box(740, 40, "Lambda", "start_glue_job", ("R4",)),
    "job": Box(740, 250, later("Glue job"), "PySpark, refine_job", ("R5",)),
    "silver": Box(504, 250, "S3 refined/", "dt=…/ticker=…/*.parquet", ("R6",)),
    "catalog": Box(262, 250, "Data Catalog", "b3_daily_quotes_refined", ("R7",)),
    "athena": Box(20, 250, "Athena", later("SQL, plots"), ("R8", "R9")),
}
_ARROWS = (
    ("source", "bronze", later("objects")),
    ("bronze", "event", later("manifest")),
    ("event", "lambda", ""),
    ("lambda", "job", later("one run a batch")),
    ("job", "silver", ""),
    ("silver", "catalog", later("partitions")),
    ("catalog", "athena", ""),
)


def diagram(broken: Collection[str] = ()) -> str:
    """Return the drawing as SVG; a part whose requirement is among `broken` is red."""
    parts = [_arrow(*arrow) for arrow in _ARROWS]
    parts += [_box(box, any(name in broken for name in box.keeps)) for box in _BOXES.values()]
    title = escape(say("Architecture of the pipeline"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{title}" font-family="system-ui, DejaVu Sans, sans-serif">'
        f"<title>{title}</title>"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        f'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="{MUTED}"/></marker></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _box(box: Box, is_broken: bool) -> str:
    colour = BAD if is_broken else GOOD
    sign = "✘" if is_broken else "✔"
    names = f"{sign} {' '.join(box.keeps)}"
    x, right = box.x + 14, box.x + box.width - 12
    title, what = escape(say(box.title)), escape(say(box.what))
    return (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6" '
        f'fill="#f5f7f9" stroke="{colour}" stroke-width="2"/>'
        f'<text x="{right}" y="{box.y + 22}" font-size="13" font-weight="600" fill="{colour}" '
        f'text-anchor="end">{names}</text>'
        f'<text x="{x}" y="{box.y + 48}" font-size="17" font-weight="600" fill="{INK}">'
        f"{title}</text>"
        f'<text x="{x}" y="{box.y + 74}" font-size="13" fill="{MUTED}">{what}</text>'
    )


def _arrow(start: str, end: str, words: str) -> str:
    a, b = _BOXES[start], _BOXES[end]
    if a.y == b.y:
        leads_right = b.x > a.x
        x1, x2 = (a.x + a.width, b.x - 3) if leads_right else (a.x, b.x + b.width + 3)
        y1 = y2 = a.middle[1]
        at, anchor = ((x1 + x2) // 2, min(a.y, b.y) + a.height + 18), "middle"
    else:
        x1 = x2 = a.middle[0]
        y1, y2 = a.y + a.height, b.y - 3
        at, anchor = (x1 - 10, (y1 + y2) // 2 + 5), "end"
    label = (
        f'<text x="{at[0]}" y="{at[1]}" font-size="13" fill="{MUTED}" text-anchor="{anchor}">'
        f"{escape(say(words))}</text>"
        if words
        else ""
    )
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{MUTED}" stroke-width="2" '
        f'marker-end="url(#tip)"/>{label}'
    )
