"""Athena on this machine: Trino's SQL over the Data Catalog's registered partitions."""
