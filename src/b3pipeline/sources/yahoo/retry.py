"""Asking a shy server for many tickers: few at a time, in rounds, with growing pauses."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from b3pipeline.language import note
from b3pipeline.sources.base import Failure, FailureKind, Quotes, empty_frame

log = logging.getLogger(__name__)

REFUSED = note("Yahoo refuses more requests for now (429)")

AGAIN = ("retryable", "unreachable")
"""The kinds of failures after which a ticker is asked for again."""

ATTEMPTS_WITHOUT_NETWORK = 2

Ask = Callable[[str], Quotes]


@dataclass(frozen=True)
class Patience:
    """How often, and for how long, what failed is asked for again.

    `attempts` for each ticker, and refusals (429) in a row before the whole fetch stops. Waits
    double from `first_wait` (after a 429 from `first_wait_refused`) up to `longest_wait`, in
    seconds, and are cut by up to a half at random, so that many users do not return at once. No
    request begins, and no wait ends, after `deadline` seconds. `timer` counts seconds from
    anywhere and never jumps; `draw` gives numbers from 0 to 1.
    """

    attempts: int = 4
    deadline: float = 300.0
    first_wait: float = 1.0
    first_wait_refused: float = 10.0
    longest_wait: float = 60.0
    timer: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random

    def wait(self, failed: int, *, refused: bool) -> float:
        """Return the seconds to wait after the `failed`-th failure in a row, 1 or more."""
        first = self.first_wait_refused if refused else self.first_wait
        return float(min(first * 2 ** (failed - 1), self.longest_wait) * (1 - self.draw() / 2))


class Rounds:
    """One fetch of many tickers, round after round, until each is settled.

    In a round the workers ask for all that is unsettled, and the first 429 keeps those that have
    not begun from beginning. All waiting is done between rounds, by the caller's thread, while no
    request is under way. After a 429 a single ticker goes first, to see whether the door is open;
    so it does where the server cannot be reached, and where it has never been, the second time
    is the last one.
    """

    def __init__(self, ask: Ask, threads: int, patience: Patience) -> None:
        self._ask = ask
        self._threads = threads
        self._patience = patience
        self._ends = patience.timer() + patience.deadline
        self._refused = threading.Event()
        self._refusals = 0
        self._lost = threading.Event()
        self._losses = 0
        self._reached = False
        self._failed: dict[str, int] = {}
        self._reasons: dict[str, str] = {}

    def settle(self, tickers: Sequence[str]) -> Generator[tuple[str, Quotes]]:
        """Yield each ticker once, with its quotes or its final failure, as soon as it is known."""
        self._failed = dict.fromkeys(tickers, 0)
        while self._failed:
            yield from self._round()
            if not self._failed:
                return
            pause = self._pause()
            if pause is None:
                yield from self._given_up()
                return
            if pause:
                self._sleep(pause)

    def _round(self) -> Iterator[tuple[str, Quotes]]:
        some = list(self._failed)[: 1 if self._refusals or self._losses else None]
        self._refused.clear()
        self._lost.clear()
        pool = ThreadPoolExecutor(min(self._threads, len(some)), thread_name_prefix="quotes")
        try:
            asked = {pool.submit(self._ask_unless_stopped, ticker): ticker for ticker in some}
            for future in as_completed(asked):
                yield from self._settled(asked[future], future)
        finally:
            pool.shutdown(cancel_futures=True)

    def _ask_unless_stopped(self, ticker: str) -> Quotes | None:
        stopped = self._refused.is_set() or self._lost.is_set()
        if stopped or self._patience.timer() >= self._ends:
            return None
        brought = self._ask(ticker)
        kind = _kind(brought)
        if kind == "rate_limited":
            self._refused.set()
        if kind == "unreachable":
            self._lost.set()
        else:
            self._reached = True
        return brought

    def _settled(self, ticker: str, future: Future[Quotes | None]) -> Iterator[tuple[str, Quotes]]:
        """Yield the ticker where nothing more is to be asked; count its failure otherwise."""
        brought = future.result()
        if brought is None or _kind(brought) == "rate_limited":
            return
        if _kind(brought) in AGAIN:
            [failure] = brought.failures
            self._failed[ticker] += 1
            self._reasons[ticker] = failure.reason
            if self._failed[ticker] < self._patience.attempts:
                return
            tries = note("after {attempts} attempts", attempts=self._patience.attempts)
            brought = _failed(ticker, failure.kind, f"{failure.reason} ({tries})")
        del self._failed[ticker]
        yield ticker, brought

    def _pause(self) -> float | None:
        """Return the seconds to wait before the next round; None where patience has ended."""
        self._refusals = self._refusals + 1 if self._refused.is_set() else 0
        self._losses = self._losses + 1 if self._lost.is_set() else 0
        if self._refusals >= self._patience.attempts or self._is_cut_off():
            return None
        pause = self._wait()
        return pause if self._patience.timer() + pause < self._ends else None

    def _is_cut_off(self) -> bool:
        """Return whether the server has never been reached, though it was tried again."""
        return not self._reached and self._losses >= ATTEMPTS_WITHOUT_NETWORK

    def _wait(self) -> float:
        refused = self._refusals > 0
        failed = self._refusals or max(self._failed.values())
        return self._patience.wait(failed, refused=refused) if failed else 0.0

    def _sleep(self, pause: float) -> None:
        what = REFUSED if self._refusals else next(iter(self._reasons.values()))
        log.warning("%s: %.1f s until the next attempt", what, pause)
        self._patience.sleep(pause)

    def _given_up(self) -> Iterator[tuple[str, Quotes]]:
        """Yield what is left: refused with the whole batch, out of reach, or out of time."""
        over = note("the {deadline:.0f} s for one fetch are over", deadline=self._patience.deadline)
        first = next(iter(self._reasons.values()), "")
        for ticker in self._failed:
            if self._refusals:
                yield ticker, _failed(ticker, "rate_limited", REFUSED)
            elif self._is_cut_off():
                yield ticker, _failed(ticker, "unreachable", first)
            else:
                reason = self._reasons.get(ticker, note("not asked for"))
                yield ticker, _failed(ticker, "retryable", f"{reason}; {over}")


def _kind(brought: Quotes) -> FailureKind | None:
    """Return the kind of failure that left a ticker without any quote, if one did."""
    if len(brought.frame) or not brought.failures:
        return None
    return brought.failures[0].kind


def _failed(ticker: str, kind: FailureKind, reason: str) -> Quotes:
    return Quotes(empty_frame(), (Failure(ticker, kind, reason),))
