"""Is every resource of the pipeline there, and as it must be? For notebook 01 and `b3 doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError

from b3pipeline import names, schema
from b3pipeline.checks.report import CheckReport, Finding
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import B3Error
from b3pipeline.language import say
from b3pipeline.refine import find_batches
from b3pipeline.refusals import explain


def check_deployment(cloud: Cloud) -> CheckReport:
    """Return whether every resource of the pipeline is there and configured as it must be.

    Reads only: nothing is made, changed or started. A denied or failing call is a finding, too.
    """
    findings = [_probe(cloud, subject, look) for subject, look in _looks(cloud)]
    return CheckReport((*findings, _batches(cloud)))


def _batches(cloud: Cloud) -> Finding:
    """Return whether a batch waits for a refine that is never going to come."""
    try:
        found = find_batches(cloud)
    except B3Error as error:
        return Finding(say("batches"), False, error.message, error.hint)
    owed = (
        say("{summary}: no run takes {batches}", summary=found.summary, batches=found.named)
        if found.owed
        else found.summary
    )
    hint = say("`b3 refine` takes just those. An event on AWS may need a minute: look again then.")
    return Finding(say("batches"), not found.owed, owed, hint)


Look = Callable[[Cloud], tuple[str, str]]
"""Looks at one resource and returns what was seen, and what is wrong with it ('' where nothing)."""


def _looks(cloud: Cloud) -> Iterator[tuple[str, Look]]:
    config = cloud.config
    yield say("account"), _look_at_account
    for bucket in (config.raw_data_bucket, config.athena_results_bucket):
        yield say("bucket {bucket}", bucket=bucket), _bucket_look(bucket)
    yield say("S3 event"), _look_at_notification
    yield say("Lambda {name}", name=config.lambda_function_name), _look_at_lambda
    yield say("Glue job {name}", name=config.glue_job_name), _look_at_job
    yield (
        say("table {name}", name=names.BRONZE_TABLE),
        _table_look(names.BRONZE_TABLE, schema.BRONZE),
    )
    yield (
        say("table {name}", name=names.SILVER_TABLE),
        _table_look(names.SILVER_TABLE, schema.SILVER),
    )
    yield say("workgroup {name}", name=config.athena_workgroup), _look_at_workgroup


def _probe(cloud: Cloud, subject: str, look: Look) -> Finding:
    try:
        seen, wrong = look(cloud)
    except (ClientError, BotoCoreError) as error:
        refusal = explain(error)
        hint = _hint(cloud) if refusal.kind in {"gone", "other"} else refusal.hint
        return Finding(subject, False, refusal.about(subject), hint)
    return Finding(subject, not wrong, wrong or seen, _hint(cloud))


def _hint(cloud: Cloud) -> str:
    if cloud.config.target == "local":
        return say("`b3 local up` makes what is missing.")
    return say("`terraform -chdir=infra apply`; in an ended Academy session start a new one first.")


def _look_at_account(cloud: Cloud) -> tuple[str, str]:
    where = cloud.config.endpoint_url or cloud.config.region
    return say("{who} at {where}", who=cloud.sts.get_caller_identity()["Arn"], where=where), ""


def _bucket_look(bucket: str) -> Look:
    def look(cloud: Cloud) -> tuple[str, str]:
        cloud.s3.head_bucket(Bucket=bucket)
        return say("exists"), ""

    return look


def _look_at_notification(cloud: Cloud) -> tuple[str, str]:
    found, wanted = event_filter(cloud), EventFilter(names.MANIFEST_PREFIX, names.MANIFEST_SUFFIX)
    if found is None:
        return "", say("no event of {bucket} calls the Lambda", bucket=cloud.config.raw_data_bucket)
    return say("{keys} fires the Lambda", keys=found), "" if found == wanted else say(
        "it fires on {keys}", keys=found
    )


@dataclass(frozen=True)
class EventFilter:
    """Which object keys of the raw bucket make S3 call the Lambda."""

    prefix: str
    suffix: str

    def __str__(self) -> str:
        return f"{self.prefix}*{self.suffix}"

    def fires_on(self, key: str) -> bool:
        """Return whether an object put under `key` calls the Lambda."""
        return key.startswith(self.prefix) and key.endswith(self.suffix)


def event_filter(cloud: Cloud) -> EventFilter | None:
    """Return the filter of the event that calls the Lambda, or None where nothing calls it."""
    answer = cloud.s3.get_bucket_notification_configuration(Bucket=cloud.config.raw_data_bucket)
    for wiring in answer.get("LambdaFunctionConfigurations", []):
        if wiring["LambdaFunctionArn"].endswith(f":{cloud.config.lambda_function_name}"):
            rules = wiring.get("Filter", {}).get("Key", {}).get("FilterRules", [])
            values = {rule["Name"].lower(): rule["Value"] for rule in rules}
            return EventFilter(values.get("prefix", ""), values.get("suffix", ""))
    return None


def _look_at_lambda(cloud: Cloud) -> tuple[str, str]:
    name = cloud.config.lambda_function_name
    answer = cloud.lambda_.get_function_configuration(FunctionName=name)
    starts = answer.get("Environment", {}).get("Variables", {}).get("GLUE_JOB_NAME")
    right = starts == cloud.config.glue_job_name
    return say(
        "{runtime}, starts {job}", runtime=answer["Runtime"], job=starts
    ), "" if right else say("it starts the job {job!r}", job=starts)


def _look_at_job(cloud: Cloud) -> tuple[str, str]:
    job = cloud.glue.get_job(JobName=cloud.config.glue_job_name)["Job"]
    bucket, _, key = job["Command"]["ScriptLocation"].removeprefix("s3://").partition("/")
    cloud.s3.head_object(Bucket=bucket, Key=key)
    workers = f"{job.get('NumberOfWorkers', '?')} x {job.get('WorkerType', '?')}"
    seen = f"Glue {job['GlueVersion']}, {workers}"
    if retries := job.get("MaxRetries", 0):  # each start asks for the queue itself
        return seen, say(
            "it has {retries} retries: Glue queues no run of such a job", retries=retries
        )
    return say("{seen}, runs queue", seen=seen), ""


def _table_look(name: str, columns: pa.Schema) -> Look:
    def look(cloud: Cloud) -> tuple[str, str]:
        database = cloud.config.glue_database
        table = cloud.glue.get_table(DatabaseName=database, Name=name)["Table"]
        found = {(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"]}
        wanted = {(c["Name"], c["Type"]) for c in schema.glue_columns(columns)}
        differing = ", ".join(sorted({column for column, _ in found ^ wanted}))
        wrong = say("these columns differ: {differing}", differing=differing) if differing else ""
        return say("{count} columns, by dt and ticker", count=len(found)), wrong

    return look


def _look_at_workgroup(cloud: Cloud) -> tuple[str, str]:
    answer = cloud.athena.get_work_group(WorkGroup=cloud.config.athena_workgroup)
    settings = answer["WorkGroup"]["Configuration"]
    place = settings.get("ResultConfiguration", {}).get("OutputLocation", "")
    right = place.startswith(f"s3://{cloud.config.athena_results_bucket}/")
    return say("results go to {place}", place=place), "" if right else say(
        "results go to {place}", place=place or say("nowhere")
    )
