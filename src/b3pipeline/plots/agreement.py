"""Plots of two sources against each other."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from b3pipeline.language import say, say_many, shown
from b3pipeline.plots import style
from b3pipeline.plots.style import BLUE, GREEN, ORANGE, VERMILION
from b3pipeline.reconcile.factors import written

_PANELS = 8
"""Tickers that get a panel of their own, those with most to show first."""
_LEAST_HALF = 0.002
"""The y axis reaches at least so far, as a part of the ratio: rounding must not look like news."""
_ROOM = 1.35
_TITLE_CHARACTERS = 24


def reconciliation(frame: pd.DataFrame, *, simulated: bool = False) -> Axes:
    """Return the first Axes of a figure: the ratio source / bronze of closes over the sessions.

    `frame` is what `reconcile(…).frame` holds; ticker, trade_date, ratio, factor and state are
    drawn. A ticker whose factor changes, or which only one side has on some session, gets a panel
    of its own; all others share the last panel, where each ratio is divided by its ticker's
    factor. The title states what was found.
    """
    wanted = ["trade_date", "ticker", "ratio", "factor", "state"]
    data = style.require(frame, wanted, "reconcile").sort_values(["ticker", "trade_date"])
    news = _tickers_with_news(data)
    shown = news[:_PANELS]
    rest = data[~data["ticker"].isin(shown)]
    count = len(shown) + bool(len(rest))
    columns = 1 if count <= 2 else 2
    rows = math.ceil(count / columns)
    panels = style.new_panels(rows, columns, height=1.1 + (1.9 if rows > 1 else 2.6) * rows)
    for ax, ticker in zip(panels, shown, strict=False):
        _ticker_panel(ax, data[data["ticker"] == ticker], ticker)
    if len(rest):
        _rest_panel(panels[len(shown)], rest, changed=len(news) - len(shown), alone=not shown)
    for ax in panels[count:]:
        ax.set_visible(False)
    for ax in panels[max(count - columns, 0) : count]:
        style.label_dates(ax, data["trade_date"])
        ax.tick_params(labelbottom=True)
    style.state_finding(panels[0], _finding(data), _words(data), simulated=simulated)
    return panels[0]


def _tickers_with_news(data: pd.DataFrame) -> list[str]:
    """Return the tickers with a finding, breaks first, then missing sessions, then splits."""
    weights = data["state"].map({"break": 1e6, "split": 1.0, "equal": 0.0}).fillna(1e3)
    news = weights.groupby(data["ticker"]).sum().sort_values(ascending=False, kind="stable")
    return [str(ticker) for ticker, weight in news.items() if weight > 0]


def _ticker_panel(ax: Axes, data: pd.DataFrame, ticker: str) -> None:
    known = data.dropna(subset=["ratio"])
    for state, colour, line in (("split", GREEN, "-"), ("break", VERMILION, "--")):
        changes = known[known["state"] == state]
        for day in changes["trade_date"]:
            ax.axvline(day, color=colour, lw=1.1, ls=line)
        ax.plot(changes["trade_date"], changes["ratio"], "o", color=colour, ms=6)
    ax.plot(known["trade_date"], known["ratio"], ".", color=BLUE, ms=3)
    _fit(ax, known["ratio"])
    missing = data[data["ratio"].isna()]["trade_date"]
    ax.plot(
        missing, [0.06] * len(missing), "|", color=ORANGE, ms=11, mew=1.8,
        transform=ax.get_xaxis_transform(),
    )  # fmt: skip
    ax.set_title(f"{ticker}  {_told(known['factor'])}", fontsize=10.5, loc="left", pad=3)
    ax.set_ylabel(say("source / bronze"))


def _told(factors: pd.Series[float]) -> str:
    """Return the factors in their order, or how many changes there are."""
    runs = factors[factors.diff() != 0]
    told = say(", then ").join(written(value) for value in runs)
    if len(told) <= _TITLE_CHARACTERS:
        return told
    return say_many("{count:,} change of factor", "{count:,} changes of factor", len(runs) - 1)


def _rest_panel(ax: Axes, data: pd.DataFrame, *, changed: int, alone: bool) -> None:
    relative = (data["ratio"] / data["factor"]).where(data["ratio"].notna())
    ax.plot(data["trade_date"], relative, ".", color=BLUE, ms=3, alpha=0.5)
    _fit(ax, relative.dropna())
    count = data["ticker"].nunique()
    if not alone:
        others = str(data["ticker"].iloc[0])
        if count > 1:
            others = say_many("{count:,} other ticker", "{count:,} other tickers", count)
        told = say("no change")
        if changed:
            told = say_many("{count:,} with changes", "{count:,} with changes", changed)
        ax.set_title(f"{others}  {told}", fontsize=10.5, loc="left", pad=3)
    plain = bool((data["factor"].dropna() == 1).all())
    ax.set_ylabel(say("source / bronze") if plain else say("source / bronze / factor"))


def _fit(ax: Axes, values: pd.Series[Any]) -> None:
    """Give the y axis room around its values, and at least some per mille of them."""
    if values.empty:
        ax.set_yticks([])
        return
    middle = (values.min() + values.max()) / 2
    half = max((values.max() - values.min()) / 2 * _ROOM, _LEAST_HALF * middle)
    ax.set_ylim(middle - half, middle + half)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, ".5g")))
    ax.margins(x=0.02)


def _rows(data: pd.DataFrame) -> list[Any]:
    return list(data.itertuples(index=False))


def _words(data: pd.DataFrame) -> style.Words:
    state = data["state"]
    words = [(say("ratio of closes"), BLUE)]
    words += [(say("break"), VERMILION)] * bool((state == "break").any())
    words += [(say("split"), GREEN)] * bool((state == "split").any())
    words += [(say("only one side has it"), ORANGE)] * bool(data["ratio"].isna().any())
    return words


def _finding(data: pd.DataFrame) -> str:
    breaks = data[data["state"] == "break"]
    missing = data[data["ratio"].isna()]
    compared = len(data) - len(missing)
    found = []
    if len(breaks):
        found.append(_breaks(breaks))
    if len(missing):
        found.append(
            say_many(
                "{count:,} session that only one side has",
                "{count:,} sessions that only one side has",
                len(missing),
            )
        )
    if found:
        closes = say_many("{count:,} close compared", "{count:,} closes compared", compared)
        return "; ".join([*found, closes])
    return say_many(
        "Both agree: {count:,} closes, to the cent",
        "Both agree: {count:,} closes, to the cent",
        compared,
    )


def _breaks(breaks: pd.DataFrame) -> str:
    first = _rows(breaks)[0]
    if breaks["ticker"].nunique() > 1:
        return say("{breaks:,} breaks of the ratio", breaks=len(breaks))
    where = {"ticker": first.ticker, "day": first.trade_date}
    if len(breaks) == 1:
        return say("The ratio of {ticker} breaks on {day:%-d %b %Y}", **where)
    if len(breaks) == 2:
        return say("The ratio of {ticker} breaks twice, first on {day:%-d %b %Y}", **where)
    return say(
        "The ratio of {ticker} breaks {often:,} times, first on {day:%-d %b %Y}",
        often=len(breaks),
        **where,
    )
