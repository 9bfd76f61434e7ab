"""Makes a file in the exchange's own format out of given quotes, labelled as simulated."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from b3pipeline.errors import SourceError
from b3pipeline.language import say
from b3pipeline.sources.base import QUOTE_COLUMNS, check_frame
from b3pipeline.sources.cotahist import layout

_LINE_END = b"\r\n"
_NEVER = "99991231"
_ISIN_KINDS = {3: "ACNOR", 4: "ACNPR", 5: "ACNPA", 6: "ACNPB", 11: "UNT01"}
"""What follows the issuer in an ISIN, by the number at the end of a ticker."""
SHARES_A_TRADE = 300
_LARGEST = {"price": 10**13, "volume": 10**18}


def write_cotahist(quotes: pd.DataFrame, path: str | Path) -> Path:
    """Return the path at which `quotes` now stand as a COTAHIST file: ZIP, or text for `.txt`.

    `quotes` is a frame of daily quotes (`sources.base.QUOTE_COLUMNS`) of one year. Where `path`
    is a folder, or has no suffix and becomes one, it gets a yearly file for each year. As on
    the exchange, prices are as traded: the splits that the frame itself holds are undone, prices
    in whole centavos; and the trailer counts as in files of that year, from 2025 on the quotes
    alone. The header calls the file simulated, and so does its reader: it is no file of the
    exchange. Raises SourceError for quotes that such a file cannot hold.
    """
    traded = as_traded(check_frame(quotes)).sort_values(["traded_at", "ticker"])
    where = Path(path)
    if where.suffix and not where.is_dir():
        return _write(traded, where)
    for year, rows in traded.groupby(traded["traded_at"].dt.year):
        _write(rows, where / layout.yearly_name(int(str(year))))
    return where


def _write(traded: pd.DataFrame, path: Path) -> Path:
    _refuse_other_years(traded["traded_at"])
    last = traded["traded_at"].max().date()
    count = layout.counts_of(last.year, len(traded))[0]
    records = [
        _ends(layout.HEADER, last, ""),
        *(_record(row) for row in traded[list(QUOTE_COLUMNS)].itertuples(index=False)),
        _ends(layout.TRAILER, last, f"{count:011d}"),
    ]
    return _save(b"".join(record + _LINE_END for record in records), path)


def as_traded(quotes: pd.DataFrame) -> pd.DataFrame:
    """Return quotes as they were traded before the splits that the frame holds.

    A price is multiplied by the shares that one share became on later days of the frame, and
    rounded to the centavo; the volume is divided by them.
    """
    factor = quotes.groupby("ticker")["stock_splits"].transform(_later_splits)
    prices = {name: (quotes[name] * factor).round(2) for name in ("open", "high", "low", "close")}
    volume = (quotes["volume"] / factor).round().astype("int64")
    return quotes.assign(**prices, volume=volume)


def _later_splits(splits: pd.Series[float]) -> pd.Series[float]:
    shares = splits.where(splits > 0, 1.0)
    return shares[::-1].cumprod()[::-1] / shares


def _refuse_other_years(days: pd.Series[Any]) -> None:
    years = sorted(set(days.dt.year))
    if len(years) != 1 or (days != days.dt.normalize()).any():
        found = (
            say("the years {years}", years=", ".join(map(str, years)))
            if len(years) != 1
            else say("intraday bars")
        )
        raise SourceError(
            say("a COTAHIST file holds the sessions of one year; here are {found}.", found=found),
            hint=say("give daily quotes, and a folder instead of a file for several years."),
        )


def _ends(kind: bytes, last: dt.date, count: str) -> bytes:
    """Return the header or the trailer."""
    text = f"COTAHIST.{last.year}{layout.SIMULATED_ORIGIN}{last:%Y%m%d}{count}"
    return (kind + text.encode()).ljust(layout.RECORD)


def _record(row: Any) -> bytes:
    prices = [_fits("price", row, row_price * layout.PRICES_PER) for row_price in row[2:6]]
    opens, highs, lows, closes = prices
    mean = sum(prices) // len(prices)
    shares = _fits("volume", row, row.volume)
    trades = min(max(shares // SHARES_A_TRADE, 1), 99_999)
    number = int("".join(letter for letter in row.ticker[4:] if letter.isdigit()))
    isin = f"BR{row.ticker[:4]}{_ISIN_KINDS.get(number, 'ACNOR')}0"
    return (
        f"01{row.traded_at:%Y%m%d}02{row.ticker:<12}010{'SIMULATED':<12}{'ON':<10}{'':3}{'R$':<4}"
        f"{opens:013d}{highs:013d}{lows:013d}{mean:013d}{closes:013d}{closes:013d}{closes:013d}"
        f"{trades:05d}{shares:018d}{mean * shares:018d}{0:013d}0{_NEVER}{1:07d}{0:013d}{isin}100"
    ).encode()


def _fits(what: str, row: Any, value: float) -> int:
    """Return a value as the file holds it; raises SourceError where it cannot."""
    if not np.isfinite(value) or not 0 < (whole := int(np.rint(value))) < _LARGEST[what]:
        raise SourceError(
            say(
                "a COTAHIST file cannot hold the {what} of {ticker} on {traded_at:%Y-%m-%d}: "
                "{value}.",
                what=what,
                ticker=row.ticker,
                traded_at=row.traded_at,
                value=value,
            ),
            hint=say("write sessions with trades only: prices and volume above 0."),
        )
    return whole


def _save(text: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".txt":
        path.write_bytes(text)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path.with_suffix(".TXT").name, text)
    return path
