"""The exchange's history files as a quote source: from a folder, or from the exchange."""

from __future__ import annotations

import datetime as dt
import logging
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from b3pipeline.calendar import Clock, sessions, utc_now
from b3pipeline.errors import DamagedFileError, SourceError
from b3pipeline.progress import Progress, track
from b3pipeline.sources.base import (
    QUOTE_COLUMNS,
    Failure,
    Quotes,
    check_interval,
    empty_frame,
    join_frames,
)
from b3pipeline.sources.cotahist.downloads import BASE_URL, Brought, Downloads, default_cache
from b3pipeline.sources.cotahist.layout import KINDS, scope_of_name
from b3pipeline.sources.cotahist.records import read_bars, read_header

log = logging.getLogger(__name__)

_SUFFIXES = (".zip", ".txt")
_PRICES = ["open", "high", "low", "close"]
_SHOWN_FILES = 2


class CotahistSource:
    """The exchange's own daily and yearly files as a quote source.

    `path` is a file, or a folder of files; without one the files come from `base_url` and stay
    in `cache_dir`. `timeout` is in seconds, for each answer of the exchange.

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
        self._folder = Path(tempfile.mkdtemp(prefix="b3-cotahist-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    @property
    def simulated(self) -> bool:
        """Whether any file says of itself that it was made from simulated quotes."""
        if self._path is None or not self._path.exists():
            return False
        return any(read_header(path).simulated for path in _files_in(self._path))

    def fetch(
        self,
        tickers: Sequence[str],
        start: dt.date,
        end: dt.date,
        interval: str = "1d",
        progress: Progress | None = None,
    ) -> Quotes:
        """Return the daily bars of `tickers` from `start` to `end`, both included.

        A ticker that no file names is `empty`, never `unknown`: a file names what was traded, so
        its silence says nothing about a share that was suspended, or is named later. Where the
        exchange has not published some of the files yet, or refuses to go on, what the others hold
        comes, and every ticker is a failure too, `retryable` or `rate_limited`.

        Raises DamagedFileError or TruncatedFileError for a file that is not whole,
        NotPublishedError where no file of the range is there, and SourceError where a file cannot
        be read or the exchange does not answer.
        """
        check_interval(self, interval)
        days = sessions(start, end)
        if not days:
            reason = f"B3 held no session from {start} to {end}"
            return Quotes(empty_frame(), tuple(Failure(t, "closed", reason) for t in tickers))
        brought = self._files(days, progress)
        files = brought.files
        frames = [
            self._wanted(path, tickers, start, end)
            for path in track(files, progress, total=len(files), desc="cotahist")
        ]
        if not frames:
            return Quotes(empty_frame(), _not_whole(tickers, brought))
        bars = _without_doubles(pd.concat(frames, ignore_index=True), files)
        quoted = bars[bars["kind"].isin(KINDS)]
        failures = _not_whole(tickers, brought) or _absent(tickers, bars, files)
        return Quotes(join_frames([_to_quotes(quoted)]), failures)

    def _files(self, days: Sequence[dt.date], progress: Progress | None) -> Brought:
        if self._path is None:
            return self._downloads.bring_all(days, self._clock(), progress)
        files = [path for path in _files_in(self._path) if _may_hold(path, days[0], days[-1])]
        if not files:
            raise SourceError(
                f"{self._path} holds nothing of {days[0]} to {days[-1]}.",
                hint="give a file of that year or day, or leave out the path to download it.",
            )
        return Brought(files)

    def _wanted(
        self, path: Path, tickers: Sequence[str], start: dt.date, end: dt.date
    ) -> pd.DataFrame:
        bars = pd.read_feather(self._parse(path))
        days = bars["day"]
        between = (days >= pd.Timestamp(start)) & (days <= pd.Timestamp(end))
        return bars[between & bars["ticker"].isin(list(tickers))].assign(file=path.name)

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


def _files_in(path: Path) -> list[Path]:
    """Return the file itself, or the COTAHIST files of a folder by name."""
    if not path.is_dir():
        return [path]
    found = [file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES]
    if not found:
        raise SourceError(
            f"the folder {path} holds no ZIP and no TXT.",
            hint="put files such as COTAHIST_A2024.ZIP there.",
        )
    return sorted(found)


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
            f"{row['file']}, record {row['record']:,}: {row['ticker']} on "
            f"{row['day']:%Y-%m-%d} is not as in another of the {len(files)} files.",
            hint="keep the one that was downloaded last.",
        )
    return once


def _to_quotes(bars: pd.DataFrame) -> pd.DataFrame:
    columns = {"traded_at": bars["day"], "adj_close": bars["close"]}
    nothing = {"dividends": 0.0, "stock_splits": 0.0}
    return bars.assign(**columns, **nothing)[list(QUOTE_COLUMNS)].astype(QUOTE_COLUMNS)


def _absent(
    tickers: Sequence[str], bars: pd.DataFrame, files: Sequence[Path]
) -> tuple[Failure, ...]:
    """Return a failure for each ticker that the files do not quote."""
    named = [path.name for path in files]
    rest = len(named) - _SHOWN_FILES
    where = ", ".join(named[:_SHOWN_FILES]) + (f" and {rest} more" if rest > 0 else "")
    kinds = dict(zip(bars["ticker"], bars["kind"], strict=True))
    failures = []
    for ticker in tickers:
        if ticker not in kinds:
            failures.append(Failure(ticker, "empty", f"no trade of it in {where}"))
        elif kinds[ticker] not in KINDS:
            reason = f"it is no share, unit or fund quota but {kinds[ticker]} in {where}"
            failures.append(Failure(ticker, "empty", reason))
    return tuple(failures)


def _not_whole(tickers: Sequence[str], brought: Brought) -> tuple[Failure, ...]:
    """Return why every ticker may lack sessions: files that the exchange did not give."""
    if brought.refusal:
        return tuple(Failure(ticker, "rate_limited", brought.refusal) for ticker in tickers)
    if not brought.late:
        return ()
    reason = f"not published yet: {', '.join(brought.late)}"
    log.warning(reason)
    return tuple(Failure(ticker, "retryable", reason) for ticker in tickers)
