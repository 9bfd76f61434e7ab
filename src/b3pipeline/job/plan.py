"""Which sessions a run reads, and which of them it recomputes."""

from __future__ import annotations

import datetime as dt
import sys
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

REACHES = (0, 16, 64, 256, 1024, 4096, 16384)  # days; the last one is 45 years

Session = tuple[str, str]  # ticker and ISO date
Sessions = dict[str, set[str]]  # the ISO dates of each ticker
Plan = list[tuple[str, str, bool]]  # sessions to read, each with whether to recompute it


def neighbours(
    between: Callable[[Iterable[str], str, str], Iterable[Session]],
    affected: Sessions,
    absent: Sessions,
    today: dt.date,
    look_back: int,
) -> Sessions:
    """Return the sessions around the affected ones: `look_back` on either side.

    `between(tickers, first, last)` asks the catalog. It is asked for windows that grow
    fourfold, and only for the tickers that still lack sessions: the number of requests depends
    neither on the length of the history nor on that of a suspension. `absent` sessions are in
    the catalog and have no quotes; no session lies after tomorrow.
    """
    found: Sessions = {ticker: set() for ticker in affected}
    spans = [(ticker, *span) for ticker, days in affected.items() for span in _spans(days)]
    for near, far in pairwise(REACHES):
        windows: dict[tuple[str, str], set[str]] = defaultdict(set)
        for ticker, first, last in spans:
            for window in _windows(first, last, near, far, found[ticker], today, look_back):
                windows[window].add(ticker)
        for (first, last), tickers in windows.items():
            for ticker, day in between(tickers, first, last):
                if day not in affected[ticker] and day not in absent.get(ticker, ()):
                    found[ticker].add(day)
    return found


def _spans(days: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the first and last day of each stretch whose windows would meet."""
    stretch: list[str] = []
    for day in sorted(days):
        if stretch and day > _shift(stretch[-1], 2 * REACHES[1]):
            yield stretch[0], stretch[-1]
            stretch = []
        stretch.append(day)
    if stretch:
        yield stretch[0], stretch[-1]


def _windows(
    first: str, last: str, near: int, far: int, found: set[str], today: dt.date, look_back: int
) -> Iterator[tuple[str, str]]:
    """Yield what to list next around a stretch, all within `near` days being known."""
    if near == 0:
        yield _shift(first, -far), _shift(last, far)
        return
    start, end = _shift(first, -near), _shift(last, near)
    if sum(start <= day < first for day in found) < look_back:
        yield _shift(first, -far), _shift(start, -1)
    if sum(last < day <= end for day in found) < look_back and end <= today.isoformat():
        yield _shift(end, 1), _shift(last, far)


def _shift(day: str, days: int) -> str:
    return (dt.date.fromisoformat(day) + dt.timedelta(days)).isoformat()


def sessions_to_read(affected: set[str], others: set[str], look_back: int) -> dict[str, bool]:
    """Return the days to read of one ticker, each with whether it is to be recomputed.

    Recomputed: the affected days and the `look_back` sessions after each. Read besides: as many
    before any of these. An affected day may turn out to be gone, so it never counts as one of
    them.
    """
    plan: dict[str, bool] = {}
    before: deque[str] = deque(maxlen=look_back)
    reach = 0
    for day in sorted(affected | others):
        if day in affected or reach > 0:
            plan |= {earlier: False for earlier in before if earlier not in plan} | {day: True}
        if day in affected:
            reach = look_back
        else:
            reach -= 1
            before.append(day)
    return plan


def by_ticker(sessions: Iterable[Session]) -> Sessions:
    """Return the days of each ticker."""
    days: Sessions = defaultdict(set)
    for ticker, day in sessions:
        days[ticker].add(sys.intern(day))
    return dict(days)


def pairs(sessions: Sessions) -> Iterator[Session]:
    """Yield ticker and day of each session."""
    for ticker, days in sessions.items():
        yield from ((ticker, day) for day in days)
