"""Reconciliation: bronze against the exchange's file, or another source, session by session.

Two sources need not agree on a price: one adjusts it for splits, the other does not, and an
adjusted history is rewritten at each split. What must hold is that their ratio stays constant
between splits, to the rounding of a price (`factors`), that the volumes agree within a tolerance,
and that both have the same sessions.
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from b3pipeline import lake, names
from b3pipeline.aws import Cloud
from b3pipeline.calendar import parse_date
from b3pipeline.errors import DateRangeError, StorageError
from b3pipeline.factors import HALF_TICK, Stretch, explains, find_stretches, written
from b3pipeline.progress import Progress
from b3pipeline.sources.base import Failure, QuoteSource

AS_TRADED = "cotahist"
"""The source whose prices are as traded, so that they carry no rounding."""

VOLUME_TOLERANCE = 0.02
"""Part of a session's volume: sources count late corrections and odd lots differently, which
makes about 1% between Yahoo and the exchange."""

EQUAL, SPLIT, BREAK = "equal", "split", "break"
ONLY_BRONZE, ONLY_SOURCE = "only in bronze", "only in the source"

_SHOWN = 20


@dataclass(frozen=True)
class Break:
    """The session at which a ticker's factor (source / bronze) changes, and both factors.

    `split`: the split that bronze or the source has there, if it explains the change, else None.
    """

    ticker: str
    date: dt.date
    before: float
    after: float
    split: float | None = None

    def __str__(self) -> str:
        why = f", as the split of {written(self.split)} explains" if self.split else ""
        change = f"factor {written(self.before)} to {written(self.after)}"
        return f"{self.ticker} {self.date}: {change}{why}"


@dataclass(frozen=True, eq=False, repr=False)
class Reconciliation:
    """What bronze and a source say of the same sessions.

    `frame` has a row a ticker and session that either has: `ticker`, `trade_date` (datetime64),
    `close` and `volume` of bronze, `source_close` and `source_volume`, `ratio` (source_close /
    close), `factor` (the constant that explains the ratio), `volume_ratio` (volume /
    source_volume / factor), `state` ("equal", "split" or "break" where a factor begins, "only in
    bronze", "only in the source"), `volume_agrees` (bool). `breaks` has every change of factor,
    those that a split explains included; `failures` is what the source could not bring.
    """

    source: str
    simulated: bool
    frame: pd.DataFrame
    breaks: tuple[Break, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def unexplained(self) -> tuple[Break, ...]:
        """The changes of factor that no split explains."""
        return tuple(found for found in self.breaks if found.split is None)

    @property
    def missing(self) -> int:
        """The number of sessions of a ticker that only one of the two has."""
        return int(self.frame["state"].isin([ONLY_BRONZE, ONLY_SOURCE]).sum())

    @property
    def volumes_off(self) -> int:
        """The number of sessions of a ticker whose volumes differ by more than is tolerated."""
        return int((~self.frame["volume_agrees"]).sum())

    @property
    def ok(self) -> bool:
        """Whether all is explained: no break, no session missing, no volume off."""
        return not (self.unexplained or self.missing or self.volumes_off)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row a ticker: sessions compared, its factors, and how many of each finding."""
        state = self.frame["state"]
        counted = self.frame.assign(
            compared=~state.isin([ONLY_BRONZE, ONLY_SOURCE]),
            breaks=state == BREAK,
            volume_off=~self.frame["volume_agrees"],
            only_bronze=state == ONLY_BRONZE,
            only_source=state == ONLY_SOURCE,
        )
        columns = ["compared", "breaks", "volume_off", "only_bronze", "only_source"]
        groups = counted.groupby("ticker")
        table: pd.DataFrame = groups[columns].sum().astype("int64")
        table.insert(1, "factors", groups["factor"].agg(_factors))
        return table.reset_index()

    @property
    def finding(self) -> str:
        """What was found, in a sentence."""
        compared = int(self.summary["compared"].sum())
        if self.ok:
            changed = (self.frame["factor"] != 1).any()
            how = "after each ticker's factor" if changed else "to the cent"
            return f"all {compared:,} closes agree {how}"
        parts = [
            _count(len(self.unexplained), "break", "of the factor"),
            _count(self.missing, "session", "that only one side has"),
            _count(self.volumes_off, "volume", "off"),
        ]
        return f"{', '.join(part for part in parts if part)}, among {compared:,} closes compared"

    @property
    def _label(self) -> str:
        return f"{self.source} (simulated)" if self.simulated else self.source

    def __str__(self) -> str:
        days = self.frame["trade_date"]
        return "\n".join(
            [
                f"Bronze against {self._label}, {days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}: "
                f"{self.finding}.",
                self.summary.to_string(index=False),
                *self._remarks(),
            ]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table = self.summary.to_html(index=False, border=0)
        remarks = "<br>".join(html.escape(line) for line in self._remarks())
        finding = html.escape(f"Bronze against {self._label}: {self.finding}.")
        return f"<p><b>{finding}</b></p>{table}<p style='font-size:90%'>{remarks}</p>"

    def _remarks(self) -> list[str]:
        lines = [str(found) for found in self.breaks]
        lines += [f"{failure.ticker}: {failure.reason}" for failure in self.failures]
        rest = len(lines) - _SHOWN
        return lines[:_SHOWN] + ([f"… and {rest:,} more, see breaks"] if rest > 0 else [])


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
    none of it, and what the source's `fetch` raises.
    """
    codes = None if tickers is None else [names.normalise_ticker(ticker) for ticker in tickers]
    first = None if start is None else parse_date(start)
    last = None if end is None else parse_date(end)
    if first and last and first > last:
        raise DateRangeError(f"the start {first} is after the end {last}.", hint="swap the dates.")
    bronze = lake.read_bronze(cloud, codes, first, last, progress)
    if bronze.empty:
        raise StorageError(
            f"bronze holds no quote of {', '.join(codes or ['any ticker'])} "
            f"from {first or 'the beginning'} to {last or 'today'}.",
            hint="ingest them first: `b3 ingest`.",
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


def _factors(factors: pd.Series[float]) -> str:
    values = [written(value) for value in dict.fromkeys(factors.dropna())]
    return ", ".join(values[:4]) + (", …" if len(values) > 4 else "")


def _count(number: int, noun: str, rest: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'} {rest}" if number else ""
