"""The check that a notebook calls below each exercise."""

from __future__ import annotations

from typing import Any

from b3pipeline.course.exercises.judges import EXERCISES
from b3pipeline.course.exercises.judging import Verdict, judged
from b3pipeline.course.exercises.solutions import solution
from b3pipeline.errors import NotebookError


def check(name: str, namespace: dict[str, Any], *, solve: bool = False) -> Verdict:
    """Return the verdict on what the notebook's variables hold under `name`.

    With `solve` the exercise's solution runs first where the name is not bound; then
    NotebookError is raised for anything that is not right, for nobody reads the verdict.
    """
    exercise = EXERCISES[name]
    if solve and name not in namespace:
        exec(solution(name), namespace)  # noqa: S102  # a cell of the notebook that calls this
    verdict = judged(exercise, namespace)
    if solve and not verdict.passed:
        raise NotebookError(
            f"the exercise {name!r} is not solved: {verdict.says}",
            hint="mend its solution, in the cell below the check.",
        )
    return verdict
