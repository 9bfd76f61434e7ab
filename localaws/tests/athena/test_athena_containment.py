"""Athena reads and writes inside its buckets alone, whatever an address says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from localaws.athena.errors import QueryError
from localaws.athena.scan.objects import Objects, split_uri
from localaws.objectfiles import encoded

SECRET = pa.table({"close": [42.0]})
COLUMNS = {"close": "double"}

ESCAPES = [
    "s3://bucket//etc/",
    "s3://bucket/a//b/",
    "s3://bucket/a//",
    "s3://bucket/../other/",
    "s3://bucket/a/../../other/",
    "s3://bucket/./a/",
    "s3://../bucket/",
    "s3://..",
    "s3://./bucket/",
    "s3://%2e%2e/bucket/",
    "s3://bu..cket/a/",
    "s3:///etc/",
    "s3://bucket\\..\\x/a/",
    "s3://bucket/a\\..\\..\\b/",
    "s3://bucket/a\0b/",
    "file:///etc/",
    "/etc/passwd",
]


@pytest.mark.parametrize("address", ESCAPES)
def test_an_address_that_leaves_its_bucket_is_none(address: str) -> None:
    """Where addresses are split, each of these is refused with Athena's code."""
    with pytest.raises(QueryError, match="HIVE_INVALID_METADATA: Invalid S3 location"):
        split_uri(address)


def test_percent_signs_in_a_key_are_letters(tmp_path: Path) -> None:
    """A key is never decoded: %2e%2e is a folder of that name, and here there is none."""
    pq.write_table(SECRET, tmp_path / "secret.parquet")
    (tmp_path / "s3" / "bucket").mkdir(parents=True)
    assert Objects(tmp_path / "s3").under("s3://bucket/%2e%2e/%2e%2e/") == []


def escaping(lake: Any, place: Path) -> list[str]:
    """Return locations that lead to a folder of the machine through a lake's bucket."""
    return [
        f"s3://{lake.bucket}/{place}/",
        f"s3://{lake.bucket}//{place.relative_to('/')}/",
        f"s3://{lake.bucket}/" + "../" * 12 + f"{place.relative_to('/')}/",
        f"s3://..{place}/",
    ]


@pytest.mark.parametrize("which", range(4))
def test_a_table_cannot_lie_outside_its_bucket(lake: Any, tmp_path: Path, which: int) -> None:
    """A Parquet file of the machine stays unread, though its table was put into the catalog."""
    pq.write_table(SECRET, tmp_path / "secret.parquet")
    lake.create("t", COLUMNS)
    table = lake.glue.get_table(DatabaseName=lake.database, Name="t")["Table"]
    storage = {**table["StorageDescriptor"], "Location": escaping(lake, tmp_path)[which]}
    given = {"Name": "t", "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage}
    lake.glue.update_table(DatabaseName=lake.database, TableInput=given)
    assert "HIVE_INVALID_METADATA" in lake.failure("SELECT * FROM t")


def test_a_partition_cannot_lie_outside_its_bucket(lake: Any, tmp_path: Path) -> None:
    """The same through the location of a partition, and through ALTER TABLE and MSCK."""
    pq.write_table(SECRET, tmp_path / "secret.parquet")
    lake.create("t", COLUMNS, ("dt",))
    place = escaping(lake, tmp_path)[0].removeprefix(lake.uri(""))
    lake.register("t", ("2024-01-02",), place, COLUMNS)
    assert "HIVE_INVALID_METADATA" in lake.failure("SELECT * FROM t")
    for location in escaping(lake, tmp_path):
        add = f"ALTER TABLE t ADD PARTITION (dt = '2024-01-03') LOCATION '{location}'"
        assert "HIVE_INVALID_METADATA" in lake.failure(add)


def test_no_statement_writes_outside_its_bucket(lake: Any, tmp_path: Path) -> None:
    """CREATE TABLE, CTAS and UNLOAD to such a place fail, and leave nothing there."""
    for location in escaping(lake, tmp_path):
        for statement in (
            f"CREATE EXTERNAL TABLE n (a double) STORED AS PARQUET LOCATION '{location}'",
            f"CREATE TABLE n WITH (external_location = '{location}') AS SELECT 1 AS a",
            f"UNLOAD (SELECT 1 AS a) TO '{location}' WITH (format = 'PARQUET')",
        ):
            assert "HIVE_INVALID_METADATA" in lake.failure(statement), statement
    assert list(tmp_path.iterdir()) == []


def test_results_cannot_be_put_outside_a_bucket(lake: Any, tmp_path: Path) -> None:
    """A place for results that leaves its bucket is refused before anything starts."""
    for location in escaping(lake, tmp_path):
        with pytest.raises(ClientError, match="not a valid S3 path"):
            lake.start("SELECT 1", ResultConfiguration={"OutputLocation": location})


@pytest.mark.parametrize("where", ["file", "folder", "location", "bucket", "encoded"])
def test_a_link_in_the_store_is_not_followed(tmp_path: Path, where: str) -> None:
    """Whoever can put a link into the state folder does not show Athena other files by it."""
    outside = tmp_path / "outside" / "t"
    outside.mkdir(parents=True)
    pq.write_table(SECRET, outside / "secret.parquet")
    bucket = tmp_path / "s3" / "bucket"
    (bucket / "t").mkdir(parents=True)
    if where == "file":
        (bucket / "t" / "data.parquet").symlink_to(outside / "secret.parquet")
    elif where == "folder":
        (bucket / "t" / "dt=2024-01-02").symlink_to(outside)
    elif where == "location":
        (bucket / "t").rmdir()
        (bucket / "t").symlink_to(outside)
    elif where == "bucket":
        (bucket / "t").rmdir()
        bucket.rmdir()
        (bucket).symlink_to(tmp_path / "outside")
    else:
        keys = bucket / ".ministack-keys"
        keys.mkdir()
        (keys / "t%2Fx.meta.json").write_text('{"key": "t/x"}')
        (keys / "t%2Fx").symlink_to(outside / "secret.parquet")
    with pytest.raises(QueryError, match="leads out of its bucket"):
        Objects(tmp_path / "s3").under("s3://bucket/t/")


def test_a_key_that_no_path_can_hold_is_read_without_its_metadata(tmp_path: Path) -> None:
    """Damaged metadata hide no other object; a name that is a hash tells no key."""
    keys = tmp_path / "bucket" / ".ministack-keys"
    keys.mkdir(parents=True)
    told: dict[str, str] = {
        "t%2F%2Flost": "",
        "t%2F%2Flist": "[]",
        "t%2F%2Fcut": '{"key": "t',
        "t%2F%2Fother": '{"key": 7}',
        "t%2F%2Fwell": '{"key": "t//well"}',
        "sha256-" + 64 * "a": "null",
    }
    for name, text in told.items():
        (keys / name).write_bytes(b"body")
        if text:
            (keys / f"{name}.meta.json").write_text(text)
    found = [file.uri for file in Objects(tmp_path).under("s3://bucket/t/")]
    assert found == [f"s3://bucket/t//{key}" for key in ("cut", "list", "lost", "other", "well")]


def test_a_key_that_is_too_long_for_a_path_is_found(tmp_path: Path) -> None:
    """Its folder cannot be looked for; the object lies among those that no path can hold."""
    part = "d" * 300
    keys = tmp_path / "bucket" / ".ministack-keys"
    keys.mkdir(parents=True)
    body = keys / encoded(f"{part}/x")
    body.write_bytes(b"body")
    Path(f"{body}.meta.json").write_text(json.dumps({"key": f"{part}/x"}))
    found = Objects(tmp_path).under(f"s3://bucket/{part}/")
    assert [file.uri for file in found] == [f"s3://bucket/{part}/x"]


def test_a_state_folder_behind_a_link_is_read(tmp_path: Path) -> None:
    """The store itself may lie behind a link, as /tmp does on some systems."""
    folder = tmp_path / "real" / "bucket" / "t"
    folder.mkdir(parents=True)
    pq.write_table(SECRET, folder / "data.parquet")
    (tmp_path / "s3").symlink_to(tmp_path / "real")
    assert [file.uri for file in Objects(tmp_path / "s3").under("s3://bucket/t/")] == [
        "s3://bucket/t/data.parquet"
    ]


@pytest.mark.parametrize("key", ["scripts/..", "tmp", "a/tmp"])
def test_a_script_overwrites_nothing_beside_it(
    aws_client: Callable[[str], Any], jobs: Any, name: Callable[[str], str], key: str
) -> None:
    """A script whose name is a folder of its run is refused, in words."""
    job = jobs.make("print('never')")
    bucket = name("scripts")
    aws_client("s3").create_bucket(Bucket=bucket)
    aws_client("s3").put_object(Bucket=bucket, Key=key, Body=b"print('never')")
    command = {"Name": "pythonshell", "ScriptLocation": f"s3://{bucket}/{key}"}
    jobs.glue.update_job(JobName=job, JobUpdate={"Role": "role", "Command": command})
    run = jobs.finish(job)
    assert run["JobRunState"] == "FAILED"
    assert "LAUNCH ERROR" in run["ErrorMessage"]
