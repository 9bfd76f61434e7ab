"""A COTAHIST file as blocks of whole records: ZIP or text, either end of line."""

from __future__ import annotations

import logging
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
from b3pipeline.files import open_regular
from b3pipeline.language import later, say
from b3pipeline.sources.cotahist.layout import BEGIN, END, RECORD

log = logging.getLogger(__name__)

Bytes = npt.NDArray[np.uint8]

RECORDS_A_BLOCK = 1 << 14
"""Records in memory at a time: 4 MB of text."""

AGAIN = later("download it again; the exchange has the whole file about 22:00 São Paulo time.")
_SHOWN = 40
_AFTER = 1 << 16
"""Bytes read after a wrong record, to see how long it is, and at a time after the trailer."""
_BEFORE = b"\xef\xbb\xbf\r\n"
_BEHIND = _BEFORE + b"\x1a\x00 \t"
"""What editors and old systems put before the header and after the trailer: it carries nothing."""
_BEHIND_AT_MOST = 1 << 20
_BYTES = {0x0D: "CR", 0x0A: "LF", 0x1A: "0x1A", 0x00: "NUL", 0x20: "space", 0x09: "tab"}
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"0\x000\x00", b"\x000\x000")
"""How a text begins that has two bytes a letter."""
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


def damaged(name: str, record: int, found: str, hint: str = "") -> DamagedFileError:
    """Return the error that says what was found in a record of a file, counted from 1."""
    return DamagedFileError(
        say(
            "{name}, record {record:,}: {found} Nothing of the file is used.",
            name=name,
            record=record,
            found=found,
        ),
        hint=hint,
    )


@contextmanager
def open_text(path: Path, name: str = "") -> Iterator[tuple[IO[bytes], str]]:
    """Yield the text of a COTAHIST file as a stream of bytes, and the name of its text.

    A ZIP is known by its first bytes, whatever it is called, and has one member, or one that
    begins as it must, whatever that is called. Errors name the file as it is called, or `name`.
    Raises SourceError where the file cannot be read, DamagedFileError where it is no whole ZIP
    of one file.
    """
    name = name or path.name
    try:
        with open_regular(path) as file:
            packed = file.read(2) == b"PK"
            file.seek(0)
            if packed:
                with _unzip(name, file) as text:
                    yield text, text.name
            else:
                yield file, name
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _bad_zip(name, error) from error
    except OSError as error:
        raise SourceError(
            say("{path} cannot be read ({reason}).", path=path, reason=error.strerror or error),
            hint=say("see that the file is there and may be read."),
        ) from error


def _unzip(name: str, file: IO[bytes]) -> IO[bytes]:
    try:
        return _open_member(name, zipfile.ZipFile(file))
    except _BROKEN_ZIP as error:
        raise _bad_zip(name, error) from error


def _bad_zip(name: str, error: Exception) -> DamagedFileError:
    return DamagedFileError(
        say(
            "{name} is a damaged ZIP ({reason}). Nothing of the file is used.",
            name=name,
            reason=error or say("it ends too early"),
        ),
        hint=say(AGAIN),
    )


def _open_member(name: str, archive: zipfile.ZipFile) -> IO[bytes]:
    """Return the one member of a ZIP, or of several the one that begins as a COTAHIST file."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    try:
        if len(members) > 1:
            members = [each for each in members if _begins_well(archive, each)] or members
        if len(members) == 1:
            return archive.open(members[0])
    except (NotImplementedError, RuntimeError) as error:
        raise DamagedFileError(
            say(
                "{name} is packed in a way that cannot be read here ({error}).",
                name=name,
                error=error,
            ),
            hint=say("unpack it with another program and give the text inside."),
        ) from error
    found = ", ".join(member.filename for member in members[:3]) or "none"
    raise DamagedFileError(
        say(
            "{name} should hold one file and holds {count} ({found}).",
            name=name,
            count=len(members),
            found=found,
        ),
        hint=say("give the ZIP as the exchange publishes it, or the text inside."),
    )


def _begins_well(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    with archive.open(member) as text:
        return read_begin(text)[1].startswith(BEGIN)


def is_history(path: Path) -> bool:
    """Return whether a file begins as a COTAHIST file, packed or not; its name says nothing."""
    try:
        with open_text(path) as (text, _):
            return read_begin(text)[1].startswith(BEGIN)
    except SourceError:
        return False


def read_begin(text: IO[bytes]) -> tuple[bytes, bytes]:
    """Return what carries nothing before the first record, and the record with its line's end."""
    begin = text.read(RECORD + 2)
    before = begin[: len(begin) - len(begin.lstrip(_BEFORE))]
    return before, begin[len(before) :] + text.read(len(before))


def read_blocks(text: IO[bytes], name: str, records: int = RECORDS_A_BLOCK) -> Iterator[Block]:
    """Yield the records of a file in blocks of `records`, each checked for its length.

    The first record decides how lines end. The last one may lack its end of line. Marks and empty
    lines before the header, and what carries nothing after the trailer, are passed over, and
    said. Raises DamagedFileError or TruncatedFileError, with the number of the record, where one
    is not 245 bytes long or ends otherwise than the first.
    """
    before, begin = read_begin(text)
    end = _line_end(begin, name)
    if before:
        log.warning("%s: passed over before the header: %s", name, _named(before))
    width = RECORD + len(end)
    first = 1
    data = begin + text.read(records * width - len(begin))
    while data:
        data, behind = _without_end(data, width, text)
        whole = len(data) - len(data) % width
        rest = data[whole:]
        rows = np.frombuffer(data, np.uint8, whole).reshape(-1, width)
        if data.count(b"\n", 0, whole) != len(rows) or not _all_end_with(rows, end):
            raise _wrong_length(data + text.read(_AFTER), end, first, name)
        if len(rows):
            yield Block(first, rows[:, :RECORD])
        first += len(rows)
        if len(rest) == RECORD and b"\n" not in rest:
            yield Block(first, np.frombuffer(rest, np.uint8).reshape(1, RECORD))
        elif rest:
            raise _wrong_length(rest, end, first, name)
        if behind not in (b"", end):
            log.warning("%s: passed over after the trailer: %s", name, _named(behind))
        data = text.read(records * width)


def _without_end(data: bytes, width: int, text: IO[bytes]) -> tuple[bytes, bytes]:
    """Return a block up to its trailer, and what follows it to the end of the file.

    Where that carries something, or there is no trailer, the block comes back, and it may be
    longer than before.
    """
    at = data.rfind(END)
    if at < 0 or at % width:
        return data, b""
    trailer = at + RECORD
    behind = data[trailer:]
    while not behind.strip(_BEHIND) and len(behind) < _BEHIND_AT_MOST:
        more = text.read(_AFTER)
        if not more:
            return data[:trailer], behind
        behind += more
    return data[:trailer] + behind, b""


def _named(filler: bytes) -> str:
    """Return how many bytes carry nothing, and which they are."""
    kinds = dict.fromkeys(_BYTES.get(byte, "byte-order mark") for byte in filler)
    return f"{len(filler):,} {'byte' if len(filler) == 1 else 'bytes'} ({', '.join(kinds)})"


def _line_end(begin: bytes, name: str) -> bytes:
    """Return how the first record ends; raises where what begins there is no record."""
    for end in _LINE_ENDS:
        if begin[RECORD:].startswith(end) and b"\n" not in begin[:RECORD]:
            return end
    shown = begin[:_SHOWN].decode("latin-1")
    if begin.startswith(_WIDE):
        raise DamagedFileError(
            say(
                "{name} is a text of two bytes a letter (UTF-16): an editor has saved it anew.",
                name=name,
            ),
            hint=say("give the file as the exchange publishes it, of one byte a letter."),
        )
    raise DamagedFileError(
        say(
            "{name} is no COTAHIST file: it begins with {shown!r}, and its first record is "
            "not {record} bytes long.",
            name=name,
            shown=shown,
            record=RECORD,
        ),
        hint=say("give a file named like COTAHIST_D28062024.ZIP or COTAHIST_A2024.ZIP."),
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
            return damaged(
                name,
                number,
                say("it has {length} bytes instead of {record}.", length=length, record=RECORD),
            )
        if found != end:
            return damaged(
                name,
                number,
                say(
                    "it ends with {found}, those before it with {before}: two files are mixed.",
                    found=_LINE_ENDS[found],
                    before=_LINE_ENDS[end],
                ),
            )
    number = first + len(lines)
    if len(rest) > RECORD:
        return damaged(name, number, say("it has more than {record} bytes.", record=RECORD))
    return TruncatedFileError(
        say(
            "{name} breaks off in record {number:,}, after {rest} of its {record} bytes. "
            "Nothing of the file is used.",
            name=name,
            number=number,
            rest=len(rest),
            record=RECORD,
        ),
        hint=say(AGAIN),
    )
