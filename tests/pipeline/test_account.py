"""The check of an account before anything costs money, on a local AWS that enforces rights."""

import json
import os

import boto3
import pytest

from b3pipeline.account import check_account
from localaws import process

EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def denied(*actions):
    """Return a statement that forbids actions, as a lab attaches one when its session ends."""
    return {"Effect": "Deny", "Action": list(actions), "Resource": "*"}


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory):
    """One local AWS that checks each caller's rights, shared by the tests of this module."""
    folder = tmp_path_factory.mktemp("strict") / "state"
    yield process.start(folder, 0, auth=True, owner=os.getpid())
    process.stop(folder)


@pytest.fixture
def session_of(strict_server, monkeypatch):
    """A maker of sessions for users with the statements given; no call leaves this machine."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", strict_server.endpoint_url)

    def make(name, *statements):
        iam = boto3.client("iam", region_name="us-east-1", aws_access_key_id="test",
                           aws_secret_access_key="test")  # fmt: skip
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")

    return make


def findings(report):
    """Return each subject with its finding."""
    return {finding.subject: finding for finding in report.findings}


def test_an_account_with_every_right_is_fit(session_of):
    """All findings are good, and the names of both buckets are free."""
    report = check_account(session_of("owner", EVERYTHING))
    assert report.ok, str(report)
    assert findings(report)["bucket names"].detail.count("is free") == 2


def test_an_ended_lab_session_is_told_though_sts_answers(session_of):
    """The identity is known, every live service refuses, and the hint names the lab."""
    report = check_account(session_of("student", EVERYTHING, denied("s3:*", "glue:*")))
    found = findings(report)
    assert found["identity"].ok
    assert not found["S3 answers"].ok
    assert "start the lab" in found["S3 answers"].hint


def test_missing_credentials_are_the_first_finding(monkeypatch, tmp_path):
    """Nothing else is asked, for nothing could answer."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    report = check_account(boto3.Session(region_name="us-east-1"))
    assert [finding.subject for finding in report.failed] == ["credentials"]


def test_a_temporary_key_without_its_token_is_told(monkeypatch):
    """The block of a lab has three lines; whoever copies two gets a sentence."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIA" + "A" * 16)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    report = check_account(boto3.Session(region_name="us-east-1"))
    assert "AWS_SESSION_TOKEN" in report.failed[0].detail


def test_a_missing_region_is_told(monkeypatch, tmp_path):
    """The block of a lab names no region."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    report = check_account(boto3.Session("key", "secret"))
    assert [finding.subject for finding in report.failed] == ["region"]
    assert "AWS_DEFAULT_REGION" in report.failed[0].hint
