"""The rules that a quote must keep, as data; what breaks one is held back with the rule's name."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from b3pipeline.errors import SourceError
from b3pipeline.language import note, say
from b3pipeline.rules import VALUE_RULES, Rule
from b3pipeline.sources.base import QUOTE_COLUMNS, Doubt

PRICES = ["open", "high", "low", "close", "adj_close"]
EVENTS = ["dividends", "stock_splits"]
KEYS = ["ticker", "traded_at"]
MISSING = "values_present"
RULE = "rule"
CAME_AS = "came_as"
"""The columns that `judge` adds: the name of the broken rule, null where all are kept; and the
row as the source gave it, where a value had to go because it does not fit its column."""


def _events_real(frame: pd.DataFrame) -> pd.Series[bool]:
    events = frame[EVENTS]
    return ((events >= 0) & np.isfinite(events)).all(axis=1)


def _split_applied(frame: pd.DataFrame) -> pd.Series[bool]:
    """The bars before a split that was not applied break it: they are on another scale."""
    denied = {each.ticker: pd.Timestamp(each.day) for each in unapplied_splits(frame)}
    return ~(frame["traded_at"] < pd.to_datetime(frame["ticker"].map(denied)))


def _bar_unique(frame: pd.DataFrame) -> pd.Series[bool]:
    """Of copies that agree the first is kept; of bars that contradict each other, none."""
    copies = frame.duplicated(keep="first")
    return ~copies & ~frame[~copies].duplicated(KEYS, keep=False).reindex(frame.index).eq(True)


RULES = (
    Rule(MISSING, note("a value is missing"), lambda frame: frame.notna().all(axis=1)),
    *VALUE_RULES,
    Rule("events_real", note("a dividend or a split is negative or without end"), _events_real),
    Rule(
        "split_applied",
        note("a split is told, and the prices before it are not adjusted for it"),
        _split_applied,
    ),
    Rule("bar_unique", note("the bar came twice, or with two different contents"), _bar_unique),
)
"""What can be said of a row by its values; the refine holds bronze to `VALUE_RULES`, too."""

CALENDAR_RULES = {
    "flat_on_closed_day": note("no volume, one price, and B3 held no session"),
    "trades_on_closed_day": note(
        "volume on a day without session: the source or the calendar is wrong"
    ),
    "session_open": note("the session has not closed yet, so its bar is not final"),
}
"""What the calendar says of a row's day. Yahoo has made-up flat rows on holidays."""

BROKEN = {
    "dtypes": note("a value does not have its column's type"),
    **{rule.name: rule.broken for rule in RULES},
    **CALENDAR_RULES,
}
"""What each rule's name says of a row that is held back for it."""


LEAST_SPLIT = 1.5
"""The least split, as new for old or old for new, that stands out from the moves of a day."""
CLOSE_TO = 0.2
"""How far a move may lie from what a split would make of the price, both as logarithms."""


@dataclass(frozen=True)
class UnappliedSplit:
    """A split (new shares for one old) that a source tells of, and the closes deny."""

    ticker: str
    day: str
    ratio: float
    before: float
    after: float

    def __str__(self) -> str:
        return note(
            "a split of {ratio:g} on {day} is told and not applied: the close before it is "
            "{before:g}, on that day {after:g}",
            ratio=self.ratio,
            day=self.day,
            before=self.before,
            after=self.after,
        )


def unapplied_splits(frame: pd.DataFrame) -> list[UnappliedSplit]:
    """Return the splits of a frame of quotes that its own prices deny.

    Prices are adjusted for all splits as of the fetch, so a split leaves no step. Where the close
    moves to one `ratio`-th of the close before it, within `CLOSE_TO`, it was not applied. Below
    `LEAST_SPLIT` nothing can be said: shares move as far on many days.
    """
    told = frame["stock_splits"]
    if not (np.isfinite(told) & (told > 0) & (told != 1)).any():
        return []
    bars = frame.sort_values(KEYS, kind="stable")
    bars = bars[(bars["close"] > 0) & np.isfinite(bars["close"])]
    before = bars.groupby("ticker")["close"].shift()
    split = bars["stock_splits"]
    step = pd.Series(-np.log(split.where(split > 0)), index=bars.index)
    moved = pd.Series(np.log(bars["close"] / before), index=bars.index)
    denied = (step.abs() >= np.log(LEAST_SPLIT)) & ((moved - step).abs() <= CLOSE_TO)
    return [
        UnappliedSplit(row.ticker, f"{row.traded_at:%Y-%m-%d}", row.stock_splits, old, row.close)
        for row, old in zip(bars[denied].itertuples(), before[denied], strict=True)
    ]


LEAST_MOVE = 0.06
"""The least move, as a logarithm, that speaks against a split below `LEAST_SPLIT`."""
DIVIDEND_NOISE = (0.002, 0.25)
"""By how much `adj_close` may miss a dividend: as a logarithm, and as a share of the dividend."""
UNTOLD = 0.01
"""From which step on, as a logarithm, `adj_close` must have had a dividend."""


def doubts(frame: pd.DataFrame) -> list[Doubt]:
    """Return what a frame of quotes says against itself, without being wrong beyond question.

    A split below `LEAST_SPLIT`, as of a bonus in shares, where the close moves by about the split;
    a greater one where the close moves the other way round; a dividend of which `adj_close` knows
    nothing or something else, and a step of `adj_close` without one (daily bars alone: within the
    day no source adjusts). Dividends lower the adjusted closes before them by dividend / close of
    the session before, as Yahoo computes it.
    """
    usable = (frame[["close", "adj_close"]] > 0).all(axis=1)
    bars = frame[usable & _events_real(frame)].sort_values(KEYS, kind="stable")
    before = bars.groupby("ticker")[["close", "adj_close"]].shift()
    moved = pd.Series(np.log(bars["close"] / before["close"]), bars.index)
    split = bars["stock_splits"].where(bars["stock_splits"] > 0, 1.0)
    step = pd.Series(-np.log(split), bars.index)
    small = (step != 0) & (step.abs() < np.log(LEAST_SPLIT)) & (moved.abs() >= LEAST_MOVE)
    small &= (moved - step).abs() < moved.abs() / 3
    mirrored = (step.abs() >= np.log(LEAST_SPLIT)) & ((moved + step).abs() <= CLOSE_TO)
    factor = np.log(bars["adj_close"] / bars["close"])
    was_factor = np.log(before["adj_close"] / before["close"])
    known = pd.Series(factor - was_factor, bars.index)
    left = (1 - bars["dividends"] / before["close"]).clip(lower=1e-9)
    told = pd.Series(-np.log(left), bars.index)
    floor, part = DIVIDEND_NOISE
    room = (floor + part * told).where(told > 0, UNTOLD)
    daily = bars["traded_at"] == bars["traded_at"].dt.normalize()
    denied = daily.all() & ((known - told).abs() > room)
    found = []
    for place in np.flatnonzero(small | mirrored | denied):
        row, was = bars.iloc[place], float(before["close"].iloc[place])
        day = f"{row['traded_at']:%Y-%m-%d}"
        closes = note(
            "the close before it is {before:g}, on that day {after:g}",
            before=was,
            after=row["close"],
        )
        told_split = {"ratio": row["stock_splits"], "day": day, "closes": closes}
        if small.iloc[place]:
            why = note(
                "a split of {ratio:g} on {day} is told, and the close moves as if it were not "
                "applied: {closes}",
                **told_split,
            )
            found.append(Doubt(row["ticker"], day, why))
        if mirrored.iloc[place]:
            why = note(
                "a split of {ratio:g} on {day} is told, and the close moves the other way round: "
                "{closes}",
                **told_split,
            )
            found.append(Doubt(row["ticker"], day, why))
        if denied.iloc[place]:
            allowed = -np.expm1(-known.iloc[place])
            why = note(
                "no dividend is told on {day}, and adj_close allows for {allowed:.2%}",
                day=day,
                allowed=allowed,
            )
            if row["dividends"] > 0:
                why = note(
                    "a dividend of {dividend:g} on {day} is told, {share:.2%} of a close, and "
                    "adj_close allows for {allowed:.2%}",
                    dividend=row["dividends"],
                    day=day,
                    share=1 - left.iloc[place],
                    allowed=allowed,
                )
            found.append(Doubt(row["ticker"], day, why))
    return found


def reason(rule: str) -> str:
    """Return a rule's name with what breaks it, as a manifest gives it."""
    return f"{rule}: {BROKEN.get(rule, 'see quality.py')}"


def judge(frame: pd.DataFrame, sessions: Sequence[dt.date], final: dt.date) -> pd.DataFrame:
    """Return a source's frame in its types and order, and in `rule` the rule a row breaks, or None.

    `sessions` are those of the frame's range, `final` is the last one that has closed. The first
    rule that a row breaks names it. Raises SourceError where a column is missing.
    """
    typed, misfits, lacking = _typed(frame)
    closed = _calendar_rules(typed, sessions, final)
    broken = _broken(typed[~misfits & ~lacking]).reindex(typed.index).mask(lacking, MISSING)
    named = np.where(misfits, "dtypes", np.where(closed.notna(), closed, broken))
    typed[RULE] = pd.Series(named, dtype="object").mask(pd.isna(named), None)
    typed[CAME_AS] = None
    changed = misfits | lacking
    if changed.any():
        came = frame.reset_index(drop=True)[changed].astype(str).to_dict("records")
        typed.loc[changed, CAME_AS] = [json.dumps(row) for row in came]
    return typed.sort_values(KEYS, kind="stable", ignore_index=True)


def _typed(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series[bool], pd.Series[bool]]:
    """Return the quote columns in their dtypes, and two flags a row.

    The first: it held a value that does not fit its column. The second: it lacked one where the
    column cannot show it, for a whole number is never NaN.
    """
    absent = [name for name in QUOTE_COLUMNS if name not in frame.columns]
    if absent:
        raise SourceError(
            say("a source of quotes returned a frame without {absent}.", absent=", ".join(absent)),
            hint=say(
                "report it as a defect of the source: it breaks the contract in sources/base.py."
            ),
        )
    plain = frame[list(QUOTE_COLUMNS)].reset_index(drop=True)
    misfits = pd.Series(False, index=plain.index)
    lacking = misfits.copy()
    for name, kind in QUOTE_COLUMNS.items():
        if str(plain[name].dtype) != kind:
            if kind == "int64":
                lacking |= plain[name].isna()
            plain[name], bad = _fitted(plain[name], kind)
            misfits |= bad & ~lacking
    return plain, misfits, lacking


def _fitted(column: pd.Series[Any], kind: Any) -> tuple[pd.Series[Any], pd.Series[bool]]:
    if kind == "object":
        return column.astype(kind), pd.Series(False, index=column.index)
    if kind.startswith("datetime"):
        times = pd.to_datetime(column, errors="coerce")
        if times.dt.tz is not None:
            times = times.dt.tz_localize(None)
            return times.astype(kind), pd.Series(True, index=column.index)
        return times.astype(kind), times.isna()
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    if kind == "int64":
        bad = numbers.isna() | (numbers % 1 != 0)
        return numbers.where(~bad, 0).astype(kind), bad
    return numbers, numbers.isna() & column.notna()


def _broken(frame: pd.DataFrame) -> pd.Series[Any]:
    """Return the first rule that each row breaks, None where it breaks none."""
    import pandera.errors  # half a second, spared whoever does not ingest

    rules = pd.Series(None, index=frame.index, dtype="object")
    try:
        _schema().validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        kept = {found.check.name: found.check_output for found in error.schema_errors}
        for rule in reversed(RULES):  # so that the first one stays
            if rule.name in kept:
                rules[~kept[rule.name]] = rule.name
    return rules


@cache
def _schema() -> Any:
    import pandera.pandas as pa

    # One case of failure each: pandera lists them slowly, and the checks know all of them.
    checks = [pa.Check(rule.holds, name=rule.name, n_failure_cases=1) for rule in RULES]
    columns = {name: pa.Column(kind, nullable=True) for name, kind in QUOTE_COLUMNS.items()}
    return pa.DataFrameSchema(columns, checks=checks)


def _calendar_rules(
    frame: pd.DataFrame, sessions: Sequence[dt.date], final: dt.date
) -> pd.Series[Any]:
    days = frame["traded_at"].dt.normalize()
    held = days.isin(pd.to_datetime(list(sessions)))
    flat = (frame["volume"] == 0) & (frame["high"] == frame["low"])
    rules = pd.Series(None, index=frame.index, dtype="object")
    rules[held & (days > pd.Timestamp(final))] = "session_open"
    rules[~held & flat] = "flat_on_closed_day"
    rules[~held & ~flat] = "trades_on_closed_day"
    return rules
