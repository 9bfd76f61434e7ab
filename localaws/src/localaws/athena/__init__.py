"""Athena on this machine: Trino's SQL over the Data Catalog's registered partitions."""

from localaws.athena.service import AthenaService

__all__ = ["AthenaService"]
