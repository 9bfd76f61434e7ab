"""The front door: what a page of a browser can send, and names that this server was never given.

Each is an attack that worked once: read every bucket, call a Lambda, wipe everything.
"""

from __future__ import annotations

import http.client
import os

import pytest

from localaws import process


@pytest.fixture(scope="module")
def shut_server(tmp_path_factory):
    """A server with no name and no page added."""
    folder = tmp_path_factory.mktemp("shut") / "state"
    yield process.start(folder, 0, owner=os.getpid())
    process.stop(folder)


@pytest.fixture
def ask(shut_server):
    """A function that sends a raw request, and returns its status, headers and body."""

    def send(method="GET", path="/_localaws/health", headers=None, server=shut_server):
        port = server.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        given = {"Host": f"127.0.0.1:{port}", **(headers or {})}
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, values in given.items():
            for value in values if isinstance(values, list) else [values]:
                connection.putheader(name, value.format(port=port))
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body.decode()

    return send


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}",
                                  "[::1]:{port}"])  # fmt: skip
def test_the_names_of_this_machine_are_answered(ask, host):
    """With the port of this server, in any case of letters."""
    assert ask(headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.example:{port}",
        "evil.localhost:{port}",
        "bucket.s3.localhost:{port}",
        "0.0.0.0:{port}",
        "127.0.0.1:{port}.evil.example",
        "user@127.0.0.1:{port}",
        "",
        [],
        ["127.0.0.1:{port}", "evil.example"],
        ["evil.example", "127.0.0.1:{port}"],
    ],
)
def test_a_name_that_somebody_pointed_here_is_refused(ask, host):
    """DNS rebinding: the name of a page leads to 127.0.0.1, and to the browser we are its own."""
    status, _, body = ask(headers={"Host": host})
    assert status == 403 or (status == 400 and isinstance(host, list))  # the parser's own refusal
    assert "pid" not in body


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8888"},
        {"Origin": "http://127.0.0.1:{port}"},
        {"Origin": ""},
        {"ORIGIN": "https://evil.example"},
        {"Origin": ["http://a.example", "http://b.example"]},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": ["none", "cross-site"]},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_what_a_page_sends_is_refused(ask, headers, method):
    """Whatever the method, preflights included, and whoever the page is."""
    status, answered, body = ask(method, "/", {**headers, "Content-Length": "0"})
    assert status == 403
    assert "web page" in body
    assert not [name for name in answered if name.startswith("access-control")]


def test_an_address_that_somebody_typed_is_no_page(ask):
    """A presigned link in the address bar says `none`."""
    assert ask(headers={"Sec-Fetch-Site": "none"})[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/reset?init=1"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/health"),
        ("GET", "/_ministack/ready"),
        ("GET", "/_ministack/ses/messages"),
        ("GET", "/_ministack/sqs/messages"),
        ("GET", "/_ministack/lambda-code/x"),
        ("PUT", "/_ministack/cfn-response/x"),
        ("POST", "/_ministack/rds/iam-auth"),
        ("POST", "/_ministack/eks-auth/x"),
        ("GET", "/_localstack/health"),
        ("GET", "/_localstack/init"),
        ("POST", "//_ministack/reset"),
        ("POST", "/%5Fministack/reset"),
        ("POST", "/_MINISTACK/reset"),
    ],
)
def test_the_administration_of_ministack_is_closed(ask, method, path):
    """It asks for no signature, and can wipe everything."""
    status, _, body = ask(method, path, {"Content-Length": "0"})
    assert status == 403
    assert "closed" in body


def test_no_answer_opens_itself_to_pages(aws_client):
    """The emulator behind allows every origin to read every answer: those headers end here."""
    calls = {
        "s3": "list_buckets",
        "iam": "list_users",
        "sqs": "list_queues",
        "ec2": "describe_vpcs",
    }
    for service, call in calls.items():
        answer = getattr(aws_client(service), call)()
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        assert not [name for name in headers if name.startswith("access-control")]
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_a_bucket_s_own_rules_for_pages_open_nothing(ask, aws_client, name):
    """PutBucketCors is kept, and does not outvote the server."""
    s3, bucket = aws_client("s3"), name("bucket")
    s3.create_bucket(Bucket=bucket)
    rule = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["*"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    sent = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    status, headers, _ = ask("OPTIONS", f"/{bucket}/key", sent)
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]


def test_a_setting_lets_a_host_and_a_page_in(ask, local_server):
    """Who writes a page against the local AWS names it; all others stay out."""
    local = local_server(hosts=("nas", "box:81", "tunnel:*"), origins=("http://localhost:3000",))
    server = local.info
    page = {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}
    asked = {**page, "Access-Control-Request-Headers": "authorization,x-amz-date"}

    assert ask(headers={"Host": "nas:{port}"}, server=server)[0] == 200
    assert ask(headers={"Host": "box:81"}, server=server)[0] == 200
    assert ask(headers={"Host": "box:{port}"}, server=server)[0] == 403
    assert ask(headers={"Host": "tunnel:5"}, server=server)[0] == 200
    assert ask(headers={"Host": "tunnel:5.evil.example"}, server=server)[0] == 403
    status, answer, _ = ask(headers=page, server=server)
    assert (status, answer["access-control-allow-origin"]) == (200, "http://localhost:3000")
    status, answer, _ = ask("OPTIONS", "/", asked, server=server)
    assert (status, answer["access-control-allow-headers"]) == (204, "authorization,x-amz-date")
    assert ask(headers={"Origin": "http://localhost:3001"}, server=server)[0] == 403
