"""JSON as Trino has it: read, written in one spelling, and reached into by a path."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from localaws.athena.values.rendering import double_text

_UNQUOTED = r"[\w:$\-/@|#]+"
_STEP = re.compile(
    rf'\.({_UNQUOTED})|\[({_UNQUOTED})\]|\["((?:[^"\\]|\\.)*)"\]',
)
_MISSING = object()


class Number(str):
    """A number as it was written: JSON of text keeps its digits."""

    __slots__ = ()


class _Ordered(list[tuple[str, Any]]):
    """An object: its members in their order."""


def parsed(text: str) -> str:
    """Return JSON in one spelling, the members of objects by name; ValueError where it is none."""
    return written(_read(text, parse_float=float), ordered=True)


def _read(text: str, parse_float: Any) -> Any:
    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no number of JSON")

    try:
        return json.loads(
            text,
            object_pairs_hook=_Ordered,
            parse_float=parse_float,
            parse_int=Number,
            parse_constant=refuse,
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Cannot convert value to JSON: '{text[:100]}'") from error


def written(value: Any, *, ordered: bool = False) -> str:
    """Return a value as JSON without blanks; `ordered` puts members by name, the last one kept."""
    if isinstance(value, _Ordered):
        members = sorted(dict(value).items()) if ordered else value
        inside = ",".join(f"{_text(k)}:{written(v, ordered=ordered)}" for k, v in members)
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{','.join(written(item, ordered=ordered) for item in value)}]"
    return _scalar_json(value)


def _scalar_json(value: Any) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return double_text(value)
    return {None: "null", True: "true", False: "false"}[value]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def extract(text: str, path: str) -> str | None:
    """Return the JSON at a path, or None where there is nothing, or the text is no JSON."""
    found = _at(text, path, float)
    return None if found is _MISSING else written(found)


def extract_scalar(text: str, path: str) -> str | None:
    """Return the text of the string, number or boolean at a path, or None."""
    found = _at(text, path, Number)
    if found is _MISSING or found is None or isinstance(found, list):
        return None
    return str(found) if isinstance(found, str) else _scalar_json(found)


def size(text: str, path: str) -> int | None:
    """Return how many members or items stand at a path; 0 for a scalar."""
    found = _at(text, path, float)
    if found is _MISSING:
        return None
    return len(found) if isinstance(found, list) else 0


def array_length(text: str) -> int | None:
    """Return the length of an array, or None where the text is none."""
    found = _root(text, float)
    return len(found) if isinstance(found, list) and not isinstance(found, _Ordered) else None


def is_scalar(text: str) -> bool:
    """Return whether JSON is a string, a number, a boolean or null; ValueError for no JSON."""
    return not isinstance(_read(text, float), list)


def array_get(text: str, index: int) -> str | None:
    """Return the JSON of an item, counted from 0, or from -1 at the end."""
    found = _root(text, float)
    if not isinstance(found, list) or isinstance(found, _Ordered):
        return None
    item = found[index] if -len(found) <= index < len(found) else None
    return None if item is None else written(item)


def array_contains(text: str, wanted: str) -> bool | None:
    """Return whether an array has an item that is written as `wanted`."""
    found = _root(text, float)
    if not isinstance(found, list) or isinstance(found, _Ordered):
        return None
    return any(not isinstance(i, list) and _scalar_json(i) == wanted for i in found)


def items(text: str) -> list[str | None] | None:
    """Return the JSON of each item of an array, None for null; ValueError for no array."""
    found = _read(text, float)
    if found is None:
        return None
    if not isinstance(found, list) or isinstance(found, _Ordered):
        raise ValueError(f"Cannot cast to array. Expected a json array, but got {text[:100]}")
    return [_or_none(item) for item in found]


def names(text: str) -> list[str] | None:
    """Return the names of an object's members; ValueError for no object."""
    members = _object(text)
    return None if members is None else list(members)


def members(text: str) -> list[str | None] | None:
    """Return the JSON of each member of an object, None for null."""
    found = _object(text)
    return None if found is None else [_or_none(value) for value in found.values()]


def field(text: str, name: str, at: int, count: int) -> str | None:
    """Return the JSON of a row's field: by name from an object, by place from an array."""
    found = _read(text, float)
    if isinstance(found, _Ordered):
        by_name = {key.lower(): value for key, value in found}
        return _or_none(by_name.get(name.lower()))
    if not isinstance(found, list) or len(found) != count:
        raise ValueError(f"Cannot cast to row: {text[:100]}")
    return _or_none(found[at])


def scalar_text(text: str, kind: str) -> str | None:
    """Return the text of which a value of a type is made; ValueError for an array or object."""
    found = _read(text, Number)
    if found is None:
        return None
    whole = kind in ("tinyint", "smallint", "integer", "bigint")
    if isinstance(found, list):
        raise ValueError(f"Cannot cast '{text[:100]}' to {kind}")
    if isinstance(found, bool):
        return str(int(found)) if whole or kind in ("real", "double") else str(found).lower()
    if isinstance(found, Number) and set("eE.") & set(found):
        # A number that is to be whole is rounded as a double is, half away from zero.
        exact = Decimal(found)
        if whole:
            return str(exact.quantize(Decimal(1), ROUND_HALF_UP))
        return double_text(float(found)) if kind.startswith("varchar") else str(found)
    if isinstance(found, Number) and kind == "boolean":
        return str(int(found) != 0).lower()
    return str(found)


def _object(text: str) -> dict[str, Any] | None:
    found = _read(text, float)
    if found is None:
        return None
    if not isinstance(found, _Ordered):
        raise ValueError(f"Cannot cast to map. Expected a json object, but got {text[:100]}")
    return dict(found)


def _or_none(value: Any) -> str | None:
    return None if value is None else written(value)


def _root(text: str, parse_float: Any) -> Any:
    try:
        return _read(text, parse_float)
    except ValueError:
        return _MISSING


def _at(text: str, path: str, parse_float: Any) -> Any:
    steps = list(_steps(path))
    found = _root(text, parse_float)
    for step in steps:
        found = _member(found, step)
    return found


def _member(value: Any, step: str) -> Any:
    if isinstance(value, _Ordered):
        return dict(value).get(step, _MISSING)
    if isinstance(value, list) and step.isdigit() and int(step) < len(value):
        return value[int(step)]
    return _MISSING


def _steps(path: str) -> Iterator[str]:
    at = 1
    if not path.startswith("$"):
        raise ValueError(f"Invalid JSON path: '{path}'")
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise ValueError(f"Invalid JSON path: '{path}'")
        quoted = found[3]
        yield re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else found[1] or found[2]
        at = found.end()
