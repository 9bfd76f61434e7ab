"""Faults of the simulated market, on request: what goes wrong with real sources.

They are written as text, several of them joined by semicolons:

| text                          | what the source then does                                        |
|-------------------------------|------------------------------------------------------------------|
| `429:BBAS3`                   | refuses to go on at BBAS3, at every fetch                        |
| `429:BBAS3:2`                 | refuses the first two fetches that ask for BBAS3                 |
| `missing:PETR4:2024-03-01`    | has no bar of that session                                       |
| `holiday:VALE3:2024-03-29`    | has a flat bar without volume on a day when B3 was closed        |
| `split:ITUB4:2024-03-04:2`    | splits each share in two: all prices are halved, before and after|
| `open:PETR4:2024-03-05`       | knows the first half of that session, as while it is still open  |
| `bad:WEGE3:2024-03-06`        | has high and low of that session the wrong way round             |

A split is seen by whoever fetched before without it: the same sessions now come at other prices,
as from a source that rewrites its history. A ratio is a number or a fraction, such as `1/15`. The
bar of an open session comes unasked too, to a range that ends at the session before it.
"""

from __future__ import annotations

import datetime as dt
from difflib import get_close_matches
from fractions import Fraction

from b3pipeline.calendar import parse_date, sessions
from b3pipeline.errors import ConfigError, DateRangeError
from b3pipeline.sources.sample.fault_kinds import (
    BadRow,
    Fault,
    HolidayRow,
    MissingSession,
    OpenSession,
    Refusal,
    SplitRewrite,
)
from b3pipeline.sources.sample.market import FIRST_SESSION
from b3pipeline.sources.sample.stocks import STOCKS


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Return the faults that `text` asks for, see the table above; raises ConfigError otherwise."""
    parts = (part.strip() for part in text.split(";"))
    return tuple(_parse(part) for part in parts if part)


_EXAMPLES = {
    "429": "429:BBAS3 or 429:BBAS3:2",
    "missing": "missing:PETR4:2024-03-01",
    "holiday": "holiday:VALE3:2024-03-29",
    "split": "split:ITUB4:2024-03-04:2",
    "open": "open:PETR4:2024-03-05",
    "bad": "bad:WEGE3:2024-03-06",
}


def _parse(text: str) -> Fault:
    kind, *fields = (field.strip() for field in text.split(":"))
    if kind not in _EXAMPLES:
        raise ConfigError(
            f"the fault {text!r} is of no kind that there is: {kind!r}.",
            hint=f"write it as {', '.join(_EXAMPLES.values())}.",
        )
    wanted = {"429": (1, 2), "split": (3,)}.get(kind, (2,))
    if len(fields) not in wanted:
        raise _nonsense(text, f"{len(fields)} fields follow {kind!r}", kind)
    ticker = _ticker(text, fields[0])
    if kind == "429":
        return Refusal(ticker, _times(text, fields[1]) if len(fields) == 2 else None)
    day = _day(text, kind, fields[1])
    if kind == "split":
        return SplitRewrite(ticker, day, _ratio(text, fields[2]))
    makers = {
        "missing": MissingSession,
        "holiday": HolidayRow,
        "open": OpenSession,
        "bad": BadRow,
    }
    return makers[kind](ticker, day)


def _ticker(text: str, given: str) -> str:
    if given in STOCKS:
        return given
    near = get_close_matches(given.upper(), STOCKS, n=2)
    raise ConfigError(
        f"the fault {text!r} names {given!r}, which the simulated market does not have.",
        hint=f"use {' or '.join(near)}." if near else f"use one of {', '.join(STOCKS)}.",
    )


def _day(text: str, kind: str, given: str) -> dt.date:
    try:
        day = parse_date(given)
        open_day = bool(sessions(day, day))
    except DateRangeError as error:
        raise _nonsense(text, error.message.rstrip("."), kind) from error
    if day <= FIRST_SESSION:
        raise _nonsense(text, f"the simulated market begins on {FIRST_SESSION}", kind)
    if open_day == (kind == "holiday"):
        raise _nonsense(text, f"B3 holds {'a' if open_day else 'no'} session on {day}", kind)
    return day


def _times(text: str, given: str) -> int:
    if not given.isdecimal() or int(given) == 0:
        raise _nonsense(text, f"{given!r} is no number of fetches, 1 or more", "429")
    return int(given)


def _ratio(text: str, given: str) -> Fraction:
    try:
        ratio = Fraction(given)
    except (ValueError, ZeroDivisionError):
        ratio = Fraction(0)
    if not Fraction(1, 1000) <= ratio <= 1000 or ratio == 1:
        raise _nonsense(text, f"{given!r} is no ratio of new shares to old ones", "split")
    return ratio


def _nonsense(text: str, why: str, kind: str) -> ConfigError:
    return ConfigError(
        f"the fault {text!r} makes no sense: {why}.", hint=f"write it as {_EXAMPLES[kind]}."
    )
