"""Statements carried out: by DuckDB, or on the Data Catalog."""

from localaws.athena.running.runner import Runner

__all__ = ["Runner"]
