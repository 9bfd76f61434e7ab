"""The manifest of a batch that is going to be written: what comes, what lacks, and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from b3pipeline.errors import NothingToDoError, RateLimitedError, SourceError, UnknownTickerError
from b3pipeline.ingest.fetch import Findings
from b3pipeline.ingest.plans import Plan
from b3pipeline.ingest.request import FALLBACKS
from b3pipeline.lake import BatchManifest, Gap, Origin, Replacement, Restatement
from b3pipeline.language import note, retold, say
from b3pipeline.sources.base import Failure

OUTDATED = note("the source no longer has it: bronze keeps it as it was before the restatement")


def draft(
    plan: Plan,
    found: Findings,
    restatements: Mapping[str, Restatement],
    corrections: Mapping[str, tuple[Gap, ...]],
    again: Findings,
    history: Plan,
    *,
    bucket: str,
    batch_id: str,
    created_at: dt.datetime,
    instead_of: str = "",
) -> BatchManifest:
    """Return the manifest of a batch that is going to be written, or that has nothing to write.

    `found` is what the plan's own questions brought, `again` what those of `history` did: the
    whole histories of the tickers that were restated.
    """
    rows: dict[str, Mapping[str, int]] = {}
    lacking: list[Gap] = []
    quarantined: list[Gap] = []
    doubtful: list[Gap] = []
    for ticker in plan.tickers:
        restated = restatements.get(ticker)
        came = again if restated else found
        if restated and (failure := again.failed(ticker)):
            # New quotes on a new scale would not fit what bronze holds: they are left out, too.
            why = note(
                "{reason}, and its history did not come: {failure}",
                reason=restated.reason,
                failure=failure.reason,
            )
            lacking += [Gap(ticker, day, why) for day in plan.wanted(ticker)]
            rows[ticker], came = {}, found
        elif ticker in plan.anew and (failure := found.failed(ticker)):
            why = note(
                "bronze keeps {before}: {reason}", before=plan.before[ticker], reason=failure.reason
            )
            lacking += [Gap(ticker, day, why) for day in plan.wanted(ticker)]
            rows[ticker] = {}
        else:
            corrected = {gap.dt for gap in corrections.get(ticker, ())}
            wanted = (history if restated else plan).wanted(ticker)
            days = {*wanted, *(() if restated else corrected)}
            rows[ticker] = {day: n for day, n in came.rows[ticker].items() if day in days}
            asked = set(plan.wanted(ticker))
            lacking += [
                Gap(ticker, day, came.why_missing(ticker, day) if day in asked else OUTDATED)
                for day in wanted
                if day not in rows[ticker]
            ]
        quarantined += came.quarantined[ticker]
        doubtful += [
            gap
            for gap in came.doubts[ticker]
            if gap.dt in rows[ticker] or gap.dt not in came.rows[ticker]  # an event without a bar
        ]
    replaced = _replaced(plan, rows)
    removed = {one.ticker: one.removed for one in replaced}
    written = {
        ticker: sorted({*days, *removed.get(ticker, ())}) for ticker, days in rows.items() if days
    }
    settled = {
        gap
        for gap in lacking
        if any(each.not_traded(gap.ticker, gap.dt) for each in (found, again))
    }
    return BatchManifest(
        bucket=bucket,
        batch_id=batch_id,
        source=plan.source,
        simulated=plan.simulated,
        interval=plan.interval,
        created_at=created_at,
        start=plan.start,
        end=plan.end,
        rows=sum(sum(days.values()) for days in rows.values()),
        partitions=dict(sorted(written.items())),
        missing=tuple(gap for gap in lacking if gap not in settled),
        quarantined=tuple(quarantined),
        restated=tuple(restatements[t] for t in plan.tickers if t in restatements and t in written),
        corrected=tuple(gap for t in plan.tickers for gap in corrections.get(t, ())),
        open_sessions=tuple(str(day) for day in plan.open_sessions),
        no_trade=tuple(gap for gap in lacking if gap in settled),
        replaced=replaced,
        doubtful=tuple(doubtful),
        unknown=tuple(ticker for ticker in plan.tickers if found.is_unknown(ticker)),
        instead_of=instead_of,
    )


def _replaced(plan: Plan, rows: Mapping[str, Mapping[str, int]]) -> tuple[Replacement, ...]:
    """Return the histories that are replaced, each with what the new source has no quote of."""
    return tuple(
        Replacement(
            ticker,
            plan.before[ticker],
            tuple(day for day in days if day not in rows[ticker]),
        )
        for ticker, days in plan.anew.items()
        if rows.get(ticker)
    )


def refuse_half_a_world(plan: Plan, manifest: BatchManifest, failures: Sequence[Failure]) -> None:
    """Raise where one market's quotes would take the place of some of another's alone.

    Real quotes are one market, and so are those of each seed.
    """
    kept = [ticker for ticker in plan.anew if ticker not in manifest.partitions]
    labels = [label for ticker in kept for label in plan.before[ticker].split(" and ")]
    if all(Origin.told(label).meets(plan.origin) for label in labels):
        return
    reasons = "; ".join(f"{f.ticker}: {retold(f.reason)}" for f in failures if f.ticker in kept)
    limited = any(failure.kind == "rate_limited" for failure in failures)
    raise (RateLimitedError if limited else SourceError)(
        say(
            "{source} did not bring {tickers} ({reasons}), of which bronze holds {before}. Quotes "
            "of two markets do not meet in one bucket, so nothing was replaced.",
            source=plan.source,
            tickers=", ".join(kept),
            reasons=reasons or say("no quote"),
            before=retold(plan.before[kept[0]]),
        ),
        hint=say("run it again later; or begin with an empty bucket (`b3 local reset`)."),
    )


def refuse_unknown(failures: Iterable[Failure]) -> None:
    """Raise UnknownTickerError, with all reasons, where a ticker is unknown for good."""
    unknown = [failure for failure in failures if failure.kind == "unknown"]
    if not unknown:
        return
    reasons = "; ".join(f"{failure.ticker} ({retold(failure.reason)})" for failure in unknown)
    raise UnknownTickerError(
        say("the source does not know {reasons}. Nothing was written.", reasons=reasons),
        hint=say("correct the code, or leave it out; a renamed stock has a new one."),
    )


def settled(manifest: BatchManifest) -> NothingToDoError:
    """Return the end of a batch that has nothing to write, and lacks nothing either."""
    tickers = ", ".join(dict.fromkeys(gap.ticker for gap in manifest.no_trade))
    days = sorted({gap.dt for gap in manifest.no_trade})
    return NothingToDoError(
        say(
            "{source} settles it: {tickers} was not traded on any of the {count} sessions "
            "asked for, {first} to {last}. There is nothing to write, and nothing is "
            "missing.",
            source=retold(manifest.label),
            tickers=tickers,
            count=len(days),
            first=days[0],
            last=days[-1],
        ),
        hint=say("ask for other dates, or look the code up at B3."),
    )


def nothing_came(plan: Plan, failures: Sequence[Failure]) -> SourceError:
    """Return the error of a batch of which nothing came at all."""
    if any(failure.kind == "rate_limited" for failure in failures):
        second = FALLBACKS.get(plan.source) if plan.interval == "1d" else None
        hint = say("wait a quarter of an hour, then run it again.")
        if second:
            hint = say(
                "wait a quarter of an hour, then run it again; or take daily bars from a second "
                "source: --fallback {source}.",
                source=second,
            )
        return RateLimitedError(
            say(
                "{source} refuses more requests for now (429). Nothing was written.",
                source=plan.source,
            ),
            hint=hint,
        )
    if failures and all(failure.kind == "unknown" for failure in failures):
        refuse_unknown(failures)
    unreachable = [failure for failure in failures if failure.kind == "unreachable"]
    if unreachable:
        return SourceError(
            say(
                "{source}: {reason} Nothing was written.",
                source=plan.source,
                reason=retold(unreachable[0].reason),
            ),
            hint=say(
                "see that this machine has a network, and its proxy if there is one, then run "
                "it again; `--source sample` needs none."
            ),
        )
    reasons = "; ".join(f"{failure.ticker}: {retold(failure.reason)}" for failure in failures[:3])
    asked = {
        "source": plan.source,
        "tickers": ", ".join(plan.tickers[:5]),
        "start": plan.start,
        "end": plan.end,
    }
    return SourceError(
        say(
            "{source} brought no quote of {tickers} between {start} and {end}. "
            "Nothing was written.",
            **asked,
        )
        if not reasons
        else say(
            "{source} brought no quote of {tickers} between {start} and {end} ({reasons}). "
            "Nothing was written.",
            reasons=reasons,
            **asked,
        ),
        hint=say("try later, or other dates: a stock has no quotes before it is listed."),
    )
