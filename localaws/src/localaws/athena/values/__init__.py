"""Values computed as Trino computes them, where DuckDB has no function for it."""
