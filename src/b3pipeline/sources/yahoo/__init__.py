"""Yahoo Finance through yfinance: its client, its frames, and when to ask again."""

from b3pipeline.sources.yahoo.source import YahooSource

__all__ = ["YahooSource"]
