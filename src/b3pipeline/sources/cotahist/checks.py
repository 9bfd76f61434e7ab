"""The checks of a COTAHIST file: every record of it, its header and its trailer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from b3pipeline.errors import DamagedFileError, TruncatedFileError
from b3pipeline.sources.cotahist import layout
from b3pipeline.sources.cotahist.columns import ZERO, equal, first_of, numbers, text_of
from b3pipeline.sources.cotahist.files import AGAIN, Block, Bytes, damaged
from b3pipeline.sources.cotahist.layout import Header, Scope

_NINE = 9


class _Problem(NamedTuple):
    row: int
    found: str


@dataclass
class _Ends:
    """What the first and the last record say; `records` counts those seen so far."""

    name: str
    header: Header | None = None
    begin: bytes = b""
    trailer: bytes = b""
    records: int = 0


def checked_quotes(blocks: Iterable[Block], name: str, promised: Scope | None) -> Iterator[Block]:
    """Yield the quotes among the records of a file, block by block, each of them checked.

    `promised` are the days that the file's name speaks of. Raises DamagedFileError or
    TruncatedFileError for the first record that is not as it must be; the trailer, which counts
    them, is compared last.
    """
    ends = _Ends(name)
    for block in blocks:
        rows = block.rows
        ends.records += len(rows)
        if ends.trailer:
            raise damaged(name, block.first, "it comes after the trailer: two files are mixed.")
        if ends.header is None:
            ends.begin = rows[0].tobytes()
            ends.header = layout.parse_header(ends.begin)
            if ends.header is None:
                raise no_header(name, ends.begin)
            block = Block(2, rows[1:])
        if len(block.rows) and text_of(block.rows[-1], layout.TYPE) == layout.TRAILER:
            ends.trailer = block.rows[-1].tobytes()
            block = Block(block.first, block.rows[:-1])
        _check(block, name, ends.header, promised)
        yield block
    _check_trailer(ends)


def _check(block: Block, name: str, header: Header, promised: Scope | None) -> None:
    """Raise DamagedFileError for the first record of a block that is not as it must be."""
    problems = [
        *_wrong_types(block.rows),
        *_no_digits(block.rows),
        *_wrong_days(block.rows, header.scope, promised),
        *_no_lots(block.rows),
    ]
    if problems:
        first = min(problems, key=lambda problem: problem.row)
        raise damaged(name, block.first + first.row, first.found)


def _wrong_types(rows: Bytes) -> Iterator[_Problem]:
    row = first_of(~equal(rows, layout.TYPE, layout.QUOTE))
    if row is not None:
        found = text_of(rows[row], layout.TYPE)
        what = {
            layout.HEADER: "a second header: two files are mixed.",
            layout.TRAILER: "a trailer, and records after it: two files are mixed.",
        }
        yield _Problem(row, what.get(found, f"its type is {_shown(found)} instead of '01'."))


def _no_digits(rows: Bytes) -> Iterator[_Problem]:
    for field in layout.NUMERIC:
        part = rows[:, field.slice] - np.uint8(ZERO)  # whatever lies below '0' wraps round
        row = first_of(part.max(axis=1, initial=0) > _NINE)
        if row is not None:
            at = int((part[row] > _NINE).argmax())
            found = rows[row, field.first + at].tobytes()
            position = field.first + at + 1
            yield _Problem(row, f"{_shown(found)} at position {position}, where a digit must be.")


def _wrong_days(rows: Bytes, scope: Scope, promised: Scope | None) -> Iterator[_Problem]:
    days = numbers(rows, layout.DATE)
    for allowed, whose in ((promised, "name"), (scope, "header")):
        if allowed is not None:
            early, late = days < _as_number(allowed.first), days > _as_number(allowed.last)
            row = first_of(early | late)
            if row is not None:
                yield _Problem(
                    row, f"the date {days[row]:08d}; by its {whose} the file holds {allowed}."
                )
    changes = days[np.flatnonzero(np.diff(days, prepend=0))]
    for day in np.unique(changes):
        if layout.parse_day(f"{day:08d}") is None:
            row = int((days == day).argmax())
            yield _Problem(row, f"{day:08d} is no date of the calendar.")


def _no_lots(rows: Bytes) -> Iterator[_Problem]:
    cash = equal(rows, layout.MARKET, layout.CASH_MARKET)
    row = first_of(cash & equal(rows, layout.PER, b"0" * layout.PER.width))
    if row is not None:
        yield _Problem(row, f"its prices are of 0 shares (positions {layout.PER.positions}).")


def _check_trailer(ends: _Ends) -> None:
    if not ends.trailer:
        raise TruncatedFileError(
            f"{ends.name} breaks off after record {ends.records:,}: it has no trailer. "
            "Nothing of the file is used.",
            hint=AGAIN,
        )
    about = slice(layout.NAME.first, layout.MADE_BY.last)
    if ends.trailer[about] != ends.begin[about]:
        raise damaged(
            ends.name,
            ends.records,
            f"the trailer is of {_shown(ends.trailer[about])}, the header of "
            f"{_shown(ends.begin[about])}: two files are mixed.",
        )
    counted = ends.trailer[layout.COUNT.slice]
    if not counted.isdigit():
        raise damaged(ends.name, ends.records, f"the trailer counts {_shown(counted)} records.")
    _check_count(ends, int(counted))


def _check_count(ends: _Ends, counted: int) -> None:
    """Raise where the trailer counts other records than there are."""
    assert ends.header is not None  # noqa: S101 - there is a trailer, so there was a header
    quotes = ends.records - layout.ENDS
    counts = layout.counts_of(ends.header.year, quotes)
    if counted in counts:
        return
    what = "quotes" if quotes in counts else "records"
    kind = TruncatedFileError if counted > counts[0] else DamagedFileError
    raise kind(
        f"{ends.name} promises {counted:,} {what} and holds {counts[0]:,}, as its trailer shows "
        f"(record {ends.records:,}). Nothing of the file is used.",
        hint=AGAIN,
    )


def _as_number(day: dt.date) -> int:
    return int(f"{day:%Y%m%d}")


def _shown(text: bytes) -> str:
    return repr(text.decode("latin-1").rstrip())


def no_header(name: str, record: bytes) -> DamagedFileError:
    """Return the error for a file that begins with something else than a header."""
    return damaged(
        name,
        1,
        f"it begins with {_shown(record[:40])}, which is no header of a COTAHIST file.",
        "give the file as the exchange publishes it.",
    )
