"""What was answered is on disk: a full disk, no inodes, a folder that became read-only."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws import process

BUCKET = "kept"
# No join on equality, which would make it short.
LONG = (
    "SELECT count(*) FROM UNNEST(sequence(1, 10000)) a(x) CROSS JOIN UNNEST(sequence(1, 10000)) "
    "b(y) CROSS JOIN UNNEST(sequence(1, 10000)) c(z) WHERE (x * y + z) % 7 = 8"
)


class SmallDisk:
    """A file system of a few megabytes or files, and a local AWS whose folder lies on it."""

    def __init__(self, mount: Path, server) -> None:
        self.mount = mount
        self.server = server

    def client(self, service: str):
        """Return a client that asks once: what the server answers is what the test sees."""
        return boto3.client(
            service,
            endpoint_url=self.server.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=self.server.info.keys.access_key_id,
            aws_secret_access_key=self.server.info.keys.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def fill(self) -> None:
        """Take all the room that is left."""
        with (self.mount / "ballast").open("wb", buffering=0) as file, suppress(OSError):
            while file.write(b"x" * 4096) == 4096:
                pass

    def make_room(self) -> None:
        (self.mount / "ballast").unlink()

    @contextmanager
    def read_only_objects(self) -> Iterator[None]:
        """Make the folder of the objects read-only for a while."""
        objects = str(self.server.state_dir / "s3")
        subprocess.run(["mount", "--bind", objects, objects], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", objects], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", objects], check=True)


@pytest.fixture
def small_disk(tmp_path, local_server) -> Iterator[Callable[[str], SmallDisk]]:
    """A maker of small disks: `small_disk("size=8m")`; skipped where nothing can be mounted."""
    mounts = []
    servers = []

    def make(options: str) -> SmallDisk:
        mount = tmp_path / f"disk{len(mounts)}"
        mount.mkdir()
        done = (
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(mount)],
                capture_output=True,
                check=False,
            )
            if os.geteuid() == 0 and Path("/bin/mount").exists()
            else None
        )
        if done is None or done.returncode:
            pytest.skip("a small disk needs root, and a system that lets it mount one")
        mounts.append(mount)
        server = local_server(f"{mount.name}/state")
        servers.append(server)
        server.client("s3").create_bucket(Bucket=BUCKET)
        return SmallDisk(mount, server)

    yield make
    for server in servers:
        server.stop()
    for mount in mounts:
        subprocess.run(["umount", "--lazy", str(mount)], check=True)


def put_many(s3, count, size=6000):
    """Return the bodies that were answered for, by key, and the first error."""
    put, error = {}, None
    for number in range(count):
        key, body = f"raw/n={number}/data", bytes([number % 256]) * size
        try:
            s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            put[key] = body
        except ClientError as refused:
            error = error or refused
    return put, error


def first_refusal(call):
    """Return which of many calls is refused first, once what SQLite has in store is used up."""
    for number in range(300):
        try:
            call(number)
        except ClientError as error:
            return number, error.response
    pytest.fail("nothing was refused")


def stored(s3):
    """Return every object of the bucket, by key."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def refusal(call, **request):
    """Return the error of a call that the server cannot keep."""
    with pytest.raises(ClientError) as refused:
        call(Bucket=BUCKET, **request)
    error = refused.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (
        "ServiceUnavailable",
        503,
    )
    return error["Error"]["Message"]


@pytest.mark.parametrize("options", ["size=3m", "size=64m,nr_inodes=200"])
def test_what_a_full_disk_does_not_take_is_refused_and_nothing_is_lost(small_disk, options, until):
    """No room, or no files left: 503 and the sentence; with room it goes on; a restart agrees."""
    disk = small_disk(options)
    for number in range(20):
        (disk.mount / f"spare{number}").touch()
    put, error = put_many(disk.client("s3"), 400)
    assert 20 < len(put) < 400
    assert error.response["Error"]["Code"] == "ServiceUnavailable"
    assert "No space left on device" in error.response["Error"]["Message"]
    troubles = process.status(disk.server.state_dir).troubles
    # Another may be the state of the control plane, which is saved a second after the bucket.
    [trouble] = [one for one in troubles if " The state of " not in one]
    assert f"s3://{BUCKET}/raw/" in trouble
    assert "No space left on device" in trouble
    assert stored(disk.client("s3")) == put
    for number in range(20):
        (disk.mount / f"spare{number}").unlink()
    if "inodes" not in options:
        disk.client("s3").delete_object(Bucket=BUCKET, Key="raw/n=3/data")
        del put["raw/n=3/data"]
    disk.client("s3").put_object(Bucket=BUCKET, Key="later", Body=b"room")
    put["later"] = b"room"
    assert not any("s3://" in one for one in process.status(disk.server.state_dir).troubles)
    until(lambda: process.status(disk.server.state_dir).troubles == ())
    disk.server.kill()
    disk.server.start()
    assert stored(disk.client("s3")) == put


def test_an_object_that_cannot_be_replaced_stays_what_it_was(small_disk):
    """PUT, copy and upload over an object on a full disk: refused, and the old one is whole."""
    disk = small_disk("size=16m")
    s3 = disk.client("s3")
    old = {"ContentType": "text/old", "Metadata": {"who": "me"}}
    s3.put_object(Bucket=BUCKET, Key="over", Body=b"old", **old)
    s3.put_object(Bucket=BUCKET, Key="odd/", Body=b"old")
    s3.put_object(Bucket=BUCKET, Key="large", Body=b"l" * 2_000_000)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="over")["UploadId"]
    place = {"Bucket": BUCKET, "Key": "over", "UploadId": upload}
    part = s3.upload_part(**place, PartNumber=1, Body=b"p" * 2_000_000)
    disk.fill()
    assert "s3://kept/over" in refusal(s3.put_object, Key="over", Body=b"new" * 50_000)
    refusal(s3.put_object, Key="odd/", Body=b"new" * 50_000)
    refusal(s3.put_object, Key="new", Body=b"new" * 50_000)
    refusal(s3.copy_object, Key="over", CopySource=f"{BUCKET}/large")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    whole = {"Key": "over", "UploadId": upload, "MultipartUpload": parts}
    refusal(s3.complete_multipart_upload, **whole)
    assert "Begin the upload again" in refusal(s3.complete_multipart_upload, **whole)
    expected = {"over": b"old", "odd/": b"old", "large": b"l" * 2_000_000}
    for _ in ("before", "after a restart"):
        assert stored(disk.client("s3")) == expected
        found = disk.client("s3").get_object(Bucket=BUCKET, Key="over")
        assert (found["ContentType"], found["Metadata"]) == ("text/old", {"who": "me"})
        disk.make_room()
        disk.server.kill()
        disk.server.start()
        disk.fill()


def test_a_folder_that_became_read_only_refuses_every_change(small_disk):
    """Neither a new object, nor a new body, nor a deletion is answered for and then lost."""
    disk = small_disk("size=16m")
    put, _ = put_many(disk.client("s3"), 3)
    s3 = disk.client("s3")
    with disk.read_only_objects():
        assert "Read-only file system" in refusal(s3.put_object, Key="new", Body=b"new")
        refusal(s3.put_object, Key="raw/n=0/data", Body=b"new")
        refusal(s3.delete_object, Key="raw/n=0/data")
        refusal(s3.delete_objects, Delete={"Objects": [{"Key": key} for key in put]})
        assert stored(s3) == put
        [trouble] = process.status(disk.server.state_dir).troubles
        assert "Read-only file system" in trouble
    s3.delete_object(Bucket=BUCKET, Key="raw/n=0/data")
    del put["raw/n=0/data"]
    disk.server.kill()
    disk.server.start()
    assert stored(disk.client("s3")) == put


def test_a_catalog_that_cannot_be_written_says_so_and_goes_on(small_disk):
    """Databases, jobs and queries on a full disk: refused with the sentence, nothing half made."""
    disk = small_disk("size=8m")
    glue, athena = disk.client("glue"), disk.client("athena")
    glue.create_database(DatabaseInput={"Name": "before"})
    disk.fill()
    made = lambda n: {"Name": f"full{n}", "Description": "x" * 2000}  # noqa: E731
    missing, error = first_refusal(lambda n: glue.create_database(DatabaseInput=made(n)))
    assert error["Error"]["Code"] == "InternalServiceException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "Free some space" in error["Error"]["Message"]
    troubles = process.status(disk.server.state_dir).troubles
    assert any("CreateDatabase" in trouble for trouble in troubles), troubles
    query = {"Database": "d", "QueryString": "x" * 9000}
    _, error = first_refusal(lambda n: athena.create_named_query(Name=f"q{n}", **query))
    assert "Free some space" in error["Error"]["Message"]
    role = {"RoleName": "role", "AssumeRolePolicyDocument": json.dumps({"x": "y" * 9000})}
    with pytest.raises(ClientError, match="No space left on device"):
        disk.client("iam").create_role(**role)
    disk.make_room()
    glue.create_database(DatabaseInput={"Name": "after"})
    names = {database["Name"] for database in glue.get_databases()["DatabaseList"]}
    assert {"before", "after"} <= names
    assert f"full{missing}" not in names
    disk.server.kill()
    disk.server.start()
    found = disk.client("glue").get_databases()["DatabaseList"]
    assert {database["Name"] for database in found} == names


def test_how_a_run_and_a_query_ended_is_kept_as_soon_as_there_is_room(small_disk, jobs_on, until):
    """Nobody asks again for it: without that they would be RUNNING for ever."""
    disk = small_disk("size=8m")
    jobs = jobs_on(disk.client)
    go = disk.mount / "go"
    waits = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.05)"
    job = jobs.make(waits, ExecutionProperty={"MaxConcurrentRuns": 1})
    run, next_one = (jobs.start(job, JobRunQueuingEnabled=True) for _ in range(2))
    until(lambda: jobs.state(job, run) == "RUNNING")
    athena = disk.client("athena")
    query = athena.start_query_execution(
        QueryString=LONG, ResultConfiguration={"OutputLocation": f"s3://{BUCKET}/results/"}
    )["QueryExecutionId"]

    def state_of_query():
        found = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
        return found["Status"]["State"]

    until(lambda: state_of_query() == "RUNNING")
    until(lambda: disk.server.query_seconds() > 2, seconds=60)  # imports, then rows
    disk.fill()
    big = "x" * 2000
    first_refusal(
        lambda n: jobs.glue.create_database(DatabaseInput={"Name": f"full{n}", "Description": big})
    )
    first_refusal(lambda n: athena.create_named_query(Name=f"q{n}", Database="d", QueryString=big))
    go.touch()
    athena.stop_query_execution(QueryExecutionId=query)
    until(lambda: len(troubles_of(disk)) == 2)
    assert sorted(troubles_of(disk)) == [
        f"The end of the query {query}",
        f"The end of the run {run}",
    ]
    assert jobs.state(job, run) == "RUNNING"
    disk.make_room()
    until(lambda: state_of_query() != "RUNNING")
    assert state_of_query() == "CANCELLED"
    assert jobs.wait(job, run)["JobRunState"] == "SUCCEEDED"
    assert jobs.wait(job, next_one)["JobRunState"] == "SUCCEEDED"
    assert troubles_of(disk) == []


def troubles_of(disk):
    """Return what the server has in mind and cannot store."""
    info = process.status(disk.server.state_dir)
    return re.findall(r"The end of the \w+ \w[\w-]+", " ".join(info.troubles))


def test_an_object_that_cannot_be_read_is_not_an_empty_one(local_server):
    """Its file is gone, or too many files are open: a piece or a copy of it would be nothing."""
    server = local_server()
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for key in ("whole", "lost"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x" * 100)
    next((server.state_dir / "s3").glob(f"*/{BUCKET}/lost")).unlink()
    source = f"{BUCKET}/lost"
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    part = {"Key": "parts", "UploadId": upload, "PartNumber": 1, "CopySource": source}
    said = f"The file of s3://{BUCKET}/lost cannot be read (No such file or directory)."
    assert said in refusal(s3.get_object, Key="lost")
    assert said in refusal(s3.get_object, Key="lost", Range="bytes=0-9")
    assert said in refusal(s3.copy_object, Key="new", CopySource=source)
    assert said in refusal(s3.copy_object, Key="whole", CopySource=source)
    assert said in refusal(s3.upload_part_copy, **part)
    s3.put_object(Bucket=BUCKET, Key="lost", Body=b"again")
    assert stored(s3) == {"whole": b"x" * 100, "lost": b"again"}
