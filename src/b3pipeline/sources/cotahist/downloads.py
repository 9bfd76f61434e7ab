"""Brings COTAHIST files from the exchange: retried, resumed, checked before they count."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from b3pipeline.calendar import SAO_PAULO
from b3pipeline.errors import (
    DamagedFileError,
    NotPublishedError,
    RateLimitedError,
    SourceError,
)
from b3pipeline.progress import Progress, track
from b3pipeline.sources.cotahist.layout import daily_name, yearly_name
from b3pipeline.sources.cotahist.records import check_file, read_header
from b3pipeline.sources.cotahist.transfer import LONGEST_PAUSE, RetryError, fetch_rest, mark_of

log = logging.getLogger(__name__)

BASE_URL = "https://bvmf.bmfbovespa.com.br/InstDados/SerHist/"
"""Where the exchange publishes its history files."""

DAILY_AT_MOST = 20
"""Sessions of the current year for which as many daily files (0.4 MB each) are asked for; for
more, and for earlier years, of which the exchange keeps no daily files, it is the yearly one."""

ATTEMPTS = 5
_FIRST_PAUSE = 1.0
_SAME_AGAIN = (
    "the same bytes came twice, so the exchange has no better file yet: wait until it has "
    "published another, or take these sessions from another source."
)


@dataclass(frozen=True)
class Brought:
    """Files that are here, the names of those not published yet, and a refusal to go on."""

    files: list[Path]
    late: tuple[str, ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class Downloads:
    """A folder of files of the exchange, and how missing ones are brought.

    A file under its own name is whole and checked; what is on its way ends in `.part`.
    """

    folder: Path
    base_url: str = BASE_URL
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    timeout: float = 30

    def bring_all(
        self, days: Sequence[dt.date], now: dt.datetime, progress: Progress | None = None
    ) -> Brought:
        """Return the files that hold the sessions `days`, and what is said of the others.

        Sessions later than a yearly file come from daily ones. Raises NotPublishedError where
        not one file is there, and what `bring` raises but for RateLimitedError: after that one
        nothing more is asked for.
        """
        wanted = deque(files_of(days, now.astimezone(SAO_PAULO).date()))
        files, late = [], []
        for name, last in track(_taken(wanted), progress, total=len(wanted), desc="download"):
            try:
                files.append(self.bring(name, last))
            except NotPublishedError as error:
                late.append(name)
                missing = error
            except RateLimitedError as error:
                return Brought(files, tuple(late), error.message)
            else:
                made_on = read_header(files[-1]).made_on
                after = [day for day in days if made_on < day <= last]
                wanted += [(daily_name(day), day) for day in after]
        if not files:
            raise missing
        return Brought(files, tuple(late))

    def bring(self, name: str, last: dt.date | None = None) -> Path:
        """Return the file called `name`, downloaded unless it is here and holds the day `last`.

        A download that breaks off goes on where it stopped, in this run or the next. A file that
        is not whole is asked for again, until the same bytes have come twice. Raises
        NotPublishedError (404), RateLimitedError (429), DamagedFileError where no whole file
        comes, SourceError where the exchange does not answer.
        """
        path = self.folder / name
        if _is_here(path, last):
            return path
        self._make_folder()
        refused: set[str] = set()
        for attempt in range(ATTEMPTS):
            try:
                self._attempt(name, refused)
                return path
            except RetryError as again:
                if attempt == ATTEMPTS - 1:
                    raise again.error from again
                pause = again.pause or self._pause(attempt)
                log.warning("%s Again in %.0f s.", again.error.message, pause)
                self.sleep(pause)
        raise AssertionError("unreachable")

    def _pause(self, attempt: int) -> float:
        """Return seconds: twice as long each time, and by chance half as long or half longer."""
        return min(_FIRST_PAUSE * 2.0**attempt, LONGEST_PAUSE) * (0.5 + self.jitter())

    def _attempt(self, name: str, refused: set[str]) -> None:
        """Bring a file; `refused` are the digests of what came and was not whole."""
        part = self.folder / f"{name}.part"
        fetch_rest(f"{self.base_url.rstrip('/')}/{name}", name, part, self.timeout)
        try:
            check_file(part, name)
        except DamagedFileError as error:
            digest = _digest(part)
            part.unlink()
            if digest in refused:
                raise type(error)(error.message, hint=_SAME_AGAIN) from error
            refused.add(digest)
            raise RetryError(error) from error
        part.replace(self.folder / name)
        mark_of(part).unlink(missing_ok=True)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(
                f"the folder {self.folder} cannot be made ({error.strerror}).",
                hint="set XDG_CACHE_HOME to a folder that you may write.",
            ) from error


def files_of(days: Sequence[dt.date], today: dt.date) -> list[tuple[str, dt.date]]:
    """Return the files that hold some sessions, each with the last of the sessions in it."""
    wanted = []
    for year, group in groupby(days, key=lambda day: day.year):
        some = list(group)
        if year == today.year and len(some) <= DAILY_AT_MOST:
            wanted += [(daily_name(day), day) for day in some]
        else:
            wanted.append((yearly_name(year), some[-1]))
    return wanted


def _taken(wanted: deque[tuple[str, dt.date]]) -> Iterator[tuple[str, dt.date]]:
    """Yield what is wanted; more may be added meanwhile."""
    while wanted:
        yield wanted.popleft()


def default_cache() -> Path:
    """Return the folder where downloaded files stay unless another is given."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "b3pipeline" / "cotahist"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_here(path: Path, last: dt.date | None) -> bool:
    try:
        return path.exists() and (last is None or read_header(path).made_on >= last)
    except DamagedFileError as error:
        log.warning("%s It is downloaded again.", error.message)
        return False
