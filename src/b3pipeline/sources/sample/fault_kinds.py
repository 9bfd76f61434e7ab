"""The faults that the simulated market can have, and what each does to one ticker's bars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd

from b3pipeline.calendar import sessions
from b3pipeline.exchange import EXCHANGE

PRICES = ["open", "high", "low", "close", "adj_close"]
TICK = EXCHANGE.tick
REWRITTEN_DECIMALS = 6
"""Kept of prices that a split has divided: they lie off the tick, as Yahoo's do."""

_FORTNIGHT = dt.timedelta(days=14)


@dataclass(frozen=True)
class Asked:
    """What one ticker was asked for; `read` gives its true bars from a day to a day."""

    start: dt.date
    end: dt.date
    interval: str
    read: Callable[[dt.date, dt.date, str], pd.DataFrame]


@dataclass(frozen=True)
class Fault:
    """Something wrong with one ticker; `str` gives back the text that asks for it."""

    ticker: str

    def apply(self, frame: pd.DataFrame, asked: Asked) -> pd.DataFrame:
        """Return the bars of the ticker with the fault in them."""
        return frame


@dataclass(frozen=True)
class Refusal(Fault):
    """The source refuses (429) at the ticker: the first `times` fetches, or all of them."""

    times: int | None = None

    def __str__(self) -> str:
        return f"429:{self.ticker}" + ("" if self.times is None else f":{self.times}")


@dataclass(frozen=True)
class MissingSession(Fault):
    """The source lacks a session of the ticker."""

    day: dt.date

    def __str__(self) -> str:
        return f"missing:{self.ticker}:{self.day}"

    def apply(self, frame: pd.DataFrame, asked: Asked) -> pd.DataFrame:
        return frame[~_on(frame, self.day)]


@dataclass(frozen=True)
class HolidayRow(Fault):
    """The source has flat bars without volume, at the last close, on a day without a session."""

    day: dt.date

    def __str__(self) -> str:
        return f"holiday:{self.ticker}:{self.day}"

    def apply(self, frame: pd.DataFrame, asked: Asked) -> pd.DataFrame:
        if not asked.start <= self.day <= asked.end:
            return frame
        before = sessions(self.day - _FORTNIGHT, self.day)[-1]
        rows = asked.read(before, before, asked.interval)
        last = rows.iloc[-1]
        flat = rows.assign(
            traded_at=rows["traded_at"] + (self.day - before),
            **{name: last["adj_close" if name == "adj_close" else "close"] for name in PRICES},
            volume=np.int64(0),
            dividends=0.0,
            stock_splits=0.0,
        )
        return pd.concat([frame, flat])


@dataclass(frozen=True)
class SplitRewrite(Fault):
    """Each share became `ratio` shares on `day`, and the source has rewritten its history."""

    day: dt.date
    ratio: Fraction

    def __str__(self) -> str:
        return f"split:{self.ticker}:{self.day}:{self.ratio}"

    def apply(self, frame: pd.DataFrame, asked: Asked) -> pd.DataFrame:
        ratio = float(self.ratio)
        rewritten = frame.copy()
        divided = [*PRICES, "dividends"]
        rewritten[divided] = (frame[divided] / ratio).round(REWRITTEN_DECIMALS)
        rewritten["volume"] = (frame["volume"] * ratio).round().astype("int64")
        first = _first_on(frame, self.day)
        also = frame.loc[first, "stock_splits"].replace(0.0, 1.0)
        rewritten.loc[first, "stock_splits"] = also * ratio
        return rewritten


@dataclass(frozen=True)
class OpenSession(Fault):
    """The source knows the first half of a session, and takes it for the whole."""

    day: dt.date

    def __str__(self) -> str:
        return f"open:{self.ticker}:{self.day}"

    def apply(self, frame: pd.DataFrame, asked: Asked) -> pd.DataFrame:
        if not self._comes(asked):
            return frame
        interval = "5m" if asked.interval == "1d" else asked.interval
        half = _first_half(asked.read(self.day, self.day, interval))
        bars = _one_bar(half) if asked.interval == "1d" else half
        return pd.concat([frame[~_on(frame, self.day)], bars])

    def _comes(self, asked: Asked) -> bool:
        if self.day <= asked.end:
            return asked.start <= self.day
        return sessions(asked.end + dt.timedelta(days=1), self.day) == [self.day]


@dataclass(frozen=True)
class BadRow(Fault):
    """The first bar of a session has its high below its low."""

    day: dt.date

    def __str__(self) -> str:
        return f"bad:{self.ticker}:{self.day}"

    def apply(self, frame: pd.DataFrame, asked: Asked) -> pd.DataFrame:
        wrong, first = frame.copy(), _first_on(frame, self.day)
        high, low = frame.loc[first, "high"], frame.loc[first, "low"]
        wrong.loc[first, "high"] = low.where(high > low, low - TICK)
        wrong.loc[first, "low"] = high
        return wrong


def _on(frame: pd.DataFrame, day: dt.date) -> pd.Series[bool]:
    on: pd.Series[bool] = frame["traded_at"].dt.normalize() == pd.Timestamp(day)
    return on


def _first_on(frame: pd.DataFrame, day: dt.date) -> pd.Index:
    """Return the label of the first bar of `day`, or none."""
    return frame.index[_on(frame, day)][:1]


def _first_half(bars: pd.DataFrame) -> pd.DataFrame:
    return bars.head(max(len(bars) // 2, 1))


def _one_bar(bars: pd.DataFrame) -> pd.DataFrame:
    """Return the daily bar of the bars within a day."""
    first, last = bars.iloc[0], bars.iloc[-1]
    return bars.head(1).assign(
        traded_at=first["traded_at"].normalize(),
        high=bars["high"].max(),
        low=bars["low"].min(),
        close=last["close"],
        adj_close=last["adj_close"],
        volume=bars["volume"].sum(),
        dividends=bars["dividends"].sum(),
        stock_splits=bars["stock_splits"].max(),
    )
