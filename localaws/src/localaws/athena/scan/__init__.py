"""Tables as DuckDB relations: the objects of their registered partitions, read in place."""
