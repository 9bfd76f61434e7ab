"""The work copies: notebooks to write in, which git does not see and nothing overwrites."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from b3pipeline.calendar import Clock, utc_now
from b3pipeline.classroom.copies import course_notebooks, sources_of
from b3pipeline.errors import NotebookError
from b3pipeline.files import write_whole
from b3pipeline.language import say

FOLDER, KEPT = "work", "_kept"
_ORIGINS = ".origins.json"


@dataclass(frozen=True)
class WorkCopies:
    """What became of the copies, as paths below `work/`.

    `made`: new ones; `renewed`: nobody had written in them, and the course has a newer one;
    `behind`: the course has a newer one, and the student's stays; `kept`: where work was put aside.
    """

    folder: Path
    made: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    kept: Path | None = None

    def __str__(self) -> str:
        lines = [say("Your copies of the notebooks are in {folder}.", folder=self.folder)]
        if self.made:
            lines.append(say("  new: {names}", names=", ".join(self.made)))
        if self.renewed:
            lines.append(say("  brought up to date: {names}", names=", ".join(self.renewed)))
        lines += [
            say(
                "  {name}: the course has a newer one; yours stays. `b3 class reset {number}` "
                "takes the new one and keeps yours.",
                name=name,
                number=Path(name).name[:2],
            )
            for name in self.behind
        ]
        if self.restored:
            lines.append(say("  as git has them again: {names}", names=", ".join(self.restored)))
        if self.kept:
            lines.append(say("  what you had written is kept in {folder}", folder=self.kept))
        return "\n".join(lines)


def refresh(root: Path) -> WorkCopies:
    """Return the work copies, made where they are not there; a student's work stays as it is.

    Raises NotebookError where the folder cannot be written.
    """
    with _writing(root) as folder:
        origins = _read_origins(folder)
        made, renewed, behind = [], [], []
        for path in course_notebooks(root):
            name, mine = path.as_posix(), folder / path
            text = (root / "notebooks" / path).read_text(encoding="utf-8")
            if not mine.exists():
                made.append(name)
            elif _sources(text) == _sources(mine.read_text(encoding="utf-8")):
                origins[name] = text
                continue
            elif _sources(mine.read_text(encoding="utf-8")) == _sources(origins.get(name, "")):
                renewed.append(name)
            else:
                if origins.get(name) != text:
                    behind.append(name)
                continue
            _put(mine, text)
            origins[name] = text
        write_whole(folder / _ORIGINS, json.dumps(origins))
        return WorkCopies(folder, tuple(made), tuple(renewed), tuple(behind))


def reset(root: Path, numbers: tuple[str, ...] = (), *, clock: Clock = utc_now) -> WorkCopies:
    """Return the work copies begun anew, all or those of `numbers`; nothing written is lost.

    Copies that differ from the course are put aside below `work/_kept/`. Notebooks of the course
    itself that were written in are put aside, too, and are as git has them again. Raises
    NotebookError for an unknown number, and where the folder cannot be written.
    """
    paths = course_notebooks(root)
    wanted = {number.zfill(2) for number in numbers} or {path.name[:2] for path in paths}
    if unknown := sorted(wanted - {path.name[:2] for path in paths}):
        known = sorted({path.name[:2] for path in paths})
        raise NotebookError(
            say("there is no notebook {unknown}.", unknown=", ".join(unknown)),
            hint=say("use numbers of {numbers}.", numbers=", ".join(known)),
        )
    chosen = [path for path in paths if path.name[:2] in wanted]
    with _writing(root) as folder:
        aside = _free(folder / KEPT / f"{clock():%Y-%m-%d_%H%M%S}")
        restored = []
        for path in chosen:
            committed = _in_git(root, path)
            original = root / "notebooks" / path
            if committed is not None and committed != original.read_text(encoding="utf-8"):
                _put_aside(original, aside / "notebooks" / path)
                _put(original, committed)
                restored.append(path.as_posix())
        for path in chosen:
            mine = folder / path
            text = (root / "notebooks" / path).read_text(encoding="utf-8")
            if mine.exists() and mine.read_text(encoding="utf-8") != text:
                _put_aside(mine, aside / path)
                mine.unlink()
    copies = refresh(root)
    kept = aside if aside.exists() else None
    return WorkCopies(folder, copies.made, (), copies.behind, tuple(restored), kept)


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)


def _put_aside(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target)


def _free(folder: Path) -> Path:
    """Return a folder that is not there yet: this one, or the next one beside it."""
    number, free = 2, folder
    while free.exists():
        number, free = number + 1, folder.with_name(f"{folder.name}-{number}")
    return free


def _sources(text: str) -> list[tuple[str, str]] | None:
    """Return what a person wrote of a notebook; None where it cannot be read: it is kept, then."""
    try:
        return sources_of(text)
    except ValueError:
        return None if text else []


def _read_origins(folder: Path) -> dict[str, str]:
    """Return the text of each notebook that a copy was made from; nothing where it is damaged."""
    try:
        found = json.loads((folder / _ORIGINS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return dict(found) if isinstance(found, dict) else {}


def _in_git(root: Path, path: Path) -> str | None:
    """Return a notebook as the last commit has it; None without git, or where it has none."""
    command = ["git", "-C", str(root), "show", f"HEAD:./notebooks/{path.as_posix()}"]
    try:
        answer = subprocess.run(command, capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.decode("utf-8") if answer.returncode == 0 else None


@contextmanager
def _writing(root: Path) -> Iterator[Path]:
    """Make the folder of the copies, and turn what the disk refuses into NotebookError."""
    folder = root / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        yield folder
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or error
        raise NotebookError(
            say(
                "{path} cannot be used: {why}.",
                path=getattr(error, "filename", None) or folder,
                why=said,
            ),
            hint=say("free some space, or give this user the right to write there, then again."),
        ) from error
