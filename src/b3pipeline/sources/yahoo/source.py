"""Quotes of Yahoo Finance through yfinance, without its traps."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from b3pipeline.calendar import SAO_PAULO, Clock, sessions, utc_now
from b3pipeline.errors import ConfigError, DateRangeError
from b3pipeline.language import note, say
from b3pipeline.progress import Progress, track
from b3pipeline.sources.base import (
    CLOSED,
    Doubt,
    Failure,
    Quotes,
    check_interval,
    empty_frame,
    join_frames,
)
from b3pipeline.sources.yahoo.answers import unreadable
from b3pipeline.sources.yahoo.client import YahooClient
from b3pipeline.sources.yahoo.frame import to_quotes
from b3pipeline.sources.yahoo.retry import Patience, Rounds

log = logging.getLogger(__name__)

MAX_THREADS = 4
"""Requests under way at once: more of them meet a 429 sooner."""

DAYS_KEPT = {"60m": 730, "30m": 60, "15m": 60, "5m": 60}
"""Days for which Yahoo keeps bars within the day, the present one included."""


class YahooSource:
    """Yahoo Finance as a quote source.

    `session` is a `curl_cffi` session, where yfinance's own will not do. `cache_dir` holds
    yfinance's databases of time zones and cookies, apart from those of other programs; `timeout`
    is in seconds, for each request; `threads` from 1 to `MAX_THREADS`; `patience` says how often
    and how long it asks again; `clock` tells what day it is.
    """

    name = "yahoo"
    simulated = False
    intervals = ("1d", *DAYS_KEPT)

    def __init__(
        self,
        session: Any = None,
        cache_dir: Path | None = None,
        timeout: float = 10,
        threads: int = MAX_THREADS,
        patience: Patience | None = None,
        clock: Clock = utc_now,
    ) -> None:
        if not 1 <= threads <= MAX_THREADS:
            raise ConfigError(
                say("{threads} threads are not what Yahoo puts up with.", threads=threads),
                hint=say("use 1 to {most}.", most=MAX_THREADS),
            )
        self._client = YahooClient(session, cache_dir, timeout)
        self._threads = threads
        self._patience = patience or Patience()
        self._clock = clock

    def fetch(
        self,
        tickers: Sequence[str],
        start: dt.date,
        end: dt.date,
        interval: str = "1d",
        progress: Progress | None = None,
    ) -> Quotes:
        """Return the bars of `tickers` from `start` to `end`, both included.

        What Yahoo sends for holidays and for the session still open is in it, unjudged. Prices
        are on the tick, see `frame.to_tick`. What fails is asked for again as `patience`
        allows; a 429 that outlasts it stops everything, and the rest is `rate_limited`.

        Raises ConfigError for an interval that is not on offer, and DateRangeError where `start`
        lies before what Yahoo keeps of it.
        """
        check_interval(self, interval)
        self._check_reach(start, interval)
        codes = list(dict.fromkeys(tickers))
        rounds = Rounds(
            lambda ticker: self._fetch_one(ticker, start, end, interval),
            self._threads,
            self._patience,
        )
        frames: list[pd.DataFrame] = []
        failures: dict[str, tuple[Failure, ...]] = {}
        doubts: dict[str, tuple[Doubt, ...]] = {}
        # Closed before yfinance is let go: an interruption here ends the workers first.
        with self._client.running(codes), closing(rounds.settle(codes)) as settled:
            for ticker, brought in track(settled, progress, total=len(codes), desc="yahoo"):
                frames.append(brought.frame)
                failures[ticker] = tuple(_judged(each, start, end) for each in brought.failures)
                doubts[ticker] = brought.doubts
                reasons = [failure.reason for failure in failures[ticker]]
                for reason in (*reasons, *(doubt.reason for doubt in brought.doubts)):
                    log.warning("yahoo, %s: %s", ticker, reason)
        in_order = tuple(each for ticker in codes for each in failures[ticker])
        doubtful = tuple(each for ticker in codes for each in doubts[ticker])
        return Quotes(join_frames(frames), in_order, doubtful)

    def _fetch_one(self, ticker: str, start: dt.date, end: dt.date, interval: str) -> Quotes:
        """Return what comes of one ticker; whatever is wrong with it is its own failure."""
        try:
            brought = self._client.ask(ticker, start, end, interval)
            if isinstance(brought, Failure):
                return Quotes(empty_frame(), (brought,))
            quotes = to_quotes(ticker, brought, interval, start, end)
        except Exception as error:  # an answer may be shaped in any way
            log.debug("yahoo, %s", ticker, exc_info=True)
            return Quotes(empty_frame(), (unreadable(ticker, error),))
        if quotes.frame.empty and not quotes.failures:
            why = note("no quotes {start} to {end}", start=start, end=end)
            return replace(quotes, failures=(Failure(ticker, "empty", why),))
        return quotes

    def _check_reach(self, start: dt.date, interval: str) -> None:
        kept = DAYS_KEPT.get(interval)
        if kept is None:
            return
        today = self._clock().astimezone(SAO_PAULO).date()
        first = today - dt.timedelta(days=kept - 1)
        if start < first:
            raise DateRangeError(
                say(
                    "Yahoo keeps bars of {interval} for {kept} days, and {start} lies {days} days "
                    "back.",
                    interval=interval,
                    kept=kept,
                    start=start,
                    days=(today - start).days,
                ),
                hint=say("start on {first} or later, or take bars of 1d.", first=first),
            )


def _judged(failure: Failure, start: dt.date, end: dt.date) -> Failure:
    """Return `failure`, as `closed` where nothing could have come: B3 held no session."""
    if failure.kind == "empty" and not sessions(start, end):
        return Failure(failure.ticker, "closed", CLOSED)
    return failure
