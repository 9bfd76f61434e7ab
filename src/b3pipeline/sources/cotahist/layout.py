"""The bytes of a COTAHIST record, the header and the trailer, and what a file's name says.

Positions are those of the exchange's layout (SeriesHistoricas_Layout), counted from 0 here.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

RECORD = 245
"""Bytes of a record, without the end of its line."""

HEADER, QUOTE, TRAILER = b"00", b"01", b"99"
BEGIN, END = b"00COTAHIST.", b"99COTAHIST."
"""How the header and the trailer begin."""
ORIGIN, SIMULATED_ORIGIN = "BOVESPA", "SIMULADO"
"""Who made the file: the exchange, or `writer`."""

CASH_MARKET = b"010"
"""TPMERC of round lots in the cash market; odd lots, options and forwards have others."""

PRICES_PER = 100
"""Prices have two implied decimals."""


@dataclass(frozen=True)
class Field:
    """The place of a field in its record: `first` to `last`, as slices count."""

    first: int
    last: int

    @property
    def slice(self) -> slice:
        return slice(self.first, self.last)

    @property
    def width(self) -> int:
        return self.last - self.first

    @property
    def positions(self) -> str:
        """The positions as the exchange's layout counts them, from 1 and both included."""
        return f"{self.first + 1}-{self.last}"


TYPE = Field(0, 2)
DATE = Field(2, 10)
TICKER = Field(12, 24)
MARKET = Field(24, 27)
OPEN = Field(56, 69)
HIGH = Field(69, 82)
LOW = Field(82, 95)
CLOSE = Field(108, 121)
VOLUME = Field(152, 170)
"""Shares, in every market."""
PER = Field(210, 217)
"""FATCOT: the number of shares that the prices are of."""
ISIN = Field(230, 242)
KIND = Field(236, 239)
"""The ISIN's characters 7 to 9: what kind of paper it is."""

NUMERIC = (DATE, MARKET, Field(56, 188), PER)
"""What must be digits in every record of type 01: the date, the market, all prices and sums."""

NAME = Field(2, 15)
MADE_BY = Field(15, 23)
MADE_ON = Field(23, 31)
COUNT = Field(31, 42)
"""Of the trailer: how many records the file has, see `counts_of`."""
ENDS = 2
"""The header and the trailer."""

KINDS = {"ACN": "share", "CDA": "unit", "UNT": "unit", "CTF": "fund quota"}
"""The kinds of paper that are quoted: shares, units, and the quotas of ETFs and other funds."""

CHANGED_OVER = 2025
"""The year within which trailers began to count quotes alone."""

_NAME = re.compile(r"COTAHIST\.(\d{4})")
_FILE = re.compile(
    r"COTAHIST[_.](?:A(?P<year>\d{4})|M(?P<month>\d{6})|D(?P<day>\d{8}))(?P<rest>\D.*)?",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Header:
    """What the first record says: the file's year, who made it and on which day."""

    year: int
    origin: str
    made_on: dt.date

    @property
    def simulated(self) -> bool:
        return self.origin == SIMULATED_ORIGIN

    @property
    def scope(self) -> Scope:
        """The days that a file of this header may hold."""
        last = min(dt.date(self.year, 12, 31), self.made_on)
        return Scope(dt.date(self.year, 1, 1), last)


@dataclass(frozen=True)
class Scope:
    """The days that a file may hold, both included."""

    first: dt.date
    last: dt.date

    def touches(self, start: dt.date, end: dt.date) -> bool:
        return self.first <= end and start <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


def parse_header(record: bytes) -> Header | None:
    """Return what a header says, or None where `record` is no header of a COTAHIST file."""
    text = record.decode("latin-1")
    named = _NAME.fullmatch(text[NAME.slice].strip())
    made_on = parse_day(text[MADE_ON.slice])
    if record[TYPE.slice] != HEADER or named is None or made_on is None:
        return None
    return Header(int(named[1]), text[MADE_BY.slice].strip(), made_on)


def counts_of(year: int, quotes: int) -> tuple[int, ...]:
    """Return what the trailer of a whole file of `year` may count that holds so many quotes.

    Files up to 2024 count every record, header and trailer included, those from 2026 on the
    quotes alone. In 2025 the exchange changed over, nobody knows on which day. The year decides:
    to take both for every file would let a new one pass that has lost exactly two quotes.
    """
    if year < CHANGED_OVER:
        return (quotes + ENDS,)
    return (quotes,) if year > CHANGED_OVER else (quotes, quotes + ENDS)


def parse_day(text: str) -> dt.date | None:
    """Return the date that YYYYMMDD spells, or None where it spells none."""
    try:
        return dt.datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return None


def scope_of_name(name: str) -> Scope | None:
    """Return the days that a file's name promises, or None for a name that says nothing.

    The exchange names its files COTAHIST_Ayyyy, COTAHIST_Mmmyyyy and COTAHIST_Dddmmyyyy, with
    .ZIP or .TXT at the end; what its older ZIPs hold is named COTAHIST.A2000 or COTAHIST_A2001.
    """
    found = _FILE.fullmatch(name)
    if found is None:
        return None
    if found["year"]:
        year = int(found["year"])
        return Scope(dt.date(year, 1, 1), dt.date(year, 12, 31)) if year else None
    if found["month"]:
        return _month(found["month"])
    day = parse_day(f"{found['day'][4:]}{found['day'][2:4]}{found['day'][:2]}")
    return None if day is None else Scope(day, day)


def is_own_name(name: str) -> bool:
    """Return whether the exchange names its files like that: whole, with no other suffix."""
    found = _FILE.fullmatch(name)
    return found is not None and (found["rest"] or "").lower() in ("", ".zip", ".txt")


def _month(text: str) -> Scope | None:
    first = parse_day(f"{text[2:]}{text[:2]}01")
    if first is None:
        return None
    following = (first.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
    return Scope(first, following - dt.timedelta(days=1))


def daily_name(day: dt.date) -> str:
    """Return the name of the exchange's file of one session."""
    return f"COTAHIST_D{day:%d%m%Y}.ZIP"


def yearly_name(year: int) -> str:
    """Return the name of the exchange's file of a year."""
    return f"COTAHIST_A{year}.ZIP"
