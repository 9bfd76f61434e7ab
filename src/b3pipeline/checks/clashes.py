"""The names that Terraform will give: whether they are still free in an account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from b3pipeline.checks.report import Finding
from b3pipeline.names import Names
from b3pipeline.refusals import explain

Client = Callable[[str], Any]
"""Makes a client of the service that it is given."""

_NO_WORKGROUP = "InvalidRequestException"
"""What Athena says of a workgroup that is not there."""


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
