"""Faults of the simulated market, on request: what goes wrong with real sources.

They are written as text, several of them joined by semicolons:

| text                          | what the source then does                                        |
|-------------------------------|------------------------------------------------------------------|
| `429:BBAS3`                   | refuses to go on at BBAS3, at every fetch                        |
| `429:BBAS3:2`                 | refuses the first two fetches that ask for BBAS3                 |
| `missing:PETR4:2024-03-01`    | has no bar of that session                                       |
| `holiday:VALE3:2024-03-29`    | has a flat bar without volume on a day when B3 was closed        |
| `split:ITUB4:2024-03-04:2`    | splits each share in two: all prices are halved, before and after|
| `open:PETR4:2024-03-05`       | knows the first half of that session, as while it is still open  |
| `bad:WEGE3:2024-03-06`        | has high and low of that session the wrong way round             |

A split is seen by whoever fetched before without it: the same sessions now come at other prices,
as from a source that rewrites its history. A ratio is a number or a fraction, such as `1/15`. The
bar of an open session comes unasked too, to a range that ends at the session before it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction

import numpy as np
import pandas as pd

from b3pipeline.calendar import parse_date, sessions
from b3pipeline.errors import ConfigError, DateRangeError
from b3pipeline.exchange import EXCHANGE
from b3pipeline.language import say
from b3pipeline.sources.sample.market import FIRST_SESSION
from b3pipeline.sources.sample.stocks import STOCKS

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


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Return the faults that `text` asks for, see the table above; raises ConfigError otherwise."""
    parts = (part.strip() for part in text.split(";"))
    return tuple(_parse(part) for part in parts if part)


_EXAMPLES = {
    "429": "429:BBAS3 or 429:BBAS3:2",
    "missing": "missing:PETR4:2024-03-01",
    "holiday": "holiday:VALE3:2024-03-29",
    "split": "split:ITUB4:2024-03-04:2",
    "open": "open:PETR4:2024-03-05",
    "bad": "bad:WEGE3:2024-03-06",
}


def _parse(text: str) -> Fault:
    kind, *fields = (field.strip() for field in text.split(":"))
    if kind not in _EXAMPLES:
        raise ConfigError(
            say("the fault {text!r} is of no kind that there is: {kind!r}.", text=text, kind=kind),
            hint=say("write it as {names}.", names=", ".join(_EXAMPLES.values())),
        )
    wanted = {"429": (1, 2), "split": (3,)}.get(kind, (2,))
    if len(fields) not in wanted:
        raise _nonsense(
            text, say("{count} fields follow {kind!r}", count=len(fields), kind=kind), kind
        )
    ticker = _ticker(text, fields[0])
    if kind == "429":
        return Refusal(ticker, _times(text, fields[1]) if len(fields) == 2 else None)
    day = _day(text, kind, fields[1])
    if kind == "split":
        return SplitRewrite(ticker, day, _ratio(text, fields[2]))
    makers = {
        "missing": MissingSession,
        "holiday": HolidayRow,
        "open": OpenSession,
        "bad": BadRow,
    }
    return makers[kind](ticker, day)


def _ticker(text: str, given: str) -> str:
    if given in STOCKS:
        return given
    near = get_close_matches(given.upper(), STOCKS, n=2)
    raise ConfigError(
        say(
            "the fault {text!r} names {given!r}, which the simulated market does not have.",
            text=text,
            given=given,
        ),
        hint=say("use {near}.", near=say(" or ").join(near))
        if near
        else say("use one of {stocks}.", stocks=", ".join(STOCKS)),
    )


def _day(text: str, kind: str, given: str) -> dt.date:
    try:
        day = parse_date(given)
        open_day = bool(sessions(day, day))
    except DateRangeError as error:
        raise _nonsense(text, error.message.rstrip("."), kind) from error
    if day <= FIRST_SESSION:
        raise _nonsense(text, say("the simulated market begins on {day}", day=FIRST_SESSION), kind)
    if open_day == (kind == "holiday"):
        held = say("B3 holds a session on {day}", day=day)
        raise _nonsense(
            text, held if open_day else say("B3 holds no session on {day}", day=day), kind
        )
    return day


def _times(text: str, given: str) -> int:
    if not given.isdecimal() or int(given) == 0:
        raise _nonsense(
            text, say("{given!r} is no number of fetches, 1 or more", given=given), "429"
        )
    return int(given)


def _ratio(text: str, given: str) -> Fraction:
    try:
        ratio = Fraction(given)
    except (ValueError, ZeroDivisionError):
        ratio = Fraction(0)
    if not Fraction(1, 1000) <= ratio <= 1000 or ratio == 1:
        raise _nonsense(
            text, say("{given!r} is no ratio of new shares to old ones", given=given), "split"
        )
    return ratio


def _nonsense(text: str, why: str, kind: str) -> ConfigError:
    return ConfigError(
        say("the fault {text!r} makes no sense: {why}.", text=text, why=why),
        hint=say("write it as {examples}.", examples=_EXAMPLES[kind]),
    )
