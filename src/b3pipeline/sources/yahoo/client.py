"""yfinance for one ticker at a time, from several threads: its traps stop here.

What yfinance shares between threads, and why that is safe here:

- The singleton `YfData` holds the session, the cookie and the crumb. yfinance takes a lock of its
  own around the making of cookie and crumb; a curl_cffi session has a handle for each thread.
- `YfData.cache_get`, an `lru_cache`, takes its own lock. It remembers failed answers, so each
  request clears it first; another thread loses by that no more than a remembered answer.
- `config.debug.hide_exceptions` is set before the workers start and reset after they have ended.
- The SQLite file of time zones is written before the workers start; they only read it.
- The session and the setting belong to the whole process, so one run at a time holds `_RUNNING`.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import yfinance
from curl_cffi import requests
from yfinance.cache import get_tz_cache
from yfinance.data import YfData
from yfinance.exceptions import (
    YFException,
    YFPricesMissingError,
    YFRateLimitError,
    YFTzMissingError,
)

from b3pipeline.calendar import SAO_PAULO
from b3pipeline.exchange import EXCHANGE
from b3pipeline.sources.base import Failure, FailureKind
from b3pipeline.sources.yahoo.retry import REFUSED

SUFFIX = EXCHANGE.suffix
"""What Yahoo adds to the codes of B3; it is known here alone."""

NO_QUOTES = "Yahoo knows it and has no quotes of it in this range"

_WORDS: tuple[tuple[str, FailureKind], ...] = (
    ("for this date range", "empty"),
    ("data doesn't exist", "empty"),
    ("data not available", "empty"),
    ("must be within the last", "empty"),
    ("delisted", "unknown"),
    ("not found", "unknown"),
)
"""What Yahoo's own reasons contain, and what they mean; the first that fits counts. "No data
found for this date range, symbol may be delisted" is said of the liveliest stocks."""

_TROUBLE = (YFException, OSError, ValueError, LookupError, TypeError, AttributeError)
"""What a broken answer raises: yfinance's own, the network's (curl_cffi's errors are OSErrors),
bad JSON, and what its parser trips over."""

_RUNNING = threading.Lock()


class YahooSession(requests.Session[requests.Response]):
    """A session that looks like a browser, as yfinance's own, and waits `limit` seconds at most.

    yfinance asks for cookie and crumb with time-outs of 30 s, one thread after the other: on a
    dead connection that would outlast any deadline.
    """

    def __init__(self, limit: float) -> None:
        super().__init__(impersonate="chrome")
        self._limit = limit

    def request(self, method: Any, url: str, *args: Any, **options: Any) -> Any:
        """Return the answer of `url`; raises curl_cffi's errors, Timeout among them."""
        asked = options.get("timeout")
        options["timeout"] = min(asked, self._limit) if asked else self._limit
        return super().request(method, url, *args, **options)


class YahooClient:
    """What asks yfinance for the history of one ticker, and says what a failure means."""

    def __init__(self, session: Any, cache_dir: Path | None, timeout: float) -> None:
        self._session = YahooSession(timeout) if session is None else session
        self._timeout = timeout
        # Before the first ticker: later calls are ignored.
        yfinance.set_tz_cache_location(str(cache_dir or _default_cache()))

    @contextmanager
    def running(self, tickers: Sequence[str]) -> Iterator[None]:
        """Hold what yfinance shares between threads while `tickers` are asked for."""
        with _RUNNING, _raising():
            # Every stock of B3 has one time zone: known, it spares a request for each ticker.
            for ticker in tickers:
                get_tz_cache().store(f"{ticker}{SUFFIX}", SAO_PAULO.key)
            _forget_crumb(YfData(self._session))
            yield

    def ask(
        self, ticker: str, start: dt.date, end: dt.date, interval: str
    ) -> pd.DataFrame | Failure:
        """Return yfinance's history of `ticker`, both days included, or why there is none.

        To be called within `running`, from any thread. Waits for nothing and repeats nothing.
        """
        _forget_failures()
        asked = yfinance.Ticker(f"{ticker}{SUFFIX}", session=self._session)
        try:
            history: pd.DataFrame = asked.history(
                start=start,
                end=end + dt.timedelta(days=1),  # Yahoo's end is exclusive
                interval=interval,
                auto_adjust=False,
                actions=True,
                timeout=self._timeout,
            )
        except _TROUBLE as error:
            return _failure(ticker, error, _answered_for(asked))
        return _moved(ticker, _answered_for(asked)) or history


def _failure(ticker: str, error: Exception, answered_for: str | None) -> Failure:
    """Return what `error` says of a ticker.

    Only Yahoo's own word makes a ticker unknown: to yfinance a maintenance page, an empty range
    and a renamed stock are all "possibly delisted".
    """
    if isinstance(error, YFRateLimitError):
        return Failure(ticker, "rate_limited", REFUSED)
    if isinstance(error, YFTzMissingError):
        return Failure(ticker, "unknown", "Yahoo has no such symbol")
    if isinstance(error, YFPricesMissingError):
        if error.yahoo_reason:
            return Failure(
                ticker, _meaning(error.yahoo_reason), f"Yahoo says: {error.yahoo_reason}"
            )
        if answered_for:
            return _moved(ticker, answered_for) or Failure(ticker, "empty", NO_QUOTES)
        return Failure(ticker, "retryable", "Yahoo's answer holds neither quotes nor a reason")
    return Failure(ticker, "retryable", f"{type(error).__name__}: {error}"[:200])


def _meaning(reason: str) -> FailureKind:
    low = reason.lower()
    return next((kind for words, kind in _WORDS if words in low), "retryable")


def _moved(ticker: str, answered_for: str | None) -> Failure | None:
    """Return a failure where Yahoo answered for another symbol than it was asked for."""
    if answered_for in (None, f"{ticker}{SUFFIX}"):
        return None
    return Failure(ticker, "unknown", f"Yahoo answers for {answered_for} instead")


def _answered_for(asked: yfinance.Ticker) -> str | None:
    """Return the symbol in the metadata of the last answer; None where it had none."""
    price_history = asked._price_history  # the public property asks again where it is empty
    found = (getattr(price_history, "_history_metadata", None) or {}).get("symbol")
    return None if found is None else str(found)


def _forget_failures() -> None:
    """Clear what would make yfinance repeat an old failure: its cache, and a crumb that is none."""
    YfData.cache_get.cache_clear()
    data = YfData()
    crumb = data._crumb
    # On a 429 or a web page in answer to getcrumb, yfinance keeps that text as the crumb.
    if crumb is not None and (not crumb or "<" in crumb or any(map(str.isspace, crumb))):
        _forget_crumb(data)


def _forget_crumb(data: YfData) -> None:
    with data._cookie_lock:
        data._crumb = None


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
