"""A batch that has begun: its journal, and what earlier runs have left to be settled."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from b3pipeline import lake, names
from b3pipeline.calendar import Clock
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import B3Error, CatalogError, DamagedJournalError, StorageError
from b3pipeline.ingest.plans import Plan, survey
from b3pipeline.ingest.request import WINDOW, Request
from b3pipeline.ingest.write import finish
from b3pipeline.lake import Journal
from b3pipeline.lake.storage import list_keys
from b3pipeline.progress import Progress

log = logging.getLogger(__name__)

VERSION = 2
"""Of the plan in a journal. 1: the request was a mapping without `replace`; it is read, too."""

_created_at = attrgetter("created_at")


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
            "version": VERSION,
            "request": self.request.to_dict(),
            "created_at": self.created_at.isoformat(),
            "plan": self.plan.to_dict(),
        }
        self.journal.write_plan(content)

    @classmethod
    def read(cls, journal: Journal) -> Begun:
        """Return the batch that a journal belongs to; raises DamagedJournalError."""
        content = journal.read_plan()
        with journal.reading():
            if content["version"] not in range(1, VERSION + 1):
                raise ValueError(f"version {content['version']} is not known")
            return cls(
                journal,
                Request.from_dict(content["request"]),
                dt.datetime.fromisoformat(content["created_at"]),
                Plan.from_dict(content["plan"]),
                resumed=True,
            )


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
    that had not has changed nothing, and waits for the same request or for `resume`. A journal
    that cannot be replayed is set aside, whole, and named in the log.
    """
    left = []
    for journal in lake.list_journals(cloud):
        try:
            begun = Begun.read(journal)
            manifest = finish(cloud, journal, begun.plan, progress)
        except DamagedJournalError as error:
            put_aside(journal, error)
            continue
        except B3Error:
            raise  # the bucket or the catalog: nothing is wrong with the journal
        except Exception as error:
            put_aside(journal, error)
            continue
        if manifest is None:
            log.warning("batch %s was cut off while fetching", journal.batch_id)
        else:
            log.warning("batch %s had been cut off, and is complete now", journal.batch_id)
        left.append((begun, manifest))
    return left


def put_aside(journal: Journal, error: BaseException) -> None:
    """Set a journal aside that cannot be replayed, and say where it lies and what to do."""
    try:
        plan = Begun.read(journal).plan
        what = f"{', '.join(plan.tickers)} from {plan.source}, {plan.start} to {plan.end}"
    except DamagedJournalError:
        what = "its range"
    said = error.message if isinstance(error, B3Error) else f"{type(error).__name__}: {error}"
    log.error(
        "the journal of batch %s cannot be replayed (%s); it is kept at %s. "
        "Ingest %s again: whatever of it bronze holds is replaced",
        *(journal.batch_id, said, journal.set_aside(), what),
    )


def refreshed(cloud: Cloud, begun: Begun) -> Begun:
    """Return a batch that was cut off, without what came of it if a later one has been written.

    What came then is older than what bronze holds by now, and would replace it. Raises
    NothingToDoError where the later batch has brought it all, OriginError where it was of another
    source; the journal is gone then.
    """
    own = names.manifest_key(begun.journal.batch_id)
    if next(iter(list_keys(cloud, names.MANIFEST_PREFIX, own)), None) is None:
        return begun
    begun.journal.drop_slices()
    bare = replace(begun.plan, firsts={}, windows={}, anew={}, before={}, asks=())
    try:
        surveyed = survey(cloud, bare, begun.request)
    except (StorageError, CatalogError):
        raise
    except B3Error:
        begun.journal.discard()
        raise
    begun = replace(begun, plan=surveyed)
    begun.note()
    return begun


def missing(cloud: Cloud) -> Iterator[tuple[Request, bool]]:
    """Yield a request for what each incomplete batch lacks, and whether its quotes are simulated.

    The newest batch comes first. What a later batch brought is not asked for again, nor what the
    exchange has settled, nor what the source does not know; a ticker whose history is of another
    source by now is left out.
    """
    newest_first = sorted(lake.list_manifests(cloud), key=_created_at, reverse=True)
    answers = [*newest_first, *lake.list_answers(cloud)]
    brought = {(gap.ticker, gap.dt) for answer in answers for gap in answer.no_trade}
    now = {
        ticker: days[max(days)] for ticker, days in lake.origins_of(newest_first).items() if days
    }
    for _, alike in groupby(newest_first, key=_created_at):  # of one second nobody knows the order
        batches = list(alike)
        brought |= {
            (ticker, day)
            for batch in batches
            for ticker, days in batch.partitions.items()
            for day in days
        } - {(one.ticker, day) for b in batches for one in b.replaced for day in one.removed}
        for batch in batches:
            origin, lacking = lake.Origin.of(batch), dict[str, list[str]]()
            for gap in batch.missing:
                fits = gap.ticker not in now or now[gap.ticker].fits(origin)
                fits = fits and gap.ticker not in batch.unknown
                if fits and (gap.ticker, gap.dt) not in brought:
                    lacking.setdefault(gap.ticker, []).append(gap.dt)
            if lacking:
                yield _request_for(batch, lacking), batch.simulated


def _request_for(batch: lake.BatchManifest, lacking: dict[str, list[str]]) -> Request:
    only = {ticker: tuple(sorted(days)) for ticker, days in sorted(lacking.items())}
    days = sorted(dt.date.fromisoformat(day) for some in only.values() for day in some)
    return Request(
        batch.source, tuple(only), days[0], days[-1], batch.interval, window=WINDOW, only=only
    )
