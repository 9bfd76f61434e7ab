"""Many small objects in one bucket: put, got and listed, several at a time."""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import boto3
import obstore
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import BaseError
from obstore.store import S3Store

from b3pipeline import names
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import Config
from b3pipeline.errors import StorageError
from b3pipeline.language import say
from b3pipeline.progress import Progress, track
from b3pipeline.refusals import explain, told

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 16
"""Requests in flight. On one machine eight are as fast; S3 answers from afar."""
WAITING = 256
"""Items taken from an iterable and not yet done: what bounds the memory."""
LIST_PAGE = 1000

RETRIES = {
    "max_retries": 6,
    "retry_timeout": dt.timedelta(seconds=60),
    "backoff": {
        "init_backoff": dt.timedelta(milliseconds=100),
        "max_backoff": dt.timedelta(seconds=10),
        "base": 2,
    },
}
"""Exponential back-off with jitter, for server errors and lost connections."""


def put_objects(
    cloud: Cloud,
    items: Iterable[tuple[str, bytes]],
    *,
    total: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Return how many of `items` (key and body) were put into the raw bucket: all of them.

    Each object replaces its predecessor whole. `items` is read as it is put, with at most
    `WAITING` bodies in memory. Raises StorageError at the first object that cannot be put; those
    before it stay.
    """
    bucket = cloud.config.raw_data_bucket
    store = open_store(cloud)

    def put(item: tuple[str, bytes]) -> None:
        with storage_errors(bucket):
            obstore.put(store, item[0], item[1], use_multipart=False)

    done = in_parallel(put, items)
    return sum(1 for _ in track(done, progress, total=total, desc=say("put")))


def put_object(cloud: Cloud, key: str, body: bytes) -> None:
    """Put one object into the raw bucket; raises StorageError where that fails."""
    with storage_errors(cloud.config.raw_data_bucket):
        obstore.put(open_store(cloud), key, body, use_multipart=False)


def delete_objects(cloud: Cloud, keys: Sequence[str]) -> None:
    """Delete the objects of `keys`, in this order; those that are not there do not matter."""
    store = open_store(cloud)
    with storage_errors(cloud.config.raw_data_bucket):
        for key in keys:
            obstore.delete(store, key)


def get_objects(
    cloud: Cloud,
    keys: Iterable[str],
    decode: Callable[[str, bytes], R],
    *,
    total: int | None = None,
    progress: Progress | None = None,
) -> list[R]:
    """Return what `decode` makes of each key and its body, in the order of `keys`."""
    bucket = cloud.config.raw_data_bucket
    store = open_store(cloud)

    def get(key: str) -> R:
        with storage_errors(bucket, key):
            body = obstore.get(store, key).bytes().to_bytes()
        return decode(key, body)

    return list(track(in_parallel(get, keys), progress, total=total, desc=say("get")))


def find_objects(cloud: Cloud, keys: Iterable[str]) -> list[bytes | None]:
    """Return the body of each key, None where there is no object, in the order of `keys`."""
    bucket = cloud.config.raw_data_bucket
    store = open_store(cloud)

    def find(key: str) -> bytes | None:
        with storage_errors(bucket):
            try:
                body: bytes = obstore.get(store, key).bytes().to_bytes()
            except FileNotFoundError as error:
                if explain(error).code == "NoSuchBucket":
                    raise
                return None
        return body

    return list(in_parallel(find, keys))


def stored_partitions(
    cloud: Cloud,
    prefix: str = names.BRONZE_PREFIX,
    start: dt.date | None = None,
    end: dt.date | None = None,
) -> list[tuple[str, str]]:
    """Return the (dt, ticker) of every data object below `prefix`, in order of date and ticker.

    What else lies there for Hive to see is named in the log.
    `start` and `end` (both included) keep the listing to a range of dates. Raises StorageError
    where the bucket is missing or cannot be listed.
    """
    found, strays = [], []
    for key in list_keys(cloud, prefix, f"{prefix}dt={start or ''}"):
        partition = names.session_of(key, prefix)
        if partition is None:
            strays += [key] if names.is_stray(key, prefix) else []
            continue
        if end is not None and partition[0] > str(end):
            break
        found.append(partition)
    if strays:
        log.warning("%s: %s", prefix, names.named_strays(strays))
    return found


def check_bucket(cloud: Cloud) -> None:
    """Return where the raw bucket is there and may be read; raises StorageError otherwise."""
    bucket = cloud.config.raw_data_bucket
    try:
        cloud.s3.head_bucket(Bucket=bucket)
    except (ClientError, BotoCoreError) as error:
        raise _unusable(bucket, _reason(cloud, bucket, error)) from error


def _reason(cloud: Cloud, bucket: str, error: Exception) -> Exception:
    """Return the error that tells why a HEAD failed, which has no body and so no reason."""
    reason: Exception = error
    if isinstance(error, ClientError) and explain(error).kind != "gone":
        try:
            cloud.s3.list_objects_v2(Bucket=bucket, Prefix=names.BRONZE_PREFIX, MaxKeys=1)
        except (ClientError, BotoCoreError) as listing:
            reason = listing if isinstance(listing, ClientError) else error
    return reason


def open_store(cloud: Cloud) -> S3Store:
    """Return the raw bucket as an object store: of AWS, or of the deployment's endpoint.

    The same one for the same deployment, key and environment: a new one costs eight milliseconds
    of CPU, an ingestion asks for dozens, and each would open connections of its own.
    """
    key = cloud.config.access_key()
    return _store(cloud.config, key, None if key else cloud.session, _environment())


def _environment() -> frozenset[tuple[str, str]]:
    """Return the variables that a store reads for itself when it is made."""
    return frozenset(
        (name, value)
        for name, value in os.environ.items()
        if name.startswith("AWS_") or name.upper().endswith("_PROXY")
    )


@lru_cache(maxsize=8)
def _store(
    config: Config,
    key: tuple[str, str] | None,
    session: boto3.Session | None,
    _: frozenset[tuple[str, str]],
) -> S3Store:
    options: dict[str, Any] = {"region": config.region, "retry_config": RETRIES}
    if key:
        options["access_key_id"], options["secret_access_key"] = key
    else:
        options["credential_provider"] = _credentials(config, session)
    if config.endpoint_url is not None:
        options |= {
            "endpoint": config.endpoint_url,
            "virtual_hosted_style_request": False,
            "client_options": {"allow_http": True},
        }
    elif os.environ.get("AWS_ENDPOINT_URL", "").startswith("http:"):  # `infra/` on a local AWS
        options["client_options"] = {"allow_http": True}
    return S3Store(config.raw_data_bucket, **options)


@contextmanager
def storage_errors(bucket: str, key: str | None = None) -> Iterator[None]:
    """Turn what the object store raises into StorageError, which names bucket and cause."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        if explain(error).code == "NoSuchKey" and key is not None:
            raise StorageError(
                say("there is no object s3://{bucket}/{key}.", bucket=bucket, key=key),
                hint=say("list what the bucket holds."),
            ) from error
        raise _unusable(bucket, error) from error


def in_parallel(act: Callable[[T], R], items: Iterable[T], workers: int = WORKERS) -> Iterator[R]:
    """Yield `act` of each item, in order, with `workers` threads at work.

    At the first error, or when the consumer stops, what has not begun is given up.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="lake")
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            if len(pending) >= WAITING:
                yield pending.popleft().result()
            pending.append(pool.submit(act, item))
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def list_keys(cloud: Cloud, prefix: str, offset: str | None = None) -> Iterator[str]:
    """Yield the keys below `prefix` in their order, those after `offset` where one is given.

    But for the "folders" of the console, whose keys end with a slash.
    """
    store, bucket = open_store(cloud), cloud.config.raw_data_bucket
    last = offset
    try:
        with storage_errors(bucket):
            for page in obstore.list(store, prefix, offset=offset, chunk_size=LIST_PAGE):
                for item in page:
                    last = item["path"]
                    # Of a "folder" it leaves the slash out: where it is the prefix, no key is left.
                    if last.startswith(prefix):
                        yield last
    except StorageError as error:
        if "invalid path" not in str(error.__cause__):
            raise
        yield from _any_keys(cloud, prefix, last)


def _any_keys(cloud: Cloud, prefix: str, offset: str | None) -> Iterator[str]:
    """Yield as `list_keys`, where the object store refuses a key such as `a//b`: by boto3."""
    bucket = cloud.config.raw_data_bucket
    pages = cloud.s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, StartAfter=offset or ""
    )
    try:
        for page in pages:
            for item in page.get("Contents", ()):
                if not item["Key"].endswith("/"):
                    yield item["Key"]
    except (ClientError, BotoCoreError) as error:
        raise _unusable(bucket, error) from error


def _credentials(config: Config, session: boto3.Session | None) -> Boto3CredentialProvider:
    try:
        return Boto3CredentialProvider(session)
    except ValueError as error:
        raise _unusable(config.raw_data_bucket, NoCredentialsError()) from error


def _unusable(bucket: str, error: Exception) -> StorageError:
    """Return the error that says why a bucket cannot be used, and what to do."""
    if explain(error).kind == "gone":
        return StorageError(
            say("there is no bucket {bucket!r}.", bucket=bucket),
            hint=say("run `b3 local up` or `terraform apply`, or correct RAW_BUCKET."),
        )
    return told(error, say("the bucket {bucket!r}", bucket=bucket), StorageError)
