"""The plots: each takes a frame and returns Axes, its title states what the data show.

Labels carry units; the colours are told apart by colour-blind readers; `simulated=True` says
so on the plot.
"""

from b3pipeline.plots.activity import completeness, gaps, volume, volume_against_moves
from b3pipeline.plots.agreement import reconciliation
from b3pipeline.plots.prices import (
    candlestick,
    closes_with_ma5,
    cumulative_returns,
    monthly_returns,
)
from b3pipeline.plots.risk import correlation, drawdown, rolling_volatility
from b3pipeline.plots.runs import bytes_scanned, event_costs, run_timeline

__all__ = [
    "bytes_scanned",
    "candlestick",
    "closes_with_ma5",
    "completeness",
    "correlation",
    "cumulative_returns",
    "drawdown",
    "event_costs",
    "gaps",
    "monthly_returns",
    "reconciliation",
    "rolling_volatility",
    "run_timeline",
    "volume",
    "volume_against_moves",
]
