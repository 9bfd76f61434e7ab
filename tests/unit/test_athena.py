"""Queries on Athena: against the local one, with real Parquet in S3."""

import datetime as dt
import io
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import awswrangler as wr
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from b3pipeline import athena, lake, names, schema
from b3pipeline.athena import QueryResult, sql
from b3pipeline.athena.asking import text_lines
from b3pipeline.athena.query import frame_of_csv, wrangler
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import dump_outputs
from b3pipeline.errors import QueryError

RANGE = {"start": "2024-01-02", "end": "2024-01-31"}
QUOTES = [
    ("2024-01-02", "PETR4", 10.0, 1_000_000, None),
    ("2024-01-03", "PETR4", 11.0, 2_000_000, 0.1),
    ("2024-01-02", "VALE3", 20.0, 500_000, None),
    ("2024-02-01", "VALE3", 30.0, 700_000, 0.5),
]


def silver_object(quote: tuple[Any, ...]) -> bytes:
    """Return one silver partition as Parquet: a quote, and nulls where it says nothing."""
    day, _, close, volume, change = quote
    values = {
        "trade_date": pd.Timestamp(day).date(),
        "close_price": close,
        "total_volume": volume,
        "close_return": change,
    }
    row = {name: values.get(name) for name in schema.SILVER.names}
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row], schema=schema.SILVER), buffer)
    return buffer.getvalue()


@pytest.fixture
def cloud(lake_cloud: Cloud, local_clients: Cloud) -> Cloud:
    """A deployment with four silver quotes, three registered partitions and a workgroup."""
    bucket = lake_cloud.config.raw_data_bucket
    config = replace(lake_cloud.config, athena_workgroup=bucket, athena_results_bucket=bucket)
    deployment = Cloud(config)
    vars(deployment).update(
        s3=lake_cloud.s3,
        glue=lake_cloud.glue,
        athena=local_clients.athena,
        session=local_clients.session,
    )
    deployment.athena.create_work_group(
        Name=bucket,
        Configuration={
            "EnforceWorkGroupConfiguration": True,
            "ResultConfiguration": {"OutputLocation": f"s3://{bucket}/results/"},
        },
    )
    for quote in QUOTES:
        key = names.silver_key(quote[0], quote[1])
        deployment.s3.put_object(Bucket=bucket, Key=key, Body=silver_object(quote))
    lake.register_partitions(deployment, names.SILVER_TABLE, [quote[:2] for quote in QUOTES[:3]])
    return deployment


def test_a_packaged_query_answers_with_its_parameters(cloud: Cloud) -> None:
    """By name, with dates and tickers; the frame has awswrangler's types."""
    answer = athena.query(cloud, "closes_with_ma5", params=RANGE | {"tickers": ["PETR4", "VALE3"]})

    assert answer.frame["ticker"].tolist() == ["PETR4", "PETR4", "VALE3"]
    assert answer.frame["close_price"].tolist() == [10.0, 11.0, 20.0]
    assert str(answer.frame["trade_date"].iloc[1]) == "2024-01-03"
    assert answer.frame["close_ma_5"].isna().all()


def test_every_packaged_query_runs_and_has_the_columns_that_its_plot_takes(cloud: Cloud) -> None:
    """All of them, as Athena reads them."""
    values = RANGE | {"tickers": ["PETR4", "VALE3"], "ticker": "PETR4"}

    columns = {name: list(_ask(cloud, name, values).frame.columns) for name in sql.query_names()}

    returns = ["trade_date", "ticker"]
    prices = ["open_price", "high_price", "low_price", "close_price"]
    assert columns == {
        "bronze_and_silver": ["dt", "ticker", "close", "volume", "close_price", "total_volume",
                              "quote_count", "close_ma_5", "close_return", "days_since_previous"],
        "candles": [*returns, *prices, "total_volume"],
        "closes_with_ma5": [*returns, "close_price", "close_ma_5"],
        "correlation": ["ticker_a", "ticker_b", "correlation", "sessions"],
        "cumulative_return": [*returns, "cumulative_return", "basket_return"],
        "drawdown": [*returns, "drawdown"],
        "gaps": [*returns, "days_since_previous", "missed_sessions"],
        "monthly": ["trade_month", "ticker", "sessions", "monthly_return", "lowest", "highest",
                    "total_volume", "turnover"],
        "most_traded_badly": ["ticker", "total_volume"],
        "most_traded_well": ["ticker", "total_volume"],
        "partition_counts": ["dt", "ticker", "bars"],
        "rolling_volatility": [*returns, "volatility"],
        "silver_rows": [*schema.SILVER.names, "dt", "ticker"],
        "volume_and_moves": [*returns, "total_volume", "relative_volume", "close_return",
                             "absolute_return"],
    }  # fmt: skip


def _ask(cloud: Cloud, name: str, values: dict[str, Any]) -> QueryResult:
    wanted = sql.placeholders(sql.load_sql(name))
    return athena.query(cloud, name, params={key: values[key] for key in wanted})


def test_sql_of_ones_own_takes_parameters_too(cloud: Cloud) -> None:
    """A quote in a value stays a value."""
    count = f"SELECT count(*) AS n FROM {names.SILVER_TABLE} WHERE ticker = :ticker"

    assert athena.query(cloud, count, params={"ticker": "PETR4"}).frame["n"].tolist() == [2]
    assert athena.query(cloud, count, params={"ticker": "x' OR '1'='1"}).frame["n"].tolist() == [0]


def test_a_result_counts_what_athena_counted(cloud: Cloud) -> None:
    """Bytes, seconds and a price: ten megabytes are billed at least."""
    answer = athena.query(cloud, "most_traded_well", params=RANGE)

    assert answer.bytes_scanned > 0
    assert answer.seconds > 0
    assert answer.cost_usd == pytest.approx(4.76837e-5, rel=1e-5)
    assert answer.query_id
    assert "'2024-01-02'" in answer.sql


def test_a_partition_that_nobody_registered_is_not_seen(cloud: Cloud) -> None:
    """The object of 1 February lies in S3, and the catalog does not know it."""
    count = f"SELECT count(*) AS n FROM {names.SILVER_TABLE}"

    assert athena.query(cloud, count).frame["n"].tolist() == [3]


def test_show_partitions_comes_back_as_text_and_is_free(cloud: Cloud) -> None:
    """DDL has no CSV: its lines are read from Athena itself."""
    answer = athena.query(cloud, f"SHOW PARTITIONS {names.SILVER_TABLE}")

    assert sorted(answer.frame.iloc[:, 0]) == [
        "dt=2024-01-02/ticker=PETR4",
        "dt=2024-01-02/ticker=VALE3",
        "dt=2024-01-03/ticker=PETR4",
    ]
    assert answer.cost_usd == 0.0


DDL = [
    ("SHOW TABLES", ["tab_name"]),
    ("SHOW DATABASES", ["database_name"]),
    ("SHOW VIEWS", ["views"]),
    (f"SHOW COLUMNS IN {names.SILVER_TABLE}", ["field"]),
    (f"SHOW PARTITIONS {names.SILVER_TABLE}", ["partition"]),
    (f"SHOW CREATE TABLE {names.SILVER_TABLE}", ["createtab_stmt"]),
    (f"SHOW TBLPROPERTIES {names.SILVER_TABLE}", ["prpt_name", "prpt_value"]),
    (f"DESCRIBE {names.SILVER_TABLE}", ["col_name", "data_type", "comment"]),
    (f"DESC {names.SILVER_TABLE}", ["col_name", "data_type", "comment"]),
    (f"DESCRIBE FORMATTED {names.SILVER_TABLE}", ["col_name", "data_type", "comment"]),
    (f"DESCRIBE EXTENDED {names.SILVER_TABLE}", ["col_name", "data_type", "comment"]),
    (f"EXPLAIN SELECT * FROM {names.SILVER_TABLE}", ["Query Plan"]),
    ("CREATE VIEW some_view AS SELECT 1 AS x", []),
    ("DROP VIEW IF EXISTS some_view", []),
    (f"ALTER TABLE {names.SILVER_TABLE} SET TBLPROPERTIES ('a' = 'b')", []),
]


def test_every_statement_that_is_no_query_has_an_answer(cloud: Cloud) -> None:
    """Under the names that Athena gives, as text; nothing where it says nothing."""
    frames = [athena.query(cloud, statement).frame for statement, _ in DDL]

    assert [list(frame.columns) for frame in frames] == [columns for _, columns in DDL]
    assert {str(kind) for frame in frames for kind in frame.dtypes} == {"string"}


def test_describe_gives_name_type_and_comment(cloud: Cloud) -> None:
    """Athena writes a line with tabs and blanks; the frame has its cells."""
    frame = athena.query(cloud, f"DESCRIBE {names.SILVER_TABLE}").frame

    assert frame.iloc[0].tolist()[:2] == ["trade_date", "date"]
    assert frame.loc[frame["col_name"] == "close_ma_5", "data_type"].tolist() == ["double"]
    assert frame.iloc[-1].tolist() == ["ticker", "string", ""]


def test_what_is_written_is_counted(cloud: Cloud) -> None:
    """CREATE TABLE AS, INSERT and UNLOAD answer with the number of their rows."""
    bucket = cloud.config.athena_results_bucket
    made = athena.query(cloud, "CREATE TABLE counted AS SELECT 1 AS x UNION ALL SELECT 2")
    more = athena.query(cloud, "INSERT INTO counted SELECT 3")
    out = f"UNLOAD (SELECT x FROM counted) TO 's3://{bucket}/out/' WITH (format = 'PARQUET')"
    unloaded = athena.query(cloud, out)

    assert [answer.frame["rows"].tolist() for answer in (made, more, unloaded)] == [
        ["2"],
        ["1"],
        ["3"],
    ]


SHAPES = [
    (["a", "b", "c"], [["x   \tint   \t    "]], [["x", "int", ""]]),
    (["a", "b", "c"], [["x\tint\twith\ttabs"]], [["x", "int", "with\ttabs"]]),
    (["a", "b", "c"], [["Database:  \tdefault"]], [["Database:", "default", ""]]),
    (["a", "b", "c"], [[""]], [["", "", ""]]),
    (["a", "b", "c"], [["x", "int", None]], [["x", "int", None]]),
    (["a"], [["  `x` int,  "]], [["  `x` int,"]]),
    (["a", "a"], [["x\ty"]], [["x", "y"]]),
    (["a"], [["x", "y"]], [["x\ty"]]),
    ([], [["added\tt:dt=1"]], [["added\tt:dt=1"]]),
    (["a"], [], []),
    ([], [], []),
]


@pytest.mark.parametrize(("columns", "lines", "wanted"), SHAPES)
def test_lines_of_any_shape_become_rows(
    columns: list[str], lines: list[list[str | None]], wanted: list[list[str | None]]
) -> None:
    """Athena describes columns that its lines do not always have: cells are told apart by tabs."""
    named, rows = text_lines(columns, lines)

    assert rows == wanted
    assert all(len(row) == len(named) for row in rows)


def test_the_repair_of_partitions_says_what_it_found_and_works(cloud: Cloud) -> None:
    """Its lines belong to no column of Athena's."""
    repair = athena.query(cloud, f"MSCK REPAIR TABLE {names.SILVER_TABLE}")
    counted = athena.query(cloud, f"SELECT count(*) AS n FROM {names.SILVER_TABLE}")

    assert "dt=2024-02-01/ticker=VALE3" in repair.frame["result"].str.cat()
    assert counted.frame["n"].tolist() == [4]


def test_a_statement_that_says_nothing_brings_an_empty_frame(cloud: Cloud) -> None:
    """A view is made, and then answers."""
    made = athena.query(
        cloud, f"CREATE VIEW vale AS SELECT * FROM {names.SILVER_TABLE} WHERE ticker = 'VALE3'"
    )

    assert made.frame.empty
    assert athena.query(cloud, "SELECT count(*) AS n FROM vale").frame["n"].tolist() == [1]


def test_a_table_that_does_not_exist_leads_to_the_notebooks(cloud: Cloud) -> None:
    """Athena's own reason, and which notebook makes and fills the tables."""
    with pytest.raises(QueryError, match="no_such_table") as caught:
        athena.query(cloud, "SELECT * FROM no_such_table")
    assert "notebook 02" in caught.value.hint


def test_a_column_that_does_not_exist_leads_to_those_that_do(cloud: Cloud) -> None:
    """The hint lists the columns of both tables."""
    with pytest.raises(QueryError, match="clsoe") as caught:
        athena.query(cloud, f"SELECT clsoe FROM {names.SILVER_TABLE}")
    assert "close_price" in caught.value.hint


def test_bad_syntax_keeps_athenas_reason(cloud: Cloud) -> None:
    """Line and column are in the reason."""
    with pytest.raises(QueryError) as caught:
        athena.query(cloud, "SELEC 1")
    assert "Trino" in caught.value.hint


def test_an_empty_statement_is_said_to_be_empty(cloud: Cloud) -> None:
    """Nothing is asked of Athena for it."""
    with pytest.raises(QueryError, match="the statement is empty"):
        athena.query(cloud, " \n")


def test_a_workgroup_that_does_not_exist_is_an_error_of_ours(cloud: Cloud) -> None:
    """Not a traceback of botocore."""
    elsewhere = Cloud(replace(cloud.config, athena_workgroup="nowhere"))

    with pytest.raises(QueryError, match="WorkGroup") as caught:
        athena.query(elsewhere, "SELECT 1")
    assert "b3 doctor" in caught.value.hint


def test_an_address_where_nobody_answers_is_an_error_of_ours(cloud: Cloud) -> None:
    """The local AWS is down: the hint says how to start it."""
    nobody = Cloud(replace(cloud.config, endpoint_url="http://127.0.0.1:9"))

    with pytest.raises(QueryError, match="cannot be reached") as caught:
        athena.query(nobody, "SELECT 1")
    assert "b3 local up" in caught.value.hint


MANY = "SELECT n, n * 1E0 / 7 AS x FROM unnest(sequence(1, {rows})) AS t(n)"
KINDS = """
SELECT TINYINT '1' AS tiny, SMALLINT '2' AS small, 3 AS whole, BIGINT '1152921504606846977' AS big,
       REAL '0.5' AS narrow, DOUBLE '21.698694123313732' AS wide, TRUE AS yes,
       'pregão, "aberto"' AS text, DATE '2024-01-02' AS day, DECIMAL '1.10' AS price,
       TIMESTAMP '2024-01-02 10:00:00.123' AS moment, X'6162' AS bytes, ARRAY[1, 2] AS items
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
"""
KINDS_OF_AWSWRANGLER = {
    "tiny": "Int8", "small": "Int16", "whole": "Int32", "big": "Int64", "narrow": "float32",
    "wide": "float64", "yes": "boolean", "text": "string", "day": "object", "price": "object",
    "moment": "datetime64[ns]", "bytes": "object", "items": "object",
}  # fmt: skip


def test_every_type_of_athena_becomes_the_one_that_awswrangler_gives_it(cloud: Cloud) -> None:
    """With a NULL in each, which integers and booleans can hold as well."""
    frame = athena.query(cloud, f"{KINDS} ORDER BY tiny").frame

    assert {name: str(kind) for name, kind in frame.dtypes.items()} == KINDS_OF_AWSWRANGLER
    assert frame.iloc[0].tolist() == [
        1, 2, 3, 2**60 + 1, 0.5, 21.698694123313732, True, 'pregão, "aberto"', dt.date(2024, 1, 2),
        Decimal("1.10"), pd.Timestamp("2024-01-02 10:00:00.123"), b"61 62", "[1, 2]",
    ]  # fmt: skip
    assert frame.iloc[1].isna().all()


@pytest.mark.parametrize(
    "asked", [f"{KINDS} ORDER BY tiny", f"SELECT * FROM ({KINDS}) WHERE FALSE"]
)
def test_a_frame_is_the_one_of_awswrangler(cloud: Cloud, asked: str) -> None:
    """Types and values, with rows and without; but for doubles, whose last bit it may lose."""
    bucket = cloud.config.athena_results_bucket
    with wrangler(cloud):
        theirs = wr.athena.read_sql_query(
            asked,
            cloud.config.glue_database,
            ctas_approach=False,
            workgroup=cloud.config.athena_workgroup,
            s3_output=f"s3://{bucket}/",
            boto3_session=cloud.session,
        )

    pd.testing.assert_frame_equal(athena.query(cloud, asked).frame, theirs, rtol=1e-15)


@pytest.mark.parametrize("rows", [1, 199, 200, 201, 2500])
def test_a_result_of_any_length_is_whole_and_its_doubles_exact(cloud: Cloud, rows: int) -> None:
    """Few rows come with the answer, more as CSV."""
    frame = athena.query(cloud, MANY.format(rows=rows) + " ORDER BY n").frame

    assert frame["n"].tolist() == list(range(1, rows + 1))
    assert frame["x"].tolist() == [n / 7 for n in range(1, rows + 1)]
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "float64"]


def test_lines_of_more_than_two_pages_are_all_there(cloud: Cloud) -> None:
    """There is no CSV of them: pages are fetched to the end."""
    days = [(f"{2000 + year}-01-{day:02}", "PETR4") for year in range(84) for day in range(1, 29)]
    lake.register_partitions(cloud, names.BRONZE_TABLE, days)

    assert len(athena.query(cloud, f"SHOW PARTITIONS {names.BRONZE_TABLE}").frame) == 84 * 28


def test_a_large_result_comes_by_awswrangler_and_leaves_no_trace(cloud: Cloud) -> None:
    """Its endpoints are global: a query on AWS after a local one would go astray."""
    large = "SELECT n, n * 1E0 / 7 AS x, rpad('', 1000, 'x') AS text FROM ({many})"
    wr.config.s3_endpoint_url = "http://127.0.0.1:1"
    try:
        frame = athena.query(cloud, large.format(many=MANY.format(rows=9000)) + " ORDER BY n").frame

        assert frame["x"].tolist() == [n / 7 for n in range(1, 9001)]
        assert set(frame["text"]) == {"x" * 1000}
        assert [str(kind) for kind in frame.dtypes] == ["Int64", "float64", "string"]
        assert wr.config.s3_endpoint_url == "http://127.0.0.1:1"
        assert wr.config.athena_endpoint_url is None
        assert wr.config.botocore_config is None
    finally:
        wr.config.s3_endpoint_url = None


def test_a_long_result_that_is_gone_is_an_error_of_ours(cloud: Cloud) -> None:
    """Somebody emptied the bucket between Athena's answer and the reading."""
    answer = athena.ask(cloud, MANY.format(rows=2000), most_rows=10)
    bucket, _, key = answer.location.removeprefix("s3://").partition("/")
    cloud.s3.delete_object(Bucket=bucket, Key=key)

    with pytest.raises(QueryError, match=key):
        frame_of_csv(cloud, answer)


def test_an_answer_holds_what_athena_wrote(cloud: Cloud) -> None:
    """Texts, as a table, as CSV and as values; an empty text is not NULL."""
    asked = (
        "SELECT 0.1E0 AS x, 12 AS n, '' AS nothing, 'a,b' AS text, CAST(NULL AS boolean) AS maybe"
    )
    answer = athena.ask(
        cloud, f"{asked} UNION ALL SELECT 2.5E0, 7, NULL, 'c', TRUE ORDER BY n DESC"
    )

    assert answer.columns[:2] == (("x", "double"), ("n", "integer"))
    assert answer.rows == [["0.1", "12", "", "a,b", None], ["2.5", "7", None, "c", "true"]]
    assert str(answer).splitlines() == [
        "  x   n  nothing  text  maybe",
        "0.1  12           a,b   NULL",
        "2.5   7  NULL     c     true",
    ]
    assert answer.to_csv().splitlines() == [
        "x,n,nothing,text,maybe", '0.1,12,,"a,b",', "2.5,7,,c,true",
    ]  # fmt: skip
    assert answer.records() == [
        {"x": 0.1, "n": 12, "nothing": "", "text": "a,b", "maybe": None},
        {"x": 2.5, "n": 7, "nothing": None, "text": "c", "maybe": True},
    ]


CHILD = """
import sys
from b3pipeline import cli
try:
    cli.main()
except SystemExit as end:
    heavy = {"pandas", "numpy", "pyarrow", "awswrangler"} & set(sys.modules)
    print(end.code, *heavy, file=sys.stderr)
"""


def test_the_command_answers_without_pandas_and_awswrangler(cloud: Cloud, tmp_path: Path) -> None:
    """Their import takes longer than the query."""
    (tmp_path / ".localaws").mkdir()
    (tmp_path / ".localaws/outputs.json").write_text(dump_outputs(cloud.config))
    answer = subprocess.run(
        [sys.executable, "-c", CHILD, "query", "--target", "local", "SELECT 'x' AS one, 2 AS two"],
        env={**os.environ, "B3_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "one  two\nx      2\n"
    assert answer.stderr.splitlines()[-1] == "0"


def test_progress_shows_the_state_and_is_closed(cloud: Cloud) -> None:
    """A bar shaped like tqdm, made once."""
    said: list[str] = []

    class Bar:
        def __init__(self, **options: Any) -> None:
            said.append(options["desc"])

        def set_description_str(self, text: str) -> None:
            said.append(text)

        def close(self) -> None:
            said.append("closed")

    athena.query(cloud, "SELECT 1 AS one", progress=Bar)

    assert said[0] == "query"
    assert said[-2:] == ["query SUCCEEDED", "closed"]


def test_an_interrupted_query_is_stopped(cloud: Cloud) -> None:
    """Whoever stops waiting does not want to pay for the rest of the scan."""

    def interrupt(_: float) -> None:
        time.sleep(0.3)
        raise KeyboardInterrupt

    slow = "SELECT count(*) FROM unnest(sequence(1, 5000)) a(x), unnest(sequence(1, 5000)) b(y)"
    with pytest.raises(KeyboardInterrupt):
        athena.query(cloud, f"{slow}, unnest(sequence(1, 900)) c(z)", sleep=interrupt)

    newest = cloud.athena.list_query_executions(WorkGroup=cloud.config.athena_workgroup)
    states = (state_of(cloud, newest["QueryExecutionIds"][0]) for _ in range(100))
    assert next(state for state in states if state not in ("QUEUED", "RUNNING")) == "CANCELLED"


def state_of(cloud: Cloud, query_id: str) -> str:
    """Return the state of a query, a moment later."""
    time.sleep(0.1)
    answer = cloud.athena.get_query_execution(QueryExecutionId=query_id)
    return str(answer["QueryExecution"]["Status"]["State"])


def result(frame: pd.DataFrame) -> QueryResult:
    """Return a result around a frame."""
    return QueryResult(frame, "id", "SELECT 1", bytes_scanned=2048, seconds=1.25, cost_usd=4.77e-5)


def test_a_result_shows_its_rows_and_its_price() -> None:
    """In a notebook: a table, then rows, seconds, bytes and dollars in one line."""
    shown = result(pd.DataFrame({"ticker": ["PETR4"], "close": [41.5]}))._repr_html_()

    assert "<td>PETR4</td>" in shown
    assert "1 row · 1.2 s · 2.0 KB scanned · USD 0.000048" in shown


def test_a_null_is_a_dash_whatever_its_type() -> None:
    """Pandas would write NaN, <NA>, None, each in its own columns."""
    frame = pd.DataFrame(
        {
            "float": [1.5, None],
            "integer": pd.array([3, None], dtype="Int32"),
            "text": pd.array(["x", None], dtype="string"),
            "day": [dt.date(2024, 1, 2), None],
        }
    )
    cells = re.findall("<td>(.*?)</td>", result(frame)._repr_html_())

    assert cells == ["1.5", "3", "x", "2024-01-02", "–", "–", "–", "–"]


def test_a_result_without_rows_asks_for_the_partitions() -> None:
    """The commonest cause of an empty answer."""
    assert "SHOW PARTITIONS" in result(pd.DataFrame({"ticker": []}))._repr_html_()


def test_a_long_result_is_shown_in_part() -> None:
    """A thousand rows would bury the lesson."""
    shown = result(pd.DataFrame({"n": range(1000)}))._repr_html_()

    assert shown.count("<tr") <= 12
    assert "1,000 rows" in shown


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.db.t' does not exist", "notebook 01"),
        ("COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved", "close_ma_5"),
        ("HIVE_BAD_DATA: Field volume's type INT64 in parquet file", "--rebuild"),
        ("HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split s3://b/k: NoSuchKey", "--rebuild"),
        ("TYPE_MISMATCH: line 3:7: Cannot apply operator: varchar = date", "2024-01-02"),
        ("Query cancelled! : Bytes scanned limit was exceeded", "partition keys"),
        ("line 1:1: mismatched input 'SELEC'", "Trino"),
        ("ExpiredToken: The security token included in the request is expired", "credentials"),
        ("something quite new", "read the reason"),
    ],
)
def test_a_reason_of_athena_leads_to_what_to_try(reason: str, word: str) -> None:
    """Each of the failures that a student meets has its own next step."""
    assert word in athena.hint_for(reason)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1536, "1.5 KB"), (2 * 1024**2, "2.0 MB")],
)
def test_sizes_are_written_in_the_unit_that_suits_them(size: int, text: str) -> None:
    """Bytes scanned run from hundreds to gigabytes."""
    assert athena.format_bytes(size) == text
