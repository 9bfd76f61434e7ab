"""Ingestion: from a quote source to bronze, objects first, the manifest last."""

from __future__ import annotations

import datetime as dt
import difflib
import logging
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from b3pipeline import lake, names
from b3pipeline.aws import Cloud
from b3pipeline.calendar import Clock, check_range, last_closed_session, parse_date, utc_now
from b3pipeline.errors import (
    InvalidTickerError,
    RateLimitedError,
    SourceError,
    UnknownTickerError,
)
from b3pipeline.lake.manifest import html_rows
from b3pipeline.progress import Progress
from b3pipeline.sources.base import Failure, QuoteSource, check_frame, check_interval
from b3pipeline.sources.sample_stocks import STOCKS

log = logging.getLogger(__name__)

DEFAULT_TICKERS = (
    "PETR4",
    "VALE3",
    "ITUB4",
    "BBDC4",
    "BBAS3",
    "B3SA3",
    "ABEV3",
    "WEGE3",
    "RENT3",
    "SUZB3",
)
"""Ten large stocks of the Ibovespa."""

DEFAULT_SPAN = dt.timedelta(days=182)
"""How far before its end a range starts that names no start: half a year."""

TICKERS_A_FETCH = 20
"""Tickers asked of a source, and held in memory, at a time."""

UNEXPLAINED = "the source has no quote"
UNASKED = "the source refuses more requests for now"
OFF_CALENDAR = "B3 held no session"


@dataclass(frozen=True)
class Plan:
    """What an ingestion is going to ask for: `sessions` have all closed."""

    source: str
    interval: str
    tickers: tuple[str, ...]
    start: dt.date
    end: dt.date
    sessions: tuple[dt.date, ...]

    @property
    def partitions(self) -> int:
        """The number of objects that a complete batch writes."""
        return len(self.tickers) * len(self.sessions)

    def __str__(self) -> str:
        return (
            f"{len(self.tickers)} tickers x {len(self.sessions)} sessions = {self.partitions:,} "
            f"objects from {self.source}, {self.start} to {self.end}, bars of {self.interval}"
        )


@dataclass(frozen=True, repr=False)
class Batch:
    """An ingestion that is done: its manifest, the time it took, the tickers that failed."""

    manifest: lake.BatchManifest
    seconds: float
    failures: tuple[Failure, ...] = ()

    @property
    def batch_id(self) -> str:
        return self.manifest.batch_id

    @property
    def objects(self) -> int:
        return self.manifest.objects

    @property
    def rows(self) -> int:
        return self.manifest.rows

    @property
    def rate(self) -> float:
        """Objects a second, fetching and registering included."""
        return self.objects / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        missing = len(self.manifest.missing)
        lines = [
            f"Batch {self.batch_id} from {self.manifest.label}: {self.objects:,} objects, "
            f"{self.rows:,} rows in {self.seconds:.1f} s ({self.rate:,.0f} objects/s), "
            f"{f'{missing:,} missing' if missing else 'nothing missing'}.",
            *(f"  {failure.ticker}: {failure.reason}" for failure in self.failures),
            self.manifest.uri,
        ]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_rows(
            {
                "batch": self.batch_id,
                "source": self.manifest.label,
                "objects": f"{self.objects:,}",
                "rows": f"{self.rows:,}",
                "seconds": f"{self.seconds:.1f}",
                "objects/s": f"{self.rate:,.0f}",
                "missing": f"{len(self.manifest.missing):,}",
                "manifest": self.manifest.uri,
            }
        )


def plan(
    source: QuoteSource,
    tickers: Sequence[str] = DEFAULT_TICKERS,
    start: str | dt.date | None = None,
    end: str | dt.date | None = None,
    *,
    interval: str = "1d",
    clock: Clock = utc_now,
) -> Plan:
    """Return what an ingestion with these arguments would ask for; nothing is fetched.

    Tickers lose case, spaces, `.SA` and repetitions. Without an `end` it is the last closed
    session, without a `start` half a year before. Raises InvalidTickerError, DateRangeError or
    ConfigError (interval) for what makes no sense.
    """
    check_interval(source, interval)
    codes = tuple(dict.fromkeys(names.normalise_ticker(ticker) for ticker in tickers))
    if not codes:
        raise InvalidTickerError("no ticker is given.", hint="give some, such as PETR4,VALE3.")
    now = clock()
    last = last_closed_session(now) if end is None else parse_date(end)
    first = last - DEFAULT_SPAN if start is None else parse_date(start)
    closed = check_range(first, last, now)
    return Plan(source.name, interval, codes, first, last, tuple(closed))


def ingest(
    cloud: Cloud,
    source: QuoteSource,
    tickers: Sequence[str] = DEFAULT_TICKERS,
    start: str | dt.date | None = None,
    end: str | dt.date | None = None,
    *,
    interval: str = "1d",
    clock: Clock = utc_now,
    progress: Progress | None = None,
    batch_id: str | None = None,
) -> Batch:
    """Return the batch that now stands in bronze, its refine on the way.

    Everything is checked and fetched before the first object is written. Then come the objects,
    their partitions, and last the manifest, which alone starts the refine: cut off anywhere, run
    it again and the result is as if it had run once. A ticker that the source fails to bring is
    in `failures` and its sessions are in the manifest's `missing`.

    Raises what `plan` raises, UnknownTickerError, SourceError where nothing came at all
    (RateLimitedError where the source refused to go on),
    StorageError for the bucket and CatalogError for the table.
    """
    began = time.monotonic()
    wanted = plan(source, tickers, start, end, interval=interval, clock=clock)
    created_at = clock().replace(microsecond=0)
    lake.check_bucket(cloud)
    lake.check_table(cloud, names.BRONZE_TABLE)
    with tempfile.TemporaryDirectory(prefix="b3-ingest-") as folder:
        fetched = _fetch(source, wanted, Path(folder), progress)
        manifest = lake.BatchManifest(
            bucket=cloud.config.raw_data_bucket,
            batch_id=batch_id or lake.new_batch_id(created_at),
            source=source.name,
            simulated=source.simulated,
            interval=interval,
            created_at=created_at,
            start=wanted.start,
            end=wanted.end,
            rows=fetched.rows,
            partitions=dict(sorted(fetched.partitions.items())),
            missing=_missing(wanted, fetched),
            quarantined=tuple(fetched.quarantined),
        )
        _write(cloud, manifest, fetched, progress)
    return Batch(manifest, time.monotonic() - began, tuple(fetched.failures))


@dataclass
class _Fetched:
    """What came: frames of quotes on disk, so that memory does not grow with the history."""

    files: list[Path] = field(default_factory=list)
    rows: int = 0
    partitions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    failures: list[Failure] = field(default_factory=list)
    quarantined: list[lake.Gap] = field(default_factory=list)


def _fetch(source: QuoteSource, wanted: Plan, folder: Path, progress: Progress | None) -> _Fetched:
    fetched = _Fetched()
    first, last = wanted.sessions[0], wanted.sessions[-1]
    for place in range(0, len(wanted.tickers), TICKERS_A_FETCH):
        some = wanted.tickers[place : place + TICKERS_A_FETCH]
        quotes = source.fetch(some, first, last, wanted.interval, progress)
        fetched.failures += quotes.failures
        _keep(fetched, check_frame(quotes.frame), wanted, folder / f"{place}.feather")
        if quotes.stopped:
            rest = wanted.tickers[place + len(some) :]
            fetched.failures += [Failure(ticker, "rate_limited", UNASKED) for ticker in rest]
            break
    _refuse_unknown(fetched.failures)
    if not fetched.rows:
        raise _nothing_came(wanted, fetched.failures)
    return fetched


def _keep(fetched: _Fetched, frame: pd.DataFrame, wanted: Plan, path: Path) -> None:
    """Put the bars of the wanted sessions aside on disk, and note those of other days."""
    days = frame["traded_at"].dt.normalize()
    on_session = days.isin(pd.to_datetime(list(wanted.sessions)))
    for ticker, day in _pairs(frame[~on_session], days[~on_session]):
        log.warning("%s has a quote on %s, when %s: left out", ticker, day, OFF_CALENDAR)
        fetched.quarantined.append(lake.Gap(ticker, day, OFF_CALENDAR))
    for ticker, day in _pairs(frame[on_session], days[on_session]):
        fetched.partitions[ticker].append(day)
    kept = frame[on_session].reset_index(drop=True)
    kept.to_feather(path)
    fetched.files.append(path)
    fetched.rows += len(kept)


def _pairs(frame: pd.DataFrame, days: pd.Series[pd.Timestamp]) -> Iterator[tuple[str, str]]:
    """Yield each (ticker, date) once, in order."""
    pairs = pd.DataFrame({"ticker": frame["ticker"], "day": days}).drop_duplicates()
    return zip(pairs["ticker"], pairs["day"].dt.strftime("%Y-%m-%d"), strict=True)


def _write(
    cloud: Cloud, manifest: lake.BatchManifest, fetched: _Fetched, progress: Progress | None
) -> None:
    lake.put_objects(
        cloud, _objects(manifest, fetched.files), total=manifest.objects, progress=progress
    )
    written = ((day, ticker) for ticker, days in manifest.partitions.items() for day in days)
    lake.register_partitions(cloud, names.BRONZE_TABLE, written, progress=progress)
    lake.write_manifest(cloud, manifest)
    log.info("batch %s: %d objects", manifest.batch_id, manifest.objects)


def _objects(manifest: lake.BatchManifest, files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for path in files:
        objects = lake.bronze_objects(
            pd.read_feather(path),
            source=manifest.source,
            batch_id=manifest.batch_id,
            ingested_at=manifest.created_at,
        )
        for day, ticker, body in objects:
            yield names.bronze_key(day, ticker), body


def _missing(wanted: Plan, fetched: _Fetched) -> tuple[lake.Gap, ...]:
    """Return every closed session of every ticker that did not come, and why."""
    reasons = {failure.ticker: failure.reason for failure in fetched.failures}
    days = [str(day) for day in wanted.sessions]
    return tuple(
        lake.Gap(ticker, day, reasons.get(ticker, UNEXPLAINED))
        for ticker in wanted.tickers
        for day in sorted(set(days) - set(fetched.partitions.get(ticker, ())))
    )


def _refuse_unknown(failures: Sequence[Failure]) -> None:
    unknown = [failure for failure in failures if failure.kind == "unknown"]
    if not unknown:
        return
    reasons = "; ".join(f"{failure.ticker} ({failure.reason})" for failure in unknown)
    near = {
        match
        for failure in unknown
        for match in difflib.get_close_matches(failure.ticker, STOCKS, n=2, cutoff=0.6)
    }
    hint = f"did you mean {' or '.join(sorted(near))}? " if near else ""
    raise UnknownTickerError(
        f"the source does not know {reasons}. Nothing was written.",
        hint=f"{hint}A renamed stock has a new code; leave out the old one.",
    )


def _nothing_came(wanted: Plan, failures: Sequence[Failure]) -> SourceError:
    if any(failure.kind == "rate_limited" for failure in failures):
        return RateLimitedError(
            f"{wanted.source} refuses more requests for now (429). Nothing was written.",
            hint="wait a quarter of an hour, then run it again.",
        )
    reasons = "; ".join(f"{failure.ticker}: {failure.reason}" for failure in failures[:3])
    return SourceError(
        f"{wanted.source} brought no quote of {', '.join(wanted.tickers[:5])} between "
        f"{wanted.start} and {wanted.end}{f' ({reasons})' if reasons else ''}. "
        "Nothing was written.",
        hint="try later, or other dates: a stock has no quotes before it is listed.",
    )
