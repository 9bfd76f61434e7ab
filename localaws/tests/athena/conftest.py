"""What the tests of Athena share: a lake of one's own on the shared server, and SQL on it."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

_numbers = itertools.count(1)
_FORMATS = "org.apache.hadoop.hive.ql.io.parquet"
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class Answer:
    """A query that succeeded: its rows without the header, its columns, its execution."""

    rows: list[list[str | None]]
    columns: list[tuple[str, str]]
    execution: dict[str, Any]

    @property
    def scanned(self) -> int:
        return int(self.execution["Statistics"]["DataScannedInBytes"])


class Lake:
    """A bucket, a database and a place for results, and Athena over them."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        number = next(_numbers)
        self.s3, self.glue, self.athena = client("s3"), client("glue"), client("athena")
        self.bucket, self.database = f"lake-{number}", f"lake_{number}"
        self.output = f"s3://{self.bucket}/results/"
        self.s3.create_bucket(Bucket=self.bucket)
        self.glue.create_database(DatabaseInput={"Name": self.database})

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, table: pa.Table) -> bytes:
        """Put a table as a Parquet object, and return its body."""
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=buffer.getvalue())
        return buffer.getvalue()

    def create(
        self, table: str, columns: dict[str, str], keys: Sequence[str] = (), folder: str = ""
    ) -> None:
        """Register a table over the folder of its name."""
        self.glue.create_table(
            DatabaseName=self.database,
            TableInput={
                "Name": table,
                "TableType": "EXTERNAL_TABLE",
                "StorageDescriptor": storage(columns, self.uri(f"{folder or table}/")),
                "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
            },
        )

    def register(
        self, table: str, values: Sequence[str], location: str, columns: dict[str, str]
    ) -> None:
        """Register a partition at a key of the bucket."""
        entry = {
            "Values": list(values),
            "StorageDescriptor": storage(columns, self.uri(location)),
        }
        self.glue.create_partition(
            DatabaseName=self.database, TableName=table, PartitionInput=entry
        )

    def start(self, sql: str, **request: Any) -> str:
        given = {
            "QueryExecutionContext": {"Database": self.database},
            "ResultConfiguration": {"OutputLocation": self.output},
            **request,
        }
        return str(self.athena.start_query_execution(QueryString=sql, **given)["QueryExecutionId"])

    def wait(self, execution_id: str, seconds: float = 60.0) -> dict[str, Any]:
        """Return the execution once it has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.athena.get_query_execution(QueryExecutionId=execution_id)
            execution = dict(found["QueryExecution"])
            if execution["Status"]["State"] in ENDED:
                return execution
            time.sleep(0.02)
        pytest.fail(f"the query has not ended within {seconds} seconds")

    def run(self, sql: str, **request: Any) -> dict[str, Any]:
        return self.wait(self.start(sql, **request))

    def ask(self, sql: str, **request: Any) -> Answer:
        """Return the answer to a query that must succeed."""
        execution = self.run(sql, **request)
        status = execution["Status"]
        assert status["State"] == "SUCCEEDED", status.get("StateChangeReason")
        result = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
        found = result["ResultSet"]
        rows = [[cell.get("VarCharValue") for cell in row["Data"]] for row in found["Rows"]]
        info = found["ResultSetMetadata"]["ColumnInfo"]
        has_header = execution["ResultConfiguration"]["OutputLocation"].endswith(".csv")
        columns = [(column["Name"], column["Type"]) for column in info]
        return Answer(rows[1:] if has_header else rows, columns, execution)

    def rows(self, sql: str, **request: Any) -> list[list[str | None]]:
        return self.ask(sql, **request).rows

    def failure(self, sql: str, **request: Any) -> str:
        """Return why a query fails."""
        status = self.run(sql, **request)["Status"]
        assert status["State"] == "FAILED", status
        return str(status["StateChangeReason"])


def storage(columns: dict[str, str], location: str) -> dict[str, Any]:
    """Return the description of Parquet at a location, as the Data Catalog takes it."""
    return {
        "Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()],
        "Location": location,
        "InputFormat": f"{_FORMATS}.MapredParquetInputFormat",
        "OutputFormat": f"{_FORMATS}.MapredParquetOutputFormat",
        "SerdeInfo": {"SerializationLibrary": f"{_FORMATS}.serde.ParquetHiveSerDe"},
    }


@pytest.fixture
def lake(aws_client: Callable[[str], Any]) -> Lake:
    """An empty lake."""
    return Lake(aws_client)


@pytest.fixture
def lake_on() -> Callable[[Callable[[str], Any]], Lake]:
    """Lakes on a server of one's own: `lake_on(server.client)`."""
    return Lake


QUOTES = {"close": "double", "volume": "bigint", "note": "string"}


@pytest.fixture(scope="module")
def market(aws_client: Callable[[str], Any]) -> Lake:
    """A lake that tests only read: quotes of two tickers on three days, partitioned by both.

    AAAA3 closes at 10, 11, 12 and BBBB4 at 20, 22, 21, with volumes 100, 200, 300 each. The
    note is NULL but for AAAA3 on the first day.
    """
    lake = Lake(aws_client)
    lake.create("quotes", QUOTES, ("dt", "ticker"))
    closes = {"AAAA3": (10.0, 11.0, 12.0), "BBBB4": (20.0, 22.0, 21.0)}
    for ticker, values in closes.items():
        for i, close in enumerate(values):
            day = dt.date(2024, 1, 2 + i)
            note = "first" if (ticker, i) == ("AAAA3", 0) else None
            row = pa.table(
                {
                    "close": [close],
                    "volume": [100 * (i + 1)],
                    "note": pa.array([note], pa.string()),
                }
            )
            folder = f"quotes/dt={day}/ticker={ticker}/"
            lake.put(f"{folder}data.parquet", row)
            lake.register("quotes", (str(day), ticker), folder, QUOTES)
    lake.create("names", {"ticker": "string", "name": "string"})
    lake.put("names/a.parquet", pa.table({"ticker": ["AAAA3", "CCCC3"], "name": ["Alfa", "Gama"]}))
    return lake
