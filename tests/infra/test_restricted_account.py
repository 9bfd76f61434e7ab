"""A real `terraform apply` where neither a role nor a bucket can be made."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from b3pipeline.cloud import buckets

pytestmark = pytest.mark.slow

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "aws.md"

EXAMPLE = "academy.tfvars.example"
"""The restricted mode's variables, as they stand."""

NO_ROLES = ["iam:Create*"]
NO_BUCKETS = [
    *NO_ROLES,
    "s3:CreateBucket",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
]


@pytest.fixture(scope="module")
def labs(new_account, deployment):
    """Return a lab that denies buckets, with two that were there before, and its deployment."""
    account = new_account()
    for bucket in ("lab-raw", "lab-results"):
        account.client("s3").create_bucket(Bucket=bucket)
        buckets.close_to_public(account.client("s3"), bucket)
    account.client("s3").put_object(Bucket="lab-raw", Key="mine.txt", Body=b"kept")
    existing = ["existing_raw_data_bucket=lab-raw", "existing_athena_results_bucket=lab-results"]
    student = account.lab(NO_BUCKETS)
    return SimpleNamespace(
        account=student,
        without_buckets=deployment(student, EXAMPLE, *existing),
        own_mode=deployment(student),
    )


def test_a_bucket_that_nobody_has_looked_at_is_refused_while_planning(labs) -> None:
    """The sentence names both and the command; nothing is made."""
    answer = labs.without_buckets.run("plan", check=False)

    said = " ".join(answer.stderr.replace("\u2502", "").split())
    assert answer.returncode == 1
    assert "Nobody has looked at lab-results and lab-raw yet: run `.venv/bin/b3 buckets`" in said
    assert labs.account.client("glue").get_jobs()["Jobs"] == []


def test_a_lab_without_buckets_uses_those_that_exist(labs) -> None:
    """Where `s3:CreateBucket` is denied as well, no bucket and no setting of one is managed."""
    made, s3 = labs.without_buckets, labs.account.client("s3")
    for bucket in ("lab-raw", "lab-results"):
        buckets.prepare(s3, bucket, account_id=labs.account.account_id)
    made.apply()

    wiring = made.account.client("s3").get_bucket_notification_configuration(Bucket="lab-raw")

    managed = [address for address in made.addresses() if address.startswith("aws_s3_bucket")]
    assert managed == ["aws_s3_bucket_notification.batch_manifest"]
    assert made.config().raw_data_bucket == "lab-raw"
    assert made.config().athena_results_bucket == "lab-results"
    assert len(wiring["LambdaFunctionConfigurations"]) == 1


def test_own_mode_fails_there_with_the_error_that_the_documentation_explains(labs) -> None:
    """The default mode is refused in a lab: AWS names `iam:CreateRole`, and so does docs/aws.md."""
    roles = ["-target=aws_iam_role.glue", "-target=aws_iam_role.host"]  # the others need them

    answer = labs.own_mode.apply(*roles, check=False)

    assert answer.returncode == 1
    assert "is not authorized to perform: iam:CreateRole" in answer.stderr
    assert "is not authorized to perform: iam:CreateRole" in DOCUMENTATION.read_text()


def test_destroying_leaves_an_existing_bucket_with_what_was_in_it(labs) -> None:
    """Terraform takes its artefacts out of a bucket that it did not make, and nothing else."""
    made = labs.without_buckets

    made.run("destroy", "-auto-approve")

    s3 = made.account.client("s3")
    buckets.remove(s3, "lab-raw")
    listed = s3.list_objects_v2(Bucket="lab-raw")
    assert [item["Key"] for item in listed["Contents"]] == ["mine.txt"]
