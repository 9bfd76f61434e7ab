"""What ministack could not write: it says so in its log, and answers as if nothing had happened."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Failure = tuple[Any, ...]
"""The arguments of a line of the log; the last one is the error."""


class Hearing:
    """Hears lines that begin with some words, in the log of one of ministack's loggers."""

    def __init__(self, logger: str, said: tuple[str, ...]) -> None:
        self._said = said
        self._heard: ContextVar[list[Failure] | None] = ContextVar(f"heard-{logger}", default=None)
        handler = logging.Handler(logging.WARNING)
        handler.emit = self._emit  # type: ignore[method-assign]
        logging.getLogger(logger).addHandler(handler)

    @contextmanager
    def listening(self) -> Iterator[list[Failure]]:
        """Give the list of what is said while the block runs, in whatever thread of its context."""
        failures: list[Failure] = []
        token = self._heard.set(failures)
        try:
            yield failures
        finally:
            self._heard.reset(token)

    def _emit(self, record: logging.LogRecord) -> None:
        failures = self._heard.get()
        if failures is not None and str(record.msg).startswith(self._said):
            failures.append(record.args if isinstance(record.args, tuple) else (record.args,))
