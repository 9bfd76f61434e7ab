"""The way from the bucket to the Spark job, tried without starting anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from botocore.exceptions import BotoCoreError, ClientError

from b3pipeline import names
from b3pipeline.checks.deployment import event_filter
from b3pipeline.checks.report import CheckReport, Finding
from b3pipeline.cloud.clients import Cloud
from b3pipeline.language import later, say
from b3pipeline.refusals import explain

Step = Callable[[Cloud], tuple[bool, str]]

_HINT = later("`b3 local up` makes the wiring anew; on AWS `terraform -chdir=infra apply`.")
_OBJECT = names.bronze_key("2024-01-02", "PETR4")
_MANIFEST = names.manifest_key("a-batch")


def dry_run(cloud: Cloud) -> CheckReport:
    """Return what would happen if an object and a manifest arrived, asked of each part in turn.

    The Lambda is really called, with the event of a Parquet object, which it must pass over; so
    no run is started. A denied or failing call is a finding, too.
    """
    return CheckReport(tuple(_try(cloud, subject, step) for subject, step in _steps()))


def _steps() -> Iterator[tuple[str, Step]]:
    yield (
        say("a manifest, {key}", key=_MANIFEST),
        lambda cloud: _fires(cloud, _MANIFEST, wanted=True),
    )
    yield say("an object, {key}", key=_OBJECT), lambda cloud: _fires(cloud, _OBJECT, wanted=False)
    yield say("S3 may call the Lambda"), s3_may_call
    yield say("the Lambda may be called"), _would_run
    yield say("the Lambda passes over an object"), _passes_over
    yield say("the job takes a run"), _job_is_there


def _try(cloud: Cloud, subject: str, step: Step) -> Finding:
    try:
        ok, seen = step(cloud)
    except (ClientError, BotoCoreError) as error:
        refusal = explain(error)
        hint = say(_HINT) if refusal.kind in {"gone", "other"} else refusal.hint
        return Finding(subject, False, refusal.about(say("its answer")), hint)
    return Finding(subject, ok, seen, say(_HINT))


def _fires(cloud: Cloud, key: str, *, wanted: bool) -> tuple[bool, str]:
    wiring = event_filter(cloud)
    fires = wiring is not None and wiring.fires_on(key)
    if fires:
        return fires is wanted, say("calls the Lambda ({keys})", keys=wiring)
    return fires is wanted, say("calls nobody ({keys})", keys=wiring)


def s3_may_call(cloud: Cloud) -> tuple[bool, str]:
    """Return whether the Lambda's policy lets the raw bucket call it, and what it says.

    Raises ClientError where it has no policy.
    """
    policy = cloud.lambda_.get_policy(FunctionName=cloud.config.lambda_function_name)["Policy"]
    bucket = f"arn:aws:s3:::{cloud.config.raw_data_bucket}"
    for statement in json.loads(policy)["Statement"]:
        if "s3.amazonaws.com" in json.dumps(statement) and bucket in json.dumps(statement):
            return True, say(
                "{statement} allows it for this bucket",
                statement=statement.get("Sid", say("a statement")),
            )
    return False, say("no statement of its policy names this bucket")


def _would_run(cloud: Cloud) -> tuple[bool, str]:
    answer = cloud.lambda_.invoke(
        FunctionName=cloud.config.lambda_function_name, InvocationType="DryRun"
    )
    return answer["StatusCode"] == 204, say("a dry run answers {code}", code=answer["StatusCode"])


def _passes_over(cloud: Cloud) -> tuple[bool, str]:
    record = {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": cloud.config.raw_data_bucket}, "object": {"key": _OBJECT}},
    }
    answer = cloud.lambda_.invoke(
        FunctionName=cloud.config.lambda_function_name,
        Payload=json.dumps({"Records": [record]}).encode(),
    )
    said = answer["Payload"].read().decode()
    ok = "FunctionError" not in answer and json.loads(said) == {"started": []}
    return ok, say("it answers {said}", said=said)


def _job_is_there(cloud: Cloud) -> tuple[bool, str]:
    job = cloud.glue.get_job(JobName=cloud.config.glue_job_name)["Job"]
    at_once = job.get("ExecutionProperty", {}).get("MaxConcurrentRuns", 1)
    queues = job.get("MaxRetries", 0) == 0  # and each start asks for the queue
    if queues:
        return True, say("{count} at a time, others wait", count=at_once)
    return False, say("{count} at a time, others are refused", count=at_once)
