"""What every quote source gives: one frame of bars, and what it could not bring."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from b3pipeline.errors import ConfigError, SourceError
from b3pipeline.language import note, say
from b3pipeline.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

TIME_TYPE = "datetime64[us]"

QUOTE_COLUMNS: dict[str, str] = {
    "ticker": "object",
    "traded_at": TIME_TYPE,
    "open": "float64",
    "high": "float64",
    "low": "float64",
    "close": "float64",
    "adj_close": "float64",
    "volume": "int64",
    "dividends": "float64",
    "stock_splits": "float64",
}
"""Columns and dtypes of a frame of quotes, in order; one row a bar.

`ticker`: the exchange's code; `traded_at`: start of the bar, naive São Paulo time (midnight for
daily bars); prices and dividends in BRL a share, adjusted for splits as of the fetch;
`adj_close`: adjusted for dividends too; `volume` in shares; `stock_splits`: new shares for one
old, 0 on other days. What a source does not know is NaN: a frame that lacks a volume has them as
float64.
"""

FailureKind = Literal[
    "unknown",
    "empty",
    "no_trade",
    "closed",
    "unusable",
    "unreachable",
    "retryable",
    "rate_limited",
]
"""Why a ticker, or some sessions of it, did not come.

`unknown`, for good: the source itself says that it has no such ticker, which a rename or a
delisting brings about too; `empty`: it knows the ticker and has no quote of it in the range;
`no_trade`, for good: the source settles these sessions, and the ticker was not traded on them;
`closed`: nothing came, and B3 held no session in the range; `unusable`: what came is not what it
must be, in another currency or contradicting itself; `unreachable`: no connection to the source
came about; `retryable`: the request failed, after all its retries, and another day may succeed;
`rate_limited`: the source stopped the whole batch at this ticker or before it.
"""

NO_TRADE: FailureKind = "no_trade"
"""The kind of an answer that is final: who asks again is told the same."""

CLOSED = note("B3 held no session in this range")
"""The reason of a failure of the kind `closed`."""


@dataclass(frozen=True)
class Failure:
    """A ticker that a source could not bring, and why, in the source's own words.

    `days` (YYYY-MM-DD) are the sessions that it speaks of; without any it speaks of every session
    that was asked for.
    """

    ticker: str
    kind: FailureKind
    reason: str
    days: frozenset[str] = field(default=frozenset(), repr=False)

    def speaks_of(self, day: str) -> bool:
        """Return whether it says why `day` (YYYY-MM-DD), one of those asked for, did not come."""
        return not self.days or day in self.days


@dataclass(frozen=True)
class Doubt:
    """Two statements of a source about one day that do not agree; the quotes are kept."""

    ticker: str
    day: str
    reason: str


@dataclass(frozen=True)
class Quotes:
    """What one fetch brought: a frame with `QUOTE_COLUMNS`, and the tickers it lacks.

    `doubts`: what the source told and the frame cannot hold, as a split on a day without a bar.
    """

    frame: pd.DataFrame
    failures: tuple[Failure, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether the source refused to go on: asking it for more would prolong the refusal."""
        return any(failure.kind == "rate_limited" for failure in self.failures)


class QuoteSource(Protocol):
    """Where quotes come from.

    `simulated` is True where the quotes are made up, so that whoever shows them can say so.
    `intervals` lists the bar lengths on offer, "1d" first.
    """

    @property
    def name(self) -> str: ...

    @property
    def simulated(self) -> bool: ...

    @property
    def intervals(self) -> tuple[str, ...]: ...

    def fetch(
        self,
        tickers: Sequence[str],
        start: dt.date,
        end: dt.date,
        interval: str = "1d",
        progress: Progress | None = None,
    ) -> Quotes:
        """Return the bars of `tickers` from `start` to `end`, both included.

        A ticker that cannot be brought becomes a Failure, and so do sessions of it of which the
        source knows why they lack. Where the source refuses to go on, what
        came before is returned, `stopped`, and the rest are failures of the kind `rate_limited`.
        Raises SourceError where it fails as a whole.
        """
        ...


def check_interval(source: QuoteSource, interval: str) -> None:
    """Raise ConfigError where `source` has no bars of the length `interval`."""
    if interval not in source.intervals:
        raise ConfigError(
            say(
                "the source {name!r} has no bars of {interval!r}.",
                name=source.name,
                interval=interval,
            ),
            hint=say("use one of {intervals}.", intervals=", ".join(source.intervals)),
        )


def empty_frame() -> pd.DataFrame:
    """Return a frame of quotes without rows."""
    import numpy as np
    import pandas as pd

    return pd.DataFrame({name: np.empty(0, kind) for name, kind in QUOTE_COLUMNS.items()})


def join_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return one checked frame of quotes, sorted by ticker and time, out of one for each ticker."""
    import pandas as pd

    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return empty_frame()
    joined = pd.concat(filled, ignore_index=True)
    return check_frame(joined.sort_values(["ticker", "traded_at"], ignore_index=True))


def check_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` itself where it is one of quotes; raises SourceError where it is not.

    Checked: the columns and their order, each dtype, the order of the rows, no bar twice.
    """
    import pandas as pd

    found = {str(name): str(kind) for name, kind in frame.dtypes.items()}
    if list(found) != list(QUOTE_COLUMNS):
        raise _malformed(
            say("the columns {found}", found=", ".join(found)), f"{', '.join(QUOTE_COLUMNS)}"
        )
    for name, kind in QUOTE_COLUMNS.items():
        lacking = name == "volume" and found[name] == "float64" and frame[name].isna().any()
        if found[name] != kind and not lacking:
            raise _malformed(say("{name} as {found}", name=name, found=found[name]), kind)
    keys = pd.MultiIndex.from_frame(frame[["ticker", "traded_at"]])
    if not keys.is_unique:
        ticker, moment = keys[keys.duplicated()][0]
        raise _malformed(
            say("the bar of {ticker} at {moment} twice", ticker=ticker, moment=moment),
            say("each bar once"),
        )
    if not keys.is_monotonic_increasing:
        raise _malformed(say("its rows unordered"), say("them sorted by ticker and traded_at"))
    return frame


def _malformed(found: str, wanted: str) -> SourceError:
    return SourceError(
        say("a source of quotes returned {found} instead of {wanted}.", found=found, wanted=wanted),
        hint=say("report it as a defect of the source: it breaks the contract in sources/base.py."),
    )
