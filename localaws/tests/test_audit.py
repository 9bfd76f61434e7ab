"""Who did what, and whether it was allowed: kept where a server is asked to."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from localaws.audit import Decision, decisions

ACCOUNT = "0" * 12
USER = f"arn:aws:iam::{ACCOUNT}:user/student"


def test_each_decision_is_kept_with_who_asked_for_what(local_server):
    """S3 and Glue, allowed and denied; a read of an object by its key; the root is left out."""
    server = local_server(audit=True)
    server.client("s3").create_bucket(Bucket="lake")
    own = [{"Effect": "Allow", "Action": "s3:*Object", "Resource": "arn:aws:s3:::lake/mine/*"}]
    student = server.identity("student", *own)
    student("s3").put_object(Bucket="lake", Key="mine/a", Body=b"1")
    with pytest.raises(ClientError):
        student("s3").get_object(Bucket="lake", Key="yours/a")
    with pytest.raises(ClientError):
        student("glue").get_jobs()

    kept = list(decisions(server.state_dir / "audit.jsonl"))

    assert [(one.principal, one.action, one.resource, one.allowed) for one in kept] == [
        (USER, "s3:PutObject", "arn:aws:s3:::lake/mine/a", True),
        (USER, "s3:GetObject", "arn:aws:s3:::lake/yours/a", False),
        (USER, "glue:GetJobs", "*", False),
    ]
    assert all(one.time.endswith("+00:00") for one in kept)


def test_a_run_is_kept_as_its_role(local_server, jobs_on):
    """Glue's own reading of the script, the log, and what the script does: one principal."""
    server = local_server(audit=True)
    jobs = jobs_on(server.client)
    run = jobs.finish(jobs.make("import boto3; boto3.client('s3').list_buckets()"))
    assert run["JobRunState"] == "SUCCEEDED"

    kept: list[Decision] = list(decisions(server.state_dir / "audit.jsonl"))

    assert {one.principal.rpartition("/")[2] for one in kept} == {"GlueJobRunnerSession"}
    assert {one.action for one in kept} == {
        "s3:GetObject",
        "s3:ListAllMyBuckets",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
    }


def test_without_being_asked_nothing_is_kept(localaws_server):
    """A line a request would fill a disk."""
    assert not (localaws_server.state_dir / "audit.jsonl").exists()
