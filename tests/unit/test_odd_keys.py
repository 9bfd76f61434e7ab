"""Keys that nobody of ours wrote: taken, hidden as Hive hides them, or named."""

import logging

import pandas as pd
import pytest

from b3pipeline import lake, names, plots, refine
from b3pipeline.deployment import teardown
from b3pipeline.errors import PlotError

FOLDERS = [
    "",
    "dt=2024-01-02/",
    "dt=2024-01-02/ticker=PETR4/",
    "_batches/",
    "_journal/",
    "_journal/b1/",
    "_journal_aside/",
    "_answers/",
    "_quarantine/",
]
HIDDEN = [
    "_SUCCESS",
    "dt=2024-01-02/_SUCCESS",
    "dt=2024-01-02/ticker=PETR4/.data.parquet.crc",
    "dt=2024-01-02/ticker=PETR4/_temporary/0/data.parquet",
    "_batches/.json",
    "_batches/older/b0.json",
    "_batches/read me+%2F\u00e9.txt",
]
STRAYS = [
    "dt=2024-01-02/ticker=PETR4/other.parquet",
    "dt=2024-01-02/ticker=petr4/data.parquet",
    "dt=2024-01-02/ticker=PE TR4/data.parquet",
    "dt=2024-01-02/ticker=PE+TR4/data.parquet",
    "dt=2024-01-02/ticker=PE%2FTR4/data.parquet",
    "dt=2024-01-02/ticker=\u00c7\u00c94/data.parquet",
    f"dt=2024-01-02/ticker={'A' * 900}/data.parquet",
    "dt=2024-01-02/ticker=PETR4/hour=10/data.parquet",
    "dt=2024-01-02/data.parquet",
    "dt=2024-01-02//ticker=PETR4/data.parquet",
    "dt=2024-1-2/ticker=PETR4/data.parquet",
    "dt=2024-02-30/ticker=PETR4/data.parquet",
    "dt=\u0662\u0660\u0662\u0664-01-02/ticker=PETR4/data.parquet",
    "dt=__HIVE_DEFAULT_PARTITION__/ticker=PETR4/data.parquet",
]


@pytest.fixture
def odd(lake_cloud):
    """A lake with one object of a session, and all that is odd; of both tables."""
    bucket = lake_cloud.config.raw_data_bucket
    for prefix in (names.BRONZE_PREFIX, names.SILVER_PREFIX):
        for key in [*FOLDERS, *HIDDEN, *STRAYS, "dt=2024-01-02/ticker=PETR4/data.parquet"]:
            lake_cloud.s3.put_object(Bucket=bucket, Key=f"{prefix}{key}", Body=b"")
    for batch in ("b1", ""):
        lake_cloud.s3.delete_object(Bucket=bucket, Key=names.mark_key(batch))
    return lake_cloud


@pytest.mark.parametrize("prefix", [names.BRONZE_PREFIX, names.SILVER_PREFIX])
def test_an_odd_key_is_no_session_and_is_named(odd, caplog, prefix):
    """What Hive hides is not spoken of; a key that the object store refuses hides none after it."""
    with caplog.at_level(logging.WARNING):
        assert lake.stored_partitions(odd, prefix) == [("2024-01-02", "PETR4")]
    [said] = caplog.messages
    assert f"{len(STRAYS)} object(s) of no session passed over: " in said
    assert [key for key in STRAYS if names.is_stray(f"{prefix}{key}", prefix)] == STRAYS
    assert [key for key in FOLDERS + HIDDEN if names.is_stray(f"{prefix}{key}", prefix)] == []


def test_the_folders_of_the_console_are_no_batches(odd):
    """Nor journals to be replayed, nor batches that are owed."""
    assert lake.list_journals(odd) == []
    assert lake.list_manifests(odd) == lake.list_answers(odd) == []
    assert refine.find_batches(odd).owed == ()


@pytest.mark.parametrize("day", ["2024-1-2", "2024-02-30", "__HIVE_DEFAULT_PARTITION__"])
def test_a_partition_of_no_session_is_named(lake_cloud, caplog, day):
    """MSCK REPAIR TABLE registers what was put by hand; no command ends by it."""
    where = {"DatabaseName": lake_cloud.config.glue_database, "TableName": names.BRONZE_TABLE}
    lake_cloud.glue.create_partition(
        **where, PartitionInput={"Values": [day, "PETR4"], "StorageDescriptor": {}}
    )
    with caplog.at_level(logging.WARNING):
        assert lake.held_sessions(lake_cloud, ["PETR4"]) == {"PETR4": []}
        assert lake.list_partitions(lake_cloud, names.BRONZE_TABLE) == []
    said = f"{names.BRONZE_TABLE} has a partition of no session: ['{day}', 'PETR4']"
    assert caplog.messages == [said, said]


def test_a_bucket_with_odd_keys_is_emptied(odd):
    """The folders are objects, too."""
    bucket = odd.config.raw_data_bucket
    assert teardown.empty_bucket(odd, bucket) >= 2 * len(FOLDERS + HIDDEN + STRAYS)
    assert odd.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_two_rows_of_one_session_are_no_plot():
    """Athena reads a second object of a session as well."""
    row = {"ticker": "PETR4", "trade_date": "2024-01-02", "close_price": 1.0, "close_ma_5": 1.0}
    with pytest.raises(PlotError, match=r"PETR4 has two rows of 2024-01-02\..*\$path"):
        plots.closes_with_ma5(pd.DataFrame([row, row]), simulated=True)
