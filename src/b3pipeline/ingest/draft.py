"""From what came to the manifest of the batch: what is written, what is missing and why."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from b3pipeline import lake
from b3pipeline.errors import RateLimitedError, SourceError, UnknownTickerError
from b3pipeline.ingest.compare import Verdict
from b3pipeline.ingest.fetch import Scope, Slice
from b3pipeline.ingest.plans import Ask, Plan
from b3pipeline.lake import Gap, Restatement
from b3pipeline.quality import RULE, reason
from b3pipeline.sources.base import NO_TRADE, Failure

UNEXPLAINED = "the source has no quote"
OUTDATED = "the source no longer has it: bronze keeps it as it was before the restatement"


@dataclass
class Findings:
    """What several slices brought, without their quotes: rows a session, failures, gaps."""

    rows: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: list[tuple[Ask, Failure]] = field(default_factory=list)
    quarantined: dict[str, list[Gap]] = field(default_factory=lambda: defaultdict(list))

    def note(self, found: Slice) -> None:
        """Add what a slice tells."""
        for day, ticker, _, count in lake.partition_rows(found.kept):
            self.rows[ticker][day] += count
        self.failures += [(found.ask, failure) for failure in found.failures]
        back = found.held_back
        dated = back["traded_at"].dt.strftime("%Y-%m-%d").fillna("unknown")
        for ticker, day, rule in dict.fromkeys(zip(back["ticker"], dated, back[RULE], strict=True)):
            self.quarantined[ticker].append(Gap(ticker, day, reason(rule)))

    def why_missing(self, ticker: str, day: str) -> str:
        """Return the reason why a session of a ticker did not come."""
        told = list(self._told(ticker, day))
        for failure in told:
            if failure.kind == "unusable":
                return failure.reason
        for gap in self.quarantined.get(ticker, ()):
            if gap.dt == day:
                return f"held back, {gap.reason}"
        return told[0].reason if told else UNEXPLAINED

    def not_traded(self, ticker: str, day: str) -> bool:
        """Return whether the source settles that a ticker was not traded on a session."""
        return any(failure.kind == NO_TRADE for failure in self._told(ticker, day))

    def _told(self, ticker: str, day: str) -> Iterator[Failure]:
        """Yield the failures that speak of a session of a ticker."""
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


@dataclass(frozen=True)
class Outcome:
    """All that was found: by the plan's own questions, and by those for restated tickers."""

    plan: Plan
    found: Findings
    verdicts: Mapping[str, Verdict]
    reloaded: Findings
    scopes: Mapping[str, Scope]

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The failures of both, each once."""
        every = [failure for _, failure in (*self.found.failures, *self.reloaded.failures)]
        return tuple(dict.fromkeys(every))


@dataclass(frozen=True)
class Share:
    """What a batch does for a ticker: rows of each session written, the missing, the held back."""

    rows: Mapping[str, int]
    missing: Sequence[Gap]
    quarantined: Sequence[Gap]


def draft(
    outcome: Outcome, bucket: str, batch_id: str, simulated: bool, created_at: dt.datetime
) -> lake.BatchManifest:
    """Return the manifest of a batch that is going to be written.

    Raises RateLimitedError or SourceError where there is nothing to write.
    """
    plan = outcome.plan
    shares = {ticker: _share(outcome, ticker) for ticker in plan.tickers}
    written = {ticker: sorted(share.rows) for ticker, share in shares.items() if share.rows}
    if not written:
        raise _nothing_came(plan, outcome.failures)
    verdicts = [(ticker, outcome.verdicts.get(ticker, Verdict())) for ticker in plan.tickers]
    return lake.BatchManifest(
        bucket=bucket,
        batch_id=batch_id,
        source=plan.source,
        simulated=simulated,
        interval=plan.interval,
        created_at=created_at,
        start=plan.start,
        end=plan.end,
        rows=sum(sum(share.rows.values()) for share in shares.values()),
        partitions=dict(sorted(written.items())),
        missing=tuple(gap for share in shares.values() for gap in share.missing),
        quarantined=tuple(gap for share in shares.values() for gap in share.quarantined),
        restated=tuple(v.restated for t, v in verdicts if v.restated and t in written),
        corrected=tuple(gap for _, verdict in verdicts for gap in verdict.corrected),
        open_sessions=tuple(str(day) for day in plan.open_sessions),
    )


def _share(outcome: Outcome, ticker: str) -> Share:
    verdict = outcome.verdicts.get(ticker, Verdict())
    if verdict.restated:
        return _restated_share(outcome, ticker, verdict.restated)
    found, wanted = outcome.found, outcome.plan.wanted(ticker)
    count = {*wanted, *(gap.dt for gap in verdict.corrected)}
    rows = {day: n for day, n in found.rows[ticker].items() if day in count}
    missing = [
        Gap(ticker, day, found.why_missing(ticker, day)) for day in wanted if day not in rows
    ]
    return Share(rows, missing, found.quarantined[ticker])


def _restated_share(outcome: Outcome, ticker: str, restated: Restatement) -> Share:
    """Return a restated ticker's share: its whole history, or nothing.

    Where the history did not come again the new quotes are left out, too: they would not fit.
    """
    again, wanted = outcome.reloaded, dict.fromkeys(outcome.plan.wanted(ticker))
    failure = again.failed(ticker)
    if failure is not None:
        why = f"{restated.reason}, and its history did not come: {failure.reason}"
        missing = [Gap(ticker, day, why) for day in wanted]
        return Share({}, missing, outcome.found.quarantined[ticker])
    rows = dict(again.rows[ticker])
    missing = [
        Gap(ticker, day, again.why_missing(ticker, day) if day in wanted else OUTDATED)
        for day in outcome.scopes[ticker].wanted
        if day not in rows
    ]
    return Share(rows, missing, again.quarantined[ticker])


def refuse_unknown(failures: Iterable[Failure]) -> None:
    """Raise UnknownTickerError, with all reasons, where a ticker is unknown for good."""
    unknown = [failure for failure in failures if failure.kind == "unknown"]
    if not unknown:
        return
    reasons = "; ".join(f"{failure.ticker} ({failure.reason})" for failure in unknown)
    raise UnknownTickerError(
        f"the source does not know {reasons}. Nothing was written.",
        hint="correct the code, or leave it out; a renamed stock has a new one.",
    )


def _nothing_came(plan: Plan, failures: Sequence[Failure]) -> SourceError:
    if any(failure.kind == "rate_limited" for failure in failures):
        return RateLimitedError(
            f"{plan.source} refuses more requests for now (429). Nothing was written.",
            hint="wait a quarter of an hour, then run it again.",
        )
    if failures and all(failure.kind == "unknown" for failure in failures):
        refuse_unknown(failures)
    unreachable = [failure for failure in failures if failure.kind == "unreachable"]
    if unreachable:
        return SourceError(
            f"{plan.source}: {unreachable[0].reason} Nothing was written.",
            hint="see that this machine has a network, and its proxy if there is one, then run it "
            "again; `--source sample` needs none.",
        )
    reasons = "; ".join(f"{failure.ticker}: {failure.reason}" for failure in failures[:3])
    return SourceError(
        f"{plan.source} brought no quote of {', '.join(plan.tickers[:5])} between "
        f"{plan.start} and {plan.end}{f' ({reasons})' if reasons else ''}. "
        "Nothing was written.",
        hint="try later, or other dates: a stock has no quotes before it is listed.",
    )
