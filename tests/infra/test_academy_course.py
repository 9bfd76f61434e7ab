"""A whole course in a Learner Lab, from the mode that does not fit to an account that is empty.

The lab is a local AWS with one student, who may do everything but `iam:Create*` for roles and the
one action that Terraform's bucket resource needs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from b3pipeline import refine
from b3pipeline.cloud.clients import Cloud
from b3pipeline.deployment import teardown

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not os.environ.get("ACADEMY_COURSE"),
        reason="many minutes, and its last comparison was not yet seen green: ACADEMY_COURSE=1",
    ),
]

ROOT = Path(__file__).resolve().parents[2]
LOCK = "s3:GetBucketObjectLockConfiguration"
BUCKETS = "aws_s3_bucket.managed"


@dataclass(frozen=True)
class Student:
    """What a student types, in a checkout whose state of Terraform lies beside it."""

    checkout: Path
    environment: dict[str, str]

    def b3(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Return a finished `b3`."""
        done = subprocess.run(
            [sys.executable, "-m", "b3pipeline.cli", *arguments],
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=2400,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"b3 {' '.join(arguments)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done


def test_a_whole_course_in_a_lab(
    new_account, deployment, new_checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong mode, the way out, buckets, apply, two batches, notebooks, destroy, nothing left."""
    owner = new_account()
    account = owner.lab([LOCK])
    own = deployment(account)
    checkout = new_checkout(tmp_path / "checkout")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    student = Student(
        checkout,
        {**inherited, **account.environment, "B3_HOME": str(checkout), "B3_TARGET": "aws"},
    )

    # The mode of an account of one's own does not fit, which the doctor says before an apply does.
    said = student.b3("doctor", check=False).stdout
    assert f"{LOCK} is denied" in said
    assert "academy.tfvars.example" in said
    failed = own.apply(check=False)
    assert failed.returncode == 1
    assert LOCK in failed.stderr
    assert LOCK in (ROOT / "docs" / "aws.md").read_text()
    assert own.run("plan", check=False).returncode == 1
    assert own.run("destroy", "-auto-approve", check=False).returncode == 1

    # The way out, as docs/aws.md has it.
    own.terraform.run("state", "rm", f"-state={own.state}", BUCKETS)
    (checkout / "infra").mkdir(exist_ok=True)
    example = (ROOT / "infra" / "academy.tfvars.example").read_text()
    (checkout / "infra" / "terraform.tfvars").write_text(example)
    assert (
        f"buckets by `b3 buckets`, for {LOCK} is denied here"
        in student.b3("doctor", check=False).stdout
    )
    assert student.b3("buckets").stdout == student.b3("buckets").stdout
    made = replace(own, variables=("academy.tfvars.example",))
    made.apply()
    assert [name for name in made.addresses() if name.startswith(("aws_iam", BUCKETS))] == []
    answer = made.terraform.run("output", "-json", f"-state={made.state}")
    (checkout / "infra" / "outputs.json").write_text(answer.stdout)
    student.b3("doctor")

    # Two batches, the second of which finds the job at work and waits in its queue.
    for variable, value in account.environment.items():
        monkeypatch.setenv(variable, value)
    cloud = Cloud(made.config())
    for ticker in ("PETR4", "VALE3"):
        student.b3("ingest", "--tickers", ticker, "--start", "2024-01-02", "--end", "2024-01-05")
    runs = [_refined(cloud, manifest) for manifest in _manifests(cloud)]
    assert [run.state for run in runs] == ["SUCCEEDED", "SUCCEEDED"]
    counted = student.b3(
        "query", "--csv",
        "SELECT ticker, count(*) AS n FROM b3_daily_quotes_refined GROUP BY ticker ORDER BY 1",
    )  # fmt: skip
    assert counted.stdout.splitlines() == ["ticker,n", "PETR4,4", "VALE3,4"]

    # The notebooks, and the end.
    student.b3("tutorial", "--out", str(tmp_path / "build"))
    assert {item.kind for item in teardown.inventory(cloud).resources} >= {
        "EC2 instance", "S3 bucket", "Lambda", "SQS queue", "log group", "Glue job",
        "Glue database", "Athena workgroup",
    }  # fmt: skip
    refused = student.b3("buckets", "--remove", "--yes", check=False)
    assert "`terraform -chdir=infra destroy` first" in refused.stderr
    made.run("destroy", "-auto-approve")
    student.b3("buckets", "--remove", "--yes")
    # ministack keeps a terminated instance's disk, which AWS deletes with it.
    left = [item for item in teardown.inventory(cloud).resources if item.kind != "EBS volume"]
    assert left == []
    assert made.addresses() == []


def _manifests(cloud: Cloud) -> list[str]:
    bucket = cloud.config.raw_data_bucket
    listed = cloud.s3.list_objects_v2(Bucket=bucket, Prefix="raw/b3/_batches/")["Contents"]
    return sorted(f"s3://{bucket}/{item['Key']}" for item in listed)


def _refined(cloud: Cloud, manifest: str) -> Any:
    started = refine.wait_for_start(cloud, manifest, timeout=300)
    return refine.wait_for_run(cloud, started.run_id, timeout=900)
