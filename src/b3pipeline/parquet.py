"""Parquet objects that nobody vouches for: opened where they stay small in memory.

What a footer says of sizes is believed only where the file bears it out: the pages of a
compressed column are added up by their own headers, for these are what a reader makes room for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from b3pipeline.language import note

MOST_BYTES = 2**26
"""How large one object may become in memory; a session's bars of a minute take a third of it."""
MOST_PAGES = 10_000
MOST_FOOTER = 2**18
MOST_COLUMNS = 1000
"""Ours have 11 in a footer of 1 kB. What is made of one in memory may be a hundred times as large,
and columns within columns without end would end the process."""

TRUTHS, NUMBERS, I32, I64 = (1, 2), (4, 5, 6), 5, 6
BINARY, LIST, STRUCT = 8, 9, 12
PLAIN = {1: 1, 2: 1, 3: 1, 7: 8}
"""The kinds of Thrift's compact protocol that a Parquet file has; truths, bytes and doubles by
their length."""
LONGEST = 70  # bits of a number


def opened(data: bytes) -> pq.ParquetFile:
    """Return the file in an object; raise ValueError naming what is wrong with it.

    To read it takes no more than `MOST_BYTES`, whatever its footer and its pages say.
    """
    if not data:
        raise ValueError(note("the object has zero bytes"))
    try:
        rows, stored = sizes(data) if data.endswith(b"PAR1") else (0, 0)
        # Read-ahead is for large files: on a small one it doubles the time, as threads do.
        file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise not_whole(error) from error
    except (LookupError, TypeError, RecursionError) as error:  # not what Thrift writes
        raise not_whole(note("what it says of itself is cut off")) from error
    if max(rows, 1) * stored > MOST_BYTES:
        raise ValueError(
            note(
                "it is too large for a session: {rows:,} rows, {stored:,} bytes unpacked",
                rows=rows,
                stored=stored,
            )
        )
    return file


def read(file: pq.ParquetFile, columns: list[str] | None = None) -> pa.Table:
    """Return the rows of a file, each value looked at; raise ValueError where one is damaged."""
    try:
        table = file.read(columns, use_threads=False)
        table.validate(full=True)  # texts that are no UTF-8 come as they are
    except (pa.ArrowException, OSError) as error:
        raise not_whole(error) from error
    if len(table) != file.metadata.num_rows:
        said = note(
            "{rows:,} rows are promised, and {found:,} are there",
            rows=file.metadata.num_rows,
            found=len(table),
        )
        raise not_whole(said)
    return table


def not_whole(why: object) -> ValueError:
    """Return the error of an object that is damaged."""
    return ValueError(note("it is not a whole Parquet file ({error})", error=why))


@dataclass(frozen=True)
class Chunk:
    """The pages of one column, as a footer places them in the file."""

    first: int
    length: int
    packed: bool


@dataclass(frozen=True)
class Footer:
    """What a footer says of sizes: rows, bytes unpacked, and where the columns lie."""

    rows: int
    stored: int
    chunks: tuple[Chunk, ...]


def sizes(data: bytes) -> tuple[int, int]:
    """Return how many rows a file may have, and how many bytes are stored in them, unpacked.

    The one times the other is what it takes at most: a dictionary holds a value once for all its
    rows, and each may be as long as all that is stored.
    """
    length = int.from_bytes(data[-8:-4], "little")
    if length > MOST_FOOTER:
        raise ValueError(note("its footer is too large"))
    footer = footer_of(data[-8 - length : -8])
    return footer.rows, max(footer.stored, sum(unpacked(chunk, data) for chunk in footer.chunks))


@lru_cache(maxsize=1000)
def footer_of(body: bytes) -> Footer:
    """Return what a footer says of sizes; those of rows of one length are alike to the byte.

    pyarrow tells it, too, but an error on the way there would end the process.
    """
    footer = Reader(body).struct()
    if len(footer[2, LIST]) > MOST_COLUMNS:
        raise ValueError(note("it has too many columns"))
    rows, stored = Counter({-1: footer[3, I64]}), 0
    chunks = []
    for group in footer[4, LIST]:
        stored += group[2, I64]
        for place, column in enumerate(group[1, LIST]):
            about = column[3, STRUCT]
            rows[place] += about[5, I64]
            offsets = [about[number, I64] for number in (9, 11) if about.get((number, I64), 0) > 0]
            chunks.append(Chunk(min(offsets), about[7, I64], about[4, I32] != 0))
    sizes = [*rows.values(), stored, *(chunk.length for chunk in chunks)]
    if min(sizes) < 0:
        raise ValueError(note("it has a size below zero"))
    return Footer(max(rows.values()), stored, tuple(chunks))


def unpacked(chunk: Chunk, data: bytes) -> int:
    """Return the bytes of a column's pages once they are no longer compressed."""
    if not chunk.packed:
        return chunk.length
    reader, end = Reader(data, chunk.first), chunk.first + chunk.length
    total = 0
    for _ in range(MOST_PAGES):
        if reader.place >= end:
            return total
        header = reader.struct()
        size, packed = header[2, I32], header[3, I32]
        if min(size, packed) < 0:
            raise ValueError(note("a page has no size"))
        total += size
        reader.place += packed
    raise ValueError(note("it has too many pages"))


Struct = dict[tuple[int, int], Any]
"""The fields of a struct by number and kind: one of another kind than it should have is unknown."""


class Reader:
    """Reads structs of Thrift's compact protocol; raises IndexError where one is cut off."""

    def __init__(self, data: bytes, place: int = 0) -> None:
        self.data, self.place = data, place

    def struct(self) -> Struct:
        """Return the numbers, lists and structs in a struct; what else it has is passed over."""
        fields: Struct = {}
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else self._number()
            if kind not in TRUTHS:
                fields[number, kind] = self._value(kind)
        return fields

    def _value(self, kind: int) -> Any:
        if kind in NUMBERS:
            return self._number()
        if kind == STRUCT:
            return self.struct()
        if kind == LIST:
            head = self._byte()
            count = head >> 4 if head < 240 else self._varint()
            return [self._value(head & 15) for _ in range(count)]
        if kind == BINARY:
            length = self._varint()
        elif kind in PLAIN:
            length = PLAIN[kind]
        else:
            raise ValueError(note("it has a value of no known kind"))
        self.place += length
        return None

    def _byte(self) -> int:
        self.place += 1
        return self.data[self.place - 1]

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) > 127 and shift < LONGEST:
            value |= (byte & 127) << shift
            shift += 7
        return value | byte << shift
