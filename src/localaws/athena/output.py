"""Objects that queries write, through the S3 API like those of anybody else."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.athena.errors import QueryFailed
from localaws.athena.scan.objects import split_uri
from localaws.settings import ACCESS_KEY, Settings


class Output:
    """Puts objects into the local S3."""

    def __init__(self, settings: Settings) -> None:
        self._client = boto3.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            region_name=settings.region,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=ACCESS_KEY,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"mode": "standard", "max_attempts": 3},
                max_pool_connections=16,
            ),
        )

    def has_bucket(self, location: str) -> bool:
        """Return whether the bucket of a location exists."""
        try:
            self._client.head_bucket(Bucket=split_uri(location)[0])
        except ClientError:
            return False
        return True

    def put(self, uri: str, body: bytes) -> None:
        """Put an object; QueryFailed where its bucket does not take it."""
        bucket, key = split_uri(uri)
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=body)
        except ClientError as error:
            message = f"Unable to write to {uri}: {error.response['Error'].get('Message')}"
            raise QueryFailed("HIVE_WRITER_CLOSE_ERROR", message) from error

    def get(self, uri: str) -> bytes | None:
        """Return the body of an object, or None where it is gone."""
        bucket, key = split_uri(uri)
        try:
            return bytes(self._client.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError:
            return None

    def put_parquet(self, uri: str, table: pa.Table, compression: str) -> None:
        """Put a table as one Parquet object."""
        buffer = io.BytesIO()
        pq.write_table(
            table,
            buffer,
            compression=compression,
            coerce_timestamps="ms",
            allow_truncated_timestamps=True,
        )
        self.put(uri, buffer.getvalue())

    def put_metadata(self, uri: str, columns: Iterable[dict[str, Any]]) -> None:
        """Put the description of a result's columns beside it; a format of the local Athena."""
        self.put(uri, json.dumps({"Columns": list(columns)}).encode())
