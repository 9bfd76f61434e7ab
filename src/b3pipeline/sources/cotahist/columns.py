"""Columns of a block of records: bytes to numbers, dates and strings, a row a record."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from b3pipeline.sources.cotahist.files import Bytes
from b3pipeline.sources.cotahist.layout import Field

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ZERO = ord("0")
_LAST_DIGIT = 18


def numbers(rows: Bytes, field: Field) -> Ints:
    """Return a field of digits as numbers, a row a number: 18 digits fit into 64 bits."""
    assert field.width <= _LAST_DIGIT  # noqa: S101 - a longer field would overflow unseen
    digits = rows[:, field.slice].astype(np.int64) - ZERO
    weights = 10 ** np.arange(field.width - 1, -1, -1, dtype=np.int64)
    found: Ints = digits @ weights
    return found


def texts(rows: Bytes, field: Field) -> npt.NDArray[np.object_]:
    """Return a field of text without the spaces at its end, a row a string."""
    fixed = np.ascontiguousarray(rows[:, field.slice]).view(f"S{field.width}").ravel()
    known, places = np.unique(fixed, return_inverse=True)
    names = np.array([text.decode("latin-1").rstrip() for text in known.tolist()], dtype=object)
    return names[places] if len(names) else np.empty(0, dtype=object)


def dates(days: Ints) -> npt.NDArray[np.datetime64]:
    """Return numbers like 20240628 as dates."""
    months = (days // 10000 - 1970) * 12 + days // 100 % 100 - 1
    firsts = months.astype("datetime64[M]").astype("datetime64[D]")
    return (firsts + (days % 100 - 1)).astype("datetime64[us]")


def equal(rows: Bytes, field: Field, text: bytes) -> Flags:
    """Return where a field is `text`, a row a flag."""
    found: Flags = (rows[:, field.slice] == np.frombuffer(text, np.uint8)).all(axis=1)
    return found


def first_of(wrong: Flags) -> int | None:
    """Return the place of the first flag that is set, or None where none is."""
    return int(np.argmax(wrong)) if np.any(wrong) else None


def text_of(row: Bytes, field: Field) -> bytes:
    """Return a field of one record."""
    return row[field.slice].tobytes()
