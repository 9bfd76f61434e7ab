"""Plots of prices and returns: closes with their mean, growth, candles, months."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from b3pipeline.language import say, shown
from b3pipeline.plots import style
from b3pipeline.plots.style import BLACK, BLUE, GREY, INK, PALE, VERMILION


def closes_with_ma5(frame: pd.DataFrame, *, simulated: bool = False, columns: int = 2) -> Axes:
    """Return the first Axes of a figure with a panel a ticker: close and five-session mean, R$.

    `frame` is what the query `closes_with_ma5` returns: trade_date, ticker, close_price,
    close_ma_5. The figure's title says who gained and who lost most from first to last close.
    """
    wanted = ["trade_date", "ticker", "close_price", "close_ma_5"]
    data = style.require(
        frame, wanted, say("the query {name}", name="closes_with_ma5")
    ).sort_values("trade_date")
    tickers = sorted(data["ticker"].unique())
    columns = min(columns, len(tickers))
    rows = math.ceil(len(tickers) / columns)
    height = 0.9 + (1.5 if rows > 1 else 3.0) * rows
    panels = style.new_panels(rows, columns, height=height)
    for ax, ticker in zip(panels, tickers, strict=False):
        _close_panel(ax, data[data["ticker"] == ticker], str(ticker))
    for ax in panels[len(tickers) :]:
        ax.set_visible(False)
    for ax in panels[max(len(tickers) - columns, 0) : len(tickers)]:
        style.label_dates(ax, data["trade_date"], columns=columns)
        ax.set_xlabel("")
        ax.tick_params(labelbottom=True)
    words = [(say("close"), BLUE), (say("mean of five sessions"), VERMILION), ("R$", INK)]
    style.state_finding(
        panels[0],
        _gains(style.wide(data, "close_price")),
        [*words, (style.span(data["trade_date"]), INK)],
        simulated=simulated,
    )
    return panels[0]


def _close_panel(ax: Axes, data: pd.DataFrame, ticker: str) -> None:
    ax.plot(data["trade_date"], data["close_price"], color=BLUE, lw=1.1)
    ax.plot(data["trade_date"], data["close_ma_5"], color=VERMILION, lw=1.7)
    change = data["close_price"].iloc[-1] / data["close_price"].iloc[0] - 1
    ax.set_title(f"{ticker}  {style.percent(change)}", fontsize=10.5, loc="left", pad=3)
    ax.set_ylabel("R$")
    ax.yaxis.set_major_formatter(style.Numbers())
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.margins(x=0.02)


def _gains(closes: pd.DataFrame) -> str:
    change = closes.apply(lambda c: c.dropna().iloc[-1] / c.dropna().iloc[0] - 1).sort_values()
    best, worst = str(change.index[-1]), str(change.index[0])
    if len(change) == 1:
        return _moved(best, change.iloc[0])
    return say(
        "{best} did best, {gain}; {worst} worst, {loss}",
        best=best,
        gain=style.percent(change.iloc[-1]),
        worst=worst,
        loss=style.percent(change.iloc[0]),
    )


def _moved(ticker: str, change: float) -> str:
    size = style.percent(abs(change), signed=False)
    if change >= 0:
        return say("{ticker} gained {size}", ticker=ticker, size=size)
    return say("{ticker} lost {size}", ticker=ticker, size=size)


def cumulative_returns(frame: pd.DataFrame, *, simulated: bool = False) -> Axes:
    """Return Axes with the growth of each share and of the equal-weight basket, in %.

    `frame` is what the query `cumulative_return` returns: trade_date, ticker, cumulative_return,
    basket_return. The best and the worst share are coloured, the basket is black.
    """
    wanted = ["trade_date", "ticker", "cumulative_return", "basket_return"]
    data = style.require(frame, wanted, say("the query {name}", name="cumulative_return"))
    shares = style.wide(data, "cumulative_return")
    basket = data.groupby("trade_date")["basket_return"].first().sort_index()
    last = shares.ffill().iloc[-1].sort_values()
    best, worst = last.index[-1], last.index[0]
    colours = {worst: VERMILION, best: BLUE}
    ax = style.new_axes(height=max(4.2, 1.3 + 0.2 * len(last)))
    ax.axhline(0, color=GREY, lw=0.8)
    for ticker in shares:
        colour = colours.get(ticker, PALE)
        ax.plot(shares.index, shares[ticker], color=colour, lw=1.8 if ticker in colours else 1.0)
    ax.plot(basket.index, basket, color=BLACK, lw=2.4)
    ax.set_ylabel(say("return since the first session, %"))
    style.percent_axis(ax)
    style.label_dates(ax, data["trade_date"])
    ax.margins(x=0)
    others = [(say("best"), BLUE), (say("worst"), VERMILION), (say("the others"), GREY)]
    words = [(say("equal-weight basket"), BLACK), *others[: len(last)]]
    style.state_finding(ax, _growth(last, float(basket.iloc[-1])), words, simulated=simulated)
    ends = {
        str(name): (shares.index[-1], value, f"{name} {style.percent(value, 0)}",
                    colours.get(name, GREY))
        for name, value in last.items()
    }  # fmt: skip
    ends["basket"] = (
        basket.index[-1], basket.iloc[-1],
        say("basket {change}", change=style.percent(basket.iloc[-1], 0)), BLACK,
    )  # fmt: skip
    style.label_ends(ax, ends)
    return ax


def _growth(last: pd.Series[float], basket: float) -> str:
    if len(last) == 1:
        return _moved(str(last.index[0]), last.iloc[0])
    return say(
        "{best} made {gain}, {worst} {loss}, the basket {change}",
        best=last.index[-1],
        gain=style.percent(last.iloc[-1]),
        worst=last.index[0],
        loss=style.percent(last.iloc[0]),
        change=style.percent(basket),
    )


def candlestick(frame: pd.DataFrame, *, simulated: bool = False) -> Axes:
    """Return the upper Axes of a figure for one ticker: candles in R$ over volume in millions.

    `frame` is what the query `candles` returns: trade_date, ticker, open_price, high_price,
    low_price, close_price, total_volume. A hollow candle closed above its opening, a filled one
    below. Sessions stand side by side, without holes for weekends.
    """
    wanted = [
        "trade_date", "ticker", "open_price", "high_price", "low_price", "close_price",
        "total_volume",
    ]  # fmt: skip
    data = style.require(frame, wanted, say("the query {name}", name="candles")).sort_values(
        "trade_date"
    )
    upper, lower = style.new_panels(2, 1, height=4.8, height_ratios=[3, 1])
    rose = (data["close_price"] >= data["open_price"]).to_numpy()
    _candles(upper, data, rose)
    lower.bar(
        np.arange(len(data)), data["total_volume"] / 1e6, width=0.7,
        color=np.where(rose, style.SKY, VERMILION),
    )  # fmt: skip
    for ax in (upper, lower):
        ax.yaxis.set_major_formatter(style.Numbers())
    upper.set_ylabel(say("price, R$"))
    lower.set_ylabel(say("volume,\nmillion shares"))
    style.session_ticks(lower, pd.DatetimeIndex(data["trade_date"]))
    closes = data["close_price"]
    finding = say(
        "{moved}, between R$ {low:,.2f} and R$ {high:,.2f}",
        moved=_moved(data["ticker"].iloc[0], closes.iloc[-1] / closes.iloc[0] - 1),
        low=data["low_price"].min(),
        high=data["high_price"].max(),
    )
    words = [(say("closed higher"), BLUE), (say("closed lower"), VERMILION)]
    style.state_finding(upper, finding, words, simulated=simulated)
    style.figure_of(upper).align_ylabels()
    return upper


def _candles(ax: Axes, data: pd.DataFrame, rose: NDArray[np.bool_]) -> None:
    x = np.arange(len(data))
    opened, closed = data["open_price"].to_numpy(), data["close_price"].to_numpy()
    bottom, top = np.minimum(opened, closed), np.maximum(opened, closed)
    edge = np.where(rose, BLUE, VERMILION)
    ax.vlines(x, data["low_price"], bottom, color=edge, lw=1.0)
    ax.vlines(x, top, data["high_price"], color=edge, lw=1.0)
    # A candle that opened where it closed keeps a hairline of a body.
    height = np.maximum(top - bottom, (data["high_price"].max() - data["low_price"].min()) / 600)
    face = np.where(rose, "white", VERMILION)
    ax.bar(x, height, width=0.7, bottom=bottom, color=face, edgecolor=edge, linewidth=1.0)
    ax.set_xlim(-1, len(data))
    ax.set_ylim(data["low_price"].min() * 0.995, data["high_price"].max() * 1.005)


def monthly_returns(frame: pd.DataFrame, *, simulated: bool = False) -> Axes:
    """Return Axes with a table of tickers and months, each cell its return in %.

    `frame` is what the query `monthly` returns; trade_month, ticker, monthly_return are drawn.
    Blue is a gain, red a loss; the deeper, the larger.
    """
    wanted = ["trade_month", "ticker", "monthly_return"]
    data = style.require(frame, wanted, say("the query {name}", name="monthly"))
    data = data.dropna(subset="monthly_return")
    table = style.wide(data, "monthly_return", "trade_month").T
    ax = style.new_axes(height=1.4 + 0.34 * len(table))
    limit = float(np.nanmax(np.abs(table.to_numpy(dtype=float)))) or 0.01
    style.heat_map(
        ax, table * 100, colours=style.DIVERGING, limits=(-limit * 100, limit * 100),
        text="+.1f" if table.shape[1] <= 12 else "+.0f",
    )  # fmt: skip
    style.session_ticks(ax, pd.DatetimeIndex(table.columns), months_only=True)
    ax.set_yticks(range(len(table)), list(table.index))
    ax.set_ylabel(say("ticker"))
    ax.set_xlabel(say("month, {span}", span=_months(table.columns)))
    best, worst = data["monthly_return"].idxmax(), data["monthly_return"].idxmin()
    form = "%b" if data["trade_month"].dt.year.nunique() == 1 else "%b %Y"
    finding = say(
        "Best: {best}; worst: {worst}",
        best=_month_of(data.loc[best], form),
        worst=_month_of(data.loc[worst], form),
    )
    style.state_finding(ax, finding, [(say("return of each month, %"), INK)], simulated=simulated)
    return ax


def _months(months: pd.Index[Any]) -> str:
    first, last = pd.Timestamp(months.min()), pd.Timestamp(months.max())
    if first == last:
        return shown(first, "%b %Y")
    return say("{first:%b %Y} to {last:%b %Y}", first=first, last=last)


def _month_of(row: Any, form: str) -> str:
    return say(
        "{ticker} in {month}, {change}",
        ticker=row["ticker"],
        month=shown(row["trade_month"], form),
        change=style.percent(row["monthly_return"]),
    )
