"""Databases and tables of the Data Catalog."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

STORAGE = {
    "Columns": [{"Name": "close", "Type": "double"}],
    "Location": "s3://bucket/t/",
    "InputFormat": "in",
    "OutputFormat": "out",
    "SerdeInfo": {"SerializationLibrary": "serde", "Parameters": {"serialization.format": "1"}},
}
KEYS = [{"Name": "dt", "Type": "string"}, {"Name": "ticker", "Type": "string"}]


@pytest.fixture
def glue(aws_client):
    """The Glue client of the shared server."""
    return aws_client("glue")


@pytest.fixture
def database(glue, name):
    """A database of one's own."""
    made = name("db")
    glue.create_database(DatabaseInput={"Name": made})
    return made


def table_input(name, **more):
    """Return the definition of a table."""
    return {"Name": name, "StorageDescriptor": STORAGE, "PartitionKeys": KEYS, **more}


def test_a_database_is_shown_as_it_was_given(glue, name):
    """With its time of creation, and names in lower case."""
    made = name("Shown")
    given = {"Description": "d", "LocationUri": "s3://b/", "Parameters": {"a": "1"}}
    glue.create_database(DatabaseInput={"Name": made, **given})
    database = glue.get_database(Name=made)["Database"]
    assert database["Name"] == made.lower()
    assert {key: database[key] for key in given} == given
    assert database["CreateTime"] is not None
    pages = glue.get_paginator("get_databases").paginate()
    assert made.lower() in [known["Name"] for page in pages for known in page["DatabaseList"]]


def test_an_updated_database_keeps_its_time(glue, database):
    """An update replaces what was said, not when."""
    created = glue.get_database(Name=database)["Database"]["CreateTime"]
    glue.update_database(Name=database, DatabaseInput={"Name": database, "Description": "new"})
    now = glue.get_database(Name=database)["Database"]
    assert (now["Description"], now["CreateTime"]) == ("new", created)


def test_what_exists_is_not_made_again(glue, database):
    """AlreadyExistsException for databases and tables alike."""
    glue.create_table(DatabaseName=database, TableInput=table_input("t"))
    with pytest.raises(glue.exceptions.AlreadyExistsException):
        glue.create_database(DatabaseInput={"Name": database.upper()})
    with pytest.raises(glue.exceptions.AlreadyExistsException):
        glue.create_table(DatabaseName=database, TableInput=table_input("T"))


def test_what_does_not_exist_is_an_entity_not_found(glue, database):
    """The code that clients look for, at every place."""
    calls = [
        lambda: glue.get_database(Name="nobody"),
        lambda: glue.delete_database(Name="nobody"),
        lambda: glue.create_table(DatabaseName="nobody", TableInput=table_input("t")),
        lambda: glue.get_table(DatabaseName=database, Name="nobody"),
        lambda: glue.get_tables(DatabaseName="nobody"),
        lambda: glue.update_table(DatabaseName=database, TableInput=table_input("nobody")),
        lambda: glue.delete_table(DatabaseName=database, Name="nobody"),
        lambda: glue.get_partitions(DatabaseName=database, TableName="nobody"),
    ]
    for call in calls:
        with pytest.raises(glue.exceptions.EntityNotFoundException):
            call()


def test_a_table_is_shown_as_it_was_given(glue, database):
    """What was asked for, and the values that AWS fills in."""
    given = {
        "Description": "d",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "parquet"},
        "Retention": 3,
    }
    glue.create_table(DatabaseName=database, TableInput=table_input("Quotes", **given))
    table = glue.get_table(DatabaseName=database, Name="QUOTES")["Table"]
    assert (table["Name"], table["DatabaseName"]) == ("quotes", database)
    assert {key: table[key] for key in given} == given
    assert table["PartitionKeys"] == KEYS
    assert table["StorageDescriptor"] == {
        **STORAGE,
        "Compressed": False,
        "NumberOfBuckets": 0,
        "StoredAsSubDirectories": False,
    }
    assert table["VersionId"] == "0"


def test_tables_are_chosen_by_a_regular_expression(glue, database):
    """The whole name has to match."""
    for made in ("b3_daily", "b3_weekly", "other"):
        glue.create_table(DatabaseName=database, TableInput=table_input(made))
    tables = glue.get_tables(DatabaseName=database, Expression="b3_.*")["TableList"]
    assert [table["Name"] for table in tables] == ["b3_daily", "b3_weekly"]
    assert len(glue.get_tables(DatabaseName=database)["TableList"]) == 3


def test_tables_are_found_by_a_text_in_them(glue, database, name):
    """Search looks at names, columns and comments of all databases."""
    word = name("word")
    glue.create_table(DatabaseName=database, TableInput=table_input("t", Description=word))
    found = glue.search_tables(SearchText=word.upper())["TableList"]
    assert [(table["DatabaseName"], table["Name"]) for table in found] == [(database, "t")]


def test_an_update_archives_the_version_before(glue, database):
    """Versions are listed newest first; each keeps its definition."""
    glue.create_table(DatabaseName=database, TableInput=table_input("t", Description="one"))
    glue.update_table(DatabaseName=database, TableInput=table_input("t", Description="two"))
    glue.update_table(
        DatabaseName=database, TableInput=table_input("t", Description="three"), SkipArchive=True
    )
    versions = glue.get_table_versions(DatabaseName=database, TableName="t")["TableVersions"]
    assert [(v["VersionId"], v["Table"]["Description"]) for v in versions] == [
        ("2", "three"),
        ("0", "one"),
    ]
    first = glue.get_table_version(DatabaseName=database, TableName="t", VersionId="0")
    assert first["TableVersion"]["Table"]["Description"] == "one"
    glue.delete_table_version(DatabaseName=database, TableName="t", VersionId="0")
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_table_version(DatabaseName=database, TableName="t", VersionId="0")


def test_an_update_of_an_old_version_is_refused(glue, database):
    """Two writers: the slower one has to look again."""
    glue.create_table(DatabaseName=database, TableInput=table_input("t"))
    glue.update_table(DatabaseName=database, TableInput=table_input("t"), VersionId="0")
    with pytest.raises(glue.exceptions.ConcurrentModificationException):
        glue.update_table(DatabaseName=database, TableInput=table_input("t"), VersionId="0")


def test_several_tables_are_deleted_at_once(glue, database):
    """Those that do not exist are reported."""
    glue.create_table(DatabaseName=database, TableInput=table_input("t"))
    answer = glue.batch_delete_table(DatabaseName=database, TablesToDelete=["t", "nobody"])
    assert [error["TableName"] for error in answer["Errors"]] == ["nobody"]
    assert glue.get_tables(DatabaseName=database)["TableList"] == []


def test_a_database_goes_with_its_tables_and_partitions(glue, database):
    """A database made again under the same name is empty, its tables too."""
    glue.create_table(DatabaseName=database, TableInput=table_input("t"))
    glue.create_partition(
        DatabaseName=database, TableName="t", PartitionInput={"Values": ["2024-01-02", "PETR4"]}
    )
    glue.delete_database(Name=database)
    glue.create_database(DatabaseInput={"Name": database})
    assert glue.get_tables(DatabaseName=database)["TableList"] == []
    glue.create_table(DatabaseName=database, TableInput=table_input("t"))
    assert glue.get_partitions(DatabaseName=database, TableName="t")["Partitions"] == []


def test_tables_come_in_pages(glue, database):
    """Every table is on exactly one page."""
    for number in range(5):
        glue.create_table(DatabaseName=database, TableInput=table_input(f"t{number}"))
    pages = glue.get_paginator("get_tables").paginate(
        DatabaseName=database, PaginationConfig={"PageSize": 2}
    )
    assert [[table["Name"] for table in page["TableList"]] for page in pages] == [
        ["t0", "t1"],
        ["t2", "t3"],
        ["t4"],
    ]


def test_a_token_of_one_s_own_making_is_refused(glue, database):
    """A token is the service's."""
    with pytest.raises(glue.exceptions.InvalidInputException):
        glue.get_tables(DatabaseName=database, NextToken="§")


def test_column_statistics_are_refused_rather_than_invented(glue, database):
    """The one that ministack would look into is empty."""
    with pytest.raises(ClientError) as caught:
        glue.get_column_statistics_for_table(
            DatabaseName=database, TableName="t", ColumnNames=["close"]
        )
    assert caught.value.response["Error"]["Code"] == "OperationNotSupportedException"
