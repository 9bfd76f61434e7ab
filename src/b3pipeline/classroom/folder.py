"""The folder of the hand-ins, looked at before what reads them is imported."""

from __future__ import annotations

from pathlib import Path

from b3pipeline.errors import ConfigError
from b3pipeline.language import say


def check_folder(folder: Path) -> None:
    """Raise ConfigError where there is no such folder of hand-ins."""
    if not folder.is_dir():
        raise ConfigError(
            say("{folder} is no folder.", folder=folder),
            hint=say("name the one with the notebooks."),
        )
