"""One statement cannot end the server: it fails with Athena's words, and S3 goes on answering."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from localaws.athena.engine import Engine
from localaws.athena.limits import EXHAUSTED
from localaws.athena.results import read_csv_rows
from localaws.testing import LocalServer

MEGABYTE = 1024 * 1024
NUMBERS = [place**0.3 for place in range(99_000)]
MEMORY_MB = 256
SECONDS, FEW_SECONDS = 30.0, 1.5
SLOWEST_PUT = 5.0
"""Seconds; a put takes milliseconds, on a machine that does much else some more."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server whose queries may hold 256 MB and take half a minute."""
    yield from limited_server(tmp_path_factory, SECONDS)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server whose queries may hold 256 MB and take a second and a half."""
    yield from limited_server(tmp_path_factory, FEW_SECONDS)


def limited_server(factory: pytest.TempPathFactory, seconds: float) -> Iterator[LocalServer]:
    """Yield a server whose queries may take so many seconds."""
    options = {"athena_memory_mb": MEMORY_MB, "athena_seconds": seconds}
    server = LocalServer(factory.mktemp("limits") / "state", options).start()
    yield server
    server.stop()


@pytest.fixture
def small(server: LocalServer, lake_on: Callable[..., Any]) -> Any:
    """A lake on that server."""
    return lake_on(server.client)


class Pulse:
    """Puts an object again and again, and keeps how long the slowest took, and the memory."""

    def __init__(self, server: LocalServer, lake: Any) -> None:
        self.slowest = 0.0
        self.most_bytes = 0
        self._server, self._lake = server, lake
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat)

    def _beat(self) -> None:
        while not self._over.wait(0.1):
            begun = time.monotonic()
            self._lake.s3.put_object(Bucket=self._lake.bucket, Key="pulse", Body=b"x")
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.most_bytes = max(self.most_bytes, self._memory())

    def _memory(self) -> int:
        total = 0
        for process in self._server.processes():
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        return total

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


HUGE = [
    "SELECT format('%999999999s', 'a')",
    "SELECT format('%.999999999f', 1.5)",
    "SELECT lpad('a', 2147483647, 'x')",
    "SELECT rpad('a', 1000000000, 'xyz')",
    "SELECT replace(rpad('a', 30000000, 'a'), 'a', 'bbbbbbbb')",
    "SELECT regexp_replace(rpad('a', 30000000, 'a'), 'aa', 'bbbbbbbb')",
    "SELECT array_join(repeat(rpad('a', 1000000, 'x'), 10000), ',')",
    "SELECT transform(sequence(1, 10000), i -> rpad('a', 1000000, 'x'))",
    "SELECT array_agg(rpad('a', 1000000, 'x')) FROM UNNEST(sequence(1, 10000)) t(i)",
    "SELECT listagg(rpad('a', 1000000, 'x'), ',') WITHIN GROUP (ORDER BY i)"
    " FROM UNNEST(sequence(1, 10000)) t(i)",
]


@pytest.mark.parametrize("sql", HUGE)
def test_a_text_without_end_is_refused(server: LocalServer, small: Any, sql: str) -> None:
    """Whatever makes it: the statement fails in Athena's words, the next one is answered."""
    with Pulse(server, small) as pulse:
        assert EXHAUSTED in small.failure(sql)
    assert pulse.slowest < SLOWEST_PUT
    assert pulse.most_bytes < 4096 * MEGABYTE
    assert small.rows("SELECT 1") == [["1"]]


@pytest.mark.parametrize("sql", ["SELECT sequence(1, 100000000)", "SELECT repeat('a', 100000000)"])
def test_an_array_without_end_is_refused(small: Any, sql: str) -> None:
    """As in Trino: ten thousand items are the most."""
    assert small.failure(sql).startswith("INVALID_FUNCTION_ARGUMENT")


def test_heavy_joins_spill_and_leave_s3_alone(server: LocalServer, small: Any) -> None:
    """Six at once, each with more rows than may be held: they end, however, and puts go on."""
    rows = "(SELECT a.i * 10000 + b.i AS n FROM UNNEST(sequence(1, 10000)) a(i)"
    rows += " CROSS JOIN UNNEST(sequence(1, 400)) b(i))"
    joined = f"SELECT DISTINCT x.n, y.n AS m FROM {rows} x JOIN {rows} y ON x.n = y.n"
    sql = f"SELECT count(*) FROM ({joined})"
    with Pulse(server, small) as pulse:
        started = [small.start(sql) for _ in range(6)]
        ended = [small.wait(execution_id, 120) for execution_id in started]
    states = {execution["Status"]["State"] for execution in ended}
    assert states <= {"SUCCEEDED", "FAILED"}
    reasons = " ".join(e["Status"].get("StateChangeReason", "") for e in ended)
    assert "INTERNAL" not in reasons
    assert pulse.slowest < SLOWEST_PUT
    assert pulse.most_bytes < 4096 * MEGABYTE
    assert small.rows("SELECT 1") == [["1"]]


def test_a_statement_that_never_ends_is_ended(
    impatient: LocalServer, lake_on: Callable[..., Any]
) -> None:
    """A second and a half is its time here; AWS gives half an hour."""
    lake = lake_on(impatient.client)
    many = "UNNEST(sequence(1, 10000))"
    sql = f"SELECT count(*) FROM {many} a(i) CROSS JOIN {many} b(j) CROSS JOIN {many} c(k)"
    sql += " WHERE (i * j + k) % 7 = 8"
    with Pulse(impatient, lake) as pulse:
        assert "Query timeout" in lake.failure(sql)
    assert pulse.slowest < SLOWEST_PUT


def test_a_pattern_without_end_is_ended(
    impatient: LocalServer, lake_on: Callable[..., Any]
) -> None:
    """An expression that backtracks for ever holds its process, not the server."""
    lake = lake_on(impatient.client)
    sql = "SELECT regexp_like(rpad('a', 60, 'a') || 'b', '(?=(a+)+$)(a+)+c')"
    assert "Query timeout" in lake.failure(sql)
    assert lake.rows("SELECT 1") == [["1"]]


def test_a_row_longer_than_athena_has_them_is_refused(small: Any) -> None:
    """A row has at most 32 MB."""
    sql = "SELECT rpad('a', 20000000, 'x'), rpad('a', 20000000, 'y')"
    assert EXHAUSTED in small.failure(sql)


def test_a_field_of_twenty_megabytes_is_read_in_pieces(server: LocalServer, small: Any) -> None:
    """GetQueryResults gives it whole, and the server holds little more than the field."""
    execution = small.run("SELECT rpad('a', 20000000, 'é\"yz') AS x, 'end' AS y")
    assert execution["Status"]["State"] == "SUCCEEDED"
    before = psutil.Process(server.info.pid).memory_info().rss if server.info else 0
    with Pulse(server, small) as pulse:
        found = small.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
        rest = (
            small.athena.get_query_results(
                QueryExecutionId=execution["QueryExecutionId"], NextToken=found["NextToken"]
            )
            if "NextToken" in found
            else None
        )
    rows = found["ResultSet"]["Rows"] + (rest["ResultSet"]["Rows"] if rest else [])
    long, end = (cell["VarCharValue"] for cell in rows[1]["Data"])
    assert (len(long), set(long[1:]), end) == (20_000_000, set('é"yz'), "end")
    after = psutil.Process(server.info.pid).memory_info().rss if server.info else 0
    assert after - before < 600 * MEGABYTE
    assert pulse.slowest < SLOWEST_PUT


def test_pages_of_a_long_result_come_one_after_the_other(small: Any) -> None:
    """Two and a half thousand rows in pages of a thousand, none lost and none twice."""
    sql = "SELECT n, 'a \"b\" é,' || chr(10) AS t FROM UNNEST(sequence(1, 2500)) t(n)"
    execution = small.run(sql)
    pages = small.athena.get_paginator("get_query_results").paginate(
        QueryExecutionId=execution["QueryExecutionId"]
    )
    rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
    assert [row[0]["VarCharValue"] for row in rows[1:]] == [str(n) for n in range(1, 2501)]
    assert {row[1]["VarCharValue"] for row in rows[1:]} == {'a "b" é,\n'}


CUT = '"a","b"\n"1",\n"x""y",""\n'


@pytest.mark.parametrize("at", range(len(CUT) + 1))
def test_a_result_may_be_cut_anywhere(at: int) -> None:
    """What is whole is read, and the rest again with what follows."""
    whole = CUT.encode()
    rows, taken = read_csv_rows(whole[:at], 10, final=at == len(whole))
    more, _ = read_csv_rows(whole[taken:], 10, final=True)
    assert rows + more == [["a", "b"], ["1", None], ['x"y', ""]]


def test_the_process_of_queries_ends_with_its_server(
    local_server: Callable[..., LocalServer], lake_on: Callable[..., Any]
) -> None:
    """Killed or stopped, nothing of it is left."""
    server = local_server("killed")
    assert lake_on(server.client).rows("SELECT 1") == [["1"]]
    engines = server.query_processes()
    assert len(engines) == 1
    server.kill()
    gone, alive = psutil.wait_procs(engines, timeout=10)
    assert (len(gone), alive) == (1, [])


def test_a_process_of_queries_that_was_killed_is_made_anew(
    local_server: Callable[..., LocalServer], lake_on: Callable[..., Any]
) -> None:
    """What it had at work fails, the next statement is answered."""
    server = local_server("engine")
    lake = lake_on(server.client)
    assert lake.rows("SELECT 1") == [["1"]]
    for engine in server.query_processes():
        engine.kill()
        engine.wait()
    assert lake.rows("SELECT 2") == [["2"]]


LEAF = b"\x15\x0a\x25\x00\x18\x01x\x00"


def columns_within_columns(depth):
    """Return a Parquet file of no row, whose only column lies in so many others."""
    count, length = depth + 2, bytearray()
    while count > 127:
        length.append(count & 127 | 128)
        count >>= 7
    schema = b"\x48\x01r\x15\x02\x00" + b"\x35\x02\x18\x01n\x15\x02\x00" * depth + LEAF
    footer = b"\x15\x02\x19\xfc" + bytes([*length, count]) + schema + b"\x16\x00\x19\x0c\x00"
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def a_column_without_pages(body):
    """Return a file of two columns with a third one, of which its row groups know nothing."""
    start = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    footer = body[start:-8]
    root, orders = b"\x18\x06schema\x15\x04\x00", b"\x2c\x1c\x00\x00\x1c\x00\x00"
    assert footer[2:4] == b"\x19\x3c"
    assert (footer.count(root), footer.count(orders)) == (1, 1)
    footer = footer[:3] + b"\x4c" + footer[4:]
    footer = footer.replace(root, root.replace(b"\x04", b"\x06") + LEAF)
    footer = footer.replace(orders, b"\x3c" + orders[1:] + b"\x1c\x00\x00")
    return body[:start] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def runs_without_end(rows):
    """Return a small file with so many rows, all alike."""
    column = pa.repeat(pa.scalar(1.5), rows)
    sink = pa.BufferOutputStream()
    options = {"compression": "none", "write_statistics": False, "store_schema": False}
    pq.write_table(pa.table({"close": column}), sink, row_group_size=rows, **options)
    return sink.getvalue().to_pybytes()


def a_size_below_zero(body):
    """Return a file of one column whose pages take less than nothing."""
    size = pq.ParquetFile(pa.BufferReader(body)).metadata.row_group(0).column(0)
    told, lie = (b"\x16" + zigzag(sign * size.total_compressed_size) for sign in (1, -1))
    start = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    assert told in body[start:]
    return body[:start] + body[start:].replace(told, lie, 1)


def zigzag(value):
    """Return a number as Thrift's compact protocol has it."""
    value, found = (value << 1 ^ value >> 63) & 2**64 - 1, bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def large(**columns):
    """Return a file that is not small, of numbers of which no two are alike."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, use_dictionary=False, write_statistics=False)
    return sink.getvalue().to_pybytes()


def no_text(body):
    """Return a file whose column is called by what is no UTF-8."""
    return body.replace(b"close", b"clos\xe9")


def test_a_damaged_file_leaves_the_engine_to_the_next_query(tmp_path):
    """DuckDB answers nothing any more once it has met an error of its own."""
    path = tmp_path / "bad.parquet"
    path.write_bytes(a_size_below_zero(large(close=NUMBERS)))
    engine = Engine(tmp_path, tmp_path / "spill")
    with pytest.raises(duckdb.InternalException):
        engine.connect().execute(f"SELECT sum(close) FROM '{path}'").fetchall()
    assert engine.connect().execute("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "kind", ["nested", "without pages", "runs", "below zero", "no text", "no text, large"]
)
def test_a_file_that_would_end_the_engine_is_named(lake, kind):
    """A schema without end, a damaged footer of a large file, runs that become gigabytes."""
    rows = pa.table({"close": [1.0] * 99_000, "open": NUMBERS})
    body = {
        "nested": lambda: columns_within_columns(30_000),
        "without pages": lambda: a_column_without_pages(lake.put("other/large.parquet", rows)),
        "runs": lambda: runs_without_end(2**25 + 2**20),
        "below zero": lambda: a_size_below_zero(large(close=NUMBERS)),
        "no text": lambda: no_text(large(close=[1.5])),
        "no text, large": lambda: no_text(large(close=NUMBERS)),
    }[kind]()
    lake.create("bars", {"close": "double"})
    lake.s3.put_object(Bucket=lake.bucket, Key="bars/bad.parquet", Body=body)

    said = lake.failure("SELECT count(close) FROM bars")

    assert lake.uri("bars/bad.parquet") in said
    assert lake.rows("SELECT 1") == [["1"]]
