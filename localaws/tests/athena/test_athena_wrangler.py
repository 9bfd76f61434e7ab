"""awswrangler against the local Athena, as a notebook uses it."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest

wr = pytest.importorskip("awswrangler")

MODES = [
    pytest.param({"ctas_approach": True}, id="ctas"),
    pytest.param({"ctas_approach": False, "unload_approach": True}, id="unload"),
    pytest.param({"ctas_approach": False, "unload_approach": False}, id="regular"),
]


@pytest.fixture(autouse=True)
def endpoint(localaws_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local AWS as the one that awswrangler finds."""
    environment = {**localaws_variables, "AWS_CONFIG_FILE": os.devnull}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    boto3.setup_default_session()
    yield
    boto3.DEFAULT_SESSION = None


@pytest.fixture
def frame() -> pd.DataFrame:
    """Two rows of the types that quotes have."""
    return pd.DataFrame(
        {
            "close": [1.5, np.nan],
            "volume": pd.array([10, 20], dtype="Int64"),
            "note": ["a", None],
            "day": [dt.date(2024, 1, 2), dt.date(2024, 1, 3)],
            "at": pd.to_datetime(["2024-01-02 10:00:00.123", "2024-01-03 10:00:00.000"]),
            "dt": ["2024-01-02", "2024-01-03"],
        }
    )


@pytest.fixture
def written(lake: Any, frame: pd.DataFrame) -> Any:
    """A lake whose table t was written by awswrangler, partitioned by dt."""
    wr.s3.to_parquet(
        frame,
        path=lake.uri("t/"),
        dataset=True,
        database=lake.database,
        table="t",
        partition_cols=["dt"],
    )
    return lake


def read(lake: Any, sql: str, **how: Any) -> Any:
    """Return what awswrangler reads in one of its modes."""
    if how.get("unload_approach"):
        how["s3_output"] = lake.uri(f"unload/{abs(hash((sql, str(how))))}/")
    else:
        how["s3_output"] = lake.output
    return wr.athena.read_sql_query(sql, database=lake.database, **how)


@pytest.mark.parametrize("mode", MODES)
def test_a_query_becomes_a_frame_in_every_mode(
    written: Any, frame: pd.DataFrame, mode: dict[str, bool]
) -> None:
    """Values and missing values are those that were written."""
    found = read(written, "SELECT * FROM t ORDER BY volume", **mode)
    found = found.sort_values("volume").reset_index(drop=True)
    assert list(found.columns) == list(frame.columns)
    assert found["close"].tolist()[0] == 1.5
    assert found["close"].isna().tolist() == [False, True]
    assert found["volume"].tolist() == [10, 20]
    assert found["note"].isna().tolist() == [False, True]
    assert found["day"].tolist() == [dt.date(2024, 1, 2), dt.date(2024, 1, 3)]
    assert found["at"].tolist() == frame["at"].tolist()
    assert found["dt"].tolist() == ["2024-01-02", "2024-01-03"]


@pytest.mark.parametrize("mode", MODES)
def test_a_query_is_read_in_chunks_in_every_mode(written: Any, mode: dict[str, bool]) -> None:
    """No chunk is larger than asked for, and no row is lost."""
    sql = "SELECT x AS n FROM UNNEST(sequence(1, 25)) AS u(x)"
    chunks = list(read(written, sql, chunksize=10, **mode))
    assert max(len(chunk) for chunk in chunks) <= 10
    assert sorted(n for chunk in chunks for n in chunk["n"]) == list(range(1, 26))


@pytest.mark.parametrize("mode", [MODES[0], MODES[2]])
def test_an_answer_without_rows_is_an_empty_frame(written: Any, mode: dict[str, bool]) -> None:
    """With its columns."""
    found = read(written, "SELECT close, dt FROM t WHERE dt = 'never'", **mode)
    assert (len(found), list(found.columns)) == (0, ["close", "dt"])


def test_a_temporary_table_leaves_nothing_behind(written: Any) -> None:
    """After the mode `ctas` only the table that was there is there."""
    read(written, "SELECT * FROM t", ctas_approach=True)
    names = wr.catalog.tables(database=written.database)["Table"].tolist()
    assert names == ["t"]


def test_parameters_are_filled_in_on_both_sides(written: Any) -> None:
    """By name by awswrangler, by question mark by Athena."""
    named = read(
        written, "SELECT count(*) AS n FROM t WHERE dt = :day", ctas_approach=False,
        params={"day": "2024-01-02"},
    )  # fmt: skip
    marked = read(
        written, "SELECT count(*) AS n FROM t WHERE dt = ?", ctas_approach=False,
        params=["'2024-01-02'"], paramstyle="qmark",
    )  # fmt: skip
    assert (named["n"][0], marked["n"][0]) == (1, 1)


def test_a_failed_query_raises_with_athenas_reason(written: Any) -> None:
    """The reason is the message of the exception."""
    with pytest.raises(wr.exceptions.QueryFailed, match="COLUMN_NOT_FOUND: line 1:8"):
        read(written, "SELECT nope FROM t", ctas_approach=False)
    with pytest.raises(wr.exceptions.InvalidArgumentValue, match="define all columns names"):
        read(written, "SELECT 1 + 1", ctas_approach=True)


def test_queries_are_started_waited_for_and_described(written: Any) -> None:
    """The lower functions of awswrangler work as well."""
    query_id = wr.athena.start_query_execution(
        "SELECT close, volume, day, at, note FROM t",
        database=written.database,
        s3_output=written.output,
    )
    assert wr.athena.wait_query(query_id)["Status"]["State"] == "SUCCEEDED"
    assert wr.athena.get_query_columns_types(query_id) == {
        "close": "double",
        "volume": "bigint",
        "day": "date",
        "at": "timestamp",
        "note": "varchar",
    }
    assert query_id in wr.athena.list_query_executions(workgroup="primary")


def test_a_table_is_repaired_described_and_shown(written: Any) -> None:
    """repair_table, describe_table and show_create_table read the text that Athena writes."""
    glue, where = written.glue, {"DatabaseName": written.database, "TableName": "t"}
    glue.delete_partition(**where, PartitionValues=["2024-01-02"])
    output = {"database": written.database, "s3_output": written.output}
    assert wr.athena.repair_table("t", **output) == "SUCCEEDED"
    assert len(glue.get_partitions(**where)["Partitions"]) == 2
    described = wr.athena.describe_table("t", **output)
    assert described["Column Name"].tolist() == ["close", "volume", "note", "day", "at", "dt"]
    assert described["Partition"].tolist() == [False] * 5 + [True]
    statement = wr.athena.show_create_table("t", **output)
    assert statement.startswith(f"CREATE EXTERNAL TABLE `{written.database}.t`(")


def test_the_default_bucket_is_made_and_used(written: Any) -> None:
    """Without any output location awswrangler makes a bucket, and Athena writes there."""
    found = wr.athena.read_sql_query(
        "SELECT count(*) AS n FROM t", database=written.database, ctas_approach=False
    )
    assert found["n"].tolist() == [2]


def test_a_table_is_read_whole(written: Any) -> None:
    """read_sql_table is a query like the others."""
    found = wr.athena.read_sql_table(
        "t", database=written.database, s3_output=written.output, ctas_approach=False
    )
    assert len(found) == 2


def test_results_are_found_again_in_the_cache(written: Any) -> None:
    """The same query twice runs once, where awswrangler is told to remember."""
    how = {
        "database": written.database,
        "s3_output": written.output,
        "ctas_approach": False,
        "keep_files": True,
        "athena_cache_settings": {"max_cache_seconds": 60},
    }
    sql = f"SELECT count(*) AS {written.database} FROM t"
    first = wr.athena.read_sql_query(sql, **how)
    second = wr.athena.read_sql_query(sql, **how)
    ids = [frame.query_metadata["QueryExecutionId"] for frame in (first, second)]
    assert ids[0] == ids[1]
