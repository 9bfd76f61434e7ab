"""The roster of a class: who is in it, and the seed of each student's market."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from b3pipeline.classroom.seed import read_login, seed_of_login
from b3pipeline.errors import B3Error, ConfigError
from b3pipeline.files import read_regular
from b3pipeline.language import say
from b3pipeline.sources.seeds import read_seed

LONGEST = 1_000_000
_TITLES = ["login", "seed"]


def read_roster(path: Path, class_name: str = "") -> dict[str, int]:
    """Return the seed of each login of a file: a login a line, a seed after a comma where wanted.

    The first line may be the titles `login,seed`. A login without a seed has that of `b3 class
    seed`. Raises ConfigError for a file that cannot be read, and for a line that makes no sense.
    """
    try:
        text = read_regular(path).removeprefix("\ufeff")[:LONGEST]
    except OSError as error:
        raise ConfigError(
            say("the roster {path} cannot be read: {why}.", path=path, why=error.strerror or error),
            hint=say("give a text file with a login a line."),
        ) from error
    found: dict[str, int] = {}
    for number, row in enumerate(csv.reader(io.StringIO(text)), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and cells == _TITLES[: len(cells)]):
            continue
        try:
            login = read_login(cells[0])
            seed = read_seed(cells[1]) if any(cells[1:2]) else seed_of_login(login, class_name)
        except B3Error as error:
            raise _line(path, number, error.message, error.hint) from error
        if login in found:
            raise _line(
                path,
                number,
                say("{login} is there twice.", login=login),
                say("take one of the two out."),
            )
        found[login] = seed
    if not found:
        raise ConfigError(
            say("the roster {path} names nobody.", path=path), hint=say("write a login a line.")
        )
    return found


def _line(path: Path, number: int, message: str, hint: str) -> ConfigError:
    return ConfigError(
        say("{path}, line {number}: {message}", path=path, number=number, message=message),
        hint=hint,
    )
