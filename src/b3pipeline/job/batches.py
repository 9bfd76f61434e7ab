"""Batches: which are to be refined, which are done, and which cannot be used."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from b3pipeline.errors import RefineError
from b3pipeline.job.lakehouse import Lake
from b3pipeline.job.plan import Session
from b3pipeline.language import note
from b3pipeline.names import (
    CHECKPOINT_KEY,
    MANIFEST_PREFIX,
    MARK_PREFIX,
    is_document,
    is_ticker,
    manifest_key,
    mark_key,
)

MANIFEST_VERSIONS = (1, 2)
SET_ASIDE = "set_aside"


def undone_batches(lake: Lake, batch_id: str | None = None) -> list[str]:
    """Return the batches with a manifest and no done-mark, oldest first.

    For a batch, listing starts at the checkpoint, up to which all is done. A batch that arrives
    late, with an older name, takes the checkpoint away first: no failure can hide it then.
    """
    checkpoint = ""
    if batch_id is not None:
        checkpoint = str((lake.get_json(CHECKPOINT_KEY) or {}).get("done_through", ""))
        if f"{batch_id}.json" <= checkpoint:
            lake.s3.delete_object(Bucket=lake.bucket, Key=CHECKPOINT_KEY)
            checkpoint = ""
    manifests, marks = (
        [key.removeprefix(folder) for key in lake.keys(folder, after=f"{folder}{checkpoint}")]
        for folder in (MANIFEST_PREFIX, MARK_PREFIX)
    )
    undone = [name for name in manifests if name not in set(marks)]
    return [name.removesuffix(".json") for name in undone if is_document(name)]


def mark_done(
    lake: Lake, batch_ids: Sequence[str], set_aside: dict[str, str], summary: dict[str, Any]
) -> None:
    """Write the marks of what is done or set aside, oldest first, then move the checkpoint up.

    A manifest that is set aside stays where it is; its mark says why, and one that names it
    again is taken up again.
    """
    marks = dict.fromkeys(batch_ids, summary)
    marks |= {batch: {"event": SET_ASIDE, "reason": why} for batch, why in set_aside.items()}
    for batch_id in sorted(marks):
        mark = {"version": 1, "batch_id": batch_id, **marks[batch_id]}
        lake.put_json(mark_key(batch_id), mark)
    if marks:
        lake.put_json(CHECKPOINT_KEY, {"version": 1, "done_through": f"{max(marks)}.json"})


def sessions_of(lake: Lake, batch_ids: Iterable[str]) -> tuple[list[Session], dict[str, str]]:
    """Return the sessions that batches wrote or removed, and why a batch tells none.

    A manifest that cannot be used stands in nobody's way: its batch is set aside, and named.
    """
    sessions: list[Session] = []
    set_aside = {}
    for batch_id in batch_ids:
        body = lake.get(manifest_key(batch_id))
        try:
            sessions += listed_sessions(body)
        except (ValueError, RecursionError) as error:
            set_aside[batch_id] = str(error)
    return sessions, set_aside


def listed_sessions(body: bytes | None) -> list[Session]:
    """Return the sessions that a manifest lists; raise ValueError naming what is wrong with it."""
    if not body:
        raise ValueError(note("it is gone") if body is None else note("it has zero bytes"))
    try:
        manifest = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(note("it is no JSON ({error})", error=error)) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("partitions"), dict):
        raise ValueError(note("it does not list its partitions by ticker"))
    if manifest.get("version") not in MANIFEST_VERSIONS:
        version = manifest.get("version")
        raise ValueError(note("its version is {version!r}, and not 1 or 2", version=version))
    sessions = []
    for ticker, days in manifest["partitions"].items():
        if not is_ticker(ticker):
            raise ValueError(note("{ticker!r} is no ticker", ticker=ticker))
        if not isinstance(days, list):
            raise ValueError(note("the sessions of {ticker} are no list", ticker=ticker))
        sessions += [(ticker, checked_day(day)) for day in days]
    return sessions


def checked_day(day: Any) -> str:
    """Return an ISO date as it is; raise ValueError for anything else."""
    try:
        if dt.date.fromisoformat(day).isoformat() == day:
            return str(day)
    except (TypeError, ValueError):
        pass
    raise ValueError(note("{day!r} is no date such as 2024-01-31", day=day))


def batch_of(manifest: str | None, bucket: str) -> str | None:
    """Return the batch id in a manifest's address."""
    if manifest is None:
        return None
    found = re.fullmatch(rf"s3://{re.escape(bucket)}/{MANIFEST_PREFIX}([^/]+)\.json", manifest)
    if found is None:
        raise RefineError(
            note(
                "{manifest} is no batch manifest under s3://{bucket}/{prefix}.",
                manifest=manifest,
                bucket=bucket,
                prefix=MANIFEST_PREFIX,
            ),
            hint=note("`b3 status` lists the batches."),
        )
    return found[1]


def useless_manifests(set_aside: dict[str, str], asked: str | None) -> RefineError:
    """Return the error that names the manifests set aside, and how their batches come back."""
    named = "; ".join(f"{key}: {why}" for key, why in set_aside.items())
    found: dict[str, Any] = {"count": len(set_aside), "named": named[:2000]}
    if manifest_key(asked or "") in set_aside:
        said = note("{count} manifest(s) cannot be used, and were set aside: {named}.", **found)
    else:
        said = note(
            "{count} manifest(s) cannot be used, and were set aside: {named}. "
            "What else was asked is refined.",
            **found,
        )
    return RefineError(
        said,
        hint=note(
            "ingest these ranges again; or mend a manifest where it lies and name it: "
            "`b3 refine --manifest s3://…`."
        ),
    )
