"""Why a call to AWS failed: one answer whatever library asked, and what to do about it."""

import datetime as dt
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import obstore
import pytest
from botocore import exceptions as boto
from botocore.config import Config as BotoConfig
from botocore.exceptions import ClientError
from obstore.store import S3Store

from b3pipeline import lake
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import Config
from b3pipeline.errors import CatalogError, JobError, QueryError, StorageError
from b3pipeline.job.objects import Store
from b3pipeline.lake import storage
from b3pipeline.refine import list_runs
from b3pipeline.refusals import explain

ANSWERS = [
    (400, "ExpiredToken", "expired"),
    (400, "InvalidToken", "keys"),
    (403, "InvalidAccessKeyId", "keys"),
    (403, "SignatureDoesNotMatch", "keys"),
    (403, "AccessDenied", "denied"),
    (403, "RequestTimeTooSkewed", "clock"),
    (301, "PermanentRedirect", "region"),
    (400, "AuthorizationHeaderMalformed", "region"),
    (404, "NoSuchBucket", "gone"),
    (503, "SlowDown", "throttled"),
    (500, "InternalError", "server"),
    (405, "MethodNotAllowed", "other"),
]
"""What S3 answers: the status, the code in the body, the kind that it must be taken for."""


class Refusing(BaseHTTPRequestHandler):
    """An S3, or a service of JSON, that answers everything with the one refusal of its server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the body would wait 40 ms for the head

    def refuse(self):
        status, code = self.server.refusal
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "X-Amz-Target" in self.headers:
            body = f'{{"__type": "{code}", "message": "Said by AWS."}}'
        else:
            body = (
                '<?xml version="1.0" encoding="UTF-8"?>\n'
                f"<Error><Code>{code}</Code><Message>Said by AWS.</Message></Error>"
            )
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode() if self.command != "HEAD" else b"")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = refuse  # noqa: N815 - names that http.server looks for

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="module")
def refusing():
    """A server of refusals; `refusal` is what it answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def refused_cloud(refusing, tmp_path_factory):
    """A deployment that is refused everything, at once."""
    endpoint = f"http://127.0.0.1:{refusing.server_port}"
    key = tmp_path_factory.mktemp("refused") / "credentials"
    key.write_text("[default]\naws_access_key_id = key\naws_secret_access_key = secret\n")
    names = ("raw_data_bucket", "athena_results_bucket", "glue_database", "glue_job_name")
    cloud = Cloud(
        Config(
            target="local",
            region="us-east-1",
            lambda_function_name="lab",
            athena_workgroup="lab",
            endpoint_url=endpoint,
            credentials_file=str(key),
            **dict.fromkeys(names, "lab"),
        )
    )
    once = BotoConfig(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    for service in ("s3", "glue", "athena"):
        made = cloud.session.client(service, endpoint_url=endpoint, config=once)
        vars(cloud)[service] = made
    with pytest.MonkeyPatch.context() as patch:
        patient = {"max_retries": 0, "retry_timeout": dt.timedelta(seconds=1)}
        patch.setattr(storage, "RETRIES", patient)
        yield cloud


def asked_with_obstore(endpoint):
    """Put one object, as the ingestion does."""
    store = S3Store(
        "lab",
        endpoint=endpoint,
        region="us-east-1",
        access_key_id="test",
        secret_access_key="test",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0, "retry_timeout": dt.timedelta(seconds=1)},
    )
    obstore.put(store, "key", b"body", use_multipart=False)


@cache
def boto3_client(endpoint):
    """Return a client of an endpoint: making one takes longer than to ask with it."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=BotoConfig(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def asked_with_boto3(endpoint):
    """Put one object, as a notebook does."""
    boto3_client(endpoint).put_object(Bucket="lab", Key="key", Body=b"body")


def asked_with_botocore(endpoint):
    """Put one object, as the Glue job does."""
    Store("lab", "us-east-1", endpoint, attempts=1).connect().put("key", b"body")


@pytest.fixture
def keys(monkeypatch):
    """What the job finds in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


LIBRARIES = [asked_with_obstore, asked_with_boto3, asked_with_botocore]
ASKED = [
    pytest.param(ask, *answer, id=f"{ask.__name__.rpartition('_')[2]}-{answer[1]}")
    for ask in LIBRARIES
    for answer in ANSWERS
    # boto3 follows a redirect by itself, and asks a server that always redirects for ever.
    if (ask, answer[1]) != (asked_with_boto3, "PermanentRedirect")
]


@pytest.mark.parametrize(("ask", "status", "code", "kind"), ASKED)
@pytest.mark.usefixtures("keys")
def test_a_code_of_s3_is_the_same_kind_in_every_library(refusing, ask, status, code, kind):
    """The three put S3's answer into places of their own; obstore hides that of a redirect."""
    refusing.refusal = (status, code)
    with pytest.raises(Exception) as caught:
        ask(f"http://127.0.0.1:{refusing.server_port}")
    assert explain(caught.value).kind == kind


@pytest.mark.parametrize("ask", LIBRARIES)
@pytest.mark.usefixtures("keys")
def test_nobody_there_is_the_network_in_every_library(ask):
    """Port 1 of this machine answers nobody: that would be the local AWS, which is down."""
    with pytest.raises(Exception) as caught:
        ask("http://127.0.0.1:1")
    assert explain(caught.value).kind == "network"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (boto.NoCredentialsError(), "no_keys"),
        (boto.PartialCredentialsError(provider="env", cred_var="secret"), "keys"),
        (boto.ProfileNotFound(profile="lab"), "keys"),
        (boto.TokenRetrievalError(provider="sso", error_msg="gone"), "expired"),
        (boto.NoRegionError(), "region"),
        (boto.ConnectTimeoutError(endpoint_url="https://glue.us-east-1.amazonaws.com"), "network"),
        (ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadBucket"), "denied"),
        (
            ClientError(
                {
                    "Error": {
                        "Code": "InvalidSignatureException",
                        "Message": "Signature expired: 20240102T000000Z is now earlier than …",
                    }
                },
                "GetTable",
            ),
            "clock",
        ),
        (
            ClientError(
                {
                    "Error": {
                        "Code": "UnrecognizedClientException",
                        "Message": "The security token included in the request is expired",
                    }
                },
                "GetTable",
            ),
            "expired",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_boto3_raises_without_an_answer_of_s3_has_its_kind(error, kind):
    """Some are known by their class, two by their words alone."""
    assert explain(error).kind == kind


CALLS = [
    (lambda cloud: lake.put_objects(cloud, [("key", b"body")]), StorageError),
    (lambda cloud: lake.read_bronze(cloud), StorageError),
    (lambda cloud: storage.find_objects(cloud, ["key"]), StorageError),
    (lambda cloud: storage.delete_objects(cloud, ["key"]), StorageError),
    (lambda cloud: lake.check_bucket(cloud), StorageError),
    (lambda cloud: lake.check_table(cloud, "b3_daily_quotes"), CatalogError),
    (lambda cloud: lake.register_partitions(cloud, "b3_daily_quotes", [("2024-01-02", "PETR4")]),
     CatalogError),
    (lambda cloud: list_runs(cloud), JobError),
]  # fmt: skip


@pytest.mark.parametrize(
    ("act", "kind"), CALLS,
    ids=["put", "list", "get", "delete", "bucket", "table", "register", "runs"],
)  # fmt: skip
def test_credentials_that_end_mid_run_are_said_at_whatever_call(refusing, refused_cloud, act, kind):
    """The lab's four hours are over: new credentials, then the verb that goes on."""
    refusing.refusal = (400, "ExpiredToken")
    with pytest.raises(kind, match="have expired") as caught:
        act(refused_cloud)
    assert "AWS Academy: start the lab" in caught.value.hint
    assert "`b3 resume`" in caught.value.hint


def test_a_question_to_athena_says_that_the_credentials_have_ended(refusing, refused_cloud):
    """Athena's own words for it differ from S3's."""
    from b3pipeline import athena

    refusing.refusal = (400, "ExpiredTokenException")
    with pytest.raises(QueryError, match="the credentials for Athena have expired"):
        athena.query(refused_cloud, "SELECT 1")


def test_a_reason_within_a_500_is_shown(refusing, refused_cloud):
    """It is all that there is to go by."""
    refusing.refusal = (500, "InternalError")
    with pytest.raises(StorageError, match=r"own side .*InternalError: Said by AWS"):
        storage.put_object(refused_cloud, "key", b"body")


def test_a_local_aws_that_is_down_is_told_from_a_network_that_is(refused_cloud):
    """The address says which of the two it is."""
    away = boto.EndpointConnectionError(endpoint_url="https://s3.us-east-1.amazonaws.com")
    here = boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:4566")
    assert "the network is up" in explain(away).hint
    assert "`b3 local up`" in explain(here).hint
