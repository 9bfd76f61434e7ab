"""The wall behind the translation: DuckDB reaches the objects alone; and numbers as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from localaws.athena.engine import Engine
from localaws.athena.results import read_csv_rows
from localaws.athena.values.rendering import double_text, real_text


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of objects with one file in it, beside a secret."""
    folder = tmp_path_factory.mktemp("walls")
    (folder / "objects").mkdir()
    (folder / "secret.csv").write_text("secret\n")
    pq.write_table(pa.table({"x": [1]}), folder / "objects" / "a.parquet")
    return folder / "objects"


@pytest.fixture(scope="module")
def connection(objects: Path) -> Any:
    """A connection as a query has it."""
    return Engine(objects, objects.parent / "spill").connect()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{folder}/secret.csv')",
        "SELECT * FROM '{folder}/secret.csv'",
        "SELECT * FROM read_text('{folder}/objects/../secret.csv')",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '{folder}/made.csv'",
        "ATTACH '{folder}/made.db'",
        "INSTALL httpfs",
        "LOAD '{folder}/x.duckdb_extension'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "RESET lock_configuration",
    ],
)
def test_duckdb_reaches_nothing_but_the_objects(connection: Any, objects: Path, sql: str) -> None:
    """Even SQL that got past the translation would find the door closed."""
    with pytest.raises(duckdb.Error, match=r"disabled|locked"):
        connection.execute(sql.format(folder=objects.parent)).fetchall()


def test_duckdb_reads_the_objects(connection: Any, objects: Path) -> None:
    """The door that must be open is open."""
    sql = f"SELECT x FROM read_parquet('{objects}/a.parquet')"
    assert connection.execute(sql).fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (1 / 3, "0.3333333333333333"),
        (100.0, "100.0"),
        (1234567.5, "1234567.5"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (1.5e10, "1.5E10"),
        (1e-3, "0.001"),
        (9.99e-4, "9.99E-4"),
        (-2.5e-7, "-2.5E-7"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_a_double_is_written_as_java_writes_it(value: float, text: str) -> None:
    """Java leaves the plain form at ten million and below a thousandth."""
    assert double_text(value) == text


def test_a_real_is_written_with_the_digits_that_it_has() -> None:
    """Not with those of the double that carries it."""
    assert real_text(0.10000000149011612) == "0.1"
    assert real_text(16777216.0) == "1.6777216E7"


def test_null_and_the_empty_text_differ_in_a_result() -> None:
    """Nothing between two commas is NULL, two quotes are an empty text."""
    text = '"a","b"\n,""\n"x""y","1\n2"\n'
    rows, taken = read_csv_rows(text.encode(), 2, final=True)
    assert rows == [["a", "b"], [None, ""]]
    rest = text.encode()[taken:]
    assert read_csv_rows(rest, 2, final=True) == ([['x"y', "1\n2"]], len(rest))
