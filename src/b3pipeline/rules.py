"""What the values of a quote must keep, as data: one place for the ingestion and the refine.

Each rule takes the columns of many quotes by name, as NumPy arrays or as a pandas DataFrame, and
says which of them keep it. Nothing here needs more than NumPy, for it travels to Spark's tasks.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from b3pipeline.language import note

PRICES = ("open", "high", "low", "close", "adj_close")
SMALLEST_PRICE, LARGEST_PRICE, LARGEST_VOLUME = 1e-12, 1e12, 10**13
"""What no share reaches: a ratio of two prices and a sum of volumes stay numbers."""


@dataclass(frozen=True)
class Rule:
    """One demand on quotes: its name, what breaks it, and which rows keep it."""

    name: str
    broken: str
    holds: Callable[[Any], Any]


def _prices_positive(quotes: Any) -> Any:
    kept = ((quotes[name] > 0) & np.isfinite(quotes[name]) for name in PRICES)
    return reduce(operator.and_, kept)


def _in_reach(quotes: Any) -> Any:
    kept = ((quotes[name] >= SMALLEST_PRICE) & (quotes[name] <= LARGEST_PRICE) for name in PRICES)
    return reduce(operator.and_, kept, quotes["volume"] <= LARGEST_VOLUME)


VALUE_RULES = (
    Rule("prices_positive", note("a price is not above zero"), _prices_positive),
    Rule(
        "low_is_lowest",
        note("the low lies above the open or the close"),
        lambda quotes: quotes["low"] <= np.minimum(quotes["open"], quotes["close"]),
    ),
    Rule(
        "high_is_highest",
        note("the high lies below the open or the close"),
        lambda quotes: quotes["high"] >= np.maximum(quotes["open"], quotes["close"]),
    ),
    Rule(
        "volume_not_negative", note("the volume is negative"), lambda quotes: quotes["volume"] >= 0
    ),
    Rule("in_reach", note("a price or the volume is beyond what any share has"), _in_reach),
)
"""What a quote's numbers can tell. A move is never too large: AMER3 lost 77% in a day."""
