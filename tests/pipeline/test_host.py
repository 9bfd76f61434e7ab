"""The ingestion host: what it finds of itself, what it refuses, and what others read of it."""

import json
from dataclasses import replace

import pytest

from b3pipeline import names
from b3pipeline.checks import check_host, check_mark
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import refuse_on_host
from b3pipeline.errors import ConfigError


def by_subject(report):
    """Return each subject with its finding."""
    return {finding.subject: finding for finding in report.findings}


def test_a_host_that_can_ingest_finds_nothing_wrong(cloud):
    """Packages, role, bucket, table and both sources; the probe's object is gone again."""
    report = check_host(cloud, reach=lambda _: None)
    assert report.ok, str(report)
    assert list(by_subject(report)) == [
        "Python", "packages", "role", "raw bucket", "bronze table",
        "source yahoo", "source cotahist",
    ]  # fmt: skip
    listed = cloud.s3.list_objects_v2(Bucket=cloud.config.raw_data_bucket, Prefix="raw/b3/_host/")
    assert "Contents" not in listed


def test_a_host_without_its_bucket_its_table_or_a_way_out_says_which(cloud):
    """Each finding is its own, with what to do."""

    def closed(_):
        raise OSError("timed out")

    elsewhere = Cloud(replace(cloud.config, raw_data_bucket="no-such", glue_database="nowhere"))
    found = by_subject(check_host(elsewhere, reach=closed))
    wrong = {subject for subject, finding in found.items() if not finding.ok}
    assert wrong == {"raw bucket", "bronze table", "source yahoo", "source cotahist"}
    assert "port 443" in found["source yahoo"].hint


def marked(cloud, **mark):
    """Return what the doctor says of a host that has left this mark."""
    bucket = cloud.config.raw_data_bucket
    cloud.s3.put_object(Bucket=bucket, Key=names.HOST_MARK, Body=json.dumps(mark).encode())
    return check_mark(Cloud(replace(cloud.config, ec2_instance_id="i-1")))


def test_the_mark_of_the_host_is_read_from_afar(cloud):
    """Ready is right; failed is not, and says what failed and how to look."""
    at = "2026-11-25T20:00:00Z"
    ready = marked(cloud, state="ready", instance="i-1", at=at, detail="")
    failed = marked(cloud, state="failed", instance="i-1", at=at, detail="the first start")
    assert (ready.ok, ready.detail) == (True, f"i-1 ready since {at}")
    assert (failed.ok, failed.detail) == (False, f"i-1 failed since {at}: the first start")
    assert "journalctl -u b3-ingestion" in failed.hint


def test_a_mark_that_says_nothing_is_no_mark(cloud):
    """The host has to say it anew."""
    bucket = cloud.config.raw_data_bucket
    cloud.s3.put_object(Bucket=bucket, Key=names.HOST_MARK, Body=b"[" * 200_000)
    assert check_mark(cloud).ok


def test_a_mark_that_may_not_be_read_is_a_finding(cloud):
    """In an ended lab session everything is denied: the doctor goes on, and says so."""
    refused = Cloud(replace(cloud.config, ec2_instance_id="i-1", credentials_file=None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIA" + "X" * 16)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "none")
        found = check_mark(refused)
    assert (found.subject, found.ok) == ("ingestion host", False)
    assert "the access keys for ingestion host are not accepted" in found.detail


def test_the_mark_of_a_host_that_was_replaced_is_passed_over(cloud, monkeypatch):
    """On AWS the new one has left none yet; a local AWS starts no instance that could."""
    local = marked(cloud, state="ready", instance="i-0", at="", detail="")
    monkeypatch.setattr("b3pipeline.checks.host._THIS_MACHINE", ())
    aws = marked(cloud, state="ready", instance="i-0", at="", detail="")
    assert local.ok
    assert (aws.ok, aws.detail) == (False, "i-1 has left no mark yet")
    assert "get-console-output" in aws.hint


def test_what_the_host_cannot_do_is_said_before_it_begins(monkeypatch):
    """Elsewhere nothing is refused."""
    refuse_on_host("`b3 query`", "awswrangler")
    monkeypatch.setenv("B3_HOST", "1")
    with pytest.raises(ConfigError, match="needs awswrangler, which the ingestion host has not"):
        refuse_on_host("`b3 query`", "awswrangler")
