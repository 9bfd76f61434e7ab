"""The bars of the cash market in a COTAHIST file: parsed by columns, once all is checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from b3pipeline.sources.cotahist import layout
from b3pipeline.sources.cotahist.checks import checked_quotes, no_header
from b3pipeline.sources.cotahist.columns import dates, equal, numbers, texts
from b3pipeline.sources.cotahist.files import Block, damaged, open_text, read_begin, read_blocks
from b3pipeline.sources.cotahist.layout import Header

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


def read_bars(path: Path) -> pd.DataFrame:
    """Return the bars of the cash market that a COTAHIST file holds, with `BAR_COLUMNS`.

    Prices in BRL a share as traded; volume in shares; in the order of the file. Every record of
    the file is checked, those of other markets too. Raises DamagedFileError or
    TruncatedFileError, with the number of the record and what was found, where one is not as it
    must be; SourceError where the file cannot be read.
    """
    parts = [_parse(block, path.name) for block in _checked(path, path.name)]
    bars = pd.concat([_empty_bars(), *parts], ignore_index=True).astype(BAR_COLUMNS)
    twice = bars.duplicated(["ticker", "day"]).to_numpy()
    if twice.any():
        again = bars.iloc[int(twice.argmax())]
        raise damaged(
            path.name,
            int(again["record"]),
            f"{again['ticker']} on {again['day']:%Y-%m-%d} a second time: two files are mixed.",
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
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in BAR_COLUMNS.items()})
