"""What the pipeline left in an account, and its removal from the local AWS."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from b3pipeline import names
from b3pipeline.cloud import buckets
from b3pipeline.cloud.clients import Cloud
from b3pipeline.costs import Bill, daily_cost
from b3pipeline.errors import ConfigError
from b3pipeline.language import later, say, say_many, shown
from b3pipeline.markup import table
from b3pipeline.refusals import explain

_NO_WORKGROUP = "InvalidRequestException"
"""What Athena says of a workgroup that is not there."""

OWN_TABLES = (names.BRONZE_TABLE, names.SILVER_TABLE)


KINDS = {
    "EC2 instance": later("EC2 instance"),
    "EBS volume": later("EBS volume"),
    "S3 bucket": later("S3 bucket"),
    "Lambda": later("Lambda"),
    "SQS queue": later("SQS queue"),
    "log group": later("log group"),
    "Glue job": later("Glue job"),
    "IAM role": later("IAM role"),
    "Glue database": later("Glue database"),
    "Athena workgroup": later("Athena workgroup"),
}
"""The kinds of resources, and how a reader's language calls them."""


@dataclass(frozen=True)
class Resource:
    """One resource that stands in the account, what it holds, and how much of it is paid for.

    `billed` counts bytes of a bucket, GB of a volume, tables and partitions of a database, and 1
    of an instance that runs.
    """

    kind: str
    name: str
    holds: str = ""
    billed: float = 0


@dataclass(frozen=True)
class Inventory:
    """The resources of the pipeline that stand; a notebook shows them as a table."""

    resources: tuple[Resource, ...]

    def __len__(self) -> int:
        return len(self.resources)

    def billed(self, kind: str) -> float:
        """Return how much of a kind of resource is paid for, in the unit of `Resource.billed`."""
        return sum(item.billed for item in self.resources if item.kind == kind)

    def daily_cost(self) -> Bill:
        """Return what a day of these resources costs while nobody uses them, in USD."""
        return daily_cost(
            self.billed("S3 bucket"),
            hosts=self.billed("EC2 instance"),
            disk_gb=self.billed("EBS volume"),
            catalog_objects=self.billed("Glue database"),
        )

    def __str__(self) -> str:
        lines = (
            f"{say(KINDS[item.kind]):<16} {item.name}  {item.holds}".rstrip()
            for item in self.resources
        )
        return "\n".join(lines) or say("nothing")

    def _repr_html_(self) -> str:
        if not self.resources:
            gone = html.escape(say("Nothing of the pipeline remains."))
            return f"<p><b>{gone}</b></p>"
        rows = ((say(KINDS[item.kind]), item.name, item.holds) for item in self.resources)
        return table((say("kind"), say("name"), say("holds")), rows)


def inventory(cloud: Cloud) -> Inventory:
    """Return every resource of the pipeline that stands now. Reads only.

    What the account does not let us look at is listed as well: nobody knows whether it is gone.
    """
    found = (_probe(kind, look) for kind, look in _looks(cloud))
    return Inventory(tuple(resource for some in found for resource in some))


Look = Callable[[], Iterable[Resource]]
"""Asks one service, and returns what stands there of the pipeline."""


def _looks(cloud: Cloud) -> Iterator[tuple[str, Look]]:
    config = cloud.config
    yield "EC2 instance", lambda: _instances(cloud)
    yield "EBS volume", lambda: _volumes(cloud)
    for bucket in (config.raw_data_bucket, config.athena_results_bucket):
        yield "S3 bucket", partial(_bucket, cloud, bucket)
    yield "Lambda", lambda: _lambda(cloud)
    yield "SQS queue", lambda: _queue(cloud)
    yield "log group", lambda: _log_group(cloud)
    yield "Glue job", lambda: _job(cloud)
    for service in (config.lambda_function_name, config.glue_job_name, _host_name(cloud)):
        yield "IAM role", partial(_role, cloud, f"{service}_role")
    yield "Glue database", lambda: _database(cloud)
    yield "Athena workgroup", lambda: _workgroup(cloud)


def _probe(kind: str, look: Look) -> tuple[Resource, ...]:
    try:
        return tuple(look())
    except ClientError as error:
        refusal = explain(error)
        if refusal.kind == "gone" or refusal.code == _NO_WORKGROUP:
            return ()
        if refusal.kind == "denied":
            return (Resource(kind, say("not known"), say("AWS answers {code}", code=refusal.code)),)
        raise


def _host_name(cloud: Cloud) -> str:
    """Return the ingestion host's name, which begins as the job's does."""
    return f"{cloud.config.glue_job_name.removesuffix('_refine_job')}_ingestion"


def _by_name(cloud: Cloud) -> list[dict[str, Any]]:
    return [{"Name": "tag:Name", "Values": [_host_name(cloud)]}]


def _instances(cloud: Cloud) -> Iterator[Resource]:
    pages = cloud.client("ec2").get_paginator("describe_instances")
    for page in pages.paginate(Filters=_by_name(cloud)):
        for found in (each for some in page["Reservations"] for each in some["Instances"]):
            state = found["State"]["Name"]
            if state != "terminated":
                seen = f"{found['InstanceType']}, {state}"
                pays = float(state in ("pending", "running"))
                yield Resource("EC2 instance", found["InstanceId"], seen, pays)


def _volumes(cloud: Cloud) -> Iterator[Resource]:
    pages = cloud.client("ec2").get_paginator("describe_volumes")
    for page in pages.paginate(Filters=_by_name(cloud)):
        for found in page["Volumes"]:
            seen = f"{found['Size']} GB, {found['State']}"
            yield Resource("EBS volume", found["VolumeId"], seen, found["Size"])


def _bucket(cloud: Cloud, bucket: str) -> Iterator[Resource]:
    cloud.s3.head_bucket(Bucket=bucket)
    sizes = [item["Size"] for item in _objects(cloud, bucket)]
    total = sum(sizes)
    yield Resource("S3 bucket", bucket, _size(len(sizes), total), total)


def _size(count: int, total: float) -> str:
    megabytes = total / 1e6
    return say_many(
        "{count:,} object, {megabytes:.1f} MB",
        "{count:,} objects, {megabytes:.1f} MB",
        count,
        megabytes=megabytes,
    )


def _lambda(cloud: Cloud) -> Iterator[Resource]:
    name = cloud.config.lambda_function_name
    cloud.lambda_.get_function(FunctionName=name)
    yield Resource("Lambda", name)


def _queue(cloud: Cloud) -> Iterator[Resource]:
    sqs, name = cloud.client("sqs"), f"{cloud.config.lambda_function_name}_failed"
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    held = int(answer["Attributes"]["ApproximateNumberOfMessages"])
    told = say_many("{count:,} failed event", "{count:,} failed events", held)
    yield Resource("SQS queue", name, told)


def _log_group(cloud: Cloud) -> Iterator[Resource]:
    """The Lambda's alone: those of Glue are every job's of the account, and stay."""
    name = f"/aws/lambda/{cloud.config.lambda_function_name}"
    for found in cloud.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]:
        if found["logGroupName"] == name:
            yield Resource(
                "log group", name, shown(found.get("storedBytes", 0) / 1e6, ".1f") + " MB"
            )


def _job(cloud: Cloud) -> Iterator[Resource]:
    name = cloud.config.glue_job_name
    cloud.glue.get_job(JobName=name)
    runs = cloud.glue.get_paginator("get_job_runs").paginate(JobName=name)
    yield Resource("Glue job", name, _runs(sum(len(page["JobRuns"]) for page in runs)))


def _runs(count: int) -> str:
    return say_many("{count:,} run", "{count:,} runs", count)


def _role(cloud: Cloud, role: str) -> Iterator[Resource]:
    cloud.client("iam").get_role(RoleName=role)
    yield Resource("IAM role", role)


def _database(cloud: Cloud) -> Iterator[Resource]:
    name = cloud.config.glue_database
    cloud.glue.get_database(Name=name)
    tables = sorted(each["Name"] for each in cloud.glue.get_tables(DatabaseName=name)["TableList"])
    if name == names.SHARED_DATABASE:  # of it our tables alone are ours
        tables = [each for each in tables if each in OWN_TABLES]
        if not tables:
            return
    objects = len(tables) + sum(_partitions(cloud, name, table) for table in tables)
    yield Resource(
        "Glue database",
        name,
        f"{', '.join(tables)}: {say_many('{count:,} object', '{count:,} objects', objects)}",
        objects,
    )


def _partitions(cloud: Cloud, database: str, table: str) -> int:
    pages = cloud.glue.get_paginator("get_partitions").paginate(
        DatabaseName=database, TableName=table, ExcludeColumnSchema=True
    )
    return sum(len(page["Partitions"]) for page in pages)


def _workgroup(cloud: Cloud) -> Iterator[Resource]:
    name = cloud.config.athena_workgroup
    cloud.athena.get_work_group(WorkGroup=name)
    pages = cloud.athena.get_paginator("list_query_executions").paginate(WorkGroup=name)
    queries = sum(len(page["QueryExecutionIds"]) for page in pages)
    told = say_many("{count:,} query", "{count:,} queries", queries)
    yield Resource("Athena workgroup", name, told)


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
    """Return how to remove a deployment on AWS, for which Terraform alone is responsible.

    But for the buckets of `b3 buckets`, which it only uses.
    """
    host = cloud.config.ec2_instance_id
    pair = (cloud.config.raw_data_bucket, cloud.config.athena_results_bucket)
    looks = [buckets.is_prepared(cloud.s3, bucket) for bucket in pair]
    prepared = any(look is not False for look in looks)
    goes = say("remove it; the buckets go with their objects, unless keep_data is set")
    if any(looks):
        goes = say("remove it; the buckets stay, for they are not Terraform's")
    elif prepared:
        goes = say(
            "remove it; the buckets go with their objects, unless keep_data is set or `b3 buckets` "
            "prepared them, which cannot be read here"
        )
    own = (
        say("remove the buckets that `b3 buckets` made, with all objects"),
        "b3 buckets --remove",
    )
    stop = (
        say("stop the ingestion host, the one thing that costs money by the hour"),
        f"aws ec2 stop-instances --instance-ids {host}",
    )
    return Steps(
        (
            *([stop] if host else []),
            (say("read what would go"), "terraform -chdir=infra plan -destroy"),
            (goes, "terraform -chdir=infra destroy"),
            *([own] if prepared else []),
            (
                say("see that Terraform knows of nothing any more"),
                "terraform -chdir=infra state list",
            ),
        )
    )


def remove(cloud: Cloud, *, progress: Callable[..., Any] | None = None) -> Inventory:
    """Remove the pipeline from the local AWS, data included, and return what remains: nothing.

    Raises ConfigError for a deployment that Terraform made: only `terraform destroy` may remove
    that, or its state would no longer match the account.
    """
    if cloud.config.target != "local":
        raise ConfigError(
            say("this deployment belongs to Terraform, and is not removed from here."),
            hint=say(
                "`terraform -chdir=infra destroy`; empty the buckets first, as notebook 06 shows."
            ),
        )
    for item in _track(progress, inventory(cloud).resources):
        _REMOVERS[item.kind](cloud, item.name)
    return inventory(cloud)


def _track(
    progress: Callable[..., Any] | None, resources: tuple[Resource, ...]
) -> Iterator[Resource]:
    if progress is None or not resources:  # a bar of nothing says nothing
        yield from resources
    else:
        yield from progress(resources, desc=say("remove"), unit=say("resource"))


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


def _remove_queue(cloud: Cloud, name: str) -> None:
    sqs = cloud.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])


def _remove_role(cloud: Cloud, name: str) -> None:
    """Remove a role; IAM refuses that while the role has inline policies."""
    iam = cloud.client("iam")
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _remove_database(cloud: Cloud, name: str) -> None:
    """Remove the database with its tables; from the account's own, our two tables."""
    if name != names.SHARED_DATABASE:
        cloud.glue.delete_database(Name=name)
        return
    for own in OWN_TABLES:
        try:
            cloud.glue.delete_table(DatabaseName=name, Name=own)
        except cloud.glue.exceptions.EntityNotFoundException:
            continue


_REMOVERS: dict[str, Callable[[Cloud, str], Any]] = {
    "EC2 instance": lambda cloud, name: cloud.client("ec2").terminate_instances(InstanceIds=[name]),
    "EBS volume": lambda cloud, name: cloud.client("ec2").delete_volume(VolumeId=name),
    "S3 bucket": _remove_bucket,
    "Lambda": lambda cloud, name: cloud.lambda_.delete_function(FunctionName=name),
    "SQS queue": _remove_queue,
    "log group": lambda cloud, name: cloud.logs.delete_log_group(logGroupName=name),
    "Glue job": lambda cloud, name: cloud.glue.delete_job(JobName=name),
    "IAM role": _remove_role,
    "Glue database": _remove_database,
    "Athena workgroup": _remove_workgroup,
}
