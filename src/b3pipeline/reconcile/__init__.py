"""Bronze against the exchange's file or another source: ratios, breaks, missing sessions."""

from b3pipeline.reconcile.comparison import compare, reconcile

__all__ = ["compare", "reconcile"]
