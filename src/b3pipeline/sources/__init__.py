"""The quote sources, by name."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import Any, cast

from b3pipeline.errors import ConfigError
from b3pipeline.language import say
from b3pipeline.sources.base import Failure, Quotes, QuoteSource
from b3pipeline.sources.seeds import SAMPLE, seed_of_source

__all__ = ["SOURCES", "Failure", "QuoteSource", "Quotes", "open_source"]

SOURCES = {
    "sample": ("b3pipeline.sources.sample", "SampleSource"),
    "yahoo": ("b3pipeline.sources.yahoo", "YahooSource"),
    "cotahist": ("b3pipeline.sources.cotahist", "CotahistSource"),
}
"""Each source's module and class; a module is imported when its source is opened."""


def open_source(name: str, **options: Any) -> QuoteSource:
    """Return the quote source called `name`, made with its own `options`.

    `sample:41` is the simulated market of the seed 41. Raises ConfigError where there is none of
    that name, or it has no such option.
    """
    if name not in SOURCES and (seed := seed_of_source(name)) is not None:
        name, options = SAMPLE, {**options, "seed": seed}
    if name not in SOURCES:
        raise ConfigError(
            say("there is no quote source {name!r}.", name=name),
            hint=say("use one of {sources}.", sources=", ".join(SOURCES)),
        )
    module, maker = SOURCES[name]
    make = getattr(import_module(module), maker)
    try:
        signature(make).bind(**options)
    except TypeError as error:
        raise ConfigError(
            say(
                "the source {name!r} cannot be opened with {options} ({error}).",
                name=name,
                options=", ".join(options),
                error=error,
            ),
            hint=say(
                "it knows {names}.",
                names=", ".join(signature(make).parameters) or say("no options"),
            ),
        ) from error
    return cast("QuoteSource", make(**options))
