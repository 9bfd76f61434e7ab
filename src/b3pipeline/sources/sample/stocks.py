"""The 20 stocks of the simulated market: what was measured, and what happens to their shares."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from math import sqrt

from b3pipeline.tickers import TICKERS, Sector

MARKET_VOL = 0.195
"""Yearly deviation of the market's log returns."""

SECTOR_CORRELATION = {
    "oil": 0.51,
    "metals": 0.51,
    "pulp": 0.64,
    "banks": 0.20,
    "utilities": 0.23,
    "other": 0.0,
}
"""Correlation of what the market leaves unexplained, between two stocks of a sector."""


@dataclass(frozen=True)
class Stock:
    """One stock of the simulated market.

    `price`: level in BRL; `vol`: yearly deviation of log returns; `volume`: median shares a day;
    `dividend_yield`: a year, paid in equal parts in `months`.
    """

    ticker: str
    price: float
    vol: float
    beta: float
    volume: float
    dividend_yield: float
    months: tuple[int, ...]

    @property
    def sector(self) -> Sector:
        """Its line of business: what stocks of one have in common beside the market."""
        return TICKERS[self.ticker].sector

    @property
    def own_vol(self) -> float:
        """Yearly deviation of what the market does not explain."""
        return sqrt(self.vol**2 - (self.beta * MARKET_VOL) ** 2)


_MONTHLY = tuple(range(1, 13))
_QUARTERLY = (2, 5, 8, 11)

STOCKS = {
    stock.ticker: stock
    for stock in (
        Stock("ABEV3", 16.0, 0.23, 0.58, 25.0e6, 0.050, (12,)),
        Stock("B3SA3", 16.0, 0.37, 1.39, 38.0e6, 0.035, (3, 6, 9, 12)),
        Stock("BBAS3", 21.0, 0.27, 0.84, 22.0e6, 0.080, (3, 6, 9, 12)),
        Stock("BBDC4", 19.0, 0.30, 0.97, 34.0e6, 0.060, _MONTHLY),
        Stock("CMIG4", 11.0, 0.30, 0.85, 12.0e6, 0.080, (6, 12)),
        Stock("CSNA3", 9.0, 0.47, 1.20, 12.0e6, 0.060, (5, 11)),
        Stock("EQTL3", 33.0, 0.24, 0.84, 8.0e6, 0.025, (12,)),
        Stock("GGBR4", 18.0, 0.33, 0.80, 11.0e6, 0.050, _QUARTERLY),
        Stock("HAPV3", 33.0, 0.55, 1.45, 6.5e6, 0.0, ()),
        Stock("ITUB4", 43.0, 0.25, 0.86, 29.0e6, 0.060, _MONTHLY),
        Stock("KLBN11", 19.0, 0.25, 0.40, 5.5e6, 0.060, _QUARTERLY),
        Stock("MGLU3", 4.8, 0.70, 2.36, 18.0e6, 0.0, ()),
        Stock("PETR4", 41.0, 0.32, 0.69, 47.0e6, 0.120, _QUARTERLY),
        Stock("PRIO3", 42.0, 0.40, 0.90, 9.0e6, 0.0, ()),
        Stock("RADL3", 21.0, 0.29, 0.85, 7.0e6, 0.012, (3, 6, 9, 12)),
        Stock("RENT3", 38.0, 0.38, 1.39, 7.1e6, 0.030, (3, 6, 9, 12)),
        Stock("SBSP3", 95.0, 0.30, 0.95, 4.0e6, 0.020, (4,)),
        Stock("SUZB3", 43.0, 0.28, 0.34, 5.4e6, 0.020, (12,)),
        Stock("VALE3", 76.0, 0.30, 0.62, 23.0e6, 0.080, (3, 8)),
        Stock("WEGE3", 47.0, 0.30, 0.67, 6.7e6, 0.020, (3, 6, 9, 12)),
    )
}

SPLITS: dict[str, dict[dt.date, float]] = {
    "WEGE3": {dt.date(2021, 4, 28): 2.0},  # two shares for one
    "BBDC4": {dt.date(2022, 4, 19): 1.1},  # a bonus share for every ten
    "HAPV3": {dt.date(2025, 6, 2): 1 / 15},  # one share for fifteen
}
"""New shares for one old, by the first session that trades the new ones."""

ACTIONS_UNTIL = dt.date(2025, 12, 31)
"""Last day of dividends and splits. `adj_close` looks ahead to them, so an open end would let
every new dividend rewrite all that came before."""
