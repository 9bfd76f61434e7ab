"""Bronze objects: one Parquet file a session and ticker, and back; beside them what is held back.

Quotes that were held back are kept where a person can look, out of sight of Hive.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from b3pipeline import names, parquet
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import StorageError
from b3pipeline.lake.storage import (
    find_objects,
    get_objects,
    list_keys,
    put_object,
    stored_partitions,
)
from b3pipeline.language import english, say
from b3pipeline.progress import Progress
from b3pipeline.schema import BRONZE, PARTITION_KEYS

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

_BAR_COLUMNS = [name for name in BRONZE.names if name not in {"source", "batch_id", "ingested_at"}]


def bronze_objects(
    quotes: pd.DataFrame, *, source: str, batch_id: str, ingested_at: dt.datetime
) -> Iterator[tuple[str, str, bytes]]:
    """Yield (dt, ticker, body) of each partition of a frame of quotes sorted by ticker and time.

    The same quotes, source, batch and moment (UTC) give the same bytes.
    """
    table = _bronze_table(quotes, source, batch_id, ingested_at)
    for day, ticker, first, count in partition_rows(quotes):
        yield day, ticker, _encode(table.slice(first, count))


def partition_rows(quotes: pd.DataFrame) -> Iterator[tuple[str, str, int, int]]:
    """Yield (dt, ticker, first row, number of rows) of each partition of a sorted frame."""
    tickers = quotes["ticker"].to_numpy()
    days = quotes["traded_at"].to_numpy().astype("datetime64[D]")
    for first, last in pairwise([*_group_starts(tickers, days), len(quotes)]):
        yield str(days[first]), tickers[first], first, last - first


def encode_partition(
    bars: pd.DataFrame, *, source: str, batch_id: str, ingested_at: dt.datetime
) -> bytes:
    """Return the Parquet body of one partition: the bars of one ticker on one session.

    Raises StorageError where there is no bar: an object without one would stop every refine.
    """
    if bars.empty:
        raise StorageError(
            say("there is no bar to write: a partition holds at least one."),
            hint=say(
                "is the ticker spelt as at B3, and was it traded on that session? The "
                "`failures` of what the source brought say why it did not come."
            ),
        )
    return _encode(_bronze_table(bars, source, batch_id, ingested_at))


def decode_partition(key: str, body: bytes) -> pa.Table:
    """Return the rows of a bronze object, with `dt` and `ticker` of its key before its columns.

    Raises StorageError, naming the key, where the body is not Parquet with the bronze schema.
    """
    try:
        table = parquet.read(parquet.opened(body))
        partition = names.partition_of(key) or ("", "")
        return _with_keys(table.select(BRONZE.names).cast(BRONZE), partition)
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise StorageError(
            say("the object {key} is not a bronze partition: {error}.", key=key, error=error),
            hint=say("ingest that session again: its object is replaced."),
        ) from error


def read_bronze(
    cloud: Cloud,
    tickers: Sequence[str] | None = None,
    start: dt.date | None = None,
    end: dt.date | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return what bronze holds: `dt` and `ticker` (str), then the columns of `schema.BRONZE`.

    One row a bar, sorted by ticker and time; all tickers and dates where none are given; both
    dates included. It reads the objects themselves and asks no catalog.
    """
    wanted = None if tickers is None else set(tickers)
    keys = [
        names.bronze_key(day, ticker)
        for day, ticker in stored_partitions(cloud, names.BRONZE_PREFIX, start, end)
        if wanted is None or ticker in wanted
    ]
    tables = get_objects(cloud, keys, decode_partition, total=len(keys), progress=progress)
    empty = _with_keys(BRONZE.empty_table(), ("", ""))
    frame: pd.DataFrame = pa.concat_tables([empty, *tables]).to_pandas()
    return frame.sort_values(["ticker", "traded_at"], ignore_index=True)


def find_partitions(cloud: Cloud, keys: Sequence[str]) -> list[pd.DataFrame | None]:
    """Return the bars of each key's partition, None where there is none or it is unreadable."""
    return [_readable(key, body) for key, body in zip(keys, find_objects(cloud, keys), strict=True)]


def _readable(key: str, body: bytes | None) -> pd.DataFrame | None:
    if body is None:
        return None
    try:
        frame: pd.DataFrame = decode_partition(key, body).to_pandas()
    except StorageError as error:
        log.warning("%s", english(error.message))
        return None
    return frame


def _bronze_table(
    quotes: pd.DataFrame, source: str, batch_id: str, ingested_at: dt.datetime
) -> pa.Table:
    moment = ingested_at.astimezone(dt.UTC).replace(tzinfo=None)
    columns: dict[str, object] = {name: quotes[name].to_numpy() for name in _BAR_COLUMNS}
    columns |= {"source": source, "batch_id": batch_id, "ingested_at": moment}
    return pa.table(
        [
            pa.array(values, type=field.type, from_pandas=True)
            if isinstance(values := columns[field.name], np.ndarray)
            else pa.repeat(pa.scalar(values, field.type), len(quotes))
            for field in BRONZE
        ],
        schema=BRONZE,
    )


def _encode(table: pa.Table) -> bytes:
    """Return a table as Parquet, set for files of a few rows.

    Dictionaries, statistics, compression and the copy of Arrow's schema cost more than such a
    file holds: without them it is 1.4 kB instead of 3.8 kB and takes two thirds of the time.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    )
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _group_starts(tickers: np.ndarray, days: np.ndarray) -> list[int]:
    """Return the place of the first row of each run of equal ticker and day."""
    if not len(tickers):
        return []
    changes = (tickers[1:] != tickers[:-1]) | (days[1:] != days[:-1])
    return [0, *(np.flatnonzero(changes) + 1).tolist()]


def _with_keys(table: pa.Table, partition: tuple[str, str]) -> pa.Table:
    for place, (name, value) in enumerate(zip(PARTITION_KEYS, partition, strict=True)):
        table = table.add_column(place, name, pa.repeat(pa.scalar(value), len(table)))
    return table


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
    whole = pa.concat_tables(tables or [pa.table({})], promote_options="permissive")
    frame: pd.DataFrame = whole.to_pandas()
    return frame
