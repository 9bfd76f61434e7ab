"""What was handed in: a folder's notebooks, whose they are, and which of the course each is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from b3pipeline.classroom.copies import NUMBERED, tags_of
from b3pipeline.classroom.folder import check_folder
from b3pipeline.classroom.judging import GRADED
from b3pipeline.classroom.seed import read_login
from b3pipeline.errors import B3Error, ConfigError
from b3pipeline.files import open_regular
from b3pipeline.language import say

LARGEST = 30_000_000
"""Bytes of a notebook that is read: one with all its plots has two million."""

_CHECK = re.compile(r"""exercises\.check\(\s*["'](\w+)["']""")
_BIND = re.compile(r"^#\s*Bind:\s*(\w+)", re.MULTILINE)
_SUFFIX = re.compile(r"(?P<login>.+?)[ _-]+\d\d_\w+")
_COLLECT = "from b3pipeline.classroom import answers as _answers; _answers.hand_over({!r}, vars())"
KEEP_GOING = "raises-exception"
"""nbclient's tag of a cell whose error does not end the run."""


@dataclass(frozen=True)
class Assignment:
    """A notebook of the course that has exercises, and the defaults of its parameters."""

    name: str
    exercises: tuple[str, ...]
    ids: frozenset[str]
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class HandIn:
    """One notebook of one student; `trouble` says why it cannot be run, '' where it can."""

    path: Path
    login: str
    assignment: Assignment | None = None
    trouble: str = ""


def assignments(root: Path) -> list[Assignment]:
    """Return the notebooks of the course whose exercises are graded; a translation has the same."""
    found = []
    for path in sorted((root / "notebooks").glob(NUMBERED)):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        names = tuple(name for source in code for name in _CHECK.findall(source))
        if names and set(names) <= GRADED.keys():
            ids = frozenset(str(cell.get("id")) for cell in cells)
            line = re.compile(r"^(\w+): \w+ = (.+?)\s*(?:#.*)?$", re.MULTILINE)
            found.append(Assignment(path.stem, names, ids, dict(line.findall(code[0]))))
    return found


def find_hand_ins(folder: Path, root: Path, roster: Mapping[str, int] | None) -> list[HandIn]:
    """Return what a folder holds, by login: `ana.silva.ipynb`, or `ana.silva/04_….ipynb`.

    What cannot be run has its `trouble`: nobody else's grade depends on it. Raises ConfigError
    where there is no such folder, or no notebook in it.
    """
    check_folder(folder)
    known = assignments(root)
    found = [
        _read(path, name, known, roster) for path, name in _notebooks(folder) if path.name[0] != "."
    ]
    if not found:
        raise ConfigError(
            say("{folder} holds no notebook.", folder=folder),
            hint=say("put them there as LOGIN.ipynb, or as LOGIN/04_athena_analysis.ipynb."),
        )
    return [_once(one, found) for one in found]


def _notebooks(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each notebook and the words that should be its student's login."""
    for path in sorted(folder.iterdir()):
        if path.suffix == ".ipynb":
            suffixed = _SUFFIX.fullmatch(path.stem)
            yield path, suffixed["login"] if suffixed else path.stem
        elif path.is_dir() and not path.is_symlink() and path.name[0] not in "._":
            for one in sorted(path.glob("*.ipynb")):
                yield one, path.name


def _once(one: HandIn, every: list[HandIn]) -> HandIn:
    alike = [
        other.path.name
        for other in every
        if one.assignment and (other.login, other.assignment) == (one.login, one.assignment)
    ]
    if len(alike) < 2 or one.trouble:
        return one
    said = say(
        "{login} handed {notebook} in more than once: {files}.",
        login=one.login,
        notebook=one.assignment.name if one.assignment else "",
        files=", ".join(alike),
    )
    return HandIn(one.path, one.login, one.assignment, said)


def _read(
    path: Path, name: str, known: list[Assignment], roster: Mapping[str, int] | None
) -> HandIn:
    try:
        login = read_login(name)
    except B3Error as error:
        return HandIn(
            path, name[:64], trouble=say("{why} It should name its file.", why=error.message)
        )
    if roster is not None and login not in roster:
        return HandIn(path, login, trouble=say("{login} is not in the roster.", login=login))
    try:
        notebook = read_notebook(path)
    except ValueError as error:
        said = say("{file} is no notebook: {why}.", file=path.name, why=error)
        return HandIn(path, login, trouble=said)
    scores = {one.name: _likeness(notebook, one) for one in known}
    best = max(known, key=lambda one: scores[one.name], default=None)
    if best is None or not scores[best.name]:
        said = say("{file} has no exercise that is graded.", file=path.name)
        return HandIn(path, login, trouble=said)
    return HandIn(path, login, best)


def read_notebook(path: Path) -> Any:
    """Return a notebook without its outputs; raises ValueError, which says why it is none."""
    if path.is_symlink():
        raise ValueError(say("it is a link"))
    try:
        with open_regular(path) as file:
            body = file.read(LARGEST + 1)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    if len(body) > LARGEST:
        raise ValueError(say("it has more than {largest:,} bytes", largest=LARGEST))
    try:
        notebook = nbformat.reads(body.decode("utf-8"), as_version=4)  # type: ignore[no-untyped-call]
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
                str(cell.source)
        nbformat.validate(notebook)
    except Exception as error:  # a file may be anything at all
        said = str(error).strip().partition("\n")[0][:120]
        why = f"{type(error).__name__}: {said}"
        raise ValueError(say("it cannot be read ({why})", why=why)) from error
    return notebook


def _likeness(notebook: Any, one: Assignment) -> int:
    ids = sum(str(cell.get("id")) in one.ids for cell in notebook.cells)
    asked = {name for cell in notebook.cells for name in _named(cell)}
    return ids + 100 * len(asked & set(one.exercises))


def _named(cell: Any) -> list[str]:
    return [*_CHECK.findall(cell.source), *_BIND.findall(cell.source)]


def to_run(notebook: Any, assignment: Assignment) -> Any:
    """Return the notebook as it is graded; it is changed in place.

    The checks of the student go; in their place each answer is handed over, and once more at the
    end where a check is gone. A cell that fails does not end the run.
    """
    cells, asked = [], set()
    for cell in notebook.cells:
        names = [name for name in _CHECK.findall(cell.source) if name in assignment.exercises]
        if cell.cell_type != "code":
            continue
        if names or "check" in tags_of(cell):
            cells += [_collecting(name) for name in names]
            asked |= set(names)
            continue
        if "parameters" not in tags_of(cell) and re.match(r"target\s*(:|=)", cell.source):
            cell.metadata["tags"] = [*tags_of(cell), "parameters"]
        cell.metadata["tags"] = [*tags_of(cell), KEEP_GOING]
        cells.append(cell)
    cells += [_collecting(name) for name in assignment.exercises if name not in asked]
    notebook.cells = cells
    return notebook


def _collecting(name: str) -> Any:
    metadata = {"tags": [KEEP_GOING]}
    return nbformat.v4.new_code_cell(_COLLECT.format(name), metadata=metadata)  # type: ignore[no-untyped-call]
