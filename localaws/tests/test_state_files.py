"""Attacks on the state folder: forged and senseless records, links where the server writes."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from localaws import process
from localaws.errors import LocalAwsError
from localaws.record import RecordError, own_record, read_record, record_path


@pytest.fixture
def stranger():
    """A process that has nothing to do with any server."""
    with subprocess.Popen(["sleep", "120"]) as child:
        yield child
        child.kill()


def record(**changes):
    """Return a record as this process would write it, with changes."""
    return {"version": 1, **asdict(own_record("127.0.0.1", 4566)), **changes}


def write(folder: Path, content) -> None:
    """Write a record as it is given."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    record_path(folder).write_bytes(text)


def down(folder: Path) -> subprocess.CompletedProcess[str]:
    """Return what `python -m localaws down` says."""
    return subprocess.run(
        [sys.executable, "-m", "localaws", "down", "--state-dir", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def likeness(pid: int) -> dict[str, object]:
    """Return all that a forger can learn of a process, as its record."""
    living = psutil.Process(pid)
    born = living.create_time() - (psutil.boot_time() if sys.platform == "linux" else 0)
    return record(pid=pid, born=born, command=living.cmdline())


def test_a_forged_record_of_a_folder_without_server_ends_nobody(tmp_path, stranger):
    """The process is left alone, a sentence says so, and down is done all the same."""
    for forged in (record(pid=stranger.pid), likeness(stranger.pid)):
        write(tmp_path, forged)
        said = down(tmp_path)
        assert (said.returncode, said.stdout) == (0, "was not running\n")
        assert f"names process {stranger.pid}, which is not the server" in said.stderr
        assert process.status(tmp_path) is None
        assert stranger.poll() is None


@pytest.mark.parametrize("forge", ["number", "start", "command", "everything"])
def test_a_forged_record_beside_a_living_server_ends_nobody(local_server, stranger, forge):
    """Not even one with the stranger's true start and command; without it the server is found."""
    server = local_server()
    true = json.loads(record_path(server.state_dir).read_text())
    likely = likeness(stranger.pid)
    forged = {
        "number": true | {"pid": stranger.pid},
        "start": true | {"born": true["born"] - 60},
        "command": true | {"command": ["sleep", "120"]},
        "everything": likely,
    }[forge]
    write(server.state_dir, forged)
    said = down(server.state_dir)
    assert said.returncode == 1
    assert "is left alone" in said.stderr
    assert f"remove {record_path(server.state_dir)}" in said.stderr
    assert stranger.poll() is None
    assert psutil.pid_exists(server.info.pid)
    record_path(server.state_dir).unlink()
    assert down(server.state_dir).stdout == "stopped\n"
    assert server.processes() == []
    assert stranger.poll() is None


NONSENSE = {
    "empty": b"",
    "garbage": b"\x00\xff garbage",
    "half": b'{"version": 1, "pid": 12',
    "a list": [1, 2],
    "deep": b"[" * 60_000,
    "a huge number": b'{"version": 1, "pid": ' + b"9" * 5000 + b"}",
    "of an earlier version": {"pid": 1, "host": "127.0.0.1", "port": 4566},
    "of a later version": record(version=2),
    "pid of text": record(pid="1"),
    "pid of a group": record(pid=-1),
    "pid zero": record(pid=0),
    "pid true": record(pid=True),
    "pid too large": record(pid=2**40),
    "port too large": record(port=70_000),
    "another host": record(host="evil.example"),
    "start not a number": record(born=float("nan")),
    "command of numbers": record(command=[1]),
}


@pytest.mark.parametrize("content", NONSENSE.values(), ids=NONSENSE)
def test_a_record_that_makes_no_sense_is_a_sentence_with_a_way_out(tmp_path, content):
    """It says what is wrong and what to do; without a server nothing stands in the way."""
    write(tmp_path, content)
    with pytest.raises(RecordError, match="is no record of a server") as caught:
        read_record(tmp_path)
    assert len(str(caught.value)) < 500
    assert "remove" in caught.value.hint
    assert process.stop(tmp_path) is False
    assert process.status(tmp_path) is None


def test_a_start_sets_a_senseless_record_aside_and_says_so(local_server, tmp_path, monkeypatch):
    """A pipe does not hang it, status names it; while the server runs both verbs say a sentence."""
    folder = tmp_path / "state"
    folder.mkdir()
    os.mkfifo(record_path(folder))
    server = local_server()
    assert "server.json" in process.status(folder).troubles[0]
    write(folder, b"garbage")
    monkeypatch.setattr(process, "_ANSWER_SECONDS", 0.5)
    with pytest.raises(LocalAwsError, match="is no record of a server"):
        process.status(folder)
    with pytest.raises(LocalAwsError, match="is no record of a server"):
        process.stop(folder)
    assert psutil.pid_exists(server.info.pid)
    record_path(folder).unlink()


def test_a_record_that_is_a_link_is_not_read(tmp_path):
    """What it points to is somebody else's."""
    other = tmp_path / "other.json"
    other.write_text(json.dumps(record()))
    record_path(tmp_path).symlink_to(other)
    with pytest.raises(RecordError, match="cannot be read"):
        read_record(tmp_path)


WRITTEN = [
    ".writable",
    "server.json",
    "server.new",
    "server.log",
    "server.lock",
    "start.lock",
    "credentials",
    "reserve",
    "damaged",
    "tmp",
    "control",
    "control/iam.json",
    "control/iam.json.tmp",
    "control/lambda-blobs",
    "glue",
    "glue/glue.db",
    "glue/glue.db-wal",
    "glue/runs",
    "athena/athena.db",
    "events/events.db",
    "s3",
    "s3/000000000000",
    "s3/000000000000/bucket/deep/key",
]


def test_no_link_in_the_state_folder_is_followed(tmp_path):
    """Whatever kind of file it stands for: no start, its name in a sentence, nothing written."""
    for number, name in enumerate(WRITTEN):
        folder, outside = tmp_path / str(number), tmp_path / f"outside{number}"
        link = folder / name
        link.parent.mkdir(parents=True)
        outside.mkdir() if number % 2 else outside.write_text("precious")
        link.symlink_to(outside)
        with pytest.raises(LocalAwsError, match="is a symbolic link to") as caught:
            process.start(folder, port=0)
        assert str(link) in str(caught.value)
        assert list(outside.iterdir()) == [] if number % 2 else outside.read_text() == "precious"


def test_links_that_a_run_or_a_lambda_left_do_not_stop_a_start(local_server, tmp_path):
    """A kill leaves their work behind; it is removed, and what it points to is not."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("1")
    for scratch in ("tmp", "glue/runs/jr_1"):
        folder = tmp_path / "state" / scratch
        folder.mkdir(parents=True)
        (folder / "link").symlink_to(precious)
    local_server()
    assert (precious / "file").read_text() == "1"
    assert not (tmp_path / "state/glue/runs/jr_1").exists()


@pytest.mark.parametrize(
    "name", ["control/s3.json", "glue/glue.db-wal", "s3/1/b/key", "s3/1/b/key.meta.json"]
)
def test_a_pipe_anywhere_in_the_state_folder_is_a_sentence(tmp_path, name):
    """Whoever reads it waits: the start hung where a body was one."""
    pipe = tmp_path / "state" / name
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    with pytest.raises(LocalAwsError, match=re.escape(f"{pipe} is neither a file nor a folder")):
        process.start(tmp_path / "state", port=0)


def test_a_pipe_in_place_of_a_lock_or_the_log_is_a_sentence(tmp_path):
    """Opening it would wait for ever; so would reading the key."""
    for name in ("server.lock", "start.lock", "server.log", "credentials"):
        folder = tmp_path / name
        folder.mkdir()
        os.mkfifo(folder / name)
        with pytest.raises(LocalAwsError, match=name):
            process.start(folder, port=0)


def test_a_folder_that_all_users_share_is_refused(tmp_path):
    """Closing /tmp for everybody else is no way to keep a secret."""
    tmp_path.chmod(0o1777)
    with pytest.raises(LocalAwsError, match="shared by all users"):
        process.start(tmp_path, port=0)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_all_that_a_server_writes_is_for_its_user_alone(local_server, tmp_path):
    """In a folder that stood open before, too: no group and no other has any right."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    server = local_server()
    server.client("iam").create_user(UserName="somebody")
    server.client("iam").create_access_key(UserName="somebody")
    server.client("s3").create_bucket(Bucket="bucket")
    server.client("s3").put_object(Bucket="bucket", Key="a/b", Body=b"1")
    written = [folder, *folder.rglob("*")]
    names = {str(path.relative_to(folder)) for path in written}
    assert {"server.json", "server.log", "credentials", "control/iam.json", "glue/glue.db"} <= names
    open_to_others = [path for path in written if path.stat().st_mode & 0o077]
    assert open_to_others == []
