"""Runs of the refine job: checked before they cost money, started, found, waited for."""

from __future__ import annotations

import datetime as dt
import logging
import random
import re
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from b3pipeline import lake, names
from b3pipeline.calendar import is_session, parse_date
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import DateRangeError, JobError, RefineError, UnknownTickerError
from b3pipeline.lake.storage import find_objects
from b3pipeline.language import Said, english, retold, say, shown
from b3pipeline.markup import facts_table
from b3pipeline.names import normalise_ticker
from b3pipeline.refusals import explain, told

logger = logging.getLogger(__name__)

FINAL_STATES = frozenset({"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR"})

_RAISED = re.compile(r"((?:\w+\.)*\w+(?:Error|Exception): )(.*?)(?: Try: (.*))?", re.DOTALL)
_BUSY = "ConcurrentRunsExceededException"
_MARKS = {"SUCCEEDED": "✔", "RUNNING": "▶", "WAITING": "⏸", "STARTING": "▶", "STOPPING": "▶"}

TABLES = (names.BRONZE_TABLE, names.SILVER_TABLE)
"""A session of silver alone may be asked for, too: the run takes it away."""


@dataclass(frozen=True)
class JobRun:
    """One run of a Glue job, as it was when it was asked for. Times are UTC, durations seconds."""

    run_id: str
    job_name: str
    state: str
    started_on: dt.datetime
    completed_on: dt.datetime | None = None
    execution_seconds: int = 0
    dpu_seconds: float | None = None
    glue_version: str = ""
    error: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def manifest(self) -> str | None:
        """The manifest whose arrival started this run; None where a person started it."""
        return self.arguments.get("--batch_manifest")

    @property
    def seconds(self) -> float:
        """Wall time from start to end, or to now while the run goes on."""
        end = self.completed_on or dt.datetime.now(dt.UTC)
        return (end - self.started_on).total_seconds()

    def _repr_html_(self) -> str:
        facts: dict[str, Any] = {
            say("state"): f"{_MARKS.get(self.state, '✘')} {self.state}",
            say("run"): self.run_id,
            say("job"): self.job_name,
            say("started (UTC)"): f"{self.started_on:%Y-%m-%d %H:%M:%S}",
            say("took"): shown(self.seconds, ".1f") + " s",
            say("manifest"): self.manifest or say("none: started by hand"),
        }
        if self.error:
            facts[say("error")] = self.error
        return facts_table(facts)


def start_refine(
    cloud: Cloud,
    *,
    manifest: str | None = None,
    rebuild: bool = False,
    dates: tuple[str, ...] = (),
    tickers: tuple[str, ...] = (),
    quarantine: bool = False,
    patience: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> JobRun:
    """Return a run just started by hand: for a manifest, a rebuild, or given dates and tickers.

    With `quarantine`, bronze objects that cannot be read are set aside and the rest is refined;
    without, they fail the run. A job at its limit lets the run wait its turn; where it refuses
    the run instead, as Glue does for some seconds after the end of one, the start is tried again
    for `patience` seconds. Raises JobError where the request makes no sense, the job is missing,
    or it still refuses; DateRangeError and InvalidTickerError where a date is none or a ticker is
    none.
    """
    arguments = _refine_arguments(manifest, rebuild, dates, tickers)
    if quarantine:
        arguments |= {"--on_bad_object": "quarantine"}
    return get_run(cloud, _start(cloud, arguments, patience, sleep, clock))


def _start(
    cloud: Cloud,
    arguments: Mapping[str, str],
    patience: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> str:
    """Return the id of a run just started, or queued: the job's own flag queues nothing."""
    name, deadline, longest = cloud.config.glue_job_name, clock() + patience, 1.0
    while True:
        try:
            answer = cloud.glue.start_job_run(
                JobName=name, Arguments=arguments, JobRunQueuingEnabled=True
            )
            return str(answer["JobRunId"])
        except (ClientError, BotoCoreError) as error:
            pause = random.uniform(longest / 2, longest)  # noqa: S311 - jitter, no secret
            if explain(error).code != _BUSY or clock() + pause > deadline:
                raise _job_error(error, name) from error
        logger.info("%s is at its limit of runs: another try in %.1f s", name, pause)
        sleep(pause)
        longest = min(2 * longest, 8.0)


def _refine_arguments(
    manifest: str | None, rebuild: bool, dates: tuple[str, ...], tickers: tuple[str, ...]
) -> dict[str, str]:
    if sum((manifest is not None, rebuild, bool(dates or tickers))) != 1:
        raise JobError(
            say("a refine needs one of: a manifest, a rebuild, or dates and tickers."),
            hint=say("`b3 refine --rebuild` recomputes everything that bronze holds."),
        )
    if manifest is not None:
        return {"--batch_manifest": manifest}
    if rebuild:
        return {"--rebuild": "true"}
    days, codes = map(str, map(parse_date, dates)), map(normalise_ticker, tickers)
    given = {"--dates": ",".join(days), "--tickers": ",".join(codes)}
    return {name: value for name, value in given.items() if value}


def get_run(cloud: Cloud, run_id: str) -> JobRun:
    """Return a run of the refine job as it is now; raise JobError where there is none."""
    name = cloud.config.glue_job_name
    try:
        answer = cloud.glue.get_job_run(JobName=name, RunId=run_id)
    except (ClientError, BotoCoreError) as error:
        raise _job_error(error, name) from error
    return _job_run(answer["JobRun"])


def list_runs(cloud: Cloud) -> list[JobRun]:
    """Return every run of the refine job that Glue remembers, newest first."""
    name = cloud.config.glue_job_name
    try:
        pages = cloud.glue.get_paginator("get_job_runs").paginate(JobName=name)
        return [_job_run(run) for page in pages for run in page["JobRuns"]]
    except (ClientError, BotoCoreError) as error:
        raise _job_error(error, name) from error


def runs_of_batch(cloud: Cloud, manifest_uri: str) -> list[JobRun]:
    """Return the runs that a manifest started, newest first: one, unless the event came twice."""
    return [run for run in list_runs(cloud) if run.manifest == manifest_uri]


def wait_for_start(
    cloud: Cloud,
    manifest_uri: str,
    *,
    beside: Container[str] = (),
    timeout: float = 180.0,
    poll: float = 0.5,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> JobRun:
    """Return the run that the manifest's event started, as soon as there is one.

    `beside` are ids of runs that an earlier event of it has started. S3 delivers its event within
    a second here, and within about a minute on AWS; after `timeout` seconds this raises JobError.
    """
    deadline = clock() + timeout
    while clock() < deadline:
        for run in runs_of_batch(cloud, manifest_uri):
            if run.run_id not in beside:
                return run
        sleep(poll)
    raise JobError(
        say(
            "no run was started for {manifest_uri} in {timeout:.0f} s.",
            manifest_uri=manifest_uri,
            timeout=timeout,
        ),
        hint=say("read the Lambda's log: refine.lambda_log(cloud); notebook 01 checks the wiring."),
    )


def wait_for_run(
    cloud: Cloud,
    run_id: str,
    *,
    progress: Callable[..., Any] | None = None,
    timeout: float = 3600.0,
    poll: float = 0.5,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> JobRun:
    """Return a run once it has ended, whatever its end; `progress` shows state and seconds.

    Raises JobError where it has not ended after `timeout` seconds; the run itself goes on.
    """
    deadline = clock() + timeout
    bar = progress(desc=say("run"), bar_format="{desc} {elapsed}") if progress else None
    try:
        while True:
            run = get_run(cloud, run_id)
            if bar is not None:
                bar.set_description_str(say("refine run {state}", state=run.state))
            if run.is_final:
                return run
            if clock() > deadline:
                raise JobError(
                    say(
                        "run {run_id} is still {state} after {timeout:.0f} s.",
                        run_id=run_id,
                        state=run.state,
                        timeout=timeout,
                    ),
                    hint=say("wait longer, or stop it: it goes on until the job's own time-out."),
                )
            sleep(poll)
    finally:
        if bar is not None:
            bar.close()


def _job_run(answer: Mapping[str, Any]) -> JobRun:
    # AWS tells DPU-seconds of some kinds of runs alone; of the others they follow.
    dpu_seconds = answer.get("DPUSeconds")
    if dpu_seconds is None and "MaxCapacity" in answer:
        dpu_seconds = answer.get("ExecutionTime", 0) * answer["MaxCapacity"]
    return JobRun(
        run_id=answer["Id"],
        job_name=answer["JobName"],
        state=answer["JobRunState"],
        started_on=answer["StartedOn"],
        completed_on=answer.get("CompletedOn"),
        execution_seconds=answer.get("ExecutionTime", 0),
        dpu_seconds=dpu_seconds,
        glue_version=answer.get("GlueVersion", ""),
        error=_told(answer.get("ErrorMessage")),
        arguments=answer.get("Arguments", {}),
    )


def _told(error: str | None) -> str | None:
    """Return what the job has written in English to a reader: `<class>: <sentence> Try: <hint>`."""
    found = _RAISED.fullmatch(error or "")
    if found is None:
        return error
    kind, sentence, hint = found.groups()
    told = retold(sentence)
    if hint:
        told = say("{message} Try: {hint}", message=told, hint=retold(hint))
    return Said(f"{kind}{told}", english(error))


def _job_error(error: ClientError | BotoCoreError, job_name: str) -> JobError:
    refusal = explain(error)
    if refusal.kind == "gone":
        return JobError(
            say("Glue does not know it: {said}", said=refusal.said),
            hint=say(
                "check that the job {job_name} exists: `b3 doctor` lists what is missing.",
                job_name=job_name,
            ),
        )
    if refusal.code == _BUSY:
        return JobError(
            say(
                "{job_name} is at its limit of runs, and does not let this one wait.",
                job_name=job_name,
            ),
            hint=say(
                "wait for the run that is under way, or for its end to be noticed: some seconds."
            ),
        )
    return told(error, say("the Glue job {job}", job=job_name), JobError)


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
                say("bronze holds no quote of {tickers}.", tickers=", ".join(unknown)),
                hint=say(
                    "ingest it first: `b3 ingest --tickers {tickers} …`.", tickers=",".join(unknown)
                ),
            )
        known = set().union(*held.values())
    else:
        known = _known_of(cloud, days)
    missing = [day for day in days if day not in known]
    if closed := [day for day in missing if not is_session(parse_date(day))]:
        raise DateRangeError(
            say("the exchange held no session on {days}.", days=", ".join(closed)),
            hint=say("give dates of sessions; `b3 refine --rebuild` takes all that bronze holds."),
        )
    if missing:
        said = say("bronze holds no quote on {days}.", days=", ".join(missing))
        if codes:
            said = say(
                "bronze holds no quote of {tickers} on {days}.",
                tickers=", ".join(codes),
                days=", ".join(missing),
            )
        raise DateRangeError(
            said,
            hint=say("ingest these sessions first, or leave them out."),
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
    # With pyarrow, which the other questions to the lake do without.
    from b3pipeline.job.batches import batch_of, listed_sessions

    try:
        batch = batch_of(manifest, cloud.config.raw_data_bucket)
    except RefineError as error:
        raise JobError(retold(error.message), hint=retold(error.hint)) from error
    [body] = find_objects(cloud, [names.manifest_key(str(batch))])
    if body is None:
        raise JobError(
            say("there is no manifest {manifest}.", manifest=manifest),
            hint=say("`b3 status` lists the batches."),
        )
    try:
        listed_sessions(body)
    except ValueError as error:
        raise JobError(
            say(
                "{manifest} is no batch manifest: {error}.",
                manifest=manifest,
                error=retold(str(error)),
            ),
            hint=say("ingest its range again, which writes a new one; or mend it where it lies."),
        ) from error
