"""Questions to the source, and what came: judged by rules and calendar, kept in the journal."""

from __future__ import annotations

import datetime as dt
import difflib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from b3pipeline import lake
from b3pipeline.calendar import sessions
from b3pipeline.errors import DateRangeError, RateLimitedError
from b3pipeline.ingest.plans import Ask, Plan
from b3pipeline.lake import Gap, Journal
from b3pipeline.language import english, note
from b3pipeline.progress import Progress
from b3pipeline.quality import CALENDAR_RULES, RULE, doubts, judge, reason, unapplied_splits
from b3pipeline.sources import renamed
from b3pipeline.sources.base import NO_TRADE, Failure, FailureKind, Quotes, QuoteSource, empty_frame
from b3pipeline.tickers import TICKERS

log = logging.getLogger(__name__)

UNEXPLAINED = note("the source has no quote")
UNASKED = note("the source refuses more requests for now")
NO_SPLIT = [0.0, 1.0]
BEYOND = dt.timedelta(days=10)
"""How far past the dates asked for a day is still known for a session: its bar may come unasked."""


@dataclass(frozen=True)
class LastBar:
    """The last bar of a session, of bronze or as it came; `split` is that of the whole session."""

    traded_at: pd.Timestamp
    close: float
    split: float


@dataclass
class Findings:
    """What the questions of a plan brought, without the quotes: those are in the journal.

    Rows a session, failures, what was held back, what is doubtful; and for the comparison with
    bronze the last bars of the windows, and each split that came at all, by ticker and session
    (YYYY-MM-DD).
    """

    rows: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: list[tuple[Ask, Failure]] = field(default_factory=list)
    quarantined: dict[str, list[Gap]] = field(default_factory=lambda: defaultdict(list))
    doubts: dict[str, list[Gap]] = field(default_factory=lambda: defaultdict(list))
    bars: dict[str, dict[str, LastBar]] = field(default_factory=lambda: defaultdict(dict))
    splits: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def stopped(self) -> bool:
        """Whether the source refused to go on."""
        return any(failure.kind == "rate_limited" for _, failure in self.failures)

    def note(
        self,
        plan: Plan,
        ask: Ask,
        judged: pd.DataFrame,
        failures: Sequence[Failure] = (),
        doubts: Sequence[Gap] = (),
    ) -> None:
        """Add what one question brought: judged quotes with their `rule`, and who failed.

        `doubts` are what the quotes say against themselves, though they are kept.
        """
        kept, back = judged[judged[RULE].isna()], judged[judged[RULE].notna()]
        for day, ticker, _, count in lake.partition_rows(kept):
            self.rows[ticker][day] += count
        self.failures += [(ask, failure) for failure in failures]
        dated = back["traded_at"].dt.strftime("%Y-%m-%d").fillna("unknown")
        for ticker, day, rule in dict.fromkeys(zip(back["ticker"], dated, back[RULE], strict=True)):
            self.quarantined[ticker].append(Gap(ticker, day, reason(rule)))
        for gap in doubts:
            self.doubts[gap.ticker].append(gap)
        self._note_windows(plan, ask, kept)

    def _note_windows(self, plan: Plan, ask: Ask, kept: pd.DataFrame) -> None:
        days = kept["traded_at"].to_numpy().astype("datetime64[D]")
        tickers, splits = kept["ticker"].to_numpy(), kept["stock_splits"].to_numpy()
        for ticker in ask.tickers:
            mine = tickers == ticker
            split = mine & ~np.isin(splits, NO_SPLIT)
            self.splits[ticker] |= {
                str(day): float(ratio)
                for day, ratio in zip(days[split], splits[split], strict=True)
            }
            compared = mine & np.isin(days, _days(plan.windows.get(ticker, ())))
            self.bars[ticker] |= last_bars(kept[compared], days[compared].astype(str))

    def why_missing(self, ticker: str, day: str) -> str:
        """Return the reason why a session of a ticker did not come."""
        told = list(self._answers(ticker, day))
        for failure in told:
            if failure.kind == "unusable":
                return failure.reason
        for gap in self.quarantined.get(ticker, ()):
            if gap.dt == day:
                return note("held back, {reason}", reason=gap.reason)
        return told[0].reason if told else UNEXPLAINED

    def not_traded(self, ticker: str, day: str) -> bool:
        """Return whether the source settles that a ticker was not traded on a session."""
        return any(failure.kind == NO_TRADE for failure in self._answers(ticker, day))

    def is_unknown(self, ticker: str) -> bool:
        """Return whether the source has no such ticker, and nothing of it came."""
        said = any(f.ticker == ticker and f.kind == "unknown" for _, f in self.failures)
        return said and not self.rows[ticker]

    def _answers(self, ticker: str, day: str) -> Iterator[Failure]:
        """Yield what was answered of a session that did not come."""
        for ask, failure in self.failures:
            asked = str(ask.start) <= day <= str(ask.end)
            if failure.ticker == ticker and asked and failure.speaks_of(day):
                yield failure

    def failed(self, ticker: str) -> Failure | None:
        """Return the first failure of a ticker that says more than that there is no quote."""
        passing = ("empty", "closed", NO_TRADE)
        for _, failure in self.failures:
            a_day = failure.kind == "unusable" and failure.days
            if failure.ticker == ticker and failure.kind not in passing and not a_day:
                return failure
        return None


def last_bars(bars: pd.DataFrame, days: Any) -> dict[str, LastBar]:
    """Return the last bar of each session of one ticker, by the `days` (text) of its rows."""
    found: dict[str, LastBar] = {}
    columns = (bars[name] for name in ("traded_at", "close", "stock_splits"))
    for day, moment, close, ratio in zip(map(str, days), *columns, strict=True):
        split = found[day].split if day in found else 0.0  # that of an earlier bar stays
        split = split or (0.0 if ratio in NO_SPLIT else float(ratio))
        found[day] = LastBar(moment, float(close), split)
    return found


def gather(
    source: QuoteSource,
    plan: Plan,
    journal: Journal,
    *,
    first_number: int = 0,
    stopped: bool = False,
    progress: Progress | None = None,
) -> Findings:
    """Return what the questions of a plan bring, from the journal or new: all of it is there then.

    The answers are numbered in the journal from `first_number`, and one is in memory at a time.
    After a refusal (or where `stopped`) nothing more is asked: the rest fail unasked.
    """
    done, found = journal.slices(), Findings()
    for number, ask in enumerate(plan.asks, first_number):
        if number in done:
            frame, notes = journal.read_slice(number)
            failures = [_failure(*note) for note in notes["failures"]]
            found.note(plan, ask, frame, failures, [Gap(*one) for one in notes.get("doubts", ())])
        elif stopped or found.stopped:
            found.failures += [(ask, failure) for failure in _unasked(ask)]
        else:
            whole = first_number > 0 or any(ticker in plan.anew for ticker in ask.tickers)
            quotes = _fetch(source, plan, ask, progress, whole=whole)
            judged, failures, doubtful = _judged(ask, quotes, plan)
            notes = {
                "failures": [_noted(failure) for failure in failures],
                "doubts": [[gap.ticker, gap.dt, gap.reason] for gap in doubtful],
            }
            journal.write_slice(number, judged, notes)
            found.note(plan, ask, judged, failures, doubtful)
    return found


def _noted(failure: Failure) -> list[Any]:
    return [failure.ticker, failure.kind, failure.reason, sorted(failure.days)]


def _failure(ticker: str, kind: FailureKind, reason: str, days: Sequence[str] = ()) -> Failure:
    return Failure(ticker, kind, reason, frozenset(days))


def _fetch(
    source: QuoteSource, plan: Plan, ask: Ask, progress: Progress | None, *, whole: bool
) -> Quotes:
    """Return what the source brings; of a whole history also, why it cannot reach back so far."""
    try:
        return source.fetch(ask.tickers, ask.start, ask.end, plan.interval, progress)
    except RateLimitedError as error:
        log.warning("%s: %s", source.name, english(error.message))
        return Quotes(empty_frame(), _unasked(ask))
    except DateRangeError as error:
        if not whole:
            raise
        lost = (Failure(ticker, "retryable", english(error.message)) for ticker in ask.tickers)
        return Quotes(empty_frame(), tuple(lost))


def _unasked(ask: Ask) -> tuple[Failure, ...]:
    return tuple(Failure(ticker, "rate_limited", UNASKED) for ticker in ask.tickers)


def _judged(
    ask: Ask, quotes: Quotes, plan: Plan
) -> tuple[pd.DataFrame, list[Failure], tuple[Gap, ...]]:
    """Return what came, judged; the failures, what contradicts itself among them; the doubts."""
    judged = judge(quotes.frame, sessions(ask.start, ask.end + BEYOND), plan.final)
    denied = [(each.ticker, str(each)) for each in unapplied_splits(judged)]
    for ticker, why in denied:
        log.warning("%s, %s: %s", plan.source, ticker, why)
    came = set(judged["ticker"])
    told = (_with_advice(failure, came) for failure in quotes.failures)
    failures = (
        Failure(ticker, "unusable", note("held back, {why}", why=why)) for ticker, why in denied
    )
    left_out = (each for each in quotes.doubts if each.day >= str(plan.first(each.ticker)))
    doubtful = (*_doubts(judged, plan), *(Gap(d.ticker, d.day, d.reason) for d in left_out))
    return _counting(judged, ask, plan), [*told, *failures], doubtful


def _doubts(judged: pd.DataFrame, plan: Plan) -> tuple[Gap, ...]:
    """Return what the quotes to be written say against themselves; it is logged, too."""
    kept = judged[judged[RULE].isna()]
    found = tuple(
        Gap(each.ticker, each.day, each.reason)
        for each in doubts(kept)
        if each.day in plan.wanted(each.ticker)
    )
    for gap in found:
        log.warning("%s, %s: %s", plan.source, gap.ticker, gap.reason)
    return found


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
        advice = note("did you mean {codes}?", codes=" or ".join(sorted(near))) if near else ""
    return replace(failure, reason=f"{failure.reason}; {advice}") if advice else failure


def _counting(judged: pd.DataFrame, ask: Ask, plan: Plan) -> pd.DataFrame:
    """Return the judged rows that count."""
    days = judged["traded_at"].to_numpy().astype("datetime64[D]")
    broken = judged[RULE].notna().to_numpy()
    off_calendar = judged[RULE].isin(list(CALENDAR_RULES)).to_numpy()
    still_open = (judged[RULE] == "session_open").to_numpy()
    asked = days <= np.datetime64(ask.end)
    tickers = judged["ticker"].to_numpy()
    counts = np.zeros(len(judged), dtype=bool)
    for ticker in ask.tickers:
        mine = tickers == ticker
        wanted = np.isin(days, _days(plan.wanted(ticker))) | (broken & np.isnat(days))
        compared = np.isin(days, _days(plan.windows.get(ticker, ()))) & ~broken
        # Made-up rows on closed days are reported from the first day asked for on.
        beside = off_calendar & (days >= np.datetime64(plan.first(ticker))) & (asked | still_open)
        counts |= mine & (wanted | compared | beside)
    return judged[counts].reset_index(drop=True)


def _days(texts: Sequence[str]) -> Any:
    return np.array(texts, dtype="datetime64[D]")
