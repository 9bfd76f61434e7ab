"""The exchange's own history files (COTAHIST) as a quote source.

`layout` knows the bytes of a record and a file's name, `files` yields its records in blocks,
`checking` judges every record by `columns`, `records` makes bars of them, `transfer` and
`downloading` bring files from the exchange, `writing` makes one out of given quotes.
"""

from b3pipeline.sources.cotahist.source import CotahistSource
from b3pipeline.sources.cotahist.writer import write_cotahist

__all__ = ["CotahistSource", "write_cotahist"]
