"""What bronze holds already of the tickers of a plan: what to compare, and where to go on."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from b3pipeline import lake
from b3pipeline.calendar import FIRST_DAY, sessions
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import NothingToDoError
from b3pipeline.ingest.plans import Plan, split_asks

INTRADAY_REACH = dt.timedelta(days=50)
"""How old a session may be that is asked for only to compare it: Yahoo keeps short bars 60 days."""


def survey(cloud: Cloud, plan: Plan, window: int, *, since_last: bool = False) -> Plan:
    """Return `plan` with its windows and its questions, from what the catalog says of bronze.

    The window of a ticker is its last `window` sessions in bronze, up to the end of the plan. With
    `since_last` a ticker begins after the last session that bronze holds of it; raises
    NothingToDoError where none has a new one. Raises CatalogError where the table cannot be read.
    """
    held = _held(cloud, plan, window)
    if since_last:
        plan = _only_new(plan, held)
    windows = {
        ticker: _window(plan, held[ticker], window) for ticker in plan.tickers if held[ticker]
    }
    wanted = {ticker: set(plan.wanted(ticker)) for ticker in plan.tickers}
    spans = {ticker: _span(plan, ticker, windows.get(ticker, [])) for ticker in plan.tickers}
    return replace(
        plan,
        windows={ticker: days for ticker, days in windows.items() if days},
        asks=tuple(split_asks(plan.interval, spans)),
        held=sum(len(wanted[ticker].intersection(held[ticker])) for ticker in plan.tickers),
    )


def _held(cloud: Cloud, plan: Plan, window: int) -> dict[str, list[str]]:
    """Return the sessions in bronze from shortly before the plan to its end.

    Where a ticker has none of them, what lies further back is looked for as well: it may have
    been suspended, or left out for a while.
    """
    start = sessions_before(plan.start, window)
    held = lake.held_sessions(cloud, plan.tickers, start, plan.end)
    lacking = [ticker for ticker, days in held.items() if not days]
    if lacking:
        held |= lake.held_sessions(cloud, lacking, None, start)
    return held


def _only_new(plan: Plan, held: dict[str, list[str]]) -> Plan:
    """Return the plan without the tickers and the sessions up to the last one in bronze."""
    firsts: dict[str, dt.date] = {}
    for ticker in plan.tickers:
        last = dt.date.fromisoformat(held[ticker][-1]) if held[ticker] else None
        new = [day for day in plan.sessions if last is None or day > last]
        if new:
            firsts[ticker] = new[0]
    if not firsts:
        raise NothingToDoError(
            f"bronze holds every session up to {plan.sessions[-1]} of "
            f"{', '.join(plan.tickers)}: there is nothing to ask for.",
            hint="come back after the next session, at 18:30 São Paulo time.",
        )
    return replace(plan, tickers=tuple(firsts), firsts=firsts)


def _window(plan: Plan, days: list[str], count: int) -> list[str]:
    last = days[-count:] if count else []
    if plan.interval == "1d":
        return last
    oldest = min(str(plan.final - INTRADAY_REACH), str(plan.start))
    return [day for day in last if day >= oldest]


def _span(plan: Plan, ticker: str, window: list[str]) -> tuple[dt.date, dt.date]:
    """Return the dates to ask for: the wanted ones, and the window before them."""
    wanted = plan.wanted(ticker)
    days = sorted({*wanted[:1], *wanted[-1:], *window[:1], *window[-1:]})
    return dt.date.fromisoformat(days[0]), dt.date.fromisoformat(days[-1])


def sessions_before(day: dt.date, count: int) -> dt.date:
    """Return the session that lies `count` sessions before `day`, or the first one known."""
    start = max(FIRST_DAY, day - dt.timedelta(days=count * 2 + 15))
    before = [each for each in sessions(start, day) if each < day]
    return before[-count] if 0 < count <= len(before) else day
