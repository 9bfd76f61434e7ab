"""Quotes of a simulated market: no network, no account, the same bytes for everyone."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
import pandas as pd

from b3pipeline.errors import DateRangeError
from b3pipeline.progress import Progress
from b3pipeline.sources.base import Failure, Quotes, check_interval, join_frames
from b3pipeline.sources.sample_bars import INTERVALS, bars_of
from b3pipeline.sources.sample_market import FIRST_SESSION, Floats, adjusted, history
from b3pipeline.sources.sample_stocks import STOCKS

ADJ_DECIMALS = 6


class SampleSource:
    """The simulated market as a quote source; see `sample_market` for its model."""

    name = "sample"
    simulated = True
    intervals = INTERVALS

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
                f"the simulated market holds nothing before {FIRST_SESSION}, and {start} is.",
                hint=f"start on {FIRST_SESSION} or later.",
            )
        known = sorted(set(tickers) & STOCKS.keys())
        return Quotes(
            join_frames([_frame(ticker, start, end, interval) for ticker in known]),
            tuple(
                Failure(ticker, "unknown", f"the simulated market has no {ticker}")
                for ticker in sorted(set(tickers) - STOCKS.keys())
            ),
        )


def _frame(ticker: str, start: dt.date, end: dt.date, interval: str) -> pd.DataFrame:
    day = history(ticker, dt.date(end.year, 12, 31))
    first, last = bisect_left(day.days, start), bisect_right(day.days, end)
    bars = bars_of(ticker, day, range(first, last), interval)
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
