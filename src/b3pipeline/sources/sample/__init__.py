"""A simulated market: its stocks, its model, its bars, and the faults it has on request."""

from b3pipeline.sources.sample.source import SampleSource

__all__ = ["SampleSource"]
