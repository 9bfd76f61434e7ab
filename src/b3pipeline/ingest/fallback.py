"""A second source, for the tickers that the first one refuses to serve (429)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from b3pipeline import lake
from b3pipeline.calendar import Clock, utc_now
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import ConfigError, NothingToDoError, RateLimitedError
from b3pipeline.ingest.batch import Batch
from b3pipeline.ingest.request import FALLBACKS, Request
from b3pipeline.ingest.run import ingest, named
from b3pipeline.language import say
from b3pipeline.progress import Progress
from b3pipeline.sources.base import QuoteSource

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """What two sources brought: their batches, and the error of what neither may bring."""

    batches: tuple[Batch, ...]
    error: RateLimitedError | None = None

    @property
    def complete(self) -> bool:
        """Whether every quote that the calendar expects was written, whoever brought it."""
        if self.error is not None:
            return False
        second = self.batches[-1].manifest
        taken = {*second.partitions, *(gap.ticker for gap in second.no_trade)}
        left = (
            replace(
                batch.manifest,
                missing=tuple(gap for gap in batch.manifest.missing if gap.ticker not in taken),
            )
            for batch in self.batches[:-1]
        )
        return second.complete and all(manifest.complete for manifest in left)


def check_fallback(source: str, fallback: str, interval: str) -> None:
    """Raise ConfigError where `fallback` cannot stand in for `source` with bars of `interval`."""
    if FALLBACKS.get(source) != fallback:
        pairs = ", ".join(
            f"`--source {first} --fallback {then}`" for first, then in FALLBACKS.items()
        )
        raise ConfigError(
            say(
                "{fallback!r} cannot stand in for the source {source!r}.",
                fallback=fallback,
                source=source,
            ),
            hint=say("there is {pairs}.", pairs=pairs),
        )
    if interval != "1d":
        raise ConfigError(
            say(
                "{fallback} has daily bars alone, and the interval is {interval!r}.",
                fallback=fallback,
                interval=interval,
            ),
            hint=say("leave out --fallback, or ask for --interval 1d."),
        )


def shares(
    cloud: Cloud, request: Request, fallback: str, clock: Clock = utc_now
) -> tuple[Request | None, Request | None]:
    """Return what the source of a request is asked for, and what its fallback is, first of all.

    The fallback's are the tickers whose history in bronze is the fallback's own already: the
    source may not go on with them. With `replace` it may, and is asked for everything.
    """
    request = named(cloud, request, clock)
    own = () if request.replace else _all_of(cloud, request.tickers, fallback)
    return (
        _only(request, [ticker for ticker in request.tickers if ticker not in own]),
        _only(replace(request, source=fallback), own),
    )


def ingest_or_fall_back(
    cloud: Cloud,
    source: QuoteSource,
    request: Request,
    fallback: str,
    open_fallback: Callable[[], QuoteSource],
    *,
    clock: Clock = utc_now,
    progress: Progress | None = None,
) -> Served:
    """Return what `source` brought, and what `fallback` did where the source refuses (429).

    One ticker's history has one source. So the fallback takes a refused ticker only where bronze
    holds nothing of it, or with `replace`, which loads the whole history anew; else the ticker is
    left out, and `Served.error` says so, or is raised where there is no batch at all. Tickers
    whose history is the fallback's own already stay with it. The fallback's manifest names in
    `instead_of` who refused.

    Raises what `ingest` raises; NothingToDoError where neither has anything to do.
    """
    first, second = shares(cloud, request, fallback, clock)
    batches: list[Batch] = []
    idle: NothingToDoError | None = None
    refused: tuple[str, ...] = ()
    if first:
        try:
            batches.append(ingest(cloud, source, first, clock=clock, progress=progress))
            failures = batches[0].failures
            refused = tuple(f.ticker for f in failures if f.kind == "rate_limited")
        except RateLimitedError:
            refused = first.tickers
        except NothingToDoError as nothing:
            idle = nothing
    held = {} if request.replace or not refused else lake.held_sessions(cloud, refused)
    kept = tuple(ticker for ticker, days in held.items() if days)
    own = second.tickers if second else ()
    taken = [ticker for ticker in refused if ticker not in kept]
    if taken:
        log.warning(
            "%s refuses more requests for now (429): %s taken from %s instead",
            *(source.name, ", ".join(taken), fallback),
        )
    asked = _only(
        replace(
            named(cloud, request, clock),
            source=fallback,
            instead_of=source.name if taken else "",
        ),
        [*own, *taken],
    )
    if asked:
        try:
            batches.append(ingest(cloud, open_fallback(), asked, clock=clock, progress=progress))
        except NothingToDoError as nothing:
            idle = nothing
    error = _kept_out(kept, source.name, fallback) if kept else None
    if batches:
        return Served(tuple(batches), error)
    if error:
        raise error
    raise idle or AssertionError("neither source was asked")


def _only(request: Request, tickers: Iterable[str]) -> Request | None:
    """Return the request for these tickers alone, None for none."""
    codes = tuple(tickers)
    return replace(request, tickers=codes) if codes else None


def _all_of(cloud: Cloud, tickers: tuple[str, ...], source: str) -> tuple[str, ...]:
    """Return the tickers of which bronze holds sessions, all of them from `source`."""
    origins = lake.origins_held(cloud, lake.held_sessions(cloud, tickers))
    return tuple(
        ticker
        for ticker, days in origins.items()
        if days and all(origin.source == source for origin in days.values())
    )


def _kept_out(tickers: tuple[str, ...], source: str, fallback: str) -> RateLimitedError:
    codes = ", ".join(tickers)
    return RateLimitedError(
        say(
            "{source} refuses more requests for now (429), and bronze holds {codes} from "
            "{source}: {fallback} may not go on with that, for its prices are on another "
            "scale.",
            source=source,
            codes=codes,
            fallback=fallback,
        ),
        hint=say(
            "wait a quarter of an hour, then run it again; or load the whole history from "
            "{fallback}: --replace, from its first session on.",
            fallback=fallback,
        ),
    )
