"""An object arrives, its event calls the Lambda, the Lambda starts the run: end to end."""

from __future__ import annotations

import io
import json
import time
import zipfile

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from urllib3 import PoolManager

from localaws import process

HANDLER = """
import boto3, json, os

def handler(event, context):
    keys = [record["s3"]["object"]["key"] for record in event["Records"]]
    print("called for", keys)
    if any("poison" in key for key in keys):
        raise ValueError("poison")
    for key in keys:
        answer = boto3.client("glue").start_job_run(
            JobName=os.environ["GLUE_JOB_NAME"],
            Arguments={"--key": key},
            JobRunQueuingEnabled=True,
        )
        print(json.dumps(answer["JobRunId"]))
"""


STARTS_JOBS = {"Effect": "Allow", "Action": "glue:StartJobRun", "Resource": "*"}


@pytest.fixture
def wired(jobs, aws_client, name):
    """A bucket whose manifests start a job, by a Lambda: (bucket, function, job)."""
    return wire(jobs, aws_client, name)


def wire(jobs, aws_client, name):
    """Make such a bucket on any server."""
    job = jobs.make("import sys; print(sys.argv)")
    function, bucket = name("function"), name("bucket")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("handler.py", HANDLER)
    made = aws_client("lambda").create_function(
        FunctionName=function,
        Runtime="python3.11",
        Role=jobs.role(STARTS_JOBS, Service="lambda.amazonaws.com"),
        Handler="handler.handler",
        Timeout=30,
        Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": {"GLUE_JOB_NAME": job}},
    )
    aws_client("lambda").add_permission(
        FunctionName=function,
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    )
    rules = [{"Name": "prefix", "Value": "raw/_batches/"}, {"Name": "suffix", "Value": ".json"}]
    jobs.s3.create_bucket(Bucket=bucket)
    jobs.s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [
                {
                    "LambdaFunctionArn": made["FunctionArn"],
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": rules}},
                }
            ]
        },
    )
    return bucket, function, job


def lambda_log(logs, function):
    """Return the lines that a Lambda wrote."""
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events]


def test_a_manifest_starts_exactly_one_run(wired, jobs, until):
    """Only the key that matches prefix and suffix fires; the run gets its argument."""
    bucket, function, job = wired
    for key in ("raw/dt=1/data.parquet", "raw/_batches/note.txt", "other/_batches/1.json"):
        jobs.s3.put_object(Bucket=bucket, Key=key, Body=b"{}")
    jobs.s3.put_object(Bucket=bucket, Key="raw/_batches/1.json", Body=b"{}")
    (run,) = until(lambda: jobs.glue.get_job_runs(JobName=job)["JobRuns"])
    assert run["Arguments"] == {"--key": "raw/_batches/1.json"}
    assert jobs.wait(job, run["Id"])["JobRunState"] == "SUCCEEDED"
    time.sleep(0.5)
    assert len(jobs.glue.get_job_runs(JobName=job)["JobRuns"]) == 1
    lines = until(lambda: lambda_log(jobs.logs, function))
    assert "called for ['raw/_batches/1.json']" in lines
    assert json.dumps(run["Id"]) in lines


def test_a_manifest_that_comes_by_the_short_way_starts_its_run(
    wired, jobs, until, localaws_endpoint, localaws_keys
):
    """boto3 says what a body is and awaits 100 Continue: the job's own client does neither."""
    bucket, _, job = wired
    url = f"{localaws_endpoint}/{bucket}/raw/_batches/short.json"
    request = AWSRequest("PUT", url, data=b"{}")
    keys = Credentials(localaws_keys.access_key_id, localaws_keys.secret_access_key)
    S3SigV4Auth(keys, "s3", "us-east-1").add_auth(request)

    answer = PoolManager().request("PUT", url, body=b"{}", headers=dict(request.headers))

    assert answer.status == 200
    until(lambda: jobs.glue.get_job_runs(JobName=job)["JobRuns"])


def test_an_error_of_the_lambda_is_in_its_log_and_is_tried_again(wired, jobs, until):
    """As in AWS an asynchronous call that fails is repeated; the traceback can be read."""
    bucket, function, job = wired
    jobs.s3.put_object(Bucket=bucket, Key="raw/_batches/poison.json", Body=b"{}")
    calls = "called for ['raw/_batches/poison.json']"
    until(lambda: lambda_log(jobs.logs, function).count(calls) >= 2)
    assert any("ValueError: poison" in line for line in lambda_log(jobs.logs, function))
    assert jobs.glue.get_job_runs(JobName=job)["JobRuns"] == []


def test_many_manifests_become_as_many_runs(wired, jobs, until):
    """Events that land together queue up, and none is lost."""
    bucket, _, job = wired
    keys = {f"raw/_batches/{number}.json" for number in range(6)}
    for key in keys:
        jobs.s3.put_object(Bucket=bucket, Key=key, Body=b"{}")

    def done():
        runs = jobs.glue.get_job_runs(JobName=job)["JobRuns"]
        return len(runs) == 6 and all(run["JobRunState"] == "SUCCEEDED" for run in runs) and runs

    runs = until(done, seconds=200)
    assert {run["Arguments"]["--key"] for run in runs} == keys


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_an_event_that_was_owed_is_delivered_after_the_next_start(
    local_server, jobs_on, name, until, end
):
    """Killed or stopped right after the PUT was answered: the run comes with the next server.

    The end does not wait for the function, whose calls nobody answers any more.
    """
    server = local_server()
    bucket, _, job = wire(jobs_on(server.client), server.client, name)
    server.client("s3").put_object(Bucket=bucket, Key="raw/_batches/1.json", Body=b"{}")
    began = time.monotonic()
    getattr(server, end)()
    assert time.monotonic() - began < 5
    server.start()
    glue = server.client("glue")
    (run,) = until(lambda: glue.get_job_runs(JobName=job)["JobRuns"], seconds=60)
    assert run["Arguments"] == {"--key": "raw/_batches/1.json"}


def test_a_function_that_fails_three_times_leaves_a_record(local_server, jobs_on, name, until):
    """As in AWS it is dropped after the third call; status names it, after a restart as well."""
    server = local_server()
    bucket, function, _ = wire(jobs_on(server.client), server.client, name)
    server.client("s3").put_object(Bucket=bucket, Key="raw/_batches/poison.json", Body=b"{}")
    troubles = until(lambda: process.status(server.state_dir).troubles, seconds=60)
    calls = "called for ['raw/_batches/poison.json']"
    assert until(lambda: lambda_log(server.client("logs"), function)).count(calls) == 3
    server.kill()
    server.start()
    assert process.status(server.state_dir).troubles == troubles
    assert f"s3://{bucket}/raw/_batches/poison.json for {function} (poison)" in troubles[0]


def test_a_configuration_reads_as_it_was_written(jobs, wired):
    """Which functions a bucket calls is told as it was asked for, until it is taken away."""
    bucket, function, _ = wired
    found = jobs.s3.get_bucket_notification_configuration(Bucket=bucket)
    (rule,) = found["LambdaFunctionConfigurations"]
    assert rule["LambdaFunctionArn"].endswith(f":{function}")
    assert rule["Events"] == ["s3:ObjectCreated:*"]
    jobs.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    found = jobs.s3.get_bucket_notification_configuration(Bucket=bucket)
    assert "LambdaFunctionConfigurations" not in found


def test_what_calls_no_function_stays_with_a_bucket(jobs, wired, aws_client, until):
    """A queue hears of new objects where a function was asked for beside it, and without one."""
    bucket, _, _ = wired
    found = jobs.s3.get_bucket_notification_configuration(Bucket=bucket)
    sqs = aws_client("sqs")
    queue = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    allowed = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn["QueueArn"]}
    statement = {"Version": "2012-10-17", "Statement": [{"Principal": "*"} | allowed]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(statement)})
    hears = [{"QueueArn": arn["QueueArn"], "Events": ["s3:ObjectCreated:*"]}]
    calls = found["LambdaFunctionConfigurations"]
    for number, functions in enumerate((calls, [])):
        jobs.s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={
                "LambdaFunctionConfigurations": functions,
                "QueueConfigurations": hears,
            },
        )
        jobs.s3.put_object(Bucket=bucket, Key=f"other/{number}", Body=b"{}")

        def heard(number=number):
            messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
            return f"other/{number}" in json.dumps(messages.get("Messages", []))

        until(heard)
