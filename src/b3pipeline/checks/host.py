"""The ingestion host: what it needs, seen from itself, and the mark that it leaves for others."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from b3pipeline import names
from b3pipeline.checks.machine import python_finding
from b3pipeline.checks.report import CheckReport, Finding
from b3pipeline.cloud.clients import Cloud
from b3pipeline.language import later, say
from b3pipeline.refusals import CALL_ERRORS, explain

_PACKAGES = ("pyarrow", "pandas", "boto3", "yfinance")
_SOURCES = {"yahoo": "query2.finance.yahoo.com", "cotahist": "bvmf.bmfbovespa.com.br"}
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
_LOG = "/var/log/cloud-init-output.log"


def check_host(cloud: Cloud, *, reach: Callable[[str], None] | None = None) -> CheckReport:
    """Return whether this host can ingest: its packages, its role's rights, its way to a source.

    `reach` opens a connection to a host on port 443, and raises OSError where it cannot. One
    object is put and deleted, since the right to write is the one that ingestion rests on.
    """
    yours = tuple(_tried(say(subject), look, cloud) for subject, look in _LOOKS)
    return CheckReport((python_finding(), *_packages(), *yours, *_reached(reach or _connect)))


def check_mark(cloud: Cloud) -> Finding:
    """Return what the ingestion host has said of itself: ready, or what failed on it."""
    subject, host = say("ingestion host"), cloud.config.ec2_instance_id
    try:
        found = _read_mark(cloud)
    except CALL_ERRORS as error:
        refusal = explain(error)
        return Finding(subject, False, refusal.about(subject), refusal.hint)
    if found is None or found.get("instance") != host:
        local = urlsplit(cloud.s3.meta.endpoint_url).hostname in _THIS_MACHINE
        detail = (
            say("this local AWS starts no instance")
            if local
            else say("{host} has left no mark yet", host=host)
        )
        return Finding(
            subject,
            local,
            detail,
            say(
                "its first start takes about three minutes; after ten, read what it says: `aws "
                "ec2 get-console-output --latest --instance-id {host}`.",
                host=host,
            ),
        )
    seen = say(
        "{host} {state} since {time}", host=host, state=found.get("state"), time=found.get("at")
    )
    detail = f"{seen}: {found['detail']}" if found.get("detail") else seen
    return Finding(
        subject,
        found.get("state") == "ready",
        detail,
        say(
            "`aws ssm start-session --target {host}`, then read {log} and `journalctl -u "
            "b3-ingestion`; `terraform apply -replace=aws_instance.ingestion` makes it "
            "anew.",
            host=host,
            log=_LOG,
        ),
    )


def _read_mark(cloud: Cloud) -> dict[str, Any] | None:
    try:
        answer = cloud.s3.get_object(Bucket=cloud.config.raw_data_bucket, Key=names.HOST_MARK)
    except ClientError as error:
        if explain(error).kind == "gone":
            return None
        raise
    try:
        content = json.loads(answer["Body"].read())
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


Look = Callable[[Cloud], str]


def _tried(subject: str, look: Look, cloud: Cloud) -> Finding:
    try:
        return Finding(subject, True, look(cloud))
    except CALL_ERRORS as error:
        refusal = explain(error)
        return Finding(subject, False, refusal.about(subject), refusal.hint)


def _packages() -> Iterator[Finding]:
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    yield Finding(
        say("packages"),
        not missing,
        say("{missing} cannot be imported", missing=", ".join(missing))
        if missing
        else say("all that ingestion imports"),
        say("read {log}: the first start installs them.", log=_LOG),
    )


def _identity(cloud: Cloud) -> str:
    return str(cloud.sts.get_caller_identity()["Arn"])


def _bucket(cloud: Cloud) -> str:
    bucket = cloud.config.raw_data_bucket
    cloud.s3.list_objects_v2(Bucket=bucket, Prefix=names.BRONZE_PREFIX, MaxKeys=1)
    cloud.s3.put_object(Bucket=bucket, Key=names.HOST_PROBE, Body=b"")
    cloud.s3.get_object(Bucket=bucket, Key=names.HOST_PROBE)
    cloud.s3.delete_object(Bucket=bucket, Key=names.HOST_PROBE)
    return say("{bucket} can be listed, written and read", bucket=bucket)


def _table(cloud: Cloud) -> str:
    database = cloud.config.glue_database
    cloud.glue.get_table(DatabaseName=database, Name=names.BRONZE_TABLE)
    cloud.glue.get_partitions(DatabaseName=database, TableName=names.BRONZE_TABLE, MaxResults=1)
    return say("{table} can be read", table=f"{database}.{names.BRONZE_TABLE}")


_LOOKS: tuple[tuple[str, Look], ...] = (
    (later("role"), _identity),
    (later("raw bucket"), _bucket),
    (later("bronze table"), _table),
)


def _reached(reach: Callable[[str], None]) -> Iterator[Finding]:
    for source, host in _SOURCES.items():
        try:
            reach(host)
        except OSError as error:
            hint = say("the security group and the subnet must let port 443 out.")
            yield Finding(
                say("source {source}", source=source),
                False,
                say("{host} cannot be reached: {error}", host=host, error=error),
                hint,
            )
        else:
            yield Finding(
                say("source {source}", source=source), True, say("{host} answers", host=host)
            )


def _connect(host: str) -> None:
    with socket.create_connection((host, 443), timeout=5):
        pass
