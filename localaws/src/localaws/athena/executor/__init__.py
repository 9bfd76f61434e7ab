"""Statements carried out: by DuckDB, or on the Data Catalog."""
