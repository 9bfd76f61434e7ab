"""What the pipeline left in an account, and its removal from the local AWS."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import ConfigError
from b3pipeline.markup import table
from b3pipeline.refusals import explain

_NO_WORKGROUP = "InvalidRequestException"
"""What Athena says of a workgroup that is not there."""


@dataclass(frozen=True)
class Resource:
    """One resource that stands in the account, what it holds, and the bytes that are paid for."""

    kind: str
    name: str
    holds: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class Inventory:
    """The resources of the pipeline that stand; a notebook shows them as a table."""

    resources: tuple[Resource, ...]

    def __len__(self) -> int:
        return len(self.resources)

    def __str__(self) -> str:
        lines = (f"{item.kind:<16} {item.name}  {item.holds}".rstrip() for item in self.resources)
        return "\n".join(lines) or "nothing"

    def _repr_html_(self) -> str:
        if not self.resources:
            return "<p><b>Nothing of the pipeline remains.</b></p>"
        rows = ((item.kind, item.name, item.holds) for item in self.resources)
        return table(("kind", "name", "holds"), rows)


def inventory(cloud: Cloud) -> Inventory:
    """Return every resource of the pipeline that stands now. Reads only."""
    found = (_probe(look) for look in _looks(cloud))
    return Inventory(tuple(resource for resource in found if resource is not None))


def _looks(cloud: Cloud) -> Iterator[Callable[[], Resource]]:
    config = cloud.config
    for bucket in (config.raw_data_bucket, config.athena_results_bucket):
        yield _bucket_look(cloud, bucket)
    yield lambda: _lambda(cloud)
    yield lambda: _job(cloud)
    for service in (config.lambda_function_name, config.glue_job_name):
        yield _role_look(cloud, f"{service}_role")
    yield lambda: _database(cloud)
    yield lambda: _workgroup(cloud)


def _probe(look: Callable[[], Resource]) -> Resource | None:
    try:
        return look()
    except ClientError as error:
        refusal = explain(error)
        if refusal.kind == "gone" or refusal.code == _NO_WORKGROUP:
            return None
        raise


def _bucket_look(cloud: Cloud, bucket: str) -> Callable[[], Resource]:
    def look() -> Resource:
        cloud.s3.head_bucket(Bucket=bucket)
        sizes = [item["Size"] for item in _objects(cloud, bucket)]
        total = sum(sizes)
        return Resource("S3 bucket", bucket, f"{len(sizes):,} objects, {total / 1e6:.1f} MB", total)

    return look


def _lambda(cloud: Cloud) -> Resource:
    name = cloud.config.lambda_function_name
    cloud.lambda_.get_function(FunctionName=name)
    return Resource("Lambda", name)


def _job(cloud: Cloud) -> Resource:
    name = cloud.config.glue_job_name
    cloud.glue.get_job(JobName=name)
    runs = cloud.glue.get_paginator("get_job_runs").paginate(JobName=name)
    return Resource("Glue job", name, f"{sum(len(page['JobRuns']) for page in runs)} runs")


def _role_look(cloud: Cloud, role: str) -> Callable[[], Resource]:
    def look() -> Resource:
        cloud.client("iam").get_role(RoleName=role)
        return Resource("IAM role", role)

    return look


def _database(cloud: Cloud) -> Resource:
    name = cloud.config.glue_database
    cloud.glue.get_database(Name=name)
    tables = cloud.glue.get_tables(DatabaseName=name)["TableList"]
    return Resource("Glue database", name, ", ".join(sorted(table["Name"] for table in tables)))


def _workgroup(cloud: Cloud) -> Resource:
    name = cloud.config.athena_workgroup
    cloud.athena.get_work_group(WorkGroup=name)
    pages = cloud.athena.get_paginator("list_query_executions").paginate(WorkGroup=name)
    queries = sum(len(page["QueryExecutionIds"]) for page in pages)
    return Resource("Athena workgroup", name, f"{queries} queries")


@dataclass(frozen=True)
class Steps:
    """What to type, one after the other, and why; a notebook shows it as a list."""

    steps: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "\n".join(f"{why}:\n    {command}" for why, command in self.steps)

    def _repr_html_(self) -> str:
        items = (
            f"<li>{html.escape(why)}<br><code>{html.escape(command)}</code></li>"
            for why, command in self.steps
        )
        return f"<ol style='text-align:left'>{''.join(items)}</ol>"


def destroy_steps(cloud: Cloud) -> Steps:
    """Return how to remove a deployment on AWS, for which Terraform alone is responsible."""
    host = cloud.config.ec2_instance_id
    stop = (
        "stop the ingestion host, the one thing that costs money by the hour",
        f"aws ec2 stop-instances --instance-ids {host}",
    )
    return Steps(
        (
            *([stop] if host else []),
            ("read what would go", "terraform -chdir=infra plan -destroy"),
            (
                "remove it; the buckets go with their objects, unless keep_data is set",
                "terraform -chdir=infra destroy",
            ),
            ("see that Terraform knows of nothing any more", "terraform -chdir=infra state list"),
        )
    )


def remove(cloud: Cloud, *, progress: Callable[..., Any] | None = None) -> Inventory:
    """Remove the pipeline from the local AWS, data included, and return what remains: nothing.

    Raises ConfigError for a deployment that Terraform made: only `terraform destroy` may remove
    that, or its state would no longer match the account.
    """
    if cloud.config.target != "local":
        raise ConfigError(
            "this deployment belongs to Terraform, and is not removed from here.",
            hint="`terraform -chdir=infra destroy`; empty the buckets first, as notebook 05 shows.",
        )
    for item in _track(progress, inventory(cloud).resources):
        _REMOVERS[item.kind](cloud, item.name)
    return inventory(cloud)


def _track(
    progress: Callable[..., Any] | None, resources: tuple[Resource, ...]
) -> Iterator[Resource]:
    yield from progress(resources, desc="remove", unit="resource") if progress else resources


def empty_bucket(cloud: Cloud, bucket: str) -> int:
    """Delete every object of a bucket, a thousand a call, and return how many there were."""
    keys = [{"Key": item["Key"]} for item in _objects(cloud, bucket)]
    for first in range(0, len(keys), 1000):
        cloud.s3.delete_objects(
            Bucket=bucket, Delete={"Objects": keys[first : first + 1000], "Quiet": True}
        )
    return len(keys)


def _objects(cloud: Cloud, bucket: str) -> Iterator[dict[str, Any]]:
    for page in cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from page.get("Contents", [])


def _remove_bucket(cloud: Cloud, name: str) -> None:
    empty_bucket(cloud, name)
    cloud.s3.delete_bucket(Bucket=name)


def _remove_workgroup(cloud: Cloud, name: str) -> None:
    cloud.athena.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)


_REMOVERS: dict[str, Callable[[Cloud, str], Any]] = {
    "S3 bucket": _remove_bucket,
    "Lambda": lambda cloud, name: cloud.lambda_.delete_function(FunctionName=name),
    "Glue job": lambda cloud, name: cloud.glue.delete_job(JobName=name),
    "IAM role": lambda cloud, name: cloud.client("iam").delete_role(RoleName=name),
    "Glue database": lambda cloud, name: cloud.glue.delete_database(Name=name),
    "Athena workgroup": _remove_workgroup,
}
