"""Is the quote source of a course there at all? Asked before anything is made, within a minute."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from b3pipeline.calendar import parse_date, sessions
from b3pipeline.errors import B3Error, SourceError
from b3pipeline.language import say
from b3pipeline.sources import SOURCES, QuoteSource, open_source
from b3pipeline.sources.cotahist.downloads import BASE_URL

FIRST_DAY = dt.date(2010, 1, 4)
"""A session from which on files are looked for."""
HALF_A_YEAR = dt.timedelta(days=181)
LIMIT = 50.0
"""Seconds that a source may take to show that it is there."""
KNOCK_LIMIT = 20.0
"""Seconds for one request to the exchange, of whose files the smallest asked for is large."""


def check_source(
    name: str,
    tickers: str,
    end: str,
    *,
    path: str = "",
    limit: float = LIMIT,
    open_: Callable[..., QuoteSource] = open_source,
    base_url: str = BASE_URL,
) -> None:
    """Return where a source answers; raise SourceError, naming the others, where it does not.

    Asked for is the last session up to `end` of the first of `tickers`. The simulated market needs
    no asking. Of the exchange's own files, without a `path`, only the server is asked: they are
    large.
    """
    if name.startswith("sample"):
        return
    with_path = {"path": path} if path else {}
    market = open_(name, **with_path)
    if name == "cotahist" and not path:
        _in_time(name, limit, lambda: _knock(base_url))
        return
    last = sessions(parse_date(end).replace(day=1), parse_date(end))[-1:]
    day = last[0] if last else parse_date(end)
    ticker = tickers.split(",")[0].strip()
    quotes = _in_time(name, limit, lambda: market.fetch([ticker], day, day))
    if quotes.frame.empty:
        reasons = "; ".join(failure.reason for failure in quotes.failures)
        raise unavailable(name, reasons or say("it brought no quote of {ticker}", ticker=ticker))


def window_of_files(path: str, tickers: str) -> dict[str, str]:
    """Return `start` and `end`, as text, of the last half-year that files of the exchange hold.

    Nothing is returned where they hold none of `tickers`.
    """
    market = open_source("cotahist", path=path)
    codes = [code.strip() for code in tickers.split(",")]
    frame = market.fetch(codes, FIRST_DAY, dt.datetime.now(dt.UTC).date()).frame
    if frame.empty:
        return {}
    days = frame["traded_at"].dt.date
    end = days.max()
    return {"start": str(max(days.min(), end - HALF_A_YEAR)), "end": str(end)}


def _knock(base_url: str) -> None:
    """Return where a server answers, whatever it says; raise OSError where none does."""
    try:
        asked = Request(base_url, method="HEAD", headers={"User-Agent": "b3pipeline"})  # noqa: S310
        urlopen(asked, timeout=KNOCK_LIMIT).close()  # noqa: S310
    except HTTPError:
        return


def _in_time(name: str, limit: float, act: Callable[[], Any]) -> Any:
    """Return what `act` returns; raise SourceError where it fails, or takes longer than `limit`.

    A source that hangs keeps its thread, which ends with the program.
    """
    brought: list[Any] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            brought.append(act())
        except (B3Error, OSError) as error:
            failed.append(error)

    thread = threading.Thread(target=ask, name="is the source there?", daemon=True)
    thread.start()
    thread.join(limit)
    if failed:
        error = failed[0]
        raise unavailable(name, getattr(error, "message", str(error))) from error
    if not brought:
        raise unavailable(name, say("no answer in {seconds:.0f} s", seconds=limit))
    return brought[0]


def unavailable(name: str, reason: str) -> SourceError:
    """Return the error that says why a source cannot be had, and which others there are."""
    others = {
        "sample": say("`make tutorial` (simulated, needs no network)"),
        "yahoo": "`make tutorial SOURCE=yahoo`",
        "cotahist": say(
            "`make tutorial SOURCE=cotahist` (the exchange's own files; `FILES=folder` takes "
            "those that you have)"
        ),
    }
    known: Mapping[str, str] = {each: others[each] for each in SOURCES if each != name}
    return SourceError(
        say("the source {name} cannot be had now: {reason}.", name=name, reason=reason.rstrip(".")),
        hint=say("one of the others: {others}.", others="; ".join(known.values())),
    )
