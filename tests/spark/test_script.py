"""The job as Glue runs it: a script with arguments, an exit code, and two streams."""

import json

import pytest

from b3pipeline.errors import RefineError

pytestmark = pytest.mark.spark


@pytest.fixture
def finish(start_script, localaws_endpoint):
    """A function that runs the script to its end; returns exit code, output and errors."""

    def run(lake, *argv, **variables):
        process = start_script(lake, *argv, endpoint_url=localaws_endpoint, **variables)
        output, errors = process.communicate(timeout=120)
        return process.returncode, output.splitlines(), errors.splitlines()

    return run


CALLED = ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "glue:GetTable", "glue:GetPartitions",
          "glue:BatchCreatePartition"]  # fmt: skip
"""What the job calls for a batch: `infra/iam.tf` allows it, and nothing of Spark's own."""


@pytest.fixture
def worker(aws_client, lake):
    """The variables under which the script may do what it calls, and nothing else."""
    statement = {"Effect": "Allow", "Action": CALLED, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam, user = aws_client("iam"), {"UserName": f"worker-{lake.bucket}"}
    iam.create_user(**user)
    iam.put_user_policy(**user, PolicyName="called", PolicyDocument=policy)
    key = iam.create_access_key(**user)["AccessKey"]
    return {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }


def test_the_last_line_of_a_run_by_hand_is_its_summary(lake, make_bar, finish, worker):
    """What went before is a log that people read. On either Spark it needs six actions."""
    manifest = lake.ingest("b1", {("PETR4", "2024-01-02"): [make_bar(), make_bar(at="11:00")]})

    code, output, errors = finish(lake, "--batch_manifest", manifest, **worker)

    assert code == 0, errors
    summary = json.loads(output[-1])
    assert summary["event"] == "refined"
    assert (summary["rows_read"], summary["partitions_written"]) == (2, 1)
    assert set(summary["seconds"]) == {"plan", "spark", "read", "write", "publish", "total"}
    assert any(line.endswith("batch: 1 session(s) changed; ends b1") for line in output)
    assert lake.silver()["PETR4", "2024-01-02"]["quote_count"] == 2


def test_a_duplicate_event_ends_before_spark_starts(lake, make_bar, finish):
    """It needs no Java at all."""
    manifest = lake.ingest("b1", {("PETR4", "2024-01-02"): [make_bar()]})
    lake.run("--batch_manifest", manifest)

    code, output, _ = finish(
        lake, "--batch_manifest", manifest, JAVA_HOME="/nowhere", PATH="/nowhere"
    )

    assert code == 0
    assert json.loads(output[-1]) == {"event": "already_refined", "batch_ids": ["b1"]}


def test_a_run_of_glue_leaves_its_summary_under_its_id(lake, make_bar, finish):
    """An object, for log lines come late; the last line says where it lies."""
    manifest = lake.ingest("b1", {("PETR4", "2024-01-02"): [make_bar()]})
    lake.run("--batch_manifest", manifest)

    _, output, _ = finish(lake, "--batch_manifest", manifest, "--JOB_RUN_ID", "jr_1")

    assert output[-1].endswith(f"summary: s3://{lake.bucket}/refined/b3/_runs/jr_1.json")
    body = lake.s3.get_object(Bucket=lake.bucket, Key="refined/b3/_runs/jr_1.json")["Body"].read()
    assert json.loads(body) == {
        "version": 1,
        "run_id": "jr_1",
        "event": "already_refined",
        "batch_ids": ["b1"],
    }


def test_the_last_line_of_a_failure_is_its_reason(lake, finish):
    """Whoever reads the end of the error log knows what to do."""
    manifest = lake.ingest("b1", {("PETR4", "2024-01-02"): b""})

    code, output, errors = finish(lake, "--batch_manifest", manifest)

    assert code == 1
    assert errors[-1] == (
        "b3pipeline.errors.RefineError: 1 bronze object(s) cannot be refined: "
        "raw/b3/dt=2024-01-02/ticker=PETR4/data.parquet: the object has zero bytes. "
        "Until then these batches wait: b1. Try: ingest these sessions again, "
        "or set the objects aside and refine the rest with --on_bad_object "
        f"quarantine (`b3 refine --manifest {manifest} --quarantine`)."
    )
    assert not any(line.startswith("{") for line in output)


def test_the_failure_of_a_task_is_told_in_its_own_words(lake, make_bar, proxy, proxied_clients):
    """Not in those of the Java stack around it."""
    manifest = lake.ingest("b1", {("PETR4", "2024-01-02"): [make_bar()]})
    proxy.writes_left = 0

    with pytest.raises(RefineError, match=r"^s3://.*data\.parquet cannot be written: "):
        lake.run("--batch_manifest", manifest, clients=proxied_clients)
