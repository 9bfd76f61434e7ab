"""The objects of a bucket as a task reads and writes them: one client, pyarrow's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from b3pipeline.language import note

ATTEMPTS = 10
"""How often a request is tried: pyarrow's own three do not wait a burst of 503s out."""
AGAIN = note("start the run again: what is done stays done.")
"""What to try where all of them failed."""


@dataclass(frozen=True)
class Store:
    """The bucket as a task sees it: plain values that travel to the executors."""

    bucket: str
    region: str | None
    endpoint_url: str | None
    attempts: int = ATTEMPTS

    def connect(self) -> Objects:
        return Objects(self)


class Objects:
    """A client of the bucket's objects; one serves all threads of a task.

    Raises FileNotFoundError where there is no object, and OSError for all else.
    """

    def __init__(self, store: Store) -> None:
        names = ("access_key", "secret_key", "session_token")
        options: dict[str, Any] = dict(zip(names, _credentials(), strict=False))
        options |= {"region": store.region, "request_timeout": 60}
        if store.endpoint_url:
            url = urlsplit(store.endpoint_url)
            options |= {"endpoint_override": url.netloc, "scheme": url.scheme}
        self.files = pafs.S3FileSystem(
            **options,
            retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=store.attempts),
            allow_delayed_open=True,  # one PUT an object
        )
        self.bucket = store.bucket

    def get(self, key: str) -> bytes:
        with self.files.open_input_stream(f"{self.bucket}/{key}") as stream:
            return bytes(stream.read())

    def put(self, key: str, body: bytes) -> None:
        with self.files.open_output_stream(f"{self.bucket}/{key}") as stream:
            stream.write(body)


def _credentials() -> Sequence[str | None]:
    """Return the keys that boto3 finds, for it knows where Glue keeps them; none if in sight."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return ()
    import boto3  # here, for it costs a task that does without it half a second

    keys = boto3.Session().get_credentials().get_frozen_credentials()
    return keys.access_key, keys.secret_key, keys.token
