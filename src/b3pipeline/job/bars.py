"""What runs inside the tasks: bronze objects into bars, silver rows into objects."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import reduce
from itertools import accumulate
from typing import TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark import Broadcast

from b3pipeline import parquet
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
AHEAD = 128
"""How many objects are got, or on their way, before their turn comes."""
SMALL_BYTES = 2**18
"""Of one that is got before its turn; a session's bars of a minute take a quarter of it."""
LONGEST_NAME = 1024
"""Of a batch, in bytes: it is part of a key. Spark keeps it with each bar."""
CHUNK_SESSIONS, CHUNK_BYTES = 1000, 2**22
"""What goes to Spark at once."""

Batches = Iterable[pa.RecordBatch]
Planned = tuple[str, str, bool]  # ticker and ISO date, and whether it is to be recomputed
Found: TypeAlias = pa.Table | str  # the bars of a session, or why there are none
A = TypeVar("A")
B = TypeVar("B")


def bronze_reader(store: Store, plan: Broadcast[Plan]) -> Callable[[Batches], Batches]:
    """Return what a task does with numbers of sessions of the plan: read many objects at once.

    What it holds is counted in bytes, a quarter of a gigabyte at most: threads get small objects
    ahead, and each is unpacked when its turn comes, which is when a large one is got, too.
    """

    def read(numbers: Batches) -> Batches:
        objects = store.connect()
        with ThreadPoolExecutor(THREADS) as threads:
            for batch in numbers:
                sessions = [plan.value[number] for number in batch["id"].to_pylist()]
                bodies = in_order(
                    threads, lambda one: body_of(objects, one[0], one[1], SMALL_BYTES), sessions
                )
                found = (
                    ((ticker, day, wanted), bars_of(objects, ticker, day, body))
                    for (ticker, day, wanted), body in zip(sessions, bodies, strict=True)
                )
                for some in chunks(found):
                    yield from labelled(*zip(*some, strict=True)).to_batches()

    return read


def in_order(threads: ThreadPoolExecutor, act: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Yield `act` of each item in order, with `AHEAD` of them under way or waiting."""
    pending: deque[Future[B]] = deque()
    for item in items:
        if len(pending) == AHEAD:
            yield pending.popleft().result()
        pending.append(threads.submit(act, item))
    while pending:
        yield pending.popleft().result()


def chunks(found: Iterable[tuple[Planned, Found]]) -> Iterator[list[tuple[Planned, Found]]]:
    """Yield what was found in pieces of so many sessions or bytes; the last of these may be large.

    A piece is empty once the next is asked for: it is not to be in memory beside it.
    """
    some: list[tuple[Planned, Found]] = []
    held = 0
    for session, one in found:
        some.append((session, one))
        held += 0 if isinstance(one, str) else one.nbytes
        if len(some) == CHUNK_SESSIONS or held > CHUNK_BYTES:
            del one
            yield some
            some.clear()
            if held > CHUNK_BYTES:
                pa.default_memory_pool().release_unused()
            held = 0
    if some:
        yield some


def body_of(objects: Objects, ticker: str, day: str, most: int) -> bytes | str | None:
    """Return the object of a session, why there is none, or None where it is above `most` bytes."""
    key = bronze_key(day, ticker)
    try:
        return objects.get(key, most)
    except FileNotFoundError:
        return GONE
    except OSError as error:
        raise RefineError(
            note(
                "s3://{place} cannot be read: {error}",
                place=f"{objects.store.bucket}/{key}",
                error=error,
            ),
            hint=AGAIN,
        ) from error


def bars_of(objects: Objects, ticker: str, day: str, body: bytes | str | None) -> Found:
    """Return the bars in the body of a session's object, or why there are none."""
    if body is None:
        body = body_of(objects, ticker, day, parquet.MOST_BYTES)
    if body is None:
        return note(
            "it is too large for a session: more than {most:,} bytes", most=parquet.MOST_BYTES
        )
    if isinstance(body, str):
        return body
    try:
        bars = decoded(body)
    except ValueError as error:
        return str(error)
    for name, value in (("ticker", ticker), ("dt", day)):
        if name in bars.column_names and set(map(str, bars[name].to_pylist())) - {value}:
            return note(
                "column {name} does not hold {value}, as the key does", name=name, value=value
            )
    return EMPTY if bars["close"].null_count == len(bars) else bars


def labelled(sessions: Sequence[Planned], found: Sequence[Found]) -> pa.Table:
    """Return what was found as one table, each bar with its session; one row where are none.

    A session with a bar that breaks a rule of quotes has a problem instead of bars.
    """
    names = NO_BARS.column_names
    tables = [NO_BARS if isinstance(one, str) else one.select(names) for one in found]
    labels = zip(
        *(
            (ticker, day, str(wanted).lower(), one if isinstance(one, str) else "")
            for (ticker, day, wanted), one in zip(sessions, found, strict=True)
        ),
        strict=True,
    )
    rows = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    places = pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(rows)])
    columns = [strings(values).take(places) for values in labels]
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
    quotes = bars.filter(bars["close"].is_valid()) if bars["close"].null_count else bars
    if not len(quotes):  # of no chunk at all pyarrow's `indices_nonzero` ends the process
        return {}
    values = {name: numbers(quotes[name]) for name in (*PRICES, "volume")}
    needed = ("traded_at", *values, "batch_id", "ingested_at")
    missing = [quotes[name].is_null() for name in needed]
    other_day = pc.not_equal(
        quotes["traded_at"].cast(pa.date32(), False), quotes["dt"].cast("date32")
    )
    lengths = numbers(pc.binary_length(quotes["batch_id"]))
    broken = {
        "a value is missing": pc.indices_nonzero(reduce(pc.or_, missing)),
        note("the bar is of another day than its key"): pc.indices_nonzero(other_day),
        note("the name of its batch is too long"): np.flatnonzero(lengths > LONGEST_NAME),
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
    file = parquet.opened(data)
    schema = file.schema_arrow
    if schema == BRONZE:
        return parquet.read(file)
    for name in (*BRONZE.names, "ticker", "dt"):
        if schema.names.count(name) > 1:
            raise ValueError(note("column {name} is there more than once", name=name))
    for column in BRONZE:
        if column.name not in schema.names:
            raise ValueError(note("column {name} is missing", name=column.name))
        found = schema.field(column.name).type
        if found != column.type:
            raise ValueError(
                note(
                    "column {name} is {found} instead of {wanted}",
                    name=column.name, found=found, wanted=column.type,
                )
            )  # fmt: skip
    return parquet.read(file, [*BRONZE.names, *({"ticker", "dt"} & {*schema.names})])


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
