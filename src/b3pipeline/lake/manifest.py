"""The manifest of a batch: what it wrote, what it lacks. Its arrival starts the refine."""

from __future__ import annotations

import datetime as dt
import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from b3pipeline import names
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import StorageError
from b3pipeline.lake.storage import get_objects, list_keys, put_object
from b3pipeline.lake.typed import check_types
from b3pipeline.language import english, note, retold, say, shown
from b3pipeline.markup import facts_table

logger = logging.getLogger(__name__)

VERSION = 2
"""1: `restated` held the tickers alone, and there were no `corrected` and no `open_sessions`."""
OFF_CALENDAR = ("B3 held no session", "flat_on_closed_day", "trades_on_closed_day", "session_open")
"""What the reasons of quotes begin with that no session expects; the first one is version 1's."""
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Gap:
    """A ticker and session (YYYY-MM-DD) that a batch lacks or holds back, and why."""

    ticker: str
    dt: str
    reason: str

    @property
    def off_calendar(self) -> bool:
        """Whether it lies on a day that the calendar expects no quote of."""
        return self.reason.startswith(OFF_CALENDAR)


@dataclass(frozen=True)
class Restatement:
    """A ticker whose history the source has rewritten, by which factor, and how it was noticed.

    `factor`: new close for old; None where a batch of version 1 does not tell.
    """

    ticker: str
    factor: float | None
    reason: str


@dataclass(frozen=True)
class Replacement:
    """A ticker whose history was loaded anew: in the place of what, and the sessions taken away.

    `removed` (YYYY-MM-DD): bronze held them, and the new source has no quote of them.
    """

    ticker: str
    before: str
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class BatchManifest:
    """What one batch did.

    `partitions`: the sessions written (or removed) of each ticker, sorted; `start` and `end`:
    what was asked for, both included; `missing`: closed sessions that were asked for and not
    written, and why; `quarantined`: quotes held back, by the rule they break; `restated`: tickers
    whose whole history was loaded again; `corrected`: single sessions whose close the source has
    changed; `open_sessions`: sessions of the range that had not closed, and were not asked for;
    `no_trade`: sessions of which the source settles that the ticker was not traded, for good;
    `replaced`: tickers whose history came from another source before; `doubtful`: sessions written
    of which the source says two things that do not agree, and days of a dividend or split that
    have no bar; `unknown`: tickers that the source does
    not have, their sessions among `missing`; `instead_of`: the source that was asked first and
    refused, '' where none was.
    """

    bucket: str
    batch_id: str
    source: str
    simulated: bool
    interval: str
    created_at: dt.datetime
    start: dt.date
    end: dt.date
    rows: int
    partitions: Mapping[str, Sequence[str]]
    missing: tuple[Gap, ...] = ()
    quarantined: tuple[Gap, ...] = ()
    restated: tuple[Restatement, ...] = ()
    corrected: tuple[Gap, ...] = ()
    open_sessions: tuple[str, ...] = ()
    no_trade: tuple[Gap, ...] = ()
    replaced: tuple[Replacement, ...] = ()
    doubtful: tuple[Gap, ...] = ()
    unknown: tuple[str, ...] = ()
    instead_of: str = ""

    @property
    def complete(self) -> bool:
        """Whether every quote that the calendar expects was written.

        A made-up row on a holiday is quarantined, and leaves the batch complete; so does a session
        on which a ticker was not traded.
        """
        return not self.missing and all(gap.off_calendar for gap in self.quarantined)

    @property
    def key(self) -> str:
        return names.manifest_key(self.batch_id)

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def objects(self) -> int:
        """The number of partitions that the batch wrote or removed."""
        return sum(len(days) for days in self.partitions.values())

    @property
    def label(self) -> str:
        """The source's name, with the word "simulated" where its quotes are."""
        return note("{source} (simulated)", source=self.source) if self.simulated else self.source

    def to_json(self) -> str:
        """Return the text of the manifest's object."""
        content = {
            "version": VERSION,
            "batch_id": self.batch_id,
            "source": self.source,
            "simulated": self.simulated,
            "interval": self.interval,
            "created_at": self.created_at.astimezone(dt.UTC).strftime(_MOMENT),
            "start": str(self.start),
            "end": str(self.end),
            "rows": self.rows,
            "partitions": {ticker: list(days) for ticker, days in self.partitions.items()},
            "missing": [vars(gap) for gap in self.missing],
            "quarantined": [vars(gap) for gap in self.quarantined],
            "restated": [vars(one) for one in self.restated],
            "corrected": [vars(gap) for gap in self.corrected],
            "open_sessions": list(self.open_sessions),
            "no_trade": [vars(gap) for gap in self.no_trade],
            "replaced": [vars(one) for one in self.replaced],
            "doubtful": [vars(gap) for gap in self.doubtful],
            "unknown": list(self.unknown),
            "instead_of": self.instead_of,
        }
        return json.dumps(content, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes, bucket: str) -> BatchManifest:
        """Return the manifest that `text` spells; raises StorageError where it spells none."""
        try:
            content = json.loads(text)
            if content["version"] not in range(1, VERSION + 1):
                raise ValueError(
                    say("version {version!r} is not known", version=content["version"])
                )
            if not isinstance(content["partitions"], dict):
                raise ValueError(say("its partitions are not listed by ticker"))
            found = cls(bucket=bucket, **_fields(content))
            check_types(found)
            _check_words(found)
            return found
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StorageError(
                say(
                    "this is not a batch manifest of version 1 to {version} ({error}): {text!r}.",
                    version=VERSION,
                    error=str(error).encode(errors="backslashreplace").decode(),
                    text=text[:80],
                ),
                hint=say("ingest that range again: it writes a new manifest."),
            ) from error

    def _repr_html_(self) -> str:
        return facts_table(
            {
                say("batch"): self.batch_id,
                say("source"): retold(self.label),
                say("range"): say(
                    "{start} to {end}, bars of {interval}",
                    start=self.start,
                    end=self.end,
                    interval=self.interval,
                ),
                say("tickers"): ", ".join(self.partitions) or "–",
                say("partitions"): shown(self.objects, ","),
                say("rows"): shown(self.rows, ","),
                say("missing"): shown(len(self.missing), ","),
                say("no trade"): shown(len(self.no_trade), ","),
                say("quarantined"): shown(len(self.quarantined), ","),
                say("restated"): ", ".join(one.ticker for one in self.restated) or "–",
                say("manifest"): self.uri,
            }
        )


def new_batch_id(now: dt.datetime) -> str:
    """Return an id for a batch begun at `now`; ids sort by time, to the second."""
    return f"{now.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def write_manifest(cloud: Cloud, manifest: BatchManifest) -> str:
    """Return the URI at which `manifest` now stands. Its arrival starts the refine."""
    put_object(cloud, manifest.key, manifest.to_json().encode())
    return manifest.uri


def read_manifest(cloud: Cloud, batch: str) -> BatchManifest:
    """Return the manifest of `batch`, given by its id or its URI."""
    bucket = cloud.config.raw_data_bucket
    key = batch.removeprefix(f"s3://{bucket}/") if "/" in batch else names.manifest_key(batch)
    [manifest] = get_objects(cloud, [key], lambda _, body: BatchManifest.from_json(body, bucket))
    return manifest


def list_manifests(cloud: Cloud) -> list[BatchManifest]:
    """Return the manifest of every batch in the bucket, oldest first; log those that are none."""
    return _manifests(cloud, names.MANIFEST_PREFIX)


def write_answer(cloud: Cloud, manifest: BatchManifest) -> None:
    """Keep what a batch was told that has nothing to write; nothing starts by that.

    Its `no_trade` is final: nobody needs to ask for these sessions again.
    """
    key = f"{names.ANSWER_PREFIX}{manifest.batch_id}{names.MANIFEST_SUFFIX}"
    put_object(cloud, key, manifest.to_json().encode())


def list_answers(cloud: Cloud) -> list[BatchManifest]:
    """Return what `write_answer` kept, oldest first."""
    return _manifests(cloud, names.ANSWER_PREFIX)


def _manifests(cloud: Cloud, prefix: str) -> list[BatchManifest]:
    bucket = cloud.config.raw_data_bucket
    listed = list_keys(cloud, prefix)
    keys = [key for key in listed if names.is_document(key.removeprefix(prefix))]

    def read(key: str, body: bytes) -> BatchManifest | None:
        try:
            return BatchManifest.from_json(body, bucket)
        except StorageError as error:
            logger.warning("s3://%s/%s is passed over: %s", bucket, key, english(error.message))
            return None

    return [manifest for manifest in get_objects(cloud, keys, read) if manifest is not None]


def _fields(content: Mapping[str, Any]) -> dict[str, Any]:
    plain = ("batch_id", "source", "simulated", "interval", "rows", "partitions")
    moment = dt.datetime.strptime(content["created_at"], _MOMENT).replace(tzinfo=dt.UTC)
    return {
        **{name: content[name] for name in plain},
        "created_at": moment,
        "start": dt.date.fromisoformat(content["start"]),
        "end": dt.date.fromisoformat(content["end"]),
        "missing": tuple(Gap(**gap) for gap in content["missing"]),
        "quarantined": tuple(Gap(**gap) for gap in content["quarantined"]),
        "restated": tuple(_restatement(one) for one in content["restated"]),
        "corrected": tuple(Gap(**gap) for gap in content.get("corrected", ())),
        "open_sessions": tuple(content.get("open_sessions", ())),
        "no_trade": tuple(Gap(**gap) for gap in content.get("no_trade", ())),
        "replaced": tuple(
            Replacement(one["ticker"], one["before"], tuple(one["removed"]))
            for one in content.get("replaced", ())
        ),
        "doubtful": tuple(Gap(**gap) for gap in content.get("doubtful", ())),
        "unknown": tuple(content.get("unknown", ())),
        "instead_of": content.get("instead_of", ""),
    }


def _check_words(found: BatchManifest) -> None:
    """Raise ValueError for a ticker or a session that is none."""
    gaps = [*found.missing, *found.quarantined, *found.corrected, *found.no_trade, *found.doubtful]
    tickers = {*found.partitions, *found.unknown, *(gap.ticker for gap in gaps)}
    tickers |= {one.ticker for one in found.restated} | {one.ticker for one in found.replaced}
    for ticker in tickers:
        if not names.is_ticker(ticker):
            raise ValueError(say("{ticker!r} is no ticker", ticker=ticker))
    removed = (one.removed for one in found.replaced)
    days = {*chain(found.open_sessions, *found.partitions.values(), *removed)}
    for day in days | {gap.dt for gap in gaps}:
        if dt.date.fromisoformat(day).isoformat() != day:
            raise ValueError(say("{day!r} is no date such as 2024-01-31", day=day))


def _restatement(content: str | Mapping[str, Any]) -> Restatement:
    if isinstance(content, str):
        return Restatement(content, None, note("not recorded"))
    return Restatement(**content)
