"""A server killed at any moment: what was answered is there at the next start."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import zipfile

import psutil
import pytest

from localaws import process
from localaws.testing import has_ended

HANDLER = "def handler(event, context):\n    return 'alive'\n"
TRUST = json.dumps({
    "Statement": {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
                  "Action": "sts:AssumeRole"}
})  # fmt: skip


def zipped(source):
    """Return a Lambda's archive of one file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("handler.py", source)
    return archive.getvalue()


def provision(server):
    """Make one resource of each kind that a pipeline has."""
    s3, glue = server.client("s3"), server.client("glue")
    s3.create_bucket(Bucket="kept")
    s3.create_bucket(Bucket="empty")
    for number in range(50):
        s3.put_object(Bucket="kept", Key=f"raw/n={number}/data", Body=b"x" * number)
    role = server.client("iam").create_role(RoleName="role", AssumeRolePolicyDocument=TRUST)
    function = server.client("lambda").create_function(
        FunctionName="function",
        Runtime="python3.11",
        Role=role["Role"]["Arn"],
        Handler="handler.handler",
        Code={"ZipFile": zipped(HANDLER)},
    )
    server.client("lambda").add_permission(
        FunctionName="function",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    )
    s3.put_bucket_notification_configuration(
        Bucket="kept",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [
                {"LambdaFunctionArn": function["FunctionArn"], "Events": ["s3:ObjectCreated:*"]}
            ]
        },
    )
    server.client("logs").create_log_group(logGroupName="/group")
    glue.create_database(DatabaseInput={"Name": "db"})
    glue.create_table(
        DatabaseName="db",
        TableInput={"Name": "t", "PartitionKeys": [{"Name": "dt", "Type": "string"}]},
    )
    glue.create_partition(
        DatabaseName="db", TableName="t", PartitionInput={"Values": ["2024-01-02"]}
    )
    glue.create_job(
        Name="job", Role="role", Command={"Name": "glueetl", "ScriptLocation": "s3://kept/s.py"}
    )


def inventory(server):
    """Return what a server has of that."""
    s3, glue = server.client("s3"), server.client("glue")
    configuration = s3.get_bucket_notification_configuration(Bucket="kept")
    invoked = server.client("lambda").invoke(FunctionName="function")
    groups = server.client("logs").describe_log_groups()["logGroups"]
    partitions = glue.get_partitions(DatabaseName="db", TableName="t")["Partitions"]
    return {
        "buckets": sorted(bucket["Name"] for bucket in s3.list_buckets()["Buckets"]),
        "objects": {
            item["Key"]: item["Size"] for item in s3.list_objects_v2(Bucket="kept")["Contents"]
        },
        "notifications": len(configuration["LambdaFunctionConfigurations"]),
        "answer": invoked["Payload"].read(),
        "groups": "/group" in [group["logGroupName"] for group in groups],
        "role": server.client("iam").get_role(RoleName="role")["Role"]["RoleName"],
        "partitions": [partition["Values"] for partition in partitions],
        "job": glue.get_job(JobName="job")["Job"]["Name"],
    }


COMPLETE = {
    "buckets": ["empty", "kept"],
    "objects": {f"raw/n={number}/data": number for number in range(50)},
    "notifications": 1,
    "answer": b'"alive"',
    "groups": True,
    "role": "role",
    "partitions": [["2024-01-02"]],
    "job": "job",
}


def test_logs_are_kept_within_seconds(local_server, until):
    """They are the one thing that a kill takes away: what came in the last two seconds."""
    server = local_server()
    server.client("logs").create_log_group(logGroupName="/group")
    until(
        lambda: any(b"/group" in path.read_bytes() for path in server.state_dir.glob("control/*"))
    )
    server.kill()
    server.start()
    assert server.client("logs").describe_log_groups()["logGroups"]


def test_a_stopped_server_comes_back_as_it_was(local_server):
    """Stopping loses nothing."""
    server = local_server()
    provision(server)
    server.stop()
    server.start()
    assert inventory(server) == COMPLETE


def test_a_killed_server_comes_back_as_it_was(local_server):
    """Killed in the moment of its last answer: nothing waits for an interval, but for the logs."""
    server = local_server()
    provision(server)
    server.kill()
    assert process_is_gone(server)
    server.start()
    assert inventory(server) | {"groups": True} == COMPLETE


def test_each_change_of_the_control_plane_survives_the_very_next_moment(local_server):
    """One change, its answer, a kill; and so on: the next server has it each time."""
    server = local_server()
    s3, iam, sqs = (lambda name=name: server.client(name) for name in ("s3", "iam", "sqs"))
    tags = [{"Key": "late", "Value": "yes"}]
    document = '{"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}'
    rights = {"UserName": "late", "PolicyName": "late", "PolicyDocument": document}
    queues = lambda: sqs().list_queues().get("QueueUrls", [])  # noqa: E731
    steps = [
        (
            lambda: s3().create_bucket(Bucket="late"),
            lambda: s3().list_buckets()["Buckets"][0]["Name"],
        ),
        (
            lambda: iam().create_user(UserName="late"),
            lambda: iam().list_users()["Users"][0]["UserName"],
        ),
        (
            lambda: iam().put_user_policy(**rights),
            lambda: iam().list_user_policies(UserName="late")["PolicyNames"][0],
        ),
        (
            lambda: s3().put_bucket_tagging(Bucket="late", Tagging={"TagSet": tags}),
            lambda: s3().get_bucket_tagging(Bucket="late")["TagSet"][0]["Key"],
        ),
        (lambda: sqs().create_queue(QueueName="late"), lambda: queues()[0].rpartition("/")[2]),
        (lambda: sqs().delete_queue(QueueUrl=queues()[0]), lambda: "late" * (queues() == [])),
    ]
    for change, seen in steps:
        change()
        server.kill()
        server.start()
        assert seen() == "late"


def process_is_gone(server):
    """Return whether the server itself is gone."""
    return not psutil.pid_exists(server.info.pid)


def test_what_glue_has_answered_survives_the_very_next_moment(local_server):
    """Catalog and jobs wait for no interval."""
    server = local_server()
    glue = server.client("glue")
    glue.create_database(DatabaseInput={"Name": "db"})
    server.kill()
    server.start()
    assert server.client("glue").get_database(Name="db")["Database"]["Name"] == "db"


def test_every_object_that_was_answered_for_is_there_after_a_kill(local_server):
    """Killed in the middle of many PUTs: each one that succeeded is whole."""
    server = local_server()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="many")
    put = {}
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        key, body = f"k/{len(put) % 40}", str(len(put)).encode() * 7
        s3.put_object(Bucket="many", Key=key, Body=body)
        put[key] = body
    server.kill()
    server.start()
    s3 = server.client("s3")
    found = {key: s3.get_object(Bucket="many", Key=key)["Body"].read() for key in put}
    assert found == put


def test_an_object_torn_from_its_metadata_is_whole_again(local_server):
    """Killed between the two writes of an object, it has the new body and its true size."""
    server = local_server()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="torn")
    s3.put_object(Bucket="torn", Key="a/key", Body=b"old")
    server.kill()
    (body,) = (server.state_dir / "s3").glob("*/torn/a/key")
    body.write_bytes(b"new and longer")
    server.start()
    answer = server.client("s3").get_object(Bucket="torn", Key="a/key")
    assert (answer["Body"].read(), answer["ContentLength"]) == (b"new and longer", 14)


def test_a_key_that_no_path_can_hold_outlives_its_metadata(local_server):
    """A kill between the two writes leaves a file that is named by a hash: the key stays."""
    server = local_server()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="torn")
    s3.put_object(Bucket="torn", Key="k" * 300, Body=b"old")
    server.kill()
    (body,) = (server.state_dir / "s3").glob("*/torn/.ministack-keys/sha256-*[!n]")
    body.write_bytes(b"new and longer")
    server.start()
    answer = server.client("s3").get_object(Bucket="torn", Key="k" * 300)
    assert (answer["Body"].read(), answer["ContentLength"]) == (b"new and longer", 14)


def test_a_body_whose_key_nobody_knows_becomes_no_object(local_server):
    """Killed before a new object's metadata were written, it was never answered for."""
    server = local_server()
    server.client("s3").create_bucket(Bucket="torn")
    server.client("s3").put_object(Bucket="torn", Key="k" * 300, Body=b"body")
    server.kill()
    next((server.state_dir / "s3").glob("*/torn/.ministack-keys/*.meta.json")).unlink()
    server.start()
    assert "Contents" not in server.client("s3").list_objects_v2(Bucket="torn")
    [said] = process.status(server.state_dir).troubles
    assert "nothing tells its key" in said


def test_a_run_of_a_killed_server_is_failed_and_its_processes_are_ended(
    local_server, jobs_on, until
):
    """No run stays RUNNING for ever, and none goes on working unseen."""
    server = local_server()
    jobs = jobs_on(server.client)
    job = jobs.make("import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    run_id = jobs.start(job)
    (line,) = until(lambda: jobs.state(job, run_id) == "RUNNING" and jobs.log("output", run_id))
    server.kill()
    assert psutil.pid_exists(int(line))
    server.start()
    assert has_ended(int(line))
    run = jobs_on(server.client).run(job, run_id)
    assert (run["JobRunState"], run["ErrorMessage"]) == (
        "FAILED",
        "The local AWS ended while this run was RUNNING.",
    )


def test_runs_that_waited_go_on_after_a_kill(local_server, jobs_on):
    """A queue is kept: what was promised is done."""
    server = local_server()
    jobs = jobs_on(server.client)
    job = jobs.make("import time; time.sleep(2)")
    first, second, third = (jobs.start(job, JobRunQueuingEnabled=True) for _ in range(3))
    server.kill()
    server.start()
    jobs = jobs_on(server.client)
    assert jobs.wait(job, first)["JobRunState"] == "FAILED"
    assert jobs.wait(job, second)["JobRunState"] == "SUCCEEDED"
    assert jobs.wait(job, third)["JobRunState"] == "SUCCEEDED"


def test_a_run_at_work_is_closed_when_the_server_stops(local_server, jobs_on, until):
    """A clean stop leaves no process and no run in between."""
    server = local_server()
    jobs = jobs_on(server.client)
    job = jobs.make("import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    run_id = jobs.start(job)
    (line,) = until(lambda: jobs.state(job, run_id) == "RUNNING" and jobs.log("output", run_id))
    server.stop()
    assert has_ended(int(line))
    server.start()
    run = jobs_on(server.client).run(job, run_id)
    assert (run["JobRunState"], run["ErrorMessage"]) == (
        "FAILED",
        "The local AWS was stopped while this run was at work.",
    )


def test_children_of_a_killed_server_are_ended_by_stop(local_server, jobs_on, until):
    """`down` after a crash leaves nothing, without a server to ask."""
    server = local_server()
    jobs = jobs_on(server.client)
    job = jobs.make("import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    run_id = jobs.start(job)
    (line,) = until(lambda: jobs.state(job, run_id) == "RUNNING" and jobs.log("output", run_id))
    server.kill()
    assert server.stop() is False
    assert has_ended(int(line))


@pytest.mark.parametrize("pause", [0.1, 0.3, 0.6])
def test_a_server_killed_while_it_starts_can_be_started_again(local_server, pause):
    """Whatever is half-made at that moment is made again."""
    server = local_server()
    server.client("s3").create_bucket(Bucket="kept")
    server.client("s3").put_object(Bucket="kept", Key="k", Body=b"body")
    server.kill()
    command = [sys.executable, "-m", "localaws", "serve", "--port", "0"]
    with subprocess.Popen([*command, "--state-dir", str(server.state_dir)]) as starting:
        time.sleep(pause)
        starting.kill()
    server.start()
    assert server.client("s3").get_object(Bucket="kept", Key="k")["Body"].read() == b"body"
