"""The functions of Athena that the local one has, each with Trino's types and meaning."""

from localaws.athena.sql.functions import (
    aggregates,
    arrays,
    conditionals,
    dates,
    formats,
    lambdas,
    numbers,
    regexes,
    texts,
    unsupported,
)

__all__ = [
    "aggregates",
    "arrays",
    "conditionals",
    "dates",
    "formats",
    "lambdas",
    "numbers",
    "regexes",
    "texts",
    "unsupported",
]
