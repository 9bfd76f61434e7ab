"""The seed of the simulated market: its number, and how a source's name carries it.

A market of another seed is another market: its name is `sample:41`, that of the usual one `sample`.
The name stands in bronze, in manifests and in journals, so two markets never pass for one.
"""

from __future__ import annotations

from typing import Any

from b3pipeline.errors import ConfigError
from b3pipeline.language import say

SAMPLE = "sample"
SEED = 7
"""Chosen among the first ten as the one whose history lies nearest to the measured figures."""
LARGEST = 2**32 - 1


def read_seed(value: Any) -> int:
    """Return a seed, given as a number or as text; raises ConfigError for anything else."""
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or int(text) > LARGEST:
        raise ConfigError(
            say("{value!r} is no seed.", value=value),
            hint=say(
                "write a whole number from 0 to {largest}; `b3 class seed LOGIN` gives one.",
                largest=LARGEST,
            ),
        )
    return int(text)


def source_of_seed(seed: int) -> str:
    """Return the name of the simulated market that a seed makes."""
    return SAMPLE if seed == SEED else f"{SAMPLE}:{seed}"


def seed_of_source(name: str) -> int | None:
    """Return the seed that a source's name carries; None where it is not the simulated market.

    Raises ConfigError where what stands after `sample:` is no seed.
    """
    kind, colon, seed = name.partition(":")
    if kind != SAMPLE:
        return None
    return read_seed(seed) if colon else SEED


def with_seed(source: str, seed: Any) -> str:
    """Return the name of `source` with a seed; raises ConfigError where the two do not agree.

    The usual seed, and none (None), leave every name as it is.
    """
    if seed is None or read_seed(seed) == SEED:
        return source
    known = seed_of_source(source)
    if known is None:
        raise ConfigError(
            say(
                "the source {source!r} has no seed, and {seed} is given.", source=source, seed=seed
            ),
            hint=say("leave the seed out: only the simulated market, `sample`, has one."),
        )
    if known not in (SEED, read_seed(seed)):
        raise ConfigError(
            say(
                "the source {source!r} names one seed, and {seed} is another.",
                source=source,
                seed=seed,
            ),
            hint=say("give one."),
        )
    return source_of_seed(read_seed(seed))
