"""What `b3 refine` refuses before a run starts, on a lake with PETR4 on two days."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from b3pipeline import lake, names, refine
from b3pipeline.cli import app
from b3pipeline.cloud.config import dump_outputs
from b3pipeline.errors import DateRangeError, JobError, UnknownTickerError


@pytest.fixture
def cloud(lake_cloud):
    """A lake whose catalog holds PETR4 on two days, and of silver GONE3 alone."""
    days = [("2024-01-02", "PETR4"), ("2024-01-03", "PETR4")]
    lake.register_partitions(lake_cloud, names.BRONZE_TABLE, days)
    lake.register_partitions(lake_cloud, names.SILVER_TABLE, [("2024-01-04", "GONE3")])
    return lake_cloud


def put(cloud, name, body):
    """Put a manifest; return its address."""
    key = names.manifest_key(name)
    cloud.s3.put_object(Bucket=cloud.config.raw_data_bucket, Key=key, Body=body)
    return f"s3://{cloud.config.raw_data_bucket}/{key}"


def test_what_the_lake_holds_is_not_refused(cloud):
    """By ticker, by day, by both; and a session that silver alone holds, which a run takes away."""
    refine.check_asked(cloud, tickers=["petr4.sa"])
    refine.check_asked(cloud, dates=["2024-01-02", "2024-01-03"])
    refine.check_asked(cloud, dates=["2024-01-03"], tickers=["PETR4"])
    refine.check_asked(cloud, dates=["2024-01-04"], tickers=["GONE3"])


def test_a_ticker_that_bronze_does_not_hold_is_named(cloud):
    """The other one, which it holds, is not."""
    with pytest.raises(UnknownTickerError, match=r"no quote of VALE3\."):
        refine.check_asked(cloud, tickers=["PETR4", "VALE3"])


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2024-01-01", r"no session on 2024-01-01\."),  # New Year
        ("2024-01-06", r"no session on 2024-01-06\."),  # a Saturday
        ("2024-01-05", r"bronze holds no quote on 2024-01-05\."),
    ],
)
def test_a_day_without_a_session_is_named(cloud, day, said):
    """A holiday, a weekend, and a session that was never ingested."""
    with pytest.raises(DateRangeError, match=said):
        refine.check_asked(cloud, dates=["2024-01-02", day])


def test_a_day_that_bronze_holds_of_others_alone_is_refused(cloud):
    """The run would read and write nothing."""
    with pytest.raises(DateRangeError, match=r"no quote of PETR4 on 2024-01-04\."):
        refine.check_asked(cloud, dates=["2024-01-04"], tickers=["PETR4"])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "zero bytes"),
        (b"PAR1", "it is no JSON"),
        (b"{}", "does not list its partitions"),
        (b'{"version": 9, "partitions": {}}', "its version is 9"),
    ],
)
def test_a_manifest_that_is_none_is_refused_with_what_is_wrong(cloud, body, said):
    """As the job itself would say it, a minute and some cents later."""
    with pytest.raises(JobError, match=said):
        refine.check_asked(cloud, manifest=put(cloud, "b1", body))


def test_a_manifest_that_is_not_there_or_lies_elsewhere_is_refused(cloud):
    """An address of another bucket or folder is no manifest, whatever lies there."""
    bucket = cloud.config.raw_data_bucket
    with pytest.raises(JobError, match="there is no manifest"):
        refine.check_asked(cloud, manifest=f"s3://{bucket}/{names.manifest_key('b9')}")
    for address in ("b9", f"s3://{bucket}/raw/b3/b9.json", "s3://other/raw/b3/_batches/b9.json"):
        with pytest.raises(JobError, match="is no batch manifest under"):
            refine.check_asked(cloud, manifest=address)


def test_a_good_manifest_is_not_refused(cloud):
    """The one that the ingestion writes."""
    body = json.dumps({"version": 2, "partitions": {"PETR4": ["2024-01-02"]}}).encode()
    refine.check_asked(cloud, manifest=put(cloud, "b2", body))


def test_the_command_says_it_and_starts_no_run(cloud, tmp_path, monkeypatch):
    """The job of this lake does not even exist: it is not asked."""
    (tmp_path / ".localaws").mkdir()
    (tmp_path / ".localaws/outputs.json").write_text(dump_outputs(cloud.config))
    monkeypatch.setenv("B3_HOME", str(tmp_path))
    monkeypatch.delenv("B3_TARGET", raising=False)
    answer = CliRunner().invoke(app, ["refine", "--tickers", "VALE3", "--no-follow"])
    assert answer.exit_code != 0
    assert "bronze holds no quote of VALE3" in answer.output + str(answer.exception)


CHILD = """
import sys
from b3pipeline import cli
try:
    cli.main()
except SystemExit as end:
    print(end.code, "pandas" in sys.modules)
"""


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--tickers", "VALE3"], "bronze holds no quote of VALE3."),
        (["--dates", "2024-01-01"], "the exchange held no session on 2024-01-01."),
    ],
)
def test_the_command_says_it_without_pandas(cloud, tmp_path, asked, said):
    """Whose import takes longer than the question to the lake."""
    (tmp_path / ".localaws").mkdir()
    (tmp_path / ".localaws/outputs.json").write_text(dump_outputs(cloud.config))
    answer = subprocess.run(
        [sys.executable, "-c", CHILD, "refine", "--target", "local", *asked],
        env={**os.environ, "B3_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said in answer.stderr
    assert answer.stdout == "1 False\n"
