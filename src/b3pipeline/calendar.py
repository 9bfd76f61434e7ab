"""The sessions of B3, and which of them have closed."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import cache
from importlib.resources import files

from b3pipeline.errors import DateRangeError
from b3pipeline.exchange import EXCHANGE
from b3pipeline.language import say

Clock = Callable[[], dt.datetime]
"""Says what time it is, with a time zone."""

SAO_PAULO = EXCHANGE.zone

FINAL_FROM = EXCHANGE.final_from
"""Local time from which the day's bar counts as final."""

FIRST_DAY = dt.date(2000, 1, 1)
LAST_DAY = dt.date(2035, 12, 31)


def utc_now() -> dt.datetime:
    """Return the present moment in UTC: the clock of everything that is not told another."""
    return dt.datetime.now(dt.UTC)


def sessions(start: dt.date, end: dt.date) -> list[dt.date]:
    """Return the sessions from `start` to `end`, both included, in order.

    Holidays are those of `exchange_calendars`. A day of short trading, such as Ash
    Wednesday, is a session. Raises DateRangeError outside the years the calendar is built for.
    """
    for day in (start, end):
        _check_known(day)
    every = _all_sessions()
    return list(every[bisect_left(every, start) : bisect_right(every, end)])


def is_session(day: dt.date) -> bool:
    """Return whether the exchange trades on `day`."""
    return bool(sessions(day, day))


def last_closed_session(now: dt.datetime) -> dt.date:
    """Return the latest session whose bar is final at `now`, an aware moment."""
    local = now.astimezone(SAO_PAULO)
    day = local.date() if local.time() >= FINAL_FROM else local.date() - dt.timedelta(days=1)
    _check_known(day)
    every = _all_sessions()
    return every[bisect_right(every, day) - 1]


def parse_date(value: object, name: str = "") -> dt.date:
    """Return the date that `value` spells as YYYY-MM-DD; raises DateRangeError otherwise.

    A date or a moment is taken too. `name` is that of the parameter, for the error's sentence. A
    number is refused, and so is 02/01/2024, which is January to some and February to others.
    """
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    what = f"{name}: {value!r}" if name else f"{value!r}"
    if not isinstance(value, str):
        raise DateRangeError(
            _no_date(what, type(value).__name__),
            hint=say("write it in quotes as YYYY-MM-DD, such as '2024-06-28'."),
        )
    try:
        return dt.datetime.strptime(value.strip(), "%Y-%m-%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError as error:
        raise DateRangeError(
            say("{what} is not a date.", what=what), hint=_spelling(value)
        ) from error


def _no_date(what: str, kind: str) -> str:
    if kind[0] in "aeiou":
        return say("{what} is not a date but an {kind}.", what=what, kind=kind)
    return say("{what} is not a date but a {kind}.", what=what, kind=kind)


def _spelling(value: str) -> str:
    """Return how a date is written: this one, where its day comes first as in Brazil."""
    try:
        day = dt.datetime.strptime(value.strip(), "%d/%m/%Y").date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return say("write it as YYYY-MM-DD, such as 2024-06-28.")
    return say(
        "write it as YYYY-MM-DD: {date}, if {day} is the day and {month} the month.",
        date=day,
        day=day.day,
        month=day.month,
    )


def check_range(start: str | dt.date, end: str | dt.date, now: dt.datetime) -> list[dt.date]:
    """Return the sessions from `start` to `end`, both included, that have closed by `now`.

    A session still open at `now` is left out: its bar is not final. Raises DateRangeError where
    a date cannot be read or lies in the future (São Paulo time), the start is after the end, or
    no closed session is left.
    """
    first, last = parse_date(start, "start"), parse_date(end, "end")
    today = now.astimezone(SAO_PAULO).date()
    if last > today or first > today:
        raise DateRangeError(
            _in_the_future(first, last, today),
            hint=say("end at the last closed session, {day}.", day=last_closed_session(now)),
        )
    if first > last:
        raise DateRangeError(
            say("the start {first} is after the end {last}.", first=first, last=last),
            hint=say("swap the two dates."),
        )
    final = last_closed_session(now)
    closed = [day for day in sessions(first, last) if day <= final]
    if not closed:
        raise DateRangeError(_no_session(first, last, final), hint=_nearest(first, last, final))
    return closed


def _in_the_future(first: dt.date, last: dt.date, today: dt.date) -> str:
    if first > today:
        return say(
            "the start {day} lies in the future: today is {today} in São Paulo.",
            day=first,
            today=today,
        )
    return say(
        "the end {day} lies in the future: today is {today} in São Paulo.", day=last, today=today
    )


def _no_session(first: dt.date, last: dt.date, final: dt.date) -> str:
    open_sessions = sessions(first, last)
    if open_sessions:
        day = open_sessions[0]
        return say(
            "the session of {day} is not final before {time} São Paulo time.",
            day=day,
            time=f"{FINAL_FROM:%H:%M}",
        )
    if first == last:
        return say("B3 holds no session on {day}.", day=first)
    return say("B3 holds no session from {first} to {last}.", first=first, last=last)


def _nearest(first: dt.date, last: dt.date, final: dt.date) -> str:
    every = _all_sessions()
    before = every[max(bisect_left(every, first) - 1, 0)]
    after = every[min(bisect_right(every, last), len(every) - 1)]
    if after > final:
        return say("the last closed session is {day}.", day=final)
    return say("the nearest sessions are {before} and {after}.", before=before, after=after)


def _check_known(day: dt.date) -> None:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise DateRangeError(
            say("{day} lies outside the calendar of B3 that is kept here.", day=day),
            hint=say("stay between {first} and {last}.", first=FIRST_DAY, last=LAST_DAY),
        )


@cache
def _all_sessions() -> tuple[dt.date, ...]:
    """Return all sessions: the weekdays, but for those that `closed_days.csv` names.

    The file is written from `exchange_calendars`, whose import and calendar take a CPU second.
    """
    closed = set(files("b3pipeline").joinpath("closed_days.csv").read_text().split())
    count = (LAST_DAY - FIRST_DAY).days + 1
    days = (FIRST_DAY + dt.timedelta(days=number) for number in range(count))
    return tuple(day for day in days if day.weekday() < 5 and str(day) not in closed)
