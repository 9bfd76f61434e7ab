"""What an ingestion is going to ask for: tickers, sessions, and the questions to the source."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from b3pipeline import names
from b3pipeline.calendar import (
    Clock,
    check_range,
    last_closed_session,
    parse_date,
    sessions,
    utc_now,
)
from b3pipeline.errors import InvalidTickerError
from b3pipeline.exchange import EXCHANGE
from b3pipeline.sources.base import QuoteSource, check_interval

DEFAULT_TICKERS = EXCHANGE.default_tickers
"""Ten large stocks of the Ibovespa."""

DEFAULT_SPAN = dt.timedelta(days=182)
"""How far before its end a range starts that names no start: half a year."""

WINDOW = 10
"""How many sessions of each ticker are compared with what bronze holds, unless told otherwise."""

TICKERS_A_FETCH = 20
"""Tickers asked of a source at a time."""
ROWS_A_FETCH = 50_000
"""Bars asked of a source, and held in memory, at a time: 25 years of eight tickers' daily bars."""
BARS_A_SESSION = {"1d": 1, "60m": 8, "30m": 16, "15m": 32, "5m": 96, "1m": 480}
"""How many bars a session has at most; an interval that is not listed counts as a minute."""


@dataclass(frozen=True)
class Ask:
    """One question to the source: these tickers from `start` to `end`, both included."""

    tickers: tuple[str, ...]
    start: dt.date
    end: dt.date

    def __str__(self) -> str:
        return f"{', '.join(self.tickers)}, {self.start} to {self.end}"


@dataclass(frozen=True)
class Plan:
    """What an ingestion is going to ask for: `sessions` have all closed.

    `open_sessions` are those of the range that have not. `firsts` holds the first session of the
    tickers that start later than the range; `only` the sessions (YYYY-MM-DD) of each ticker where
    not all of the range are wanted. `windows` are the sessions that bronze holds already and that
    are compared with what comes; `asks` the questions in their order.
    """

    source: str
    interval: str
    tickers: tuple[str, ...]
    start: dt.date
    end: dt.date
    sessions: tuple[dt.date, ...]
    open_sessions: tuple[dt.date, ...] = ()
    final: dt.date = dt.date.max
    firsts: Mapping[str, dt.date] = field(default_factory=dict)
    only: Mapping[str, Sequence[str]] | None = None
    windows: Mapping[str, Sequence[str]] = field(default_factory=dict)
    asks: tuple[Ask, ...] = ()
    held: int = 0

    @property
    def partitions(self) -> int:
        """The number of objects that a complete batch writes."""
        return sum(len(self.wanted(ticker)) for ticker in self.tickers)

    @property
    def compared(self) -> int:
        """The number of objects that are read to compare them with what comes."""
        return sum(len(days) for days in self.windows.values())

    def wanted(self, ticker: str) -> list[str]:
        """Return the sessions (YYYY-MM-DD) that are to be written of `ticker`, in order."""
        if self.only is not None:
            return list(self.only.get(ticker, ()))
        first = self.firsts.get(ticker, self.start)
        return [str(day) for day in self.sessions if day >= first]

    def first(self, ticker: str) -> dt.date:
        """Return the first day that counts of `ticker`: rows before it are only compared."""
        if self.only is not None and self.only.get(ticker):
            return dt.date.fromisoformat(self.only[ticker][0])
        return self.firsts.get(ticker, self.start)

    def __str__(self) -> str:
        each = {len(self.wanted(ticker)) for ticker in self.tickers}
        span = f"{min(each)} to {max(each)}" if len(each) > 1 else f"{next(iter(each), 0)}"
        return (
            f"{len(self.tickers)} tickers x {span} sessions = {self.partitions:,} "
            f"objects from {self.source}, {self.start} to {self.end}, bars of {self.interval}"
        )

    def describe(self) -> str:
        """Return what would be asked, compared and written, a line each."""
        lines = [
            f"{self}.",
            *(f"  ask {self.source}: {ask}" for ask in self.asks),
            f"  compare: {self.compared:,} objects that bronze holds already",
            f"  write: at most {self.partitions:,} objects ({self.held:,} of them replace one), "
            "their partitions, one manifest; a restated ticker's whole history besides",
            *(f"  leave out: {day} has not closed yet" for day in self.open_sessions),
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as values that JSON knows."""
        return {
            **asdict(self),
            "start": str(self.start),
            "end": str(self.end),
            "final": str(self.final),
            "sessions": [],
            "open_sessions": [str(day) for day in self.open_sessions],
            "firsts": {ticker: str(day) for ticker, day in self.firsts.items()},
            "asks": [[list(ask.tickers), str(ask.start), str(ask.end)] for ask in self.asks],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Plan:
        """Return the plan that `to_dict` wrote; its sessions come from the calendar."""
        day = dt.date.fromisoformat
        start, end, final = (day(content[name]) for name in ("start", "end", "final"))
        return cls(
            source=content["source"],
            interval=content["interval"],
            tickers=tuple(content["tickers"]),
            start=start,
            end=end,
            sessions=tuple(each for each in sessions(start, end) if each <= final),
            open_sessions=tuple(day(each) for each in content["open_sessions"]),
            final=final,
            firsts={ticker: day(each) for ticker, each in content["firsts"].items()},
            only=content["only"],
            windows=content["windows"],
            asks=tuple(Ask(tuple(a), day(b), day(c)) for a, b, c in content["asks"]),
            held=content["held"],
        )


def plan(
    source: QuoteSource,
    tickers: Sequence[str] = DEFAULT_TICKERS,
    start: str | dt.date | None = None,
    end: str | dt.date | None = None,
    *,
    interval: str = "1d",
    clock: Clock = utc_now,
) -> Plan:
    """Return what an ingestion with these arguments would ask for; nothing is fetched.

    Tickers lose case, spaces, `.SA` and repetitions. Without an `end` it is the last closed
    session, without a `start` half a year before. Raises InvalidTickerError, DateRangeError or
    ConfigError (interval) for what makes no sense. What bronze holds is added by `survey`.
    """
    check_interval(source, interval)
    codes = tuple(dict.fromkeys(names.normalise_ticker(ticker) for ticker in tickers))
    if not codes:
        raise InvalidTickerError("no ticker is given.", hint="give some, such as PETR4,VALE3.")
    now = clock()
    final = last_closed_session(now)
    last = final if end is None else parse_date(end)
    first = last - DEFAULT_SPAN if start is None else parse_date(start)
    closed = tuple(check_range(first, last, now))
    still_open = tuple(day for day in sessions(first, last) if day > final)
    return Plan(source.name, interval, codes, first, last, closed, still_open, final)


def split_asks(interval: str, spans: Mapping[str, tuple[dt.date, dt.date]]) -> Iterator[Ask]:
    """Yield questions that cover each ticker's span, none above `ROWS_A_FETCH` bars.

    Tickers with the same span share a question. A span too long for one ticker alone is cut.
    """
    bars = BARS_A_SESSION.get(interval, BARS_A_SESSION["1m"])
    alike: dict[tuple[dt.date, dt.date], list[str]] = defaultdict(list)
    for ticker, span in spans.items():
        alike[span].append(ticker)
    for (start, end), tickers in alike.items():
        days = sessions(start, end) or [start]
        length = max(ROWS_A_FETCH // bars, 1)
        room = max(ROWS_A_FETCH // (bars * min(len(days), length)), 1)
        size = min(TICKERS_A_FETCH, room)
        for place in range(0, len(tickers), size):
            some = tuple(tickers[place : place + size])
            for piece in range(0, len(days), length):
                part = days[piece : piece + length]
                yield Ask(
                    some,
                    start if piece == 0 else part[0],
                    end if piece + length >= len(days) else part[-1],
                )
