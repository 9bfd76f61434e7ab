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

import yfinance
from curl_cffi import requests
from yfinance.cache import get_tz_cache
from yfinance.data import YfData

from b3pipeline.calendar import SAO_PAULO
from b3pipeline.sources.base import Failure
from b3pipeline.sources.yahoo.answers import SUFFIX, Result, failure_of, is_foreign, result_of

CONNECT_LIMIT = 4.0
"""Seconds for a connection to come about: without a network nobody should wait for long."""

_CHART = "/finance/chart/"

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
        limit = min(asked, self._limit) if isinstance(asked, int | float) else self._limit
        connecting = min(CONNECT_LIMIT, limit / 2)
        options["timeout"] = (connecting, limit - connecting)
        return super().request(method, url, *args, **options)


class YahooClient:
    """What asks yfinance for the history of one ticker, and says what a failure means."""

    def __init__(self, session: Any, cache_dir: Path | None, timeout: float) -> None:
        self._session: Any = YahooSession(timeout) if session is None else session
        self._timeout = timeout
        self._heard = threading.local()
        self._listen()
        # Before the first ticker: later calls are ignored.
        yfinance.set_tz_cache_location(str(cache_dir or _default_cache()))

    def _listen(self) -> None:
        """Keep each thread's last answer of the chart, as Yahoo gave it."""
        request = self._session.request

        def listening(method: Any, url: str, *args: Any, **options: Any) -> Any:
            answer = request(method, url, *args, **options)
            if _CHART in url:
                self._heard.answer = answer
            return answer

        self._session.request = listening

    @contextmanager
    def running(self, tickers: Sequence[str]) -> Iterator[None]:
        """Hold what yfinance shares between threads while `tickers` are asked for."""
        with _RUNNING, _raising():
            # Every stock of B3 has one time zone: known, it spares a request for each ticker.
            for ticker in tickers:
                get_tz_cache().store(f"{ticker}{SUFFIX}", SAO_PAULO.key)
            _forget_crumb(YfData(self._session))
            yield

    def ask(self, ticker: str, start: dt.date, end: dt.date, interval: str) -> Result | Failure:
        """Return Yahoo's chart of `ticker`, both days included, or why there is none.

        To be called within `running`, from any thread. Waits for nothing and repeats nothing.
        yfinance asks, with its cookies and crumbs; the answer is taken as Yahoo gave it. For what
        yfinance makes of one is not it: an event of a day without a bar moves to the bar before,
        a missing volume of a quarter of an hour counts as nought, and a midnight that daylight
        saving left out raises. Whatever it raises is a failure of this ticker alone.
        """
        _forget_failures()
        self._heard.answer = None
        problem = None
        try:
            yfinance.Ticker(f"{ticker}{SUFFIX}", session=self._session).history(
                start=instant(start),
                end=instant(end + dt.timedelta(days=1)),  # Yahoo's end is exclusive
                interval=interval,
                auto_adjust=False,
                actions=True,
                timeout=self._timeout,
            )
        except Exception as error:  # yfinance raises what it pleases
            problem = error
        answer = self._heard.answer
        result = result_of(answer)
        if result is None or not result.get("timestamp"):
            return failure_of(ticker, answer, problem)
        return is_foreign(ticker, result) or result


def instant(day: dt.date) -> int:
    """Return the moment at which a day begins in São Paulo, in seconds since 1970.

    Where daylight saving left out its midnight, it began at one o'clock: the same moment.
    """
    return int(dt.datetime.combine(day, dt.time(), SAO_PAULO).timestamp())


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
