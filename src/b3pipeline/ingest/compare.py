"""History that the source has rewritten: found by a trailing window, told from a correction.

See docs/adr/0007 for why the rules are these.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from b3pipeline import lake, names
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import OriginError
from b3pipeline.exchange import EXCHANGE
from b3pipeline.ingest.fetch import Findings, LastBar, last_bars
from b3pipeline.ingest.plans import Plan, split_asks
from b3pipeline.lake import Gap, Restatement
from b3pipeline.language import note, say

log = logging.getLogger(__name__)

TICK = EXCHANGE.tick
"""BRL. Closes that differ by no more are the same: adjusting for a split rounds."""


def compare(
    cloud: Cloud, plan: Plan, came: Findings
) -> tuple[dict[str, Restatement], dict[str, tuple[Gap, ...]]]:
    """Return what was restated, and what was corrected, of the tickers that have a window.

    By ticker; one object is read for each session of a window.

    Raises OriginError where such an object turns out to be of another source than the plan's.
    """
    keys = {
        names.bronze_key(day, ticker): (ticker, day)
        for ticker, days in plan.windows.items()
        for day in days
    }
    held: dict[str, dict[str, LastBar]] = {ticker: {} for ticker in plan.windows}
    for (ticker, day), bars in zip(
        keys.values(), lake.find_partitions(cloud, list(keys)), strict=True
    ):
        if bars is None or not len(bars):
            continue
        others = {lake.Origin.told(label).source for label in set(bars["source"])} - {plan.source}
        if others and day in plan.wanted(ticker):
            continue  # it is about to be replaced
        if others:
            raise OriginError(
                say(
                    "the bronze object of {ticker} on {day} is from {others}, and {source} does "
                    "not join it in one history. Nothing was written.",
                    ticker=ticker,
                    day=day,
                    others=", ".join(sorted(others)),
                    source=plan.source,
                ),
                hint=say(
                    "ingest that session again, from the source of the others: its object is "
                    "replaced."
                ),
            )
        held[ticker][day] = last_bars(bars, np.repeat(day, len(bars)))[day]
    restated, corrected = dict[str, Restatement](), dict[str, tuple[Gap, ...]]()
    for ticker in plan.windows:
        said = judge_ticker(ticker, held[ticker], came.bars[ticker], came.splits[ticker])
        if isinstance(said, Restatement):
            restated[ticker] = said
        else:
            corrected[ticker] = said
    return restated, corrected


def doubt_uncompared(cloud: Cloud, plan: Plan, came: Findings) -> None:
    """Note, and log, a split before which bronze holds sessions of which none was compared.

    Without a window nobody can tell whether they are on the scale of what comes.
    """
    for ticker, splits in came.splits.items():
        if not splits or plan.windows.get(ticker) or ticker in plan.anew:
            continue
        day, ratio = min(splits.items())
        held = lake.held_sessions(cloud, [ticker], None, dt.date.fromisoformat(day))[ticker]
        older = {each for each in held if each < day}.difference(plan.wanted(ticker))
        if older:
            reason = note(
                "a split of {ratio:g} on {day} came, and the {count} sessions that bronze "
                "holds before it were not compared: they may be on another scale; a window "
                "above 0 compares them",
                ratio=ratio,
                day=day,
                count=len(older),
            )
            came.doubts[ticker].append(Gap(ticker, day, reason))
            log.warning("%s, %s: %s", plan.source, ticker, reason)


def judge_ticker(
    ticker: str,
    held: Mapping[str, LastBar],
    came: Mapping[str, LastBar],
    splits: Mapping[str, float],
) -> Restatement | tuple[Gap, ...]:
    """Return the restatement of a ticker, or the sessions that were corrected alone, mostly none.

    A split that bronze has not seen, or a first session of the window that no longer agrees, is
    a restatement: what the source rewrites, it rewrites from the beginning. A later session that
    differs alone is a correction. A session that did not come says nothing.
    """
    if not held:
        return ()
    both = [day for day in sorted(held) if day in came]
    days = [day for day in both if held[day].traded_at == came[day].traded_at]
    differing = [day for day in days if abs(came[day].close - held[day].close) > TICK * 1.001]
    split = next(iter(_new_splits(held, splits)), None)
    if split is not None:
        factor = _factor(held, came, differing)
        reason = note("a split of {ratio:g} on {day}", ratio=splits[split], day=split)
        return Restatement(ticker, factor, reason)
    if differing and differing[0] == days[0]:
        leading = [day for day, other in zip(days, differing, strict=False) if day == other]
        factor = _factor(held, came, leading)
        reason = note(
            "the close of {day} was {before:g}, is {after:g}",
            day=days[0],
            before=held[days[0]].close,
            after=came[days[0]].close,
        )
        return Restatement(ticker, factor, reason)
    return tuple(
        Gap(
            ticker,
            day,
            note(
                "close {before:g} is now {after:g}", before=held[day].close, after=came[day].close
            ),
        )
        for day in differing
    )


def reload_plan(cloud: Cloud, plan: Plan, tickers: Sequence[str]) -> Plan:
    """Return the plan of the whole history that bronze holds of `tickers`, to be asked for again.

    Together with what `plan` wants of them, up to the last closed session.
    """
    held = lake.held_sessions(cloud, tickers)
    final = str(plan.final)
    only = {
        ticker: sorted({day for day in held[ticker] if day <= final} | {*plan.wanted(ticker)})
        for ticker in tickers
    }
    day = dt.date.fromisoformat
    spans = {ticker: (day(days[0]), day(days[-1])) for ticker, days in only.items()}
    return replace(
        plan,
        tickers=tuple(tickers),
        firsts={ticker: plan.first(ticker) for ticker in tickers},
        only=only,
        windows={},
        asks=tuple(split_asks(plan.interval, spans)),
    )


def _new_splits(held: Mapping[str, LastBar], splits: Mapping[str, float]) -> Iterator[str]:
    """Yield the sessions of splits that came and that bronze does not know of."""
    first = min(held)
    for day in sorted(splits):
        known = held[day].split if day in held else 0.0
        if day >= first and abs(splits[day] - known) > 1e-9:
            yield day


def _factor(held: Mapping[str, LastBar], came: Mapping[str, LastBar], days: Sequence[str]) -> float:
    """Return the median ratio of new closes to old ones, 1 where none differs."""
    ratios = [came[day].close / held[day].close for day in days]
    return round(median(ratios), 6) if ratios else 1.0
