"""What is judged is what is done: no request is read in two ways."""

from __future__ import annotations

import gzip
import http.client
import itertools
import json
import urllib.error
import urllib.request
from base64 import b64encode
from hashlib import md5

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws.readings import _KNOWN

DATA = ["s3:GetObject*", "s3:PutObject", "s3:DeleteObject*", "s3:DeleteBucket"]
PATHS = ("/{}/k", "//{}/k", "/{}/%6b", "/{}%2Fk", "/{}")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


@pytest.fixture
def bucket(aws_client, name):
    """A bucket with a secret and two other objects."""
    made = name("bucket")
    aws_client("s3").create_bucket(Bucket=made)
    for key in ("k", "mine/a", "/k"):
        aws_client("s3").put_object(Bucket=made, Key=key, Body=b"secret")
    return made


@pytest.fixture
def ask(localaws_server, name):
    """A maker of functions that send requests of an identity and return status and body."""

    def made(*statements):
        who = localaws_server.identity(name("user"), *statements)("s3")
        address = localaws_server.endpoint_url

        def asked(method, path, body=b"", **headers):
            named = {n.replace("_", "-"): value for n, value in headers.items()}
            request = AWSRequest(method, address + path, named, body)
            signer = S3SigV4Auth(who._request_signer._credentials, "s3", "us-east-1")
            signer.add_auth(request)
            connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
            connection.request(method, path, body or None, dict(request.headers))
            answer = connection.getresponse()
            found = answer.status, answer.read()
            connection.close()
            return found

        return asked

    return made


@pytest.fixture
def call(localaws_server, name):
    """A function that sends a request to a service of forms, as somebody who may but look."""
    allowed = ["iam:List*", "sqs:List*", "sqs:GetQueueUrl"]
    statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
    who = localaws_server.identity(name("user"), statement)("s3")

    def called(service, path, body, content_type, target=""):
        address = localaws_server.endpoint_url
        headers = {"Content-Type": content_type} | ({"X-Amz-Target": target} if target else {})
        request = AWSRequest("POST", address + path, headers, body)
        SigV4Auth(who._request_signer._credentials, service, "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
        connection.request("POST", path, body, dict(request.headers))
        found = connection.getresponse().status
        connection.close()
        return found

    return called


FORM = "application/x-www-form-urlencoded"
USERS, MAKE_USER = "Action=ListUsers&Version=2010-05-08", "Action=CreateUser&UserName={}"
QUEUES, MAKE_QUEUE = "Action=ListQueues&Version=2012-11-05", "Action=CreateQueue&QueueName={}"


@pytest.mark.parametrize(
    ("service", "query", "body"),
    [
        ("iam", USERS, MAKE_USER),
        ("iam", MAKE_USER, USERS),
        ("iam", "", f"{USERS}&{MAKE_USER}"),
        ("iam", "", f"{MAKE_USER}&{USERS}"),
        ("sqs", QUEUES, MAKE_QUEUE),
        ("sqs", "", f"{QUEUES}&{MAKE_QUEUE}"),
        ("sqs", QUEUES, '{{"QueueName": "{}"}}'),
    ],
)
def test_an_operation_is_named_once(call, aws_client, name, service, query, body):
    """Who may list users made one: the address was judged, and the body done."""
    made = name("made")
    target = "AmazonSQS.CreateQueue" if body.startswith("{") else ""
    content_type = "application/x-amz-json-1.0" if target else FORM
    path = f"/?{query.format(made)}" if query else "/"
    assert call(service, path, body.format(made).encode(), content_type, target) == 400
    assert made not in str(aws_client("iam").list_users()["Users"])
    assert made not in str(aws_client("sqs").list_queues().get("QueueUrls"))


def test_an_operation_that_is_named_once_is_done(call):
    """In the body, as every SDK does it."""
    assert call("iam", "/", USERS.encode(), FORM) == 200
    assert call("sqs", "/", b"{}", "application/x-amz-json-1.0", "AmazonSQS.ListQueues") == 200


def on(bucket, *resources, effect="Allow", action="s3:*"):
    """Return a statement about a bucket, or about some of its objects."""
    arns = [f"arn:aws:s3:::{bucket}{resource}" for resource in resources or ("", "/*")]
    return {"Effect": effect, "Action": action, "Resource": arns}


def objects(s3, bucket):
    """Return keys and checksums of all that is in a bucket."""
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {one["Key"]: one["ETag"] for one in listed}


@pytest.mark.parametrize("method", METHODS)
def test_no_parameter_makes_an_object_of_what_only_a_bucket_has(ask, bucket, aws_client, method):
    """The right to a bucket's policy gave every object, and the right to put one replaced them."""
    asked = ask(on(bucket), on(bucket, effect="Deny", action=DATA))
    before = objects(aws_client("s3"), bucket)
    pairs = [
        f"{one}&{other}" for one, other in itertools.permutations(("acl", "policy", "tagging"), 2)
    ]
    for path, more in itertools.product(
        PATHS, ["", *sorted(_KNOWN), *pairs, "uploadId=x&partNumber=1"]
    ):
        _, body = asked(method, f"{path.format(bucket)}?{more}")
        assert b"secret" not in body, (path, more)
    assert objects(aws_client("s3"), bucket) == before


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/k?policy", "MethodNotAllowed"),
        ("DELETE", "/k?acl", "MethodNotAllowed"),
        ("PUT", "?uploads", "MethodNotAllowed"),
        ("GET", "/k?acl&tagging", "InvalidArgument"),
        ("DELETE", "?inventory&id=x", "NotImplemented"),
    ],
)
def test_root_is_refused_the_same(aws_client, bucket, ask, method, path, code):
    """`DELETE /bucket?inventory` would delete the bucket."""
    status, body = ask(on(bucket), on("", "*"))(method, f"/{bucket}{path}")
    assert (status >= 400, f"<Code>{code}</Code>".encode() in body) == (True, True)
    assert objects(aws_client("s3"), bucket)


def test_the_parts_of_a_key_are_judged_as_they_are(ask, bucket):
    """`a//b` is another object than `a/b`, and `//` is no bucket."""
    asked = ask(on(bucket, "/k", ""))
    assert asked("GET", f"/{bucket}/k")[0] == 200
    assert asked("GET", f"/{bucket}//k")[0] == 403
    assert asked("PUT", f"/{bucket}//", b"x")[0] == 403
    assert asked("PUT", f"/{bucket}/k/", b"x")[0] == 403


def test_an_object_that_is_deleted_has_one_key(ask, bucket, aws_client):
    """Of two keys the last was judged, and the first deleted."""
    asked = ask(on(bucket, "/mine/*"))
    before = objects(aws_client("s3"), bucket)
    for keys in (
        "<Key>k</Key><Key>mine/a</Key>",
        '<Key>k</Key><x:Key xmlns:x="urn:x">mine/a</x:Key>',
        "<Key>k</Key>",
        "<Key>k",
    ):
        body = f"<Delete><Object>{keys}</Object></Delete>".encode()
        digest = b64encode(md5(body, usedforsecurity=False).digest()).decode()
        assert asked("POST", f"/{bucket}?delete", body, Content_MD5=digest)[0] in (400, 403)
    assert objects(aws_client("s3"), bucket) == before


def test_a_form_puts_nothing_that_its_signer_may_not(ask, bucket, aws_client):
    """Its key stands within it; ministack judges the bucket."""
    asked = ask(on(bucket), on(bucket, "/k", effect="Deny"))
    part = 'Content-Disposition: form-data; name="{}"\r\n\r\n{}\r\n--b'
    body = (
        "--b\r\n" + "\r\n".join(part.format(*one) for one in (("key", "k"), ("file", "x"))) + "--"
    )
    asked("POST", f"/{bucket}", body.encode(), Content_Type="multipart/form-data; boundary=b")
    assert aws_client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"secret"


@pytest.mark.parametrize(
    "more", ["x-amz-meta-a=b%0D%0AX-Evil", "x-amz-meta-a%0A=b", "x-amz-meta-a=%00"]
)
def test_no_link_says_what_no_header_can_say(ask, bucket, more):
    """Of such an object nobody could read the headers again."""
    asked = ask(on(bucket))
    assert asked("PUT", f"/{bucket}/new?{more}", b"x")[0] == 400
    assert asked("GET", f"/{bucket}/new")[0] == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("name_", ["policy", "acl", "tagging", "versionId"])
def test_no_body_says_which_right_is_needed(ask, bucket, aws_client, method, name_):
    """The parameters of a form were judged as those of the address; the object was read."""
    data = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    asked = ask(on(bucket), on(bucket, effect="Deny", action=data))
    before = objects(aws_client("s3"), bucket)
    body = f"{name_}=x".encode()
    assert asked(method, f"/{bucket}/k", body, Content_Type=FORM)[0] in (400, 403)
    assert objects(aws_client("s3"), bucket) == before


def test_a_link_puts_an_object_and_no_user(aws_client, localaws_server, bucket, name):
    """Its signature covers no body: what a form says is an object's content."""
    server, user = localaws_server, name("user")
    keys = server.info.keys
    s3 = boto3.client(
        "s3", endpoint_url=server.endpoint_url, region_name="us-east-1",
        aws_access_key_id=keys.access_key_id, aws_secret_access_key=keys.secret_access_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )  # fmt: skip
    names = {"Bucket": bucket, "Key": "new"}
    for operation, verb in (("create_multipart_upload", "POST"), ("put_object", "PUT")):
        address = s3.generate_presigned_url(operation, Params=names)
        form = f"Action=CreateUser&UserName={user}&Version=2010-05-08".encode()
        request = urllib.request.Request(address, form, {"Content-Type": FORM}, method=verb)  # noqa: S310
        with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(request):  # noqa: S310
            pass
        assert caught.value.code == 403
    assert user not in str(aws_client("iam").list_users()["Users"])


@pytest.mark.parametrize("encoding", ["gzip", "aws-chunked"])
def test_no_role_is_passed_in_a_wrapping(localaws_server, jobs, name, encoding):
    """Ministack unwraps a body after its role was looked for."""
    role = jobs.role(
        {"Effect": "Allow", "Action": "*", "Resource": "*"}, Service="lambda.amazonaws.com"
    )
    allowed = {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}
    who = localaws_server.identity(name("user"), allowed)("s3")._request_signer._credentials
    code = {"FunctionName": name("f"), "Runtime": "python3.11", "Handler": "h.h", "Role": role}
    plain = json.dumps({**code, "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}).encode()
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(plain), plain)
    body = gzip.compress(plain) if encoding == "gzip" else chunks
    address, path = localaws_server.endpoint_url, "/2015-03-31/functions"
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    request = AWSRequest("POST", address + path, headers, body)
    SigV4Auth(who, "lambda", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    connection.request("POST", path, body, dict(request.headers))
    assert connection.getresponse().status == 400
    connection.close()


def test_the_requests_of_a_client_go_on(aws_client, bucket, jobs):
    """Each of them asks for one thing."""
    s3 = aws_client("s3")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert s3.get_bucket_request_payment(Bucket=bucket)
    assert s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])
    upload = s3.create_multipart_upload(Bucket=bucket, Key="new")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="new", UploadId=upload, PartNumber=1, Body=b"x")
    assert s3.list_parts(Bucket=bucket, Key="new", UploadId=upload)["Parts"]
    assert s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    s3.abort_multipart_upload(Bucket=bucket, Key="new", UploadId=upload)
    assert s3.list_object_versions(Bucket=bucket)["Versions"]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "/k"}]})
    with pytest.raises(ClientError, match="policy"):
        s3.get_bucket_policy(Bucket=bucket)
    assert list(objects(s3, bucket)) == ["mine/a"]
