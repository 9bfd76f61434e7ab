"""Objects that queries write, through the S3 API like those of anybody else."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from localaws.athena.errors import QueryError
from localaws.athena.rights import Rights
from localaws.athena.scan.objects import split_uri
from localaws.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa


class Output:
    """Puts objects into the local S3."""

    def __init__(self, settings: Settings, rights: Rights) -> None:
        self._settings = settings
        self._rights = rights

    @cached_property
    def _client(self) -> Any:
        # With the first query, in its thread: each start of the server would wait for it.
        import botocore.session
        from botocore.config import Config

        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self._settings.endpoint_url,
            region_name=self._settings.region,
            aws_access_key_id=self._settings.keys.access_key_id,
            aws_secret_access_key=self._settings.keys.secret_access_key,
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
        except self._client.exceptions.ClientError:
            return False
        return True

    def put(self, uri: str, body: bytes | BinaryIO) -> None:
        """Put an object; QueryError where its bucket does not take it."""
        bucket, key = split_uri(uri)
        self._rights.check("s3:PutObject", uri)
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=body)
        except self._client.exceptions.ClientError as error:
            message = f"Unable to write to {uri}: {error.response['Error'].get('Message')}"
            raise QueryError("HIVE_WRITER_CLOSE_ERROR", message) from error

    def put_file(self, uri: str, path: Path) -> None:
        """Put a file as an object; QueryError where its bucket does not take it."""
        with path.open("rb") as body:
            self.put(uri, body)

    def read(self, uri: str, start: int, length: int) -> tuple[bytes, int] | None:
        """Return a piece of an object, which may end before, and how long the whole is.

        None where the object is gone; nothing of it where it ends before `start`.
        """
        bucket, key = split_uri(uri)
        self._rights.authorize("s3:GetObject", uri)
        wanted = f"bytes={start}-{start + length - 1}"
        try:
            found = self._client.get_object(Bucket=bucket, Key=key, Range=wanted)
        except self._client.exceptions.ClientError as error:
            return (b"", 0) if error.response["Error"].get("Code") == "InvalidRange" else None
        return found["Body"].read(), int(found["ContentRange"].rpartition("/")[2])

    def put_parquet(self, uri: str, table: pa.Table, compression: str) -> None:
        """Put a table as one Parquet object."""
        import pyarrow.parquet as pq

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
