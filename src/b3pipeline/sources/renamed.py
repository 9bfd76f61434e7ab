"""Tickers that B3 has renamed, as data: a dated table, and a file of the user's beside it."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from b3pipeline.errors import ConfigError, InvalidTickerError
from b3pipeline.language import note, say
from b3pipeline.names import normalise_ticker

VARIABLE = "B3_RENAMED"
"""Names a file like `renamed.csv` beside this module; what it says of a ticker counts first."""

COLUMNS = ["old", "new", "since", "source"]
_SINCE = re.compile(r"\d{4}(-\d{2}-\d{2})?")


@dataclass(frozen=True)
class Renaming:
    """A ticker, what it is called `since` a date (or a year, where no more is known), who says so.

    Only a share that went on as it was is renamed, one for one: a merger is none.
    """

    old: str
    new: str
    since: str
    source: str

    def __str__(self) -> str:
        return note(
            "{old} is called {new} since {since}", old=self.old, new=self.new, since=self.since
        )


def successors(ticker: str) -> list[Renaming]:
    """Return the renamings that lead from `ticker` to its code of today, oldest first; often none.

    Raises ConfigError where the user's file cannot be read as such a table.
    """
    table = _table(os.environ.get(VARIABLE, ""))
    found: list[Renaming] = []
    while ticker in table and table[ticker] not in found:
        found.append(table[ticker])
        ticker = found[-1].new
    return found


def told(ticker: str) -> str:
    """Return what became of a ticker, or what it was, in words; empty where nothing is known."""
    became = successors(ticker)
    if became:
        return ", ".join(map(str, became))
    was = [each for each in _table(os.environ.get(VARIABLE, "")).values() if each.new == ticker]
    return ", ".join(
        note(
            "before {since} {ticker} was called {old}",
            since=each.since,
            ticker=ticker,
            old=each.old,
        )
        for each in was
    )


@cache
def _table(extra: str) -> dict[str, Renaming]:
    own = files("b3pipeline.sources").joinpath("renamed.csv").read_text(encoding="utf-8")
    table = {each.old: each for each in _read(own.splitlines(), "renamed.csv")}
    if extra:
        path = Path(extra).expanduser()
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                say(
                    "{variable} names {path}, which cannot be read ({error}).",
                    variable=VARIABLE,
                    path=path,
                    error=error,
                ),
                hint=say(
                    "give a text file with the columns {columns}, or unset {variable}.",
                    columns=",".join(COLUMNS),
                    variable=VARIABLE,
                ),
            ) from error
        table |= {each.old: each for each in _read(lines, str(path))}
    return table


def _read(lines: Iterable[str], name: str) -> Iterator[Renaming]:
    rows = csv.DictReader(lines)
    if rows.fieldnames is None or [each.strip() for each in rows.fieldnames] != COLUMNS:
        raise ConfigError(
            say(
                "{name} begins with {names}.",
                name=name,
                names=",".join(rows.fieldnames or [say("nothing")]),
            ),
            hint=say("its first line is {columns}.", columns=",".join(COLUMNS)),
        )
    for row in rows:
        values = [(value or "").strip() for value in list(row.values())[: len(COLUMNS)]]
        try:
            old, new = (normalise_ticker(value) for value in values[:2])
        except InvalidTickerError as error:
            raise _unread(name, rows.line_num, error.message) from error
        if not _SINCE.fullmatch(values[2]):
            raise _unread(name, rows.line_num, say("{value!r} is no date.", value=values[2]))
        yield Renaming(old, new, *values[2:])


def _unread(name: str, line: int, found: str) -> ConfigError:
    return ConfigError(
        say("{name}, line {line}: {found}", name=name, line=line, found=found),
        hint=say("write lines such as VIIA3,BHIA3,2023-09-20,https://… (a year alone will do)."),
    )
