"""Where the ratio of two price series is constant, to the rounding of their prices.

A close that was adjusted for splits is the close as traded divided by a factor f and rounded to
the tick, so it may be half a tick off; a close as traded is exact. With errors e and e' of the
closes c and c' of a session, every f with

    (c' - e') / (c + e)  <=  f  <=  (c' + e') / (c - e)

explains both. A stretch is a run of sessions that one f explains: the intervals of all of them
meet. Runs are taken as long as they last, from the first session on, which gives the fewest
stretches there can be.

Intervals that touch in a single point are a case of their own. Two for one makes 5.005 of 10.01,
which one day is rounded up and another down: f = 2 is the only one, and the right one. But 0.9995
would also turn 10.00 into 10.005, and so excuse 10.01. A single point counts where it is a
fraction as splits have them, and not otherwise. For the same reason a factor that is almost 1 is
not preferred to 1: closes that are equal to the cent are a stretch of factor 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor, inf

import numpy as np
import numpy.typing as npt

from b3pipeline.exchange import EXCHANGE
from b3pipeline.language import shown

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

TICK = EXCHANGE.tick
"""BRL: the smallest step of a price on B3."""
HALF_TICK = TICK / 2

_SLACK = 1e-9
"""BRL: what 64-bit floats lose."""

_PLAIN, _SPLIT = 20, 50
"""Largest denominators: of a fraction that is shown as one, and of those that splits have."""

_ALMOST = 0.01
"""Splits and bonus shares change the number of shares by more than this part."""


@dataclass(frozen=True)
class Stretch:
    """Sessions `first` to `last`, by their places and both included, that one factor explains.

    Every factor from `low` to `high` does; `factor` is the plainest among them.
    """

    first: int
    last: int
    low: float
    high: float

    @property
    def factor(self) -> float:
        return simplest(self.low, self.high)

    @property
    def sessions(self) -> int:
        return self.last - self.first + 1


def find_stretches(
    closes: Floats, others: Floats, error: float = HALF_TICK, other_error: float = 0.0
) -> list[Stretch]:
    """Return the stretches of `others / closes`, in order; positive prices in BRL, one a session.

    `error` and `other_error` are by how much a price may be off: 0 for prices as traded.
    """
    low = (others - other_error - _SLACK) / (closes + error + _SLACK)
    below = closes - error - _SLACK
    high = np.full_like(below, inf)
    np.divide(others + other_error + _SLACK, below, out=high, where=below > 0)
    narrow = 4 * _SLACK / np.minimum(closes, others).clip(min=_SLACK)
    equal = np.abs(others - closes) < max(HALF_TICK if error or other_error else 0.0, _SLACK)
    stretches = []
    start = 0
    while start < len(closes):
        lows = np.maximum.accumulate(low[start:])
        highs = np.minimum.accumulate(high[start:])
        points = highs - lows <= lows * np.maximum.accumulate(narrow[start:])
        length = _length(lows, highs, points)
        if abs(simplest(lows[length - 1], highs[length - 1]) - 1) < _ALMOST:
            length = _length_of_one(equal[start : start + length])
        last = start + length - 1
        stretches.append(Stretch(start, last, float(lows[length - 1]), float(highs[length - 1])))
        start = last + 1
    return stretches


def _length(lows: Floats, highs: Floats, points: Flags) -> int:
    """Return how many intervals meet, of those that begin a run."""
    end = _run(lows <= highs)
    first = _run(~points[:end])
    if 0 < first < end and _simplest_of(lows[first], highs[first]).denominator > _SPLIT:
        return first
    return end


def _length_of_one(equal: Flags) -> int:
    """Return how long a run lasts whose factor is almost 1: to where equal closes begin or end."""
    return _run(equal == equal[0])


def _run(flags: Flags) -> int:
    """Return how many of the first flags are set."""
    return len(flags) if flags.all() else int(np.argmin(flags))


def explains(split: float, before: Stretch, after: Stretch) -> bool:
    """Return whether `split` new shares for an old one turn the factor of `before` into `after`."""
    return before.low <= split * after.high and split * after.low <= before.high


def written(factor: float) -> str:
    """Return a factor as one reads it: 1, 1.133, 1/15."""
    shares = round(1 / factor) if factor > 0 else 0
    if shares > 1 and abs(factor * shares - 1) < _SLACK:
        return f"1/{shares}"
    return shown(factor, ".6g")


def simplest(low: float, high: float) -> float:
    """Return the plainest number from `low` to `high`, both positive: 1, 2, 11/10, 1/15, 1.133.

    A fraction of a small denominator, as splits have them; otherwise the shortest decimal.
    """
    if low <= 1 <= high:
        return 1.0
    fraction = _simplest_of(low, high)
    if fraction.denominator <= _PLAIN or high == inf:
        return float(fraction)
    middle = (low + high) / 2
    decimals = (round(middle, digits) for digits in range(1, 12))
    return next((number for number in decimals if low <= number <= high), middle)


def _simplest_of(low: float, high: float) -> Fraction:
    """Return the fraction of the smallest denominator from `low` to `high`.

    By continued fractions: the whole part, or the reciprocal of the simplest one between the
    reciprocals of what is left (Stern 1858, Brocot 1861).
    """
    return _simplest(Fraction(low), Fraction(high) if high < inf else None)


def _simplest(low: Fraction, high: Fraction | None) -> Fraction:
    whole = Fraction(floor(low))
    if low == whole:
        return whole
    if high is None or whole + 1 <= high:
        return whole + 1
    rest = high - whole
    return whole + 1 / _simplest(1 / rest, 1 / (low - whole))
