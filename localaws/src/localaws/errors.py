"""The error of the local AWS itself, as opposed to those that it answers as AWS."""

from __future__ import annotations


class LocalAwsError(Exception):
    """The local AWS cannot be started, found or stopped; `hint` says what to try."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} Try: {self.hint}"


class PortError(LocalAwsError):
    """The port cannot be had."""


class StateDirError(LocalAwsError):
    """The state folder cannot be written."""
