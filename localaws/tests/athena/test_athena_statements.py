"""Statements that change or show the catalog: tables, views, partitions, CTAS, UNLOAD."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

COLUMNS = {"x": "bigint"}


def test_an_external_table_is_created_as_hive_describes_it(lake: Any) -> None:
    """The statement that the documentation teaches makes a table that can be queried."""
    lake.put("data/dt=2024-01-02/a.parquet", pa.table({"x": [1], "tags": [["a"]]}))
    lake.ask(
        f"""CREATE EXTERNAL TABLE IF NOT EXISTS `made` (
              `x` bigint COMMENT 'a number',
              tags array<string>
            )
            COMMENT 'for tests'
            PARTITIONED BY (dt string)
            ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
            STORED AS PARQUET
            LOCATION '{lake.uri("data/")}'
            TBLPROPERTIES ('classification' = 'parquet')"""
    )
    assert lake.rows("SELECT * FROM made") == []
    lake.ask("MSCK REPAIR TABLE `made`")
    assert lake.rows("SELECT * FROM made") == [["1", "[a]", "2024-01-02"]]
    table = lake.glue.get_table(DatabaseName=lake.database, Name="made")["Table"]
    assert table["Parameters"]["classification"] == "parquet"
    assert table["StorageDescriptor"]["Columns"][0]["Comment"] == "a number"


def test_a_table_that_exists_is_not_made_again(lake: Any) -> None:
    """Without IF NOT EXISTS the second time fails."""
    sql = f"CREATE EXTERNAL TABLE {{}} t (x bigint) STORED AS PARQUET LOCATION '{lake.uri('t/')}'"
    lake.ask(sql.format(""))
    lake.ask(sql.format("IF NOT EXISTS"))
    assert "AlreadyExistsException(message:Table t already exists)" in lake.failure(sql.format(""))


@pytest.mark.parametrize(
    "clause",
    [
        "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','",
        "STORED AS TEXTFILE",
        "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'",
        "",
    ],
)
def test_tables_other_than_parquet_are_refused(lake: Any, clause: str) -> None:
    """What the local Athena does not read it does not make either."""
    sql = f"CREATE EXTERNAL TABLE t (x bigint) {clause} LOCATION '{lake.uri('t/')}'"
    try:
        reason = lake.failure(sql)
    except ClientError as refused:
        reason = str(refused)
    assert "The local Athena does not support" in reason


def test_repair_registers_what_lies_in_s3_and_nothing_twice(lake: Any) -> None:
    """Only paths of the table's keys count; hidden ones and others are left alone."""
    lake.create("t", COLUMNS, ("dt", "ticker"))
    for key in ("dt=1/ticker=A", "dt=1/ticker=B", "dt=2/ticker=A", "dt=3", "_tmp/dt=4/ticker=A"):
        lake.put(f"t/{key}/a.parquet", pa.table({"x": [1]}))
    lake.register("t", ["1", "A"], "t/dt=1/ticker=A/", COLUMNS)
    assert lake.rows("MSCK REPAIR TABLE t") == [
        ["Partitions not in metastore:\tt:dt=1/ticker=B\tt:dt=2/ticker=A"],
        ["Repair: Added partition to metastore t:dt=1/ticker=B"],
        ["Repair: Added partition to metastore t:dt=2/ticker=A"],
    ]
    assert lake.rows("MSCK REPAIR TABLE t") == []
    assert lake.rows("SHOW PARTITIONS t") == [
        ["dt=1/ticker=A"],
        ["dt=1/ticker=B"],
        ["dt=2/ticker=A"],
    ]
    assert lake.rows("SELECT count(*) FROM t") == [["3"]]


def test_partitions_are_added_and_dropped(lake: Any) -> None:
    """With a location of their own or below the table; dropping leaves the objects."""
    lake.create("t", COLUMNS, ("dt",))
    lake.put("t/dt=1/a.parquet", pa.table({"x": [1]}))
    lake.put("other/a.parquet", pa.table({"x": [2]}))
    lake.ask(
        f"ALTER TABLE t ADD PARTITION (dt = '1') PARTITION (dt = '2') LOCATION"
        f" '{lake.uri('other/')}'"
    )
    assert lake.rows("SELECT dt, x FROM t ORDER BY dt") == [["1", "1"], ["2", "2"]]
    lake.ask("ALTER TABLE t ADD IF NOT EXISTS PARTITION (dt = '1')")
    assert "already exists" in lake.failure("ALTER TABLE t ADD PARTITION (dt = '1')")
    lake.ask("ALTER TABLE t DROP PARTITION (dt = '1')")
    assert lake.rows("SELECT dt FROM t") == [["2"]]
    assert "not found" in lake.failure("ALTER TABLE t DROP PARTITION (dt = '1')")
    lake.ask("ALTER TABLE t DROP IF EXISTS PARTITION (dt = '1')")


def test_a_view_is_kept_as_athena_keeps_it(lake: Any) -> None:
    """VIRTUAL_VIEW, with the query in base64, so that other tools of AWS read it."""
    lake.create("t", {"x": "bigint", "note": "string"}, ("dt",))
    lake.put("t/dt=1/a.parquet", pa.table({"x": [1], "note": ["n"]}))
    lake.register("t", ["1"], "t/dt=1/", {"x": "bigint", "note": "string"})
    lake.ask("CREATE VIEW v AS SELECT x * 2 AS double_x, dt FROM t")
    assert lake.rows("SELECT * FROM v WHERE dt = '1'") == [["2", "1"]]
    table = lake.glue.get_table(DatabaseName=lake.database, Name="v")["Table"]
    encoded = table["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
    view = json.loads(base64.b64decode(encoded))
    assert table["TableType"] == "VIRTUAL_VIEW"
    assert view["originalSql"] == "SELECT x * 2 AS double_x, dt FROM t"
    assert view["columns"] == [
        {"name": "double_x", "type": "bigint"},
        {"name": "dt", "type": "varchar"},
    ]
    assert lake.rows("SHOW VIEWS") == [["v"]]
    assert lake.rows("SHOW CREATE VIEW v")[1:] == [["SELECT x * 2 AS double_x, dt FROM t"]]


def test_a_view_is_replaced_and_dropped(lake: Any) -> None:
    """CREATE OR REPLACE changes it; DROP TABLE does not take it away."""
    lake.ask("CREATE VIEW v AS SELECT 1 AS x")
    assert "View already exists" in lake.failure("CREATE VIEW v AS SELECT 2 AS x")
    lake.ask("CREATE OR REPLACE VIEW v AS SELECT 2 AS x")
    lake.ask("CREATE VIEW w AS SELECT x + 1 AS y FROM v")
    assert lake.rows("SELECT y FROM w") == [["3"]]
    assert "is a view" in lake.failure("DROP TABLE v")
    lake.ask("DROP VIEW v")
    assert lake.failure("SELECT y FROM w").startswith("INVALID_VIEW: line 1:15: Failed analyzing")
    assert "does not exist" in lake.failure("DROP VIEW v")
    lake.ask("DROP VIEW IF EXISTS v")


BAD_VIEWS = {
    "no_base64": "!!!",
    "no_text": base64.b64encode(b"\xff\xfe").decode(),
    "no_json": "{",
    "nested": "[" * 50_000,
    "a_list": [],
    "no_columns": {"originalSql": "SELECT 1"},
    "columns_of_a_number": {"originalSql": "SELECT 1", "columns": 7},
    "column_of_a_text": {"originalSql": "SELECT 1", "columns": ["a"]},
    "no_name": {"originalSql": "SELECT 1", "columns": [{"type": "integer"}]},
    "type_of_a_number": {"originalSql": "SELECT 1", "columns": [{"name": "a", "type": 7}]},
    "no_query": {"columns": []},
    "query_of_a_number": {"originalSql": 7, "columns": []},
}


def test_a_view_that_athena_did_not_write_is_invalid_and_hides_no_other(lake: Any) -> None:
    """Glue takes any text; what lists tables and columns passes over those that make no sense."""
    lake.ask("CREATE VIEW good AS SELECT 1 AS x")
    for name, content in BAD_VIEWS.items():
        text = content if isinstance(content, str) else json.dumps(content)
        if name not in ("no_base64", "no_text"):
            text = base64.b64encode(text.encode()).decode()
        view = {"TableType": "VIRTUAL_VIEW", "ViewOriginalText": f"/* Presto View: {text} */"}
        lake.glue.create_table(DatabaseName=lake.database, TableInput={"Name": name, **view})
    for name in BAD_VIEWS:
        reason = f"HIVE_INVALID_VIEW_DATA: Invalid view JSON: {lake.database}.{name} ("
        assert lake.failure(f"SELECT * FROM {name}").startswith(reason)
    known = sorted([*BAD_VIEWS, "good"])
    assert [[name] for name in known] == lake.rows("SHOW TABLES") == lake.rows("SHOW VIEWS")
    where = f"WHERE table_schema = '{lake.database}'"
    views = f"SELECT table_name, view_definition FROM information_schema.views {where} ORDER BY 1"
    assert lake.rows(views) == [[n, "SELECT 1 AS x" if n == "good" else None] for n in known]
    columns = f"SELECT table_name FROM information_schema.columns {where}"
    assert lake.rows(columns) == [["good"]]
    assert lake.rows("SELECT x FROM good") == [["1"]]


@pytest.mark.parametrize(
    "kind",
    ["array<" * 5000 + "int" + ">" * 5000, "decimal(,)", f"varchar({'9' * 5000})", "struct<"],
    ids=["deep", "no number", "large", "open"],
)
def test_a_type_that_no_reader_follows_hides_no_other_table(lake: Any, kind: str) -> None:
    """Glue takes any text as a type; Athena knows none such."""
    lake.create("good", COLUMNS)
    lake.create("bad", {"x": kind})
    assert lake.failure("SELECT x FROM bad").startswith(f"TYPE_NOT_FOUND: Unknown type: {kind[:9]}")
    where = f"WHERE table_schema = '{lake.database}'"
    columns = f"SELECT table_name FROM information_schema.columns {where}"
    assert lake.rows(columns) == [["good"]]


@pytest.mark.parametrize(
    "storage",
    [{}, {"StorageDescriptor": {"Columns": [{"Name": "x"}]}}],
    ids=["no storage", "no type"],
)
def test_a_table_without_what_glue_does_not_ask_for_is_shown(lake: Any, storage: Any) -> None:
    """Glue needs no more of a table than its name."""
    lake.glue.create_table(DatabaseName=lake.database, TableInput={"Name": "t", **storage})
    lake.ask("DESCRIBE t")
    lake.ask("DESCRIBE FORMATTED t")
    lake.ask("SHOW COLUMNS IN t")
    lake.ask("SHOW CREATE TABLE t")
    lake.ask("ALTER TABLE t ADD COLUMNS (y int)")
    assert lake.rows("SHOW COLUMNS IN t")[-1] == ["y".ljust(20)]


def test_a_view_cannot_contain_itself(lake: Any) -> None:
    """A circle of views fails, and does not run for ever."""
    lake.ask("CREATE VIEW a AS SELECT 1 AS x")
    lake.ask("CREATE VIEW b AS SELECT x FROM a")
    lake.ask("CREATE OR REPLACE VIEW a AS SELECT x FROM b")
    assert "is recursive" in lake.failure("SELECT x FROM a")


def test_a_view_needs_names_for_its_columns(lake: Any) -> None:
    """The words are those that Athena uses."""
    reason = lake.failure("CREATE VIEW v AS SELECT 1 + 1")
    assert reason.startswith("MISSING_COLUMN_NAME: line 1:1: Column name not specified")


def test_a_table_is_created_from_a_query(lake: Any) -> None:
    """Its objects, its types and its partitions stand when the query has succeeded."""
    execution = lake.run(
        "CREATE TABLE made WITH (format = 'PARQUET', write_compression = 'SNAPPY',"
        f" external_location = '{lake.uri('made/')}', partitioned_by = ARRAY['day'])"
        " AS SELECT 1 AS i, DECIMAL '1.50' AS n, 'a' AS t, DATE '2024-01-02' AS d, '2024' AS day"
        " UNION ALL SELECT 2, DECIMAL '2.50', 'b', DATE '2024-01-03', '2025'"
    )
    assert execution["Status"]["State"] == "SUCCEEDED"
    assert execution["SubstatementType"] == "CREATE_TABLE_AS_SELECT"
    assert lake.rows("SELECT * FROM made ORDER BY i") == [
        ["1", "1.50", "a", "2024-01-02", "2024"],
        ["2", "2.50", "b", "2024-01-03", "2025"],
    ]
    table = lake.glue.get_table(DatabaseName=lake.database, Name="made")["Table"]
    kinds = {c["Name"]: c["Type"] for c in table["StorageDescriptor"]["Columns"]}
    assert kinds == {"i": "int", "n": "decimal(3,2)", "t": "varchar(1)", "d": "date"}
    assert lake.rows("SHOW PARTITIONS made") == [["day=2024"], ["day=2025"]]
    assert lake.rows("SELECT count(*) FROM made WHERE day = '2024'") == [["1"]]


def test_a_table_from_a_query_needs_a_free_name_and_place(lake: Any) -> None:
    """Nothing that exists is overwritten."""
    lake.put("taken/a.parquet", pa.table({"x": [1]}))
    sql = f"CREATE TABLE made WITH (external_location = '{lake.uri('taken/')}') AS SELECT 1 AS x"
    assert lake.failure(sql).startswith("HIVE_PATH_ALREADY_EXISTS: Target directory for table")
    lake.ask("CREATE TABLE made AS SELECT 1 AS x")
    assert lake.failure("CREATE TABLE made AS SELECT 1 AS x").startswith("TABLE_ALREADY_EXISTS")
    lake.ask("CREATE TABLE IF NOT EXISTS made AS SELECT 2 AS x")
    assert lake.rows("SELECT x FROM made") == [["1"]]


def test_a_table_without_data_has_its_columns(lake: Any) -> None:
    """WITH NO DATA writes nothing."""
    lake.ask("CREATE TABLE made AS SELECT 1 AS x, 'a' AS y WITH NO DATA")
    answer = lake.ask("SELECT * FROM made")
    assert (answer.rows, [name for name, _ in answer.columns]) == ([], ["x", "y"])


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT 1 AS a, 2 AS a", "Column name 'a' specified more than once"),
        ("SELECT 1 + 1", "Column name not specified at position 1"),
        ("SELECT NULL AS a", "Column type is unknown: a"),
        ("SELECT now() AS a", "Unsupported Hive type: timestamp(3) with time zone"),
    ],
)
def test_a_table_cannot_have_every_column(lake: Any, query: str, reason: str) -> None:
    """These are the words that awswrangler looks for."""
    assert reason in lake.failure(f"CREATE TABLE made AS {query}")


def test_rows_are_inserted_into_their_partitions(lake: Any) -> None:
    """New partitions are registered, types must fit."""
    lake.create("t", COLUMNS, ("dt",))
    execution = lake.run("INSERT INTO t SELECT 1, '2024' UNION ALL SELECT 2, '2025'")
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "INSERT")
    lake.ask("INSERT INTO t VALUES (3, '2025')")
    assert lake.rows("SELECT dt, sum(x) FROM t GROUP BY dt ORDER BY dt") == [
        ["2024", "1"],
        ["2025", "5"],
    ]
    reason = lake.failure("INSERT INTO t SELECT 'a', 'b'")
    assert reason.startswith("TYPE_MISMATCH: Insert query has mismatched column types: Table: [big")


def test_a_query_is_unloaded_as_parquet(lake: Any) -> None:
    """The manifest names the objects; a place that holds some already is refused."""
    sql = f"UNLOAD (SELECT 1 AS x, 'a' AS y) TO '{lake.uri('out/')}' WITH (format = 'PARQUET')"
    execution = lake.run(sql)
    manifest = execution["Statistics"]["DataManifestLocation"]
    key = manifest.removeprefix(f"s3://{lake.bucket}/")
    (uri,) = lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read().decode().split()
    body = lake.s3.get_object(Bucket=lake.bucket, Key=uri.removeprefix(f"s3://{lake.bucket}/"))
    assert pq.read_table(io.BytesIO(body["Body"].read())).to_pylist() == [{"x": 1, "y": "a"}]
    assert lake.failure(sql).startswith("HIVE_PATH_ALREADY_EXISTS")
    text = f"UNLOAD (SELECT 1 AS x) TO '{lake.uri('csv/')}' WITH (format = 'TEXTFILE')"
    assert lake.failure(text).startswith("NOT_SUPPORTED: The local Athena writes Parquet alone")


def test_what_there_is_can_be_shown(lake: Any) -> None:
    """SHOW and DESCRIBE answer in Hive's words."""
    lake.create("quotes", {"x": "bigint", "y": "string"}, ("dt",))
    lake.ask("CREATE VIEW v AS SELECT 1 AS x")
    assert lake.rows("SHOW TABLES") == [["quotes"], ["v"]]
    assert lake.rows(f"SHOW TABLES IN {lake.database} 'quo*'") == [["quotes"]]
    assert [lake.database] in lake.rows("SHOW DATABASES")
    assert [row[0].strip() for row in lake.rows("SHOW COLUMNS IN quotes")] == ["x", "y", "dt"]
    described = [row[0].split("\t") for row in lake.rows("DESCRIBE quotes")]
    assert [[cell.strip() for cell in line] for line in described] == [
        ["x", "bigint", ""],
        ["y", "string", ""],
        ["dt", "string", ""],
        ["", "", ""],
        ["# Partition Information", "", ""],
        ["# col_name", "data_type", "comment"],
        ["", "", ""],
        ["dt", "string", ""],
    ]


def test_describe_formatted_and_extended_say_where_a_table_lies(lake: Any) -> None:
    """Three columns are described, and each line is one value with tabs, as AWS has it."""
    lake.create("quotes", {"x": "bigint"}, ("dt",))
    formatted = lake.ask("DESCRIBE FORMATTED quotes")
    assert [name for name, _ in formatted.columns] == ["col_name", "data_type", "comment"]
    assert {len(row) for row in formatted.rows} == {1}
    lines = [[cell.strip() for cell in row[0].split("\t")] for row in formatted.rows]
    assert lines[:3] == [["# col_name", "data_type", "comment"], ["", "", ""], ["x", "bigint", ""]]
    assert ["Location:", lake.uri("quotes/"), ""] in lines
    assert ["# Storage Information", "", ""] in lines
    extended = lake.rows("DESC EXTENDED quotes")
    assert f"location:{lake.uri('quotes/')}" in extended[-1][0]


def test_the_statement_that_made_a_table_makes_it_again(lake: Any) -> None:
    """SHOW CREATE TABLE can be run after a DROP."""
    lake.create("t", COLUMNS, ("dt",))
    lake.put("t/dt=1/a.parquet", pa.table({"x": [1]}))
    statement = "\n".join(str(line[0]) for line in lake.rows("SHOW CREATE TABLE t"))
    lake.ask("DROP TABLE t")
    assert "Table not found" in lake.failure("DESCRIBE t")
    lake.ask(statement)
    lake.ask("MSCK REPAIR TABLE t")
    assert lake.rows("SELECT x, dt FROM t") == [["1", "1"]]


def test_information_schema_knows_the_catalog(lake: Any) -> None:
    """Tables and columns, with Trino's types."""
    lake.create("t", {"x": "bigint"}, ("dt",))
    where = f"WHERE table_schema = '{lake.database}'"
    assert lake.rows(f"SELECT table_name, table_type FROM information_schema.tables {where}") == [
        ["t", "BASE TABLE"]
    ]
    sql = f"SELECT column_name, data_type, extra_info FROM information_schema.columns {where}"
    assert lake.rows(f"{sql} ORDER BY ordinal_position") == [
        ["x", "bigint", None],
        ["dt", "varchar", "partition key"],
    ]


def test_databases_come_and_go(lake: Any) -> None:
    """One with tables goes with CASCADE only."""
    name = f"{lake.database}_more"
    lake.ask(f"CREATE DATABASE {name} COMMENT 'x'")
    lake.ask(f"CREATE SCHEMA IF NOT EXISTS {name}")
    lake.ask(f"CREATE VIEW {name}.v AS SELECT 1 AS x")
    assert "is not empty" in lake.failure(f"DROP DATABASE {name}")
    lake.ask(f"DROP DATABASE {name} CASCADE")
    assert "does not exist" in lake.failure(f"DROP SCHEMA {name}")
    lake.ask(f"DROP DATABASE IF EXISTS {name}")


def test_columns_and_properties_are_added(lake: Any) -> None:
    """Old objects have NULL in a new column."""
    lake.create("t", COLUMNS)
    lake.put("t/a.parquet", pa.table({"x": [1]}))
    lake.ask("ALTER TABLE t ADD COLUMNS (y string)")
    assert lake.rows("SELECT * FROM t") == [["1", None]]
    lake.ask("ALTER TABLE t SET TBLPROPERTIES ('a' = 'b')")
    assert lake.rows("SHOW TBLPROPERTIES t('a')") == [["a\tb"]]


def test_a_plan_says_what_would_be_read(lake: Any) -> None:
    """EXPLAIN names the table, the columns and the filter on partitions."""
    lake.create("t", COLUMNS, ("dt",))
    lines = [str(row[0]) for row in lake.rows("EXPLAIN SELECT x FROM t WHERE dt = '1'")]
    assert lines[0] == f"TableScan[table = awsdatacatalog.{lake.database}.t]"
    assert lines[1].strip() == "columns: dt, x"
    assert "partition filter" in lines[2]


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t RENAME TO u",
        "VACUUM t",
        "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
        "UPDATE t SET x = 1",
        "EXPLAIN ANALYZE SELECT 1",
        "GRANT SELECT ON t TO public",
    ],
)
def test_other_statements_are_refused(lake: Any, sql: str) -> None:
    """Clearly, and before anything happens."""
    with pytest.raises(ClientError, match="InvalidRequestException"):
        lake.start(sql)
