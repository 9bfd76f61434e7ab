"""The exchange's history files as a quote source: from a folder, or from the exchange."""

from __future__ import annotations

import datetime as dt
import logging
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from b3pipeline.calendar import Clock, sessions, utc_now
from b3pipeline.errors import DamagedFileError, SourceError
from b3pipeline.language import note, say
from b3pipeline.progress import Progress, track
from b3pipeline.sources.base import (
    NO_TRADE,
    QUOTE_COLUMNS,
    Failure,
    Quotes,
    check_interval,
    empty_frame,
    join_frames,
)
from b3pipeline.sources.cotahist.downloads import BASE_URL, Brought, Downloads, default_cache
from b3pipeline.sources.cotahist.files import is_history
from b3pipeline.sources.cotahist.layout import ISIN, KINDS, is_own_name, scope_of_name
from b3pipeline.sources.cotahist.records import read_bars, read_header

log = logging.getLogger(__name__)

_PRICES = ["open", "high", "low", "close"]
_SHOWN_FILES = 2
_SHOWN_OTHERS = 20


class CotahistSource:
    """The exchange's own daily and yearly files as a quote source.

    `path` is a file, or a folder: of its files those count that are named as the exchange names
    them or begin as its files do, the others are passed over, and named in the log. Without a
    path the files come from `base_url` and stay in `cache_dir`. `timeout` is in seconds, for each
    answer of the exchange.

    Prices are as traded: **not adjusted** for splits or dividends, of which the files say
    nothing. So `adj_close` is the close, and `dividends` and `stock_splits` are 0.
    """

    name = "cotahist"
    intervals = ("1d",)

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        base_url: str = BASE_URL,
        cache_dir: Path | None = None,
        clock: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        timeout: float = 30,
    ) -> None:
        self._path = None if path is None else Path(path).expanduser()
        self._clock = clock
        self._downloads = Downloads(
            cache_dir or default_cache(), base_url, sleep=sleep, timeout=timeout
        )
        self._parsed: dict[tuple[Path, int, int], Path] = {}
        self._passed_over: tuple[str, ...] = ()
        self._folder = Path(tempfile.mkdtemp(prefix="b3-cotahist-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    @property
    def simulated(self) -> bool:
        """Whether any file says of itself that it was made from simulated quotes.

        Raises SourceError where there is no file, or none of the exchange's.
        """
        if self._path is None:
            return False
        return any(read_header(path).simulated for path in self._files_in(self._path))

    def fetch(
        self,
        tickers: Sequence[str],
        start: dt.date,
        end: dt.date,
        interval: str = "1d",
        progress: Progress | None = None,
    ) -> Quotes:
        """Return the daily bars of `tickers` from `start` to `end`, both included.

        A whole file names all that was traded, so it settles its sessions: where it does not name
        a ticker, that one is `no_trade`, for good, and never `unknown`: it may be suspended, or
        be named later. A session that no file holds is settled for nobody: it is `retryable`
        where the exchange has not published its file yet, `rate_limited` where it refuses to go
        on, and `empty` where `path` has no file of it.

        Raises DamagedFileError or TruncatedFileError for a file that is not whole,
        NotPublishedError where no file of the range is there, and SourceError where a file cannot
        be read or the exchange does not answer.
        """
        check_interval(self, interval)
        days = sessions(start, end)
        if not days:
            reason = note("B3 held no session from {start} to {end}", start=start, end=end)
            return Quotes(empty_frame(), tuple(Failure(t, "closed", reason) for t in tickers))
        brought = self._files(days, progress)
        files = brought.files
        frames, settled = [], set[str]()
        for path in track(files, progress, total=len(files), desc="cotahist"):
            bars = self._bars(path, start, end)
            settled |= set(bars["day"].astype(str))
            frames.append(bars[bars["ticker"].isin(list(tickers))].assign(file=path.name))
        asked = frozenset(map(str, days))
        unsettled = _unsettled(tickers, brought, asked - settled)
        if not frames:
            return Quotes(empty_frame(), unsettled)
        bars = _without_doubles(pd.concat(frames, ignore_index=True), files)
        silent = _not_quoted(tickers, bars, asked & settled, files)
        quoted = bars[bars["kind"].isin(KINDS)]
        return Quotes(join_frames([_to_quotes(quoted)]), (*unsettled, *silent))

    def _files(self, days: Sequence[dt.date], progress: Progress | None) -> Brought:
        if self._path is None:
            return self._downloads.bring_all(days, self._clock(), progress)
        files = [path for path in self._files_in(self._path) if _may_hold(path, days[0], days[-1])]
        if not files:
            raise SourceError(
                say(
                    "{path} holds nothing of {first} to {last}.",
                    path=self._path,
                    first=days[0],
                    last=days[-1],
                ),
                hint=say("give a file of that year or day, or leave out the path to download it."),
            )
        return Brought(files)

    def _files_in(self, path: Path) -> list[Path]:
        """Return the file itself, or the files of a folder that are the exchange's, by name."""
        if not path.is_dir():
            return [path]
        every = sorted(path.iterdir())
        found = [each for each in every if each.is_file() and _is_own(each)]
        others = tuple(each.name for each in every if each not in set(found))
        if not found:
            raise SourceError(
                _none_of_the_exchange(path, others),
                hint=say("put files such as COTAHIST_A2024.ZIP there, in no folder of their own."),
            )
        if others != self._passed_over:
            log.warning(
                "%s: passed over, no file of the exchange: %s", path, _some(others, _SHOWN_OTHERS)
            )
            self._passed_over = others
        return found

    def _bars(self, path: Path, start: dt.date, end: dt.date) -> pd.DataFrame:
        """Return the bars that a file holds from `start` to `end`, those of every ticker."""
        bars = pd.read_feather(self._parse(path))
        return bars[bars["day"].between(pd.Timestamp(start), pd.Timestamp(end))]

    def _parse(self, path: Path) -> Path:
        """Return where the bars of a file lie, parsed once however often they are asked for.

        On disk, so that memory does not grow with the years; they go when the source does.
        """
        state = path.stat()
        key = (path, state.st_size, state.st_mtime_ns)
        if key not in self._parsed:
            bars = self._read(path)
            kept = self._folder / f"{len(self._parsed)}.feather"
            bars.to_feather(kept)
            self._parsed[key] = kept
        return self._parsed[key]

    def _read(self, path: Path) -> pd.DataFrame:
        try:
            return read_bars(path)
        except DamagedFileError:
            if self._path is None:  # ours to remove, so that the next run downloads it again
                path.unlink(missing_ok=True)
            raise


def _is_own(path: Path) -> bool:
    """Return whether a file is the exchange's, by its name or, under another name, its bytes.

    One of its name that is damaged is refused later; it is not passed over.
    """
    return is_own_name(path.name) or is_history(path)


def _none_of_the_exchange(path: Path, others: Sequence[str]) -> str:
    if not others:
        return say("the folder {path} holds no file of the exchange.", path=path)
    return say(
        "the folder {path} holds no file of the exchange, but {files}.",
        path=path,
        files=_some(others, _SHOWN_OTHERS),
    )


def _some(names: Sequence[str], shown: int) -> str:
    """Return some of many names, and how many more there are."""
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (say(" and {count} more", count=rest) if rest > 0 else "")


def _may_hold(path: Path, start: dt.date, end: dt.date) -> bool:
    scope = scope_of_name(path.name) or read_header(path).scope
    return scope.touches(start, end)


def _without_doubles(bars: pd.DataFrame, files: Sequence[Path]) -> pd.DataFrame:
    """Return each bar once, where several files hold it; raises where they disagree."""
    once = bars.drop_duplicates(["ticker", "day", *_PRICES, "volume"])
    twice = once.duplicated(["ticker", "day"]).to_numpy()
    if twice.any():
        row = once.iloc[int(np.argmax(twice))]
        raise DamagedFileError(
            say(
                "{file}, record {record:,}: {ticker} on {day:%Y-%m-%d} is not as in another of "
                "the {count} files.",
                file=row["file"],
                record=row["record"],
                ticker=row["ticker"],
                day=row["day"],
                count=len(files),
            ),
            hint=say("keep the one that was downloaded last."),
        )
    return once


def _to_quotes(bars: pd.DataFrame) -> pd.DataFrame:
    columns = {"traded_at": bars["day"], "adj_close": bars["close"]}
    nothing = {"dividends": 0.0, "stock_splits": 0.0}
    return bars.assign(**columns, **nothing)[list(QUOTE_COLUMNS)].astype(QUOTE_COLUMNS)


def _not_quoted(
    tickers: Sequence[str], bars: pd.DataFrame, settled: frozenset[str], files: Sequence[Path]
) -> Iterator[Failure]:
    """Yield why the files do not quote a ticker on some of the sessions that they settle."""
    where = _some([path.name for path in files], _SHOWN_FILES)
    by_ticker = dict(iter(bars.groupby("ticker")))
    for ticker in tickers:
        named = by_ticker.get(ticker, bars[:0])
        for kind, rows in named[~named["kind"].isin(KINDS)].groupby("kind"):
            reason = f"{where}: {_other_kind(str(kind))}"
            yield Failure(ticker, "empty", reason, frozenset(rows["day"].astype(str)))
        silent = settled - frozenset(named["day"].astype(str))
        if silent and named.empty:
            reason = note(
                "no trade: {where} never names it; it may be suspended, or have another code",
                where=where,
            )
            yield Failure(ticker, NO_TRADE, reason, silent)
        elif silent:
            reason = note(
                "no trade on {count} of {sessions} sessions in {where}",
                count=len(silent),
                sessions=len(settled),
                where=where,
            )
            yield Failure(ticker, NO_TRADE, reason, silent)


def _other_kind(kind: str) -> str:
    """Return what a record is that has none of `KINDS`."""
    if kind.strip("0 "):
        return note("it is no share, unit or fund quota but {kind}", kind=kind)
    return note(
        "its ISIN is missing (positions {positions}), so its kind of paper is not known",
        positions=ISIN.positions,
    )


def _unsettled(
    tickers: Sequence[str], brought: Brought, days: frozenset[str]
) -> tuple[Failure, ...]:
    """Return why every ticker lacks the sessions `days`: no file that is here holds them."""
    if brought.refusal:
        return tuple(Failure(ticker, "rate_limited", brought.refusal, days) for ticker in tickers)
    if not days:
        return ()
    if brought.late:
        reason = note("not published yet: {files}", files=", ".join(brought.late))
        log.warning(reason)
        return tuple(Failure(ticker, "retryable", reason, days) for ticker in tickers)
    reason = note("no file here holds {span}", span=_span(days))
    return tuple(Failure(ticker, "empty", reason, days) for ticker in tickers)


def _span(days: frozenset[str]) -> str:
    first, last = min(days), max(days)
    return (
        first
        if len(days) == 1
        else note(
            "{count} sessions from {first} to {last}", count=len(days), first=first, last=last
        )
    )
