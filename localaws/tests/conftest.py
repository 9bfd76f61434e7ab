"""What the tests of the local AWS share: names, jobs made from a line of Python, waiting."""

from __future__ import annotations

import itertools
import json
import textwrap
import time
from collections.abc import Callable
from typing import Any

import pytest

_numbers = itertools.count(1)

FINAL = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT")


def unique(stem: str) -> str:
    """Return a name that no other test of this session has."""
    return f"{stem}-{next(_numbers)}"


def wait_until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return the first true value of a condition; fail the test where it stays false."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(pause)
        pause = min(1.1 * pause, 0.25)  # each look at a long run takes both sides' CPU
    pytest.fail(f"nothing happened within {seconds} seconds")


EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def policy(*statements: dict[str, Any]) -> str:
    """Return statements as a policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


class JobMaker:
    """Makes jobs whose script is a piece of Python, on one server."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self.s3 = client("s3")
        self.glue = client("glue")
        self.logs = client("logs")
        self.iam = client("iam")
        self._role = ""

    def make(self, script: str, **definition: Any) -> str:
        """Return the name of a new job; `script` None leaves the script out of the bucket."""
        name = unique("job")
        bucket = unique("bucket")
        self.s3.create_bucket(Bucket=bucket)
        key = f"scripts/{name}.py"
        self.s3.put_object(Bucket=bucket, Key=key, Body=textwrap.dedent(script).encode())
        command = {"Name": "pythonshell", "ScriptLocation": f"s3://{bucket}/{key}"}
        command |= definition.pop("Command", {})
        if "Role" not in definition:
            self._role = definition["Role"] = self._role or self.role(EVERYTHING)
        self.glue.create_job(Name=name, Command=command, **definition)
        return name

    def role(self, *statements: dict[str, Any], **trusted: str) -> str:
        """Return the ARN of a new role with these rights alone, which Glue assumes or `trusted`."""
        principal = trusted or {"Service": "glue.amazonaws.com"}
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
        name = unique("role")
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
        self.iam.put_role_policy(
            RoleName=name, PolicyName="rights", PolicyDocument=policy(*statements)
        )
        return str(made["Role"]["Arn"])

    def start(self, job: str, **request: Any) -> str:
        return str(self.glue.start_job_run(JobName=job, **request)["JobRunId"])

    def run(self, job: str, run_id: str) -> dict[str, Any]:
        return dict(self.glue.get_job_run(JobName=job, RunId=run_id)["JobRun"])

    def state(self, job: str, run_id: str) -> str:
        return str(self.run(job, run_id)["JobRunState"])

    def wait(self, job: str, run_id: str, *states: str, seconds: float = 20.0) -> dict[str, Any]:
        """Return the run once it is in one of the states, by default in any final one."""
        wanted = states or FINAL

        def reached() -> dict[str, Any] | None:
            run = self.run(job, run_id)
            return run if run["JobRunState"] in wanted else None

        return dict(wait_until(reached, seconds))

    def finish(self, job: str, **request: Any) -> dict[str, Any]:
        """Return a new run, ended."""
        return self.wait(job, self.start(job, **request))

    def log(self, group: str, run_id: str) -> list[str]:
        """Return the lines of a run's log stream, all of them."""
        request = {
            "logGroupName": f"/aws-glue/jobs/{group}",
            "logStreamName": run_id,
            "startFromHead": True,
        }
        lines, token = [], None
        while True:
            page = self.logs.get_log_events(**request, **({"nextToken": token} if token else {}))
            lines += [event["message"] for event in page["events"]]
            if page["nextForwardToken"] == token:
                return lines
            token = page["nextForwardToken"]


@pytest.fixture
def jobs(aws_client: Callable[[str], Any]) -> JobMaker:
    """Jobs on the server that tests share."""
    return JobMaker(aws_client)


@pytest.fixture
def jobs_on() -> type[JobMaker]:
    """Jobs on a server of one's own: `jobs_on(server.client)`."""
    return JobMaker


@pytest.fixture
def until() -> Callable[..., Any]:
    """Waiting for a condition, with an end."""
    return wait_until


@pytest.fixture
def name() -> Callable[[str], str]:
    """Names that no other test has."""
    return unique
