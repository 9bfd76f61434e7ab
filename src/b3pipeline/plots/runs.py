"""Plots of the pipeline at work: what starts what, how long it takes, what it costs."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from b3pipeline.costs import format_bytes
from b3pipeline.language import say, say_many, shown
from b3pipeline.plots import style
from b3pipeline.plots.style import BLUE, GREY, INK, SKY, VERMILION


def event_costs(frame: pd.DataFrame) -> Axes:
    """Return Axes with a bar a design of the S3 event: what its Glue runs cost, in US dollars.

    `frame` is what `costs.event_per_object_cost(…).frame()` returns: design, runs, hours, usd,
    the dear design first.
    """
    data = style.require(frame, ["design", "runs", "hours", "usd"], "event_per_object_cost")
    ax = style.new_axes(height=2.5)
    ax.barh(data["design"], data["usd"], color=[VERMILION, BLUE], height=0.6)
    rows: list[Any] = list(data.itertuples(index=False))
    for index, row in enumerate(rows):
        told = say_many(
            "USD {usd:,.2f}, {count:,} run, {duration}",
            "USD {usd:,.2f}, {count:,} runs, {duration}",
            int(row.runs),
            usd=row.usd,
            duration=_duration(row.hours),
        )
        _write_beside(ax, row.usd, index, told, data["usd"].max())
    ax.invert_yaxis()
    _bare_bars(ax)
    ax.set_xlabel(say("cost of one ingestion at Glue's list price, US dollars"))
    dear, cheap = data.iloc[0], data.iloc[1]
    finding = say(
        "An event for each object costs {times:,.0f} times as much",
        times=dear["usd"] / cheap["usd"],
    )
    style.state_finding(ax, finding)
    return ax


def run_timeline(frame: pd.DataFrame, *, title: str = "") -> Axes:
    """Return Axes with a bar a stage, from its start to its end, in seconds since the first.

    `frame` has the columns stage, start, end, in the order of the work; times are datetimes.
    The title names the longest stage, unless `title` is given.
    """
    data = style.require(frame, ["stage", "start", "end"], say("a frame of stages"))
    begin = data["start"].min()
    start = (data["start"] - begin).dt.total_seconds()
    seconds = (data["end"] - data["start"]).dt.total_seconds()
    whole = (data["end"].max() - begin).total_seconds()
    longest = int(seconds.to_numpy().argmax())
    ax = style.new_axes(height=1.5 + 0.36 * len(data))
    colours = [BLUE if index == longest else SKY for index in range(len(data))]
    ax.barh(data["stage"], seconds, left=start, color=colours, height=0.62)
    for index, (left, length) in enumerate(zip(start, seconds, strict=True)):
        _write_beside(ax, left + length, index, shown(length, ",.1f") + " s", whole, left=left)
    ax.invert_yaxis()
    _bare_bars(ax)
    ax.set_xlabel(say("seconds since the first stage began"))
    finding = say(
        "{stage} takes {seconds:,.1f} of the {whole:,.1f} seconds",
        stage=data["stage"].iloc[longest],
        seconds=seconds.iloc[longest],
        whole=whole,
    )
    style.state_finding(ax, title or finding)
    return ax


def bytes_scanned(frame: pd.DataFrame, *, simulated: bool = False) -> Axes:
    """Return Axes with a bar a query: the kilobytes that Athena read to answer it.

    `frame` has the columns query, bytes_scanned.
    """
    data = style.require(frame, ["query", "bytes_scanned"], say("a frame of queries"))
    data = data.sort_values("bytes_scanned", ascending=False)
    kilobytes = data["bytes_scanned"] / 1024
    ax = style.new_axes(height=1.5 + 0.32 * len(data))
    colours = [VERMILION] + [SKY] * (len(data) - 1)
    ax.barh(data["query"], kilobytes, color=colours, height=0.66)
    for index, value in enumerate(kilobytes):
        _write_beside(ax, value, index, format_bytes(value * 1024), kilobytes.max())
    ax.invert_yaxis()
    _bare_bars(ax)
    ax.set_xlabel(say("kilobytes scanned"))
    style.state_finding(ax, _scan_finding(data), simulated=simulated)
    return ax


def _scan_finding(data: pd.DataFrame) -> str:
    most, least = data.iloc[0], data.iloc[-1]
    if least["bytes_scanned"] == 0 or len(data) == 1:
        size = format_bytes(most["bytes_scanned"])
        return say("“{query}” reads most: {size}", query=most["query"], size=size)
    return say(
        "“{query}” reads {times:,.0f} times as much as “{other}”",
        query=most["query"],
        times=most["bytes_scanned"] / least["bytes_scanned"],
        other=least["query"],
    )


def _write_beside(
    ax: Axes, end: float, row: int, text: str, longest: float, *, left: float = 0.0
) -> None:
    """Write a bar's figures after its end, or inside where a bar fills the width."""
    inside = end > 0.7 * longest and end - left > 0.3 * longest
    ax.annotate(
        text, (end, row), xytext=(-6 if inside else 6, 0), textcoords="offset points",
        va="center", ha="right" if inside else "left", fontsize=10, weight="bold" if inside else
        "normal", color="white" if inside else INK,
    )  # fmt: skip


def _bare_bars(ax: Axes) -> None:
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    ax.spines["bottom"].set_color(GREY)
    ax.xaxis.set_major_formatter(lambda x, _: shown(x, ",g"))


def _duration(hours: float) -> str:
    if hours >= 48:
        return say("{days:,.0f} days", days=hours / 24)
    if hours >= 1:
        return say_many("{count:,} hour", "{count:,} hours", round(hours))
    if hours * 60 >= 3:
        return shown(hours * 60, ",.0f") + " min"
    return shown(hours * 3600, ",.0f") + " s"
