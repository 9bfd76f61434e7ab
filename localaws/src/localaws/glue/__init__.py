"""Glue: the Data Catalog, kept durably, and jobs whose runs run."""
