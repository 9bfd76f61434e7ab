"""Partitions: many, chosen by expressions, in pages."""

from __future__ import annotations

import time

import awswrangler
import boto3
import pytest
from botocore.exceptions import ClientError

COLUMNS = [{"Name": "close", "Type": "double"}]
KEYS = [{"Name": "dt", "Type": "string"}, {"Name": "ticker", "Type": "string"}]


@pytest.fixture
def glue(aws_client):
    """The Glue client of the shared server."""
    return aws_client("glue")


def storage(location, columns=COLUMNS):
    """Return the storage of a table or partition."""
    return {
        "Columns": columns,
        "Location": location,
        "InputFormat": "in",
        "OutputFormat": "out",
        "SerdeInfo": {"SerializationLibrary": "serde", "Parameters": {}},
    }


def partition(*values, columns=COLUMNS):
    """Return the definition of a partition."""
    location = f"s3://b/t/{'/'.join(values)}/"
    return {"Values": list(values), "StorageDescriptor": storage(location, columns)}


@pytest.fixture
def make_table(glue, name):
    """A factory of tables; each is returned as the arguments that name it."""

    def make(keys=KEYS, values=()):
        database = name("db")
        glue.create_database(DatabaseInput={"Name": database})
        glue.create_table(
            DatabaseName=database,
            TableInput={
                "Name": "t",
                "StorageDescriptor": storage("s3://b/t/"),
                "PartitionKeys": keys,
            },
        )
        table = {"DatabaseName": database, "TableName": "t"}
        for first in range(0, len(values), 100):
            answer = glue.batch_create_partition(
                **table, PartitionInputList=[partition(*v) for v in values[first : first + 100]]
            )
            assert answer["Errors"] == []
        return table

    return make


def listed(glue, table, **request):
    """Return the values of all partitions that a request gives, page after page."""
    pages = glue.get_paginator("get_partitions").paginate(**table, **request)
    return [found["Values"] for page in pages for found in page["Partitions"]]


def test_a_partition_is_shown_as_it_was_given(glue, make_table):
    """With the names of its table and its time of creation."""
    table = make_table()
    given = partition("2024-01-02", "PETR4") | {"Parameters": {"a": "1"}}
    glue.create_partition(**table, PartitionInput=given)
    found = glue.get_partition(**table, PartitionValues=["2024-01-02", "PETR4"])["Partition"]
    assert {key: found[key] for key in given} == given
    assert (found["DatabaseName"], found["TableName"]) == (table["DatabaseName"], "t")
    assert found["CreationTime"] is not None


def test_a_partition_keeps_the_columns_it_was_registered_with(glue, make_table):
    """As in AWS: a table's new column is not that of its old partitions."""
    table = make_table()
    old = [{"Name": "close", "Type": "float"}]
    glue.create_partition(**table, PartitionInput=partition("2024-01-02", "A", columns=old))
    glue.create_partition(**table, PartitionInput=partition("2024-01-02", "B"))
    found = glue.get_partitions(**table)["Partitions"]
    assert [one["StorageDescriptor"]["Columns"] for one in found] == [old, COLUMNS]


def test_the_columns_can_be_left_out(glue, make_table):
    """A listing of many partitions is small without them."""
    table = make_table(values=[("2024-01-02", "A")])
    (found,) = glue.get_partitions(**table, ExcludeColumnSchema=True)["Partitions"]
    assert "Columns" not in found["StorageDescriptor"]
    assert found["StorageDescriptor"]["Location"] == "s3://b/t/2024-01-02/A/"


def test_a_partition_that_exists_is_reported_and_the_others_are_made(glue, make_table):
    """BatchCreatePartition answers one by one."""
    table = make_table(values=[("2024-01-02", "A")])
    answer = glue.batch_create_partition(
        **table,
        PartitionInputList=[
            partition("2024-01-02", "A"),
            partition("2024-01-02", "B"),
            partition("2024-01-02", "B"),
        ],
    )
    assert [
        (error["PartitionValues"], error["ErrorDetail"]["ErrorCode"]) for error in answer["Errors"]
    ] == [
        (["2024-01-02", "A"], "AlreadyExistsException"),
        (["2024-01-02", "B"], "AlreadyExistsException"),
    ]
    assert listed(glue, table) == [["2024-01-02", "A"], ["2024-01-02", "B"]]
    with pytest.raises(glue.exceptions.AlreadyExistsException):
        glue.create_partition(**table, PartitionInput=partition("2024-01-02", "A"))


def test_values_must_be_as_many_as_keys(glue, make_table):
    """A batch with one such partition makes none."""
    table = make_table()
    with pytest.raises(glue.exceptions.InvalidInputException, match="number of partition keys"):
        glue.batch_create_partition(
            **table, PartitionInputList=[partition("2024-01-02", "A"), partition("2024-01-02")]
        )
    assert listed(glue, table) == []


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("batch_create_partition", {"PartitionInputList": [{"Values": ["a", "b"]}] * 101}),
        ("batch_delete_partition", {"PartitionsToDelete": [{"Values": ["a", "b"]}] * 26}),
        ("get_partitions", {"MaxResults": 1001}),
    ],
)
def test_the_limits_of_a_call_are_those_of_aws(glue, make_table, operation, request_):
    """100 made, 25 deleted, 1000 read a call."""
    with pytest.raises(ClientError, match="less than or equal to") as caught:
        getattr(glue, operation)(**make_table(), **request_)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_partition_that_is_not_there_is_an_entity_not_found(glue, make_table):
    """For reading, changing and deleting alone."""
    table = make_table()
    values = ["2024-01-02", "A"]
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_partition(**table, PartitionValues=values)
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.delete_partition(**table, PartitionValues=values)
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.update_partition(
            **table, PartitionValueList=values, PartitionInput=partition("2024-01-02", "A")
        )


def test_a_partition_is_replaced_and_keeps_its_time(glue, make_table):
    """UpdatePartition gives it another definition, or other values."""
    table = make_table(values=[("2024-01-02", "A"), ("2024-01-02", "B")])
    values = ["2024-01-02", "A"]
    created = glue.get_partition(**table, PartitionValues=values)["Partition"]["CreationTime"]
    glue.update_partition(
        **table, PartitionValueList=values, PartitionInput=partition("2024-01-02", "C")
    )
    assert listed(glue, table) == [["2024-01-02", "B"], ["2024-01-02", "C"]]
    moved = glue.get_partition(**table, PartitionValues=["2024-01-02", "C"])["Partition"]
    assert moved["CreationTime"] == created
    with pytest.raises(glue.exceptions.AlreadyExistsException):
        glue.update_partition(
            **table,
            PartitionValueList=["2024-01-02", "C"],
            PartitionInput=partition("2024-01-02", "B"),
        )


def test_several_partitions_are_replaced_at_once(glue, make_table):
    """Those that are not there are reported, and nothing is lost by a broken entry."""
    table = make_table(values=[("2024-01-02", "A"), ("2024-01-02", "B")])
    new = partition("2024-01-02", "A", columns=[{"Name": "n", "Type": "int"}])
    answer = glue.batch_update_partition(
        **table,
        Entries=[
            {"PartitionValueList": ["2024-01-02", "A"], "PartitionInput": new},
            {"PartitionValueList": ["2024-01-02", "B"], "PartitionInput": {"Values": ["one"]}},
            {"PartitionValueList": ["2024-01-02", "C"], "PartitionInput": new},
        ],
    )
    assert [
        (error["PartitionValueList"][1], error["ErrorDetail"]["ErrorCode"])
        for error in answer["Errors"]
    ] == [("B", "InvalidInputException"), ("C", "EntityNotFoundException")]
    found = glue.get_partitions(**table)["Partitions"]
    assert [
        (one["Values"][1], one["StorageDescriptor"]["Columns"][0]["Name"]) for one in found
    ] == [
        ("A", "n"),
        ("B", "close"),
    ]


def test_several_partitions_are_deleted_at_once(glue, make_table):
    """Those that are not there are reported."""
    table = make_table(values=[("2024-01-02", "A"), ("2024-01-02", "B")])
    answer = glue.batch_delete_partition(
        **table, PartitionsToDelete=[{"Values": ["2024-01-02", t]} for t in ("A", "C")]
    )
    assert [error["PartitionValues"] for error in answer["Errors"]] == [["2024-01-02", "C"]]
    assert listed(glue, table) == [["2024-01-02", "B"]]


def test_several_partitions_are_read_at_once(glue, make_table):
    """Those that are not there come back as keys."""
    table = make_table(values=[("2024-01-02", "A"), ("2024-01-02", "B")])
    answer = glue.batch_get_partition(
        **table, PartitionsToGet=[{"Values": ["2024-01-02", t]} for t in ("B", "C")]
    )
    assert [found["Values"] for found in answer["Partitions"]] == [["2024-01-02", "B"]]
    assert answer["UnprocessedKeys"] == [{"Values": ["2024-01-02", "C"]}]


VALUES = [
    (day, ticker)
    for day in ("2023-12-28", "2024-01-02", "2024-01-03")
    for ticker in ("ITUB4", "PETR4", "VALE3")
]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("dt = '2024-01-02'", [3, 4, 5]),
        ("DT = '2024-01-02' and TICKER = 'PETR4'", [4]),
        ("dt >= '2024-01-02' AND ticker IN ('PETR4', 'VALE3')", [4, 5, 7, 8]),
        ("dt BETWEEN '2024-01-01' AND '2024-01-02'", [3, 4, 5]),
        ("ticker LIKE '%4' and dt < '2024'", [0, 1]),
        ("ticker like 'petr%'", []),
        ("NOT (ticker = 'PETR4' OR ticker = 'VALE3')", [0, 3, 6]),
        ("ticker NOT IN ('PETR4', 'VALE3') AND dt <> '2024-01-02'", [0, 6]),
        ("ticker not like 'P%' and dt != '2023-12-28' and dt <= '2024-01-02'", [3, 5]),
        ("'2024-01-02' < dt", [6, 7, 8]),
        ("(dt = '2024-01-02' or dt = '2024-01-03') and ticker = 'PETR4'", [4, 7]),
        ("dt = '2024-01-02' or dt = '2024-01-03' and ticker = 'PETR4'", [3, 4, 5, 7]),
        ("ticker is null", []),
        ("ticker is not null and dt > '2024-01-02'", [6, 7, 8]),
        ("dt = '2024''s'", []),
        ("", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_an_expression_chooses_partitions(glue, make_table, expression, expected):
    """The filter grammar that Glue documents."""
    table = make_table(values=VALUES)
    assert listed(glue, table, Expression=expression) == [list(VALUES[i]) for i in expected]


TYPED = [
    {"Name": "day", "Type": "date"},
    {"Name": "year", "Type": "int"},
    {"Name": "size", "Type": "decimal(10,2)"},
]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("year > 9", [1, 2]),
        ("year = '10'", [1]),
        ("year >= -1", [0, 1, 2]),
        ("size < 10", [0]),
        ("day >= date '2024-01-10'", [2]),
        ("day between '2024-01-03' and '2024-01-10'", [1, 2]),
    ],
)
def test_keys_are_compared_by_their_type(glue, make_table, expression, expected):
    """Nine is less than ten as a number, not as a text."""
    values = [
        ("2024-01-02", "9", "9.50"),
        ("2024-01-03", "10", "10.50"),
        ("2024-01-10", "100", "100.50"),
    ]
    table = make_table(keys=TYPED, values=values)
    assert listed(glue, table, Expression=expression) == [list(values[i]) for i in expected]


def test_the_default_partition_of_hive_is_null(glue, make_table):
    """It is found by IS NULL and by nothing else."""
    values = [("2024-01-02", "A"), ("2024-01-02", "__HIVE_DEFAULT_PARTITION__")]
    table = make_table(values=values)
    assert listed(glue, table, Expression="ticker is null") == [list(values[1])]
    assert listed(glue, table, Expression="ticker <> 'A'") == []


@pytest.mark.parametrize(
    "expression",
    [
        "close > 5",
        "upper(ticker) = 'A'",
        "dt = ",
        "dt = '2024'; drop table partitions",
        "dt = (select 1)",
        "dt = ticker",
        "dt",
        "1 = 1",
    ],
)
def test_an_expression_that_is_none_is_refused(glue, make_table, expression):
    """InvalidInputException, never a wrong choice."""
    with pytest.raises(glue.exceptions.InvalidInputException):
        glue.get_partitions(**make_table(), Expression=expression)


def test_a_literal_of_another_type_is_refused(glue, make_table):
    """A year is a number."""
    with pytest.raises(glue.exceptions.InvalidInputException, match="'abc' is not a int"):
        glue.get_partitions(**make_table(keys=TYPED), Expression="year = 'abc'")


def test_pages_hold_every_partition_once_while_others_come_and_go(glue, make_table):
    """A page goes on behind the last one, not at a number."""
    table = make_table(values=VALUES)
    first = glue.get_partitions(**table, MaxResults=4)
    glue.delete_partition(**table, PartitionValues=list(VALUES[0]))
    glue.create_partition(**table, PartitionInput=partition("2020-01-01", "NEW"))
    second = glue.get_partitions(**table, MaxResults=4, NextToken=first["NextToken"])
    third = glue.get_partitions(**table, MaxResults=4, NextToken=second["NextToken"])
    pages = [[tuple(p["Values"]) for p in page["Partitions"]] for page in (first, second, third)]
    assert pages == [VALUES[:4], VALUES[4:8], VALUES[8:]]
    assert "NextToken" not in third


def test_segments_share_the_partitions_out(glue, make_table):
    """Readers in parallel see every partition exactly once."""
    table = make_table(values=VALUES)
    segments = [
        listed(glue, table, Segment={"SegmentNumber": number, "TotalSegments": 3})
        for number in range(3)
    ]
    together = sorted(tuple(values) for segment in segments for values in segment)
    assert together == VALUES
    assert sum(bool(segment) for segment in segments) > 1
    with pytest.raises(glue.exceptions.InvalidInputException):
        glue.get_partitions(**table, Segment={"SegmentNumber": 3, "TotalSegments": 3})


def test_a_choice_among_many_partitions_is_quick(glue, make_table):
    """Five thousand partitions: one day of them in well under a second."""
    values = [(f"2024-{n:04d}", f"T{t}") for n in range(250) for t in range(20)]
    table = make_table(values=values)
    begun = time.perf_counter()
    assert len(listed(glue, table, Expression="dt = '2024-0100'")) == 20
    assert time.perf_counter() - begun < 0.5
    assert len(listed(glue, table, ExcludeColumnSchema=True)) == 5000


def test_a_page_that_was_asked_for_before_shows_every_change(glue, make_table):
    """Pages are kept while nothing is written: added, changed, removed, and the table made anew."""
    table = make_table(values=[("2024-01-02", "PETR4")])
    names = {"DatabaseName": table["DatabaseName"], "Name": "t"}

    def places():
        found = glue.get_partitions(**table)["Partitions"]
        return {p["Values"][1]: p["StorageDescriptor"]["Location"] for p in found}

    assert places() == {"PETR4": "s3://b/t/2024-01-02/PETR4/"}
    glue.create_partition(**table, PartitionInput=partition("2024-01-02", "VALE3"))
    assert list(places()) == ["PETR4", "VALE3"]
    moved = {"Values": ["2024-01-02", "VALE3"], "StorageDescriptor": storage("s3://b/moved/")}
    glue.update_partition(**table, PartitionValueList=moved["Values"], PartitionInput=moved)
    assert places()["VALE3"] == "s3://b/moved/"
    glue.delete_partition(**table, PartitionValues=["2024-01-02", "PETR4"])
    assert places() == {"VALE3": "s3://b/moved/"}
    glue.delete_table(**names)
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        places()
    described = {"StorageDescriptor": storage("s3://b/t/"), "PartitionKeys": KEYS}
    glue.create_table(DatabaseName=names["DatabaseName"], TableInput={"Name": "t", **described})
    assert places() == {}


def test_awswrangler_manages_partitions(
    glue, make_table, localaws_endpoint, localaws_keys, monkeypatch
):
    """The library that the notebooks use finds, adds and deletes them."""
    monkeypatch.setattr(awswrangler.config, "glue_endpoint_url", localaws_endpoint)
    keys = (localaws_keys.access_key_id, localaws_keys.secret_access_key)
    session = boto3.Session(*keys, region_name="us-east-1")
    table = make_table(values=VALUES)
    names = {"database": table["DatabaseName"], "table": "t", "boto3_session": session}
    awswrangler.catalog.add_parquet_partitions(
        partitions_values={"s3://b/t/new/": ["2025-01-02", "NEW3"]}, **names
    )
    found = awswrangler.catalog.get_partitions(expression="dt >= '2024-01-03'", **names)
    assert found == {
        "s3://b/t/2024-01-03/ITUB4/": ["2024-01-03", "ITUB4"],
        "s3://b/t/2024-01-03/PETR4/": ["2024-01-03", "PETR4"],
        "s3://b/t/2024-01-03/VALE3/": ["2024-01-03", "VALE3"],
        "s3://b/t/new/": ["2025-01-02", "NEW3"],
    }
    awswrangler.catalog.delete_partitions(partitions_values=[["2025-01-02", "NEW3"]], **names)
    awswrangler.catalog.delete_all_partitions(**names)
    assert listed(glue, table) == []
    assert awswrangler.catalog.get_table_number_of_versions(**names) == 1
