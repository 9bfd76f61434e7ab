"""What a run writes: its log lines, followed or read at the end, and the Lambda's."""

from __future__ import annotations

import datetime as dt
import html
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from b3pipeline.calendar import utc_now
from b3pipeline.cloud.clients import Cloud
from b3pipeline.language import english, say
from b3pipeline.names import run_summary_key
from b3pipeline.refine.runs import JobRun, get_run

OUTPUT_GROUP = "/aws-glue/jobs/output"
"""What a script writes, on stdout and on stderr: its traceback, too, since Glue 5.0."""
ERROR_GROUP = "/aws-glue/jobs/error"
"""What Spark's own JVM writes."""

_LATE_SECONDS, _SOON_SECONDS = 60, 5
_RAISED = re.compile(r"\b\w+(?:Error|Exception): .{1,60}")


@dataclass(frozen=True)
class LogLines:
    """Lines of a log, oldest first; a notebook shows them as they were written."""

    group: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        body = html.escape(str(self)) or say("(no lines)")
        return f"<pre style='white-space:pre-wrap'>{body}</pre>"


def follow_run(
    cloud: Cloud,
    run_id: str,
    *,
    poll: float = 1.0,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], dt.datetime] = utc_now,
) -> Iterator[str]:
    """Yield a run's states and output lines as they come, until it has ended and said its last.

    Lines come late on AWS: those of a run that has ended are waited for, a minute at most.
    """
    seen: dict[str, int] = {}
    state = ""
    while True:
        run = get_run(cloud, run_id)
        if run.state != state:
            state = run.state
            yield say("run {run_id} is {state}", run_id=run_id, state=state)
        said = _run_lines(cloud, OUTPUT_GROUP, run_id)
        for stream, lines in said.items():
            yield from lines[seen.get(stream, 0) :]
            seen[stream] = len(lines)
        if _is_whole(run, said, now()):
            return
        sleep(poll)


def tail_log(
    cloud: Cloud,
    run: JobRun,
    *,
    lines: int = 20,
    errors: bool = False,
    poll: float = 1.0,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], dt.datetime] = utc_now,
) -> LogLines:
    """Return the last lines of a run's script, or with `errors` those of Spark itself.

    What the script writes, its traceback included, is in its output: `errors` holds the lines of
    the JVM. Those of a run that has just ended are waited for, a minute at most.
    """
    group = ERROR_GROUP if errors else OUTPUT_GROUP
    said = _run_lines(cloud, group, run.run_id)
    while not (_is_whole(run, said, now()) or (errors and any(said.values()))):
        sleep(poll)
        said = _run_lines(cloud, group, run.run_id)
    return LogLines(group, tuple(chain.from_iterable(said.values()))[-lines:])


def _is_whole(run: JobRun, said: Mapping[str, tuple[str, ...]], now: dt.datetime) -> bool:
    """Return whether no more lines of a run are to come, as far as can be told.

    A run that went well ends with the place of its summary, one that raised with its error. Of
    one that failed otherwise some lines are waited for; of one that was stopped or never started,
    five seconds are enough.
    """
    if run.completed_on is None:
        return False
    waited = (now - run.completed_on).total_seconds()
    if run.state == "SUCCEEDED":
        last = run_summary_key(run.run_id)
    elif found := _RAISED.search(english(run.error) or ""):
        last = found[0]
    else:
        silent = run.state == "FAILED" and not any(said.values())
        return waited > (_LATE_SECONDS if silent else _SOON_SECONDS)
    return waited > _LATE_SECONDS or any(last in line for line in chain(*said.values()))


def _run_lines(cloud: Cloud, group: str, run_id: str) -> dict[str, tuple[str, ...]]:
    """Return the lines in each stream of a run; a stream's name may be longer than the run's id."""
    pages = cloud.logs.get_paginator("describe_log_streams").paginate(
        logGroupName=group, logStreamNamePrefix=run_id
    )
    try:
        streams = sorted(stream["logStreamName"] for page in pages for stream in page["logStreams"])
    except cloud.logs.exceptions.ResourceNotFoundException:
        return {}
    return {stream: _lines(_stream_events(cloud, group, stream)) for stream in streams}


def lambda_log(cloud: Cloud, *, lines: int = 20) -> LogLines:
    """Return the last lines that the Lambda `start_glue_job` wrote, over all its streams."""
    group = f"/aws/lambda/{cloud.config.lambda_function_name}"
    pages = cloud.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    try:
        said = _lines(event for page in pages for event in page["events"])
    except cloud.logs.exceptions.ResourceNotFoundException:
        said = ()
    return LogLines(group, said[-lines:])


def _lines(events: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the lines of events: one event may hold several."""
    return tuple(line for event in events for line in event["message"].splitlines())


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
