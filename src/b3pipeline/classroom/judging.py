"""The judges over what a hand-in left, with variables that the student never touched.

Queries are asked for again, of the market as it was made ready: their rows, and the bytes that
they read, are AWS's own word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from b3pipeline import athena, lake, names
from b3pipeline.calendar import parse_date, sessions
from b3pipeline.classroom.answers import NoAnswer, SparkRows, Statement, read_answer
from b3pipeline.classroom.market import Market
from b3pipeline.cloud.clients import Cloud
from b3pipeline.course import lesson
from b3pipeline.course.exercises import EXERCISES, Verdict
from b3pipeline.course.exercises.verdict import judged
from b3pipeline.errors import B3Error
from b3pipeline.language import say

GRADED: Mapping[str, tuple[str, ...]] = {
    "closed": (),
    "per_ticker": (),
    "repaired": (),
    "hours": ("batch",),
    "spans": ("daily",),
    "smooth": ("daily",),
    "ranking": ("growth",),
    "above": ("closes",),
    "streaks": ("activity",),
}
"""The exercises that are graded, and what each judge reads that takes a while to make.

Those of notebook 05 are not: their right answers are what the student's own faults left.
"""

_QUESTION = re.compile(r"[\s(]*(SELECT|WITH)\b", re.IGNORECASE)
_REPAIR = re.compile(
    rf"\s*MSCK\s+REPAIR\s+TABLE\s+(`?\w+`?\s*\.\s*)?`?{names.BRONZE_TABLE}`?\s*;?\s*", re.IGNORECASE
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
SESSIONS_SHOWN = 8
"""Sessions of the share that notebook 03 looks at closely."""


@dataclass(frozen=True)
class Desk:
    """A student's market as it was made ready, and what the notebooks' variables hold on it.

    `ticker` is the share that notebook 03 looks at. One desk judges all hand-ins of its market.
    """

    cloud: Cloud
    market: Market
    ticker: str
    _answers: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def asked(self) -> dict[str, Any]:
        market = self.market
        return {"start": market.start, "end": market.end, "tickers": list(market.tickers)}

    def variables(self, exercise: str) -> dict[str, Any]:
        """Return what the judge of an exercise reads beside the answer."""
        start, end = self.market.start, self.market.end
        made: dict[str, Callable[[], Any]] = {
            "closes": lambda: athena.query(self.cloud, "closes_with_ma5", params=self.asked),
            "growth": lambda: athena.query(self.cloud, "cumulative_return", params=self.asked),
            "activity": lambda: athena.query(self.cloud, "volume_and_moves", params=self.asked),
            "batch": lambda: lesson.need_batch(self.cloud, self.ticker),
            "daily": self._daily,
        }
        for name in GRADED[exercise]:
            if name not in self._answers:
                self._answers[name] = made[name]()
        session = sessions(parse_date(start), parse_date(end))[0]
        plain = {"start": start, "end": end, "session": session, "ticker": self.market.tickers[0]}
        return {**plain, "cloud": self.cloud, **self._answers}

    def _daily(self) -> SparkRows:
        bars = lake.read_bronze(self.cloud, tickers=[self.ticker]).head(SESSIONS_SHOWN)
        return SparkRows(bars)

    def judge(self, name: str, answer: Any) -> Verdict:
        """Return the verdict on an answer as `read_answer` returned it."""
        exercise, variables = EXERCISES[name], self.variables(name)
        if answer is NoAnswer:
            return judged(exercise, variables)
        if isinstance(answer, Statement):
            try:
                answer = self._asked_again(answer.sql, repairs=name == "repaired")
            except B3Error as error:
                return Verdict(name, "wrong", say("Not yet: {wrong}", wrong=error.message))
        return judged(exercise, {**variables, name: answer})

    def _asked_again(self, sql: str, *, repairs: bool) -> Any:
        """Return what a statement brings on this market; one that would change it brings None."""
        bare = _COMMENT.sub(" ", sql)
        if repairs and _REPAIR.fullmatch(bare):
            place = (str(self.variables("repaired")["session"]), self.market.tickers[0])
            lesson.forget_partition(self.cloud, names.BRONZE_TABLE, *place)
            return athena.query(self.cloud, sql)
        if not repairs and _QUESTION.match(bare):
            return athena.query(self.cloud, sql)
        return None

    def tidy(self) -> None:
        """Put the market back as it was, whatever a statement did to its catalog."""
        lake.register_existing(self.cloud, names.BRONZE_TABLE)


def verdicts(desk: Desk, exercises: tuple[str, ...], answers: Path) -> Mapping[str, Verdict]:
    """Return the verdict on each exercise, by name, of the answers in a folder."""
    return {name: desk.judge(name, read_answer(answers, name)) for name in exercises}
