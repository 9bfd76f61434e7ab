"""Can this AWS account take the pipeline? Asked before anything is made, and nothing is made."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError

from b3pipeline.checks.report import CheckReport, Finding
from b3pipeline.cloud.buckets import VARIABLES
from b3pipeline.cloud.terraform import terraform_names, terraform_region
from b3pipeline.language import later, say, say_many
from b3pipeline.names import BRONZE_TABLE, SHARED_DATABASE, SILVER_TABLE, Names
from b3pipeline.refusals import explain

LAB_REGIONS = ("us-east-1", "us-west-2")
"""The regions that an AWS Academy Learner Lab allows."""
LAB_INSTANCES = 9
"""Instances that a Learner Lab allows at a time; twenty deactivate the account."""
LAB_ROLE, LAB_PROFILE = "LabRole", "LabInstanceProfile"
_LAB_MARK = "voclabs"

_RENEW = later(
    "get new credentials: in AWS Academy start the lab and copy the block from AWS Details."
)
_LOCK_ACTION = "s3:GetBucketObjectLockConfiguration"
_ACADEMY = later(
    "use the Academy mode: `cp infra/academy.tfvars.example infra/terraform.tfvars`, then "
    "`b3 buckets`; docs/aws.md has the steps."
)
_NO_LOCK = "ObjectLockConfigurationNotFoundError"
"""What S3 says to those who may ask, of a bucket as most are."""
_NO_WORKGROUP = "InvalidRequestException"
"""What Athena says of a workgroup that is not there."""
Client = Callable[[str], Any]
"""Makes a client of the service that it is given."""


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
    made: Container[str] = (),
) -> CheckReport:
    """Return whether the account behind the credentials can take the pipeline. Reads only.

    `deployed` is whether the pipeline stands there already, so that its names are its own;
    `variables` are those that Terraform is given, and `made` the names of what it has made so
    far, as `cloud.terraform` reads both.
    Credentials and region come first, for nothing can be asked without them; then services are
    asked in earnest, since in an ended AWS Academy session STS still answers while every other
    call is denied.
    """
    # boto3 itself reads AWS_DEFAULT_REGION alone.
    account = Account(session or boto3.Session(region_name=os.environ.get("AWS_REGION")))
    given = variables or {}
    first = (_credentials(account), _region(account, None if deployed else terraform_region(given)))
    if not all(finding.ok for finding in first):
        return CheckReport(first)
    identity = _asked(say("identity"), lambda: _identity(account))
    if not identity.ok:
        return CheckReport((*first, identity))
    return CheckReport((*first, identity, *_live(account, deployed, given, made)))


def _live(
    account: Account, deployed: bool, variables: Mapping[str, str], made: Container[str]
) -> Iterator[Finding]:
    yield _asked(say("S3 answers"), lambda: _probe_s3(account))
    yield _asked(say("Glue answers"), lambda: _probe_glue(account))
    if not deployed:
        yield _asked(say("mode"), lambda: _mode(account, variables))
        yield _asked(say("bucket names"), lambda: _bucket_names(account, variables))
        yield _asked(say("other names"), lambda: _other_names(account, variables, made))
        if variables.get("glue_database") == SHARED_DATABASE:
            yield _asked(say("database"), lambda: _shared_database(account))
        yield _asked(say("network"), lambda: _network(account))
    if account.is_lab:
        yield _asked(LAB_ROLE, lambda: _lab_role(account))
        yield _asked(say("region of the lab"), lambda: _lab_region(account))
        yield _asked(say("EC2 instances"), lambda: _instances(account))


def _asked(subject: str, ask: Callable[[], Finding]) -> Finding:
    """Return the finding of one question; where AWS refuses to answer, that is the finding."""
    try:
        return ask()
    except (ClientError, BotoCoreError) as error:
        refusal = explain(error)
        return Finding(subject, False, refusal.about(say("this account")), refusal.hint)


def _credentials(account: Account) -> Finding:
    found = account.session.get_credentials()
    if found is None:
        return Finding(
            say("credentials"),
            False,
            say("none are set"),
            say(
                "`aws configure`, or export AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, "
                "where you have one, AWS_SESSION_TOKEN."
            ),
        )
    if found.method == "env" and not found.token and found.access_key.startswith("ASIA"):
        return Finding(
            say("credentials"),
            False,
            say("a temporary key without its AWS_SESSION_TOKEN"),
            say(_RENEW),
        )
    return Finding(say("credentials"), True, say("from {origin}", origin=_origin(found.method)))


def _origin(method: str) -> str:
    if method == "env":
        return say("the environment (which wins over ~/.aws/credentials)")
    return method


def _region(account: Account, planned: str | None) -> Finding:
    """Return whether a region is set, and is the one that Terraform will make the pipeline in."""
    region = account.session.region_name
    if region and planned and region != planned:
        return Finding(
            say("region"),
            False,
            say(
                "{region} here, and Terraform makes the pipeline in {planned}",
                region=region,
                planned=planned,
            ),
            say(
                "set `region` in infra/terraform.tfvars, or export AWS_REGION={planned} "
                "AWS_DEFAULT_REGION={planned}.",
                planned=planned,
            ),
        )
    hint = say("export AWS_DEFAULT_REGION=us-east-1: the block of AWS Academy names none.")
    return Finding(say("region"), bool(region), region or say("none is set"), hint)


def _identity(account: Account) -> Finding:
    who = account.identity["Arn"]
    if account.is_lab:
        who = say("{who}, an AWS Academy lab", who=who)
    return Finding(say("identity"), True, who)


def _probe_s3(account: Account) -> Finding:
    buckets = account.client("s3").list_buckets()["Buckets"]
    seen = say_many(
        "{count:,} bucket in the account", "{count:,} buckets in the account", len(buckets)
    )
    return Finding(say("S3 answers"), True, seen)


def _probe_glue(account: Account) -> Finding:
    account.client("glue").get_databases(MaxResults=1)
    return Finding(say("Glue answers"), True, say("the Data Catalog can be read"))


def _mode(account: Account, variables: Mapping[str, str]) -> Finding:
    """Return whether Terraform may make its own buckets and roles, where it is told to."""
    if account.is_lab and variables.get("use_existing_iam_roles") != "true":
        return Finding(
            say("mode"),
            False,
            say("a lab makes no roles, and Terraform is told to make them"),
            say(_ACADEMY),
        )
    allowed, bucket = _lock_is_allowed(account, terraform_names(variables))
    where = {"action": _LOCK_ACTION, "asked_of": bucket}
    if all(variables.get(name) for name in VARIABLES):
        return Finding(say("mode"), True, say(_MADE_BEFORE[allowed], **where))
    if allowed is False or (allowed is None and account.is_lab):
        return Finding(
            say("mode"),
            False,
            say(_STOPS[allowed], **where),
            say(_ACADEMY)
            if account.is_lab
            else say(
                "set {names} in infra/terraform.tfvars as academy.tfvars.example does, "
                "then `b3 buckets`.",
                names=say(" and ").join(VARIABLES),
            ),
        )
    if account.is_lab:
        fits = say("the Academy mode fits; {action} is allowed (asked of {asked_of})", **where)
    elif allowed:
        fits = say(
            "the mode of an account of your own fits; {action} is allowed (asked of {asked_of})",
            **where,
        )
    else:
        fits = say(
            "the mode of an account of your own, where {action} is allowed: that cannot be asked "
            "before there is a bucket; docs/aws.md has the way out if the apply stops at it",
            **where,
        )
    return Finding(say("mode"), True, fits)


_MADE_BEFORE = {
    True: later("buckets by `b3 buckets`, though {action} is allowed here (asked of {asked_of})"),
    False: later("buckets by `b3 buckets`, for {action} is denied here"),
    None: later("buckets by `b3 buckets`: {action} cannot be asked before there is a bucket"),
}
_STOPS = {
    False: later(
        "{action} is denied (asked of {asked_of}): Terraform would stop with its buckets half made"
    ),
    None: later(
        "{action} cannot be asked before there is a bucket, and many labs deny it: Terraform "
        "would stop with its buckets half made"
    ),
}
"""What follows where the action is allowed, denied, or nobody can tell yet."""


def _lock_is_allowed(account: Account, names: Names) -> tuple[bool | None, str]:
    """Return whether the action is allowed that Terraform's buckets need, and who was asked.

    S3 is asked of a bucket of the account; where there is none, of the name that Terraform will
    give. None where S3 says neither: it may look for a bucket before it looks at rights, so that
    "no such bucket" is no leave.
    """
    s3, wanted = account.client("s3"), names.raw_data_bucket(account.identity["Account"])
    known = [item["Name"] for item in s3.list_buckets()["Buckets"]]
    bucket = wanted if wanted in known or not known else known[0]
    try:
        s3.get_object_lock_configuration(Bucket=bucket)
    except ClientError as error:
        refusal = explain(error)
        if refusal.kind == "denied":
            return False, bucket
        return (True if refusal.code == _NO_LOCK else None), bucket
    return True, bucket


def _shared_database(account: Account) -> Finding:
    """Return whether the account's own database is there, in which Terraform makes the tables."""
    there = _exists(lambda: account.client("glue").get_database(Name=SHARED_DATABASE))
    return Finding(
        say("database"),
        there,
        say("{database} is there", database=SHARED_DATABASE)
        if there
        else say("the account has no database {database} yet", database=SHARED_DATABASE),
        say(
            "`aws glue create-database --database-input Name={database}`.",
            database=SHARED_DATABASE,
        ),
    )


def _network(account: Account) -> Finding:
    found = account.client("ec2").describe_vpcs(
        Filters=[{"Name": "is-default", "Values": ["true"]}]
    )["Vpcs"]
    return Finding(
        say("network"),
        bool(found),
        say("default VPC {vpc}", vpc=found[0]["VpcId"])
        if found
        else say("the region has no default VPC"),
        say("set `subnet_id` in infra/terraform.tfvars, or `aws ec2 create-default-vpc`."),
    )


def _lab_role(account: Account) -> Finding:
    iam = account.client("iam")
    iam.get_role(RoleName=LAB_ROLE)
    iam.get_instance_profile(InstanceProfileName=LAB_PROFILE)
    return Finding(
        LAB_ROLE,
        True,
        say(
            "{role} and {profile} exist: use infra/academy.tfvars.example",
            role=LAB_ROLE,
            profile=LAB_PROFILE,
        ),
    )


def _lab_region(account: Account) -> Finding:
    region = account.session.region_name or ""
    return Finding(
        say("region of the lab"),
        region in LAB_REGIONS,
        region,
        say(
            "export AWS_DEFAULT_REGION={region}: a lab allows {regions}.",
            region=LAB_REGIONS[0],
            regions=say(" and ").join(LAB_REGIONS),
        ),
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
        say("EC2 instances"),
        count < LAB_INSTANCES,
        say("{count} running of {most} that a lab allows", count=count, most=LAB_INSTANCES),
        say("stop or terminate some before `terraform apply` starts one more."),
    )


def _bucket_names(account: Account, variables: Mapping[str, str]) -> Finding:
    """Return whether the names of both buckets, which are the world's, are not another's."""
    known, number = terraform_names(variables), account.identity["Account"]
    own = (known.raw_data_bucket(number), known.athena_results_bucket(number))
    chosen = [
        (variables.get(variable) or name).replace("ACCOUNT", number)
        for variable, name in zip(VARIABLES, own, strict=True)
    ]
    states = {bucket: _bucket_state(account.client, bucket) for bucket in chosen}
    return Finding(
        say("bucket names"),
        say("taken by another account") not in states.values(),
        ", ".join(f"{bucket} {state}" for bucket, state in states.items()),
        say("set `environment` or `project_name` in infra/terraform.tfvars to have other names.")
        if chosen == list(own)
        else say("set other names in infra/terraform.tfvars; ACCOUNT in one is your number."),
    )


def _other_names(account: Account, variables: Mapping[str, str], made: Container[str]) -> Finding:
    """Return whether nothing of the pipeline's names is there, at which Terraform would stop.

    What Terraform itself has made, in an apply that stopped half-way, is none of it.
    """
    looks = _looks(account, variables)
    taken = [what for name, what, look in looks if name not in made and _exists(look)]
    return Finding(
        say("other names"),
        not taken,
        say("{taken} exist already", taken=", ".join(taken)) if taken else say("all are free"),
        say(
            "`b3 outputs` if you made them from here; otherwise remove them, or set "
            "`environment` in infra/terraform.tfvars to have other names."
        ),
    )


def _looks(
    account: Account, variables: Mapping[str, str]
) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield each name, what to call it, and how to look for it."""
    client, known = account.client, terraform_names(variables)
    job, function, workgroup = known.glue_job, known.lambda_function, known.workgroup
    database = variables.get("glue_database") or known.database
    if database != SHARED_DATABASE:
        yield (
            database,
            say("database {database}", database=database),
            lambda: client("glue").get_database(Name=database),
        )
    else:  # which is used as it is: only the tables are made in it
        for table in (BRONZE_TABLE, SILVER_TABLE):
            look = partial(client("glue").get_table, DatabaseName=database, Name=table)
            yield table, say("table {table}", table=f"{database}.{table}"), look
    yield job, say("Glue job {job}", job=job), lambda: client("glue").get_job(JobName=job)
    yield (
        function,
        say("Lambda {function}", function=function),
        lambda: client("lambda").get_function(FunctionName=function),
    )
    yield (
        workgroup,
        say("workgroup {workgroup}", workgroup=workgroup),
        lambda: client("athena").get_work_group(WorkGroup=workgroup),
    )
    makes_roles = not account.is_lab and variables.get("manage_iam") != "false"
    for role in (f"{job}_role", f"{function}_role") if makes_roles else ():
        look = partial(client("iam").get_role, RoleName=role)
        yield role, say("IAM role {role}", role=role), look


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
            return say("is free")
        if refusal.code in {"403", "AccessDenied", "301", "PermanentRedirect"}:
            return say("taken by another account")
        raise
    return say("is yours already")
