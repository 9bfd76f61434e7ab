"""Damaged files of the state folder: named at start and by status, set aside, made anew."""

from __future__ import annotations

import json
import sqlite3

import pytest

from localaws import process
from localaws.damage import Damage, check_control
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
