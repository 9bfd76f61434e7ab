"""What an ingestion is asked for, as one value: built once, planned from, kept and compared.

A person makes one, or the gaps of an earlier batch do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from b3pipeline import lake, names
from b3pipeline.calendar import last_closed_session, parse_date, sessions
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import ConfigError, InvalidTickerError
from b3pipeline.exchange import EXCHANGE
from b3pipeline.language import say

DEFAULT_TICKERS = EXCHANGE.default_tickers
"""Ten large stocks of the Ibovespa."""

DEFAULT_SPAN = dt.timedelta(days=182)
"""How far before its end a range starts that names no start: half a year."""

WINDOW = 10
"""How many sessions of each ticker are compared with what bronze holds, unless told otherwise."""

FALLBACKS = {"yahoo": "cotahist"}
"""Who may stand in, with daily bars, for a source that refuses."""

_created_at = attrgetter("created_at")


@dataclass(frozen=True)
class Request:
    """What an ingestion is asked for. `Request.of` makes one of what people write.

    Without `tickers`: those that bronze holds where `since_last`, else `DEFAULT_TICKERS`. Without
    an `end`: the last closed session; without a `start`: half a year before. `since_last`: each
    ticker from its own last session on, wherever that lies; `start` is then for tickers that
    bronze does not hold. `replace`: a history of another source, or of bars of another length,
    is loaded anew as a whole. `strict`: one ticker that the source does not know refuses the
    whole batch. `only`: the sessions (YYYY-MM-DD) of each ticker, where not all of
    the range are wanted. `instead_of`: the source that was asked first, and refused.
    `last_session` is the last one of the range that had closed when asked.
    """

    source: str
    tickers: tuple[str, ...] = ()
    start: dt.date | None = None
    end: dt.date | None = None
    interval: str = "1d"
    since_last: bool = False
    window: int = WINDOW
    replace: bool = False
    strict: bool = False
    only: Mapping[str, tuple[str, ...]] | None = None
    instead_of: str = ""
    last_session: dt.date | None = None

    @classmethod
    def of(
        cls,
        source: str,
        tickers: Iterable[str] | None = None,
        start: str | dt.date | None = None,
        end: str | dt.date | None = None,
        **how: Any,
    ) -> Request:
        """Return the request that these words make; `how` are further fields.

        Tickers lose case, spaces, `.SA` and repetitions. Raises InvalidTickerError for what is no
        ticker, DateRangeError for what is no date, ConfigError for a window below 0.
        """
        if isinstance(tickers, str):
            tickers = [code for code in tickers.split(",") if code.strip()]
        if tickers is not None and not tickers:
            raise InvalidTickerError(
                say("no ticker is given."), hint=say("give some, such as PETR4,VALE3.")
            )
        codes = [names.normalise_ticker(ticker) for ticker in tickers or ()]
        if how.get("window", WINDOW) < 0:
            raise ConfigError(
                say("the window is {window}.", window=how["window"]),
                hint=say("give 0, or a number of sessions."),
            )
        return cls(
            source,
            tuple(dict.fromkeys(codes)),
            None if start is None else parse_date(start, "start"),
            None if end is None else parse_date(end, "end"),
            **how,
        )

    def span(self, now: dt.datetime) -> tuple[dt.date, dt.date]:
        """Return the first and the last date that are asked for at a moment."""
        end = self.end or last_closed_session(now)
        return self.start or end - DEFAULT_SPAN, end

    def at(self, now: dt.datetime, held: Iterable[str] = ()) -> Request:
        """Return the request as it stands at a moment: its dates and its tickers are all named.

        `held` are the tickers that bronze holds. The same request at the same hour is equal to it.
        """
        start, end = self.span(now)
        final = last_closed_session(now)
        closed = [day for day in sessions(start, end) if day <= final]
        return replace(
            self,
            tickers=self.tickers or (self.since_last and tuple(sorted(held))) or DEFAULT_TICKERS,
            start=start,
            end=end,
            last_session=closed[-1] if closed else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the request as values that JSON knows."""
        days = {name: day and str(day) for name, day in self._dates().items()}
        return {**asdict(self), **days}  # JSON makes lists of the tuples

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Request:
        """Return the request that `to_dict` wrote, or a journal of version 1.

        Raises KeyError, TypeError or ValueError where `content` spells none.
        """
        known = dict(content)
        dates = {name: known[name] for name in ("start", "end", "last_session")}
        only = known.get("only")
        known |= {
            "tickers": tuple(known["tickers"]),
            "only": only and {ticker: tuple(days) for ticker, days in only.items()},
        }
        known |= {name: day and dt.date.fromisoformat(day) for name, day in dates.items()}
        return cls(**known)

    def _dates(self) -> dict[str, dt.date | None]:
        return {"start": self.start, "end": self.end, "last_session": self.last_session}


def requests_for_gaps(cloud: Cloud) -> Iterator[tuple[Request, bool]]:
    """Yield a request for what each incomplete batch lacks, and whether its quotes are simulated.

    The newest batch comes first. What a later batch brought is not asked for again, nor what the
    exchange has settled, nor what the source does not know; a ticker whose history is of another
    source by now is left out.
    """
    newest_first = sorted(lake.list_manifests(cloud), key=_created_at, reverse=True)
    answers = [*newest_first, *lake.list_answers(cloud)]
    brought = {(gap.ticker, gap.dt) for answer in answers for gap in answer.no_trade}
    now = {
        ticker: days[max(days)] for ticker, days in lake.origins_of(newest_first).items() if days
    }
    for _, alike in groupby(newest_first, key=_created_at):  # of one second nobody knows the order
        batches = list(alike)
        brought |= {
            (ticker, day)
            for batch in batches
            for ticker, days in batch.partitions.items()
            for day in days
        } - {(one.ticker, day) for b in batches for one in b.replaced for day in one.removed}
        for batch in batches:
            origin, lacking = lake.Origin.of(batch), dict[str, list[str]]()
            for gap in batch.missing:
                fits = gap.ticker not in now or now[gap.ticker].fits(origin)
                fits = fits and gap.ticker not in batch.unknown
                if fits and (gap.ticker, gap.dt) not in brought:
                    lacking.setdefault(gap.ticker, []).append(gap.dt)
            if lacking:
                yield _request_for(batch, lacking), batch.simulated


def _request_for(batch: lake.BatchManifest, lacking: dict[str, list[str]]) -> Request:
    only = {ticker: tuple(sorted(days)) for ticker, days in sorted(lacking.items())}
    days = sorted(dt.date.fromisoformat(day) for some in only.values() for day in some)
    return Request(
        batch.source, tuple(only), days[0], days[-1], batch.interval, window=WINDOW, only=only
    )
