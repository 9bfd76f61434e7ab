"""Quotes of a simulated market: no network, no account, a seed's bytes the same for everyone."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from b3pipeline.calendar import sessions
from b3pipeline.errors import DateRangeError
from b3pipeline.language import note, say
from b3pipeline.progress import Progress
from b3pipeline.sources.base import CLOSED, Failure, Quotes, check_interval, join_frames
from b3pipeline.sources.sample.bars import INTERVALS, bars_of
from b3pipeline.sources.sample.faults import Asked, Fault, Refusal, SplitRewrite, parse_faults
from b3pipeline.sources.sample.market import FIRST_SESSION, Floats, adjusted, history
from b3pipeline.sources.sample.stocks import STOCKS
from b3pipeline.sources.seeds import SEED, read_seed, source_of_seed

ADJ_DECIMALS = 6
REFUSED = note("the simulated market refuses more requests for now (429)")


class SampleSource:
    """The simulated market as a quote source; see `market` for its model.

    `faults` are what shall go wrong, as text or as `Fault`s; see `sample_faults` for the kinds
    and how they are written. Without them it always gives the same bytes. Another `seed` is
    another market, and its `name` says so; raises ConfigError for what is no seed.
    """

    simulated = True
    intervals = INTERVALS

    def __init__(self, faults: str | Sequence[Fault] = (), seed: int | str = SEED) -> None:
        self._seed = read_seed(seed)
        self.name = source_of_seed(self._seed)
        self._faults = parse_faults(faults) if isinstance(faults, str) else tuple(faults)
        self._refusals: Counter[Fault] = Counter()

    def fetch(
        self,
        tickers: Sequence[str],
        start: dt.date,
        end: dt.date,
        interval: str = "1d",
        progress: Progress | None = None,
    ) -> Quotes:
        """Return the bars of `tickers` from `start` to `end`, both included; `progress` stays idle.

        A session may be asked for before it has happened: whoever needs the present checks the
        clock. Raises DateRangeError before `FIRST_SESSION`.
        """
        check_interval(self, interval)
        if start < FIRST_SESSION:
            raise DateRangeError(
                say(
                    "the simulated market holds nothing before {first}, and {start} is.",
                    first=FIRST_SESSION,
                    start=start,
                ),
                hint=say("start on {first} or later.", first=FIRST_SESSION),
            )
        asked, refused = self._split_at_refusal(list(dict.fromkeys(tickers)))
        frames = {
            ticker: self._bars(ticker, start, end, interval)
            for ticker in sorted(set(asked) & STOCKS.keys())
        }
        failures = [
            Failure(ticker, "unknown", note("the simulated market has no {ticker}", ticker=ticker))
            for ticker in sorted(set(asked) - STOCKS.keys())
        ]
        if not sessions(start, end):
            empty = (ticker for ticker, frame in frames.items() if frame.empty)
            failures += [Failure(ticker, "closed", CLOSED) for ticker in empty]
        failures += [Failure(ticker, "rate_limited", REFUSED) for ticker in refused]
        return Quotes(join_frames(list(frames.values())), tuple(failures))

    def _split_at_refusal(self, tickers: list[str]) -> tuple[list[str], list[str]]:
        """Return the tickers before the first refusal that is due, and those from it on."""
        for place, ticker in enumerate(tickers):
            for fault in self._faults:
                if isinstance(fault, Refusal) and fault.ticker == ticker:
                    self._refusals[fault] += 1
                    if fault.times is None or self._refusals[fault] <= fault.times:
                        return tickers[:place], tickers[place:]
        return tickers, []

    def _bars(self, ticker: str, start: dt.date, end: dt.date, interval: str) -> pd.DataFrame:
        drawn = partial(_frame, self._seed, ticker)
        frame = drawn(start, end, interval)
        asked = Asked(start, end, interval, drawn)
        own = [fault for fault in self._faults if fault.ticker == ticker]
        # A split last: it rewrites what the other faults have put in.
        for fault in sorted(own, key=lambda fault: isinstance(fault, SplitRewrite)):
            frame = fault.apply(frame, asked).sort_values("traded_at", ignore_index=True)
        return frame


def _frame(seed: int, ticker: str, start: dt.date, end: dt.date, interval: str) -> pd.DataFrame:
    day = history(ticker, dt.date(end.year, 12, 31), seed)
    first, last = bisect_left(day.days, start), bisect_right(day.days, end)
    bars = bars_of(ticker, day, range(first, last), interval, seed)
    factor = day.split_factor[first:last, None]
    close = adjusted(bars.close, factor)
    adj_close = np.round(close * day.adj_factor[first:last, None], ADJ_DECIMALS)
    columns = {
        "traded_at": bars.starts,
        "open": adjusted(bars.open, factor),
        "high": adjusted(bars.high, factor),
        "low": adjusted(bars.low, factor),
        "close": close,
        "adj_close": adj_close,
        "volume": bars.volume,
        "dividends": _at_the_open(day.dividends[first:last], close.shape),
        "stock_splits": _at_the_open(day.splits[first:last], close.shape),
    }
    frame = pd.DataFrame({name: values.ravel() for name, values in columns.items()})
    frame.insert(0, "ticker", pd.Series([ticker] * len(frame), dtype="object"))
    return frame


def _at_the_open(events: Floats, shape: tuple[int, ...]) -> Floats:
    """Return the day's events on the first bar of each day, 0 on the others."""
    spread = np.zeros(shape)
    spread[:, :1] = events[:, None]
    return spread
