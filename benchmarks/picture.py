"""Draws docs/images/performance.svg: the figures that docs/performance.md leads with.

Run: .venv/bin/python benchmarks/picture.py       prints the text that stands in for the picture

It draws what figures.json holds. The background is white, so that it reads on a dark page as well.
The text is kept in the picture, too: by it a test sees a picture that was not drawn anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from figures import FILE
from matplotlib.axes import Axes
from matplotlib.text import Text

from b3pipeline.plots.style import BLUE, GREY, INK, PALE, STYLE, VERMILION, WIDTH

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "performance.svg"

Bars = list[tuple[str, float, str]]
"""What each bar is, how many seconds long, and in which colour."""


def panels(figures: dict[str, Any]) -> list[tuple[str, Bars]]:
    """Return the three panels from above to below: what each shows in a sentence, and its bars."""
    session, rebuild = figures["one session"]["seconds"], figures["rebuild"]["seconds"]
    notebooks = by_notebook(figures["course"]["seconds"])
    standby, cold = session["from the standby"], session["cold"]
    plain, job = rebuild["plain Spark by S3A, committer 2: fair"], rebuild["the job: --rebuild"]
    return [
        (
            f"The course: {len(notebooks)} notebooks in {figures['course']['whole']:.0f} s",
            [(name, seconds, BLUE) for name, seconds in notebooks.items()],
        ),
        (
            f"A run of one session: {cold / standby:.1f} times quicker from the standby",
            [("from the standby", standby, BLUE), ("a cold start", cold, PALE)],
        ),
        (
            f"A rebuild of {figures['rebuild']['partitions']:,} partitions: "
            f"{plain / job:.0f} times faster than plain Spark",
            [
                ("get and put alone", rebuild["get and put alone, 16 threads"], PALE),
                ("the job", job, BLUE),
                ("plain Spark on S3", plain, VERMILION),
            ],
        ),
    ]


def notes(figures: dict[str, Any]) -> list[str]:
    """Return how busy the machine was at each panel's figures."""
    loads = [figures[name]["load"] for name in ("course", "one session", "rebuild")]
    spans = [sorted({round(min(load)), round(max(load))}) for load in loads]
    return [f"2 cores, load {' to '.join(map(str, span))}" for span in spans]


def by_notebook(stages: dict[str, float]) -> dict[str, float]:
    """Return the seconds of each notebook, its kernel's start and its cells."""
    found: dict[str, float] = {}
    for stage, seconds in stages.items():
        name, is_notebook, _ = stage.partition(": ")
        if is_notebook and name[:2].isdigit():
            words = name[3:].removesuffix(".ipynb").replace("_", " ").capitalize()
            title = f"{name[:2]} {words}"
            found[title] = found.get(title, 0.0) + seconds
    return found


def alternative(figures: dict[str, Any]) -> str:
    """Return in words all that the picture shows."""
    parts = [
        f"{title} ({', '.join(f'{name} {written(seconds)}' for name, seconds, _ in bars)}; {note})"
        for (title, bars), note in zip(panels(figures), notes(figures), strict=True)
    ]
    return "Three bar charts. " + ". ".join(parts) + "."


def written(seconds: float) -> str:
    """Return seconds as the picture has them."""
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"


def draw(ax: Axes, title: str, bars: Bars, note: str) -> Text:
    """Draw one panel, its longest bar as long as it is wide; return its title."""
    places = range(len(bars))
    ax.barh(places, [seconds for _, seconds, _ in bars], color=[bar[2] for bar in bars], height=0.7)
    for place, (_, seconds, _) in zip(places, bars, strict=True):
        ax.annotate(
            written(seconds), (seconds, place), xytext=(5, 0), textcoords="offset points",
            va="center", color=INK,
        )  # fmt: skip
    ax.set_yticks(places, [name for name, _, _ in bars])
    ax.invert_yaxis()
    ax.set_xlim(0, 1.12 * max(seconds for _, seconds, _ in bars))
    ax.set_xticks([])
    ax.set_xlabel(note, loc="left", color=GREY)
    ax.grid(visible=False)
    ax.spines["bottom"].set_visible(False)
    ax.spines["left"].set_color(GREY)
    return ax.set_title(title, loc="left", fontweight="bold", fontsize=11.5)


def main() -> None:
    """Draw the picture and print its text."""
    figures = json.loads(FILE.read_text())
    shown = panels(figures)
    rows = [len(bars) for _, bars in shown]
    with plt.rc_context(STYLE | {"svg.hashsalt": "performance", "svg.fonttype": "path"}):
        figure, axes = plt.subplots(
            len(shown), 1, figsize=(WIDTH, 0.3 * sum(rows) + 0.75 * len(rows)),
            layout="constrained", height_ratios=rows,
        )  # fmt: skip
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.09)
        titles = [
            draw(ax, *panel, note)
            for ax, panel, note in zip(axes, shown, notes(figures), strict=True)
        ]
        figure.draw_without_rendering()  # the layout is settled: where the axes begin is known
        for ax, title in zip(axes, titles, strict=True):
            title.set_x((0.02 - ax.get_position().x0) / ax.get_position().width)
        PICTURE.parent.mkdir(exist_ok=True)
        text = alternative(figures)
        about = {"Date": None, "Title": "Performance", "Description": text}
        figure.savefig(PICTURE, metadata=about)
    print(text)


if __name__ == "__main__":
    main()
