"""From yfinance's frame of one ticker to a frame of quotes, without the noise of 32-bit floats."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
import pandas as pd

from b3pipeline.calendar import SAO_PAULO
from b3pipeline.exchange import EXCHANGE
from b3pipeline.sources.base import QUOTE_COLUMNS, TIME_TYPE

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

PRICES = ("Open", "High", "Low", "Close")
TICK_DECIMALS = EXCHANGE.tick_decimals
DIGITS = 7
"""Significant digits that a 32-bit float holds: what lies beyond them is noise."""


def to_quotes(ticker: str, history: pd.DataFrame) -> pd.DataFrame:
    """Return yfinance's frame of one ticker as a frame of quotes, see `QUOTE_COLUMNS`.

    Every row with a price stays as it came: a holiday's, the open session's, one that lacks some
    prices (NaN). A row without any price is no bar and goes.
    """
    priced = history[list(PRICES)].notna().any(axis=1)
    bars = history[priced]
    if len(bars) < len(history):
        _report_lost(ticker, history[~priced])
    index = pd.DatetimeIndex(bars.index)
    local = index if index.tz is None else index.tz_convert(SAO_PAULO).tz_localize(None)
    columns = {
        "ticker": pd.Series([ticker] * len(bars), dtype="object"),
        "traded_at": local.astype(TIME_TYPE),
        **{name.lower(): to_tick(_floats(bars[name])) for name in PRICES},
        "adj_close": to_tick(_floats(bars["Adj Close"])),
        "volume": bars["Volume"].fillna(0).to_numpy().astype("int64"),
        "dividends": to_digits(_floats(bars["Dividends"])),
        "stock_splits": _floats(bars["Stock Splits"]),
    }
    return pd.DataFrame(columns)[list(QUOTE_COLUMNS)]


def to_tick(prices: Floats) -> Floats:
    """Return prices on the tick where that is what Yahoo sent, with `DIGITS` digits elsewhere.

    Yahoo sends 32-bit floats: 36.9 comes as 36.900001525878906. A price within two such steps of
    a multiple of R$ 0.01 is that multiple. Any other was never a price on the tick: a split has
    divided it since, or a dividend lowered the adjusted close. To round it to the tick would
    destroy it (0.0146 becomes 0.01, 0.0034 becomes 0), so all its digits stay.
    """
    ticks = np.round(prices, TICK_DECIMALS)
    noise = 2 * np.spacing(np.abs(prices).astype(np.float32)).astype(np.float64)
    rounded: Floats = np.where(np.abs(prices - ticks) <= noise, ticks, to_digits(prices))
    return rounded


def to_digits(values: Floats) -> Floats:
    """Return values rounded to `DIGITS` significant digits."""
    sized = np.where(np.isfinite(values) & (values != 0), np.abs(values), 1.0)
    scale = 10.0 ** np.maximum(DIGITS - 1 - np.floor(np.log10(sized)), 0)
    rounded: Floats = np.round(values * scale) / scale
    return rounded


def _floats(column: pd.Series[float]) -> Floats:
    return np.asarray(column, dtype=np.float64)


def _report_lost(ticker: str, rows: pd.DataFrame) -> None:
    """Log the dividends and splits of days without a price, which have no bar to stand on."""
    for name in ("Dividends", "Stock Splits"):
        for day, value in rows.loc[rows[name] != 0, name].dropna().items():
            log.warning(
                "yahoo, %s: %s %s on %s has no price and is left out", ticker, name, value, day
            )
