"""A COTAHIST file as blocks of whole records: ZIP or text, either end of line."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from b3pipeline.errors import DamagedFileError, SourceError, TruncatedFileError
from b3pipeline.sources.cotahist.layout import RECORD

Bytes = npt.NDArray[np.uint8]

RECORDS_A_BLOCK = 1 << 14
"""Records in memory at a time: 4 MB of text."""

AGAIN = "download it again; the exchange has the whole file about 22:00 São Paulo time."
_SHOWN = 40
_AFTER = 1 << 16
"""Bytes read after a wrong record, to see how long it is."""
_BROKEN_ZIP = (zipfile.BadZipFile, EOFError, OSError, ValueError, struct.error)
"""What `zipfile` raises when the list of members is wrong."""
_LINE_ENDS = {b"\r\n": "CRLF", b"\n": "LF"}


@dataclass(frozen=True)
class Block:
    """Records one after the other: `rows` has a row a record and a column a byte.

    `first` is the number of the first of them in the file, counted from 1.
    """

    first: int
    rows: Bytes


def damaged(name: str, record: int, found: str, hint: str = AGAIN) -> DamagedFileError:
    """Return the error that says what was found in a record of a file, counted from 1."""
    return DamagedFileError(
        f"{name}, record {record:,}: {found} Nothing of the file is used.", hint=hint
    )


@contextmanager
def open_text(path: Path) -> Iterator[tuple[IO[bytes], str]]:
    """Yield the text of a COTAHIST file as a stream of bytes, and the name of its text.

    A ZIP is known by its first bytes, whatever it is called, and has one member, whatever that
    is called. Raises SourceError where the file cannot be read, DamagedFileError where it is no
    whole ZIP of one file.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"PK"
            file.seek(0)
            if packed:
                with _unzip(path.name, file) as text:
                    yield text, text.name
            else:
                yield file, path.name
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _bad_zip(path.name, error) from error
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read ({error.strerror or error}).",
            hint="see that the file is there and may be read.",
        ) from error


def _unzip(name: str, file: IO[bytes]) -> IO[bytes]:
    try:
        return _open_member(name, zipfile.ZipFile(file))
    except _BROKEN_ZIP as error:
        raise _bad_zip(name, error) from error


def _bad_zip(name: str, error: Exception) -> DamagedFileError:
    return DamagedFileError(
        f"{name} is a damaged ZIP ({error or 'it ends too early'}). Nothing of the file is used.",
        hint=AGAIN,
    )


def _open_member(name: str, archive: zipfile.ZipFile) -> IO[bytes]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        found = ", ".join(member.filename for member in members[:3]) or "none"
        raise DamagedFileError(
            f"{name} should hold one file and holds {len(members)} ({found}).",
            hint="give the ZIP as the exchange publishes it, or the text inside.",
        )
    try:
        return archive.open(members[0])
    except (NotImplementedError, RuntimeError) as error:
        raise DamagedFileError(
            f"{name} is packed in a way that cannot be read here ({error}).",
            hint="unpack it with another program and give the text inside.",
        ) from error


def read_blocks(text: IO[bytes], name: str, records: int = RECORDS_A_BLOCK) -> Iterator[Block]:
    """Yield the records of a file in blocks of `records`, each checked for its length.

    The first record decides how lines end. The last one may lack its end of line. Raises
    DamagedFileError or TruncatedFileError, with the number of the record, where one is not 245
    bytes long or ends otherwise than the first.
    """
    begin = text.read(RECORD + 2)
    end = _line_end(begin, name)
    width = RECORD + len(end)
    first = 1
    data = begin + text.read(records * width - len(begin))
    while data:
        whole = len(data) - len(data) % width
        rest = data[whole:]
        rows = np.frombuffer(data, np.uint8, whole).reshape(-1, width)
        if data.count(b"\n", 0, whole) != len(rows) or not _all_end_with(rows, end):
            raise _wrong_length(data + text.read(_AFTER), end, first, name)
        yield Block(first, rows[:, :RECORD])
        first += len(rows)
        if len(rest) == RECORD and b"\n" not in rest:
            yield Block(first, np.frombuffer(rest, np.uint8).reshape(1, RECORD))
        elif rest:
            raise _wrong_length(rest, end, first, name)
        data = text.read(records * width)


def _line_end(begin: bytes, name: str) -> bytes:
    """Return how the first record ends; raises where what begins there is no record."""
    for end in _LINE_ENDS:
        if begin[RECORD:].startswith(end) and b"\n" not in begin[:RECORD]:
            return end
    shown = begin[:_SHOWN].decode("latin-1")
    raise DamagedFileError(
        f"{name} is no COTAHIST file: it begins with {shown!r}, and its first record is not "
        f"{RECORD} bytes long.",
        hint="give a file named like COTAHIST_D28062024.ZIP or COTAHIST_A2024.ZIP.",
    )


def _all_end_with(rows: Bytes, end: bytes) -> bool:
    return bool((rows[:, RECORD:] == np.frombuffer(end, np.uint8)).all())


def _wrong_length(data: bytes, end: bytes, first: int, name: str) -> SourceError:
    """Return the error for the first line of `data` that is no record; one of them is not."""
    *lines, rest = data.split(b"\n")
    for number, line in enumerate(lines, first):
        found = b"\r\n" if line.endswith(b"\r") else b"\n"
        length = len(line) + 1 - len(found)
        if length != RECORD:
            return damaged(name, number, f"it has {length} bytes instead of {RECORD}.")
        if found != end:
            return damaged(
                name,
                number,
                f"it ends with {_LINE_ENDS[found]}, those before it with {_LINE_ENDS[end]}: "
                "two files are mixed.",
            )
    number = first + len(lines)
    if len(rest) > RECORD:
        return damaged(name, number, f"it has more than {RECORD} bytes.")
    return TruncatedFileError(
        f"{name} breaks off in record {number:,}, after {len(rest)} of its {RECORD} bytes. "
        "Nothing of the file is used.",
        hint=AGAIN,
    )
