"""Whether what was read from JSON has the types that its dataclass says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

_hints: Callable[[Any], dict[str, Any]] = cache(get_type_hints)


def check_types(found: Any) -> None:
    """Raise TypeError naming the first field of a dataclass that is of another type.

    Raises UnicodeEncodeError for a text with half of a surrogate pair, which JSON can spell, and
    no terminal and no file takes.
    """
    for name, kind in _hints(type(found)).items():
        if not _fits(getattr(found, name), kind):
            raise TypeError(f"{type(found).__name__}.{name} is of another type")


def _fits(value: Any, kind: Any) -> bool:
    of, parts = get_origin(kind), get_args(kind)
    if of is UnionType:
        return any(_fits(value, part) for part in parts)
    if of is Mapping:
        return (
            isinstance(value, dict)
            and _all_fit(value, parts[0])
            and _all_fit(value.values(), parts[1])
        )
    if of in (tuple, Sequence):
        return isinstance(value, list | tuple) and _all_fit(value, parts[0])
    if is_dataclass(kind):
        fields = _hints(kind).items()
        return type(value) is kind and all(_fits(getattr(value, n), k) for n, k in fields)
    if kind is str:
        return _all_fit((value,), kind)
    return type(value) in ((int, float) if kind is float else (kind,))


def _all_fit(values: Any, kind: Any) -> bool:
    """Return whether each is of a kind; millions of texts are looked at without a call for each."""
    if kind is str:
        return set(map(type, values)) <= {str} and "".join(values).encode() is not None
    return all(_fits(each, kind) for each in values)
