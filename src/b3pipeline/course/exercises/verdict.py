"""How an answer is judged: what a verdict says, and when a run may go on."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from b3pipeline.course.exercises.reading import UnreadableError
from b3pipeline.language import say
from b3pipeline.markup import mark

Judge = Callable[[Any, Mapping[str, Any]], str]
"""Takes an answer and the notebook's variables; returns what is wrong, '' where it is right."""

LONGEST = 200
"""Characters of an error that a verdict repeats."""

State = Literal["right", "wrong", "open"]

_MARKS = {"right": ("✔", "#006d4e"), "wrong": ("✘", "#b3261e"), "open": ("○", "#5b6675")}


@dataclass(frozen=True)
class Exercise:
    """One exercise: the name to bind, where to begin, and who judges the answer."""

    name: str
    hint: str
    judge: Judge


@dataclass(frozen=True)
class Verdict:
    """What a check says of an exercise: right, wrong, or not yet solved."""

    name: str
    state: State
    says: str

    @property
    def passed(self) -> bool:
        return self.state == "right"

    def __repr__(self) -> str:
        return f"{_MARKS[self.state][0]} {self.says}"

    def _repr_html_(self) -> str:
        return f"<p>{mark(*_MARKS[self.state])} {html.escape(self.says)}</p>"


def judged(exercise: Exercise, namespace: Mapping[str, Any]) -> Verdict:
    """Return the verdict on an exercise; an answer that the judge cannot even read is wrong."""
    name = exercise.name
    if name not in namespace:
        return Verdict(
            name,
            "open",
            say("Not solved yet: bind {name}. Hint: {hint}", name=name, hint=say(exercise.hint)),
        )
    try:
        wrong = exercise.judge(namespace[name], namespace)
    except UnreadableError as error:
        wrong = str(error)
    except KeyError as error:
        wrong = say("It holds no {error}.", error=error)
    except Exception as error:  # an answer may be anything at all
        said = (str(error).strip().splitlines() or [""])[0][:LONGEST]
        wrong = say(
            "It cannot be compared ({kind}: {error}).", kind=type(error).__name__, error=said
        )
    if wrong:
        return Verdict(
            name,
            "wrong",
            say("Not yet: {wrong} Hint: {hint}", wrong=wrong, hint=say(exercise.hint)),
        )
    return Verdict(name, "right", say("Right: {name} is what it should be.", name=name))
