"""A whole course in a Learner Lab, from the mode that does not fit to an account that is empty.

The lab is a local AWS with one student, who may do everything but the one action that Terraform's
own bucket resource needs. The server keeps who asked for what: at the end that is held against the
policies that Terraform renders for host, job and Lambda where it makes their roles.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from b3pipeline import lake, names, refine
from b3pipeline.cloud.clients import Cloud
from b3pipeline.deployment import teardown
from b3pipeline.ingest import ingest
from b3pipeline.sources import open_source
from localaws.audit import Decision

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
LOCK = "s3:GetBucketObjectLockConfiguration"
BUCKETS = "aws_s3_bucket.managed"
SPAN = {"START_DATE": "2024-01-02", "END_DATE": "2024-01-05"}
NOTEBOOKS = ["tickers=PETR4,VALE3", "start=2024-01-02", "end=2024-02-09", "solve=false"]
"""Two shares and 27 sessions: what each cell does, not how much of it."""
ON_AWS = ["01", "02", "03", "04", "06"]
"""05 breaks a deployment of its own in a local AWS, whatever the target is."""

NEVER_HERE = {
    "host": {
        ("s3:GetObject", "artifacts/*"): "its first start downloads them, and nothing boots here",
        ("glue:BatchDeletePartition", "*"): "REPLACE=1: a history that is loaded anew",
        ("ssm*", "*"): "the agent of the Session Manager calls them",
    },
    "job": {
        ("s3:*", "temporary/*"): "Glue's own folder, --TempDir",
        ("s3:AbortMultipartUpload", "*"): "an upload that broke off",
        ("s3:DeleteObject", "refined/*"): "sessions that bronze has lost, and checkpoints",
        ("glue:BatchDeletePartition", "*"): "sessions that bronze has lost",
        ("glue:CreateTable", "*"): "a silver table that is missing",
    },
    "function": {
        ("sqs:SendMessage", "*"): "Lambda keeps an event that failed three times",
        ("logs:*", "*"): "Lambda's own log, which ministack writes in nobody's name",
    },
}
"""What a role may do and no call here did, each with its reason."""


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
            timeout=1200,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"b3 {' '.join(arguments)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done


def test_a_whole_course_in_a_lab(
    new_account, deployment, new_checkout, host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong mode, the way out, two batches, notebooks, each role's rights, and nothing left."""
    owner = new_account(standby="idle", standby_java=names.JOB_JAVA_OPTIONS)
    account = owner.lab([LOCK])
    checkout = new_checkout(tmp_path / "checkout")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    student = Student(
        checkout,
        {**inherited, **account.environment, "B3_HOME": str(checkout), "B3_TARGET": "aws"},
    )
    own = deployment(account)

    _fail_in_the_wrong_mode(student, own)
    made = _apply_in_the_right_one(student, own)
    for variable, value in account.environment.items():
        monkeypatch.setenv(variable, value)
    cloud = Cloud(made.config())
    role = owner.assume("LabRole", "host")
    _ingest_twice(student, cloud, host, role)
    with ThreadPoolExecutor(1) as beside:
        looked = beside.submit(host.doctor, cloud.config, role)
        rendered = beside.submit(_rendered, made)
        student.b3(
            "tutorial", "--out", str(tmp_path / "build"),
            *(part for number in ON_AWS for part in ("--only", number)),
            *(part for value in NOTEBOOKS for part in ("--param", value)),
        )  # fmt: skip

    looked.result()
    kept = list(account.decisions())
    assert {one.action for one in kept if not one.allowed} == {LOCK}
    assert _surprises(kept, cloud, rendered.result()) == {}

    _remove_everything(student, cloud, made)


def _fail_in_the_wrong_mode(student: Student, own: Any) -> None:
    """The mode of an account of one's own does not fit, which the doctor says before an apply."""
    said = student.b3("doctor", check=False).stdout
    assert f"{LOCK} is denied" in said
    assert "academy.tfvars.example" in said
    failed = own.apply(check=False)
    assert failed.returncode == 1
    assert LOCK in failed.stderr
    assert LOCK in (ROOT / "docs" / "aws.md").read_text()
    assert own.run("destroy", "-auto-approve", check=False).returncode == 1


def _apply_in_the_right_one(student: Student, own: Any) -> Any:
    """Return the deployment that the way out of docs/aws.md leads to."""
    own.terraform.run("state", "rm", f"-state={own.state}", BUCKETS)
    (student.checkout / "infra").mkdir(exist_ok=True)
    example = (ROOT / "infra" / "academy.tfvars.example").read_text()
    (student.checkout / "infra" / "terraform.tfvars").write_text(example)
    said = student.b3("doctor", check=False).stdout
    assert f"buckets by `b3 buckets`, for {LOCK} is denied here" in said
    assert student.b3("buckets").stdout == student.b3("buckets").stdout
    made = replace(own, variables=("academy.tfvars.example",))
    made.apply()
    assert [name for name in made.addresses() if name.startswith(("aws_iam", BUCKETS))] == []
    answer = made.terraform.run("output", "-json", f"-state={made.state}")
    (student.checkout / "infra" / "outputs.json").write_text(answer.stdout)
    return made


def _ingest_twice(student: Student, cloud: Cloud, host: Any, role: Any) -> None:
    """The student ingests while the host's batch is refined: that run waits in the job's queue."""
    first = host.start(cloud.config, role, TICKERS="PETR4", SOURCE="sample", **SPAN)
    _until(lambda: refine.list_runs(cloud) or first.poll())
    ingest(cloud, open_source("sample"), ("VALE3",), *SPAN.values())
    host.finish(first)
    states: set[str] = set()

    def runs() -> list[refine.JobRun]:
        found = refine.list_runs(cloud)
        states.update(run.state for run in found)
        return found if len(found) == 2 and all(run.is_final for run in found) else []

    assert [run.state for run in _until(runs)] == ["SUCCEEDED", "SUCCEEDED"]
    assert "WAITING" in states
    assert lake.stored_partitions(cloud, names.SILVER_PREFIX) == lake.stored_partitions(
        cloud, names.BRONZE_PREFIX
    )
    counted = student.b3(
        "query", "--csv",
        "SELECT ticker, count(*) AS n FROM b3_daily_quotes_refined GROUP BY ticker ORDER BY 1",
    )  # fmt: skip
    assert counted.stdout.splitlines() == ["ticker,n", "PETR4,4", "VALE3,4"]


def _until(look: Callable[[], Any]) -> Any:
    """Return what a look finds, once it finds something."""
    deadline = time.monotonic() + 300
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing came in five minutes"
        time.sleep(0.1)
    return found


def _remove_everything(student: Student, cloud: Cloud, made: Any) -> None:
    """The inventory sees what costs money, and after the commands of docs/aws.md nothing."""
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


# ---- what was called, and what may be

Right = tuple[str, str]
"""An action and a pattern of ARNs."""

ROLES = {
    "aws_iam_role_policy.host[0]": "host",
    "aws_iam_role_policy.glue[0]": "job",
    "aws_iam_role_policy.lambda[0]": "function",
}


def _role(decision: Decision, cloud: Cloud) -> str:
    """Return whose call it was: the lab has one role for all, and a session's name tells them."""
    sessions = {
        "host": "host",
        "GlueJobRunnerSession": "job",
        cloud.config.lambda_function_name: "function",
    }
    return sessions.get(decision.principal.rpartition("assumed-role/LabRole/")[2], "")


def _rendered(made: Any) -> dict[str, list[Right]]:
    """Return the rights of each role, as this very deployment would get them with own roles."""
    config = made.config()
    buckets = (
        f"existing_raw_data_bucket={config.raw_data_bucket}",
        f"existing_athena_results_bucket={config.athena_results_bucket}",
    )
    plan = made.state.with_suffix(".roles")
    replace(made, variables=buckets).run("plan", f"-out={plan}")
    shown = made.terraform.run("show", "-json", str(plan), env=made.account.environment)
    planned = json.loads(shown.stdout)["planned_values"]["root_module"]["resources"]
    documents = {
        ROLES[each["address"]]: json.loads(each["values"]["policy"])["Statement"]
        for each in planned
        if each["address"] in ROLES
    }
    return {
        role: [
            (action, on)
            for statement in statements
            for action in statement["Action"]
            for on in statement["Resource"]
        ]
        for role, statements in documents.items()
    }


def _surprises(
    kept: list[Decision], cloud: Cloud, rendered: dict[str, list[Right]]
) -> dict[tuple[str, str], list[Right]]:
    """Return by role what was called and is not allowed, what is allowed and was not called.

    And which excuses of NEVER_HERE excuse nothing.
    """
    found: dict[tuple[str, str], list[Right]] = {}
    for role, policy in rendered.items():
        used = {(one.action, one.resource) for one in kept if _role(one, cloud) == role}
        used -= {(action, on) for action, on in used if action == "sts:GetCallerIdentity"}
        unused = [right for right in policy if not any(_covers(right, call) for call in used)]
        excuses = {right: _excuses(right, NEVER_HERE[role]) for right in unused}
        found[role, "denied"] = sorted(
            call for call in used if not any(_covers(right, call) for right in policy)
        )
        found[role, "unused"] = [right for right in unused if not excuses[right]]
        found[role, "needless excuses"] = sorted(
            NEVER_HERE[role].keys() - set().union(*excuses.values())
        )
    return {what: rights for what, rights in found.items() if rights}


def _covers(right: Right, call: Right) -> bool:
    return right[0] == call[0] and fnmatchcase(call[1], right[1])


def _excuses(right: Right, known: dict[Right, str]) -> set[Right]:
    """Return the known excuses for a right that nobody used."""
    return {
        excuse
        for excuse in known
        if fnmatchcase(right[0], excuse[0]) and fnmatchcase(right[1], f"*{excuse[1]}")
    }
