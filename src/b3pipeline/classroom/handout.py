"""The notebooks as students get them: no solutions, no outputs, each with a market of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat

from b3pipeline.classroom.copies import course_notebooks, stripped, written
from b3pipeline.errors import ConfigError
from b3pipeline.files import write_whole
from b3pipeline.language import say


@dataclass(frozen=True)
class Handout:
    """What was written: a folder, its notebooks, and the students that have one of their own."""

    folder: Path
    notebooks: int
    students: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.students:
            return say(
                "{notebooks} notebooks without solutions and outputs in {folder}, a folder for "
                "each of {students} students.",
                notebooks=self.notebooks,
                folder=self.folder,
                students=len(self.students),
            )
        return say(
            "{notebooks} notebooks without solutions and outputs in {folder}.",
            notebooks=self.notebooks,
            folder=self.folder,
        )


def hand_out(folder: Path, root: Path, roster: Mapping[str, int] | None = None) -> Handout:
    """Return the notebooks of the course written to `folder`, stripped.

    With a roster, login to seed, each student has a folder there, named by the login, and the seed
    of the own market in the notebook that asks for one. Raises ConfigError, before anything is
    written, where a file that differs is there already, and where the folder cannot be written.
    """
    drafts: dict[Path, str] = {}
    for path in course_notebooks(root):
        for login in roster or [""]:
            given = {"seed": str(roster[login])} if roster else {}
            notebook = nbformat.read(root / "notebooks" / path, as_version=4)  # type: ignore[no-untyped-call]
            drafts[folder / login / path] = written(stripped(notebook, given))
    try:
        taken = [
            path
            for path, text in drafts.items()
            if path.exists() and path.read_text(encoding="utf-8", errors="replace") != text
        ]
        if taken:
            raise ConfigError(
                say("{path} is there already, and holds something else.", path=taken[0]),
                hint=say("give a new folder, or move that file away: it may be somebody's work."),
            )
        for path, text in drafts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
    except OSError as error:
        raise ConfigError(
            say(
                "{path} cannot be written: {why}.",
                path=error.filename or folder,
                why=error.strerror or error,
            ),
            hint=say("give another folder."),
        ) from error
    return Handout(folder, len(drafts), tuple(roster or ()))
