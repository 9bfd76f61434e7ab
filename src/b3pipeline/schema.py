"""The columns of bronze and silver: the one place that Parquet, catalog and tests read.

The Glue job carries this module with it; `infra/tables.json` is made from it by `make artifacts`.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

PARTITION_KEYS = ("dt", "ticker")

BRONZE = pa.schema(
    [
        ("traded_at", pa.timestamp("us")),
        ("open", pa.float64()),
        ("high", pa.float64()),
        ("low", pa.float64()),
        ("close", pa.float64()),
        ("adj_close", pa.float64()),
        ("volume", pa.int64()),
        ("dividends", pa.float64()),
        ("stock_splits", pa.float64()),
        ("source", pa.string()),
        ("batch_id", pa.string()),
        ("ingested_at", pa.timestamp("us")),
    ]
)
"""One row a bar. `traded_at`: start of the bar, São Paulo local time; `ingested_at`: UTC;
prices and dividends in BRL a share; `volume` in shares; `stock_splits`: factor, 0 on other days."""

SILVER = pa.schema(
    [
        ("trade_date", pa.date32()),
        ("open_price", pa.float64()),
        ("high_price", pa.float64()),
        ("low_price", pa.float64()),
        ("close_price", pa.float64()),
        ("adj_close_price", pa.float64()),
        ("total_volume", pa.int64()),
        ("quote_count", pa.int32()),
        ("close_ma_5", pa.float64()),
        ("close_delta", pa.float64()),
        ("close_return", pa.float64()),
        ("days_since_previous", pa.int32()),
        ("refined_at", pa.timestamp("us")),
    ]
)
"""One row a session and ticker. `close_ma_5`: null until five sessions exist; `refined_at`: UTC."""

_HIVE_TYPES = {
    pa.timestamp("us"): "timestamp",
    pa.float64(): "double",
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.string(): "string",
    pa.date32(): "date",
}

_PARQUET_INPUT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
_PARQUET_OUTPUT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
_PARQUET_SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"


def glue_columns(schema: pa.Schema) -> list[dict[str, str]]:
    """Return a schema as the Data Catalog writes it: a list of Name and Type."""
    return [{"Name": field.name, "Type": _HIVE_TYPES[field.type]} for field in schema]


def glue_partition_keys() -> list[dict[str, str]]:
    """Return the partition keys as the Data Catalog writes them; all are strings."""
    return [{"Name": key, "Type": "string"} for key in PARTITION_KEYS]


def table_input(name: str, schema: pa.Schema, location: str) -> dict[str, Any]:
    """Return the catalog's definition of an external table of Parquet files at `location`."""
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
        "PartitionKeys": glue_partition_keys(),
        "StorageDescriptor": storage_descriptor(schema, location),
    }


def storage_descriptor(schema: pa.Schema, location: str) -> dict[str, object]:
    """Return the catalog's storage descriptor of Parquet files with `schema` at `location`."""
    return {
        "Columns": glue_columns(schema),
        "Location": location,
        "InputFormat": _PARQUET_INPUT,
        "OutputFormat": _PARQUET_OUTPUT,
        "SerdeInfo": {
            "SerializationLibrary": _PARQUET_SERDE,
            "Parameters": {"serialization.format": "1"},
        },
    }
