"""The exchange's own history files (COTAHIST) as a quote source.

`layout` knows the bytes of a record, `files` a file's name and its bytes, `records` checks and
parses them by columns, `downloading` brings a file, `writing` makes one out of given quotes.
"""

from b3pipeline.sources.cotahist.source import CotahistSource
from b3pipeline.sources.cotahist.writing import write_cotahist

__all__ = ["CotahistSource", "write_cotahist"]
