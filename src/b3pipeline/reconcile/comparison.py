"""Reconciliation: bronze against the exchange's file, or another source, session by session.

Two sources need not agree on a price: one adjusts it for splits, the other does not, and an
adjusted history is rewritten at each split. What must hold is that their ratio stays constant
between splits, to the rounding of a price (`factors`), that the volumes agree within a tolerance,
and that both have the same sessions.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from b3pipeline import lake, names
from b3pipeline.calendar import parse_date
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import DateRangeError, OriginError, StorageError
from b3pipeline.language import say
from b3pipeline.progress import Progress
from b3pipeline.reconcile.factors import HALF_TICK, Stretch, explains, find_stretches
from b3pipeline.reconcile.reconciliation import (
    BREAK,
    EQUAL,
    ONLY_BRONZE,
    ONLY_SOURCE,
    SPLIT,
    Break,
    Reconciliation,
)
from b3pipeline.sources.base import QuoteSource

AS_TRADED = "cotahist"
"""The source whose prices are as traded, so that they carry no rounding."""

VOLUME_TOLERANCE = 0.02
"""Part of a session's volume: sources count late corrections and odd lots differently, which
makes about 1% between Yahoo and the exchange."""


def reconcile(
    cloud: Cloud,
    source: QuoteSource,
    tickers: Sequence[str] | None = None,
    start: str | dt.date | None = None,
    end: str | dt.date | None = None,
    *,
    volume_tolerance: float = VOLUME_TOLERANCE,
    progress: Progress | None = None,
) -> Reconciliation:
    """Return what bronze and `source` say of the same sessions; nothing is written.

    All tickers and sessions that bronze holds, unless some are named; both dates included. Raises
    InvalidTickerError and DateRangeError for what makes no sense, StorageError where bronze holds
    none of it, OriginError where it holds simulated quotes and the source has real ones, and what
    the source's `fetch` raises.
    """
    codes = None if tickers is None else [names.normalise_ticker(ticker) for ticker in tickers]
    first = None if start is None else parse_date(start)
    last = None if end is None else parse_date(end)
    if first and last and first > last:
        raise DateRangeError(
            say("the start {first} is after the end {last}.", first=first, last=last),
            hint=say("swap the dates."),
        )
    bronze = lake.read_bronze(cloud, codes, first, last, progress)
    if bronze.empty:
        raise StorageError(
            say(
                "bronze holds no quote of {tickers} from {first} to {last}.",
                tickers=", ".join(codes or [say("any ticker")]),
                first=first or say("the beginning"),
                last=last or say("today"),
            ),
            hint=say("ingest them first: `b3 ingest`."),
        )
    made_up = sorted(filter(lake.is_made_up, set(bronze["source"])))
    if made_up and not source.simulated:
        raise OriginError(
            say(
                "bronze holds simulated quotes ({held}), {source} has real ones: they have nothing "
                "in common. Nothing was asked for.",
                held=", ".join(made_up),
                source=source.name,
            ),
            hint=say("compare them with `--source sample`, or with a simulated file (`--path`)."),
        )
    days = bronze["traded_at"]
    quotes = source.fetch(
        codes or sorted(set(bronze["ticker"])),
        first or days.min().date(),
        last or days.max().date(),
        progress=progress,
    )
    found = compare(bronze, quotes.frame, source.name, volume_tolerance=volume_tolerance)
    return Reconciliation(source.name, source.simulated, *found, quotes.failures)


def compare(
    bronze: pd.DataFrame,
    quotes: pd.DataFrame,
    source: str,
    *,
    volume_tolerance: float = VOLUME_TOLERANCE,
) -> tuple[pd.DataFrame, tuple[Break, ...]]:
    """Return the frame and the breaks of a Reconciliation.

    `bronze` is what `lake.read_bronze` returns, `quotes` a frame of quotes of `source`. Bars
    within a day count as their day.
    """
    ours = _sessions(bronze.assign(exact=bronze["source"] == AS_TRADED))
    theirs = _sessions(quotes.assign(exact=source == AS_TRADED))
    both = ours.merge(theirs, how="outer", on=["ticker", "trade_date"], suffixes=("", "_theirs"))
    both = both.sort_values(["ticker", "trade_date"], ignore_index=True)
    parts, breaks = [], []
    for ticker, rows in both.groupby("ticker"):
        part, found = _compare_ticker(str(ticker), rows.reset_index(drop=True), volume_tolerance)
        parts.append(part)
        breaks += found
    return pd.concat(parts, ignore_index=True), tuple(breaks)


def _sessions(bars: pd.DataFrame) -> pd.DataFrame:
    """Return a row a ticker and session: last close, whole volume, the day's split."""
    days = bars["traded_at"].dt.normalize()
    ordered = bars.assign(trade_date=days).sort_values(["ticker", "traded_at"])
    groups = ordered.groupby(["ticker", "trade_date"], as_index=False)
    return groups.agg(
        close=("close", "last"),
        volume=("volume", "sum"),
        split=("stock_splits", "max"),
        exact=("exact", "last"),
    )


def _compare_ticker(
    ticker: str, rows: pd.DataFrame, tolerance: float
) -> tuple[pd.DataFrame, list[Break]]:
    closes, others = rows["close"], rows["close_theirs"]
    shared = rows[closes.notna() & others.notna()]
    stretches = _stretches(shared)
    breaks = [_break(ticker, rows, shared, before, after) for before, after in pairwise(stretches)]
    factor = pd.Series(np.nan, rows.index)
    state = pd.Series(np.where(closes.isna(), ONLY_SOURCE, ONLY_BRONZE), rows.index, dtype=object)
    state[shared.index] = EQUAL
    for stretch in stretches:
        factor[shared.index[stretch.first : stretch.last + 1]] = stretch.factor
    for found, stretch in zip(breaks, stretches[1:], strict=True):
        state[shared.index[stretch.first]] = BREAK if found.split is None else SPLIT
    volume_ratio = rows["volume"] / rows["volume_theirs"] / factor
    frame = pd.DataFrame(
        {
            "ticker": rows["ticker"],
            "trade_date": rows["trade_date"],
            "close": closes,
            "source_close": others,
            "ratio": others / closes,
            "factor": factor,
            "volume": rows["volume"],
            "source_volume": rows["volume_theirs"],
            "volume_ratio": volume_ratio,
            "state": state,
            "volume_agrees": ~((volume_ratio - 1).abs() > tolerance),
        }
    )
    return frame, breaks


def _stretches(shared: pd.DataFrame) -> list[Stretch]:
    def error(exact: pd.Series[Any]) -> float:
        return 0.0 if exact.astype(bool).all() else HALF_TICK

    return find_stretches(
        shared["close"].to_numpy(float),
        shared["close_theirs"].to_numpy(float),
        error(shared["exact"]),
        error(shared["exact_theirs"]),
    )


def _break(
    ticker: str, rows: pd.DataFrame, shared: pd.DataFrame, before: Stretch, after: Stretch
) -> Break:
    """Return the change from one stretch to the next, with the split that explains it.

    Bronze's own split, where bronze is adjusted and the source is not; the source's, where it is
    the other way round.
    """
    last, first = shared.index[before.last], shared.index[after.first]
    since = rows.loc[last + 1 : first]
    split, other = _product(since["split"]), _product(since["split_theirs"])
    known = [(split, split), (other, 1 / other)]
    told = (value for value, change in known if value != 1 and explains(change, before, after))
    day = rows["trade_date"][first].date()
    return Break(ticker, day, before.factor, after.factor, next(told, None))


def _product(splits: pd.Series[float]) -> float:
    return float(np.prod(splits[splits > 0].to_numpy(float)))
