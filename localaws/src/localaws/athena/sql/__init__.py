"""Trino's SQL on DuckDB: a strict reading by sqlglot, a typed translation, refusals elsewhere."""
