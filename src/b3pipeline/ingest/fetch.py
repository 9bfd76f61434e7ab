"""Questions to the source, and what came: judged by rules and calendar, kept in the journal."""

from __future__ import annotations

import datetime as dt
import difflib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from b3pipeline.calendar import sessions
from b3pipeline.errors import DateRangeError, RateLimitedError
from b3pipeline.ingest.plans import Ask, Plan
from b3pipeline.lake import Journal
from b3pipeline.progress import Progress
from b3pipeline.quality import CALENDAR_RULES, RULE, judge, unapplied_splits
from b3pipeline.sources import renamed
from b3pipeline.sources.base import NO_TRADE, Failure, FailureKind, Quotes, QuoteSource, empty_frame
from b3pipeline.tickers import TICKERS

log = logging.getLogger(__name__)

UNASKED = "the source refuses more requests for now"
BEYOND = dt.timedelta(days=10)
"""How far past the dates asked for a day is still known for a session: its bar may come unasked."""


@dataclass(frozen=True)
class Scope:
    """What counts of a ticker: the sessions to write, those to compare, and the first day of all.

    Made-up rows on closed days are reported from `first` on.
    """

    wanted: Sequence[str]
    window: Sequence[str]
    first: dt.date


@dataclass(frozen=True)
class Slice:
    """What one question brought: judged quotes with their `rule`, and the tickers that failed."""

    number: int
    ask: Ask
    frame: pd.DataFrame
    failures: tuple[Failure, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether the source refused to go on."""
        return any(failure.kind == "rate_limited" for failure in self.failures)

    @property
    def kept(self) -> pd.DataFrame:
        """The quotes that break no rule."""
        return self.frame[self.frame[RULE].isna()]

    @property
    def held_back(self) -> pd.DataFrame:
        """The quotes that break one."""
        return self.frame[self.frame[RULE].notna()]


def fetch_all(
    source: QuoteSource,
    plan: Plan,
    asks: Sequence[Ask],
    scopes: Mapping[str, Scope],
    journal: Journal,
    *,
    first_number: int = 0,
    stopped: bool = False,
    progress: Progress | None = None,
) -> Iterator[Slice]:
    """Yield what each question brings, one in memory at a time; each is in the journal by then.

    What the journal holds already is read from there. After a refusal nothing more is asked:
    the rest fail unasked.
    """
    done = journal.slices()
    for number, ask in enumerate(asks, first_number):
        if number in done:
            found = read_slice(journal, number, ask)
        elif stopped:
            found = _slice(number, ask, Quotes(empty_frame(), _unasked(ask)), plan, scopes)
        else:
            quotes = _fetch(source, plan, ask, progress, reload=number >= len(plan.asks))
            found = _slice(number, ask, quotes, plan, scopes)
            notes = {"failures": [_noted(failure) for failure in found.failures]}
            journal.write_slice(number, found.frame, notes)
        stopped |= found.stopped
        yield found


def first_scopes(plan: Plan) -> dict[str, Scope]:
    """Return what counts of each ticker of `plan` as it stands."""
    days = {ticker: plan.wanted(ticker) for ticker in plan.tickers}
    return {
        ticker: Scope(wanted, plan.windows.get(ticker, ()), dt.date.fromisoformat(wanted[0]))
        for ticker, wanted in days.items()
    }


def read_slice(journal: Journal, number: int, ask: Ask) -> Slice:
    """Return a slice as the journal holds it."""
    frame, notes = journal.read_slice(number)
    return Slice(number, ask, frame, tuple(_failure(*note) for note in notes["failures"]))


def _noted(failure: Failure) -> list[Any]:
    return [failure.ticker, failure.kind, failure.reason, sorted(failure.days)]


def _failure(ticker: str, kind: FailureKind, reason: str, days: Sequence[str] = ()) -> Failure:
    return Failure(ticker, kind, reason, frozenset(days))


def _fetch(
    source: QuoteSource, plan: Plan, ask: Ask, progress: Progress | None, *, reload: bool
) -> Quotes:
    """Return what the source brings; of a `reload` also, why it cannot reach back so far."""
    try:
        return source.fetch(ask.tickers, ask.start, ask.end, plan.interval, progress)
    except RateLimitedError as error:
        log.warning("%s: %s", source.name, error.message)
        return Quotes(empty_frame(), _unasked(ask))
    except DateRangeError as error:
        if not reload:
            raise
        lost = (Failure(ticker, "retryable", error.message) for ticker in ask.tickers)
        return Quotes(empty_frame(), tuple(lost))


def _unasked(ask: Ask) -> tuple[Failure, ...]:
    return tuple(Failure(ticker, "rate_limited", UNASKED) for ticker in ask.tickers)


def _slice(number: int, ask: Ask, quotes: Quotes, plan: Plan, scopes: Mapping[str, Scope]) -> Slice:
    """Return what came, judged, and what contradicts itself among the failures."""
    judged = judge(quotes.frame, sessions(ask.start, ask.end + BEYOND), plan.final)
    denied = [(each.ticker, str(each)) for each in unapplied_splits(judged)]
    for ticker, why in denied:
        log.warning("%s, %s: %s", plan.source, ticker, why)
    came = set(judged["ticker"])
    told = (_with_advice(failure, came) for failure in quotes.failures)
    failures = (Failure(ticker, "unusable", f"held back, {why}") for ticker, why in denied)
    return Slice(number, ask, _counting(judged, ask, scopes), (*told, *failures))


def _with_advice(failure: Failure, came: set[str]) -> Failure:
    """Return a failure of a ticker that is nowhere with its other name, or with the nearest ones.

    Its name by now, or before, where a renaming is known; else, of an unknown one, what may be
    meant.
    """
    ticker, kind = failure.ticker, failure.kind
    if kind not in ("unknown", "empty", NO_TRADE) or ticker in came:
        return failure
    advice = renamed.told(ticker)
    if not advice and kind == "unknown":
        near = difflib.get_close_matches(ticker, TICKERS, n=2, cutoff=0.6)
        advice = f"did you mean {' or '.join(sorted(near))}?" if near else ""
    return replace(failure, reason=f"{failure.reason}; {advice}") if advice else failure


def _counting(judged: pd.DataFrame, ask: Ask, scopes: Mapping[str, Scope]) -> pd.DataFrame:
    """Return the judged rows that count."""
    days = judged["traded_at"].to_numpy().astype("datetime64[D]")
    broken = judged[RULE].notna().to_numpy()
    off_calendar = judged[RULE].isin(list(CALENDAR_RULES)).to_numpy()
    still_open = (judged[RULE] == "session_open").to_numpy()
    asked = days <= np.datetime64(ask.end)
    tickers = judged["ticker"].to_numpy()
    counts = np.zeros(len(judged), dtype=bool)
    for ticker in ask.tickers:
        scope, mine = scopes[ticker], tickers == ticker
        wanted = np.isin(days, _days(scope.wanted)) | (broken & np.isnat(days))
        compared = np.isin(days, _days(scope.window)) & ~broken
        beside = off_calendar & (days >= np.datetime64(scope.first)) & (asked | still_open)
        counts |= mine & (wanted | compared | beside)
    return judged[counts].reset_index(drop=True)


def _days(texts: Sequence[str]) -> Any:
    return np.array(texts, dtype="datetime64[D]")
