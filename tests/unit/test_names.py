"""The names of the pipeline: resources, tickers, keys."""

import datetime as dt

import pytest

from b3pipeline import names
from b3pipeline.errors import ConfigError, InvalidTickerError
from b3pipeline.names import Names


def test_resources_carry_project_and_environment():
    """The names that Terraform, the sandbox and the user's own scripts share."""
    found = Names()
    assert found.lambda_function == "tech_challenge2_dev_start_glue"
    assert found.glue_job == "tech_challenge2_dev_refine_job"
    assert found.workgroup == "tech_challenge2_dev_wg"
    assert found.database == "tech_challenge2_dev"


def test_buckets_use_hyphens_and_the_account():
    """A bucket's name may hold no underscore and is unique in the world."""
    found = Names(project="my_project", environment="prod")
    assert found.raw_data_bucket("42") == "my-project-prod-raw-42"
    assert found.athena_results_bucket("42") == "my-project-prod-athena-results-42"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"project": "Tech"}, "project_name is 'Tech'"),
        ({"project": "2nd"}, "project_name is '2nd'"),
        ({"environment": "dev-1"}, "environment is 'dev-1'"),
        ({"environment": ""}, "environment is ''"),
    ],
)
def test_a_name_that_aws_cannot_carry_is_refused(values, message):
    """The error says which of the two it is."""
    with pytest.raises(ConfigError, match=message):
        Names(**values)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("PETR4", "PETR4"),
        ("petr4", "PETR4"),
        (" VALE3 ", "VALE3"),
        ("ITUB4.SA", "ITUB4"),
        ("klbn11.sa", "KLBN11"),
        ("B3SA3", "B3SA3"),
        ("BOVA11", "BOVA11"),
        ("PETR4F", "PETR4F"),
    ],
)
def test_a_ticker_becomes_the_code_of_the_exchange(written, code):
    """Yahoo's suffix goes, letters are capital."""
    assert names.normalise_ticker(written) == code


@pytest.mark.parametrize(
    "written", ["", "PETR", "PETR444", "PE4", "PETR4/..", "^BVSP", "PETR4,VALE3", "AAPL"]
)
def test_what_is_no_ticker_is_refused(written):
    """Nothing that could leave its folder in the bucket passes."""
    with pytest.raises(InvalidTickerError) as caught:
        names.normalise_ticker(written)
    assert repr(written) in caught.value.message
    assert "PETR4" in caught.value.hint


def test_keys_are_those_of_the_contract():
    """One object a partition, the manifest hidden from Hive by its underscore."""
    day = dt.date(2024, 6, 28)
    assert names.bronze_key(day, "PETR4") == "raw/b3/dt=2024-06-28/ticker=PETR4/data.parquet"
    assert names.silver_key("2024-06-28", "PETR4") == (
        "refined/b3/dt=2024-06-28/ticker=PETR4/data.parquet"
    )
    assert names.manifest_key("20261123T101500Z-3f9a1c2b") == (
        "raw/b3/_batches/20261123T101500Z-3f9a1c2b.json"
    )


@pytest.mark.parametrize(
    ("key", "partition"),
    [
        ("raw/b3/dt=2024-06-28/ticker=PETR4/data.parquet", ("2024-06-28", "PETR4")),
        ("s3://bucket/refined/b3/dt=2024-06-28/ticker=B3SA3/", ("2024-06-28", "B3SA3")),
        ("raw/b3/_batches/20261123T101500Z-3f9a1c2b.json", None),
        ("raw/b3/dt=2024-6-28/ticker=PETR4/data.parquet", None),
        ("raw/b3/dt=2024-06-28/data.parquet", None),
    ],
)
def test_a_key_tells_its_partition(key, partition):
    """None outside of one."""
    assert names.partition_of(key) == partition
