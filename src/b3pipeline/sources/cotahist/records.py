"""The records of a COTAHIST file: every one checked, those of the cash market made bars.

By columns, a row a record: header, trailer and all quotes are checked before a bar counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from b3pipeline.errors import DamagedFileError, TruncatedFileError
from b3pipeline.language import later, say
from b3pipeline.sources.cotahist import layout
from b3pipeline.sources.cotahist.files import (
    AGAIN,
    Block,
    Bytes,
    damaged,
    open_text,
    read_begin,
    read_blocks,
)
from b3pipeline.sources.cotahist.layout import Field, Header, Scope

BAR_COLUMNS = {
    "record": "int64",
    "ticker": "object",
    "kind": "object",
    "day": "datetime64[us]",
    "open": "float64",
    "high": "float64",
    "low": "float64",
    "close": "float64",
    "volume": "int64",
}
"""Columns and dtypes of the bars of a file; `kind` is that of `layout.KINDS`, or another."""

_NINE = 9
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
ZERO = ord("0")
_LAST_DIGIT = 18


def read_bars(path: Path) -> pd.DataFrame:
    """Return the bars of the cash market that a COTAHIST file holds, with `BAR_COLUMNS`.

    Prices in BRL a share as traded; volume in shares; in the order of the file. Every record of
    the file is checked, those of other markets too. Raises DamagedFileError or
    TruncatedFileError, with the number of the record and what was found, where one is not as it
    must be; SourceError where the file cannot be read.
    """
    parts = [_parse(block, path.name) for block in _checked(path, path.name)]
    bars = pd.concat(parts, ignore_index=True) if parts else _empty_bars()
    bars = bars.astype(BAR_COLUMNS)
    twice = bars.duplicated(["ticker", "day"]).to_numpy()
    if twice.any():
        again = bars.iloc[int(twice.argmax())]
        raise damaged(
            path.name,
            int(again["record"]),
            say(
                "{ticker} on {day:%Y-%m-%d} a second time: two files are mixed.",
                ticker=again["ticker"],
                day=again["day"],
            ),
        )
    return bars


def check_file(path: Path, name: str = "") -> None:
    """Read a whole COTAHIST file, which may be called `name` later; raises as `read_bars` does."""
    for _ in _checked(path, name or path.name):
        pass


def read_header(path: Path) -> Header:
    """Return what the first record says, the others unread; raises DamagedFileError."""
    with open_text(path) as (text, _):
        record = read_begin(text)[1][: layout.RECORD]
    header = layout.parse_header(record)
    if header is None:
        raise no_header(path.name, record)
    return header


def _checked(path: Path, name: str) -> Iterator[Block]:
    """Yield the quotes of a file in blocks, header and trailer taken off, all of them checked."""
    with open_text(path, name) as (text, member):
        promised = layout.scope_of_name(name) or layout.scope_of_name(member)
        yield from checked_quotes(read_blocks(text, name), name, promised)


def _parse(block: Block, name: str) -> pd.DataFrame:
    """Return the bars of the cash market among the quotes of a block."""
    cash = np.flatnonzero(equal(block.rows, layout.MARKET, layout.CASH_MARKET))
    rows = block.rows[cash]
    per = numbers(rows, layout.PER) * layout.PRICES_PER
    days = numbers(rows, layout.DATE)
    fields = {
        "open": layout.OPEN,
        "high": layout.HIGH,
        "low": layout.LOW,
        "close": layout.CLOSE,
    }
    return pd.DataFrame(
        {
            "record": block.first + cash,
            "ticker": texts(rows, layout.TICKER),
            "kind": texts(rows, layout.KIND),
            "day": dates(days),
            **{column: numbers(rows, field) / per for column, field in fields.items()},
            "volume": numbers(rows, layout.VOLUME),
        }
    )


def _empty_bars() -> pd.DataFrame:
    return pd.DataFrame({name: np.empty(0, kind) for name, kind in BAR_COLUMNS.items()})


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
            raise damaged(
                name, block.first, say("it comes after the trailer: two files are mixed.")
            )
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
            layout.HEADER: say("a second header: two files are mixed."),
            layout.TRAILER: say("a trailer, and records after it: two files are mixed."),
        }
        yield _Problem(
            row, what.get(found, say("its type is {bytes} instead of '01'.", bytes=_shown(found)))
        )


def _no_digits(rows: Bytes) -> Iterator[_Problem]:
    for field in layout.NUMERIC:
        part = rows[:, field.slice] - np.uint8(ZERO)  # whatever lies below '0' wraps round
        row = first_of(part.max(axis=1, initial=0) > _NINE)
        if row is not None:
            at = int((part[row] > _NINE).argmax())
            found = rows[row, field.first + at].tobytes()
            position = field.first + at + 1
            yield _Problem(
                row,
                say(
                    "{bytes} at position {position}, where a digit must be.",
                    bytes=_shown(found),
                    position=position,
                ),
            )


def _wrong_days(rows: Bytes, scope: Scope, promised: Scope | None) -> Iterator[_Problem]:
    days = numbers(rows, layout.DATE)
    for allowed, told in (
        (promised, later("the date {day:08d}; by its name the file holds {days}.")),
        (scope, later("the date {day:08d}; by its header the file holds {days}.")),
    ):
        if allowed is not None:
            early, late = days < _as_number(allowed.first), days > _as_number(allowed.last)
            row = first_of(early | late)
            if row is not None:
                yield _Problem(row, say(told, day=days[row], days=allowed))
    changes = days[np.flatnonzero(np.diff(days, prepend=0))]
    for day in np.unique(changes):
        if layout.parse_day(f"{day:08d}") is None:
            row = int((days == day).argmax())
            yield _Problem(row, say("{day:08d} is no date of the calendar.", day=day))


def _no_lots(rows: Bytes) -> Iterator[_Problem]:
    cash = equal(rows, layout.MARKET, layout.CASH_MARKET)
    row = first_of(cash & equal(rows, layout.PER, b"0" * layout.PER.width))
    if row is not None:
        yield _Problem(
            row,
            say(
                "its prices are of 0 shares (positions {positions}).",
                positions=layout.PER.positions,
            ),
        )


def _check_trailer(ends: _Ends) -> None:
    if not ends.trailer:
        raise TruncatedFileError(
            say(
                "{name} breaks off after record {records:,}: it has no trailer. Nothing of the "
                "file is used.",
                name=ends.name,
                records=ends.records,
            ),
            hint=say(AGAIN),
        )
    about = slice(layout.NAME.first, layout.MADE_BY.last)
    if ends.trailer[about] != ends.begin[about]:
        raise damaged(
            ends.name,
            ends.records,
            say(
                "the trailer is of {trailer}, the header of {header}: two files are mixed.",
                trailer=_shown(ends.trailer[about]),
                header=_shown(ends.begin[about]),
            ),
        )
    counted = ends.trailer[layout.COUNT.slice]
    if not counted.isdigit():
        raise damaged(
            ends.name,
            ends.records,
            say("the trailer counts {bytes} records.", bytes=_shown(counted)),
        )
    _check_count(ends, int(counted))


_PROMISED_QUOTES = later(
    "{name} promises {promised:,} quotes and holds {held:,}, as its trailer shows "
    "(record {record:,}). Nothing of the file is used."
)
_PROMISED_RECORDS = later(
    "{name} promises {promised:,} records and holds {held:,}, as its trailer shows "
    "(record {record:,}). Nothing of the file is used."
)


def _check_count(ends: _Ends, counted: int) -> None:
    """Raise where the trailer counts other records than there are."""
    assert ends.header is not None  # noqa: S101 - there is a trailer, so there was a header
    quotes = ends.records - layout.ENDS
    counts = layout.counts_of(ends.header.year, quotes)
    if counted in counts:
        return
    kind = TruncatedFileError if counted > counts[0] else DamagedFileError
    raise kind(
        say(
            _PROMISED_QUOTES if quotes in counts else _PROMISED_RECORDS,
            name=ends.name,
            promised=counted,
            held=counts[0],
            record=ends.records,
        ),
        hint=say(AGAIN),
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
        say(
            "it begins with {bytes}, which is no header of a COTAHIST file.",
            bytes=_shown(record[:40]),
        ),
        say("give the file as the exchange publishes it."),
    )


def numbers(rows: Bytes, field: Field) -> Ints:
    """Return a field of digits as numbers, a row a number: 18 digits fit into 64 bits."""
    assert field.width <= _LAST_DIGIT  # noqa: S101 - a longer field would overflow unseen
    digits = rows[:, field.slice].astype(np.int64) - ZERO
    weights = 10 ** np.arange(field.width - 1, -1, -1, dtype=np.int64)
    found: Ints = digits @ weights
    return found


def texts(rows: Bytes, field: Field) -> npt.NDArray[np.object_]:
    """Return a field of text without the spaces at its end, a row a string."""
    fixed = np.ascontiguousarray(rows[:, field.slice]).view(f"S{field.width}").ravel()
    known, places = np.unique(fixed, return_inverse=True)
    names = np.array([text.decode("latin-1").rstrip() for text in known.tolist()], dtype=object)
    return names[places] if len(names) else np.empty(0, dtype=object)


def dates(days: Ints) -> npt.NDArray[np.datetime64]:
    """Return numbers like 20240628 as dates."""
    months = (days // 10000 - 1970) * 12 + days // 100 % 100 - 1
    firsts = months.astype("datetime64[M]").astype("datetime64[D]")
    return (firsts + (days % 100 - 1)).astype("datetime64[us]")


def equal(rows: Bytes, field: Field, text: bytes) -> Flags:
    """Return where a field is `text`, a row a flag."""
    found: Flags = (rows[:, field.slice] == np.frombuffer(text, np.uint8)).all(axis=1)
    return found


def first_of(wrong: Flags) -> int | None:
    """Return the place of the first flag that is set, or None where none is."""
    return int(np.argmax(wrong)) if np.any(wrong) else None


def text_of(row: Bytes, field: Field) -> bytes:
    """Return a field of one record."""
    return row[field.slice].tobytes()
