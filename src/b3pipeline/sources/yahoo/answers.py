"""What an answer of Yahoo says that brings no quotes: whose fault it is, in Yahoo's own words."""

from __future__ import annotations

import json
import re
from typing import Any

from curl_cffi.requests.exceptions import (
    ConnectionError as CurlConnectionError,
)
from curl_cffi.requests.exceptions import (
    DNSError,
    ProxyError,
    Timeout,
)
from yfinance.exceptions import YFPricesMissingError, YFRateLimitError, YFTzMissingError

from b3pipeline.calendar import SAO_PAULO
from b3pipeline.exchange import EXCHANGE
from b3pipeline.language import note
from b3pipeline.sources.base import Failure, FailureKind
from b3pipeline.sources.yahoo.retry import REFUSED

SUFFIX = EXCHANGE.suffix
"""What Yahoo adds to the codes of B3; it is known in this package alone."""

CURRENCY = EXCHANGE.currency

NO_QUOTES = note("Yahoo knows it and has no quotes of it in this range")

_WORDS: tuple[tuple[str, FailureKind], ...] = (
    ("for this date range", "empty"),
    ("data doesn't exist", "empty"),
    ("data not available", "empty"),
    ("must be within the last", "empty"),
    ("delisted", "unknown"),
    ("not found", "unknown"),
)
"""What Yahoo's own reasons contain, and what they mean; the first that fits counts. "No data
found for this date range, symbol may be delisted" is said of the liveliest stocks."""

_TOO_MANY, _BROKEN = 429, 500
_SHOWN = 160
_CONNECTING = ("Connection timed out", "Resolving timed out", "Failed to connect", "Could not con")
_CURL = re.compile(r"^Failed to perform, curl: \(\d+\) |\.? See https://curl\.se\S* .*$")

Result = dict[str, Any]
"""The one result of a chart: `meta`, `timestamp`, `indicators`, `events`."""


def result_of(answer: Any) -> Result | None:
    """Return the chart's result that an HTTP answer holds; None where it holds none."""
    try:
        result = _content(answer)["chart"]["result"][0]
        return result if isinstance(result["meta"], dict) else None
    except (KeyError, TypeError, IndexError):
        return None


def is_foreign(ticker: str, result: Result) -> Failure | None:
    """Return a failure where an answer is not of this ticker at B3: symbol, currency, zone.

    What it does not say of itself is not taken for granted.
    """
    meta = result["meta"]
    symbol, currency, zone = (
        meta.get(name) for name in ("symbol", "currency", "exchangeTimezoneName")
    )
    if symbol not in (None, f"{ticker}{SUFFIX}"):
        return Failure(ticker, "unknown", note("Yahoo answers for {symbol} instead", symbol=symbol))
    if currency != CURRENCY:
        said = note("in {currency}", currency=currency) if currency else note("without a currency")
        return Failure(
            ticker,
            "unusable",
            note("Yahoo answers {said}; B3 trades in {currency}", said=said, currency=CURRENCY),
        )
    if zone != SAO_PAULO.key:
        said = note("for an exchange in {zone}", zone=zone) if zone else note("without a time zone")
        return Failure(
            ticker,
            "unusable",
            note("Yahoo answers {said}; B3 is in {zone}", said=said, zone=SAO_PAULO.key),
        )
    return None


def failure_of(ticker: str, answer: Any, problem: Exception | None) -> Failure:
    """Return why no quotes came: by what Yahoo answered last, and what yfinance raised.

    Only Yahoo's own word makes a ticker unknown: to yfinance a maintenance page, an empty range
    and a renamed stock are all "possibly delisted".
    """
    status = getattr(answer, "status_code", 0)
    if isinstance(problem, YFRateLimitError) or status == _TOO_MANY:
        return Failure(ticker, "rate_limited", REFUSED)
    if isinstance(problem, YFTzMissingError):
        return Failure(ticker, "unknown", note("Yahoo has no such symbol"))
    if answer is None and problem is not None:
        words = _words_of(problem)
        if not _is_unreachable(problem):
            return Failure(ticker, "retryable", words)
        reason = note("Yahoo cannot be reached ({words}): is the network there?", words=words)
        return Failure(ticker, "unreachable", reason)
    reason = _reason(answer)
    if status >= _BROKEN or (reason and _is_about_us(answer)):
        return Failure(ticker, "retryable", _answered(status, reason))
    if reason:
        return Failure(ticker, _meaning(reason), note("Yahoo says: {reason}", reason=reason))
    result = result_of(answer)
    if result is not None and result["meta"].get("symbol"):
        return is_foreign(ticker, result) or Failure(ticker, "empty", NO_QUOTES)
    if problem is None or isinstance(problem, YFPricesMissingError):
        return Failure(
            ticker, "retryable", note("Yahoo's answer holds neither quotes nor a reason")
        )
    return Failure(ticker, "retryable", _words_of(problem))


def _answered(status: int, reason: str) -> str:
    if reason:
        return note("Yahoo answers {status}: {reason}", status=status, reason=reason)
    return note("Yahoo answers {status}: nothing", status=status)


def unreadable(ticker: str, error: Exception) -> Failure:
    """Return the failure of an answer that is not shaped as Yahoo's are."""
    words = f"{type(error).__name__}: {error}"[:_SHOWN]
    return Failure(
        ticker, "retryable", note("Yahoo's answer cannot be read ({words})", words=words)
    )


def _is_unreachable(problem: Exception) -> bool:
    """Return whether no connection came about: neither Yahoo nor the ticker has to do with it."""
    if isinstance(problem, DNSError | ProxyError):
        return True
    words = str(problem)
    return isinstance(problem, CurlConnectionError | Timeout) and any(
        each in words for each in _CONNECTING
    )


def _words_of(problem: Exception) -> str:
    words = f"{type(problem).__name__}: {_CURL.sub('', str(problem))}"
    return words[:_SHOWN].rstrip(": ")


def _content(answer: Any) -> Any:
    try:
        return json.loads(answer.text)
    except (ValueError, AttributeError, RecursionError):
        return None


def _reason(answer: Any) -> str:
    """Return the reason in an answer: that of its JSON, or the text of a page."""
    content = _content(answer)
    if not isinstance(content, dict):
        text = re.sub(r"<[^>]*>", " ", getattr(answer, "text", "") or "")
        return " ".join(text.split())[:_SHOWN] if not _looks_cut(text) else ""
    for part in (content, *content.values()):
        error = part.get("error") if isinstance(part, dict) else None
        if isinstance(error, str) and error:
            return error[:_SHOWN]
        if isinstance(error, dict):
            found = [
                str(error[name]) for name in ("description", "message", "code") if error.get(name)
            ]
            return next(iter(found), "")[:_SHOWN]
    return ""


def _looks_cut(text: str) -> bool:
    """Return whether a text is JSON that broke off: it is no reason to show."""
    return text.lstrip().startswith(("{", "["))


def _is_about_us(answer: Any) -> bool:
    """Return whether a reason speaks of the request or the server, not of the ticker."""
    content = _content(answer)
    return not (isinstance(content, dict) and isinstance(content.get("chart"), dict))


def _meaning(reason: str) -> FailureKind:
    low = reason.lower()
    return next((kind for words, kind in _WORDS if words in low), "retryable")
