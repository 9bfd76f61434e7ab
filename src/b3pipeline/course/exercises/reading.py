"""What an answer is, before it is judged: a date, a number, a statement of SQL, a frame."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from b3pipeline.calendar import parse_date
from b3pipeline.errors import B3Error
from b3pipeline.language import say

_SKIPPED = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_FILTER = re.compile(
    r"\b(?:WHERE|ON)\b(.*?)(?=\b(?:GROUP\s+BY|ORDER\s+BY|HAVING|LIMIT|UNION|WINDOW)\b|$)",
    re.DOTALL | re.IGNORECASE,
)
_ON_DT = re.compile(
    r"\bdt\b\s*(?:AS\s+\w+\s*)?\)?\s*(?:[=<>]|BETWEEN\b|IN\b|LIKE\b)|[=<>]\s*(?:\w+\.)?dt\b",
    re.IGNORECASE,
)


class UnreadableError(Exception):
    """An answer is not of the kind that was asked for; the text says what it is."""


def dates(answer: Any) -> list[dt.date]:
    """Return an answer as dates: a list of dates, of Timestamps at midnight, of ISO texts.

    12/02/2024 is none: it is February to some and December to others.
    """
    if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Iterable):
        raise UnreadableError(say("it is {kind}, and not a list of dates.", kind=_kind(answer)))
    days = [_date(day) for day in answer]
    if twice := [day for day in days if days.count(day) > 1]:
        raise UnreadableError(say("{day} is there twice.", day=twice[0]))
    return days


def _date(value: Any) -> dt.date:
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if isinstance(value, dt.datetime) and not pd.isna(value) and value.time() != dt.time(0):
        raise UnreadableError(say("{moment} is a moment, and no date.", moment=str(value)))
    try:
        if pd.isna(value):
            raise UnreadableError(say("a date is missing: it holds a null."))
        return parse_date(value)
    except (B3Error, ValueError) as error:
        if isinstance(error, B3Error):
            raise UnreadableError(f"{error.message} {error.hint}") from error
        raise UnreadableError(say("{value!r} is not a date.", value=value)) from error


def number(answer: Any) -> float:
    """Return an answer as a number; text and truth are none."""
    value = answer.item() if isinstance(answer, np.generic) else answer
    if not isinstance(value, Real) or isinstance(value, bool) or math.isnan(value):
        raise UnreadableError(say("it is {kind}, and not a number.", kind=_kind(answer)))
    return float(value)


def rows_of_spark(answer: Any) -> pd.DataFrame:
    """Return the rows of a DataFrame of Spark."""
    if not hasattr(answer, "toPandas"):
        raise UnreadableError(say("it is {kind}, and no DataFrame of Spark.", kind=_kind(answer)))
    frame: pd.DataFrame = answer.toPandas()
    return frame


def _kind(value: Any) -> str:
    """Return what a value is, in a word or two of its own language."""
    if value is None:
        return say("nothing (None)")
    return say("of the type {name}", name=type(value).__name__)


def filters_on_dt(sql: str) -> bool:
    """Return whether a statement keeps some values of the partition key `dt` in a WHERE."""
    return any(_ON_DT.search(found[1]) for found in _FILTER.finditer(_bare(sql)))


def is_ordered(sql: str) -> bool:
    """Return whether the rows of a statement come in an order: an ORDER BY outside of brackets."""
    text, before = _bare(sql), ""
    while text != before:
        before, text = text, re.sub(r"\([^()]*\)", " ", text)
    return re.search(r"\bORDER\s+BY\b", text, re.IGNORECASE) is not None


def _bare(sql: str) -> str:
    """Return a statement without strings, comments and quotes around names."""
    return _SKIPPED.sub(" ", sql).replace('"', "")
