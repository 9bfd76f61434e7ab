"""The bars within a simulated day: they add up to its daily bar, to the tick and the share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from b3pipeline.sources.sample.market import LOT, Floats, History, Ints, uniforms
from b3pipeline.sources.seeds import SEED

OPENS_AT_MINUTE = 10 * 60
"""Minute of the day of the first bar: 10:00 São Paulo time; the last one ends at 17:00."""
BASE_MINUTES = 5
BASE_BARS = 7 * 60 // BASE_MINUTES
MINUTES = {"60m": 60, "30m": 30, "15m": 15, "5m": 5}
INTERVALS = ("1d", *MINUTES)

_TINY = 1e-12


@dataclass(frozen=True)
class Bars:
    """The bars of several sessions, prices in ticks as traded: arrays of sessions x bars.

    `starts` is in naive São Paulo time; a daily bar starts at midnight, as Yahoo has it.
    """

    starts: npt.NDArray[np.datetime64]
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints


class _Day(NamedTuple):
    """Base bars, sessions x BASE_BARS, in ticks and shares."""

    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints


def bars_of(ticker: str, day: History, places: range, interval: str, seed: int = SEED) -> Bars:
    """Return the bars of the sessions numbered `places`, each of the length `interval`.

    `seed` is the one that made `day`.
    """
    rows = slice(places.start, places.stop)
    midnights = np.array(day.days[rows], dtype="datetime64[us]")[:, None]
    daily = (day.open, day.high, day.low, day.close, day.volume)
    if interval == "1d":
        return Bars(midnights, *(values[rows, None] for values in daily))
    minutes = MINUTES[interval]
    offsets = OPENS_AT_MINUTE + np.arange(0, BASE_BARS * BASE_MINUTES, minutes)
    times = midnights + offsets.astype("timedelta64[m]")
    return _longer(_base_bars(ticker, day, places, seed), times, minutes // BASE_MINUTES)


def _longer(base: _Day, times: npt.NDArray[np.datetime64], count: int) -> Bars:
    """Return bars of `count` base bars each: so every interval tells the same day."""
    opens, highs, lows, closes, volumes = (part.reshape(*times.shape, count) for part in base)
    return Bars(
        times,
        opens[:, :, 0],
        highs.max(axis=2),
        lows.min(axis=2),
        closes[:, :, -1],
        volumes.sum(axis=2),
    )


def _base_bars(ticker: str, day: History, places: range, seed: int) -> _Day:
    rows = slice(places.start, places.stop)
    stream = f"{ticker} within the day"
    numbers = uniforms(stream, len(places), 4 * BASE_BARS, places.start, seed)
    steps, angles, wicks, sizes = np.split(numbers, 4, axis=1)
    ends = np.log(day.open[rows]), np.log(day.close[rows])
    low, high = day.low[rows, None], day.high[rows, None]
    spread = day.spread[rows, None] * BASE_BARS**-0.5
    moves = spread * np.sqrt(-2 * np.log(steps)) * np.cos(2 * np.pi * angles)
    path = _stretch(_bridge(*ends, moves), np.log(low), np.log(high))
    ticks = np.clip(np.rint(np.exp(path)).astype(np.int64), low, high)
    ticks[:, 0], ticks[:, -1] = day.open[rows], day.close[rows]
    opens, closes = ticks[:, :-1], ticks[:, 1:]
    reach = np.rint(wicks * spread * ticks[:, 1:]).astype(np.int64)
    highs = np.minimum(np.maximum(opens, closes) + reach, high)
    lows = np.maximum(np.minimum(opens, closes) - reach, low)
    every = np.arange(len(places))
    highs[every, highs.argmax(axis=1)] = high[:, 0]
    lows[every, lows.argmin(axis=1)] = low[:, 0]
    return _Day(opens, highs, lows, closes, _shares(day.volume[rows], sizes))


def _bridge(start: Floats, end: Floats, moves: Floats) -> Floats:
    """Return paths with the given moves, bent so that each ends where it must."""
    walk = np.cumsum(moves, axis=1)
    walk = np.concatenate((np.zeros((len(walk), 1)), walk), axis=1)
    along = np.linspace(0.0, 1.0, BASE_BARS + 1)
    return start[:, None] + walk + along * (end - start - walk[:, -1])[:, None]


def _stretch(path: Floats, low: Floats, high: Floats) -> Floats:
    """Return paths stretched above and below their ends until they touch `high` and `low`."""
    top = np.maximum(path[:, :1], path[:, -1:])
    bottom = np.minimum(path[:, :1], path[:, -1:])
    above = (high - top) / np.maximum(path.max(axis=1, keepdims=True) - top, _TINY)
    below = (bottom - low) / np.maximum(bottom - path.min(axis=1, keepdims=True), _TINY)
    stretched = np.where(path > top, top + (path - top) * above, path)
    return np.where(path < bottom, bottom - (bottom - path) * below, stretched)


def _shares(volume: Ints, sizes: Floats) -> Ints:
    """Return the day's shares dealt out to its bars: more at both ends of the session."""
    place = np.linspace(-1.0, 1.0, BASE_BARS)
    weights = (1 + 1.5 * place**2) * (0.5 + sizes)
    part = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    dealt = np.rint(volume[:, None] * part / LOT).astype(np.int64) * LOT
    dealt = np.minimum(dealt, volume[:, None])
    dealt[:, -1] = volume
    shares: Ints = np.diff(dealt, axis=1, prepend=0)
    return shares
