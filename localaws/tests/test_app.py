"""The seam: what is ours is answered here, all else reaches ministack unchanged."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request

import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from localaws.wire import live


def test_the_server_says_who_it_is(localaws_server):
    """A client can tell this server from any other on the port."""
    with urllib.request.urlopen(f"{localaws_server.endpoint_url}/_localaws/health") as answer:  # noqa: S310
        health = json.load(answer)
    assert health["pid"] == localaws_server.info.pid
    assert health["state_dir"] == str(localaws_server.state_dir.resolve())
    assert "AWSGlue" in health["services"]


def test_a_connection_that_its_client_closed_is_let_go(localaws_server, until):
    """A script that calls a thousand times must not use up the server's files."""
    server = psutil.Process(localaws_server.info.pid)
    address = localaws_server.endpoint_url.removeprefix("http://")
    before = server.num_fds()
    clients = [http.client.HTTPConnection(address) for _ in range(50)]
    for client in clients:
        client.request("GET", "/_localaws/health")
        client.getresponse().read()
    assert server.num_fds() >= before + 45  # others may have gone meanwhile

    for client in clients:
        client.close()

    until(lambda: server.num_fds() <= before + 5)


def test_an_operation_that_is_not_ours_is_ministack_s(aws_client):
    """Connections are Glue's too, and are answered by ministack."""
    assert aws_client("glue").get_connections()["ConnectionList"] == []


def test_a_large_object_passes_through_whole(aws_client, name):
    """Bodies are streams: 48 MB, byte for byte."""
    s3, bucket = aws_client("s3"), name("bucket")
    body = bytes(range(256)) * (48 * 4096)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="large", Body=body)
    back = s3.get_object(Bucket=bucket, Key="large")["Body"].read()
    assert hashlib.sha256(back).digest() == hashlib.sha256(body).digest()


def post(server, target, body, service="glue", path=""):
    """Return status, error type and content of a raw AWS JSON request, signed."""
    keys = server.info.keys
    headers = {"X-Amz-Target": target} if target else {"Content-Type": "application/json"}
    asked = AWSRequest("POST", server.endpoint_url + path, headers, body)
    signer = Credentials(keys.access_key_id, keys.secret_access_key)
    SigV4Auth(signer, service, "us-east-1").add_auth(asked)
    request = urllib.request.Request(asked.url, body, dict(asked.headers))  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, None, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers["x-amzn-errortype"], json.load(error)


def test_a_bucket_is_not_served_to_who_means_another_accounts(aws_client, name):
    """The expected owner decides, as on S3; the right one changes nothing."""
    s3, bucket = aws_client("s3"), name("bucket")
    s3.create_bucket(Bucket=bucket)
    with pytest.raises(ClientError, match="403"):
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner="111122223333")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", ExpectedBucketOwner="111122223333")
    s3.head_bucket(Bucket=bucket, ExpectedBucketOwner="000000000000")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_what_s3_does_not_take_is_refused(aws_client, name):
    """A key of more than 1,024 bytes, and a new name for an object of a common bucket."""
    s3, bucket = aws_client("s3"), name("bucket")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="é" * 512, Body=b"x")
    with pytest.raises(ClientError, match="KeyTooLong"):
        s3.put_object(Bucket=bucket, Key="é" * 512 + "a", Body=b"x")
    with pytest.raises(ClientError, match="NotImplemented"):
        s3.rename_object(Bucket=bucket, Key="new", RenameSource="old")
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["é" * 512]


def test_the_wire_is_aws_json(localaws_server):
    """Any client of the protocol is understood, with an empty body too."""
    status, error_type, content = post(localaws_server, "AWSGlue.ListJobs", b"")
    assert (status, error_type) == (200, None)
    assert "JobNames" in content


@pytest.mark.parametrize(
    "body", [b"{not json", b"[1]", b"[" * 200_000], ids=["no json", "a list", "nested"]
)
def test_a_body_that_is_no_json_object_is_a_serialization_error(localaws_server, body):
    """Not a broken server, but a broken request."""
    status, error_type, content = post(localaws_server, "AWSGlue.GetJob", body)
    assert (status, error_type, content["__type"]) == (
        400,
        "SerializationException",
        "SerializationException",
    )


@pytest.mark.parametrize("depth", [100, 960, 200_000])
@pytest.mark.parametrize("target", ["AWSGlue.CreateJob", "AmazonAthena.StartQueryExecution"])
def test_a_body_that_is_nested_too_deeply_is_refused(localaws_server, target, depth):
    """Nothing is kept that could not be shown again, however deep in the stack."""
    body = b'{"Name": "deep", "Role": "r", "Command": ' + b'{"a":' * depth + b"1" + b"}" * depth
    service = "glue" if "Glue" in target else "athena"
    status, error_type, _ = post(localaws_server, target, body + b"}", service)
    assert (status, error_type) == (400, "SerializationException")
    assert post(localaws_server, "AWSGlue.GetJobs", b"")[0] == 200


@pytest.mark.parametrize(
    ("service", "target", "path"),
    [("lambda", "", "/2015-03-31/functions"), ("logs", "Logs_20140328.CreateLogGroup", "")],
)
def test_ministack_s_own_services_refuse_it_too(localaws_server, service, target, path):
    """It is their parser that gives up; the server is not broken."""
    body = b'{"a":' * 200_000
    status, error_type, _ = post(localaws_server, target, body, service, path)
    assert (status, error_type) == (400, "SerializationException")


def test_the_sdk_for_go_is_given_a_moment(localaws_server):
    """An answer that comes before its writer has ended breaks its connection."""
    sent = {"User-Agent": "APN/1.0 Terraform/1.11.4 aws-sdk-go-v2/1.36.3"}
    address = localaws_server.endpoint_url.removeprefix("http://")
    connection = http.client.HTTPConnection(address)
    began = time.monotonic()
    connection.request("GET", "/_localaws/health", headers=sent)
    assert connection.getresponse().status == 200
    assert time.monotonic() - began >= 0.01
    connection.close()


def test_a_missing_parameter_is_named(localaws_server):
    """Clients other than boto3 do not check before they send."""
    status, error_type, content = post(localaws_server, "AWSGlue.GetJob", b"{}")
    assert (status, error_type) == (400, "ValidationException")
    assert "'jobName'" in content["message"]


def test_a_parameter_of_the_wrong_type_is_refused(localaws_server):
    """A number is not a name."""
    status, error_type, _ = post(localaws_server, "AWSGlue.GetJob", b'{"JobName": 5}')
    assert (status, error_type) == (400, "SerializationException")


def test_a_server_whose_services_cannot_start_does_not_answer():
    """It says so to what serves it, rather than going on without them."""
    sent = []

    async def application(scope, receive, send):
        await send({"type": "lifespan.startup.complete"})

    async def start():
        raise OSError("the disk is full")

    async def send(message):
        sent.append(message)

    lifespan = live(application, {"type": "lifespan"}, None, send, start=start, close=None)
    asyncio.run(lifespan)
    assert sent == [{"type": "lifespan.startup.failed", "message": "the disk is full"}]


def test_a_connection_is_kept_for_any_number_of_requests(localaws_server):
    """A client that puts many objects need not connect again every thousand."""
    connection = http.client.HTTPConnection("127.0.0.1", localaws_server.info.port)
    for _ in range(1100):
        connection.request("GET", "/_localaws/health")
        answer = connection.getresponse()
        answer.read()
        assert answer.getheader("connection") != "close"
    connection.close()
