"""Which batches no run has refined, and none is going to: by the lake and the runs of AWS."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from b3pipeline import checks, refine
from b3pipeline.cli import app
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import dump_outputs


@pytest.fixture
def cloud(lake_cloud):
    """A lake with a refine job of its own that works for a minute, whatever it is asked."""
    name = f"job-{uuid4().hex[:8]}"
    cloud = Cloud(replace(lake_cloud.config, glue_job_name=name))
    vars(cloud).update(s3=lake_cloud.s3, glue=lake_cloud.glue)
    bucket = cloud.config.raw_data_bucket
    cloud.s3.put_object(Bucket=bucket, Key="job.py", Body=b"import time; time.sleep(60)")
    command = {"Name": "pythonshell", "ScriptLocation": f"s3://{bucket}/job.py"}
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    trust["Principal"] = {"Service": "glue.amazonaws.com"}
    rights = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=_policy(rights))
    cloud.glue.create_job(Name=name, Role=role, Command=command, JobRunQueuingEnabled=True)
    yield cloud
    cloud.glue.delete_job(JobName=name)


def _policy(statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def land(cloud, *batches):
    """Put the manifests of batches."""
    for batch in batches:
        key = f"raw/b3/_batches/{batch}.json"
        cloud.s3.put_object(Bucket=cloud.config.raw_data_bucket, Key=key, Body=b"{}")


def mark(cloud, *batches):
    """Mark batches as refined, as the job does."""
    for batch in batches:
        key = f"refined/b3/_batches/{batch}.json"
        cloud.s3.put_object(Bucket=cloud.config.raw_data_bucket, Key=key, Body=b"{}")


def ids(batches):
    """Return the ids of batches."""
    return [batch.batch_id for batch in batches]


def test_a_batch_without_mark_and_run_is_owed(cloud):
    """Manifest without done-mark, and nothing at work: named, oldest first; doctor is not green."""
    land(cloud, "b1", "b2", "b3")
    mark(cloud, "b2")
    found = refine.find_batches(cloud)
    assert (found.done, ids(found.owed), found.at_work) == (1, ["b1", "b3"], ())
    finding = checks.check_deployment(cloud).findings[-1]
    assert (finding.subject, finding.ok) == ("batches", False)
    assert "b1, landed" in finding.detail
    assert "`b3 refine`" in finding.hint


def test_a_batch_that_a_run_takes_is_at_work(cloud):
    """Its own run, or one that waits and takes all; a run of other sessions takes none."""
    land(cloud, "b1", "b2")
    refine.start_refine(cloud, tickers=("PETR4",))
    assert ids(refine.find_batches(cloud).owed) == ["b1", "b2"]
    refine.start_refine(
        cloud, manifest=f"s3://{cloud.config.raw_data_bucket}/raw/b3/_batches/b1.json"
    )
    found = refine.find_batches(cloud)
    assert (found.owed, ids(found.at_work)) == ((), ["b1", "b2"])


def test_a_deployment_without_batches_owes_nothing(cloud):
    """An empty lake is in order."""
    found = refine.find_batches(cloud)
    assert str(found) == "Batches: 0 refined, 0 at work, 0 owed."


def test_a_bare_refine_takes_just_the_owed_batches(cloud, tmp_path, monkeypatch):
    """Status names them and ends with 3; refine starts one run for them; then nothing is owed."""
    (tmp_path / ".localaws").mkdir()
    (tmp_path / ".localaws/outputs.json").write_text(dump_outputs(cloud.config))
    monkeypatch.setenv("B3_HOME", str(tmp_path))
    monkeypatch.delenv("B3_TARGET", raising=False)
    b3 = CliRunner().invoke
    nothing = b3(app, ["refine", "--no-follow"])
    assert (nothing.exit_code, "Nothing is owed" in nothing.stdout) == (0, True)
    land(cloud, "b1", "b2")
    answer = b3(app, ["status"])
    assert answer.exit_code == 3
    assert "Owed: b1, landed" in answer.stdout
    assert b3(app, ["refine", "--no-follow"]).exit_code == 0
    [run] = refine.list_runs(cloud)
    assert run.arguments == {
        "--batch_manifest": f"s3://{cloud.config.raw_data_bucket}/raw/b3/_batches/b1.json"
    }
    assert b3(app, ["status"]).exit_code == 0
