"""The theoretical portfolio of an index of B3: from the exchange's own page, or a kept copy."""

from __future__ import annotations

import base64
import datetime as dt
import json
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from b3pipeline.errors import ConfigError, DamagedFileError, InvalidTickerError, SourceError
from b3pipeline.language import english, say
from b3pipeline.names import normalise_ticker

log = logging.getLogger(__name__)

PAGE = "https://sistemaswebb3-listados.b3.com.br/indexProxy/indexCall/GetPortfolioDay/"
"""Where the exchange publishes the portfolio of the day, behind a base64 of what is asked for."""
PAGE_VARIABLE = "B3_INDEX_PAGE"
"""The environment variable with another address of that page, should it move."""
PAGE_SIZE = 120

_INDEX = re.compile(r"[A-Z]{4}")
_HUNDRED = 100.0
_ROUNDING = 0.1
"""Shares are published with three decimals: a hundred of them may miss 100 by this much."""


@dataclass(frozen=True)
class Member:
    """One share of a portfolio: `weight` in percent, None where the copy does not hold it."""

    ticker: str
    company: str
    weight: float | None = None


@dataclass(frozen=True)
class Portfolio:
    """The members of an index on a day, and where this is known from."""

    index: str
    date: dt.date
    members: tuple[Member, ...]
    origin: str

    @property
    def tickers(self) -> tuple[str, ...]:
        return tuple(member.ticker for member in self.members)

    def __str__(self) -> str:
        lines = [
            say(
                "{index} of {date}, {count} shares, {origin}",
                index=self.index,
                date=self.date,
                count=len(self.members),
                origin=self.origin,
            )
        ]
        for member in self.members:
            weight = "" if member.weight is None else f"{member.weight:7.3f}%"
            lines.append(f"{member.ticker:<7}{weight:>9}  {member.company}".rstrip())
        return "\n".join(lines)


def is_index(text: str) -> bool:
    """Return whether a text is shaped like an index: four letters, which no ticker is."""
    return _INDEX.fullmatch(text.strip().upper()) is not None


def expand(tickers: Iterable[str], *, page: str | None = None) -> tuple[str, ...]:
    """Return tickers with each index replaced by its members, each once, in their order."""
    found: dict[str, None] = {}
    for ticker in tickers:
        members = portfolio(ticker, page=page).tickers if is_index(ticker) else (ticker,)
        found |= dict.fromkeys(members)
    return tuple(found)


def portfolio(index: str, *, page: str | None = None) -> Portfolio:
    """Return the portfolio of an index today: from the exchange, else the copy of this package.

    Raises ConfigError where `index` is none, SourceError where the page cannot be had and there
    is no copy. A page that is not what it must be counts as one that cannot be had.
    """
    name = index.strip().upper()
    if not is_index(name):
        raise ConfigError(
            say("{index!r} is no index of B3.", index=index),
            hint=say("four letters, such as IBOV."),
        )
    try:
        return fetch_portfolio(name, page=page or os.environ.get(PAGE_VARIABLE) or PAGE)
    except SourceError as error:
        kept = kept_portfolio(name)
        if kept is None:
            raise
        log.warning(
            "%s The kept copy of %s is used: %s.", english(error.message), kept.date, kept.origin
        )
        return kept


def fetch_portfolio(index: str, *, page: str = PAGE, timeout: float = 20.0) -> Portfolio:
    """Return the portfolio that the exchange's page holds now, largest weight first.

    Raises SourceError where it cannot be had, DamagedFileError where it is not what it must be.
    """
    first = _ask(page, index, 1, timeout)
    numbers = range(2, _pages(first, index) + 1)
    answers = [first, *(_ask(page, index, number, timeout) for number in numbers)]
    rows = [row for answer in answers for row in answer["results"]]
    return _checked(index, first, rows)


def kept_portfolio(index: str) -> Portfolio | None:
    """Return the copy of this package, None where it keeps none of that index."""
    kept = json.loads(resources.files("b3pipeline.sources").joinpath("indexes.json").read_text())
    found = kept.get(index)
    if found is None:
        return None
    members = tuple(Member(ticker, company) for ticker, company in found["members"].items())
    return Portfolio(index, dt.date.fromisoformat(found["date"]), members, found["origin"])


def _ask(page: str, index: str, number: int, timeout: float) -> dict[str, Any]:
    asked = {
        "language": "pt-br",
        "pageNumber": number,
        "pageSize": PAGE_SIZE,
        "index": index,
        "segment": "1",
    }
    url = page + base64.b64encode(json.dumps(asked).encode()).decode()
    request = Request(url, headers={"User-Agent": "b3pipeline"})  # noqa: S310
    try:
        with urlopen(request, timeout=timeout) as answer:  # noqa: S310
            text = answer.read()
    except (URLError, OSError) as error:
        raise SourceError(
            say(
                "the portfolio of {index} could not be had from B3: {error}.",
                index=index,
                error=error,
            ),
            hint=say("see that the network is up, or name the tickers themselves."),
        ) from error
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _strange(index, say("it answers {text!r}", text=text[:40])) from error
    if not isinstance(content, dict) or not isinstance(content.get("results"), list):
        raise _strange(index, say("it has no list of results"))
    return content


def _pages(answer: dict[str, Any], index: str) -> int:
    try:
        return int(answer["page"]["totalPages"])
    except (KeyError, TypeError, ValueError) as error:
        raise _strange(index, say("it does not say how many pages there are")) from error


def _checked(index: str, first: dict[str, Any], rows: list[dict[str, Any]]) -> Portfolio:
    if not rows:
        raise SourceError(
            say("B3 publishes no portfolio of {index!r}.", index=index),
            hint=say("use an index of its page, such as IBOV, IBXX, SMLL or IDIV."),
        )
    try:
        day, month, year = map(int, first["header"]["date"].split("/"))
        date = dt.date(2000 + year, month, day)
        promised = int(first["page"]["totalRecords"])
        total = _number(first["header"]["part"])
        members = [
            Member(normalise_ticker(row["cod"]), str(row["asset"]).strip(), _number(row["part"]))
            for row in rows
        ]
    except (KeyError, TypeError, ValueError, AttributeError, InvalidTickerError) as error:
        raise _strange(index, str(error)) from error
    if len({member.ticker for member in members}) != promised:
        raise _strange(
            index,
            say(
                "it promises {promised} shares and holds {held}",
                promised=promised,
                held=len(members),
            ),
        )
    summed = sum(member.weight or 0.0 for member in members)
    if not (abs(total - _HUNDRED) <= _ROUNDING and abs(summed - total) <= _ROUNDING):  # nor NaN
        raise _strange(
            index, say("its weights add up to {sum:.3f}% of {total:.3f}%", sum=summed, total=total)
        )
    members.sort(key=lambda member: (-(member.weight or 0.0), member.ticker))
    return Portfolio(index, date, tuple(members), say("from B3's own page"))


def _number(text: str) -> float:
    """Return a number as Brazil writes it: 1.234,5 is one thousand and more."""
    return float(text.replace(".", "").replace(",", "."))


def _strange(index: str, why: str) -> DamagedFileError:
    return DamagedFileError(
        say("B3's page of {index} is not what it must be: {why}.", index=index, why=why),
        hint=say("name the tickers themselves; if it lasts, the exchange has changed its page."),
    )
