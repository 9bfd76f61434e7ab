"""A simulated market of 20 stocks of B3: a seed's numbers are the same everywhere, for ever.

The model is one factor, sectors and a rest, with the fat tails of one shared mood a day:

    r = mood x (beta x market + sector + own)

`mood` makes r a Student-t of six degrees. Its figures were measured on 27 tickers over five
years. Prices swing about the level of the table (half-life 16 months), so that no history, however
long, drifts off to centavos. Every number comes from a counter-based generator keyed by the seed,
the stream's name and the session's place in the calendar, so a quote depends neither on the range
nor on the tickers that are asked for. Only raw bits are drawn from NumPy, for those it keeps
stable from version to version, which it does not promise of its distributions.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from b3pipeline.calendar import sessions
from b3pipeline.sources.sample.stocks import (
    ACTIONS_UNTIL,
    MARKET_VOL,
    SECTOR_CORRELATION,
    SPLITS,
    STOCKS,
    Stock,
)
from b3pipeline.sources.seeds import SEED

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FIRST_SESSION = dt.date(2015, 1, 2)
SESSIONS_A_YEAR = 252
OVERNIGHT = 0.16**2 / (0.16**2 + 0.28**2)
"""Part of a day's variance that falls before the open: 16% against 28% of yearly volatility."""
PULL = 1 / 500
"""Part of its distance from the table's price that a log price loses each session."""
LOG_VOLUME_SD, LOG_VOLUME_AR, VOLUME_MOVE_CORRELATION = 0.46, 0.44, 0.42
ABS_T_MEAN = 0.75
"""Mean of |t| for the Student-t of six degrees scaled to unit variance."""
ABS_T_SD = sqrt(1 - ABS_T_MEAN**2)
LOT = 100
TICKS_A_REAL = 100


@dataclass(frozen=True)
class History:
    """The daily bars of one stock from `FIRST_SESSION` on, one element a session.

    Prices are in ticks of R$0.01 **as traded**; divided by `split_factor` (new shares that one
    share has since become) they are adjusted as Yahoo's are. `volume` and `dividends` are
    adjusted already. `adj_factor` turns an adjusted close into `adj_close`. `spread` is the log
    deviation of the day's moves between open and close.
    """

    days: tuple[dt.date, ...]
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    dividends: Floats
    splits: Floats
    split_factor: Floats
    adj_factor: Floats
    spread: Floats


@lru_cache(maxsize=64)
def history(ticker: str, until: dt.date, seed: int = SEED) -> History:
    """Return the daily bars of `ticker` up to `until`, at least to `ACTIONS_UNTIL`."""
    stock = STOCKS[ticker]
    days = tuple(sessions(FIRST_SESSION, max(until, ACTIONS_UNTIL)))
    path = _path(stock, len(days), seed)
    splits, factor = _splits(ticker, days)
    close = _ticks(path.close, factor)
    dividends = _dividends(stock, days, adjusted(close, factor))
    return History(
        days=days,
        open=_ticks(path.open, factor),
        high=_ticks(path.high, factor),
        low=_ticks(path.low, factor),
        close=close,
        volume=_shares(path.volume, factor),
        dividends=dividends,
        splits=splits,
        split_factor=factor,
        adj_factor=_dividend_factor(adjusted(close, factor), dividends),
        spread=path.spread,
    )


def adjusted(ticks: Ints, split_factor: Floats) -> Floats:
    """Return prices in BRL, adjusted for splits and rounded to the tick, from ticks as traded."""
    prices: Floats = np.round(ticks / TICKS_A_REAL / split_factor, 2)
    return prices


def uniforms(stream: str, rows: int, columns: int, first_row: int = 0, seed: int = SEED) -> Floats:
    """Return numbers strictly between 0 and 1, `rows` x `columns`, of a stream.

    A row's numbers depend on the seed, the stream's name and the row alone.
    """
    digest = hashlib.sha256(f"{seed}:{stream}".encode()).digest()
    blocks = -(-columns // 4)  # Philox makes four words for each step of its counter
    bits = np.random.Philox(key=int.from_bytes(digest[:16], "little"), counter=first_row * blocks)
    words = bits.random_raw(rows * blocks * 4).reshape(rows, blocks * 4)[:, :columns]
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _normals(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Return two independent standard normals from two uniforms (Box and Muller, 1958)."""
    radius = np.sqrt(-2 * np.log(first))
    return radius * np.cos(2 * np.pi * second), radius * np.sin(2 * np.pi * second)


class _Path(NamedTuple):
    """A stock before rounding and splits: log prices, the day's log deviation, shares."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    spread: Floats
    volume: Floats


def _path(stock: Stock, count: int, seed: int) -> _Path:
    numbers = uniforms(stock.ticker, count, 6, seed=seed)
    own, night = _normals(numbers[:, 0], numbers[:, 1])
    market, mood = _market(count, seed)
    deviation = mood * stock.vol * SESSIONS_A_YEAR**-0.5
    move = _moves(stock, market, _sector(stock.sector, count, seed), own)
    closes = np.log(stock.price) + _decaying_sum(deviation * move, 1 - PULL)
    before = np.concatenate(([np.log(stock.price)], closes[:-1]))
    by_night = OVERNIGHT * move + sqrt(OVERNIGHT * (1 - OVERNIGHT)) * night
    opens = before + deviation * by_night
    spread = deviation * sqrt(1 - OVERNIGHT)
    highs, lows = _extremes(opens, closes, spread, numbers[:, 2], numbers[:, 3])
    volume = _volume(stock, mood * np.abs(move), numbers[:, 4], numbers[:, 5])
    return _Path(opens, highs, lows, closes, spread, volume)


@lru_cache(maxsize=4)
def _market(count: int, seed: int = SEED) -> tuple[Floats, Floats]:
    """Return the market's normals and the day's mood: sqrt(4 / chi-square of six degrees)."""
    numbers = uniforms("market", count, 5, seed=seed)
    market, _ = _normals(numbers[:, 0], numbers[:, 1])
    chi_square = -2 * np.log(numbers[:, 2:]).sum(axis=1)
    mood: Floats = np.sqrt(4 / chi_square)
    return market, mood


@lru_cache(maxsize=16)
def _sector(name: str, count: int, seed: int) -> Floats:
    numbers = uniforms(f"sector {name}", count, 2, seed=seed)
    return _normals(numbers[:, 0], numbers[:, 1])[0]


def _moves(stock: Stock, market: Floats, sector: Floats, own: Floats) -> Floats:
    """Return the day's move as a standard normal, made of market, sector and own parts."""
    shared = SECTOR_CORRELATION[stock.sector]
    rest = sqrt(shared) * sector + sqrt(1 - shared) * own
    return (stock.beta * MARKET_VOL * market + stock.own_vol * rest) / stock.vol


def _decaying_sum(steps: Floats, keep: float) -> Floats:
    """Return the running sum x[t] = keep * x[t-1] + steps[t], from x = 0."""
    level, out = 0.0, np.empty_like(steps)
    for place, step in enumerate(steps.tolist()):
        level = keep * level + step
        out[place] = level
    return out


def _extremes(
    opens: Floats, closes: Floats, spread: Floats, up: Floats, down: Floats
) -> tuple[Floats, Floats]:
    """Return the highest and lowest log price of a Brownian path from open to close."""
    move = closes - opens
    high = (move + np.sqrt(move**2 - 2 * spread**2 * np.log(up))) / 2
    low = (move - np.sqrt(move**2 - 2 * spread**2 * np.log(down))) / 2
    return opens + high, opens + low


def _ticks(log_prices: Floats, factor: Floats) -> Ints:
    """Return prices as traded, in ticks, from the logs of adjusted ones."""
    return np.maximum(np.rint(np.exp(log_prices) * factor * TICKS_A_REAL), 1).astype(np.int64)


def _volume(stock: Stock, size: Floats, first: Floats, second: Floats) -> Floats:
    """Return shares a day: log-normal, remembering yesterday, more where the move is large.

    `size` is |t|, in deviations.
    """
    reach = LOG_VOLUME_SD * VOLUME_MOVE_CORRELATION
    rest = sqrt(LOG_VOLUME_SD**2 * (1 - LOG_VOLUME_AR**2) - reach**2)
    steps = reach * (size - ABS_T_MEAN) / ABS_T_SD + rest * _normals(first, second)[0]
    shares: Floats = stock.volume * np.exp(_decaying_sum(steps, LOG_VOLUME_AR))
    return shares


def _shares(volume: Floats, factor: Floats) -> Ints:
    """Return adjusted shares that were whole lots when they were traded."""
    lots = np.maximum(np.rint(volume / factor / LOT), 1) * LOT
    return np.rint(lots * factor).astype(np.int64)


def _splits(ticker: str, days: tuple[dt.date, ...]) -> tuple[Floats, Floats]:
    """Return the split of each session (0 without) and the shares that one share became since."""
    ratios = SPLITS.get(ticker, {})
    splits = np.array([ratios.get(day, 0.0) for day in days])
    return splits, _later_product(np.where(splits > 0, splits, 1.0))


def _dividends(stock: Stock, days: tuple[dt.date, ...], closes: Floats) -> Floats:
    """Return BRL a share at each ex-date: the first session of each month of payment."""
    amounts = np.zeros(len(days))
    for place in range(1, len(days)):
        day, before = days[place], days[place - 1]
        if day.month in stock.months and day.month != before.month and day <= ACTIONS_UNTIL:
            part = stock.dividend_yield / len(stock.months)
            amounts[place] = round(part * closes[place - 1], 4)
    return amounts


def _dividend_factor(closes: Floats, dividends: Floats) -> Floats:
    """Return the product of (1 - dividend / close before it) over all later ex-dates.

    Yahoo's definition of the adjusted close, which follows CRSP.
    """
    kept = np.ones_like(closes)
    kept[1:] -= dividends[1:] / closes[:-1]
    return _later_product(kept)


def _later_product(values: Floats) -> Floats:
    """Return for each element the product of all after it; 1 for the last."""
    return np.append(np.cumprod(values[:0:-1])[::-1], 1.0)
