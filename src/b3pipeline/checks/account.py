"""Can this AWS account take the pipeline? Asked before anything is made, and nothing is made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError

from b3pipeline.checks.report import CheckReport, Finding
from b3pipeline.cloud.buckets import VARIABLES
from b3pipeline.names import Names
from b3pipeline.refusals import explain

LAB_REGIONS = ("us-east-1", "us-west-2")
"""The regions that an AWS Academy Learner Lab allows."""
LAB_INSTANCES = 9
"""Instances that a Learner Lab allows at a time; twenty deactivate the account."""
LAB_ROLE, LAB_PROFILE = "LabRole", "LabInstanceProfile"
_LAB_MARK = "voclabs"

_RENEW = "get new credentials: in AWS Academy start the lab and copy the block from AWS Details."
_LOCK_ACTION = "s3:GetBucketObjectLockConfiguration"
_ACADEMY = (
    "use the Academy mode: `cp infra/academy.tfvars.example infra/terraform.tfvars`, then "
    "`b3 buckets`; docs/aws.md has the steps."
)

Client = Callable[[str], Any]
"""Makes a client of the service that it is given."""
_NO_WORKGROUP = "InvalidRequestException"
"""What Athena says of a workgroup that is not there."""


@dataclass(frozen=True)
class Account:
    """The account that the credentials of the environment open, with its clients."""

    session: boto3.Session

    def client(self, service: str) -> Any:
        """Return a client that gives up soon: a check must not hang."""
        patience = BotoConfig(
            retries={"mode": "standard", "max_attempts": 2}, connect_timeout=5, read_timeout=20
        )
        return self.session.client(service, config=patience)

    @cached_property
    def identity(self) -> dict[str, str]:
        return dict(self.client("sts").get_caller_identity())

    @property
    def is_lab(self) -> bool:
        return _LAB_MARK in self.identity["Arn"]


def check_account(
    session: boto3.Session | None = None,
    *,
    deployed: bool = False,
    variables: Mapping[str, str] | None = None,
) -> CheckReport:
    """Return whether the account behind the credentials can take the pipeline. Reads only.

    `deployed` is whether the pipeline stands there already, so that its names are its own;
    `variables` are those that Terraform is given, as `buckets.terraform_variables` reads them.
    Credentials and region come first, for nothing can be asked without them; then services are
    asked in earnest, since in an ended AWS Academy session STS still answers while every other
    call is denied.
    """
    # boto3 itself reads AWS_DEFAULT_REGION alone.
    account = Account(session or boto3.Session(region_name=os.environ.get("AWS_REGION")))
    first = (_credentials(account), _region(account))
    if not all(finding.ok for finding in first):
        return CheckReport(first)
    identity = _asked("identity", lambda: _identity(account))
    if not identity.ok:
        return CheckReport((*first, identity))
    return CheckReport((*first, identity, *_live(account, deployed, variables or {})))


def _live(account: Account, deployed: bool, variables: Mapping[str, str]) -> Iterator[Finding]:
    yield _asked("S3 answers", lambda: _probe_s3(account))
    yield _asked("Glue answers", lambda: _probe_glue(account))
    if not deployed:
        number = account.identity["Account"]
        yield _asked("mode", lambda: _mode(account, variables))
        yield _asked("bucket names", lambda: bucket_names(account.client, number))
        yield _asked("other names", lambda: other_names(account.client, roles=not account.is_lab))
        yield _asked("network", lambda: _network(account))
    if account.is_lab:
        yield _asked(LAB_ROLE, lambda: _lab_role(account))
        yield _asked("region of the lab", lambda: _lab_region(account))
        yield _asked("EC2 instances", lambda: _instances(account))


def _asked(subject: str, ask: Callable[[], Finding]) -> Finding:
    """Return the finding of one question; where AWS refuses to answer, that is the finding."""
    try:
        return ask()
    except (ClientError, BotoCoreError) as error:
        refusal = explain(error)
        return Finding(subject, False, refusal.about("this account"), refusal.hint)


def _credentials(account: Account) -> Finding:
    found = account.session.get_credentials()
    if found is None:
        return Finding(
            "credentials", False, "none are set",
            "`aws configure`, or export AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where you "
            "have one, AWS_SESSION_TOKEN.",
        )  # fmt: skip
    if found.method == "env" and not found.token and found.access_key.startswith("ASIA"):
        return Finding(
            "credentials", False, "a temporary key without its AWS_SESSION_TOKEN", _RENEW
        )
    return Finding("credentials", True, f"from {_origin(found.method)}")


def _origin(method: str) -> str:
    if method == "env":
        return "the environment (which wins over ~/.aws/credentials)"
    return method


def _region(account: Account) -> Finding:
    region = account.session.region_name
    hint = "export AWS_DEFAULT_REGION=us-east-1: the block of AWS Academy names none."
    return Finding("region", bool(region), region or "none is set", hint)


def _identity(account: Account) -> Finding:
    lab = ", an AWS Academy lab" if account.is_lab else ""
    return Finding("identity", True, f"{account.identity['Arn']}{lab}")


def _probe_s3(account: Account) -> Finding:
    buckets = account.client("s3").list_buckets()["Buckets"]
    return Finding("S3 answers", True, f"{len(buckets)} buckets in the account")


def _probe_glue(account: Account) -> Finding:
    account.client("glue").get_databases(MaxResults=1)
    return Finding("Glue answers", True, "the Data Catalog can be read")


def _mode(account: Account, variables: Mapping[str, str]) -> Finding:
    """Return whether Terraform may make its own buckets and roles, where it is told to."""
    denied, asked_of = _lock_is_denied(account)
    if account.is_lab and variables.get("use_existing_iam_roles") != "true":
        return Finding(
            "mode", False, "a lab makes no roles, and Terraform is told to make them", _ACADEMY
        )
    if denied and not all(variables.get(name) for name in VARIABLES):
        return Finding(
            "mode", False,
            f"{_LOCK_ACTION} is denied (asked of {asked_of}): Terraform would stop with its "
            "buckets half made",
            _ACADEMY if account.is_lab else
            f"set {' and '.join(VARIABLES)} in infra/terraform.tfvars as academy.tfvars.example "
            "does, then `b3 buckets`.",
        )  # fmt: skip
    if denied:
        return Finding("mode", True, f"buckets by `b3 buckets`, for {_LOCK_ACTION} is denied here")
    fits = "the Academy mode" if account.is_lab else "the mode of an account of your own"
    return Finding("mode", True, f"{fits} fits; {_LOCK_ACTION} is allowed (asked of {asked_of})")


def _lock_is_denied(account: Account) -> tuple[bool, str]:
    """Return whether the action is denied that Terraform's buckets need, and who was asked.

    S3 is asked of a bucket of the account; where there is none, of the name that Terraform will
    give. That a free name is "not found" is taken for leave to ask.
    """
    s3, wanted = account.client("s3"), Names().raw_data_bucket(account.identity["Account"])
    known = [item["Name"] for item in s3.list_buckets()["Buckets"]]
    bucket = wanted if wanted in known or not known else known[0]
    try:
        s3.get_object_lock_configuration(Bucket=bucket)
    except ClientError as error:
        return explain(error).kind == "denied", bucket
    return False, bucket


def _network(account: Account) -> Finding:
    found = account.client("ec2").describe_vpcs(
        Filters=[{"Name": "is-default", "Values": ["true"]}]
    )["Vpcs"]
    return Finding(
        "network",
        bool(found),
        f"default VPC {found[0]['VpcId']}" if found else "the region has no default VPC",
        "set `subnet_id` in infra/terraform.tfvars, or `aws ec2 create-default-vpc`.",
    )


def _lab_role(account: Account) -> Finding:
    iam = account.client("iam")
    iam.get_role(RoleName=LAB_ROLE)
    iam.get_instance_profile(InstanceProfileName=LAB_PROFILE)
    return Finding(
        LAB_ROLE, True, f"{LAB_ROLE} and {LAB_PROFILE} exist: use infra/academy.tfvars.example"
    )


def _lab_region(account: Account) -> Finding:
    region = account.session.region_name or ""
    return Finding(
        "region of the lab",
        region in LAB_REGIONS,
        region,
        f"export AWS_DEFAULT_REGION={LAB_REGIONS[0]}: a lab allows {' and '.join(LAB_REGIONS)}.",
    )


def _instances(account: Account) -> Finding:
    pages = (
        account.client("ec2")
        .get_paginator("describe_instances")
        .paginate(Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}])
    )
    count = sum(
        len(reservation["Instances"]) for page in pages for reservation in page["Reservations"]
    )
    return Finding(
        "EC2 instances",
        count < LAB_INSTANCES,
        f"{count} running of {LAB_INSTANCES} that a lab allows",
        "stop or terminate some before `terraform apply` starts one more.",
    )


def bucket_names(client: Client, account_id: str) -> Finding:
    """Return whether the names of both buckets, which are the world's, are not another's."""
    known = Names()
    states = {
        bucket: _bucket_state(client, bucket)
        for bucket in (known.raw_data_bucket(account_id), known.athena_results_bucket(account_id))
    }
    return Finding(
        "bucket names",
        "taken by another account" not in states.values(),
        ", ".join(f"{bucket} {state}" for bucket, state in states.items()),
        "set `environment` or `project_name` in infra/terraform.tfvars to have other names.",
    )


def other_names(client: Client, *, roles: bool) -> Finding:
    """Return whether nothing of the pipeline's names is there, at which Terraform would stop.

    `roles` is whether the IAM roles will be made, too.
    """
    taken = [name for name, look in _looks(client, roles) if _exists(look)]
    return Finding(
        "other names",
        not taken,
        f"{', '.join(taken)} exist already" if taken else "all are free",
        "`b3 outputs` if you made them from here; otherwise remove them, or set `environment` in "
        "infra/terraform.tfvars to have other names.",
    )


def _looks(client: Client, roles: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    known = Names()
    job, function = known.glue_job, known.lambda_function
    yield f"database {known.database}", lambda: client("glue").get_database(Name=known.database)
    yield f"Glue job {job}", lambda: client("glue").get_job(JobName=job)
    yield f"Lambda {function}", lambda: client("lambda").get_function(FunctionName=function)
    yield (
        f"workgroup {known.workgroup}",
        lambda: client("athena").get_work_group(WorkGroup=known.workgroup),
    )
    for role in (f"{job}_role", f"{function}_role") if roles else ():
        yield f"IAM role {role}", partial(client("iam").get_role, RoleName=role)


def _exists(look: Callable[[], Any]) -> bool:
    try:
        look()
    except ClientError as error:
        refusal = explain(error)
        if refusal.kind == "gone" or refusal.code == _NO_WORKGROUP:
            return False
        raise
    return True


def _bucket_state(client: Client, bucket: str) -> str:
    try:
        client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        refusal = explain(error)
        if refusal.kind == "gone":
            return "is free"
        if refusal.code in {"403", "AccessDenied", "301", "PermanentRedirect"}:
            return "taken by another account"
        raise
    return "is yours already"
