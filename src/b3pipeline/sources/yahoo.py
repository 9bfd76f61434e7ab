"""Quotes of Yahoo Finance through yfinance, without its traps."""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import yfinance
from yfinance.cache import get_tz_cache
from yfinance.data import YfData
from yfinance.exceptions import (
    YFException,
    YFPricesMissingError,
    YFRateLimitError,
    YFTzMissingError,
)

from b3pipeline.calendar import SAO_PAULO
from b3pipeline.progress import Progress, track
from b3pipeline.sources.base import TIME_TYPE, Failure, Quotes, check_interval, join_frames

log = logging.getLogger(__name__)

SUFFIX = ".SA"
"""What Yahoo adds to the codes of B3; it is known here alone."""
PRICE_DECIMALS = 2
ACTION_DECIMALS = 6
"""Kept of adjusted closes and dividends: beyond lies the noise of 32-bit floats."""

REFUSED = "Yahoo refuses more requests for now (429)"

_GONE = ("delisted", "symbol may be", "not found")
_TROUBLE = (YFException, OSError, ValueError, LookupError, TypeError, AttributeError)
"""What a broken answer raises: yfinance's own, the network's (curl_cffi's errors are OSErrors),
bad JSON, and what its parser trips over."""


class YahooSource:
    """Yahoo Finance as a quote source.

    `session` is a `curl_cffi` session, where yfinance's own will not do. `cache_dir` holds
    yfinance's databases of time zones and cookies; `timeout` is in seconds, for each request.
    """

    name = "yahoo"
    simulated = False
    intervals = ("1d", "60m", "30m", "15m", "5m")

    def __init__(
        self, session: Any = None, cache_dir: Path | None = None, timeout: float = 10
    ) -> None:
        self._session = session
        self._timeout = timeout
        # Before the first ticker: later calls are ignored.
        yfinance.set_tz_cache_location(str(cache_dir or _default_cache()))

    def fetch(
        self,
        tickers: Sequence[str],
        start: dt.date,
        end: dt.date,
        interval: str = "1d",
        progress: Progress | None = None,
    ) -> Quotes:
        """Return the bars of `tickers` from `start` to `end`, both included.

        At an answer 429 it stops, since each request more would lengthen the ban: that ticker and
        all after it are `rate_limited`.
        """
        check_interval(self, interval)
        YfData.cache_get.cache_clear()  # it remembers failures, and would repeat them unasked
        frames: list[pd.DataFrame] = []
        failures: list[Failure] = []
        with _raising():
            for ticker in track(tickers, progress, total=len(tickers), desc="yahoo"):
                brought = self._fetch_one(ticker, start, end, interval)
                if isinstance(brought, Failure):
                    log.warning("yahoo, %s: %s", ticker, brought.reason)
                    failures.append(brought)
                    if brought.kind == "rate_limited":
                        break
                else:
                    frames.append(brought)
        asked = len(frames) + len(failures)
        failures += [Failure(ticker, "rate_limited", REFUSED) for ticker in tickers[asked:]]
        return Quotes(join_frames(frames), tuple(failures))

    def _fetch_one(
        self, ticker: str, start: dt.date, end: dt.date, interval: str
    ) -> pd.DataFrame | Failure:
        try:
            history = self._history(f"{ticker}{SUFFIX}", start, end, interval)
        except YFRateLimitError:
            return Failure(ticker, "rate_limited", REFUSED)
        except _TROUBLE as error:
            return _failure(ticker, error)
        frame = _to_quotes(ticker, history)
        return frame if len(frame) else Failure(ticker, "empty", f"no quotes {start} to {end}")

    def _history(self, symbol: str, start: dt.date, end: dt.date, interval: str) -> pd.DataFrame:
        # Every stock of B3 has one time zone: known, it spares a request for each ticker.
        get_tz_cache().store(symbol, SAO_PAULO.key)
        history: pd.DataFrame = yfinance.Ticker(symbol, session=self._session).history(
            start=start,
            end=end + dt.timedelta(days=1),  # Yahoo's end is exclusive
            interval=interval,
            auto_adjust=False,
            actions=True,
            timeout=self._timeout,
        )
        return history


def _to_quotes(ticker: str, history: pd.DataFrame) -> pd.DataFrame:
    """Return yfinance's frame of one ticker as a frame of quotes; rows without prices go."""
    prices = ["Open", "High", "Low", "Close"]
    whole = history.dropna(subset=prices)
    index = pd.DatetimeIndex(whole.index)
    local = index if index.tz is None else index.tz_convert(SAO_PAULO).tz_localize(None)
    frame = pd.DataFrame(
        {
            "ticker": pd.Series([ticker] * len(whole), dtype="object"),
            "traded_at": local.astype(TIME_TYPE),
            **{name.lower(): whole[name].round(PRICE_DECIMALS).to_numpy() for name in prices},
            "adj_close": whole["Adj Close"].round(ACTION_DECIMALS).to_numpy(),
            "volume": whole["Volume"].to_numpy().astype("int64"),
            "dividends": whole["Dividends"].round(ACTION_DECIMALS).to_numpy(),
            "stock_splits": whole["Stock Splits"].to_numpy(),
        }
    )
    floats = dict.fromkeys([*(name.lower() for name in prices), "adj_close"], "float64")
    return frame.astype({**floats, "dividends": "float64", "stock_splits": "float64"})


def _failure(ticker: str, error: Exception) -> Failure:
    """Return what `error` says of a ticker.

    Only Yahoo's own word makes a ticker unknown: a maintenance page and an empty range look
    alike otherwise.
    """
    if isinstance(error, YFTzMissingError):
        return Failure(ticker, "unknown", "Yahoo has no such symbol")
    if isinstance(error, YFPricesMissingError):
        reason = error.yahoo_reason
        if reason and any(word in reason.lower() for word in _GONE):
            return Failure(ticker, "unknown", f"Yahoo says: {reason}")
        return Failure(ticker, "empty", f"Yahoo says: {reason}" if reason else "no quotes came")
    return Failure(ticker, "retryable", f"{type(error).__name__}: {error}"[:200])


@contextmanager
def _raising() -> Iterator[None]:
    """Let yfinance raise while the block runs: by default it logs and returns nothing."""
    debug = yfinance.config.debug
    before = debug.hide_exceptions
    debug.hide_exceptions = False
    try:
        yield
    finally:
        debug.hide_exceptions = before


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "b3pipeline" / "yfinance"
