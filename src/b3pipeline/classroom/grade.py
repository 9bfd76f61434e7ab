"""`b3 grade`: a folder of hand-ins in, grades out, each with its reasons and its seconds."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from b3pipeline.classroom import exam, judging, market, walls
from b3pipeline.classroom.exam import Limits
from b3pipeline.classroom.hand_ins import Assignment, HandIn, assignments, find_hand_ins
from b3pipeline.classroom.judging import Desk
from b3pipeline.classroom.market import Market, Ready
from b3pipeline.classroom.page import write_page
from b3pipeline.classroom.seed import seed_of_login
from b3pipeline.cloud.clients import Cloud
from b3pipeline.course.parameters import read_given
from b3pipeline.deployment import sandbox
from b3pipeline.errors import ConfigError
from b3pipeline.files import write_whole
from b3pipeline.language import say, say_many
from b3pipeline.progress import Progress, track
from b3pipeline.sources.seeds import source_of_seed

T = TypeVar("T")
R = TypeVar("R")

SECONDS_A_QUERY = 60.0
"""How long a student's statement may take when it is asked again."""


@dataclass(frozen=True)
class Mark:
    """One exercise of one hand-in: its points (1 or 0), and why."""

    exercise: str
    points: int
    says: str


@dataclass(frozen=True)
class Grade:
    """What a hand-in came to. `note` says what went wrong with the notebook as a whole, or ''.

    `graded` is False where nothing could be run; `seconds` are those of the run.
    """

    student: str
    seed: int | None
    notebook: str
    file: str
    marks: tuple[Mark, ...] = ()
    seconds: float = 0.0
    note: str = ""
    graded: bool = True

    @property
    def points(self) -> int:
        return sum(mark.points for mark in self.marks)

    @property
    def of(self) -> int:
        """The points that the notebook has."""
        return len(self.marks)


@dataclass(frozen=True)
class Grades:
    """The grades of a class, where they are written, and the walls that stood around each run."""

    grades: tuple[Grade, ...]
    folder: Path
    walls: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every hand-in could be run."""
        return all(grade.graded for grade in self.grades)

    def __str__(self) -> str:
        wide = max(len(grade.student) for grade in self.grades)
        lines = [
            f"  {grade.student:{wide}}  {grade.points}/{grade.of}  {grade.notebook}"
            f"{'  ' + grade.note if grade.note else ''}"
            for grade in self.grades
        ]
        return "\n".join(
            [
                say_many("{count:,} hand-in:", "{count:,} hand-ins:", len(self.grades)),
                *lines,
                say("The page: {path}", path=self.folder / "index.html"),
            ]
        )


def grade(
    folder: Path,
    out: Path,
    root: Path,
    *,
    roster: Mapping[str, int] | None = None,
    class_name: str = "",
    limits: Limits | None = None,
    jobs: int | None = None,
    given: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Grades:
    """Return the grades of the hand-ins in `folder`, written to `out`: CSV, JSON and a page.

    `roster` is login to seed; without it everybody is known, and has the seed of the login. `jobs`
    notebooks run at a time: as many as there are cores. `given` are tickers, start and end of the
    markets, where they are not the notebooks' own. Raises ConfigError where the folder holds no
    notebook, or `out` cannot be written.
    """
    hand_ins = find_hand_ins(folder, root, roster)
    usual = _usual(root)
    wanted = _market({**usual, **(given or {})})
    ready = Ready(out / "markets", wanted)
    _make(ready.folder)
    seeds = {
        one.login: roster[one.login] if roster else seed_of_login(one.login, class_name)
        for one in hand_ins
        if not one.trouble
    }
    workers = jobs or os.cpu_count() or 1
    sound = [one for one in hand_ins if not one.trouble]
    make_ready(ready, root, [seeds[one.login] for one in sound], workers, progress)
    with _room(out) as place:

        def sit(number: int, one: HandIn) -> exam.Sitting:
            seed, known = seeds[one.login], _known(one.assignment)
            mine = _parameters(known, wanted, seed)
            return exam.hold(
                one, place / f"{number:03}", ready.path(seed), mine, limits or Limits()
            )

        sittings = _all(sit, sound, workers, progress, "notebooks")
        groups: dict[int, list[int]] = {}
        for number, one in enumerate(sound):
            groups.setdefault(seeds[one.login], []).append(number)

        def judge(_: int, seed: int) -> list[Grade]:
            return _judge(ready, seed, [(sound[n], sittings[n]) for n in groups[seed]], usual)

        by_market = _all(judge, list(groups), workers, progress, "judges")
        found = [one for some in by_market for one in some]
    found += [_refused(one) for one in hand_ins if one.trouble]
    found += [
        Grade(login, seed, "", "", note=say("nothing was handed in."), graded=False)
        for login, seed in (roster or {}).items()
        if login not in {one.student for one in found}
    ]
    grades = Grades(
        tuple(sorted(found, key=lambda one: (one.student, one.notebook, one.file))),
        out,
        walls.standing(),
    )
    write(grades)
    return grades


@contextmanager
def _room(out: Path) -> Iterator[Path]:
    """Make a folder for the runs below `out`, and remove it at the end."""
    place = Path(tempfile.mkdtemp(prefix="b3-grade-", dir=out.resolve()))
    try:
        yield place
    finally:
        exam.remove(place)


def make_ready(
    ready: Ready, root: Path, seeds: Sequence[int], workers: int, progress: Progress | None
) -> None:
    """Make the markets of `seeds` that are not there yet."""
    lacking = ready.lacking(seeds)
    if not lacking:
        return
    with ThreadPoolExecutor(1) as beside:
        rows = beside.submit(market.refine_all, ready, lacking)
        template = market.make_template(ready, root)
        silver = rows.result()
    _all(
        lambda _, seed: market.prepare(ready, seed, template, silver[seed]),
        lacking,
        workers,
        progress,
        "markets",
    )
    market.tidy(ready)


def _all(
    act: Callable[[int, T], R],
    items: Sequence[T],
    workers: int,
    progress: Progress | None,
    title: str,
) -> list[R]:
    """Return what `act` returns for each item and its number, several at a time."""
    with ThreadPoolExecutor(workers) as threads:
        done = threads.map(act, range(len(items)), items)
        return list(track(done, progress, total=len(items), desc=title))


def _usual(root: Path) -> dict[str, str]:
    """Return the defaults of the notebooks' parameters, text without its quotes."""
    found: dict[str, str] = {}
    for one in assignments(root):
        for name, value in one.parameters.items():
            found.setdefault(name, value.strip("\"'"))
    return found


def _market(values: Mapping[str, Any]) -> Market:
    known = read_given({name: values[name] for name in ("tickers", "start", "end")})
    return Market(tuple(known["tickers"].split(",")), known["start"], known["end"])


def _known(one: Assignment | None) -> Assignment:
    if one is None:
        raise ValueError("a hand-in that can be run has its notebook")
    return one


def _parameters(one: Assignment, market: Market, seed: int) -> dict[str, Any]:
    """Return the parameters of a run: those of the notebook itself, whatever the student's are."""
    values = {
        "target": "local",
        "source": "sample",
        "seed": seed,
        "tickers": ",".join(market.tickers),
        "start": market.start,
        "end": market.end,
        "solve": False,
    }
    return {name: value for name, value in values.items() if name in one.parameters}


def _judge(
    ready: Ready,
    seed: int,
    sat: Sequence[tuple[HandIn, exam.Sitting]],
    usual: Mapping[str, str],
) -> list[Grade]:
    """Return the grades of all hand-ins of one market."""
    prepared = ready.path(seed)
    closely = usual.get("ticker", ready.market.tickers[0])
    if closely not in ready.market.tickers:
        closely = ready.market.tickers[0]
    try:
        cloud = Cloud(sandbox.wake(prepared, seconds_a_query=SECONDS_A_QUERY))
        desk = Desk(cloud, ready.market, source_of_seed(seed), closely)
        found = []
        for one, sitting in sat:
            known = _known(one.assignment)
            marks = tuple(
                Mark(name, int(verdict.passed), verdict.says)
                for name, verdict in judging.verdicts(
                    desk, known.exercises, sitting.answers
                ).items()
            )
            found.append(
                Grade(
                    one.login,
                    seed,
                    known.name,
                    one.path.name,
                    marks,
                    round(sitting.seconds, 1),
                    sitting.ended,
                )
            )
        desk.tidy()
        return found
    finally:
        sandbox.down(prepared)


def _refused(one: HandIn) -> Grade:
    known = one.assignment
    marks = tuple(Mark(name, 0, one.trouble) for name in (known.exercises if known else ()))
    name = known.name if known else ""
    return Grade(one.login, None, name, one.path.name, marks, 0.0, one.trouble, graded=False)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            say("{path} cannot be written: {why}.", path=folder, why=error.strerror),
            hint=say("give another folder."),
        ) from error


def write(grades: Grades) -> None:
    """Write the grades to their folder: `grades.csv`, `grades.json`, `index.html`."""
    write_whole(grades.folder / "grades.csv", as_csv(grades))
    write_whole(grades.folder / "grades.json", as_json(grades))
    write_page(grades.folder / "index.html", grades)


def as_csv(grades: Grades) -> str:
    """Return a row a hand-in: who, which, points of each exercise, in all, seconds, reasons."""
    exercises = list(dict.fromkeys(mark.exercise for one in grades.grades for mark in one.marks))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    titles = ["student", "seed", "notebook", "file", *exercises, "points", "of", "seconds"]
    rows.writerow([*titles, "note", "reasons"])
    for one in grades.grades:
        points = {mark.exercise: mark.points for mark in one.marks}
        why = " | ".join(f"{m.exercise}: {m.says}" for m in one.marks if not m.points)
        rows.writerow(
            [
                _cell(one.student),
                "" if one.seed is None else one.seed,
                one.notebook,
                _cell(one.file),
                *(points.get(name, "") for name in exercises),
                *(one.points, one.of, one.seconds),
                *(_cell(one.note), _cell(why)),
            ]
        )
    return text.getvalue()


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    flat = " ".join(text.split())
    return f"'{flat}" if flat[:1] in ("=", "+", "-", "@") else flat


def as_json(grades: Grades) -> str:
    """Return the grades as a JSON document."""
    content = {
        "version": 1,
        "walls": grades.walls,
        "hand_ins": [
            {
                "student": one.student,
                "seed": one.seed,
                "notebook": one.notebook,
                "file": one.file,
                "points": one.points,
                "of": one.of,
                "seconds": one.seconds,
                "graded": one.graded,
                "note": one.note,
                "exercises": {m.exercise: {"points": m.points, "says": m.says} for m in one.marks},
            }
            for one in grades.grades
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
