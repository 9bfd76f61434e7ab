"""The seed of a student's own market, out of a login and the name of a class."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from b3pipeline.errors import ConfigError
from b3pipeline.language import say
from b3pipeline.sources.seeds import SEED

LONGEST_LOGIN = 64
_LOGIN = re.compile(r"\w(?:[\w.@+ -]*\w)?")
_SEEDS = 99_999_999


def read_login(text: str) -> str:
    """Return a login as it counts: without case, accents written one way, no space around it.

    Raises ConfigError for what is none.
    """
    login = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    if len(login) > LONGEST_LOGIN or not _LOGIN.fullmatch(login):
        raise ConfigError(
            say("{text!r} is no login.", text=text[: LONGEST_LOGIN + 10]),
            hint=say(
                "write 1 to {longest} letters, figures and . _ - + @, such as ana.silva.",
                longest=LONGEST_LOGIN,
            ),
        )
    return login


def seed_of_login(login: str, class_name: str = "") -> int:
    """Return the seed of a student's market: the same for ever, another for each login and class.

    It has at most eight figures, to be typed by hand. Among thirty students two have the same one
    once in 230,000 classes. Raises ConfigError for what is no login.
    """
    who = f"{' '.join(class_name.casefold().split())}\n{read_login(login)}"
    number = int.from_bytes(hashlib.sha256(who.encode()).digest()[:8], "big")
    seed = 1 + number % _SEEDS
    return seed if seed != SEED else _SEEDS + 1
