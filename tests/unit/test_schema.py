"""The columns of both tables: types that every reader of the lake agrees on."""

import pyarrow as pa
import pytest

from b3pipeline import schema
from b3pipeline.sources.base import QUOTE_COLUMNS


def test_bronze_is_what_the_contract_says():
    """Twelve columns; the partition keys are none of them."""
    assert schema.glue_columns(schema.BRONZE) == [
        {"Name": "traded_at", "Type": "timestamp"},
        {"Name": "open", "Type": "double"},
        {"Name": "high", "Type": "double"},
        {"Name": "low", "Type": "double"},
        {"Name": "close", "Type": "double"},
        {"Name": "adj_close", "Type": "double"},
        {"Name": "volume", "Type": "bigint"},
        {"Name": "dividends", "Type": "double"},
        {"Name": "stock_splits", "Type": "double"},
        {"Name": "source", "Type": "string"},
        {"Name": "batch_id", "Type": "string"},
        {"Name": "ingested_at", "Type": "timestamp"},
    ]


def test_silver_is_what_the_contract_says():
    """Those that queries and plots rely on, in their order, before any that came later."""
    columns = schema.glue_columns(schema.SILVER)
    assert columns[:12] == [
        {"Name": "trade_date", "Type": "date"},
        {"Name": "open_price", "Type": "double"},
        {"Name": "high_price", "Type": "double"},
        {"Name": "low_price", "Type": "double"},
        {"Name": "close_price", "Type": "double"},
        {"Name": "adj_close_price", "Type": "double"},
        {"Name": "total_volume", "Type": "bigint"},
        {"Name": "quote_count", "Type": "int"},
        {"Name": "close_ma_5", "Type": "double"},
        {"Name": "close_delta", "Type": "double"},
        {"Name": "close_return", "Type": "double"},
        {"Name": "days_since_previous", "Type": "int"},
    ]
    assert columns[-1] == {"Name": "refined_at", "Type": "timestamp"}
    assert not {"dt", "ticker"} & {column["Name"] for column in columns}


def test_partition_keys_are_strings():
    """Athena recommends it, and an integer key would lose a leading zero."""
    assert schema.glue_partition_keys() == [
        {"Name": "dt", "Type": "string"},
        {"Name": "ticker", "Type": "string"},
    ]


@pytest.mark.parametrize("table", [schema.BRONZE, schema.SILVER])
def test_no_timestamp_is_finer_than_a_microsecond(table):
    """Spark does not read nanoseconds."""
    times = [field.type for field in table if pa.types.is_timestamp(field.type)]
    assert times
    assert all(kind == pa.timestamp("us") for kind in times)


def test_quotes_bring_every_bronze_column_but_the_batchs_own():
    """A source knows nothing of batches."""
    own = {"source", "batch_id", "ingested_at"}
    assert [name for name in schema.BRONZE.names if name not in own] == list(QUOTE_COLUMNS)[1:]


def test_the_catalog_is_told_that_files_are_parquet():
    """The classes that Hive, Athena and Spark know Parquet by."""
    found = schema.storage_descriptor(schema.BRONZE, "s3://bucket/raw/b3/")
    assert found["Location"] == "s3://bucket/raw/b3/"
    assert found["SerdeInfo"]["SerializationLibrary"].endswith("ParquetHiveSerDe")
    assert found["InputFormat"].endswith("MapredParquetInputFormat")
    assert found["OutputFormat"].endswith("MapredParquetOutputFormat")
