"""The errors of the package: each says what happened, which value, and what to try."""

from __future__ import annotations

from b3pipeline.language import english, say


class B3Error(Exception):
    """Root of every error this package raises on purpose, in the reader's language.

    `hint` says what to try next; the command line prints it on its own line. `english` is the
    whole in English, for what is stored.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return say("{message} Try: {hint}", message=self.message, hint=self.hint)

    @property
    def english(self) -> str:
        return f"{english(self.message)} Try: {english(self.hint)}"

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in the place of a traceback: the sentence, and what to try."""
        return sentence(type(self).__name__, self.message, self.hint)


def sentence(kind: str, message: str, hint: str) -> list[str]:
    """Return the lines that a notebook shows of an error: what happened, and what to try."""
    return [f"\N{ESCAPE}[1;31m{kind}\N{ESCAPE}[0m: {message}", say("Try: {hint}", hint=hint)]


class ConfigError(B3Error):
    """A setting is missing or makes no sense."""


class InvalidTickerError(B3Error):
    """A string is not shaped like a ticker of the exchange."""


class UnknownTickerError(B3Error):
    """A source has never heard of a ticker."""


class DateRangeError(B3Error):
    """A date range is reversed, in the future, or holds no session of the exchange."""


class OriginError(B3Error):
    """Quotes of two sources, or of bars of two lengths, would join in one history."""


class SourceError(B3Error):
    """A quote source failed; trying again later may help."""


class RateLimitedError(SourceError):
    """A quote source refuses more requests for now."""


class NotPublishedError(SourceError):
    """The exchange has no such file, or not yet."""


class DamagedFileError(SourceError):
    """A file of the exchange is not what it must be: nothing of it is used."""


class TruncatedFileError(DamagedFileError):
    """A file of the exchange ends before its end."""


class StorageError(B3Error):
    """A bucket or an object cannot be read or written."""


class DamagedJournalError(StorageError):
    """The journal of a batch that was cut off cannot be replayed."""


class CatalogError(B3Error):
    """A database, table or partition of the Data Catalog cannot be read or written."""


class JobError(B3Error):
    """A Glue job or one of its runs is not as it must be."""


class RefineError(B3Error):
    """A run of the refine job cannot go on: nothing is marked as done."""


class QueryError(B3Error):
    """Athena refused or failed a query."""


class SandboxError(B3Error):
    """The local AWS cannot be started, stopped or provisioned."""


class NotebookError(B3Error):
    """A notebook failed, or was given a parameter that it does not have."""


class PlotError(B3Error):
    """A frame cannot be drawn: it has no rows, or lacks a column."""


class NothingToDoError(B3Error):
    """All that was asked for stands already: the command line ends well with it."""
