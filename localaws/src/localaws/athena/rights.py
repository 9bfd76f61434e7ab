"""What a query may touch: what its caller may, as AWS's Athena acts with its caller's rights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from localaws.athena.errors import QueryError
from localaws.callers import Callers, Need, current_caller
from localaws.wire import AwsError, Service


class Rights(Protocol):
    """What a query asks before it touches something."""

    @property
    def limited(self) -> bool:
        """Whether there is a caller, and it is not the account's root."""

    def authorize(self, action: str, uri: str) -> None:
        """Raise AwsError where the caller may not do `action` to `s3://bucket/key`."""

    def check(self, action: str, uri: str) -> None:
        """Raise QueryError where the caller may not do `action` to `s3://bucket/key`."""


class CallersRights:
    """The rights of whoever started the query at work; the server itself may everything."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    @property
    def limited(self) -> bool:
        """Whether there is a caller, and it is not the account's root."""
        caller = current_caller()
        return caller is not None and not self._callers.is_root(caller)

    def authorize(self, action: str, uri: str) -> None:
        """Raise AwsError where the caller may not do `action` to `s3://bucket/key`."""
        caller = current_caller()
        if caller is not None:
            resource = f"arn:aws:s3:::{uri.partition('://')[2]}"
            self._callers.authorize(caller, [(action, resource)])

    def check(self, action: str, uri: str) -> None:
        """Raise QueryError where the caller may not do `action` to `s3://bucket/key`."""
        try:
            self.authorize(action, uri)
        except AwsError as error:
            raise QueryError("PERMISSION_DENIED", f"{error.message} ({uri})") from error

    def over(self, glue: Service) -> Service:
        """Return the Data Catalog as the caller may use it."""
        return _Catalog(glue, self._callers)


class _Catalog:
    """A service whose every operation is asked for in the name of the caller."""

    def __init__(self, glue: Service, callers: Callers) -> None:
        self._glue = glue
        self._callers = callers
        self.prefix, self.signing_name = glue.prefix, glue.signing_name

    def owns(self, operation: str) -> bool:
        return self._glue.owns(operation)

    def needs(self, operation: str, payload: dict[str, Any]) -> Iterable[Need]:
        return self._glue.needs(operation, payload)

    async def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        caller = current_caller()
        if caller is not None:
            self._callers.authorize(caller, self._glue.needs(operation, payload))
        return await self._glue.call(operation, payload)

    async def start(self) -> None:
        """Do nothing: the service itself is started by the server."""

    async def close(self) -> None:
        """Do nothing: the service itself is closed by the server."""
