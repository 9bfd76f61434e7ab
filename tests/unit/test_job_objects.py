"""How a task of the job asks S3: what it tries again, what it raises, and as whom it signs."""

import datetime as dt
import json
import shutil
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from b3pipeline.job import objects
from b3pipeline.job.objects import Store


class Answering(BaseHTTPRequestHandler):
    """An S3 that gives the answers of its server's list, the last one for ever."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the body would wait 40 ms for the head

    def answer(self):
        server, length = self.server, int(self.headers.get("Content-Length") or 0)
        server.asked.append((self.command, self.path, self.rfile.read(length), self.headers))
        if self.path == "/role":
            status, body, promised = 200, server.role(), None
        else:
            some = server.answers
            status, body, promised = some.pop(0) if len(some) > 1 else some[0]
        self.send_response(status)
        for _ in range(server.lengths):
            self.send_header("Content-Length", str(promised or len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = promised is not None

    do_GET = do_PUT = do_HEAD = answer  # noqa: N815 - names that http.server looks for

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    """A key in the environment, and nothing else that botocore would look at."""
    for name in ("AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def s3():
    """A server whose `answers` are (status, body, bytes promised); `asked` is what came."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.asked, server.answers, server.lengths = [], [(200, b"", None)], 1
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def pauses(monkeypatch):
    """The seconds that are waited between attempts, which the test does not wait."""
    waited = []
    monkeypatch.setattr(objects, "time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setattr(objects.random, "random", lambda: 1.0)
    return waited


def connected(s3, attempts=objects.ATTEMPTS):
    """Return a client of the bucket `lake`."""
    return Store("lake", "us-east-1", f"http://127.0.0.1:{s3.server_port}", attempts).connect()


def refusal(status, code):
    """Return an answer of S3 that refuses."""
    body = f"<Error><Code>{code}</Code><Message>Said by AWS.</Message></Error>"
    return status, body.encode(), None


def test_an_object_is_one_request(s3):
    """No HEAD before a GET, and one PUT."""
    s3.answers = [(200, b"", None), (200, b"bars", None)]
    client = connected(s3)

    client.put("raw/dt=2024-01-02/ticker=PETR4", b"bars")
    got = client.get("raw/dt=2024-01-02/ticker=PETR4")

    assert got == b"bars"
    path = "/lake/raw/dt%3D2024-01-02/ticker%3DPETR4"
    assert [asked[:3] for asked in s3.asked] == [("PUT", path, b"bars"), ("GET", path, b"")]


def test_a_body_does_not_wait_for_the_answer_to_its_head(s3):
    """Nagle's algorithm would hold the second packet of a PUT back until the first is confirmed."""
    client = connected(s3)
    client.put("key", b"bars")
    connection = client.http.pool.get()
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    "passing",
    [
        refusal(503, "SlowDown"),
        refusal(500, "InternalError"),
        refusal(400, "RequestTimeout"),
        (200, b"half", 8),
    ],
    ids=["slow down", "internal", "timeout", "cut off"],
)
def test_what_passes_is_asked_again_each_time_later(s3, pauses, passing):
    """A burst of refusals, and answers whose end did not come."""
    s3.answers = [passing] * 6 + [(200, b"bars", None)]

    assert connected(s3).get("key") == b"bars"
    assert pauses == [2, 4, 8, 16, 20, 20]


def test_the_last_attempt_says_what_the_server_said(s3, pauses):
    """So many attempts as the driver's client makes."""
    s3.answers = [refusal(503, "SlowDown")]

    with pytest.raises(OSError, match=r"AWS Error SlowDown \(HTTP status 503\): Said by AWS\."):
        connected(s3, attempts=3).put("key", b"row")
    assert len(s3.asked) == 3


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(404, "NoSuchKey"), FileNotFoundError),
        (refusal(404, "NoSuchBucket"), OSError),
        ((404, b"<html>A proxy knows no such host.</html>", None), OSError),
        (refusal(403, "AccessDenied"), OSError),
        (refusal(301, "PermanentRedirect"), OSError),
        (refusal(307, "TemporaryRedirect"), OSError),
    ],
)
def test_what_stays_is_asked_once(s3, pauses, answer, kind):
    """Only an object that is not there is a missing file: a session without bars."""
    s3.answers = [answer]

    with pytest.raises(OSError) as caught:
        connected(s3).get("key")
    assert type(caught.value) is kind
    assert (len(s3.asked), pauses) == (1, [])


def test_an_object_that_is_too_long_is_not_fetched(s3):
    """The next request has a connection of its own: the rest waits on the old one."""
    s3.answers = [(200, b"b" * 100, None)]
    client = connected(s3)

    assert client.get("key", 99) is None
    assert client.get("key", 100) == b"b" * 100


def test_a_refusal_is_read_however_short_the_object_may_be(s3):
    """What it says decides whether a session has no bars or the bucket is gone."""
    s3.answers = [refusal(404, "NoSuchBucket")]

    with pytest.raises(OSError, match="NoSuchBucket"):
        connected(s3).get("key", 9)


def test_a_length_may_come_twice(s3):
    """A proxy adds its own, which says the same."""
    s3.answers, s3.lengths = [(200, b"bars", None)], 2
    assert connected(s3).get("key") == b"bars"


def test_a_length_that_is_no_number_is_an_error_of_the_connection(s3, pauses):
    """It is asked again, and raises what the caller expects."""
    s3.answers = [(200, b"bars", "four"), (200, b"bars", None)]
    assert connected(s3).get("key") == b"bars"
    assert pauses == [2]


def test_a_connection_that_ends_before_tls_begins_is_asked_again(pauses):
    """A load balancer that is busy closes it: that is no certificate which nobody vouches for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close_each():
            for _ in range(3):
                connection, _ = listener.accept()
                connection.recv(2**16)  # the whole greeting: else closing it is a reset
                connection.close()

        closing = threading.Thread(target=close_each, daemon=True)
        closing.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(OSError, match="EOF"):
            Store("lake", "us-east-1", url, 3).connect().get("key")
        closing.join(5)
    assert len(pauses) == 2


def test_nobody_there_is_an_error_after_all_attempts(pauses):
    """Port 1 of this machine answers nobody."""
    with pytest.raises(OSError, match="Connection refused"):
        Store("lake", "us-east-1", "http://127.0.0.1:1", 3).connect().get("key")
    assert len(pauses) == 2


def test_a_proxy_of_the_environment_is_asked(s3, monkeypatch):
    """Under its user and password; what the environment excepts goes there directly."""
    s3.answers = [(200, b"bars", None)]
    address = f"127.0.0.1:{s3.server_port}"
    monkeypatch.setenv("http_proxy", f"http://user:word@{address}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    there = "http://s3.test.invalid"

    assert Store("lake", "us-east-1", there).connect().get("key") == b"bars"
    assert connected(s3).get("key") == b"bars"

    (_, through, _, told), (_, directly, _, _) = s3.asked
    assert (through, directly) == (f"{there}/lake/key", "/lake/key")
    assert told["Proxy-Authorization"] == "Basic dXNlcjp3b3Jk"


def test_without_credentials_it_says_so(s3, monkeypatch):
    """Nothing is sent unsigned."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    with pytest.raises(OSError, match="Unable to locate credentials"):
        connected(s3).get("key")
    assert s3.asked == []


def test_a_role_whose_keys_end_signs_with_new_ones(s3, monkeypatch):
    """As on Glue, whose runs outlive the keys of their role; each is asked for at an address."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    address = f"http://127.0.0.1:{s3.server_port}/role"
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
    given = iter(range(1, 9))

    def role():
        end = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2)  # so late that new ones are due
        keys = {"AccessKeyId": f"ASIA{next(given)}", "SecretAccessKey": "s", "Token": "t"}
        return json.dumps({**keys, "Expiration": end.isoformat()}).encode()

    s3.role = role
    client = connected(s3)

    client.get("one")
    client.get("two")

    signed = [asked[3]["Authorization"] for asked in s3.asked if asked[1] != "/role"]
    keys = [line.partition("Credential=")[2].partition("/")[0] for line in signed]
    assert len(set(keys)) == 2


@pytest.fixture
def certificate(tmp_path):
    """A certificate of 127.0.0.1 that nobody vouches for, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    path = tmp_path / "certificate.pem"
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *name]
    subprocess.run(
        [*made, "-keyout", path, "-out", tmp_path / "c"], check=True, capture_output=True
    )
    path.write_bytes(path.read_bytes() + (tmp_path / "c").read_bytes())
    return path


@pytest.mark.process
@pytest.mark.parametrize("trusted", [True, False])
def test_tls_is_checked_against_the_bundle_that_aws_knows(
    s3, pauses, certificate, monkeypatch, trusted
):
    """A certificate that nobody vouches for ends it at once: that does not pass."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    s3.socket = context.wrap_socket(s3.socket, server_side=True)
    if trusted:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    s3.answers = [(200, b"bars", None)]
    client = Store("lake", "us-east-1", f"https://127.0.0.1:{s3.server_port}").connect()

    if trusted:
        assert client.get("key") == b"bars"
    else:
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            client.get("key")
    assert pauses == []
