"""Which notebooks a command means: by their numbers, without what runs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from b3pipeline.errors import NotebookError
from b3pipeline.language import ENGLISH, LANGUAGES, language, say


def folder() -> str:
    """Return the folder of the language that is spoken; English has none of its own."""
    return "" if language() == ENGLISH else LANGUAGES[language()]


def chosen(root: Path, only: Sequence[str]) -> list[Path]:
    """Return the notebooks that the numbers name, in the order of the course."""
    paths = sorted((root / "notebooks" / folder()).glob("[0-9][0-9]_*.ipynb"))
    numbers = {path.name[:2]: path for path in paths}
    wanted = [number.zfill(2) for number in only] or list(numbers)
    unknown = [number for number in wanted if number not in numbers]
    if unknown:
        raise NotebookError(
            say("there is no notebook {unknown}.", unknown=", ".join(unknown)),
            hint=say("use numbers of {numbers}.", numbers=", ".join(numbers)),
        )
    return [path for number, path in numbers.items() if number in wanted]
