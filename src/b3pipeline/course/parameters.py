"""The parameters of the notebooks, read and checked in one place: right, or a sentence.

papermill passes what YAML or JSON makes of a value, a person types what looks like one: a list or
a text of tickers, any case, spaces; a date as text. What could be meant in two ways is refused.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from b3pipeline.calendar import Clock, check_range, parse_date, utc_now
from b3pipeline.cloud.config import check_target, project_root
from b3pipeline.errors import B3Error, ConfigError, InvalidTickerError
from b3pipeline.language import say
from b3pipeline.names import normalise_ticker
from b3pipeline.sources import SOURCES
from b3pipeline.sources.seeds import SEED, read_seed, seed_of_source, with_seed

_BETWEEN = re.compile(r"[,;\s]+")
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Parameters:
    """What a notebook was given, checked; what it does not have keeps its default.

    `source` carries the seed that was given beside it: `sample:41`. `start` and `end` are dates
    as text, YYYY-MM-DD; `sessions` those of the exchange between the two, both included, that
    have closed.
    """

    target: str = "local"
    source: str = "sample"
    seed: int = SEED
    path: str = ""
    tickers: tuple[str, ...] = ()
    ticker: str = ""
    start: str = ""
    end: str = ""
    sessions: tuple[dt.date, ...] = ()
    solve: bool = False
    remove: bool = False

    @property
    def options(self) -> dict[str, str]:
        """What `open_source` takes beside the source's name: the path of the exchange's files."""
        return {"path": self.path} if self.path else {}


def read(*, clock: Clock = utc_now, **given: Any) -> Parameters:
    """Return the parameters that a notebook was given, each under its name, checked.

    Raises ConfigError, InvalidTickerError or DateRangeError, which name the parameter.
    """
    values = {name: read_one(name, value) for name, value in given.items()}
    if {"start", "end"} <= values.keys():
        with_names = _named("start, end", lambda span: check_range(span[0], span[1], clock()))
        values["sessions"] = tuple(with_names((values["start"], values["end"])))
    _join_seed(values)
    return Parameters(**values)


def _join_seed(values: dict[str, Any]) -> None:
    """Put the seed into the source's name, and the one that the name carries beside it."""
    if "source" in values:
        join = _named("seed", lambda seed: with_seed(values["source"], seed))
        values["source"] = join(values.get("seed"))
        own = seed_of_source(values["source"])
        values["seed"] = values.get("seed", SEED) if own is None else own


def read_one(name: str, value: Any) -> Any:
    """Return a parameter as the notebooks take it; one that has no reader, as it is."""
    return _named(name, _READERS[name])(value) if name in _READERS else value


def read_flag(name: str, value: Any) -> bool:
    """Return whether a parameter says yes; the text "False" does not."""
    return bool(_named(name, _flag)(value))


def read_given(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters from a command line, checked before anything starts.

    Raises what `read` raises; dates are held against each other where both are given.
    """
    values = {name: read_one(name, value) for name, value in given.items()}
    if {"start", "end"} <= values.keys():
        read(start=values["start"], end=values["end"])
    _join_seed(dict(values))
    return {
        name: ",".join(value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def _named(name: str, reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return `reader` with the parameter's name in each error that it raises."""

    def read_it(value: Any) -> Any:
        try:
            return reader(value)
        except B3Error as error:
            raise type(error)(
                say("{name}: {message}", name=name, message=error.message), hint=error.hint
            ) from error

    return read_it


def _tickers(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [code for code in _BETWEEN.split(value) if code]
    if not isinstance(value, Iterable) or isinstance(value, Mapping | bytes):
        raise InvalidTickerError(
            say("{value!r} is neither text nor a list.", value=value),
            hint=say('write "PETR4,VALE3" or a list of codes.'),
        )
    codes = list(value)
    wrong = [code for code in codes if not isinstance(code, str)]
    if wrong:
        raise InvalidTickerError(
            say("{wrong!r} is no text.", wrong=wrong[0]),
            hint=say('write each code as text, such as "PETR4".'),
        )
    if not codes:
        raise InvalidTickerError(
            say("no ticker is given."), hint=say("give some, such as PETR4,VALE3.")
        )
    return tuple(dict.fromkeys(normalise_ticker(code) for code in codes))


def _ticker(value: Any) -> str:
    codes = _tickers(value)
    if len(codes) > 1:
        raise InvalidTickerError(
            say("{codes} are {count} tickers.", codes=", ".join(codes), count=len(codes)),
            hint=say("give the one to look at closely."),
        )
    return codes[0]


def _date(value: Any) -> str:
    return str(parse_date(value))


def _flag(value: Any) -> bool:
    known = _FLAGS.get(str(value).strip().lower())
    if known is None:
        raise ConfigError(
            say("{value!r} is neither true nor false.", value=value),
            hint=say("write True or False."),
        )
    return known


def _word(value: Any) -> str:
    return value.strip().lower() if isinstance(value, str) else value


def _source(value: Any) -> str:
    known = isinstance(value, str) and _word(value).partition(":")[0] in SOURCES
    if not known or (":" in value and seed_of_source(_word(value)) is None):
        raise ConfigError(
            say("there is no quote source {source!r}.", source=value),
            hint=say("use one of {sources}.", sources=", ".join(SOURCES)),
        )
    return _word(value)


def _target(value: Any) -> str:
    return check_target(_word(value))


def _path(value: Any) -> str:
    """Return a path as text, from the project's folder where it is relative; '' stays ''."""
    text = str(value or "").strip()
    if not text:
        return ""
    path = project_root() / Path(text).expanduser()
    if not path.exists():
        raise ConfigError(
            say("there is nothing at {path}.", path=path),
            hint=say("give a file or folder of the exchange's files."),
        )
    return str(path)


_READERS: dict[str, Callable[[Any], Any]] = {
    "target": _target,
    "source": _source,
    "seed": read_seed,
    "path": _path,
    "tickers": _tickers,
    "ticker": _ticker,
    "start": _date,
    "end": _date,
    "solve": _flag,
    "remove": _flag,
}
