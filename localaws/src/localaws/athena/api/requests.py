"""What every operation needs of its request: checked against the model, answered in pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from localaws.published import published
from localaws.wire import AwsError

Payload = dict[str, Any]
Handler = Callable[[Payload], Payload | Awaitable[Payload]]


def invalid(message: str) -> AwsError:
    """Return Athena's error for a request that it does not accept."""
    return AwsError("InvalidRequestException", message)


def check(operation: str, payload: Payload) -> None:
    """Raise AwsError where a member that the published model requires is missing."""
    model = published("athena")
    taken = model.input_name(operation)
    for name in model.shape(taken).get("required", ()) if taken else ():
        if payload.get(name) in (None, ""):
            raise invalid(f"{name[0].lower()}{name[1:]} is required")


def comparable(payload: Payload) -> Payload:
    """Return what a repeated request must share with the first one of its token."""
    return {name: value for name, value in payload.items() if name != "ClientRequestToken"}


def page_size(payload: Payload, most: int) -> int:
    """Return how many items a page shall have, `most` where the request does not say."""
    size = payload.get("MaxResults") or most
    if not 1 <= size <= most:
        raise invalid(f"MaxResults is {size}: it must be between 1 and {most}")
    return int(size)


def paged(name: str, items: Sequence[Any], payload: Payload, most: int = 50) -> Payload:
    """Return one page of `items` under `name`, with a NextToken where more follow."""
    first = read_token(payload) or 0
    last = first + page_size(payload, most)
    page: Payload = {name: list(items[first:last])}
    if last < len(items):
        page["NextToken"] = write_token(last)
    return page


def write_token(number: int) -> str:
    """Return an opaque token that carries a number."""
    return base64.urlsafe_b64encode(str(number).encode()).decode()


def read_token(payload: Payload) -> int | None:
    """Return what a request's NextToken carries; AwsError where it is none of ours."""
    token = payload.get("NextToken")
    if not token:
        return None
    try:
        return int(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise invalid("Invalid token provided") from error
