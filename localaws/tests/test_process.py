"""The server as a process: started, found, stopped, and clear about what stands in its way."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import os
import signal
import socket
import socketserver
import stat
import subprocess
import sys
import threading
import time

import psutil
import pytest

from localaws import process, statedir
from localaws.orphans import end_session
from localaws.ports import HEALTH_PATH


def test_a_server_starts_without_what_the_first_query_needs():
    """The grammar of SQL and the clients of AWS would be half of each start."""
    code = "import sys, localaws.server, ministack.app; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"sqlglot", "duckdb", "pyarrow", "pandas", "boto3", "botocore.compat", "urllib3"}
    assert heavy & set(answer.stdout.split()) == set()


def test_a_second_start_finds_the_first(local_server):
    """There is one server a folder: who starts it again is told where it is."""
    server = local_server()
    again = process.start(server.state_dir, port=0)
    assert (again.pid, again.port, again.started) == (server.info.pid, server.info.port, False)


def test_the_first_start_says_that_it_started(local_server):
    """The value tells a new server from a found one."""
    assert local_server().info.started


def test_the_server_listens_on_this_machine_alone(local_server):
    """No other machine reaches a server that checks no keys."""
    server = local_server()
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(server.info.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


def test_many_clients_that_call_once_are_all_answered(local_server, tmp_path):
    """A closed connection is held for a while, and macOS allows 256 open files at first."""
    command = [sys.executable, "-m", "localaws", "up", "--state-dir", str(tmp_path / "state")]
    command += ["--port", "0", "--standby", "no", "--owner", str(os.getpid())]
    # In a shell of its own: this process of tests may have more files open than that.
    subprocess.run(["sh", "-c", 'ulimit -Sn 128 && exec "$@"', "sh", *command], check=True)
    server = local_server()
    assert not server.info.started
    for _ in range(300):
        client = http.client.HTTPConnection("127.0.0.1", server.info.port, timeout=5)
        with contextlib.closing(client):
            client.request("GET", HEALTH_PATH)
            assert client.getresponse().status == 200


def test_stop_ends_the_server_and_a_second_stop_finds_nothing(local_server):
    """Stopping says whether there was anything to stop."""
    server = local_server()
    assert server.stop() is True
    assert not psutil.pid_exists(server.info.pid)
    assert process.status(server.state_dir) is None
    assert server.stop() is False


def test_stopping_a_folder_that_never_was_is_no_error(tmp_path):
    """`down` may be typed at any time."""
    assert process.stop(tmp_path / "nothing") is False


def test_a_port_taken_by_a_stranger_is_named(tmp_path):
    """The message says which port, and how to use another."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(process.LocalAwsError, match=str(port)) as caught:
            process.start(tmp_path / "state", port=port)
    assert "--port" in caught.value.hint


def test_a_port_taken_by_another_kind_of_server_is_named(tmp_path):
    """What answers there need not even speak HTTP."""

    class Banner(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Banner) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        port = stranger.server_address[1]
        with pytest.raises(process.LocalAwsError, match=str(port)):
            process.start(tmp_path / "state", port=port)
        stranger.shutdown()


def test_a_port_taken_by_another_local_aws_names_its_folder(local_server, tmp_path):
    """Two checkouts on one port: the second one learns who the first is."""
    first = local_server("first")
    with pytest.raises(process.LocalAwsError, match="first"):
        process.start(tmp_path / "second", port=first.info.port)


def test_a_running_server_does_not_move_to_another_port(local_server):
    """Asking for port A while the folder is served on B is a mistake worth telling."""
    server = local_server()
    with pytest.raises(process.LocalAwsError, match=str(server.info.port)):
        process.start(server.state_dir, port=server.info.port + 1)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    """Nothing is started where nothing can be kept."""
    (tmp_path / "file").write_text("")
    with pytest.raises(process.LocalAwsError, match="cannot be written"):
        process.start(tmp_path / "file" / "state", port=0)


def test_a_server_that_dies_at_its_start_shows_its_last_words(tmp_path):
    """The reason is in the error, not only in a log that nobody knows of."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "glue").write_text("a file where a folder must be")
    with pytest.raises(process.LocalAwsError, match=r"glue\.db cannot be opened"):
        process.start(state, port=0)


def test_a_server_that_hangs_is_killed_after_the_grace_period(local_server):
    """Stopping always ends."""
    server = local_server()
    os.kill(server.info.pid, signal.SIGSTOP)
    assert process.stop(server.state_dir, grace_seconds=0.5) is True
    assert not psutil.pid_exists(server.info.pid)


def test_two_servers_do_not_touch_each_other(local_server):
    """Starting and stopping one folder's server leaves the other's alone."""
    first, second = local_server("first"), local_server("second")
    second.kill()
    second.start()
    second.stop()
    assert process.status(first.state_dir).pid == first.info.pid


def test_a_server_ends_with_its_owner(local_server, until):
    """A test run that is killed leaves no server behind."""
    with subprocess.Popen(["sleep", "60"]) as owner:
        server = local_server(owner=owner.pid)
        owner.kill()
    until(lambda: not server.processes())
    assert process.status(server.state_dir) is None


def test_keys_of_an_account_do_not_reach_the_server(local_server, monkeypatch):
    """What the server starts inherits its own: a run cannot touch an account by mistake."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real-token")
    monkeypatch.setenv("AWS_PROFILE", "company")
    info = local_server().info
    environment = psutil.Process(info.pid).environ()
    assert environment["AWS_ACCESS_KEY_ID"] == info.keys.access_key_id
    assert "AWS_SESSION_TOKEN" not in environment
    assert "AWS_PROFILE" not in environment


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(local_server, monkeypatch):
    """A proxy that leads nowhere changes nothing."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server = local_server()
    assert "127.0.0.1" in psutil.Process(server.info.pid).environ()["NO_PROXY"]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what a command of `python -m localaws` wrote, and its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "localaws", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_line_goes_up_and_down(tmp_path):
    """up, status and down succeed, and say where the server is."""
    folder = ("--state-dir", str(tmp_path / "state"))
    up = command("up", *folder, "--port", "0")
    try:
        assert (up.returncode, up.stdout[:25]) == (0, "started: http://127.0.0.1")
        status = command("status", *folder)
        assert (status.returncode, status.stdout[:20]) == (0, "up: http://127.0.0.1")
    finally:
        down = command("down", *folder)
    assert (down.returncode, down.stdout) == (0, "stopped\n")


def test_the_command_line_says_in_one_sentence_what_is_wrong(tmp_path):
    """A failure is exit code 1 and two lines, no traceback."""
    status = command("status", "--state-dir", str(tmp_path))
    assert status.returncode == 1
    assert status.stderr == "it is down.\nTry: start it: python -m localaws up\n"


def test_starts_at_the_same_moment_become_one_server(tmp_path):
    """Two windows, one folder: both are told of the same server, and one of them started it."""
    folder = tmp_path / "state"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        infos = list(pool.map(lambda _: process.start(folder, port=0), range(3)))
    try:
        assert len({info.pid for info in infos}) == 1
        assert [info.started for info in infos].count(True) == 1
    finally:
        process.stop(folder)


def test_the_state_folder_is_its_user_s_alone(tmp_path):
    """A new one from its making, one of an earlier version from its next start."""
    new, old, shared = tmp_path / "new", tmp_path / "old", tmp_path / "shared"
    for folder in (old, shared):
        folder.mkdir()
        folder.chmod(0o755)
    (old / "server.lock").touch()
    for folder in (new, old, shared):
        statedir.prepare(folder)
    modes = [stat.S_IMODE(folder.stat().st_mode) for folder in (new, old, shared)]
    assert modes == [0o700, 0o700, 0o755]


@pytest.mark.parametrize("allowed", [64, 256])
def test_too_few_open_files_are_said_at_the_start_with_the_number_needed(tmp_path, allowed):
    """Without it a run fails after a minute, with words that nobody understands."""
    command = [sys.executable, "-m", "localaws", "up", "--state-dir", str(tmp_path), "--port", "0"]
    limited = f'ulimit -n {allowed} && exec "$@"'
    answer = subprocess.run(
        ["/bin/bash", "-c", limited, "bash", *command], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert f"may open {allowed} files at once" in answer.stderr
    assert "need 1,024" in answer.stderr


def test_a_session_that_is_ended_leaves_its_childs_status_to_the_parent():
    """Where the status is taken away the server's loop waits for that child for ever."""
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    assert end_session(child.pid) == 1
    assert child.wait() == -signal.SIGKILL


def test_what_a_slow_parent_does_not_take_note_of_has_ended_all_the_same():
    """A container's first process may look after the dead every two seconds only."""
    code = (
        "import subprocess, time;"
        "print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid, flush=True);"
        "time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child = psutil.Process(int(parent.stdout.readline()))
    started = time.monotonic()
    assert end_session(child.pid) == 1
    assert time.monotonic() - started < 2
    assert child.status() == psutil.STATUS_ZOMBIE
    parent.kill()
    parent.wait()
