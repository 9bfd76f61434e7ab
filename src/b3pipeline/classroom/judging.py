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
from types import SimpleNamespace
from typing import Any

from b3pipeline import athena, ingest, lake, names
from b3pipeline.calendar import parse_date, sessions
from b3pipeline.classroom.answers import NoAnswer, SparkRows, Statement, read_answer
from b3pipeline.classroom.market import Market
from b3pipeline.cloud.clients import Cloud
from b3pipeline.course import drill, lesson
from b3pipeline.course.exercises import EXERCISES, Verdict
from b3pipeline.course.exercises.verdict import judged
from b3pipeline.errors import B3Error
from b3pipeline.language import say
from b3pipeline.sources import open_source

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
    "lacking": ("first",),
    "fall": ("third", "before", "after"),
}
"""The exercises that are graded, and what each judge reads that takes a while to make."""

DRILL_TICKERS, DRILL_START, DRILL_END = ("PETR4", "BBAS3", "WEGE3"), "2024-03-01", "2024-03-28"
FAULTS = "429:WEGE3; missing:PETR4:2024-03-05; bad:BBAS3:2024-03-06"
SPLIT_TICKER, SPLIT_DAY = "PETR4", "2024-03-26"
"""What notebook 05 loads, and the faults that it causes: the same of every student's market."""

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

    `source` names the market, `ticker` the share that notebook 03 looks at. One desk judges all
    hand-ins of its market.
    """

    cloud: Cloud
    market: Market
    source: str
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
            "first": self._first,
            "third": lambda: _with_manifest(restated=[SimpleNamespace(ticker=SPLIT_TICKER)]),
            "before": lambda: self._closes(""),
            "after": lambda: self._closes(f"split:{SPLIT_TICKER}:{SPLIT_DAY}:2"),
        }
        for name in GRADED[exercise]:
            if name not in self._answers:
                self._answers[name] = made[name]()
        session = sessions(parse_date(start), parse_date(end))[0]
        plain = {"start": start, "end": end, "session": session, "ticker": self.market.tickers[0]}
        plain["split_day"] = SPLIT_DAY
        return {**plain, "cloud": self.cloud, **self._answers}

    def _daily(self) -> SparkRows:
        bars = lake.read_bronze(self.cloud, tickers=[self.ticker]).head(SESSIONS_SHOWN)
        return SparkRows(bars)

    def _first(self) -> ingest.Batch:
        """Return the batch that notebook 05 loads first, loaded here, beside the market."""
        cloud = drill.open_beside(self.cloud)
        try:
            bucket = cloud.config.raw_data_bucket
            # Nobody asks for its silver: the manifest shall start no Spark.
            cloud.s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration={}
            )
            market = open_source(self.source, faults=FAULTS)
            return ingest.ingest(cloud, market, DRILL_TICKERS, DRILL_START, DRILL_END)
        finally:
            drill.close(cloud)

    def _closes(self, faults: str) -> Any:
        """Return the closes of notebook 05's share, as its queries have them."""
        first, last = map(parse_date, (DRILL_START, DRILL_END))
        found = open_source(self.source, faults=faults).fetch([SPLIT_TICKER], first, last).frame
        moments = found["traded_at"].dt.normalize()
        frame = found.assign(trade_date=moments, close_price=found["close"])
        return SimpleNamespace(frame=frame)

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


def _with_manifest(**facts: Any) -> Any:
    return SimpleNamespace(manifest=SimpleNamespace(**facts))


def verdicts(desk: Desk, exercises: tuple[str, ...], answers: Path) -> Mapping[str, Verdict]:
    """Return the verdict on each exercise, by name, of the answers in a folder."""
    return {name: desk.judge(name, read_answer(answers, name)) for name in exercises}
