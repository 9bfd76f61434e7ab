"""Quotes that were held back: kept where a person can look, out of sight of Hive."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from b3pipeline import names
from b3pipeline.cloud.clients import Cloud
from b3pipeline.lake.storage import get_objects, list_keys, put_object


def write_quarantine(cloud: Cloud, batch_id: str, number: int, rows: pd.DataFrame) -> str:
    """Return the key under which `rows` now lie: quotes of a slice, with the `rule` of each."""
    key = f"{names.QUARANTINE_PREFIX}{batch_id}/{number:04}.parquet"
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), sink)
    put_object(cloud, key, sink.getvalue().to_pybytes())
    return key


def read_quarantine(cloud: Cloud, batch_id: str) -> pd.DataFrame:
    """Return the rows that a batch held back: the columns of a quote, and `rule`; none, no rows."""
    keys = list(list_keys(cloud, f"{names.QUARANTINE_PREFIX}{batch_id}/"))
    tables = get_objects(cloud, keys, lambda _, body: pq.read_table(pa.BufferReader(body)))
    if not tables:
        return pd.DataFrame()
    frame: pd.DataFrame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
    return frame
