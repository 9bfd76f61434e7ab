"""The inventory sees what costs money, also what Terraform alone makes, and removing proves it."""

import json

import pytest
from botocore.exceptions import ClientError

from b3pipeline import names
from b3pipeline.cloud import buckets
from b3pipeline.deployment import teardown


@pytest.fixture
def hosted(cloud):
    """The deployment with what Terraform makes beside it: host, disk, queue, log, role."""
    ec2, name = cloud.client("ec2"), [{"Key": "Name", "Value": "tech_challenge2_dev_ingestion"}]
    tags = [
        {"ResourceType": "instance", "Tags": name},
        {"ResourceType": "volume", "Tags": name},
    ]
    made = ec2.run_instances(
        ImageId="ami-12345678", InstanceType="t3.small", MinCount=1, MaxCount=1,
        TagSpecifications=tags[:1],
    )["Instances"][0]["InstanceId"]  # fmt: skip
    other = ec2.run_instances(
        ImageId="ami-12345678", InstanceType="t3.nano", MinCount=1, MaxCount=1
    )["Instances"][0]["InstanceId"]  # fmt: skip
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=10, TagSpecifications=tags[1:])
    cloud.client("sqs").create_queue(QueueName="tech_challenge2_dev_start_glue_failed")
    role = json.dumps({"Version": "2012-10-17", "Statement": []})
    cloud.client("iam").create_role(
        RoleName="tech_challenge2_dev_ingestion_role", AssumeRolePolicyDocument=role
    )
    group = "/aws/lambda/tech_challenge2_dev_start_glue"
    if not cloud.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        cloud.logs.create_log_group(logGroupName=group)
    yield made
    ec2.terminate_instances(InstanceIds=[made, other])


def test_the_steps_name_who_removes_the_buckets(cloud):
    """Terraform its own; those of `b3 buckets`, which bear its mark, it leaves."""
    mark = {"Bucket": cloud.config.raw_data_bucket, "Key": names.BUCKET_MARK}
    destroy, removal = "terraform -chdir=infra destroy", "b3 buckets --remove"
    commands = [command for _, command in teardown.destroy_steps(cloud).steps]
    assert destroy in commands
    assert removal not in commands
    cloud.s3.put_object(**mark, Body=json.dumps({"by": buckets.MADE}))
    try:
        commands = [command for _, command in teardown.destroy_steps(cloud).steps]
    finally:
        cloud.s3.delete_object(**mark)
    assert commands[commands.index(destroy) + 1] == removal


def test_a_mark_that_may_not_be_read_is_not_taken_for_none(cloud, monkeypatch):
    """Nobody is told that a bucket goes which stays, or the other way round."""

    def get_object(**_):
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    monkeypatch.setattr(cloud.s3, "get_object", get_object)
    steps = teardown.destroy_steps(cloud).steps
    assert "b3 buckets --remove" in [command for _, command in steps]
    [why] = [why for why, command in steps if command == "terraform -chdir=infra destroy"]
    assert "cannot be read" in why


def test_the_inventory_lists_what_costs_money(cloud, hosted):
    """A running host with its disk, by their tag; another's instance is not ours."""
    found = teardown.inventory(cloud)
    by_kind = {item.kind: item for item in found.resources}
    assert {"EC2 instance", "EBS volume", "SQS queue", "log group"} <= set(by_kind)
    assert by_kind["EC2 instance"].name == hosted
    assert by_kind["EC2 instance"].holds == "t3.small, running"
    assert by_kind["EBS volume"].holds == "10 GB, available"
    assert by_kind["Glue database"].billed == 2
    assert sum(item.kind == "IAM role" for item in found.resources) == 3
    assert found.daily_cost().usd == pytest.approx(24 * 0.0258 + 24 / 730 * 0.8, rel=1e-3)

    cloud.client("ec2").stop_instances(InstanceIds=[hosted])
    stopped = teardown.inventory(cloud).daily_cost()
    assert stopped.usd == pytest.approx(24 / 730 * 0.8, rel=1e-3)

    assert teardown.remove(cloud).resources == ()
    bars = []
    teardown.remove(cloud, progress=lambda *given, **_: bars.append(given))
    assert bars == []  # there is nothing left to show the removal of


def test_what_may_not_be_looked_at_is_listed(cloud, monkeypatch):
    """Nobody knows whether it is gone: an empty list would be a lie."""

    def refuse(*_):
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetQueueUrl")
        yield

    monkeypatch.setattr(teardown, "_queue", refuse)
    found = teardown.inventory(cloud)
    assert (
        teardown.Resource("SQS queue", "not known", "AWS answers AccessDenied") in found.resources
    )
