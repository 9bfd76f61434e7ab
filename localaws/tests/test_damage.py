"""Damaged files of the state folder: named at start and by status, set aside, made anew."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest

from localaws import process
from localaws.damage import Damage, check_control
from localaws.errors import LocalAwsError
from localaws.objectfiles import metadata_files, read_metadata
from localaws.sqlite import open_database

SCHEMA = "CREATE TABLE IF NOT EXISTS things (name TEXT, body TEXT);"


def truncated(path):
    """Leave the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage(path):
    """Write what no program reads."""
    path.write_bytes(b"\x00garbage" * 1000)


def emptied(path):
    """Leave nothing of a file."""
    path.write_bytes(b"")


def newer(path):
    """Give a file a version of tomorrow."""
    if path.suffix == ".json":
        path.write_text(json.dumps({"__ministack_format__": 99, "payload": {}}))
        return
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def foreign(path):
    """Write a file of another program in its place."""
    if path.suffix == ".json":
        path.write_text("[1, 2]")
        return
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE things (other TEXT)")
    database.close()


def nested(path):
    """Write JSON that no reader follows to its end."""
    path.write_text("[" * 200_000)


KINDS = [truncated, garbage, emptied, newer, foreign]


@pytest.mark.parametrize("spoil", KINDS, ids=lambda spoil: spoil.__name__)
def test_a_damaged_database_is_set_aside_and_a_new_one_is_made(tmp_path, spoil):
    """Nothing is thrown away, what is lost is said, and the new file works."""
    path = tmp_path / "any.db"
    database = open_database(path, SCHEMA, Damage(tmp_path), "")
    with database:
        database.executemany("INSERT INTO things VALUES (?, ?)", [("a", "x" * 500)] * 100)
    database.close()
    spoil(path)
    spoilt = path.read_bytes()
    damage = Damage(tmp_path)
    database = open_database(path, SCHEMA, damage, "All is lost.")
    assert database.execute("SELECT count(*) FROM things").fetchone() == (0,)
    [sentence] = damage.sentences
    assert f"{path} is damaged (" in sentence
    assert sentence.endswith("All is lost.")
    kept = [item for item in (tmp_path / "damaged").iterdir() if item.name.endswith(".db")]
    assert [item.read_bytes() for item in kept] == [spoilt]
    database.close()


@pytest.mark.parametrize("spoil", [*KINDS, nested], ids=lambda spoil: spoil.__name__)
def test_a_damaged_control_file_is_set_aside(tmp_path, spoil):
    """Ministack would pass over it, and write over it."""
    path = tmp_path / "control" / "iam.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"__ministack_format__": 2, "payload": {"roles": {}}}))
    damage = Damage(tmp_path)
    check_control(path.parent, damage, {}, 2)
    assert damage.sentences == []
    spoil(path)
    check_control(path.parent, damage, {}, 2)
    assert "iam.json is damaged (" in damage.sentences[0]
    assert not path.exists()
    assert "Set aside earlier as damaged" in Damage(tmp_path).sentences[0]


def test_a_server_with_damaged_files_starts_and_says_what_is_gone(local_server):
    """Catalog, queries, events, control plane: all named; objects are there; it works again."""
    server = local_server()
    server.client("s3").create_bucket(Bucket="kept")
    server.client("s3").put_object(Bucket="kept", Key="k", Body=b"body")
    server.client("glue").create_database(DatabaseInput={"Name": "db"})
    server.client("iam").create_role(RoleName="role", AssumeRolePolicyDocument="{}")
    server.stop()
    spoilt = ["glue/glue.db", "athena/athena.db", "events/events.db", "control/iam.json"]
    for name in spoilt:
        garbage(server.state_dir / name)
    (server.state_dir / "control/s3.json").write_text(
        json.dumps({"__ministack_format__": 2, "payload": {"buckets_meta": 7}})
    )
    server.start()
    said = process.status(server.state_dir).troubles
    assert len(said) == 5
    for name in (*spoilt, "control/s3.json"):
        assert any(f"{name} is damaged" in sentence for sentence in said), name
    assert server.client("s3").get_object(Bucket="kept", Key="k")["Body"].read() == b"body"
    glue = server.client("glue")
    assert glue.get_databases()["DatabaseList"] == []
    glue.create_database(DatabaseInput={"Name": "db"})


@pytest.mark.parametrize(
    "payload",
    [
        {"buckets_meta": {"__scoped__": True, "data": {"no account": 1}}},
        {"buckets_meta": {"__scoped__": True, "data": []}},
        {"queues": {"__account_region_scoped__": True}},
    ],
    ids=["no account", "no object", "no data"],
)
def test_a_control_file_that_ministack_cannot_read_does_not_stop_a_start(local_server, payload):
    """It is JSON, and what ministack makes of it fails: the server ended with a traceback."""
    server = local_server()
    server.stop()
    content = {"__ministack_format__": 2, "payload": payload}
    (server.state_dir / "control/s3.json").write_text(json.dumps(content))
    server.start()
    [said] = process.status(server.state_dir).troubles
    assert "control/s3.json is damaged (ministack cannot read it" in said


def test_buckets_that_cannot_be_listed_do_not_stop_a_start(local_server):
    """Ministack takes a bucket's region of any type, and cannot write it into a list."""
    server = local_server()
    server.client("s3").create_bucket(Bucket="kept")
    server.stop()
    path = server.state_dir / "control/s3.json"
    content = json.loads(path.read_text())
    for bucket in content["payload"]["buckets_meta"]["data"].values():
        bucket["region"] = 7
    path.write_text(json.dumps(content))
    server.start()
    assert server.client("glue").get_databases()["DatabaseList"] == []


def test_a_name_that_is_no_text_does_not_stop_a_start(local_server):
    """No request makes one; another program may."""
    server = local_server()
    server.client("s3").create_bucket(Bucket="kept")
    server.client("s3").put_object(Bucket="kept", Key="k", Body=b"body")
    server.stop()
    (bucket,) = (server.state_dir / "s3").glob("*/kept")
    (bucket / "\udcff").write_bytes(b"x")
    server.start()
    assert server.client("s3").get_object(Bucket="kept", Key="k")["Body"].read() == b"body"


@pytest.mark.parametrize("name", ["tmp", "damaged", "s3/.versions", "control"])
def test_a_file_in_the_place_of_a_folder_is_a_sentence(tmp_path, name):
    """And no traceback."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    with pytest.raises(LocalAwsError, match=re.escape(f"{path} is no folder.")):
        process.start(tmp_path, port=0)


WRONG = [
    b"[]",
    b"null",
    b'"x"',
    b"5",
    b"",
    b'{"size": ',
    b"[" * 200_000,
    b'{"size": "abc"}',
    b'{"size": -1}',
    b'{"size": true}',
    b'{"etag": 7}',
    b'{"metadata": []}',
    b'{"metadata": {"x-amz-meta-a": 1}}',
    b'{"preserved_headers": 7}',
    b'{"checksums": []}',
    b'{"content_type": "a\\nb: c"}',
    b'{"last_modified": 5}',
    b'{"last_modified": "yesterday"}',
    b'{"storage_class": 7}',
    b'{"versions": 7}',
    b'{"versions": [{}]}',
    b'{"tags": [1]}',
    b'{"is_delete_marker": 1}',
]


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:40].decode())
def test_metadata_that_ministack_did_not_write_are_not_read(tmp_path, text):
    """Whatever their JSON is: what is wrong is said."""
    path = tmp_path / "key.meta.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"it is|its "):
        read_metadata(str(path))


def test_metadata_of_any_object_are_read(local_server):
    """What a client may say of an object is no damage."""
    server = local_server()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    said = {
        "ContentType": "text/plain; charset=utf-8",
        "ContentEncoding": "gzip",
        "CacheControl": "no-cache",
        "Metadata": {"who": "somebody else"},
        "Tagging": "a%20b=%C3%A9%0A&c=",
        "ACL": "bucket-owner-full-control",
        "StorageClass": "STANDARD_IA",
    }
    for key in ("a", "a//b", "ç" * 100):
        for body in (b"old", b"new"):
            s3.put_object(Bucket="kept", Key=key, Body=body, **said)
    s3.delete_object(Bucket="kept", Key="a")
    files = list(metadata_files(str(server.state_dir / "s3")))
    assert len(files) == 3
    for path in files:
        read_metadata(path)
    server.stop()
    server.start()
    assert process.status(server.state_dir).troubles == ()


def test_damaged_metadata_of_an_object_cost_that_object_alone(local_server):
    """Ministack would load no further object of any bucket, or fail at each listing of one."""
    server = local_server()
    s3 = server.client("s3")
    buckets = [f"lake-{number}" for number in range(5)]
    for bucket in buckets:
        s3.create_bucket(Bucket=bucket)
        for key in ("a/data", "b/data", "a//data", "e" * 300):
            s3.put_object(Bucket=bucket, Key=key, Body=b"body", ContentType="text/csv")
    server.stop()
    root = next((server.state_dir / "s3").glob("[0-9]*"))
    hashed = next((root / "lake-3/.ministack-keys").glob("sha256-*.meta.json"))
    spoilt = {
        root / "lake-0/a/data.meta.json": "[]",
        root / "lake-1/a/data.meta.json": '{"size": "abc", "etag": "x"}',
        root / "lake-1/b/data.meta.json": '{"cut": ',
        root / "lake-2/.ministack-keys/a%2F%2Fdata.meta.json": "null",
        hashed: "[]",
    }
    for path, text in spoilt.items():
        path.write_text(text)
    server.start()
    [said] = process.status(server.state_dir).troubles
    assert "is damaged (" in said
    assert "and so were 5 other files" in said
    kept = [path.read_text() for path in (server.state_dir / "damaged").rglob("*.meta.json")]
    assert sorted(kept) == sorted(spoilt.values())
    s3 = server.client("s3")
    for bucket in buckets:
        listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
        assert len(listed) == (3 if bucket == "lake-3" else 4)
        for each in listed:
            answer = s3.get_object(Bucket=bucket, Key=each["Key"])
            assert (answer["Body"].read(), each["Size"]) == (b"body", 4)
            assert answer["ETag"] == each["ETag"] == '"841a2d689ad86bd1611447453c22c6fc"'
    assert s3.head_object(Bucket="lake-4", Key="a/data")["ContentType"] == "text/csv"


def test_metadata_that_ministack_passes_over_are_named_too(local_server):
    """Nothing fails where they are no JSON: tags and types would be gone without a word."""
    server = local_server()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="lake")
    for key in ("a", "b"):
        s3.put_object(Bucket="lake", Key=key, Body=b"body")
    server.stop()
    (path,) = (server.state_dir / "s3").glob("*/lake/a.meta.json")
    path.write_bytes(bytes(300))
    server.start()
    [said] = process.status(server.state_dir).troubles
    assert said.startswith(f"{path} is damaged (it is no JSON: ")
    assert server.client("s3").head_object(Bucket="lake", Key="a")["ContentLength"] == 4
