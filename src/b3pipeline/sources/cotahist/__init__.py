"""The exchange's own history files (COTAHIST) as a quote source.

`layout` knows the bytes of a record and a file's name, `files` yields its records in blocks,
`records` checks every one by columns and makes bars of them, `downloads` brings files from the
exchange, `writer` makes one out of given quotes.
"""

from b3pipeline.sources.cotahist.source import CotahistSource
from b3pipeline.sources.cotahist.writer import write_cotahist

__all__ = ["CotahistSource", "write_cotahist"]
