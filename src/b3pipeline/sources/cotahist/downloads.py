"""Brings COTAHIST files from the exchange: retried, resumed, checked before they count."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import random
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from itertools import groupby
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from b3pipeline.calendar import SAO_PAULO
from b3pipeline.errors import (
    ConfigError,
    DamagedFileError,
    NotPublishedError,
    RateLimitedError,
    SourceError,
)
from b3pipeline.language import english, later, say
from b3pipeline.progress import Progress, track
from b3pipeline.sources.cotahist.layout import daily_name, yearly_name
from b3pipeline.sources.cotahist.records import check_file, read_header

log = logging.getLogger(__name__)

BASE_URL = "https://bvmf.bmfbovespa.com.br/InstDados/SerHist/"
"""Where the exchange publishes its history files."""

DAILY_AT_MOST = 20
"""Sessions of the current year for which as many daily files (0.4 MB each) are asked for; for
more, and for earlier years, of which the exchange keeps no daily files, it is the yearly one."""

ATTEMPTS = 5
_FIRST_PAUSE = 1.0
_SAME_AGAIN = later(
    "the same bytes came twice, so the exchange has no better file yet: wait until it has "
    "published another, or take these sessions from another source."
)

LONGEST_PAUSE = 60.0
"""Seconds: no pause is longer, whatever a server asks for."""
_PIECE = 1 << 20
_PARTIAL, _NOT_FOUND, _BEYOND, _TOO_MANY = 206, 404, 416, 429
_BUSY = {408, 416, 425, 500, 502, 503, 504}
_BY_HAND = later("download the file with a browser and give it with --path.")


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
        for name, last in track(_taken(wanted), progress, total=len(wanted), desc=say("download")):
            try:
                files.append(self.bring(name, last))
            except NotPublishedError as error:
                late.append(name)
                missing = error
            except RateLimitedError as error:
                return Brought(files, tuple(late), english(error.message))
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
                log.warning("%s Again in %.0f s.", english(again.error.message), pause)
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
                raise type(error)(error.message, hint=say(_SAME_AGAIN)) from error
            refused.add(digest)
            raise RetryError(error) from error
        part.replace(self.folder / name)
        mark_of(part).unlink(missing_ok=True)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(
                say(
                    "the folder {folder} cannot be made ({reason}).",
                    folder=self.folder,
                    reason=error.strerror,
                ),
                hint=say("set XDG_CACHE_HOME to a folder that you may write."),
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
        log.warning("%s It is downloaded again.", english(error.message))
        return False


class RetryError(Exception):
    """An attempt failed, and another may succeed; `pause` is what the server asks for."""

    def __init__(self, error: SourceError, pause: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.pause = pause


def fetch_rest(url: str, name: str, part: Path, timeout: float) -> None:
    """Add what is still missing to `part`; a file that the server has changed begins anew.

    Raises RetryError where another attempt may succeed, NotPublishedError for a 404,
    SourceError for other refusals, ConfigError where `url` is no web address.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError(
            say("{url!r} is no web address.", url=url),
            hint=say("give one that begins with https://."),
        )
    mark = mark_of(part)
    have = part.stat().st_size if part.exists() and mark.exists() else 0
    headers = {"Accept-Encoding": "identity", "User-Agent": "b3pipeline"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": mark.read_text()}
    request = Request(url, headers=headers)  # noqa: S310
    with _http_errors(name, part), urlopen(request, timeout=timeout) as answer:  # noqa: S310
        resumed = answer.status == _PARTIAL
        if not resumed:
            have = 0
            _remember(mark, answer)
        promised = answer.headers.get("Content-Length")
        got = _write(answer, part, "ab" if resumed else "wb")
    if promised is not None and got < int(promised):
        raise RetryError(
            SourceError(
                say(
                    "{name} broke off after {have:,} of {wanted:,} bytes.",
                    name=name,
                    have=have + got,
                    wanted=have + int(promised),
                ),
                hint=say("run it again: it goes on where it stopped."),
            )
        )


def _write(answer: HTTPResponse, part: Path, mode: str) -> int:
    """Return how many bytes of an answer were written."""
    got = 0
    with part.open(mode) as file:
        while piece := answer.read(_PIECE):
            got += file.write(piece)
    return got


def mark_of(part: Path) -> Path:
    """Return the file beside `part` that holds the version it is a part of."""
    return part.with_name(f"{part.name}.mark")


def _remember(mark: Path, answer: HTTPResponse) -> None:
    """Keep what tells one version of the file from another; without it nothing is resumed."""
    tag = answer.headers.get("ETag", "")
    known = answer.headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag
    if known:
        mark.write_text(known)
    else:
        mark.unlink(missing_ok=True)


@contextmanager
def _http_errors(name: str, part: Path) -> Iterator[None]:
    """Turn what goes wrong on the network into errors of ours, or into another attempt."""
    try:
        yield
    except HTTPError as error:
        if error.code == _BEYOND:  # what is here is longer than what is there
            part.unlink(missing_ok=True)
        raise _of_status(name, error) from error
    except URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            raise SourceError(
                say(
                    "the exchange's certificate was not accepted for {name} ({reason}).",
                    name=name,
                    reason=error.reason,
                ),
                hint=say(_BY_HAND),
            ) from error
        raise RetryError(_unreachable(name, error.reason)) from error
    except (OSError, HTTPException) as error:
        raise RetryError(_unreachable(name, error)) from error


def _of_status(name: str, error: HTTPError) -> Exception:
    if error.code == _NOT_FOUND:
        return NotPublishedError(
            say(
                "the exchange has no {name} (404): not published yet, or no longer kept.", name=name
            ),
            hint=say("wait: a session's file is there about 22:00 São Paulo time."),
        )
    if error.code == _TOO_MANY:
        refusal = RateLimitedError(
            say("the exchange refuses more requests for now (429, at {name}).", name=name),
            hint=say("wait a quarter of an hour, then run it again."),
        )
        return RetryError(refusal, _asked_pause(error))
    failure = SourceError(
        say("the exchange answered {code} for {name}.", code=error.code, name=name),
        hint=say(_BY_HAND),
    )
    if error.code in _BUSY:
        return RetryError(failure, _asked_pause(error))
    return failure


def _asked_pause(error: HTTPError) -> float | None:
    seconds = error.headers.get("Retry-After", "")
    return min(float(seconds), LONGEST_PAUSE) if seconds.isdigit() else None


def _unreachable(name: str, reason: object) -> SourceError:
    return SourceError(
        say(
            "{name} could not be had from the exchange: {reason}.",
            name=name,
            reason=reason or say("the connection broke off"),
        ),
        hint=say("see that the network is there, and run it again: it goes on where it stopped."),
    )
