"""The check below each exercise, and the solutions: these stand in the notebooks, folded away."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from b3pipeline.cloud.config import project_root
from b3pipeline.course.exercises.judges import EXERCISES
from b3pipeline.course.exercises.verdict import Verdict, judged
from b3pipeline.course.parameters import read_flag
from b3pipeline.errors import NotebookError
from b3pipeline.language import say

_CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def check(name: str, namespace: dict[str, Any], *, solve: bool = False) -> Verdict:
    """Return the verdict on what the notebook's variables hold under `name`.

    With `solve` the exercise's solution runs first where the name is not bound; then
    NotebookError is raised for anything that is not right, for nobody reads the verdict.
    """
    exercise, solve = EXERCISES[name], read_flag("solve", solve)
    solved = solve and name not in namespace
    if solved:
        exec(solution(name), namespace)  # noqa: S102  # a cell of the notebook that calls this
    verdict = judged(exercise, namespace)
    if solved and verdict.passed:
        verdict = replace(
            verdict, says=say("The notebook's own solution ran: {name} is right.", name=name)
        )
    if solve and not verdict.passed:
        raise NotebookError(
            say("the exercise {name!r} is not solved: {says}", name=name, says=verdict.says),
            hint=say("mend its solution, in the cell below the check."),
        )
    return verdict


def solution(name: str) -> str:
    """Return the code that solves the exercise which binds `name`.

    It is the Python block of the cell tagged `solution` that follows the exercise's check.
    Raises NotebookError where no notebook has it.
    """
    for path in sorted((project_root() / "notebooks").glob("[0-9]*.ipynb")):
        waiting = False
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            waiting = waiting or _is_check_of(name, cell)
            if waiting and "solution" in _tags(cell):
                return _code(_source(cell), name)
    raise NotebookError(
        say("no notebook holds a solution of the exercise {name!r}.", name=name),
        hint=say("it is a cell tagged `solution`, below the check that names the exercise."),
    )


def _is_check_of(name: str, cell: Any) -> bool:
    return "check" in _tags(cell) and f'check("{name}"' in _source(cell)


def _tags(cell: Any) -> list[str]:
    return list(cell["metadata"].get("tags", []))


def _source(cell: Any) -> str:
    return "".join(cell["source"])


def _code(text: str, name: str) -> str:
    found = _CODE.search(text)
    if found is None:
        raise NotebookError(
            say("the solution of {name!r} holds no Python.", name=name),
            hint=say("put it between ```python and ```."),
        )
    return found[1]
