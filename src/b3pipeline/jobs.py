"""The refine job from outside: start a run, find the run of a batch, follow it, read its log."""

from __future__ import annotations

import datetime as dt
import html
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from b3pipeline.aws import Cloud
from b3pipeline.errors import JobError

FINAL_STATES = frozenset({"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR"})
OUTPUT_GROUP = "/aws-glue/jobs/output"
ERROR_GROUP = "/aws-glue/jobs/error"

_MARKS = {"SUCCEEDED": "✔", "RUNNING": "▶", "WAITING": "⏸", "STARTING": "▶", "STOPPING": "▶"}


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
            "state": f"{_MARKS.get(self.state, '✘')} {self.state}",
            "run": self.run_id,
            "job": self.job_name,
            "started (UTC)": f"{self.started_on:%Y-%m-%d %H:%M:%S}",
            "took": f"{self.seconds:.1f} s",
            "manifest": self.manifest or "none: started by hand",
        }
        if self.error:
            facts["error"] = self.error
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th>"
            f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
            for name, value in facts.items()
        )
        return f"<table>{rows}</table>"


@dataclass(frozen=True)
class LogLines:
    """Lines of a log, oldest first; a notebook shows them as they were written."""

    group: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        body = html.escape(str(self)) or "(no lines)"
        return f"<pre style='white-space:pre-wrap'>{body}</pre>"


def start_refine(
    cloud: Cloud,
    *,
    manifest: str | None = None,
    rebuild: bool = False,
    dates: tuple[str, ...] = (),
    tickers: tuple[str, ...] = (),
) -> JobRun:
    """Return a run just started by hand: for a manifest, a rebuild, or given dates and tickers.

    Raises JobError where the request makes no sense, the job is missing, or it is at its limit
    of runs.
    """
    arguments = _refine_arguments(manifest, rebuild, dates, tickers)
    name = cloud.config.glue_job_name
    try:
        started = cloud.glue.start_job_run(JobName=name, Arguments=arguments)
    except ClientError as error:
        raise _job_error(error, name) from error
    return get_run(cloud, started["JobRunId"])


def _refine_arguments(
    manifest: str | None, rebuild: bool, dates: tuple[str, ...], tickers: tuple[str, ...]
) -> dict[str, str]:
    if sum((manifest is not None, rebuild, bool(dates or tickers))) != 1:
        raise JobError(
            "a refine needs one of: a manifest, a rebuild, or dates and tickers.",
            hint="`b3 refine --rebuild` recomputes everything that bronze holds.",
        )
    if manifest is not None:
        return {"--batch_manifest": manifest}
    if rebuild:
        return {"--rebuild": "true"}
    given = {"--dates": ",".join(dates), "--tickers": ",".join(tickers)}
    return {name: value for name, value in given.items() if value}


def get_run(cloud: Cloud, run_id: str) -> JobRun:
    """Return a run of the refine job as it is now; raise JobError where there is none."""
    name = cloud.config.glue_job_name
    try:
        answer = cloud.glue.get_job_run(JobName=name, RunId=run_id)
    except ClientError as error:
        raise _job_error(error, name) from error
    return _job_run(answer["JobRun"])


def list_runs(cloud: Cloud) -> list[JobRun]:
    """Return every run of the refine job that Glue remembers, newest first."""
    name = cloud.config.glue_job_name
    try:
        pages = cloud.glue.get_paginator("get_job_runs").paginate(JobName=name)
        return [_job_run(run) for page in pages for run in page["JobRuns"]]
    except ClientError as error:
        raise _job_error(error, name) from error


def runs_of_batch(cloud: Cloud, manifest_uri: str) -> list[JobRun]:
    """Return the runs that a manifest started, newest first: one, unless the event came twice."""
    return [run for run in list_runs(cloud) if run.manifest == manifest_uri]


def wait_for_start(
    cloud: Cloud,
    manifest_uri: str,
    *,
    timeout: float = 180.0,
    poll: float = 0.5,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> JobRun:
    """Return the run that the manifest's event started, as soon as there is one.

    S3 delivers its event within a second here, and within about a minute on AWS; after
    `timeout` seconds this raises JobError.
    """
    deadline = clock() + timeout
    while clock() < deadline:
        if runs := runs_of_batch(cloud, manifest_uri):
            return runs[0]
        sleep(poll)
    raise JobError(
        f"no run was started for {manifest_uri} in {timeout:.0f} s.",
        hint="read the Lambda's log: jobs.lambda_log(cloud); notebook 01 checks the wiring.",
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
    bar = progress(desc="run", bar_format="{desc} {elapsed}") if progress else None
    try:
        while True:
            run = get_run(cloud, run_id)
            if bar is not None:
                bar.set_description_str(f"refine run {run.state}")
            if run.is_final:
                return run
            if clock() > deadline:
                raise JobError(
                    f"run {run_id} is still {run.state} after {timeout:.0f} s.",
                    hint="wait longer, or stop it: it goes on until the job's own time-out.",
                )
            sleep(poll)
    finally:
        if bar is not None:
            bar.close()


def follow_run(
    cloud: Cloud,
    run_id: str,
    *,
    poll: float = 1.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """Yield a run's output lines as they come, and end when the run has ended."""
    seen = 0
    while True:
        run = get_run(cloud, run_id)
        lines = read_log(cloud, OUTPUT_GROUP, run_id).lines
        yield from lines[seen:]
        seen = len(lines)
        if run.is_final:
            return
        sleep(poll)


def tail_log(cloud: Cloud, run: JobRun, *, lines: int = 20, errors: bool = False) -> LogLines:
    """Return the last lines that a run wrote: its output, or with `errors` its error log."""
    log = read_log(cloud, ERROR_GROUP if errors else OUTPUT_GROUP, run.run_id)
    return LogLines(log.group, log.lines[-lines:])


def run_summary(cloud: Cloud, run: JobRun) -> dict[str, Any]:
    """Return the figures that a run printed as its last JSON line; raise JobError without one."""
    for line in reversed(read_log(cloud, OUTPUT_GROUP, run.run_id).lines):
        if line.startswith("{"):
            return dict(json.loads(line))
    raise JobError(
        f"run {run.run_id} ({run.state}) printed no summary.",
        hint="read its error log: jobs.tail_log(cloud, run, errors=True).",
    )


def lambda_log(cloud: Cloud, *, lines: int = 20) -> LogLines:
    """Return the last lines that the Lambda `start_glue_job` wrote, over all its streams."""
    log = read_log(cloud, f"/aws/lambda/{cloud.config.lambda_function_name}")
    return LogLines(log.group, log.lines[-lines:])


def read_log(cloud: Cloud, group: str, stream: str | None = None) -> LogLines:
    """Return a log group's lines, or one stream's, oldest first; none where nothing was logged."""
    events = _stream_events(cloud, group, stream) if stream else _group_events(cloud, group)
    try:
        return LogLines(group, tuple(event["message"].rstrip("\n") for event in events))
    except cloud.logs.exceptions.ResourceNotFoundException:
        return LogLines(group, ())


def _group_events(cloud: Cloud, group: str) -> Iterator[Mapping[str, Any]]:
    pages = cloud.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    for page in pages:
        yield from page["events"]


def _stream_events(cloud: Cloud, group: str, stream: str) -> Iterator[Mapping[str, Any]]:
    """Yield a stream's events; the end is where the token no longer moves."""
    request: dict[str, Any] = {"logGroupName": group, "logStreamName": stream}
    token = None
    while True:
        answer = cloud.logs.get_log_events(
            **request, startFromHead=True, **({"nextToken": token} if token else {})
        )
        yield from answer["events"]
        if answer["nextForwardToken"] == token:
            return
        token = answer["nextForwardToken"]


def _job_run(answer: Mapping[str, Any]) -> JobRun:
    return JobRun(
        run_id=answer["Id"],
        job_name=answer["JobName"],
        state=answer["JobRunState"],
        started_on=answer["StartedOn"],
        completed_on=answer.get("CompletedOn"),
        execution_seconds=answer.get("ExecutionTime", 0),
        dpu_seconds=answer.get("DPUSeconds"),
        error=answer.get("ErrorMessage"),
        arguments=answer.get("Arguments", {}),
    )


def _job_error(error: ClientError, job_name: str) -> JobError:
    code = error.response["Error"]["Code"]
    message = error.response["Error"]["Message"]
    if code == "EntityNotFoundException":
        return JobError(
            f"Glue does not know it: {message}",
            hint=f"check that the job {job_name} exists: `b3 doctor` lists what is missing.",
        )
    if code == "ConcurrentRunsExceededException":
        return JobError(
            f"{job_name} is already at its limit of runs.",
            hint="wait for the run that is under way; queuing is off for this job.",
        )
    return JobError(f"Glue answered {code}: {message}", hint="`b3 doctor` checks the deployment.")
