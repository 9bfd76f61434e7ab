"""Parquet files that lie: what Thrift says in them, taken apart, changed and put together again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

STRUCT, LIST, BINARY, I32, I64 = 12, 9, 8, 5, 6


@dataclass
class Value:
    """A value of Thrift's compact protocol: of a struct a dict, of a list its kind and items."""

    kind: int
    value: Any


class Reader:
    """Reads a struct."""

    def __init__(self, data: bytes, place: int = 0) -> None:
        self.data, self.place = data, place

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.place]
            self.place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def integer(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def take(self, count: int) -> bytes:
        self.place += count
        return self.data[self.place - count : self.place]

    def struct(self) -> dict[int, Value]:
        fields, number = {}, 0
        while head := self.take(1)[0]:
            number = number + (head >> 4) if head >> 4 else self.integer()
            kind = head & 15
            fields[number] = Value(kind, None if kind in (1, 2) else self.of(kind))
        return fields

    def of(self, kind: int) -> Any:
        if kind == STRUCT:
            return self.struct()
        if kind == LIST:
            head = self.take(1)[0]
            count = self.varint() if head >> 4 == 15 else head >> 4
            return head & 15, [self.of(head & 15) for _ in range(count)]
        if kind == BINARY:
            return self.take(self.varint())
        if kind == 7:
            return self.take(8)
        return self.take(1)[0] if kind in (1, 2, 3) else self.integer()


def varint(value: int) -> bytes:
    """Return a number of no sign."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def written(fields: dict[int, Value]) -> bytes:
    """Return a struct as bytes."""
    out, last = bytearray(), 0
    for number, one in sorted(fields.items()):
        step = number - last
        out += (
            bytes([step << 4 | one.kind]) if 0 < step < 16 else bytes([one.kind]) + zigzag(number)
        )
        out += b"" if one.kind in (1, 2) else of(one.kind, one.value)
        last = number
    return bytes(out) + b"\0"


def zigzag(value: int) -> bytes:
    """Return a number with its sign."""
    return varint((value << 1 ^ value >> 63) & 2**64 - 1)


def of(kind: int, value: Any) -> bytes:
    """Return a value as bytes."""
    if kind == STRUCT:
        return written(value)
    if kind == LIST:
        inner, items = value
        head = bytes([len(items) << 4 | inner]) if len(items) < 15 else bytes([240 | inner])
        head += varint(len(items)) if len(items) >= 15 else b""
        return head + b"".join(of(inner, item) for item in items)
    if kind == BINARY:
        return varint(len(value)) + value
    if kind == 7:
        return bytes(value)
    return bytes([value]) if kind in (1, 2, 3) else zigzag(value)


def with_footer(data: bytes, change: Callable[[dict[int, Value]], None]) -> bytes:
    """Return a file whose footer was changed: FileMetaData, by the numbers of parquet.thrift."""
    length = int.from_bytes(data[-8:-4], "little")
    footer = Reader(data[-8 - length : -8]).struct()
    change(footer)
    body = written(footer)
    return data[: -8 - length] + body + len(body).to_bytes(4, "little") + b"PAR1"


def groups_of(footer: dict[int, Value]) -> list[dict[int, Value]]:
    """Return the row groups of a footer."""
    return footer[4].value[1]


def columns_of(footer: dict[int, Value]) -> list[dict[int, Value]]:
    """Return the metadata of all its column chunks."""
    return [chunk[3].value for group in groups_of(footer) for chunk in group[1].value[1]]


def with_page(
    data: bytes, column: int, change: Callable[[dict[int, Value]], None], field: int = 9
) -> bytes:
    """Return a file in which the header of a column's page was changed; no byte moves but after it.

    `field` says which page: 9 the data page, 11 the dictionary's.
    """
    length = int.from_bytes(data[-8:-4], "little")
    footer = Reader(data[-8 - length : -8]).struct()
    place = columns_of(footer)[column][field].value
    reader = Reader(data, place)
    header = reader.struct()
    change(header)
    new = written(header)
    more = len(new) - (reader.place - place)
    changed = data[:place] + new + data[reader.place :]

    def moved(footer: dict[int, Value]) -> None:
        for chunk in columns_of(footer):
            first = min(chunk[each].value for each in (9, 11) if each in chunk)
            if first <= place < first + chunk[7].value:
                chunk[7].value += more
            for each in (9, 11):
                if each in chunk and chunk[each].value > place:
                    chunk[each].value += more

    return with_footer(changed, moved)
