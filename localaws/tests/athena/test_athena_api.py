"""The operations of Athena's API: executions, results in pages, workgroups, saved queries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

LONG = (
    "SELECT count(*) FROM UNNEST(sequence(1, 10000)) a(x) CROSS JOIN UNNEST(sequence(1, 10000)) "
    "b(y) CROSS JOIN UNNEST(sequence(1, 10000)) c(z) WHERE (x * y + z) % 7 = 8"
)


@pytest.fixture
def group(lake: Any) -> str:
    """A workgroup of one's own, with a place for results."""
    name = f"group_of_{lake.database}"
    lake.athena.create_work_group(
        Name=name,
        Configuration={"ResultConfiguration": {"OutputLocation": lake.uri("group/")}},
    )
    return name


def body_of(lake: Any, uri: str) -> bytes:
    """Return the body of an object."""
    key = uri.removeprefix(f"s3://{lake.bucket}/")
    return bytes(lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read())


def test_a_result_is_a_csv_beside_its_description(lake: Any) -> None:
    """Every value is quoted, NULL is nothing at all, and the object lies where it was asked for."""
    sql = "SELECT 1 AS n, 'a\"b' AS t, NULL AS x, '' AS e, 1e10 AS d"
    execution = lake.run(sql)
    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location == f"{lake.output}{execution['QueryExecutionId']}.csv"
    expected = b'"n","t","x","e","d"\n"1","a""b",,"","1.0E10"\n'
    assert body_of(lake, location) == expected
    described = json.loads(body_of(lake, f"{location}.metadata"))
    assert [column["Name"] for column in described["Columns"]] == ["n", "t", "x", "e", "d"]


def test_an_answer_of_no_rows_still_has_its_header(lake: Any) -> None:
    """The first row of the first page is the header, whatever follows."""
    execution = lake.run("SELECT 1 AS a WHERE false")
    found = lake.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    assert found["ResultSet"]["Rows"] == [{"Data": [{"VarCharValue": "a"}]}]


def test_columns_are_described_with_athenas_types(lake: Any) -> None:
    """Type, precision and scale are those that clients expect."""
    sql = "SELECT 1 a, BIGINT '1' b, DECIMAL '1.50' c, CAST('x' AS varchar) d, now() e"
    sql += ", CAST(1 AS real) f, 2"
    execution = lake.run(sql)
    found = lake.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    info = found["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(c["Name"], c["Type"], c["Precision"], c["Scale"]) for c in info] == [
        ("a", "integer", 10, 0),
        ("b", "bigint", 19, 0),
        ("c", "decimal", 3, 2),
        ("d", "varchar", 2147483647, 0),
        ("e", "timestamp with time zone", 3, 0),
        ("f", "float", 17, 0),
        ("_col6", "integer", 10, 0),
    ]


def test_results_come_in_pages_and_each_row_once(lake: Any) -> None:
    """Tokens lead through the rows in order, the header counted on the first page."""
    execution = lake.run("SELECT x FROM UNNEST(sequence(1, 2500)) AS t(x) ORDER BY x")
    paginator = lake.athena.get_paginator("get_query_results")
    pages = list(paginator.paginate(QueryExecutionId=execution["QueryExecutionId"]))
    rows = [row["Data"][0]["VarCharValue"] for page in pages for row in page["ResultSet"]["Rows"]]
    assert [len(page["ResultSet"]["Rows"]) for page in pages] == [1000, 1000, 501]
    assert rows == ["x", *map(str, range(1, 2501))]
    first = lake.athena.get_query_results(
        QueryExecutionId=execution["QueryExecutionId"], MaxResults=1
    )
    assert first["ResultSet"]["Rows"][0]["Data"] == [{"VarCharValue": "x"}]
    assert "NextToken" in first


def test_an_execution_tells_its_states_times_and_kind(lake: Any) -> None:
    """GetQueryExecution has what AWS documents."""
    execution = lake.run("SELECT 1;")
    assert execution["Query"] == "SELECT 1"
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "SELECT")
    assert execution["QueryExecutionContext"] == {"Database": lake.database}
    assert execution["WorkGroup"] == "primary"
    status, statistics = execution["Status"], execution["Statistics"]
    assert status["SubmissionDateTime"] <= status["CompletionDateTime"]
    assert (
        statistics["TotalExecutionTimeInMillis"] >= statistics["EngineExecutionTimeInMillis"] >= 0
    )
    assert statistics["DataScannedInBytes"] == 0


def test_a_failure_carries_athenas_error(lake: Any) -> None:
    """The reason stands in the status and in AthenaError, with its category."""
    status = lake.run("SELECT x FROM (VALUES 1) t(y)")["Status"]
    reason = (
        "COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved or requester is not "
        "authorized to access requested resources"
    )
    assert (status["State"], status["StateChangeReason"]) == ("FAILED", reason)
    error = status["AthenaError"]
    assert (error["ErrorCategory"], error["ErrorType"], error["Retryable"]) == (2, 1006, False)


@pytest.mark.parametrize("sql", ["SELECT x", LONG])
def test_results_of_a_query_that_has_none_are_refused(lake: Any, sql: str) -> None:
    """Neither a failed nor a running query has results."""
    execution_id = lake.start(sql)
    if sql != LONG:
        lake.wait(execution_id)
    with pytest.raises(ClientError, match=r"Query (did not finish|has not yet finished)"):
        lake.athena.get_query_results(QueryExecutionId=execution_id)
    lake.athena.stop_query_execution(QueryExecutionId=execution_id)
    lake.wait(execution_id)


def test_a_stopped_query_is_cancelled_at_once(lake: Any) -> None:
    """The computation itself ends, not only the waiting for it."""
    execution_id = lake.start(LONG)
    time.sleep(0.5)
    begun = time.monotonic()
    lake.athena.stop_query_execution(QueryExecutionId=execution_id)
    execution = lake.wait(execution_id)
    assert time.monotonic() - begun < 5
    assert execution["Status"]["State"] == "CANCELLED"
    assert execution["Status"]["StateChangeReason"] == "Query was cancelled by user"


def test_a_query_that_waits_for_its_turn_can_be_stopped(lake: Any) -> None:
    """Four run at a time; the fifth is queued, and never runs."""
    running = [lake.start(LONG) for _ in range(4)]
    queued = lake.start("SELECT 1")
    time.sleep(0.3)
    found = lake.athena.get_query_execution(QueryExecutionId=queued)["QueryExecution"]
    assert found["Status"]["State"] == "QUEUED"
    lake.athena.stop_query_execution(QueryExecutionId=queued)
    assert lake.wait(queued, seconds=2)["Status"]["State"] == "CANCELLED"
    for execution_id in running:
        lake.athena.stop_query_execution(QueryExecutionId=execution_id)
    for execution_id in running:
        assert lake.wait(execution_id)["Status"]["State"] == "CANCELLED"


def test_the_same_token_starts_one_query(lake: Any) -> None:
    """A request repeated is the same query; another request under its token is an error."""
    token = f"{lake.database:-<40}"
    first = lake.start("SELECT 1", ClientRequestToken=token)
    assert lake.start("SELECT 1", ClientRequestToken=token) == first
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        lake.start("SELECT 2", ClientRequestToken=token)


def test_parameters_take_the_place_of_question_marks(lake: Any) -> None:
    """They are literals of SQL, in order, and cannot be more than that."""
    sql = "SELECT x FROM (VALUES 'a', 'b') t(x) WHERE x = ? AND ? > 1"
    assert lake.rows(sql, ExecutionParameters=["'b'", "2"]) == [["b"]]
    execution = lake.run("SELECT ?", ExecutionParameters=["1 FROM quotes"])
    assert execution["Status"]["State"] == "FAILED"


def test_a_query_needs_a_place_for_its_results(lake: Any) -> None:
    """Without an output location, or with one in no bucket, nothing starts."""
    with pytest.raises(ClientError, match="No output location provided"):
        lake.athena.start_query_execution(QueryString="SELECT 1")
    for location in ("s3://no-such-bucket/x/", "file:///tmp/"):
        with pytest.raises(ClientError, match="InvalidRequestException"):
            lake.start("SELECT 1", ResultConfiguration={"OutputLocation": location})


def test_an_unknown_execution_is_refused(lake: Any) -> None:
    """Every operation on an execution says so, and a batch lists it as not processed."""
    with pytest.raises(ClientError, match="QueryExecution nope was not found"):
        lake.athena.get_query_execution(QueryExecutionId="nope")
    known = lake.run("SELECT 1")["QueryExecutionId"]
    found = lake.athena.batch_get_query_execution(QueryExecutionIds=[known, "nope"])
    assert [e["QueryExecutionId"] for e in found["QueryExecutions"]] == [known]
    assert [e["QueryExecutionId"] for e in found["UnprocessedQueryExecutionIds"]] == ["nope"]


def test_executions_of_a_workgroup_are_listed_newest_first(lake: Any, group: str) -> None:
    """In pages, and without those of other workgroups."""
    ids = [lake.start("SELECT 1", WorkGroup=group) for _ in range(5)]
    lake.start("SELECT 1")
    pages = lake.athena.get_paginator("list_query_executions").paginate(
        WorkGroup=group, PaginationConfig={"PageSize": 2}
    )
    listed = [page["QueryExecutionIds"] for page in pages]
    assert [len(page) for page in listed] == [2, 2, 1]
    assert [execution_id for page in listed for execution_id in page] == ids[::-1]
    for execution_id in ids:
        lake.wait(execution_id)


def test_a_workgroup_decides_where_results_go(lake: Any, group: str) -> None:
    """Its own location wins over the client's while it is enforced."""
    enforced = lake.run("SELECT 1", WorkGroup=group)["ResultConfiguration"]["OutputLocation"]
    assert enforced.startswith(lake.uri("group/"))
    updates = {"EnforceWorkGroupConfiguration": False}
    lake.athena.update_work_group(WorkGroup=group, ConfigurationUpdates=updates)
    free = lake.run("SELECT 1", WorkGroup=group)["ResultConfiguration"]["OutputLocation"]
    assert free.startswith(lake.output)


def test_a_workgroup_is_kept_changed_and_deleted(lake: Any, group: str) -> None:
    """What was asked for is what GetWorkGroup answers; primary is always there."""
    updates = {"BytesScannedCutoffPerQuery": 20_000_000, "PublishCloudWatchMetricsEnabled": True}
    lake.athena.update_work_group(
        WorkGroup=group, Description="for tests", ConfigurationUpdates=updates
    )
    found = lake.athena.get_work_group(WorkGroup=group)["WorkGroup"]
    assert (found["State"], found["Description"]) == ("ENABLED", "for tests")
    assert found["Configuration"]["BytesScannedCutoffPerQuery"] == 20_000_000
    names = [g["Name"] for g in lake.athena.list_work_groups()["WorkGroups"]]
    assert {"primary", group} <= set(names)
    with pytest.raises(ClientError, match="already created"):
        lake.athena.create_work_group(Name=group)
    lake.run("SELECT 1", WorkGroup=group)
    with pytest.raises(ClientError, match="not empty"):
        lake.athena.delete_work_group(WorkGroup=group)
    lake.athena.delete_work_group(WorkGroup=group, RecursiveDeleteOption=True)
    with pytest.raises(ClientError, match="is not found"):
        lake.athena.get_work_group(WorkGroup=group)
    with pytest.raises(ClientError, match="cannot be deleted"):
        lake.athena.delete_work_group(WorkGroup="primary")


def test_a_disabled_workgroup_takes_no_queries(lake: Any, group: str) -> None:
    """It keeps what it has, and refuses more."""
    lake.athena.update_work_group(WorkGroup=group, State="DISABLED")
    with pytest.raises(ClientError, match="is disabled"):
        lake.start("SELECT 1", WorkGroup=group)


def test_a_query_over_the_limit_of_bytes_is_cancelled(lake: Any, group: str) -> None:
    """It ends with Athena's words; one that reads less goes through."""
    import pyarrow as pa

    values = [(i * 2_654_435_761) % 2**62 for i in range(1_500_000)]
    lake.create("t", {"x": "bigint", "y": "bigint"}, ("dt",))
    lake.put("t/dt=1/a.parquet", pa.table({"x": values, "y": [0] * len(values)}))
    lake.register("t", ["1"], "t/dt=1/", {"x": "bigint", "y": "bigint"})
    updates = {"BytesScannedCutoffPerQuery": 10_000_000}
    lake.athena.update_work_group(WorkGroup=group, ConfigurationUpdates=updates)
    execution = lake.run("SELECT sum(x % 7) FROM t", WorkGroup=group)
    assert execution["Status"]["State"] == "CANCELLED"
    assert execution["Status"]["StateChangeReason"] == "Bytes scanned limit was exceeded"
    assert lake.rows("SELECT sum(y) FROM t", WorkGroup=group) == [["0"]]


def test_a_workgroup_deleted_twice_is_deleted_once(lake: Any, group: str) -> None:
    """A client repeats a delete whose answer was lost; a name that never was is an error."""
    lake.athena.delete_work_group(WorkGroup=group)
    lake.athena.delete_work_group(WorkGroup=group)
    lake.athena.create_work_group(Name=group)
    lake.athena.delete_work_group(WorkGroup=group)
    with pytest.raises(ClientError, match="is not found"):
        lake.athena.get_work_group(WorkGroup=group)
    with pytest.raises(ClientError, match="is not found"):
        lake.athena.delete_work_group(WorkGroup=f"{group}_misspelt")


def test_tags_of_a_workgroup_are_kept(
    lake: Any, group: str, aws_client: Callable[..., Any]
) -> None:
    """Set, read and taken away by the workgroup's ARN."""
    account = aws_client("sts").get_caller_identity()["Account"]
    arn = f"arn:aws:athena:us-east-1:{account}:workgroup/{group}"
    lake.athena.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b"}])
    lake.athena.untag_resource(ResourceARN=arn, TagKeys=["b"])
    assert lake.athena.list_tags_for_resource(ResourceARN=arn)["Tags"] == [
        {"Key": "a", "Value": "1"}
    ]


def test_a_named_query_is_kept_found_and_changed(lake: Any, group: str) -> None:
    """By its id, alone and in a batch, and in the list of its workgroup."""
    given = {"Name": "n", "Database": lake.database, "QueryString": "SELECT 1", "WorkGroup": group}
    query_id = lake.athena.create_named_query(**given)["NamedQueryId"]
    lake.athena.update_named_query(NamedQueryId=query_id, Name="m", QueryString="SELECT 2")
    found = lake.athena.get_named_query(NamedQueryId=query_id)["NamedQuery"]
    assert (found["Name"], found["QueryString"], found["WorkGroup"]) == ("m", "SELECT 2", group)
    listed = lake.athena.list_named_queries(WorkGroup=group)["NamedQueryIds"]
    assert listed == [query_id]
    batch = lake.athena.batch_get_named_query(NamedQueryIds=[query_id, "nope"])
    assert len(batch["NamedQueries"]) == len(batch["UnprocessedNamedQueryIds"]) == 1
    lake.athena.delete_named_query(NamedQueryId=query_id)
    with pytest.raises(ClientError, match="was not found"):
        lake.athena.get_named_query(NamedQueryId=query_id)


def test_a_named_query_made_twice_is_one_and_deleted_twice_is_gone(lake: Any, group: str) -> None:
    """A client repeats a request whose answer was lost: the second answer is the first."""
    given = {"Name": "n", "Database": lake.database, "QueryString": "SELECT 1", "WorkGroup": group}
    token = f"a-token-of-32-characters-{lake.database:>12}"
    first = lake.athena.create_named_query(**given, ClientRequestToken=token)["NamedQueryId"]
    second = lake.athena.create_named_query(**given, ClientRequestToken=token)["NamedQueryId"]
    assert second == first
    assert lake.athena.list_named_queries(WorkGroup=group)["NamedQueryIds"] == [first]
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        lake.athena.create_named_query(
            **given | {"QueryString": "SELECT 2"}, ClientRequestToken=token
        )
    lake.athena.delete_named_query(NamedQueryId=first)
    lake.athena.delete_named_query(NamedQueryId=first)
    with pytest.raises(ClientError, match="was not found"):
        lake.athena.update_named_query(NamedQueryId=first, Name="m", QueryString="SELECT 2")
    with pytest.raises(ClientError, match="was not found"):
        lake.athena.delete_named_query(NamedQueryId="never-was")


def test_a_prepared_statement_runs_with_its_parameters(lake: Any, group: str) -> None:
    """EXECUTE finds it in its workgroup."""
    lake.athena.create_prepared_statement(
        StatementName="plus", WorkGroup=group, QueryStatement="SELECT ? + ?"
    )
    assert lake.rows("EXECUTE plus USING 40, 1 + 1", WorkGroup=group) == [["42"]]
    with pytest.raises(ClientError, match="was not found"):
        lake.start("EXECUTE plus USING 1, 2")
    lake.athena.delete_prepared_statement(StatementName="plus", WorkGroup=group)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        lake.athena.get_prepared_statement(StatementName="plus", WorkGroup=group)


def test_the_catalog_is_shown_through_athena(lake: Any) -> None:
    """Catalogs, databases and tables, as Athena's own operations answer them."""
    lake.create("t", {"x": "bigint"}, ("dt",))
    place = {"CatalogName": "AwsDataCatalog", "DatabaseName": lake.database}
    table = lake.athena.get_table_metadata(**place, TableName="t")["TableMetadata"]
    assert table["Columns"] == [{"Name": "x", "Type": "bigint"}]
    assert table["PartitionKeys"] == [{"Name": "dt", "Type": "string"}]
    names = [t["Name"] for t in lake.athena.list_table_metadata(**place)["TableMetadataList"]]
    assert names == ["t"]
    found = lake.athena.get_database(**place)["Database"]
    assert found["Name"] == lake.database
    pages = lake.athena.get_paginator("list_databases").paginate(CatalogName="AwsDataCatalog")
    listed = [database["Name"] for page in pages for database in page["DatabaseList"]]
    assert lake.database in listed
    with pytest.raises(ClientError, match="MetadataException"):
        lake.athena.get_table_metadata(**place, TableName="nope")


def test_an_operation_that_is_not_there_is_refused(lake: Any) -> None:
    """Nothing is handed to another Athena behind this one."""
    with pytest.raises(ClientError, match="The local Athena does not do ListNotebookMetadata"):
        lake.athena.list_notebook_metadata(WorkGroup="primary")
