"""What runs inside the tasks: bronze objects into bars, silver rows into objects."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from itertools import accumulate, islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark import Broadcast

from b3pipeline.errors import RefineError
from b3pipeline.job.objects import AGAIN, THREADS, Objects, Store
from b3pipeline.job.plan import Plan
from b3pipeline.language import note
from b3pipeline.names import bronze_key, silver_key
from b3pipeline.rules import PRICES, VALUE_RULES
from b3pipeline.schema import BRONZE, SILVER

BARS = pa.schema(
    [
        ("ticker", pa.string()),
        ("dt", pa.string()),
        ("wanted", pa.bool_()),  # False: read for the windows of others
        ("problem", pa.string()),  # why the session has no bars; "" where it has
        *(BRONZE.field(name) for name in ("traded_at", "open", "high", "low", "close")),
        *(BRONZE.field(name) for name in ("adj_close", "volume", "batch_id", "ingested_at")),
    ]
)
NO_BARS = pa.table([pa.nulls(1, column.type) for column in BARS][4:], names=BARS.names[4:])

GONE, EMPTY = "the object is gone", "no bar has a close"
MOST_BYTES = 2**26
"""How large one object may become in memory; a session's bars of a minute take a third of it."""

Batches = Iterable[pa.RecordBatch]


def bronze_reader(store: Store, plan: Broadcast[Plan]) -> Callable[[Batches], Batches]:
    """Return what a task does with numbers of sessions of the plan: read many objects at once."""

    def read(numbers: Batches) -> Batches:
        objects = store.connect()
        with ThreadPoolExecutor(THREADS) as threads:
            for batch in numbers:
                sessions = [plan.value[number] for number in batch["id"].to_pylist()]
                found = threads.map(
                    lambda session: read_object(store, objects, *session[:2]), sessions
                )
                while some := list(islice(found, 1000)):
                    yield from labelled(sessions[: len(some)], some).to_batches()
                    del sessions[: len(some)]

    return read


def read_object(store: Store, objects: Objects, ticker: str, day: str) -> pa.Table | str:
    """Return the bars of a session, or why there are none."""
    key = bronze_key(day, ticker)
    try:
        bars = decoded(objects.get(key))
    except FileNotFoundError:
        return GONE
    except OSError as error:
        raise RefineError(
            note(
                "s3://{place} cannot be read: {error}", place=f"{store.bucket}/{key}", error=error
            ),
            hint=AGAIN,
        ) from error
    except ValueError as error:
        return str(error)
    for name, value in (("ticker", ticker), ("dt", day)):
        if name in bars.column_names and set(map(str, bars[name].to_pylist())) - {value}:
            return note(
                "column {name} does not hold {value}, as the key does", name=name, value=value
            )
    return EMPTY if bars["close"].null_count == len(bars) else bars


def labelled(sessions: Plan, found: Sequence[pa.Table | str]) -> pa.Table:
    """Return what was found as one table, each bar with its session; one row where are none.

    A session with a bar that breaks a rule of quotes has a problem instead of bars.
    """
    labels: list[tuple[str, str, str, str]] = []
    tables = []
    for (ticker, day, wanted), one in zip(sessions, found, strict=True):
        problem = one if isinstance(one, str) else ""
        tables.append(NO_BARS if isinstance(one, str) else one.select(NO_BARS.column_names))
        labels += [(ticker, day, str(wanted).lower(), problem)] * len(tables[-1])
    columns = [strings(values) for values in zip(*labels, strict=True)]
    bars = pa.concat_tables(tables).combine_chunks()
    whole = pa.table([*columns, *bars.columns], names=BARS.names).cast(BARS)
    if broken := broken_rules(whole):
        return labelled(
            sessions, [broken.get(s[:2], one) for s, one in zip(sessions, found, strict=True)]
        )
    return whole


def broken_rules(bars: pa.Table) -> dict[tuple[str, str], str]:
    """Return what is wrong with the first wrong bar of each session, by ticker and day.

    The rules are those of the ingestion, and hold for bars that are quotes: with a close.
    """
    quotes = bars.filter(bars["close"].is_valid())
    if not len(quotes):  # of no chunk at all pyarrow's `indices_nonzero` ends the process
        return {}
    values = {name: numbers(quotes[name]) for name in (*PRICES, "volume")}
    needed = ("traded_at", *values, "batch_id", "ingested_at")
    missing = [quotes[name].is_null() for name in needed]
    other_day = pc.not_equal(
        quotes["traded_at"].cast(pa.date32(), False), quotes["dt"].cast("date32")
    )
    broken = {
        "a value is missing": pc.indices_nonzero(reduce(pc.or_, missing)),
        "the bar is of another day than its key": pc.indices_nonzero(other_day),
        **{rule.broken: np.flatnonzero(~rule.holds(values)) for rule in VALUE_RULES},
    }
    found: dict[tuple[str, str], str] = {}
    for reason, rows in broken.items():
        for row in rows.tolist():
            session = quotes["ticker"][row].as_py(), quotes["dt"][row].as_py()
            found.setdefault(session, f"{reason} ({describe(quotes, row)})")
    return found


def describe(quotes: pa.Table, row: int) -> str:
    """Return a bar in words: its time and what it says."""
    one = quotes.slice(row, 1).select(["traded_at", *PRICES, "volume"])
    return ", ".join(f"{name} {one[name].cast(pa.string())[0]}" for name in one.column_names)


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column's numbers for NumPy, any where one is null.

    `to_numpy` would import pandas, half a second in each worker.
    """
    array = column.combine_chunks()
    return np.frombuffer(array.buffers()[1], str(array.type))[array.offset :][: len(array)]


def strings(values: Iterable[str]) -> pa.Array:
    """Return texts as an Arrow array. `pa.array` would import pandas, too."""
    data = [value.encode() for value in values]
    ends = array("i", accumulate(map(len, data), initial=0))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(data))]
    return pa.Array.from_buffers(pa.string(), len(data), buffers)


def decoded(data: bytes) -> pa.Table:
    """Return the table in a bronze object; raise ValueError naming what is wrong with it."""
    if not data:
        raise ValueError(note("the object has zero bytes"))
    try:
        # Threads and read-ahead are for large files: on a small one they double the time.
        file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
        check_size(file.metadata)
        table = file.read(use_threads=False)
        table.validate(full=True)  # texts that are no UTF-8 come as they are
    except (pa.ArrowException, OSError) as error:
        raise ValueError(note("it is not a whole Parquet file ({error})", error=error)) from error
    if table.schema != BRONZE:
        for name in (*BRONZE.names, "ticker", "dt"):
            if table.column_names.count(name) > 1:
                raise ValueError(note("column {name} is there more than once", name=name))
        for column in BRONZE:
            if column.name not in table.column_names:
                raise ValueError(note("column {name} is missing", name=column.name))
            found = table.schema.field(column.name).type
            if found != column.type:
                raise ValueError(
                    note(
                        "column {name} is {found} instead of {wanted}",
                        name=column.name, found=found, wanted=column.type,
                    )
                )  # fmt: skip
    return table


def check_size(footer: pq.FileMetaData) -> None:
    """Raise ValueError for a file that may become too large in memory.

    A dictionary holds a value once for all its rows: each may be as long as all that is stored.
    """
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    stored = sum(group.total_byte_size for group in groups)
    if footer.num_rows < 0 or stored < 0 or max(footer.num_rows, 1) * stored > MOST_BYTES:
        raise ValueError(
            note(
                "it is too large for a session: {rows:,} rows, {stored:,} bytes unpacked",
                rows=footer.num_rows,
                stored=stored,
            )
        )


def silver_writer(store: Store) -> Callable[[Batches], Batches]:
    """Return what a task does with silver rows: put each as an object, and name its partition."""

    def write(batches: Batches) -> Batches:
        objects = store.connect()
        with ThreadPoolExecutor(THREADS) as threads:
            for batch in batches:
                pairs = zip(batch["ticker"].to_pylist(), batch["dt"].to_pylist(), strict=True)
                keys = (silver_key(day, ticker) for ticker, day in pairs)
                silver = pa.Table.from_batches([batch]).select(SILVER.names).cast(SILVER)
                rows = (silver.slice(i, 1) for i in range(len(silver)))
                list(threads.map(lambda key, row: put_row(store, objects, key, row), keys, rows))
                yield batch.select(["ticker", "dt"])

    return write


def put_row(store: Store, objects: Objects, key: str, row: pa.Table) -> None:
    """Put one silver row as one object, whole, without what only longer files profit from."""
    sink = pa.BufferOutputStream()
    plain = {"use_dictionary": False, "write_statistics": False, "store_schema": False}
    pq.write_table(row, sink, compression="none", **plain)
    try:
        objects.put(key, sink.getvalue().to_pybytes())
    except OSError as error:
        raise RefineError(
            note(
                "s3://{place} cannot be written: {error}",
                place=f"{store.bucket}/{key}",
                error=error,
            ),
            hint=AGAIN,
        ) from error
