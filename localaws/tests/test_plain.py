"""The short way to an object answers as the whole way does, and is taken where it matters."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localaws.joined import _Joined

BOTH_WAYS = Path(__file__).parent / "both_ways.py"
SHORT = (
    "GET a/bars", "GET a/bars as all", "GET a/bars as here", "GET of versions",
    "GET dt=2024-01-02/ticker=PETR4/q.parquet", "PUT plain", "PUT as all", "PUT right CRC",
)  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What came of each case, by its name."""
    folder = tmp_path_factory.mktemp("ways") / ".localaws"
    run = subprocess.run(
        [sys.executable, str(BOTH_WAYS), str(folder)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


def test_both_ways_answer_alike(found):
    """Status, headers and body, what is there afterwards, and what ministack wrote beside it.

    Objects and buckets of many kinds, and callers who may all, some or nothing.
    """
    assert {name: case["differ"] for name, case in found.items() if case["differ"]} == {}
    assert len(found) > 80


def test_the_short_way_is_taken_by_ingestion_and_refine(found):
    """Else it would be quick for nobody."""
    assert [name for name in SHORT if not found[name]["short"]] == []


def test_the_short_way_answers_with_an_object_or_not_at_all(found):
    """Refusals are ministack's own words."""
    ways = {name: case for name, case in found.items() if "short" in case}
    assert {case["status"] for case in ways.values() if case["short"]} == {200}
    assert {case["status"] for case in ways.values()} >= {200, 301, 400, 403, 404}


def test_a_full_disk_refuses_and_keeps_the_old_object(found):
    """In memory and on disk; ministack as a whole was asked once, to put it back."""
    assert found["full disk"] == {
        "differ": "", "refused": 503, "whole": 1, "kept": ["PAR1 bars", "PAR1 bars"]
    }  # fmt: skip


def test_cloudtrail_keeps_each_call_where_it_is_told_to(local_server, monkeypatch):
    """It hears of a call from ministack's dispatch, which the short way passes by."""
    monkeypatch.setenv("CLOUDTRAIL_RECORDING", "1")
    server = local_server()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="lake")
    s3.put_object(Bucket="lake", Key="bars", Body=b"bars")
    s3.get_object(Bucket="lake", Key="bars")
    kept = server.client("cloudtrail").lookup_events()["Events"]
    assert [one["EventName"] for one in kept].count("GetObject") == 1


def test_an_answer_leaves_in_one_piece(localaws_server, localaws_keys, aws_client, name):
    """Head and body together: a client who is woken by half an answer can do nothing with it."""
    bucket = name("bucket")
    aws_client("s3").create_bucket(Bucket=bucket)
    aws_client("s3").put_object(Bucket=bucket, Key="bars", Body=b"x" * 2000)
    url = f"{localaws_server.endpoint_url}/{bucket}/bars"
    request = AWSRequest("GET", url)
    keys = Credentials(localaws_keys.access_key_id, localaws_keys.secret_access_key)
    S3SigV4Auth(keys, "s3", "us-east-1").add_auth(request)
    place = urlsplit(url)
    lines = [f"{key}: {value}" for key, value in request.headers.items()]
    head = "\r\n".join([f"GET {place.path} HTTP/1.1", f"Host: {place.netloc}", *lines, "", ""])
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        for _ in range(30):
            connection.sendall(head.encode())
            answer = connection.recv(2**16)
            assert answer.startswith(b"HTTP/1.1 200")
            assert answer.endswith(b"x" * 2000)


def test_a_large_answer_is_whole(localaws_server, aws_client, name):
    """It is written in many pieces, as the client takes them."""
    bucket = name("bucket")
    body = b"0123456789abcdef" * 2**20
    aws_client("s3").create_bucket(Bucket=bucket)
    aws_client("s3").put_object(Bucket=bucket, Key="much", Body=body)
    assert aws_client("s3").get_object(Bucket=bucket, Key="much")["Body"].read() == body


def test_a_large_answer_is_not_copied():
    """Joined with its head, an object of a gigabyte would take two."""
    sent, body = [], b"x" * 2**20
    transport = SimpleNamespace(write=sent.append)
    joined = _Joined(transport, SimpleNamespace(call_soon=lambda flush: None))
    joined.write(b"head")
    joined.write(body)
    assert sent == [b"head", body]
    assert sent[1] is body
