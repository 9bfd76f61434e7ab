"""A deployment of its own in the local AWS, on which faults are caused and mended.

It has buckets, job, Lambda and database of other names than the pipeline's, so that nothing of the
course is touched, and an account in AWS never is. `close` removes it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from b3pipeline import lake, names, refine
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import project_root
from b3pipeline.course import sentences
from b3pipeline.deployment import sandbox, teardown
from b3pipeline.deployment.provision import provision
from b3pipeline.errors import B3Error, JobError
from b3pipeline.language import say
from b3pipeline.markup import table
from b3pipeline.names import Names
from b3pipeline.refusals import explain

ENVIRONMENT = "drill"
"""The environment in the names of its resources: the pipeline's own is `dev`."""


def open_cloud(progress: Callable[..., Any] | None = None) -> Cloud:
    """Return a new, empty drill in the local AWS; what stands of an earlier one is removed.

    A local AWS that is down is started. Raises SandboxError where that fails.
    """
    sentences.install()
    return open_beside(Cloud(sandbox.ensure()), progress)


def open_beside(main: Cloud, progress: Callable[..., Any] | None = None) -> Cloud:
    """Return a new, empty drill in the local AWS that a pipeline is in."""
    own = Names(environment=ENVIRONMENT).settings(main.account_id)
    cloud = Cloud(replace(main.config, **own))
    close(cloud, progress)
    provision(cloud, project_root())
    return cloud


def close(cloud: Cloud, progress: Callable[..., Any] | None = None) -> teardown.Inventory:
    """Return what remains of a drill after its removal: nothing. Its runs are stopped first."""
    with suppress(JobError):  # no job, no runs
        for run in refine.list_runs(cloud):
            if not run.is_final:
                cloud.glue.batch_stop_job_run(JobName=run.job_name, JobRunIds=[run.run_id])
                refine.wait_for_run(cloud, run.run_id)
    _remove_student(cloud)
    return teardown.remove(cloud, progress=progress)


# --- A lab session that ends ------------------------------------------------------------------


def lab_session(cloud: Cloud) -> Cloud:
    """Return the deployment as a student's lab session sees it that ends just before the manifest.

    It may do everything but put a manifest, so that it always breaks off at the same place. AWS
    Academy ends a session by a policy of this kind, which denies everything.
    """
    iam, user = cloud.client("iam"), _student(cloud)
    _remove_student(cloud)
    iam.create_user(UserName=user)
    last_step = f"arn:aws:s3:::{cloud.config.raw_data_bucket}/{names.MANIFEST_PREFIX}*"
    for title, rights in {
        "lab": {"Effect": "Allow", "Action": "*", "Resource": "*"},
        "session-ended": {"Effect": "Deny", "Action": "s3:PutObject", "Resource": last_step},
    }.items():
        document = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
        iam.put_user_policy(UserName=user, PolicyName=title, PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    path = Path(tempfile.mkdtemp(prefix="b3-lab-")) / "credentials"
    path.touch(mode=0o600)
    path.write_text(
        f"[default]\naws_access_key_id = {key['AccessKeyId']}\n"
        f"aws_secret_access_key = {key['SecretAccessKey']}\n"
    )
    return Cloud(replace(cloud.config, credentials_file=str(path)))


def _student(cloud: Cloud) -> str:
    return f"{cloud.config.glue_database}_student"


def _remove_student(cloud: Cloud) -> None:
    """Remove the lab's user; IAM refuses that while it has policies or keys."""
    iam, user = cloud.client("iam"), _student(cloud)
    try:
        iam.get_user(UserName=user)
    except ClientError as error:
        if explain(error).kind != "gone":
            raise
        return
    for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
    for policy in iam.list_user_policies(UserName=user)["PolicyNames"]:
        iam.delete_user_policy(UserName=user, PolicyName=policy)
    iam.delete_user(UserName=user)


@dataclass
class Refused:
    """What the block said that was to fail; `error` is None where it did not."""

    error: B3Error | None = None

    def __str__(self) -> str:
        if self.error is None:
            return say("Nothing was refused.")
        return f"{type(self.error).__name__}: {self.error}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if self.error is None:
            return f"<p>{self}</p>"
        rows = [
            (type(self.error).__name__, self.error.message),
            ("", say("Try: {hint}", hint=self.error.hint)),
        ]
        return table((), rows)


@contextmanager
def refused() -> Iterator[Refused]:
    """Run a block that is to fail, and keep what it says: the notebook goes on."""
    kept = Refused()
    try:
        yield kept
    except B3Error as error:
        kept.error = error


# --- A broken object, and an event that comes again -------------------------------------------


def cut_in_half(cloud: Cloud, session: str, ticker: str) -> str:
    """Return the key of a bronze object of which only the first half is left, as after a crash."""
    where = {"Bucket": cloud.config.raw_data_bucket, "Key": names.bronze_key(session, ticker)}
    body = cloud.s3.get_object(**where)["Body"].read()
    cloud.s3.put_object(**where, Body=body[: len(body) // 2])
    return where["Key"]


def fire_again(cloud: Cloud, batch: lake.BatchManifest) -> refine.JobRun:
    """Return the run that a second event of a batch has started: its manifest is put once more.

    Raises JobError where none came in three minutes.
    """
    known = {run.run_id for run in refine.runs_of_batch(cloud, batch.uri)}
    lake.write_manifest(cloud, batch)
    return refine.wait_for_start(cloud, batch.uri, beside=known)
