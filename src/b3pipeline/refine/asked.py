"""What a person asks a run for, looked at before it starts: a run for nothing costs money."""

from __future__ import annotations

from collections.abc import Sequence

from b3pipeline import lake, names
from b3pipeline.calendar import is_session, parse_date
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import DateRangeError, JobError, RefineError, UnknownTickerError
from b3pipeline.job.batches import batch_of, listed_sessions
from b3pipeline.lake.storage import find_objects
from b3pipeline.names import normalise_ticker

TABLES = (names.BRONZE_TABLE, names.SILVER_TABLE)
"""A session of silver alone may be asked for, too: the run takes it away."""


def check_asked(
    cloud: Cloud,
    *,
    manifest: str | None = None,
    dates: Sequence[str] = (),
    tickers: Sequence[str] = (),
) -> None:
    """Return where there is something to refine; raise the reason why there is not.

    UnknownTickerError: a ticker that neither table holds. DateRangeError: a day on which the
    exchange did not trade, or of which neither table holds a quote. JobError: a manifest that is
    not there, or is none. InvalidTickerError: a text that is no ticker.
    """
    if manifest is not None:
        _check_manifest(cloud, manifest)
    days = [str(parse_date(day)) for day in dates]
    codes = [normalise_ticker(ticker) for ticker in tickers]
    if codes:
        held = _held_of(cloud, codes)
        if unknown := [code for code in codes if not held[code]]:
            raise UnknownTickerError(
                f"bronze holds no quote of {', '.join(unknown)}.",
                hint=f"ingest it first: `b3 ingest --tickers {','.join(unknown)} …`.",
            )
        known = set().union(*held.values())
    else:
        known = _known_of(cloud, days)
    missing = [day for day in days if day not in known]
    if closed := [day for day in missing if not is_session(parse_date(day))]:
        raise DateRangeError(
            f"the exchange held no session on {', '.join(closed)}.",
            hint="give dates of sessions; `b3 refine --rebuild` takes all that bronze holds.",
        )
    if missing:
        whose = f" of {', '.join(codes)}" if codes else ""
        raise DateRangeError(
            f"bronze holds no quote{whose} on {', '.join(missing)}.",
            hint="ingest these sessions first, or leave them out.",
        )


def _held_of(cloud: Cloud, codes: Sequence[str]) -> dict[str, set[str]]:
    """Return the days that either table holds of each ticker."""
    found = [lake.held_sessions(cloud, codes, table=table) for table in TABLES]
    return {code: {day for held in found for day in held[code]} for code in codes}


def _known_of(cloud: Cloud, days: Sequence[str]) -> set[str]:
    """Return those of the days on which either table holds a ticker."""
    found = [lake.held_dates(cloud, days, table) for table in TABLES]
    return {day for held in found for day, tickers in held.items() if tickers}


def _check_manifest(cloud: Cloud, manifest: str) -> None:
    try:
        batch = batch_of(manifest, cloud.config.raw_data_bucket)
    except RefineError as error:
        raise JobError(error.message, hint=error.hint) from error
    [body] = find_objects(cloud, [names.manifest_key(str(batch))])
    if body is None:
        raise JobError(f"there is no manifest {manifest}.", hint="`b3 status` lists the batches.")
    try:
        listed_sessions(body)
    except ValueError as error:
        raise JobError(
            f"{manifest} is no batch manifest: {error}.",
            hint="ingest its range again, which writes a new one; or mend it where it lies.",
        ) from error
