"""What a run writes: its log lines, followed or read at the end, and the Lambda's."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from b3pipeline.cloud.clients import Cloud
from b3pipeline.refine.runs import JobRun, get_run

OUTPUT_GROUP = "/aws-glue/jobs/output"
ERROR_GROUP = "/aws-glue/jobs/error"


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


def follow_run(
    cloud: Cloud,
    run_id: str,
    *,
    poll: float = 1.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """Yield a run's states and output lines as they come, and end when the run has ended."""
    seen, state = 0, ""
    while True:
        run = get_run(cloud, run_id)
        if run.state != state:
            state = run.state
            yield f"run {run_id} is {state}"
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
