"""Lambda `start_glue_job`: one Glue run for each batch manifest that lands in the raw bucket.

S3 delivers its events at least once, so a manifest may be announced twice: the refine job finds
the batch done and ends at once. What fails is raised again, so that AWS retries the event.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import unquote_plus

import boto3
from botocore.exceptions import BotoCoreError, ClientError

MANIFEST_PREFIX = "raw/b3/_batches/"
MANIFEST_SUFFIX = ".json"

# On AWS the root logger has its handler already, and this line does nothing.
logging.basicConfig()
logger = logging.getLogger("start_glue_job")
logger.setLevel(logging.INFO)


def handler(event: dict[str, Any], context: object, *, glue: Any = None) -> dict[str, list[str]]:
    """Return the ids of the Glue runs started for an S3 event, under `started`.

    Every manifest of the event is tried before the first failure is raised again, whatever it
    is: `ConcurrentRunsExceededException` too, for a retry may find the job free.
    """
    job, client = os.environ["GLUE_JOB_NAME"], glue or _glue()
    started: list[str] = []
    failures: list[Exception] = []
    for manifest in _manifests(event):
        try:
            started.append(_start_run(client, job, manifest))
        except (BotoCoreError, ClientError) as error:
            logger.error("no run of %s for %s: %s", job, manifest, error)
            failures.append(error)
    if failures:
        raise failures[0]
    return {"started": started}


def _start_run(glue: Any, job: str, manifest: str) -> str:
    answer = glue.start_job_run(JobName=job, Arguments={"--batch_manifest": manifest})
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
