"""What every operation needs of its request: validated as AWS does, its answer in pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from localaws.published import Shape, published
from localaws.wire import AwsError

Payload = dict[str, Any]
Handler = Callable[[Payload], Payload | Awaitable[Payload]]

_TYPES: dict[str, type | tuple[type, ...]] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "double": (int, float),
    "float": (int, float),
}

_COLUMNS = "ColumnList"


def not_found(message: str) -> AwsError:
    """Return the error of Glue for a thing that does not exist."""
    return AwsError("EntityNotFoundException", message)


def invalid(message: str) -> AwsError:
    """Return the error of Glue for an input that makes no sense."""
    return AwsError("InvalidInputException", message)


def validate(operation: str, payload: Payload) -> None:
    """Raise AwsError where a payload breaks the published model of a Glue operation.

    Checked are required members, types, lengths, ranges and enumerations; unknown members are
    ignored, as AWS does.
    """
    if taken := published("glue").input_name(operation):
        _check(taken, payload, "", [])


def _check(name: str, value: Any, path: str, columns: list[Any]) -> None:
    """Check a value; `columns` are lists of columns that were found good, which many share."""
    shape = published("glue").shape(name)
    kind = shape["type"]
    expected = _TYPES.get(kind)
    is_flag = isinstance(value, bool)
    if expected and (not isinstance(value, expected) or (is_flag and expected is not bool)):
        raise AwsError("SerializationException", f"'{path}' is not a {kind}.")
    if kind == "structure":
        _check_structure(shape, value, path, columns)
    elif kind == "list":
        if name == _COLUMNS and value in columns[-1:]:
            return  # names, types and comments: equal texts are equally good
        _check_size(shape, len(value), "length", path)
        for number, item in enumerate(value, start=1):
            _check(shape["member"]["shape"], item, f"{path}.{number}.member", columns)
        if name == _COLUMNS:
            columns.append(value)
    elif kind == "map":
        _check_size(shape, len(value), "length", path)
        for key, item in value.items():
            _check(shape["value"]["shape"], item, f"{path}.{key}", columns)
    elif kind == "string":
        _check_string(shape, value, path)
    elif kind in ("integer", "long", "double"):
        _check_size(shape, value, "value", path)


def _check_structure(shape: Shape, value: Payload, path: str, columns: list[Any]) -> None:
    for name in shape.get("required", ()):
        if value.get(name) is None:
            raise _violation(_join(path, name), "Member must not be null")
    for name, member in shape["members"].items():
        if value.get(name) is not None:
            _check(member["shape"], value[name], _join(path, name), columns)


def _check_string(shape: Shape, value: str, path: str) -> None:
    _check_size(shape, len(value), "length", path)
    allowed = shape.get("enum", ())
    if allowed and value not in allowed:
        raise _violation(path, f"Member must satisfy enum value set: [{', '.join(allowed)}]")


def _check_size(shape: Shape, size: float, what: str, path: str) -> None:
    least, most = shape.get("min"), shape.get("max")
    if least is not None and size < least:
        raise _violation(path, f"Member must have {what} greater than or equal to {least}")
    if most is not None and size > most:
        raise _violation(path, f"Member must have {what} less than or equal to {most}")


def _join(path: str, name: str) -> str:
    lowered = name[0].lower() + name[1:]
    return f"{path}.{lowered}" if path else lowered


def _violation(path: str, constraint: str) -> AwsError:
    return AwsError(
        "ValidationException",
        f"1 validation error detected: Value at '{path}' failed to satisfy constraint: "
        f"{constraint}",
    )


def paged(name: str, items: Sequence[Any], payload: Payload, size: int) -> Payload:
    """Return one page of `items` under `name`, with a NextToken where more follow."""
    first = int(read_token(payload) or 0)
    last = first + (payload.get("MaxResults") or size)
    page: Payload = {name: list(items[first:last])}
    if last < len(items):
        page["NextToken"] = write_token(str(last))
    return page


def write_token(text: str) -> str:
    """Return an opaque token that carries `text`."""
    return base64.urlsafe_b64encode(text.encode()).decode()


def read_token(payload: Payload) -> str | None:
    """Return what the NextToken of a request carries; raise AwsError where it is none of ours."""
    token = payload.get("NextToken")
    if not token:
        return None
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise invalid("The NextToken is not one that this service gave.") from error
