"""A batch that has begun: its journal, and what earlier runs have left to be settled."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from b3pipeline import lake, names
from b3pipeline.calendar import Clock, last_closed_session, sessions, utc_now
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import NothingToDoError
from b3pipeline.ingest.plans import Plan
from b3pipeline.ingest.survey import survey
from b3pipeline.ingest.write import finish
from b3pipeline.lake import Journal
from b3pipeline.lake.storage import list_keys
from b3pipeline.progress import Progress

log = logging.getLogger(__name__)

_created_at = attrgetter("created_at")

Request = dict[str, Any]
"""What was asked for, as JSON knows it: the same request completes a batch that was cut off."""


@dataclass(frozen=True)
class Begun:
    """A batch with a journal: what was asked for, when, and what it plans."""

    journal: Journal
    request: Request
    created_at: dt.datetime
    plan: Plan
    resumed: bool = False

    def note(self) -> None:
        """Put the plan into the journal."""
        content = {
            "version": 1,
            "request": self.request,
            "created_at": self.created_at.isoformat(),
            "plan": self.plan.to_dict(),
        }
        self.journal.write_plan(content)

    @classmethod
    def read(cls, journal: Journal) -> Begun:
        """Return the batch that a journal belongs to; raises StorageError where it is damaged."""
        content = journal.read_plan()
        with journal.reading():
            return cls(
                journal,
                content["request"],
                dt.datetime.fromisoformat(content["created_at"]),
                Plan.from_dict(content["plan"]),
                resumed=True,
            )


def request_of(wanted: Plan, *, since_last: bool, window: int) -> Request:
    """Return what `wanted` asks for, to be compared with what an earlier run was asked."""
    return {
        "source": wanted.source,
        "interval": wanted.interval,
        "tickers": list(wanted.tickers),
        "start": str(wanted.start),
        "end": str(wanted.end),
        "last_session": str(wanted.sessions[-1]),
        "since_last": since_last,
        "window": window,
        "only": wanted.only and {ticker: list(days) for ticker, days in wanted.only.items()},
    }


def begin(
    cloud: Cloud, request: Request, surveyed: Plan, clock: Clock, batch_id: str | None = None
) -> Begun:
    """Return a new batch, its plan in the journal."""
    created_at = clock().astimezone(dt.UTC).replace(microsecond=0)
    journal = Journal(cloud, batch_id or lake.new_batch_id(created_at))
    begun = Begun(journal, request, created_at, surveyed)
    begun.note()
    return begun


def settle(
    cloud: Cloud, progress: Progress | None = None
) -> list[tuple[Begun, lake.BatchManifest | None]]:
    """Return the batches that were cut off, oldest first, each with its manifest if it stands now.

    One that had fetched everything is written to its end: bronze holds some of it, maybe. One
    that had not has changed nothing, and waits for the same request or for `resume`.
    """
    left = []
    for journal in lake.list_journals(cloud):
        begun = Begun.read(journal)
        manifest = finish(cloud, journal, begun.plan, progress)
        if manifest is None:
            log.warning("batch %s was cut off while fetching", journal.batch_id)
        else:
            log.warning("batch %s had been cut off, and is complete now", journal.batch_id)
        left.append((begun, manifest))
    return left


def refreshed(cloud: Cloud, begun: Begun) -> Begun:
    """Return a batch that was cut off, without what came of it if a later one has been written.

    What came then is older than what bronze holds by now, and would replace it.
    """
    own = names.manifest_key(begun.journal.batch_id)
    if next(iter(list_keys(cloud, names.MANIFEST_PREFIX, own)), None) is None:
        return begun
    begun.journal.drop_slices()
    bare = replace(begun.plan, firsts={}, windows={}, asks=())
    request = begun.request
    try:
        surveyed = survey(cloud, bare, request["window"], since_last=request["since_last"])
    except NothingToDoError:  # the later batch has brought it all
        begun.journal.discard()
        raise
    begun = replace(begun, plan=surveyed)
    begun.note()
    return begun


def plan_missing(cloud: Cloud, clock: Clock = utc_now) -> Plan:
    """Return a plan of what the newest incomplete batch lacks and no later one brought.

    Raises NothingToDoError where every batch is complete.
    """
    brought: set[tuple[str, str]] = set()
    newest_first = sorted(lake.list_manifests(cloud), key=_created_at, reverse=True)
    for _, alike in groupby(newest_first, key=_created_at):  # of one second nobody knows the order
        batches = list(alike)
        brought |= {
            (ticker, day)
            for batch in batches
            for ticker, days in batch.partitions.items()
            for day in days
        }
        for batch in batches:
            lacking = [(gap.ticker, gap.dt) for gap in batch.missing]
            lacking = [pair for pair in lacking if pair not in brought]
            if lacking:
                return _plan_of(batch, lacking, last_closed_session(clock()))
    raise NothingToDoError(
        "no batch was cut off, and none lacks a session: there is nothing to resume.",
        hint="`b3 ingest --since last` asks for what is new.",
    )


def _plan_of(batch: lake.BatchManifest, pairs: list[tuple[str, str]], final: dt.date) -> Plan:
    only: dict[str, list[str]] = {}
    for ticker, day in sorted(pairs):
        only.setdefault(ticker, []).append(day)
    days = [dt.date.fromisoformat(day) for _, day in pairs]
    start, end = min(days), max(days)
    return Plan(
        batch.source,
        batch.interval,
        tuple(only),
        start,
        end,
        tuple(day for day in sessions(start, end) if day <= final),
        final=final,
        only=only,
    )
