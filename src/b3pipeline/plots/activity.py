"""Plots of what was traded, when, and what is missing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from b3pipeline.language import say, say_many, shown
from b3pipeline.plots import style
from b3pipeline.plots.style import BLUE, GREY, INK, SKY, VERMILION


def volume(frame: pd.DataFrame, *, simulated: bool = False) -> Axes:
    """Return Axes with a bar a ticker: the shares traded on a mean session, in millions.

    `frame` is what the query `volume_and_moves` returns; trade_date, ticker and total_volume are
    drawn.
    """
    wanted = ["trade_date", "ticker", "total_volume"]
    data = style.require(frame, wanted, say("the query {name}", name="volume_and_moves"))
    mean = (data.groupby("ticker")["total_volume"].mean() / 1e6).sort_values()
    ax = style.new_axes(height=1.5 + 0.3 * len(mean))
    colours = [BLUE if ticker == mean.index[-1] else SKY for ticker in mean.index]
    ax.barh(mean.index, mean, color=colours, height=0.68)
    for row, value in enumerate(mean):
        ax.annotate(
            shown(value, ",.1f"), (value, row), xytext=(5, 0),
            textcoords="offset points", va="center", fontsize=10, color=INK,
        )  # fmt: skip
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.margins(y=0.02)
    ax.set_xlabel(say("million shares a session, {span}", span=style.span(data["trade_date"])))
    ax.set_ylabel(say("ticker"))
    finding = say(
        "{ticker} trades most: {millions:,.1f} million shares a session",
        ticker=mean.index[-1],
        millions=mean.iloc[-1],
    )
    words = [(say("mean of all sessions"), INK)]
    style.state_finding(ax, finding, words, simulated=simulated)
    return ax


def volume_against_moves(frame: pd.DataFrame, *, simulated: bool = False) -> Axes:
    """Return Axes with a point a session and ticker: its move in % against its volume.

    `frame` is what the query `volume_and_moves` returns; ticker, relative_volume and
    absolute_return are drawn. Volume is in multiples of the share's own mean, on a logarithmic
    axis; the line is the median of ten groups of equal size.
    """
    wanted = ["ticker", "relative_volume", "absolute_return"]
    query = say("the query {name}", name="volume_and_moves")
    data = style.require(frame, wanted, query).dropna()
    data = data[data["relative_volume"] > 0]
    ax = style.new_axes()
    faint = float(np.clip(350 / len(data), 0.06, 0.4))
    ax.scatter(data["absolute_return"], data["relative_volume"], s=9, color=BLUE, alpha=faint, lw=0)
    ax.set_yscale("log", base=2)
    ax.axhline(1, color=GREY, lw=0.8)
    groups = pd.qcut(data["absolute_return"], min(10, len(data)), duplicates="drop")
    middle = data.groupby(groups, observed=True)[["absolute_return", "relative_volume"]].median()
    ax.plot(middle["absolute_return"], middle["relative_volume"], "o-", color=VERMILION, ms=5)
    ax.yaxis.set_major_formatter(lambda y, _: f"{shown(y, 'g')}×")
    ax.xaxis.set_major_formatter(lambda x, _: style.percent(x, 0, signed=False))
    ax.set_xlim(left=0)
    ax.set_xlabel(say("size of the session's price move, %"))
    ax.set_ylabel(say("volume, multiples of the share's mean"))
    together = np.corrcoef(np.log(data["relative_volume"]), data["absolute_return"])[0, 1]
    words = [(say("one session of one share"), BLUE)]
    words += [(say("median of a tenth of them"), VERMILION)]
    style.state_finding(ax, _volume_finding(float(together)), words, simulated=simulated)
    return ax


def _volume_finding(together: float) -> str:
    value = shown(together, "+.2f").replace("-", "\N{MINUS SIGN}")
    if together > 0.1:
        return say("Large moves come with heavy trading: correlation {value}", value=value)
    if together < -0.1:
        return say("Large moves come with thin trading: correlation {value}", value=value)
    return say("Volume says little about the size of a move: correlation {value}", value=value)


def gaps(frame: pd.DataFrame, *, simulated: bool = False) -> Axes:
    """Return Axes with a bar a distance: how many quotes came so many calendar days after the last.

    `frame` is what the query `gaps` returns: trade_date, ticker, days_since_previous,
    missed_sessions. Quotes that follow a missed session are coloured apart.
    """
    wanted = ["trade_date", "ticker", "days_since_previous", "missed_sessions"]
    data = style.require(frame, wanted, say("the query {name}", name="gaps")).dropna()
    missed = data["missed_sessions"] > 0
    days = data["days_since_previous"].astype(int)
    usual, after_gap = days[~missed].value_counts(), days[missed].value_counts()
    places = sorted(days.unique())
    bottom = usual.reindex(places, fill_value=0)
    top = after_gap.reindex(places, fill_value=0)
    names = [str(place) for place in places]
    ax = style.new_axes(height=3.6)
    ax.bar(names, bottom, color=SKY, width=0.7)
    ax.bar(names, top, bottom=bottom, color=VERMILION, width=0.7)
    for name, total, gone in zip(names, bottom + top, top, strict=True):
        some = 0 < gone < total
        ax.annotate(
            shown(total, ",") + (f" ({shown(gone, ',')})" if some else ""), (name, total),
            xytext=(0, 3), textcoords="offset points", ha="center", fontsize=10,
            color=VERMILION if gone else INK, weight="bold" if gone else "normal",
        )  # fmt: skip
    ax.margins(y=0.14)
    ax.set_xlabel(say("calendar days since the share's previous quote"))
    ax.set_ylabel(say("quotes"))
    ax.yaxis.set_major_formatter(lambda y, _: shown(y, ",.0f"))
    words = [(say("no session missed"), BLUE)]
    words += [(say("after a missed one (in brackets)"), VERMILION)]
    style.state_finding(ax, _gap_finding(data[missed]), words, simulated=simulated)
    return ax


def _gap_finding(missed: pd.DataFrame) -> str:
    if missed.empty:
        return say("No session was missed: all gaps are weekends and holidays")
    longest_row: Any = missed.loc[missed["missed_sessions"].idxmax()]
    return say_many(
        "Longest gap: {ticker} missed {count:,} session before {day:%-d %b %Y}",
        "Longest gap: {ticker} missed {count:,} sessions before {day:%-d %b %Y}",
        int(longest_row["missed_sessions"]),
        ticker=longest_row["ticker"],
        day=longest_row["trade_date"],
    )


def completeness(
    frame: pd.DataFrame,
    *,
    sessions: Sequence[Any] | None = None,
    tickers: Sequence[str] | None = None,
    settled: Collection[tuple[str, str]] = (),
    simulated: bool = False,
) -> Axes:
    """Return Axes with a cell a session and ticker: there, without a trade, or missing.

    `frame` is what the query `partition_counts` returns: dt, ticker, bars. `sessions` and
    `tickers` are what there should be; what the frame itself knows, where they are not given.
    `settled` are the (ticker, dt) of sessions on which a ticker was not traded: not missing.
    """
    query = say("the query {name}", name="partition_counts")
    data = style.require(frame, ["dt", "ticker", "bars"], query)
    table = style.wide(data, "bars", "dt").fillna(0)
    rows = sorted(set(table.columns) | set(tickers or ()))
    expected = pd.DatetimeIndex(pd.to_datetime(list(sessions))) if sessions is not None else None
    columns = table.index if expected is None else table.index.union(expected)
    held = table.reindex(index=columns, columns=rows, fill_value=0).T > 0
    told, days = set(settled), [str(day)[:10] for day in held.columns]
    silent = [[(ticker, day) in told for day in days] for ticker in rows]
    quiet = pd.DataFrame(silent, index=held.index, columns=held.columns) & ~held
    ax = style.new_axes(height=1.6 + 0.24 * len(rows))
    colours = ListedColormap([VERMILION, GREY, SKY])
    state = held.astype(float) * 2 + quiet.astype(float)
    style.heat_map(ax, state, colours=colours, limits=(0, 2), text=None)
    # Among hundreds of sessions a cell is narrower than a pixel: a hole stays visible as a line.
    for cells, colour in ((~held & ~quiet, VERMILION), (quiet, GREY)):
        row, session = np.nonzero(cells.to_numpy())
        ax.vlines(session, row - 0.46, row + 0.46, color=colour, lw=1.2)
    ax.set_yticks(range(len(rows)), rows)
    style.session_ticks(ax, pd.DatetimeIndex(held.columns))
    ax.set_ylabel(say("ticker"))
    words = [(say("a partition is there"), BLUE), (say("missing"), VERMILION)]
    words += [(say("not traded"), INK)] if quiet.to_numpy().any() else []
    style.state_finding(ax, _completeness_finding(held | quiet), words, simulated=simulated)
    return ax


def _completeness_finding(held: pd.DataFrame) -> str:
    gone = (~held).sum(axis=1).sort_values(ascending=False)
    if gone.iloc[0] == 0:
        return say_many(
            "Complete: all {partitions:,} partitions of {count:,} ticker",
            "Complete: all {partitions:,} partitions of {count:,} tickers",
            len(held),
            partitions=held.size,
        )
    return say(
        "Missing: {gone:,} of {partitions:,} partitions, {count:,} of them of {ticker}",
        gone=int(gone.sum()),
        partitions=held.size,
        count=int(gone.iloc[0]),
        ticker=gone.index[0],
    )
