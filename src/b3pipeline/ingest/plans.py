"""What an ingestion is going to ask for, from its request and from what bronze holds."""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from b3pipeline import lake
from b3pipeline.calendar import (
    FIRST_DAY,
    Clock,
    check_range,
    last_closed_session,
    sessions,
    utc_now,
)
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import NothingToDoError, OriginError
from b3pipeline.ingest.request import Request
from b3pipeline.lake import Origin
from b3pipeline.language import later, retold, say, say_many
from b3pipeline.sources.base import QuoteSource, check_interval

log = logging.getLogger(__name__)

TICKERS_A_FETCH = 20
"""Tickers asked of a source at a time."""
ROWS_A_FETCH = 50_000
"""Bars asked of a source, and held in memory, at a time: 25 years of eight tickers' daily bars."""
BARS_A_SESSION = {"1d": 1, "60m": 8, "30m": 16, "15m": 32, "5m": 96, "1m": 480}
"""How many bars a session has at most; an interval that is not listed counts as a minute."""
INTRADAY_REACH = dt.timedelta(days=50)
"""How old a session may be that is asked for only to compare it: Yahoo keeps short bars 60 days."""
NAMED = 5
"""Tickers that an error names; of more it says how many."""


@dataclass(frozen=True)
class Ask:
    """One question to the source: these tickers from `start` to `end`, both included."""

    tickers: tuple[str, ...]
    start: dt.date
    end: dt.date

    def __str__(self) -> str:
        return say(
            "{tickers}, {start} to {end}",
            tickers=", ".join(self.tickers),
            start=self.start,
            end=self.end,
        )


@dataclass(frozen=True)
class Plan:
    """What an ingestion is going to ask for: `sessions` have all closed.

    `open_sessions` are those of the range that have not. `firsts` holds the first session of the
    tickers that start later than the range; `only` the sessions (YYYY-MM-DD) of each ticker where
    not all of the range are wanted. `windows` are the sessions that bronze holds already and that
    are compared with what comes; `anew` those of another origin, which are loaded again, and
    `before` is what that origin was; `asks` the questions in their order.
    """

    source: str
    interval: str
    tickers: tuple[str, ...]
    start: dt.date
    end: dt.date
    sessions: tuple[dt.date, ...]
    open_sessions: tuple[dt.date, ...] = ()
    final: dt.date = dt.date.max
    simulated: bool = False
    firsts: Mapping[str, dt.date] = field(default_factory=dict)
    only: Mapping[str, Sequence[str]] | None = None
    windows: Mapping[str, Sequence[str]] = field(default_factory=dict)
    anew: Mapping[str, Sequence[str]] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    asks: tuple[Ask, ...] = ()
    held: int = 0

    @property
    def origin(self) -> Origin:
        """What its quotes have in common."""
        return Origin(self.source, self.simulated, self.interval)

    @property
    def partitions(self) -> int:
        """The number of objects that a complete batch writes."""
        return sum(len(self.wanted(ticker)) for ticker in self.tickers)

    @property
    def compared(self) -> int:
        """The number of objects that are read to compare them with what comes."""
        return sum(len(days) for days in self.windows.values())

    def wanted(self, ticker: str) -> list[str]:
        """Return the sessions (YYYY-MM-DD) that are to be written of `ticker`, in order."""
        return sorted({*self._asked(ticker), *self.anew.get(ticker, ())})

    def _asked(self, ticker: str) -> list[str]:
        if self.only is not None:
            return list(self.only.get(ticker, ()))
        first = self.firsts.get(ticker, self.start)
        return [str(day) for day in self.sessions if day >= first]

    def first(self, ticker: str) -> dt.date:
        """Return the first day that counts of `ticker`: rows before it are only compared."""
        if ticker in self.firsts:
            return self.firsts[ticker]
        wanted = self.wanted(ticker) if self.only is not None else ()
        return dt.date.fromisoformat(wanted[0]) if wanted else self.start

    def __str__(self) -> str:
        each = {len(self.wanted(ticker)) for ticker in self.tickers}
        span = f"{next(iter(each), 0)}"
        if len(each) > 1:
            span = say("{least} to {most}", least=min(each), most=max(each))
        return say(
            "{tickers} x {sessions} = {objects} from {source}, {start} to {end}, "
            "bars of {interval}",
            tickers=say_many("{count:,} ticker", "{count:,} tickers", len(self.tickers)),
            sessions=say_many("{span} session", "{span} sessions", max(each, default=0), span=span),
            objects=_objects(self.partitions),
            source=self.source,
            start=self.start,
            end=self.end,
            interval=self.interval,
        )

    def describe(self) -> str:
        """Return what would be asked, compared and written, a line each."""
        lines = [
            f"{self}.",
            *(say("  ask {source}: {ask}", source=self.source, ask=ask) for ask in self.asks),
            say("  compare: {objects} that bronze holds already", objects=_objects(self.compared)),
            say(
                "  write: at most {objects} ({held:,} of them replace one), their partitions, "
                "one manifest; a restated ticker's whole history besides",
                objects=_objects(self.partitions),
                held=self.held,
            ),
            *(
                say(
                    "  load anew: {ticker}, {first} to {last}, in the place of {before}",
                    ticker=ticker,
                    first=days[0],
                    last=days[-1],
                    before=retold(self.before[ticker]),
                )
                for ticker, days in self.anew.items()
            ),
            *(say("  leave out: {day} has not closed yet", day=day) for day in self.open_sessions),
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as values that JSON knows."""
        return {
            **asdict(self),
            "start": str(self.start),
            "end": str(self.end),
            "final": str(self.final),
            "sessions": [],
            "open_sessions": [str(day) for day in self.open_sessions],
            "firsts": {ticker: str(day) for ticker, day in self.firsts.items()},
            "asks": [[list(ask.tickers), str(ask.start), str(ask.end)] for ask in self.asks],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Plan:
        """Return the plan that `to_dict` wrote, in version 1 too; sessions are the calendar's."""
        day = dt.date.fromisoformat
        start, end, final = (day(content[name]) for name in ("start", "end", "final"))
        told = {name: content[name] for name in ("simulated", "anew", "before") if name in content}
        return cls(
            source=content["source"],
            interval=content["interval"],
            tickers=tuple(content["tickers"]),
            start=start,
            end=end,
            sessions=tuple(each for each in sessions(start, end) if each <= final),
            open_sessions=tuple(day(each) for each in content["open_sessions"]),
            final=final,
            firsts={ticker: day(each) for ticker, each in content["firsts"].items()},
            only=content["only"],
            windows=content["windows"],
            asks=tuple(Ask(tuple(a), day(b), day(c)) for a, b, c in content["asks"]),
            held=content["held"],
            **{"simulated": lake.is_made_up(content["source"]), **told},
        )


def plan(
    source: QuoteSource,
    tickers: Request | Sequence[str] | None = None,
    start: str | dt.date | None = None,
    end: str | dt.date | None = None,
    *,
    interval: str = "1d",
    clock: Clock = utc_now,
) -> Plan:
    """Return what an ingestion of this request, or of these parts of one, would ask for.

    Nothing is fetched, and bronze is not looked at: see `survey`. Raises InvalidTickerError,
    DateRangeError or ConfigError (interval) for what makes no sense.
    """
    request = (
        tickers
        if isinstance(tickers, Request)
        else Request.of(source.name, tickers, start, end, interval=interval)
    )
    check_interval(source, request.interval)
    return draw(request, clock(), simulated=source.simulated)


def draw(request: Request, now: dt.datetime, *, simulated: bool) -> Plan:
    """Return what a request asks for at a moment; raises DateRangeError where that is nothing."""
    request = request.at(now)
    start, end = request.span(now)
    final = last_closed_session(now)
    every = sessions(start, end)
    closed = [day for day in every if day <= final]
    if request.only is None:
        closed = check_range(start, end, now)
    return Plan(
        source=request.source,
        interval=request.interval,
        tickers=request.tickers,
        start=start,
        end=end,
        sessions=tuple(closed),
        open_sessions=tuple(day for day in every if day > final),
        final=final,
        simulated=simulated,
        only=request.only,
    )


def survey(cloud: Cloud, plan: Plan, request: Request) -> Plan:
    """Return `plan` with its windows and its questions, from what the catalog says of bronze.

    The window of a ticker is its last `request.window` sessions in bronze, up to the end of the
    plan. With `since_last` a ticker begins after the last session that bronze holds of it, however
    far back; raises NothingToDoError where none has a new one. Raises OriginError where bronze
    holds quotes that those of the plan do not fit, unless `replace`; CatalogError where the table
    cannot be read.
    """
    held = _held(cloud, plan, request.window)
    plan = _without_clashes(cloud, plan, held, replacing=request.replace)
    if request.since_last:
        plan = _only_new(plan, held)
    elif request.only is None:
        _warn_of_holes(plan, held)
    windows = {
        ticker: _window(plan, held[ticker], request.window)
        for ticker in plan.tickers
        if held[ticker] and ticker not in plan.anew
    }
    wanted = {ticker: set(plan.wanted(ticker)) for ticker in plan.tickers}
    spans = {ticker: _span(plan, ticker, windows.get(ticker, [])) for ticker in plan.tickers}
    there = {ticker: {*held[ticker], *plan.anew.get(ticker, ())} for ticker in plan.tickers}
    return replace(
        plan,
        windows={ticker: days for ticker, days in windows.items() if days},
        asks=tuple(split_asks(plan.interval, spans)),
        held=sum(len(wanted[ticker] & there[ticker]) for ticker in plan.tickers),
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


def _without_clashes(
    cloud: Cloud, plan: Plan, held: Mapping[str, Sequence[str]], *, replacing: bool
) -> Plan:
    """Return the plan, with the histories that are to be loaded anew; raise OriginError."""
    known = lake.origins_of(lake.list_manifests(cloud))
    near = lake.origins_held(cloud, held, known)
    clashing = {
        ticker: {
            day: origin
            for day, origin in {**known.get(ticker, {}), **near[ticker]}.items()
            if not origin.fits(plan.origin)
        }
        for ticker in plan.tickers
    }
    strangers = {
        ticker: days
        for ticker, days in known.items()
        if ticker not in clashing and any(not origin.meets(plan.origin) for origin in days.values())
    }
    names = [ticker for ticker, days in clashing.items() if days]
    if not names and not strangers:
        return plan
    there = lake.held_sessions(cloud, [*names, *strangers])
    standing = {
        ticker: {day: days[day] for day in there[ticker] if day in days}
        for ticker, days in (clashing | strangers).items()
        if ticker in there
    }
    clashes = {ticker: standing[ticker] for ticker in names if standing[ticker]}
    others = {
        ticker: worlds
        for ticker in strangers
        if (worlds := _other_world(standing[ticker], plan.origin))
    }
    if clashes and not replacing:
        raise _clash(plan, clashes)
    if others:
        raise _two_worlds(plan, others)
    return replace(
        plan,
        anew={ticker: [d for d in there[ticker] if d <= str(plan.final)] for ticker in clashes},
        before={ticker: _labels(days) for ticker, days in clashes.items()},
    )


def _other_world(days: Mapping[str, Origin], own: Origin) -> dict[str, Origin]:
    return {day: origin for day, origin in days.items() if not origin.meets(own)}


def _labels(days: Mapping[str, Origin]) -> str:
    return " and ".join(dict.fromkeys(str(origin) for origin in days.values()))


def _spans(found: Mapping[str, Mapping[str, Origin]]) -> str:
    """Return tickers, each with its origin and its first and last date, a few of many."""
    told = [
        say(
            "{ticker} from {origin}, {first} to {last}",
            ticker=ticker,
            origin=retold(_labels(days)),
            first=min(days),
            last=max(days),
        )
        for ticker, days in list(found.items())[:NAMED]
    ]
    if rest := len(found) - len(told):
        told.append(say_many("and {count:,} ticker more", "and {count:,} tickers more", rest))
    return "; ".join(told)


def _objects(count: int) -> str:
    return say_many("{count:,} object", "{count:,} objects", count)


def _clash(plan: Plan, clashes: Mapping[str, Mapping[str, Origin]]) -> OriginError:
    had = next(iter(next(iter(clashes.values())).values()))
    keep = f"`--source {had.source} --interval {had.interval or plan.interval}`"
    return OriginError(
        say(
            "bronze holds {spans}. Quotes from {origin} are on another scale: the two do "
            "not join in one history. Nothing was asked for.",
            spans=_spans(clashes),
            origin=retold(str(plan.origin)),
        ),
        hint=say(
            "`--replace` loads the whole history anew from {source}; {keep} goes on with "
            "what is there; another bucket (`--bucket`) keeps both apart.",
            source=plan.source,
            keep=keep,
        ),
    )


def _two_worlds(plan: Plan, others: Mapping[str, Mapping[str, Origin]]) -> OriginError:
    told = later(
        "bronze holds simulated quotes: {spans}. Real ones of {tickers} do not join them in one "
        "bucket. Nothing was asked for."
    )
    if plan.simulated:
        told = later(
            "bronze holds real quotes: {spans}. Simulated ones of {tickers} do not join them in "
            "one bucket. Nothing was asked for."
        )
    if any(o.simulated is plan.simulated for days in others.values() for o in days.values()):
        told = later(
            "bronze holds another market's quotes: {spans}. {source}'s ones of {tickers} do not "
            "join them in one bucket. Nothing was asked for."
        )
    return OriginError(
        say(
            told,
            spans=_spans(others),
            source=plan.source[0].upper() + plan.source[1:],
            tickers=", ".join(plan.tickers[:NAMED]),
        ),
        hint=say(
            "`b3 ingest --source {source} --since last --replace` without --tickers loads "
            "all that bronze holds anew; `b3 local reset` begins with nothing; or use "
            "another bucket.",
            source=plan.source,
        ),
    )


def _only_new(plan: Plan, held: Mapping[str, Sequence[str]]) -> Plan:
    """Return the plan without the tickers and the sessions up to the last one in bronze.

    A ticker begins after its own last session, which may lie long before the range.
    """
    lasts = {
        ticker: dt.date.fromisoformat(held[ticker][-1]) for ticker in plan.tickers if held[ticker]
    }
    start = min([plan.start, *lasts.values()])
    every = tuple(day for day in sessions(start, plan.end) if day <= plan.final)
    firsts: dict[str, dt.date] = {}
    for ticker in plan.tickers:
        last = lasts.get(ticker)
        new = [day for day in every if (day > last if last else day >= plan.start)]
        if new:
            firsts[ticker] = new[0]
        elif ticker in plan.anew:
            firsts[ticker] = plan.final + dt.timedelta(days=1)
    if not firsts:
        raise NothingToDoError(
            say(
                "bronze holds every session up to {last} of {tickers}: there is nothing to "
                "ask for.",
                last=plan.sessions[-1],
                tickers=", ".join(plan.tickers),
            ),
            hint=say("come back after the next session, at 18:30 São Paulo time."),
        )
    begin = min(min(firsts.values()), plan.start)
    return replace(
        plan,
        tickers=tuple(firsts),
        firsts=firsts,
        start=begin,
        sessions=tuple(day for day in every if day >= begin),
    )


def _warn_of_holes(plan: Plan, held: Mapping[str, Sequence[str]]) -> None:
    """Say which tickers' sessions are left out between what bronze holds and the plan."""
    for ticker in plan.tickers:
        last = held[ticker][-1] if held[ticker] else None
        if last is None or last >= str(plan.start):
            continue
        between = sessions(dt.date.fromisoformat(last), plan.start)
        left_out = [day for day in between[1:] if day < plan.start]
        if left_out and ticker not in plan.anew:
            log.warning(
                "bronze holds %s up to %s, and this batch begins on %s: %d sessions between them "
                "are not asked for; `--since last` asks for them",
                *(ticker, last, plan.start, len(left_out)),
            )


def split_asks(interval: str, spans: Mapping[str, tuple[dt.date, dt.date]]) -> Iterator[Ask]:
    """Yield questions that cover each ticker's span, none above `ROWS_A_FETCH` bars.

    Tickers with the same span share a question. A span too long for one ticker alone is cut.
    """
    bars = BARS_A_SESSION.get(interval, BARS_A_SESSION["1m"])
    alike: dict[tuple[dt.date, dt.date], list[str]] = defaultdict(list)
    for ticker, span in spans.items():
        alike[span].append(ticker)
    for (start, end), tickers in alike.items():
        days = sessions(start, end) or [start]
        length = max(ROWS_A_FETCH // bars, 1)
        room = max(ROWS_A_FETCH // (bars * min(len(days), length)), 1)
        size = min(TICKERS_A_FETCH, room)
        for place in range(0, len(tickers), size):
            some = tuple(tickers[place : place + size])
            for piece in range(0, len(days), length):
                part = days[piece : piece + length]
                yield Ask(
                    some,
                    start if piece == 0 else part[0],
                    end if piece + length >= len(days) else part[-1],
                )


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
