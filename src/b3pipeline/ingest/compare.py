"""History that the source has rewritten: found by a trailing window, told from a correction.

See docs/adr/0007 for why the rules are these.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from b3pipeline import lake, names
from b3pipeline.cloud.clients import Cloud
from b3pipeline.exchange import EXCHANGE
from b3pipeline.ingest.fetch import Scope, Slice
from b3pipeline.ingest.plans import Ask, Plan, split_asks
from b3pipeline.lake import Gap, Restatement

_NO_SPLIT = [0.0, 1.0]

TICK = EXCHANGE.tick
"""BRL. Closes that differ by no more are the same: adjusting for a split rounds."""


@dataclass(frozen=True)
class LastBar:
    """The last bar of a session, of bronze or as it came; `split` is that of the whole session."""

    traded_at: pd.Timestamp
    close: float
    split: float


@dataclass
class Trail:
    """What came of a ticker's window, and each split that came at all, by session."""

    bars: dict[str, LastBar] = field(default_factory=dict)
    splits: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What the comparison of one ticker found: a restatement, single corrections, or neither."""

    restated: Restatement | None = None
    corrected: tuple[Gap, ...] = ()


def note_trail(trails: dict[str, Trail], plan: Plan, found: Slice) -> None:
    """Add what a slice tells of the windows of its tickers to `trails`."""
    kept = found.kept
    days = kept["traded_at"].to_numpy().astype("datetime64[D]")
    tickers, splits = kept["ticker"].to_numpy(), kept["stock_splits"].to_numpy()
    for ticker in found.ask.tickers:
        mine = tickers == ticker
        trail = trails.setdefault(ticker, Trail())
        split = mine & ~np.isin(splits, _NO_SPLIT)
        trail.splits |= {
            str(day): float(ratio) for day, ratio in zip(days[split], splits[split], strict=True)
        }
        window = np.array(plan.windows.get(ticker, ()), dtype="datetime64[D]")
        compared = mine & np.isin(days, window)
        trail.bars |= _last_bars(kept[compared], days[compared].astype(str))


def compare(cloud: Cloud, plan: Plan, trails: Mapping[str, Trail]) -> dict[str, Verdict]:
    """Return a verdict for each ticker that has a window; reads one object a session of it."""
    keys = {
        names.bronze_key(day, ticker): (ticker, day)
        for ticker, days in plan.windows.items()
        for day in days
    }
    held: dict[str, dict[str, LastBar]] = {ticker: {} for ticker in plan.windows}
    for (ticker, day), bar in zip(
        keys.values(), lake.find_partitions(cloud, list(keys)), strict=True
    ):
        if bar is not None and set(bar["source"]) == {plan.source}:
            held[ticker][day] = _last_bars(bar, np.repeat(day, len(bar)))[day]
    return {ticker: judge_ticker(ticker, held[ticker], trails[ticker]) for ticker in plan.windows}


def judge_ticker(ticker: str, held: Mapping[str, LastBar], trail: Trail) -> Verdict:
    """Return what the bars that bronze holds and those that came say of a ticker.

    A split that bronze has not seen, or a first session of the window that no longer agrees, is
    a restatement: what the source rewrites, it rewrites from the beginning. A later session that
    differs alone is a correction. A session that did not come says nothing.
    """
    if not held:
        return Verdict()
    both = [day for day in sorted(held) if day in trail.bars]
    days = [day for day in both if held[day].traded_at == trail.bars[day].traded_at]
    differing = [day for day in days if abs(trail.bars[day].close - held[day].close) > TICK * 1.001]
    split = next(iter(_new_splits(held, trail)), None)
    if split is not None:
        factor = _factor(held, trail, differing)
        reason = f"a split of {trail.splits[split]:g} on {split}"
        return Verdict(Restatement(ticker, factor, reason))
    if differing and differing[0] == days[0]:
        leading = [day for day, other in zip(days, differing, strict=False) if day == other]
        factor = _factor(held, trail, leading)
        reason = (
            f"the close of {days[0]} was {held[days[0]].close:g}, is {trail.bars[days[0]].close:g}"
        )
        return Verdict(Restatement(ticker, factor, reason))
    return Verdict(
        corrected=tuple(
            Gap(ticker, day, f"close {held[day].close:g} is now {trail.bars[day].close:g}")
            for day in differing
        )
    )


def reload_asks(
    cloud: Cloud, plan: Plan, tickers: Sequence[str]
) -> tuple[list[Ask], dict[str, Scope]]:
    """Return the questions for the whole history that bronze holds of `tickers`, and what counts.

    Together with what the plan wants of them, up to the last closed session.
    """
    held = lake.held_sessions(cloud, tickers)
    scopes, spans = {}, {}
    for ticker in tickers:
        wanted = sorted({*held[ticker], *plan.wanted(ticker)} - _after(plan, held[ticker]))
        first, last = (dt.date.fromisoformat(wanted[place]) for place in (0, -1))
        scopes[ticker] = Scope(wanted, (), plan.first(ticker))
        spans[ticker] = first, last
    return list(split_asks(plan.interval, spans)), scopes


def _after(plan: Plan, days: Sequence[str]) -> set[str]:
    return {day for day in days if day > str(plan.final)}


def _new_splits(held: Mapping[str, LastBar], trail: Trail) -> Iterator[str]:
    """Yield the sessions of splits that came and that bronze does not know of."""
    first = min(held)
    for day in sorted(trail.splits):
        known = held[day].split if day in held else 0.0
        if day >= first and abs(trail.splits[day] - known) > 1e-9:
            yield day


def _factor(held: Mapping[str, LastBar], trail: Trail, days: Sequence[str]) -> float:
    """Return the median ratio of new closes to old ones, 1 where none differs."""
    ratios = [trail.bars[day].close / held[day].close for day in days]
    return round(median(ratios), 6) if ratios else 1.0


def _last_bars(bars: pd.DataFrame, days: Any) -> dict[str, LastBar]:
    found = {}
    for day, rows in bars.groupby(days):
        last = rows.iloc[-1]
        splits = rows["stock_splits"][~rows["stock_splits"].isin(_NO_SPLIT)]
        split = float(splits.iloc[0]) if len(splits) else 0.0
        found[str(day)] = LastBar(last["traded_at"], float(last["close"]), split)
    return found
