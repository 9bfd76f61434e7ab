"""What is wrong with the server just now, in sentences that `status` shows."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from pathlib import Path

logger = logging.getLogger(__name__)

_OUT_OF_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Troubles:
    """Sentences by their subject: one is there from its first failure to the next success."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._sentences: dict[str, str] = {}

    def note(self, subject: str, sentence: str) -> None:
        """Keep a sentence until its subject is well again; the log has its first one."""
        if subject not in self._sentences:
            logger.error("%s", sentence)
        self._sentences[subject] = sentence

    def clear(self, subject: str) -> None:
        """Say that a subject is well."""
        if self._sentences.pop(subject, None) is not None:
            logger.warning("%s: it works again", subject)

    def unwritten(self, subject: str, what: str, error: object) -> str:
        """Return why something could not be written, and keep it; `error` is what was raised."""
        sentence = f"{what} was not written: {self.reason(error)}"
        self.note(subject, f"At {time.strftime('%Y-%m-%d %H:%M:%S')} {sentence}")
        return sentence

    def reason(self, error: object) -> str:
        """Return what the system said, and what there is to do."""
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        said = f"{said or type(error).__name__} in {self._state_dir}{self._room()}."
        if isinstance(error, OSError) and error.errno not in _OUT_OF_ROOM:
            return f"{said} Give this user the right to write there; then it goes on by itself."
        return f"{said} Free some space or files there; then it goes on by itself."

    def sentences(self) -> list[str]:
        """Return what is wrong just now."""
        return list(self._sentences.values())

    def _room(self) -> str:
        """Return how much room there is left, where the system tells."""
        try:
            free, files = shutil.disk_usage(self._state_dir).free, os.statvfs(self._state_dir)
        except OSError:
            return ""
        inodes = f", {files.f_favail:,} files" if files.f_files else ""
        return f" ({free / 1e6:,.1f} MB{inodes} free)"
