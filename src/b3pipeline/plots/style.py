"""How every plot looks: size, colours, titles that state a finding, dates and units."""

from __future__ import annotations

import calendar
import datetime as dt
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import dates as mdates
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import Formatter, ScalarFormatter

from b3pipeline.errors import PlotError
from b3pipeline.language import numerals, say, shown

# Okabe and Ito's palette, told apart by colour-blind readers; its yellow is too pale for lines.
BLACK = "#000000"
BLUE = "#0072B2"
SKY = "#56B4E9"
GREEN = "#009E73"
ORANGE = "#E69F00"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#767676"
INK = "#333333"
PALE = "#C4C4C4"
HAIRLINE = "#E4E4E4"

DIVERGING = "RdBu"
SEQUENTIAL = "cividis"

WIDTH = 6.2
"""Inches. At a phone's width the text of a wider figure would shrink below what one can read."""

FONT = 10.5
"""Points."""

STYLE: dict[Any, Any] = {
    "figure.dpi": 130,
    "savefig.dpi": 130,
    "figure.facecolor": "white",
    "font.size": FONT,
    "axes.labelsize": FONT,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": HAIRLINE,
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": FONT - 0.5,
    "ytick.labelsize": FONT - 0.5,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
}

Words: TypeAlias = Sequence[tuple[str, str]]
"""Text in pieces, each with its colour: a legend that is read instead of looked up."""

_TITLE_CHARACTERS = 57
_RULED_COLUMNS = 70


def new_axes(*, height: float = 3.9) -> Axes:
    """Return new Axes in a figure of the usual width and of `height` inches."""
    return new_panels(1, 1, height=height)[0]


def new_panels(rows: int, columns: int, *, height: float, **options: Any) -> list[Axes]:
    """Return the Axes of a figure of panels, row by row, that share their x axis."""
    with plt.rc_context(STYLE):
        grid = plt.subplots(
            rows, columns, figsize=(WIDTH, height), sharex=True, squeeze=False,
            layout="constrained", FigureClass=_Described, **options,
        )[1]  # fmt: skip
        interactive = plt.isinteractive()
    if mpl.get_backend().endswith("inline"):
        # It draws a figure when it shows it; pyplot, at the end of the cell, once more before.
        plt.uninstall_repl_displayhook()
    # A notebook's first figure turns this on, so that figures show; leaving the style would
    # put it back to what it was, and no later figure would show.
    mpl.interactive(interactive)
    return list(grid.flat)


class _Described(Figure):
    """A figure whose label tells in words what is drawn: a notebook keeps it as the `alt` text."""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {"image/png": {"alt": str(self.get_label())}}

    def __repr__(self) -> str:
        """Return what any figure says of itself, for a notebook keeps that as well."""
        return super().__repr__().replace(type(self).__name__, Figure.__name__)


def require(frame: pd.DataFrame, columns: Sequence[str], query: str) -> pd.DataFrame:
    """Return a frame's `columns`, ready to draw: dates as datetime64, numbers as float64.

    Raises PlotError where the frame has no rows or lacks a column; `query` is what makes one.
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise PlotError(
            say("the frame lacks {columns}.", columns=", ".join(missing)),
            hint=say("draw what {query} returns.", query=query),
        )
    if frame.empty:
        raise PlotError(
            say("the frame has no rows to draw."),
            hint=say("widen the range of dates, or check that its partitions are registered."),
        )
    return pd.DataFrame({name: _drawable(frame[name]) for name in columns})


def _drawable(values: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
        return values.astype("float64")
    if str(values.name) in ("trade_date", "trade_month", "dt", "start", "end"):
        return pd.to_datetime(values)
    return values.astype(object)


def wide(frame: pd.DataFrame, values: str, index: str = "trade_date") -> pd.DataFrame:
    """Return a long frame as a wide one: a row a date, a column a ticker.

    Raises PlotError where a ticker has two rows of one date.
    """
    if (twice := frame.duplicated([index, "ticker"])).any():
        first = frame[twice].iloc[0]
        raise PlotError(
            say(
                "{ticker} has two rows of {day}.",
                ticker=first["ticker"],
                day=f"{first[index]!s:.10}",
            ),
            hint=say(
                'is there a second object in its partition? SELECT "$path" of its rows says where.'
            ),
        )
    return frame.pivot(index=index, columns="ticker", values=values).sort_index()


def state_finding(ax: Axes, finding: str, words: Words = (), *, simulated: bool = False) -> None:
    """Write above the figure what it shows, and in the line below what is drawn in which colour.

    Simulated data is called so before anything else is said. The figure's label says all of it.
    """
    parts = [say("Simulated data")] if simulated else []
    parts += [finding, *([", ".join(text for text, _ in words)] if words else [])]
    figure_of(ax).set_label(". ".join(parts))
    lines = textwrap.wrap(finding, _TITLE_CHARACTERS)
    below = "\n" if words or simulated else ""
    title = figure_of(ax).suptitle(
        "\n".join(lines) + below, x=0.012, ha="left", fontsize=13, weight="bold", color=BLACK
    )
    title.set_parse_math(False)
    _write_words(ax, title, words, simulated=simulated)


def _write_words(ax: Axes, title: Text, words: Words, *, simulated: bool) -> None:
    pieces = [(text, colour, "") for text, colour in words]
    if simulated:
        pieces.insert(0, (" " + say("Simulated data") + " ", "white", INK))
    anchor, at, gap = title, (0.0, 0.0), 0.0
    for text, colour, background in pieces:
        weight = "normal" if colour in (GREY, INK) else "bold"
        anchor = ax.annotate(
            text, xy=at, xycoords=anchor, xytext=(gap, 0), textcoords="offset points",
            color=colour, va="bottom", fontsize=FONT - 0.3,
            weight=weight, annotation_clip=False, in_layout=False, parse_math=False,
        )  # fmt: skip
        anchor.set_bbox({"facecolor": background or "none", "edgecolor": "none", "pad": 1.2})
        at, gap = (1.0, 0.0), 11.0


class Numbers(ScalarFormatter):
    """The plain ticks of an axis, in the language's form."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return numerals(super().__call__(x, pos))


class _Dates(mdates.ConciseDateFormatter):
    """Ticks of dates, their months named in the language of now."""

    def format_ticks(self, values: Any) -> list[str]:
        ticks = super().format_ticks(values)  # type: ignore[no-untyped-call]
        return [_MONTH.sub(_month, tick) for tick in ticks]


_MONTH = re.compile("|".join(calendar.month_abbr[1:]))
_DAYS_LABELLED = pd.Timedelta(days=90)
"""Over less than this the ticks are days."""


def _month(found: re.Match[str]) -> str:
    return shown(dt.date(2000, list(calendar.month_abbr).index(found[0]), 1), "%b")


def label_dates(ax: Axes, dates: pd.Series[Any] | pd.Index[Any], *, columns: int = 1) -> None:
    """Put readable dates on the x axis, and say which range of sessions is drawn.

    Of `columns` panels side by side each has room for fewer: a day takes more of it than a month.
    """
    days = pd.Timestamp(dates.max()) - pd.Timestamp(dates.min()) < _DAYS_LABELLED
    most = 8 // columns if days else 8
    fewest = min(3, most // 2)
    locator = mdates.AutoDateLocator(minticks=fewest, maxticks=most)  # type: ignore[no-untyped-call]
    formatter: Any = _Dates(locator, show_offset=False)  # type: ignore[no-untyped-call]
    formatter.formats = ["%Y", "%b", "%-d %b", "%H:%M", "%H:%M", "%S"]
    formatter.zero_formats = ["", "%b\n%Y", "%b", "%-d %b", "%H:%M", "%H:%M"]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(formatter)
    ax.set_xlabel(say("session, {span}", span=span(dates)))


def span(dates: pd.Series[Any] | pd.Index[Any]) -> str:
    """Return the range of some dates as text: 2 Jan to 28 Jun 2024."""
    first, last = pd.Timestamp(dates.min()), pd.Timestamp(dates.max())
    if first.year == last.year:
        return say("{first:%-d %b} to {last:%-d %b %Y}", first=first, last=last)
    return say("{first:%-d %b %Y} to {last:%-d %b %Y}", first=first, last=last)


def day(date: pd.Timestamp) -> str:
    """Return a date as a reader writes it: 2 Jan 2024."""
    return shown(date, "%-d %b %Y")


def percent(value: float, digits: int = 1, *, signed: bool = True) -> str:
    """Return a fraction as percent, its sign shown unless it is zero: +23.4%, −5.0%, 0%."""
    rounded = round(value * 100, digits) or 0.0
    sign = "+" if signed and rounded else ""
    return shown(rounded, f"{sign},.{digits}f").replace("-", "\N{MINUS SIGN}") + "%"


def percent_axis(ax: Axes, *, signed: bool = True) -> None:
    """Show the fractions of the y axis as percents, with the digits that its steps have."""
    ax.yaxis.set_major_formatter(_Percents(signed=signed))


class _Percents(Formatter):
    """Ticks of fractions as percents, all with the digits that the finest of them needs."""

    def __init__(self, *, signed: bool) -> None:
        self._signed = signed
        self._digits = 0

    def set_locs(self, locs: Any) -> None:
        percents = np.asarray(locs, dtype=float) * 100
        exact = (n for n in range(3) if np.allclose(percents, percents.round(n), rtol=0, atol=1e-6))
        self._digits = next(exact, 2)

    def __call__(self, x: float, pos: int | None = None) -> str:
        return percent(x, self._digits, signed=self._signed)


def label_ends(ax: Axes, ends: Mapping[str, tuple[Any, float, str, str]]) -> None:
    """Write each line's name at its right end, moved apart where the ends are close.

    `ends` maps a name to its last x, last y, label and colour.
    """
    figure = figure_of(ax)
    layout = figure.get_layout_engine()
    assert layout is not None  # noqa: S101  # new_panels gives each figure one
    layout.execute(figure)  # settled: heights are now real
    names = sorted(ends, key=lambda name: ends[name][1])
    low, high = ax.get_ylim()
    height = ax.get_window_extent().height / figure.dpi * 72
    gap = 13.5 / height * (high - low)
    places = spread([ends[name][1] for name in names], gap, low, high)
    for name, place in zip(names, places, strict=True):
        x, y, label, colour = ends[name]
        ax.annotate(
            label, xy=(x, y), xycoords="data", xytext=(1.02, place),
            textcoords=ax.get_yaxis_transform(), color=colour, va="center", fontsize=FONT - 0.5,
            weight="bold" if colour not in (GREY, INK) else "normal", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": PALE, "lw": 0.7, "shrinkA": 1, "shrinkB": 1,
                        "relpos": (0, 0.5)},
        )  # fmt: skip


def spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return ascending `values` moved as little as needed so that neighbours are `gap` apart.

    Neighbours that would touch form a block around their mean; blocks stay within low and high.
    """
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([value])
        while len(blocks) > 1 and _overlap(blocks[-2], blocks[-1], gap, low, high):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return [place for block in blocks for place in _places(block, gap, low, high)]


def _places(block: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    length = gap * (len(block) - 1)
    start = min(max(sum(block) / len(block) - length / 2, low), max(high - length, low))
    return [start + gap * index for index in range(len(block))]


def _overlap(
    lower: Sequence[float], upper: Sequence[float], gap: float, low: float, high: float
) -> bool:
    return _places(upper, gap, low, high)[0] - _places(lower, gap, low, high)[-1] < gap


def ink_on(colour: Any) -> str:
    """Return black or white, whichever reads better on a colour of RGBA fractions."""
    red, green, blue = colour[:3]
    return BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"


def heat_map(
    ax: Axes,
    table: pd.DataFrame,
    *,
    colours: str | Colormap,
    limits: tuple[float, float],
    text: str | None,
) -> Any:
    """Draw a table as coloured cells, each with its value where `text` is a number's format."""
    values = table.to_numpy(dtype=float)
    low, high = limits
    image = ax.imshow(
        values, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest"
    )
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.hlines(np.arange(1, table.shape[0]) - 0.5, -0.5, table.shape[1] - 0.5, "white", lw=1.5)
    if table.shape[1] <= _RULED_COLUMNS:
        width = 1.5 if table.shape[1] <= 30 else 0.5
        ax.vlines(np.arange(1, table.shape[1]) - 0.5, -0.5, table.shape[0] - 0.5, "white", lw=width)
    if text is not None:
        _write_cells(ax, table, image, text)
    return image


def _write_cells(ax: Axes, table: pd.DataFrame, image: Any, text: str) -> None:
    size = 9.5 if table.shape[1] <= 12 else 7.0
    for (row, column), value in np.ndenumerate(table.to_numpy(dtype=float)):
        if math.isfinite(value):
            tiny = float(format(value, text)) == 0  # and is written without its sign
            written = shown(0.0 if tiny else value, text).replace("-", "\N{MINUS SIGN}")
            ink = ink_on(image.cmap(image.norm(value)))
            ax.text(column, row, written, ha="center", va="center", fontsize=size, color=ink)


def session_ticks(ax: Axes, sessions: pd.DatetimeIndex, *, months_only: bool = False) -> None:
    """Name places 0, 1, … of the x axis by their sessions: months, or days in a short range."""
    months = pd.Series(range(len(sessions)), sessions).groupby(sessions.to_period("M")).first()
    if months_only or len(months) > 2:
        step = -(-len(months) // 13)
        places = list(months)[::step]
        names = [_month_name(sessions, place, places) for place in places]
    else:
        places = list(range(0, len(sessions), -(-len(sessions) // 8)))
        names = [shown(sessions[place], "%-d %b") for place in places]
    ax.set_xticks(places, names)
    ax.set_xlabel(say("session, {span}", span=span(sessions)))


def _month_name(sessions: pd.DatetimeIndex, place: int, places: Sequence[int]) -> str:
    year = sessions[place].year
    before = [sessions[other].year for other in places if other < place]
    starts_year = sessions[-1].year != sessions[0].year and (not before or before[-1] != year)
    return shown(sessions[place], "%b\n%Y" if starts_year else "%b")


def figure_of(ax: Axes) -> Figure:
    """Return the whole figure that some Axes belong to."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # noqa: S101  # Axes are made within a figure
    return figure
