"""Regular expressions where DuckDB's cannot do what Trino's does: groups and what lies around."""

from __future__ import annotations

import re
from functools import lru_cache

from localaws.athena.values.texts import check_length

_NAMED = re.compile(r"\(\?<(?=[A-Za-z])")
_BEYOND = re.compile(r"\(\?<?[=!]|\(\?>|\\[1-9]|\\k<|[*+?}]\+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_REFERENCE = re.compile(r"\\(.)|\$(\d)|\$\{(\w+)\}|([$\\])", re.DOTALL)


def is_beyond(pattern: str) -> bool:
    """Return whether a pattern looks around or back, which DuckDB's expressions never do."""
    return bool(_BEYOND.search(pattern))


def may_be_empty(pattern: str) -> bool:
    """Return whether a pattern may match nothing, or is not known never to."""
    alone = _ESCAPED.sub(lambda found: "(?:)" if found[1] in "bB" else found[0], spelled(pattern))
    try:
        return re.compile(alone).fullmatch("") is not None
    except re.error:
        return True


def spelled(pattern: str) -> str:
    """Return a pattern with its named groups as Python and DuckDB write them."""
    return _NAMED.sub("(?P<", pattern)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(spelled(pattern), re.ASCII)
    except re.error as error:
        raise ValueError(f"{error}: {pattern}") from error


def _group(pattern: str, group: int) -> re.Pattern[str]:
    found = _compiled(pattern)
    if not 0 <= group <= found.groups:
        raise ValueError(f"Pattern has {found.groups} groups. Cannot access group {group}")
    return found


def like(text: str, pattern: str) -> bool:
    """Return whether a pattern is found in a text."""
    return _compiled(pattern).search(text) is not None


def extract(text: str, pattern: str, group: int) -> str | None:
    """Return what a group of the first match holds; None where it has no part in it."""
    found = _group(pattern, group).search(text)
    return found[group] if found else None


def extract_all(text: str, pattern: str, group: int) -> list[str | None]:
    """Return what a group of each match holds."""
    return [found[group] for found in _group(pattern, group).finditer(text)]


def _filled(replacement: str, found: re.Match[str]) -> str:
    def group(reference: re.Match[str]) -> str:
        if reference[1]:
            return str(reference[1])
        if reference[4]:
            raise ValueError(f"Illegal replacement sequence: {replacement}")
        name = int(reference[2]) if reference[2] else reference[3]
        try:
            return found[name] or ""
        except IndexError as error:
            raise ValueError(f"Illegal replacement sequence: unknown group {name}") from error

    return _REFERENCE.sub(group, replacement)


def replace(text: str, pattern: str, replacement: str) -> str:
    """Return a text with each match replaced; $1 and ${name} stand for groups."""
    compiled = _compiled(pattern)

    parts, at, length = [], 0, 0
    for found in compiled.finditer(text):
        parts += [text[at : found.start()], _filled(replacement, found)]
        length += len(parts[-1]) + len(parts[-2])
        check_length(length)
        at = found.end()
    return "".join([*parts, text[at:]])


def split(text: str, pattern: str) -> list[str]:
    """Return what stands between the matches."""
    parts, at = [], 0
    for found in _compiled(pattern).finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
    return [*parts, text[at:]]


def count(text: str, pattern: str) -> int:
    """Return how often a pattern is found."""
    return sum(1 for _ in _compiled(pattern).finditer(text))


def position(text: str, pattern: str, start: int, instance: int) -> int:
    """Return where a pattern is found for the nth time from a place on; -1 where it is not."""
    if start < 1 or instance < 1:
        raise ValueError("start and occurrence must be at least 1")
    for number, found in enumerate(_compiled(pattern).finditer(text, start - 1), start=1):
        if number == instance:
            return found.start() + 1
    return -1
