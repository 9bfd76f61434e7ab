"""What a run is asked for: its arguments, and the sessions and batches that follow from them."""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

from b3pipeline.errors import RefineError
from b3pipeline.job.batches import sessions_of, undone_batches
from b3pipeline.job.lakehouse import Lake, _in, _slices
from b3pipeline.job.plan import (
    Plan,
    Session,
    Sessions,
    by_ticker,
    neighbours,
    pairs,
    sessions_to_read,
)
from b3pipeline.language import note
from b3pipeline.names import (
    BRONZE_PREFIX,
    BRONZE_TABLE,
    SILVER_PREFIX,
    SILVER_TABLE,
    is_ticker,
    manifest_key,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What a run is to do: the sessions that may have changed, and the batches that it ends."""

    mode: str
    affected: Sessions
    batch_ids: Sequence[str]
    set_aside: dict[str, str]  # why, by the batch whose manifest cannot be used
    may_quarantine: bool
    registered: Sessions  # what silver's table is known to have: all of it in a rebuild
    look_back: int  # sessions before the current one that the windows see


def work_of(lake: Lake, given: argparse.Namespace, batch_id: str | None, look_back: int) -> Work:
    """Return the sessions that the arguments ask for, and the batches that are done with them."""
    batches: list[str] = []
    set_aside: dict[str, str] = {}
    registered: Sessions = {}
    sessions: Iterable[Session]
    if given.rebuild:
        mode, batches = "rebuild", undone_batches(lake)  # before bronze: none may be half listed
        objects = lake.objects(BRONZE_PREFIX), lake.objects(SILVER_PREFIX)
        with ThreadPoolExecutor() as threads:
            found = list(threads.map(by_ticker, (*objects, lake.partitions(lake.silver_table))))
        sessions = chain.from_iterable(map(pairs, found))
        _, set_aside = sessions_of(lake, batches)
        registered = found[-1]
    elif batch_id is not None:
        mode, batches = "batch", undone_batches(lake, batch_id)
        if batch_id not in batches:  # which one that was set aside is not
            if lake.get(manifest_key(batch_id)) is None:
                raise RefineError(
                    note("there is no manifest {manifest}.", manifest=given.batch_manifest),
                    hint=note("`b3 status` lists the batches."),
                )
            batches = sorted([*batches, batch_id])
        sessions, set_aside = sessions_of(lake, batches)
    else:
        mode, sessions = "sessions", asked_sessions(lake, given.dates, given.tickers)
    affected, may_quarantine = by_ticker(sessions), given.on_bad_object == "quarantine"
    ended = [batch for batch in batches if batch not in set_aside]
    work = Work(mode, affected, ended, set_aside, may_quarantine, registered, look_back)
    count = sum(map(len, work.affected.values()))
    logger.info("%s: %d session(s) changed; ends %s", mode, count, ", ".join(ended) or "no batch")
    return work


def asked_sessions(lake: Lake, dates: list[str], tickers: list[str]) -> Iterator[Session]:
    """Yield the sessions of --dates and --tickers: all tickers, or all dates, where one lacks."""
    if dates and tickers:
        yield from ((ticker, day) for ticker in tickers for day in dates)
    else:
        column, values = ("dt", dates) if dates else ("ticker", tickers)
        for some in _slices(values, 100):
            yield from lake.partitions(lake.bronze_table, _in(column, some))
            yield from lake.partitions(lake.silver_table, _in(column, some))


def plan_of(lake: Lake, work: Work, absent: Sessions) -> Plan:
    """Return what to read: the affected sessions and those that share a window with them."""
    others: Sessions = {}
    if work.mode != "rebuild":  # which has no others
        tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(1)
        others = neighbours(lake.between, work.affected, absent, tomorrow, work.look_back)
    return [
        (ticker, day, wanted)
        for ticker, days in work.affected.items()
        for day, wanted in sessions_to_read(days, others.get(ticker, set()), work.look_back).items()
    ]


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Return the run's arguments; those that are Glue's own are left alone."""
    parser = argparse.ArgumentParser("refine_job.py", allow_abbrev=False)
    parser.add_argument("--JOB_RUN_ID", type=plain_name)  # Glue's own
    parser.add_argument("--raw_bucket", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--bronze_table", default=BRONZE_TABLE)
    parser.add_argument("--silver_table", default=SILVER_TABLE)
    parser.add_argument("--batch_manifest")
    parser.add_argument("--rebuild", type=lambda text: text.lower() == "true", default=False)
    parser.add_argument("--dates", type=iso_dates, default=[])
    parser.add_argument("--tickers", type=tickers_of, default=[])
    parser.add_argument("--on_bad_object", choices=("fail", "quarantine"), default="fail")
    given, _ = parser.parse_known_args(argv)
    if sum(map(bool, (given.batch_manifest, given.rebuild, given.dates or given.tickers))) != 1:
        parser.error("give one of --batch_manifest, --rebuild true, or --dates and --tickers")
    return given


def plain_name(text: str) -> str:
    """Return a run's id, which becomes the name of an object."""
    if not re.fullmatch(r"[\w-]+", text):
        raise ValueError(text)
    return text


def iso_dates(text: str) -> list[str]:
    """Return the dates of a comma-separated argument."""
    return [dt.date.fromisoformat(day).isoformat() for day in text.split(",")]


def tickers_of(text: str) -> list[str]:
    """Return the tickers of a comma-separated argument."""
    tickers = text.split(",")
    for ticker in tickers:
        if not is_ticker(ticker):
            raise ValueError(ticker)
    return tickers
