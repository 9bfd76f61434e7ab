"""A batch pipeline for Brazilian stock quotes: ingestion, refine, catalog and analysis."""

__version__ = "0.1.0"
