"""Lambda `start_glue_job`: one Glue run for each batch manifest that lands in the raw bucket.

S3 delivers its events at least once, so a manifest may be announced twice: the refine job finds
the batch done and ends at once. What fails is raised again, so that AWS retries the event.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Protocol
from urllib.parse import unquote_plus

import boto3
from botocore.exceptions import BotoCoreError, ClientError

MANIFEST_PREFIX = "raw/b3/_batches/"
MANIFEST_SUFFIX = ".json"

BUSY = "ConcurrentRunsExceededException"
RESERVE_SECONDS = 10.0
"""What is left of the Lambda's time when it stops trying again, and raises for AWS to retry."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 8.0

# On AWS the root logger has its handler already, and this line does nothing.
logging.basicConfig()
logger = logging.getLogger("start_glue_job")
logger.setLevel(logging.INFO)


class Context(Protocol):
    """What the handler asks of the context that Lambda hands over."""

    def get_remaining_time_in_millis(self) -> int: ...


def handler(
    event: dict[str, Any],
    context: Context,
    *,
    glue: Any = None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, list[str]]:
    """Return the ids of the Glue runs started for an S3 event, under `started`.

    Every manifest of the event is tried before the first failure is raised again. A job at its
    limit queues the run; one whose last run has just ended may refuse it for some seconds, so
    that a refused start is tried again while the Lambda has time.
    """
    job, client = os.environ["GLUE_JOB_NAME"], glue or _glue()
    started: list[str] = []
    failures: list[Exception] = []
    for manifest in _manifests(event):
        try:
            started.append(_start_run(client, job, manifest, context, sleep))
        except (BotoCoreError, ClientError) as error:
            logger.error("no run of %s for %s: %s", job, manifest, error)
            failures.append(error)
    if failures:
        raise failures[0]
    return {"started": started}


def _start_run(
    glue: Any, job: str, manifest: str, context: Context, sleep: Callable[[float], None]
) -> str:
    longest = FIRST_PAUSE_SECONDS
    while True:
        try:
            # The job's own flag does not queue anything: each start must ask for it.
            answer = glue.start_job_run(
                JobName=job, Arguments={"--batch_manifest": manifest}, JobRunQueuingEnabled=True
            )
        except ClientError as error:
            pause = random.uniform(longest / 2, longest)  # noqa: S311 - jitter, no secret
            left = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
            if error.response["Error"]["Code"] != BUSY or pause > left:
                raise
            logger.info("%s is at its limit of runs: another try in %.1f s", job, pause)
            sleep(pause)
            longest = min(2 * longest, LONGEST_PAUSE_SECONDS)
        else:
            run_id: str = answer["JobRunId"]
            logger.info("started run %s of %s for %s", run_id, job, manifest)
            return run_id


def _manifests(event: dict[str, Any]) -> Iterator[str]:
    """Yield the address of each manifest in an S3 event; log what else is there."""
    if event.get("Event") == "s3:TestEvent":
        logger.info("S3 tests the notification of %s: nothing to start", event.get("Bucket"))
    for record in event.get("Records", []):
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        if _is_manifest(key) and not record.get("eventName", "").startswith("ObjectRemoved"):
            yield f"s3://{bucket}/{key}"
        else:
            logger.info("ignored s3://%s/%s: no new batch manifest", bucket, key)


def _is_manifest(key: str) -> bool:
    name = key.removeprefix(MANIFEST_PREFIX)
    return name != key and name.endswith(MANIFEST_SUFFIX) and "/" not in name


@cache
def _glue() -> Any:
    """Return the Glue client, made at the first event and kept while the Lambda is warm."""
    return boto3.client("glue")
