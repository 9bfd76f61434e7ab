"""The way of a new silver column: the schema and a transform, and all else follows."""

import datetime as dt

import pyarrow as pa
import pytest
from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812 - the name that every Spark text uses

from b3pipeline import names, schema
from b3pipeline.job import bars, lakehouse

pytestmark = pytest.mark.spark

NAME = "mean_of_twenty_volumes"
DAYS = [str(dt.date(2024, 1, 1) + dt.timedelta(n)) for n in range(25)]


def volumes(make_bar):
    """Return a session a day of one ticker, with its number as volume."""
    return {("PETR4", day): [make_bar(volume=number)] for number, day in enumerate(DAYS, 1)}


def with_usual_volume(days):
    """Add the mean of the last twenty volumes, null until there are twenty."""
    window = Window.partitionBy("ticker").orderBy("dt").rowsBetween(-19, Window.currentRow)
    full = F.count("volume").over(window) == 20
    return days.withColumn(NAME, F.when(full, F.avg("volume").over(window)))


@pytest.fixture
def add_column(job, monkeypatch):
    """Do to the running job what a person does to two files: the schema, and a transform."""

    def add(sessions=20):
        place = schema.SILVER.get_field_index("refined_at")
        wider = schema.SILVER.insert(place, pa.field(NAME, pa.float64()))
        for module in (schema, bars, lakehouse, job):
            monkeypatch.setattr(module, "SILVER", wider)
        mean = job.with_moving_average
        monkeypatch.setattr(job, "with_moving_average", lambda days: with_usual_volume(mean(days)))
        monkeypatch.setitem(job.WINDOWS, NAME, sessions)
        # Not the widest of all: another column's must not make up for what is told of this one.
        monkeypatch.setattr(job, "LOOK_BACK", sessions - 1)

    return add


def usual(lake):
    """Return the new column by session."""
    return [row[NAME] for _, row in sorted(lake.silver().items())]


def test_a_rebuild_fills_a_new_column_for_sessions_refined_before(make_lake, make_bar, add_column):
    """The table changes, as by `terraform apply`, and `--rebuild` writes each row anew."""
    lake = make_lake()
    lake.refine("b1", volumes(make_bar))
    add_column()
    storage = schema.storage_descriptor(schema.SILVER, f"s3://{lake.bucket}/{names.SILVER_PREFIX}")
    table = {
        "Name": names.SILVER_TABLE,
        "PartitionKeys": schema.glue_partition_keys(),
        "StorageDescriptor": storage,
    }
    lake.glue.update_table(DatabaseName=lake.database, TableInput=table)
    lake.run("--rebuild", "true")
    assert usual(lake) == [None] * 19 + [10.5, 11.5, 12.5, 13.5, 14.5, 15.5]


@pytest.mark.parametrize(("sessions", "reaches"), [(20, True), (5, False)])
def test_a_change_reaches_as_far_as_the_window_that_is_told(
    make_lake, make_bar, add_column, sessions, reaches
):
    """The sixth session is in the means of the 20th to 25th; too short a window leaves them old."""
    add_column(sessions)
    lake = make_lake()
    lake.refine("b1", volumes(make_bar))
    change = {("PETR4", DAYS[5]): [make_bar(volume=106)]}
    lake.refine("b2", change)
    incremental = usual(lake)
    lake.run("--rebuild", "true")
    assert usual(lake) == [None] * 19 + [15.5, 16.5, 17.5, 18.5, 19.5, 20.5]
    assert (incremental == usual(lake)) is reaches
