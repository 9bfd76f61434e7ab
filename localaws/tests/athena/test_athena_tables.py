"""Tables, partitions and files: what a query sees, what it refuses, what it reads."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

COLUMNS = {"price": "double", "shares": "bigint"}


def row(price: float = 1.0, shares: int = 1) -> pa.Table:
    """Return one row of a table with COLUMNS."""
    return pa.table({"price": [price], "shares": [shares]})


def column_bytes(body: bytes, *names: str) -> int:
    """Return the compressed bytes of some columns of a Parquet file with one row group."""
    group = pq.read_metadata(pa.BufferReader(body)).row_group(0)
    chunks = [group.column(i) for i in range(group.num_columns)]
    return sum(c.total_compressed_size for c in chunks if c.path_in_schema in names)


def test_rows_of_a_partition_that_is_not_registered_are_invisible(lake: Any) -> None:
    """Objects without a partition in the catalog do not exist for Athena."""
    lake.create("t", COLUMNS, ("dt",))
    lake.put("t/dt=2024-01-02/a.parquet", row())
    lake.put("t/dt=2024-01-03/a.parquet", row())
    lake.register("t", ["2024-01-02"], "t/dt=2024-01-02/", COLUMNS)
    assert lake.rows("SELECT dt FROM t") == [["2024-01-02"]]


def test_a_registered_partition_without_objects_has_no_rows(lake: Any) -> None:
    """An empty or missing folder is an empty partition, not an error."""
    lake.create("t", COLUMNS, ("dt",))
    lake.register("t", ["2024-01-02"], "t/dt=2024-01-02/", COLUMNS)
    assert lake.rows("SELECT * FROM t") == []
    assert lake.rows("SELECT count(*) FROM t") == [["0"]]


def test_the_values_of_a_partition_come_from_the_catalog(lake: Any) -> None:
    """A partition may lie anywhere; its path says nothing."""
    lake.create("t", COLUMNS, ("dt",))
    lake.put("elsewhere/dt=1999-01-01/a.parquet", row(price=7.0))
    lake.register("t", ["2024-01-02"], "elsewhere/dt=1999-01-01/", COLUMNS)
    assert lake.rows("SELECT dt, price FROM t") == [["2024-01-02", "7.0"]]


def test_hidden_objects_are_not_read(lake: Any) -> None:
    """Names that start with an underscore or a dot are not data, at any depth."""
    lake.create("t", COLUMNS)
    lake.put("t/a.parquet", row(price=1.0))
    lake.put("t/deep/b.parquet", row(price=2.0))
    lake.put("t/_c.parquet", row(price=3.0))
    lake.put("t/.d.parquet", row(price=4.0))
    lake.put("t/_batches/e.parquet", row(price=5.0))
    assert lake.rows("SELECT price FROM t ORDER BY price") == [["1.0"], ["2.0"]]


def test_a_replaced_object_is_read_anew(lake: Any) -> None:
    """What was read before is not remembered beyond its change."""
    lake.create("t", COLUMNS)
    for price in (1.0, 2.0, 3.0):
        lake.put("t/a.parquet", row(price=price))
        assert lake.rows("SELECT price FROM t") == [[str(price)]]
    lake.s3.delete_object(Bucket=lake.bucket, Key="t/a.parquet")
    assert lake.rows("SELECT price FROM t") == []


def test_a_column_that_a_file_lacks_is_null(lake: Any) -> None:
    """Columns are found by name, in any case and order."""
    lake.create("t", {"price": "double", "shares": "bigint", "note": "string"})
    lake.put("t/a.parquet", pa.table({"SHARES": [5], "Price": [1.5]}))
    assert lake.rows("SELECT * FROM t") == [["1.5", "5", None]]


@pytest.mark.parametrize(
    ("declared", "values", "message"),
    [
        ("string", pa.array([1]), "type INT64 in parquet file {uri} is incompatible with type va"),
        ("bigint", pa.array(["x"]), "type BINARY in parquet file {uri} is incompatible with type"),
        ("double", pa.array([1]), "type INT64 in parquet file {uri} is incompatible with type do"),
        ("date", pa.array(["2024-01-02"]), "type BINARY in parquet file {uri} is incompatible"),
        ("int", pa.array([1], pa.int64()), "type INT64 in parquet file {uri} is incompatible"),
        ("bigint", pa.array([0], pa.timestamp("us")), "type INT64 in parquet file {uri} is inc"),
    ],
)
def test_a_file_of_another_type_is_bad_data(
    lake: Any, declared: str, values: pa.Array, message: str
) -> None:
    """The catalog's types are enforced against each file's own."""
    lake.create("t", {"x": declared})
    lake.put("t/a.parquet", pa.table({"x": values}))
    reason = lake.failure("SELECT x FROM t")
    expected = "HIVE_BAD_DATA: Malformed Parquet file. Field x's " + message
    assert reason.startswith(expected.format(uri=lake.uri("t/a.parquet")))


def test_a_column_that_is_not_read_may_be_of_another_type(lake: Any) -> None:
    """As in Athena, only what a query asks for is checked."""
    lake.create("t", {"x": "string", "y": "bigint"})
    lake.put("t/a.parquet", pa.table({"x": [1], "y": [2]}))
    assert lake.rows("SELECT y FROM t") == [["2"]]
    assert lake.rows("SELECT y FROM (SELECT * FROM t)") == [["2"]]


def test_an_integer_is_read_as_a_wider_one(lake: Any) -> None:
    """INT32 fits a bigint."""
    lake.create("t", {"x": "bigint"})
    lake.put("t/a.parquet", pa.table({"x": pa.array([7], pa.int32())}))
    assert lake.rows("SELECT x FROM t") == [["7"]]


def test_files_of_different_schemas_make_one_table(lake: Any) -> None:
    """Each file is read by its own schema."""
    lake.create("t", {"x": "bigint", "y": "string"})
    lake.put("t/a.parquet", pa.table({"x": pa.array([1], pa.int32())}))
    lake.put("t/b.parquet", pa.table({"y": ["b"], "x": [2]}))
    assert lake.rows("SELECT x, y FROM t ORDER BY x") == [["1", None], ["2", "b"]]


def test_a_partition_of_another_schema_is_a_mismatch(lake: Any) -> None:
    """The types that a partition declares must fit those of its table."""
    lake.create("t", {"x": "bigint"}, ("dt",))
    lake.put("t/dt=1/a.parquet", pa.table({"x": [1]}))
    lake.register("t", ["1"], "t/dt=1/", {"x": "string"})
    reason = lake.failure("SELECT x FROM t")
    assert reason.startswith("HIVE_PARTITION_SCHEMA_MISMATCH: There is a mismatch between the ta")
    assert f"The column 'x' in table '{lake.database}.t' is declared as type 'bigint'" in reason
    assert "but partition 'dt=1' declared column 'x' as type 'string'." in reason


def test_a_truncated_file_is_bad_data_and_named(lake: Any) -> None:
    """Half an object does not answer half a question."""
    lake.create("t", COLUMNS)
    body = lake.put("t/a.parquet", row())
    lake.s3.put_object(Bucket=lake.bucket, Key="t/a.parquet", Body=body[: len(body) // 2])
    uri = lake.uri("t/a.parquet")
    assert lake.failure("SELECT price FROM t").startswith(
        f"HIVE_BAD_DATA: Not valid Parquet file: {uri} expected magic number: PAR1 got:"
    )


@pytest.mark.parametrize("rows", [100, 100_000])
def test_a_file_with_a_broken_page_is_named(lake: Any, rows: int) -> None:
    """Whether it is small or large: the answer is no answer."""
    lake.create("t", COLUMNS)
    table = pa.table({"price": [i / 7 for i in range(rows)], "shares": list(range(rows))})
    body = bytearray(lake.put("t/a.parquet", table))
    body[200 : len(body) // 3] = bytes(len(body) // 3 - 200)
    lake.s3.put_object(Bucket=lake.bucket, Key="t/a.parquet", Body=bytes(body))
    reason = lake.failure("SELECT sum(price) FROM t")
    uri = lake.uri("t/a.parquet")
    assert reason.startswith(f"HIVE_CURSOR_ERROR: Failed to read Parquet file: {uri}")


def test_a_large_file_is_read_like_a_small_one(lake: Any) -> None:
    """Files too large to be kept are read by DuckDB itself, with the same columns."""
    lake.create("t", COLUMNS, ("dt",))
    prices = [float(i % 977) / 7 for i in range(100_000)]
    body = lake.put("t/dt=1/a.parquet", pa.table({"price": prices, "shares": list(range(100_000))}))
    lake.put("t/dt=2/a.parquet", row(price=-1.0, shares=5))
    for value in ("1", "2"):
        lake.register("t", [value], f"t/dt={value}/", COLUMNS)
    assert len(body) > 256 * 1024
    sql = 'SELECT dt, count(*), max(shares), min("$path") FROM t GROUP BY dt ORDER BY dt'
    assert lake.rows(sql) == [
        ["1", "100000", "99999", lake.uri("t/dt=1/a.parquet")],
        ["2", "1", "5", lake.uri("t/dt=2/a.parquet")],
    ]


def test_bytes_scanned_are_those_of_the_columns_and_partitions_read(lake: Any) -> None:
    """Filters on partition keys, and columns left out, cost nothing."""
    lake.create("t", COLUMNS, ("dt",))
    bodies = {}
    for day in ("2024-01-02", "2024-01-03"):
        table = pa.table({"price": [1.5] * 3, "shares": [7] * 3})
        bodies[day] = lake.put(f"t/dt={day}/a.parquet", table)
        lake.register("t", [day], f"t/dt={day}/", COLUMNS)
    both = sum(column_bytes(body, "price", "shares") for body in bodies.values())
    one = bodies["2024-01-02"]
    assert lake.ask("SELECT * FROM t").scanned == both
    assert lake.ask("SELECT * FROM t WHERE dt = '2024-01-02'").scanned == both // 2
    price = column_bytes(one, "price")
    assert lake.ask("SELECT price FROM t WHERE dt < '2024-01-03'").scanned == price
    assert lake.ask("SELECT sum(price) FROM t WHERE dt IN ('2024-01-02', 'x')").scanned == price
    assert lake.ask("SELECT dt, count(*) FROM t GROUP BY dt").scanned == 0


PRUNED = [
    "SELECT price FROM t WHERE dt BETWEEN '2024-01-01' AND '2024-01-02'",
    "SELECT price FROM t WHERE CAST(dt AS date) < DATE '2024-01-03'",
    "SELECT price FROM t WHERE substr(dt, 9, 2) = '02' AND price > 0",
    "SELECT price FROM (SELECT * FROM t) WHERE dt = '2024-01-02'",
    "WITH q AS (SELECT price, dt AS d FROM t) SELECT price FROM q WHERE d = '2024-01-02'",
    "SELECT m FROM (SELECT dt, max(price) AS m FROM t GROUP BY dt) WHERE dt = '2024-01-02'",
    "SELECT a.price FROM t a JOIN t b ON a.dt = '2024-01-02' AND b.dt = '1999-01-01'"
    " RIGHT JOIN (SELECT 1) c ON true",
    "SELECT price FROM (SELECT dt, price FROM t UNION ALL SELECT dt, price FROM t WHERE false)"
    " WHERE dt = '1999-01-01' OR dt = '1998-01-01'",
]
WHOLE = [
    "SELECT price FROM t WHERE dt = '2024-01-02' OR price > 5",
    "SELECT price FROM (SELECT price, dt FROM t ORDER BY dt LIMIT 1) WHERE dt = '2024-01-02'",
    "SELECT price FROM (SELECT dt, lag(price) OVER (ORDER BY dt) AS price FROM t)"
    " WHERE dt = '2024-01-02'",
    "SELECT u.price FROM (SELECT 1 AS x) v LEFT JOIN t u ON true WHERE u.dt IS NULL"
    " OR u.dt = '2024-01-02'",
]


@pytest.fixture
def two_days(lake: Any) -> Any:
    """A lake whose table t has one row in each of two partitions; the prices are 1 and 2."""
    lake.create("t", COLUMNS, ("dt",))
    for i, day in enumerate(("2024-01-02", "2024-01-03"), start=1):
        lake.put(f"t/dt={day}/a.parquet", row(price=float(i)))
        lake.register("t", [day], f"t/dt={day}/", COLUMNS)
    return lake


@pytest.mark.parametrize("sql", PRUNED)
def test_a_filter_on_a_partition_key_chooses_what_is_read(two_days: Any, sql: str) -> None:
    """Through subqueries, aliases, unions and inner joins, a filter reaches the partitions."""
    whole = two_days.ask("SELECT price FROM t").scanned
    assert two_days.ask(sql).scanned <= whole // 2


@pytest.mark.parametrize("sql", WHOLE)
def test_a_filter_that_must_see_all_rows_chooses_nothing(two_days: Any, sql: str) -> None:
    """Behind LIMIT, a window, OR or an outer join all partitions count."""
    whole = two_days.ask("SELECT price, dt FROM t").scanned
    assert two_days.ask(sql).scanned == whole


def test_a_window_behind_a_filter_on_partitions_sees_the_rows_before(two_days: Any) -> None:
    """The previous day's price is there, though the filter leaves that day out."""
    sql = (
        "SELECT price FROM (SELECT dt, lag(price) OVER (ORDER BY dt) AS price FROM t)"
        " WHERE dt = '2024-01-03'"
    )
    assert two_days.rows(sql) == [["1.0"]]


def test_a_filter_behind_an_outer_join_keeps_the_rows_without_a_partner(two_days: Any) -> None:
    """Choosing partitions of the side that may be missing would change the answer."""
    sql = (
        "SELECT l.x, r.price FROM (VALUES '2024-01-02', '2024-01-03') AS l(x)"
        " LEFT JOIN t r ON r.dt = l.x WHERE coalesce(r.dt, '2024-01-02') = '2024-01-02'"
    )
    assert two_days.rows(sql) == [["2024-01-02", "1.0"]]


def test_timestamps_show_milliseconds_and_nested_types_are_read(lake: Any) -> None:
    """Every type of the catalog has its form in an answer."""
    columns = {
        "t": "timestamp",
        "d": "date",
        "n": "decimal(5,2)",
        "b": "boolean",
        "i": "int",
        "f": "float",
        "a": "array<bigint>",
        "m": "map<string,int>",
        "s": "struct<x:bigint,y:string>",
        "z": "binary",
    }
    lake.create("t", columns)
    data = pa.table(
        {
            "t": pa.array(["2024-01-02 10:00:00.123456"]).cast(pa.timestamp("us")),
            "d": pa.array([dt.date(2024, 1, 2)]),
            "n": pa.array(["1.50"]).cast(pa.decimal128(5, 2)),
            "b": [True],
            "i": pa.array([5], pa.int32()),
            "f": pa.array([0.1], pa.float32()),
            "a": pa.array([[1, None]], pa.list_(pa.int64())),
            "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())),
            "s": pa.array([{"x": 1, "y": "q"}]),
            "z": pa.array([b"\x00\xff"]),
        }
    )
    lake.put("t/a.parquet", data)
    answer = lake.ask("SELECT * FROM t")
    shown = dict(zip([name for name, _ in answer.columns], answer.rows[0], strict=True))
    assert shown == {
        "t": "2024-01-02 10:00:00.123",
        "d": "2024-01-02",
        "n": "1.50",
        "b": "true",
        "i": "5",
        "f": "0.1",
        "a": "[1, null]",
        "m": "{k=1}",
        "s": "{x=1, y=q}",
        "z": "00 ff",
    }
    assert dict(answer.columns) == {
        "t": "timestamp",
        "d": "date",
        "n": "decimal",
        "b": "boolean",
        "i": "integer",
        "f": "float",
        "a": "array",
        "m": "map",
        "s": "row",
        "z": "varbinary",
    }
    assert lake.rows("SELECT a[1], m['k'], s.y, t.s.x FROM t") == [["1", "1", "q", "1"]]


def test_a_table_that_is_not_parquet_is_refused(lake: Any) -> None:
    """The local Athena says what it cannot read."""
    entry = {
        "Name": "csv",
        "StorageDescriptor": {
            "Columns": [{"Name": "a", "Type": "string"}],
            "Location": lake.uri("csv/"),
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        },
    }
    lake.glue.create_table(DatabaseName=lake.database, TableInput=entry)
    assert lake.failure("SELECT a FROM csv").startswith("NOT_SUPPORTED: The local Athena reads Par")
