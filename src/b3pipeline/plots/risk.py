"""Plots of risk: falls from the highest point, volatility, and what moves together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from b3pipeline.errors import PlotError
from b3pipeline.language import later, say
from b3pipeline.plots import style
from b3pipeline.plots.style import BLUE, GREY, INK, PALE, VERMILION

NO_SECTOR = "other"
SECTORS = {
    "oil": later("oil"),
    "metals": later("metals"),
    "pulp": later("pulp"),
    "banks": later("banks"),
    "utilities": later("utilities"),
}
"""How the sectors are called on a plot; another one is called by its own name."""


def drawdown(frame: pd.DataFrame, *, simulated: bool = False) -> Axes:
    """Return Axes with how far each share stood below its highest close so far, in %.

    `frame` is what the query `drawdown` returns: trade_date, ticker, drawdown. The share that
    fell deepest is filled.
    """
    wanted = ["trade_date", "ticker", "drawdown"]
    data = style.require(frame, wanted, say("the query {name}", name="drawdown"))
    falls = style.wide(data, "drawdown")
    lowest = falls.min().sort_values()
    deepest, mildest = lowest.index[0], lowest.index[-1]
    when = falls[deepest].idxmin()
    ax = style.new_axes(height=max(3.9, 1.3 + 0.2 * len(lowest)))
    for ticker in falls.columns.drop(deepest):
        is_mildest = ticker == mildest
        ax.plot(falls.index, falls[ticker], color=BLUE if is_mildest else PALE,
                lw=1.8 if is_mildest else 1.0)  # fmt: skip
    ax.fill_between(falls.index, falls[deepest], 0, color=VERMILION, alpha=0.18, lw=0)
    ax.plot(falls.index, falls[deepest], color=VERMILION)
    ax.plot([when], [lowest.iloc[0]], "o", color=VERMILION, ms=5)
    ax.set_ylim(min(lowest.iloc[0] * 1.08, -0.001), 0)
    ax.margins(x=0)
    ax.set_ylabel(say("below the highest close so far, %"))
    style.percent_axis(ax)
    style.label_dates(ax, data["trade_date"])
    fall = style.percent(-lowest.iloc[0], signed=False)
    finding = say(
        "{ticker} fell deepest: {fall} below its high on {day:%-d %b %Y}",
        ticker=deepest,
        fall=fall,
        day=when,
    )
    words = [(say("deepest fall"), VERMILION), (say("mildest"), BLUE), (say("the others"), GREY)]
    style.label_ends(ax, _ends(falls, {str(deepest): VERMILION, str(mildest): BLUE}))
    style.state_finding(ax, finding, words[: len(lowest)], simulated=simulated)
    return ax


def rolling_volatility(frame: pd.DataFrame, *, simulated: bool = False) -> Axes:
    """Return Axes with each share's volatility over its last 21 sessions, in % a year.

    `frame` is what the query `rolling_volatility` returns: trade_date, ticker, volatility, null
    until 21 returns exist. The shares with the highest and the lowest mean are coloured.
    """
    wanted = ["trade_date", "ticker", "volatility"]
    query = say("the query {name}", name="rolling_volatility")
    data = style.require(frame, wanted, query).dropna()
    if data.empty:
        raise PlotError(
            say("every volatility is null."),
            hint=say("ask for 22 sessions or more: 21 returns make the first."),
        )
    lines = style.wide(data, "volatility")
    mean = lines.mean().sort_values()
    wildest, calmest = mean.index[-1], mean.index[0]
    colours = {str(calmest): BLUE, str(wildest): VERMILION}
    ax = style.new_axes(height=max(3.9, 1.3 + 0.2 * len(mean)))
    for ticker in lines:
        ax.plot(lines.index, lines[ticker], color=colours.get(str(ticker), PALE),
                lw=1.9 if ticker in colours else 1.0)  # fmt: skip
    ax.set_ylim(bottom=0)
    ax.margins(x=0)
    ax.set_ylabel(say("volatility of 21 sessions, % a year"))
    style.percent_axis(ax, signed=False)
    style.label_dates(ax, data["trade_date"])
    finding = _swings(mean)
    words = [(say("highest mean"), VERMILION), (say("lowest mean"), BLUE)]
    words += [(say("the others"), GREY)]
    style.label_ends(ax, _ends(lines, colours))
    style.state_finding(ax, finding, words[: len(mean)], simulated=simulated)
    return ax


def _swings(mean: pd.Series[float]) -> str:
    high, low = (style.percent(mean.iloc[place], 0, signed=False) for place in (-1, 0))
    if len(mean) == 1:
        return say("{ticker} swings most: {high} a year", ticker=mean.index[-1], high=high)
    return say(
        "{ticker} swings most: {high} a year; {calmest} least: {low}",
        ticker=mean.index[-1],
        high=high,
        calmest=mean.index[0],
        low=low,
    )


def _ends(
    lines: pd.DataFrame, colours: Mapping[str, str]
) -> dict[str, tuple[Any, float, str, str]]:
    last = lines.ffill().iloc[-1].dropna()
    return {
        str(ticker): (lines.index[-1], float(value), str(ticker), colours.get(str(ticker), GREY))
        for ticker, value in last.items()
    }


def correlation(
    frame: pd.DataFrame,
    *,
    sectors: Mapping[str, str] | None = None,
    simulated: bool = False,
) -> Axes:
    """Return Axes with the correlation of every two shares' daily returns, from -1 to 1.

    `frame` is what the query `correlation` returns: ticker_a, ticker_b, correlation. With
    `sectors` (ticker to sector) shares of one sector stand together and are framed, those of
    sector "other" or none come last; without, shares that correlate alike stand together.
    """
    wanted = ["ticker_a", "ticker_b", "correlation"]
    data = style.require(frame, wanted, say("the query {name}", name="correlation"))
    table = data.pivot(index="ticker_a", columns="ticker_b", values="correlation")
    order = _sector_order(table, sectors) if sectors else _similarity_order(table)
    table = table.loc[order, order]
    pairs = table.where(np.tril(np.ones(table.shape, dtype=bool), k=-1))
    ax = style.new_axes(height=1.6 + 0.34 * len(order))
    image = style.heat_map(
        ax, pairs, colours=style.SEQUENTIAL,
        limits=(min(0.0, float(np.nanmin(pairs.to_numpy(), initial=0))),
                float(np.nanmax(pairs.to_numpy(), initial=0.1))),
        text=".2f" if len(order) <= 14 else None,
    )  # fmt: skip
    label = say("correlation of daily returns")
    figure, form = style.figure_of(ax), style.Numbers()
    figure.colorbar(image, ax=ax, shrink=0.7, label=label, format=form)
    ax.set_xticks(range(len(order)), order, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(order)), order)
    if sectors:
        _frame_sectors(ax, [sectors.get(ticker, NO_SECTOR) for ticker in order])
    style.state_finding(ax, _pair_finding(pairs, sectors), simulated=simulated)
    return ax


def _sector_order(table: pd.DataFrame, sectors: Mapping[str, str]) -> list[str]:
    def place(ticker: str) -> tuple[bool, str, str]:
        sector = sectors.get(ticker, NO_SECTOR)
        return sector == NO_SECTOR, sector, ticker

    return sorted(table.index, key=place)


def _similarity_order(table: pd.DataFrame) -> list[str]:
    """Return the tickers along the leading pattern of their correlations."""
    values = np.nan_to_num(table.to_numpy(dtype=float), nan=0.0)
    centred = values - values.mean()
    leading = np.linalg.eigh((centred + centred.T) / 2)[1][:, -1]
    return [str(table.index[index]) for index in np.argsort(leading)]


def _frame_sectors(ax: Axes, sectors: list[str]) -> None:
    """Frame each sector's block on the diagonal, and name it in the empty half beside."""
    start = 0
    for index in range(1, len(sectors) + 1):
        if index < len(sectors) and sectors[index] == sectors[start]:
            continue
        low, high = start - 0.5, index - 0.5
        if sectors[start] == NO_SECTOR:  # these have nothing in common
            break
        corners = [(low, low), (low, high), (high, high), (low, low)]
        ax.plot(*zip(*corners, strict=True), color=INK, lw=1.2, clip_on=False)
        name = say(SECTORS[sectors[start]]) if sectors[start] in SECTORS else sectors[start]
        ax.annotate(
            name, ((low + high) / 2, (low + high) / 2), xytext=(7, 5),
            textcoords="offset points", color=INK, fontsize=9.5, va="bottom",
        )  # fmt: skip
        start = index


def _pair_finding(pairs: pd.DataFrame, sectors: Mapping[str, str] | None) -> str:
    stacked: Any = pairs.rename_axis(index="a", columns="b").stack()
    known = stacked.rename("value").reset_index()
    if known.empty:
        return say("One share alone correlates with nothing")
    if sectors:
        sector = known["a"].map(sectors)
        same = (sector == known["b"].map(sectors)) & (sector != NO_SECTOR)
        if same.any() and not same.all():
            inside, across = known.loc[same, "value"].mean(), known.loc[~same, "value"].mean()
            return _sectors_finding(inside, across)
    top = known.loc[known["value"].idxmax()]
    return say(
        "{first} and {second} move together most: {value:.2f}",
        first=top["a"],
        second=top["b"],
        value=top["value"],
    )


def _sectors_finding(inside: float, across: float) -> str:
    figures = {"inside": inside, "across": across}
    if inside > across:
        return say(
            "Sectors move together: {inside:.2f} within them, {across:.2f} across", **figures
        )
    return say(
        "Sectors do not move together: {inside:.2f} within them, {across:.2f} across", **figures
    )
