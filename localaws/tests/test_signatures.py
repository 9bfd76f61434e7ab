"""Who signed a request: its key must be known, and every part of the request covered by it.

The requests are signed by botocore, and spoilt by hand.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import http.client
import json
import stat
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest, HTTPHeaders
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from localaws import process
from localaws.keys import Keys

CALLS = {
    "s3": "list_buckets",
    "glue": "get_jobs",
    "athena": "list_work_groups",
    "iam": "list_users",
    "lambda": "list_functions",
    "logs": "describe_log_groups",
    "sqs": "list_queues",
    "sts": "get_caller_identity",
    "ec2": "describe_vpcs",
}
DENY_ALL = {"Effect": "Deny", "Action": "*", "Resource": "*"}
NOBODY = {
    "AccessDenied", "AuthFailure", "InvalidAccessKeyId", "InvalidClientTokenId",
    "InvalidSignatureException", "MissingAuthenticationToken", "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException", "UnrecognizedClientException", "ExpiredToken",
    "InvalidToken",
}  # fmt: skip


@dataclass
class Ask:
    """A request before it is sent: signed, and then changed at will."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@pytest.fixture
def bucket(aws_client, name):
    """A bucket with one object, `key`."""
    made = name("bucket")
    aws_client("s3").create_bucket(Bucket=made)
    aws_client("s3").put_object(Bucket=made, Key="key", Body=b"there")
    return made


@pytest.fixture
def sign(localaws_server, localaws_keys):
    """A function that returns a signed request."""

    def signed(method, path, body=b"", service="s3", headers=None, keys=localaws_keys):
        credentials = Credentials(keys.access_key_id, keys.secret_access_key)
        request = AWSRequest(method, localaws_server.endpoint_url + path, headers or {}, body)
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(credentials, service, "us-east-1").add_auth(request)
        return Ask(method, path, dict(request.headers), body)

    return signed


@pytest.fixture
def send(localaws_server):
    """A function that sends a request as it stands, and returns its status and body."""

    def sent(ask):
        address = localaws_server.endpoint_url.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=20)
        connection.request(ask.method, ask.path, ask.body or None, ask.headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    return sent


def client(server, service, key_id, secret, token=None):
    """Return a client of a server with a key, which asks once."""
    return boto3.client(
        service, endpoint_url=server.endpoint_url, region_name="us-east-1",
        aws_access_key_id=key_id, aws_secret_access_key=secret, aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )  # fmt: skip


def refusal(call):
    """Return the code with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"]


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize("key_id", ["test", "0" * 12, "1" * 12, "AKIA" + "X" * 16, "the server's"])
def test_a_key_that_this_server_did_not_give_is_nobody(
    localaws_server, localaws_keys, service, key_id
):
    """Nor is its own with another secret; ministack takes four of these five for root."""
    known = localaws_keys.access_key_id if key_id == "the server's" else key_id
    stranger = client(localaws_server, service, known, "test")
    assert refusal(getattr(stranger, CALLS[service])) in NOBODY


@pytest.mark.parametrize("service", CALLS)
def test_a_request_without_a_signature_is_refused(localaws_server, service):
    """Each service says so in its own form."""
    unsigned = boto3.client(
        service, endpoint_url=localaws_server.endpoint_url, region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )  # fmt: skip
    with pytest.raises(ClientError) as caught:
        getattr(unsigned, CALLS[service])()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)


def test_an_unsigned_caller_makes_no_bucket(send, aws_client, name):
    """Neither an empty key nor half a signature helps."""
    wanted = name("nobodys")
    half = {"Authorization": "AWS4-HMAC-SHA256 Credential=/20260101/us-east-1/s3/aws4_request"}
    for headers in ({}, half, {"Authorization": "AWS test:x"}, {"Authorization": "Bearer x"}):
        assert send(Ask("PUT", f"/{wanted}", headers))[0] in (400, 403)
    assert wanted not in [one["Name"] for one in aws_client("s3").list_buckets()["Buckets"]]


def test_what_is_signed_is_done(sign, send, bucket):
    """The requests that the tests below spoil are good ones."""
    path = f"/{bucket}/{quote('a b+c=é%.txt')}"
    assert send(sign("PUT", path, b"new"))[0] == 200
    assert send(sign("GET", path)) == (200, "new")
    assert send(sign("GET", f"/{bucket}?list-type=2&prefix=a%20b"))[0] == 200


SPOILT = {
    "another body": lambda ask: setattr(ask, "body", b"bad"),
    "another key": lambda ask: setattr(ask, "path", ask.path + "2"),
    "another method": lambda ask: setattr(ask, "method", "DELETE"),
    "another query": lambda ask: setattr(ask, "path", ask.path + "?acl"),
    "a header more": lambda ask: ask.headers.update({"x-amz-acl": "public-read"}),
    "a copy instead": lambda ask: ask.headers.update({"x-amz-copy-source": "/b/k"}),
    "another region": lambda ask: ask.headers.update(
        Authorization=ask.headers["Authorization"].replace("us-east-1", "us-west-2")
    ),
    "another date": lambda ask: ask.headers.update({"X-Amz-Date": "20200101T000000Z"}),
    "host not signed": lambda ask: ask.headers.update(
        Authorization=ask.headers["Authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
    ),
    "an empty signature": lambda ask: ask.headers.update(
        Authorization=ask.headers["Authorization"].partition("Signature=")[0] + "Signature="
    ),
    "a signature beyond ASCII": lambda ask: ask.headers.update(
        Authorization=ask.headers["Authorization"].partition("Signature=")[0] + "Signature=\xe9"
    ),
    "a payload of no kind": lambda ask: ask.headers.update({"X-Amz-Content-SHA256": "ANYTHING"}),
    "a payload that is not looked at": lambda ask: ask.headers.update(
        {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    ),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_request_that_was_changed_after_it_was_signed_is_refused(sign, send, bucket, how):
    """Whoever listens on the way, or finds an old request in a log, cannot make another of it."""
    ask = sign("PUT", f"/{bucket}/key", b"new")
    SPOILT[how](ask)
    assert send(ask)[0] in (400, 403)
    assert send(sign("GET", f"/{bucket}/key")) == (200, "there")


@pytest.mark.parametrize("given", ["\xe9", "\xc3\xa9"], ids=["a byte", "utf-8"])
def test_a_signature_beyond_ascii_does_not_match(sign, send, given):
    """It is a wrong one like any other."""
    ask = sign("GET", "/")
    ask.headers["Authorization"] = ask.headers["Authorization"].rpartition("=")[0] + f"={given}"
    status, body = send(ask)
    assert (status, "SignatureDoesNotMatch" in body) == (403, True)


def test_a_body_of_json_is_covered_too(sign, send):
    """These services declare no hash: the body itself is in the signature."""
    target = {"X-Amz-Target": "AWSGlue.ListJobs", "Content-Type": "application/x-amz-json-1.1"}
    ask = sign("POST", "/", b"{}", "glue", target)
    assert send(ask)[0] == 200
    ask.body = b'{"MaxResults": 1}'
    assert send(ask)[0] in (400, 403)
    other = sign("POST", "/", b"{}", "glue", target)
    other.headers["X-Amz-Target"] = "AWSGlue.GetJobs"
    assert send(other)[0] in (400, 403)


def test_a_signature_for_one_service_opens_no_other(sign, send):
    """A request to S3 cannot be turned into one to Glue."""
    status, body = send(sign("POST", "/", b"{}", "s3", {"X-Amz-Target": "AWSGlue.ListJobs"}))
    assert (status, "correct service: 'glue'" in body) == (400, True)


@pytest.mark.parametrize("path", ["/", "/2015-03-31/functions"])
def test_a_signature_for_no_service_opens_none(sign, send, path):
    """Whatever would answer it by its path."""
    assert send(sign("GET", path, service="lambda" if "functions" in path else "s3"))[0] == 200
    status, body = send(sign("GET", path, service="foo"))
    assert (status, "Signature" in body) == (403, True)


def test_a_signature_says_who_signed_once(sign, send, bucket):
    """Two readers could take two of them."""
    ask = sign("GET", f"/{bucket}/key")
    scheme, _, rest = ask.headers["Authorization"].partition(" ")
    ask.headers["Authorization"] = f"{scheme} Credential=other/20240101/us-east-1/iam/x, {rest}"
    status, body = send(ask)
    assert (status, "came twice" in body) == (400, True)


def test_nobody_says_that_a_request_came_over_tls(sign, send, bucket, aws_client, name):
    """A bucket that refuses plain HTTP refuses it with any header."""
    iam, user = aws_client("iam"), {"UserName": name("user")}
    iam.create_user(**user)
    iam.attach_user_policy(**user, PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    key = iam.create_access_key(**user)["AccessKey"]
    keys = Keys(key["AccessKeyId"], key["SecretAccessKey"])
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Condition": plain}
    statement["Resource"] = f"arn:aws:s3:::{bucket}/*"
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    ask = sign("GET", f"/{bucket}/key", keys=keys)
    ask.headers["X-Forwarded-Proto"] = "https"
    assert send(ask)[0] == 200
    aws_client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    assert send(ask)[0] == 403


def test_what_stands_for_a_payload_has_a_name_of_its_own(sign, send, bucket, monkeypatch):
    """None that begins like one."""
    for name, status in (("UNSIGNED-PAYLOAD", 200), ("UNSIGNED-PAYLOADS", 403)):
        monkeypatch.setattr(S3SigV4Auth, "payload", lambda *_, name=name: name)
        assert send(sign("PUT", f"/{bucket}/new", b"x"))[0] == status


@pytest.mark.parametrize("minutes", [-20, 20])
@pytest.mark.parametrize("service", ["s3", "glue"])
def test_a_request_of_another_time_is_refused(sign, send, monkeypatch, minutes, service):
    """Recorded long ago, or signed for later."""
    then = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: then.replace(tzinfo=None))
    headers = {"X-Amz-Target": "AWSGlue.ListJobs"} if service == "glue" else {}
    ask = sign("POST" if headers else "GET", "/", b"{}" if headers else b"", service, headers)
    status, body = send(ask)
    assert status in (400, 403)
    assert "expired" in body or "not yet current" in body or "time" in body


@pytest.fixture
def link(localaws_server, localaws_keys, bucket):
    """A function that returns a presigned link to `key` of the bucket."""

    def made(version="s3v4", seconds=600, method="get_object"):
        s3 = boto3.client(
            "s3", endpoint_url=localaws_server.endpoint_url, region_name="us-east-1",
            aws_access_key_id=localaws_keys.access_key_id,
            aws_secret_access_key=localaws_keys.secret_access_key,
            config=Config(signature_version=version, s3={"addressing_style": "path"}),
        )  # fmt: skip
        names = {"Bucket": bucket, "Key": "key"}
        return s3.generate_presigned_url(method, Params=names, ExpiresIn=seconds)

    return made


def follow(address, method="GET"):
    """Return status and body of a link."""
    request = urllib.request.Request(address, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_link_opens_its_object_alone(link, version):
    """In both versions: boto3 makes the old one in us-east-1 unless it is told otherwise."""
    address = link(version)
    assert follow(address) == (200, b"there")
    assert follow(address.replace("/key?", "/other?"))[0] == 403
    assert follow(address, "DELETE")[0] == 403
    assert follow(address + "&uploads")[0] == 403 or version != "s3v4"
    assert follow(address.replace("Expires=", "Expires=9"))[0] == 403


@pytest.mark.parametrize(
    "more",
    ["Action=CreateUser&UserName={name}&Version=2010-05-08", "attributes", "retention", "aws"],
)
@pytest.mark.parametrize("method", ["get_object", "put_object", "create_multipart_upload"])
def test_nothing_is_added_to_an_old_link(link, aws_client, name, method, more):
    """Its signature covers few parameters; one more could make a user of IAM."""
    user = name("user")
    address = f"{link('s3', method=method)}&{more.format(name=user)}"
    verbs = {"get_object": "GET", "put_object": "PUT", "create_multipart_upload": "POST"}
    assert follow(address, verbs[method])[0] == 403
    assert user not in [one["UserName"] for one in aws_client("iam").list_users()["Users"]]


def test_an_old_link_shows_the_part_of_a_listing_that_is_asked_for(localaws_server, bucket):
    """What S3 covers by no signature of this version either."""
    keys = localaws_server.info.keys
    s3 = client(localaws_server, "s3", keys.access_key_id, keys.secret_access_key)
    names = {"Bucket": bucket, "Prefix": "k", "MaxKeys": 1}
    address = s3.generate_presigned_url("list_objects_v2", Params=names)
    assert "AWSAccessKeyId=" in address
    status, body = follow(address)
    assert (status, b"<Key>key</Key>" in body) == (200, True)


@pytest.mark.parametrize("parameter", ["X-Amz-Credential", "x-amz-credential"])
@pytest.mark.parametrize("who", ["test", "0" * 12, None])
def test_who_signs_an_old_link_is_whose_rights_count(localaws_server, bucket, name, parameter, who):
    """Ministack believes the credential of a newer link, which an old one may hold as well."""
    denied = localaws_server.identity(name("user"), DENY_ALL)("s3")
    keys = denied._request_signer._credentials
    claimed = who or localaws_server.info.keys.access_key_id
    claimed += "/20260101/us-east-1/s3/aws4_request"
    ends = str(int(time.time()) + 600)

    class Signer(HmacV1QueryAuth):
        def _get_date(self):
            return ends

    headers = HTTPHeaders()
    headers[parameter.lower()] = claimed
    at = urlsplit(f"{localaws_server.endpoint_url}/{bucket}/key")
    signature = Signer(keys).get_signature("GET", at, headers)
    query = {"AWSAccessKeyId": keys.access_key, "Signature": signature, "Expires": ends}
    address = f"{at.geturl()}?{urlencode({**query, parameter: claimed})}"
    status, body = follow(address)
    assert (status, b"there" in body) == (403, False)


@pytest.mark.parametrize("who", ["test", "0" * 12])
def test_who_signs_a_header_is_whose_rights_count(localaws_server, send, bucket, name, sign, who):
    """A key in the query beside one in the header is nobody's."""
    denied = localaws_server.identity(name("user"), DENY_ALL)("s3")
    keys = denied._request_signer._credentials
    for extra in (f"X-Amz-Credential={who}%2Fd%2Fr%2Fs3%2Faws4_request", f"AWSAccessKeyId={who}"):
        signer = Keys(keys.access_key, keys.secret_key)
        status, body = send(sign("GET", f"/{bucket}/key?{extra}", keys=signer))
        assert (status, "there" in body) == (403, False)


def test_a_presigned_link_to_copy_copies_its_object_alone(
    localaws_server, localaws_keys, bucket, aws_client
):
    """What the old link says in its query is not what S3 does where a header says else."""
    s3 = client(localaws_server, "s3", localaws_keys.access_key_id, localaws_keys.secret_access_key)
    aws_client("s3").put_object(Bucket=bucket, Key="secret", Body=b"secret")
    names = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/key"}
    address = s3.generate_presigned_url("copy_object", Params=names)
    assert "AWSAccessKeyId=" in address
    headers = {"x-amz-copy-source": f"{bucket}/secret"}
    request = urllib.request.Request(address, method="PUT", headers=headers)  # noqa: S310
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(request):  # noqa: S310
        pass
    assert caught.value.code == 403


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_link_ends(link, version):
    """A link from long ago is worth nothing; neither is one for ever."""
    assert follow(link(version, seconds=-1))[0] in (400, 403)
    assert follow(link("s3v4", seconds=8 * 24 * 3600))[0] in (400, 403)
    assert follow(link(version).replace("Expires=", "Expires=" + "9" * 5000))[0] == 403


def streamed(server, keys, path, pieces):
    """Return a PUT in chunks, each with a signature that continues the one before."""
    kind, now = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", dt.datetime.now(dt.UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    scope, host = f"{day}/us-east-1/s3/aws4_request", urlsplit(server.endpoint_url).netloc
    signed = {
        "host": host,
        "x-amz-content-sha256": kind,
        "x-amz-date": stamp,
        "x-amz-decoded-content-length": str(sum(map(len, pieces))),
    }
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in (day, "us-east-1", "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()

    def signature(*lines):
        return hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()

    names = ";".join(signed)
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    canonical = "\n".join(["PUT", path, "", lines, names, kind])
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    last = signature("AWS4-HMAC-SHA256", stamp, scope, hashed)
    start = f"AWS4-HMAC-SHA256 Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, "
    headers = {
        **signed,
        "Authorization": f"{start}Signature={last}",
        "Content-Encoding": "aws-chunked",
    }
    empty, body = hashlib.sha256(b"").hexdigest(), b""
    for piece in (*pieces, b""):
        found = hashlib.sha256(piece).hexdigest()
        last = signature("AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, last, empty, found)
        body += f"{len(piece):x};chunk-signature={last}\r\n".encode() + piece + b"\r\n"
    return Ask("PUT", path, headers, body)


def test_a_body_in_signed_chunks_is_checked_chunk_by_chunk(
    localaws_server, localaws_keys, sign, send, bucket
):
    """One letter of the second chunk is enough to be refused."""
    ask = streamed(localaws_server, localaws_keys, f"/{bucket}/chunks", [b"first ", b"second"])
    assert send(ask)[0] == 200
    assert send(sign("GET", f"/{bucket}/chunks")) == (200, "first second")
    ask.body = ask.body.replace(b"second", b"sec0nd")
    assert send(ask)[0] == 403
    assert send(sign("GET", f"/{bucket}/chunks")) == (200, "first second")


def test_temporary_keys_need_their_token_and_end(localaws_server, aws_client, jobs):
    """The token belongs to its key, and to no other."""
    role = jobs.role({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}, AWS="*")
    answer = aws_client("sts").assume_role(RoleArn=role, RoleSessionName="session")
    parts = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    key, secret, token = (answer["Credentials"][part] for part in parts)
    assert client(localaws_server, "s3", key, secret, token).list_buckets()["Buckets"]
    assert refusal(client(localaws_server, "s3", key, secret).list_buckets) in NOBODY
    for wrong in (token[:-2] + "xx", "x"):
        stranger = client(localaws_server, "s3", key, secret, wrong)
        assert refusal(stranger.list_buckets) in NOBODY


def test_a_server_may_be_asked_to_take_any_key(local_server, jobs_on):
    """For tools that insist on a dummy key: everybody who reaches the port is root."""
    server = local_server(any_key=True)
    anybody = lambda service: client(server, service, "test", "test")  # noqa: E731
    anybody("s3").create_bucket(Bucket="anybodys")
    assert anybody("glue").get_jobs()["Jobs"] == []
    jobs = jobs_on(anybody)
    run = jobs.finish(jobs.make("import boto3; print(boto3.client('s3').list_buckets())"))
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")


def test_the_key_is_random_kept_and_readable_by_its_user_alone(tmp_path, local_server):
    """Two folders have two keys; one folder keeps its own over a restart."""
    server, other = local_server("one"), local_server("two")
    first = server.info.keys
    mode = (server.state_dir / "credentials").stat().st_mode
    server.stop()
    server.start()
    assert stat.S_IMODE(mode) == 0o600
    assert server.info.keys == first != other.info.keys
    assert first.secret_access_key not in repr(server.info)
    assert process.status(server.state_dir).keys == first
