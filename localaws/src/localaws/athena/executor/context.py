"""What a statement needs while it runs, and what comes of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localaws.athena.errors import CancelledQueryError

if TYPE_CHECKING:
    from localaws.athena.catalog import Catalog
    from localaws.athena.engine import Engine
    from localaws.athena.output import Output
    from localaws.athena.scan.objects import Objects
    from localaws.athena.scan.small import SmallFiles


class BytesExceededError(CancelledQueryError):
    """A query that would read more than its workgroup allows; it ends at the limit."""

    def __init__(self, cutoff: int) -> None:
        super().__init__("Bytes scanned limit was exceeded")
        self.bytes_scanned = cutoff


class Control:
    """The way to end a running statement from outside."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._connection: Any = None
        self._lock = threading.Lock()

    def stop(self, reason: str) -> None:
        """End the statement at its next step, its query at once."""
        with self._lock:
            self.reason = self.reason or reason
            if self._connection is not None:
                self._connection.interrupt()

    def check(self) -> None:
        """Raise CancelledQueryError where the statement was stopped."""
        if self.reason is not None:
            raise CancelledQueryError(self.reason)

    def attach(self, connection: Any) -> None:
        """Say which connection a stop must interrupt."""
        with self._lock:
            self._connection = connection
        self.check()

    def detach(self) -> None:
        """Say that there is no connection to interrupt any more."""
        with self._lock:
            self._connection = None


@dataclass(frozen=True)
class Services:
    """What all statements share."""

    catalog: Catalog
    engine: Engine
    objects: Objects
    small: SmallFiles
    output: Output
    spill: Path
    """The folder of temporary files."""


@dataclass
class Request:
    """A statement to be run: where, and with which limits."""

    execution_id: str
    text: str
    database: str
    location: str
    """Where results go: the address without the name of the object."""
    parameters: tuple[str, ...] = ()
    bytes_cutoff: int | None = None
    control: Control = field(default_factory=Control)


@dataclass
class Outcome:
    """What a statement gave: the description of its columns, its place, what it read."""

    columns: list[dict[str, Any]] = field(default_factory=list)
    has_header: bool = False
    output_location: str | None = None
    manifest_location: str | None = None
    bytes_scanned: int = 0
    rows: int = 0
    update_count: int | None = None
