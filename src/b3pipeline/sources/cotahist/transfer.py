"""One request for a file of the exchange: the whole, or what is still missing of it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from b3pipeline.errors import ConfigError, NotPublishedError, RateLimitedError, SourceError

LONGEST_PAUSE = 60.0
"""Seconds: no pause is longer, whatever a server asks for."""

_PIECE = 1 << 20
_PARTIAL, _NOT_FOUND, _BEYOND, _TOO_MANY = 206, 404, 416, 429
_BUSY = {408, 416, 425, 500, 502, 503, 504}
_BY_HAND = "download the file with a browser and give it with --path."


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
        raise ConfigError(f"{url!r} is no web address.", hint="give one that begins with https://.")
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
                f"{name} broke off after {have + got:,} of {have + int(promised):,} bytes.",
                hint="run it again: it goes on where it stopped.",
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
                f"the exchange's certificate was not accepted for {name} ({error.reason}).",
                hint=_BY_HAND,
            ) from error
        raise RetryError(_unreachable(name, error.reason)) from error
    except (OSError, HTTPException) as error:
        raise RetryError(_unreachable(name, error)) from error


def _of_status(name: str, error: HTTPError) -> Exception:
    if error.code == _NOT_FOUND:
        return NotPublishedError(
            f"the exchange has no {name} (404): not published yet, or no longer kept.",
            hint="wait: a session's file is there about 22:00 São Paulo time.",
        )
    if error.code == _TOO_MANY:
        refusal = RateLimitedError(
            f"the exchange refuses more requests for now (429, at {name}).",
            hint="wait a quarter of an hour, then run it again.",
        )
        return RetryError(refusal, _asked_pause(error))
    failure = SourceError(f"the exchange answered {error.code} for {name}.", hint=_BY_HAND)
    if error.code in _BUSY:
        return RetryError(failure, _asked_pause(error))
    return failure


def _asked_pause(error: HTTPError) -> float | None:
    seconds = error.headers.get("Retry-After", "")
    return min(float(seconds), LONGEST_PAUSE) if seconds.isdigit() else None


def _unreachable(name: str, reason: object) -> SourceError:
    return SourceError(
        f"{name} could not be had from the exchange: {reason or 'the connection broke off'}.",
        hint="see that the network is there, and run it again: it goes on where it stopped.",
    )
