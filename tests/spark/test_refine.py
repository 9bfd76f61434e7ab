"""The job as a whole, in this process, against the local AWS."""

import datetime as dt
import json
import math
from array import array

import pyarrow as pa
import pytest
from py4j.java_gateway import JVMView

from b3pipeline import names
from b3pipeline.errors import RefineError
from b3pipeline.job import lakehouse
from b3pipeline.job.batches import listed_sessions, undone_batches
from b3pipeline.job.objects import Store

pytestmark = pytest.mark.spark

DAYS = [f"2024-01-{day:02}" for day in (2, 3, 4, 5, 8, 9, 10, 11, 12, 15)]


@pytest.fixture
def closes(make_bar):
    """A factory of a batch's sessions: closes of one ticker, a day each."""

    def make(values, ticker="PETR4", days=DAYS):
        return {(ticker, day): [make_bar(value)] for day, value in zip(days, values, strict=False)}

    return make


def column(lake, name, ticker="PETR4"):
    """Return a silver column of one ticker, in session order."""
    rows = sorted((day, row[name]) for (code, day), row in lake.silver().items() if code == ticker)
    return [value for _, value in rows]


def test_a_batch_becomes_silver_objects_and_partitions(lake, closes):
    """Values, catalog, done-mark and summary of one batch."""
    summary = lake.refine("b1", closes([1.0, 2.0, 3.0, 4.0, 5.0, 12.0]))

    assert column(lake, "close_price") == [1.0, 2.0, 3.0, 4.0, 5.0, 12.0]
    assert column(lake, "close_ma_5") == [None, None, None, None, 3.0, 5.2]
    assert column(lake, "close_delta") == [None, 1.0, 1.0, 1.0, 1.0, 7.0]
    assert column(lake, "days_since_previous") == [None, 1, 1, 1, 3, 1]
    assert lake.registered() == {("PETR4", day) for day in DAYS[:6]}
    assert lake.marks() == ["b1.json"]
    assert summary["batch_ids"] == ["b1"]
    assert summary["partitions_written"] == summary["rows_read"] == 6


def test_java_is_asked_for_a_class_once_a_run(lake, closes, monkeypatch):
    """Spark 3.5 asks for "functions" at each F.col, and Java looks through every jar for it."""
    asked = []
    ask = JVMView.__getattr__
    monkeypatch.setattr(
        JVMView, "__getattr__", lambda view, name: asked.append(name) or ask(view, name)
    )
    for name in ("functions", "org"):
        vars(lake.spark.sparkContext._jvm).pop(name, None)
    lake.refine("b1", closes([1.0]))
    assert [asked.count(name) for name in ("functions", "org")] == [1, 1]


def test_silver_partitions_point_at_their_own_folders(lake, closes):
    """Location and columns come from the table, so that Athena finds and reads the object."""
    lake.refine("b1", closes([1.0]))

    partition = lake.glue.get_partition(
        DatabaseName=lake.database,
        TableName=names.SILVER_TABLE,
        PartitionValues=[DAYS[0], "PETR4"],
    )["Partition"]["StorageDescriptor"]

    assert partition["Location"] == f"s3://{lake.bucket}/refined/b3/dt={DAYS[0]}/ticker=PETR4/"
    assert partition["Columns"][0] == {"Name": "trade_date", "Type": "date"}


def test_a_new_session_is_computed_with_those_before_it(lake, closes):
    """The second batch writes its own session alone, and reads four more."""
    lake.refine("b1", closes([1.0, 2.0, 3.0, 4.0, 5.0]))

    summary = lake.refine("b2", closes([12.0], days=DAYS[5:]))

    assert (summary["partitions_written"], summary["partitions_read"]) == (1, 5)
    assert column(lake, "close_ma_5")[-1] == 5.2
    assert column(lake, "close_delta")[-1] == 7.0


def test_a_late_session_changes_the_four_after_it(lake, closes):
    """A session that comes late moves into the windows of those that follow."""
    batch = closes([10.0] * 9)
    late = {("PETR4", DAYS[2]): batch.pop(("PETR4", DAYS[2]))}
    lake.refine("b1", batch)

    summary = lake.refine("b2", late)

    assert summary["partitions_written"] == 5
    assert column(lake, "close_ma_5") == [None] * 4 + [10.0] * 5


def test_a_stock_that_was_suspended_for_years_keeps_its_history(lake, closes):
    """The sessions before are found however far they lie."""
    long_ago = [f"1994-07-{day:02}" for day in (4, 5, 6, 7)]
    lake.refine("b1", closes([1.0, 2.0, 3.0, 4.0], days=long_ago))

    lake.refine("b2", closes([5.0]))

    assert column(lake, "close_ma_5") == [None] * 4 + [3.0]
    assert column(lake, "close_delta")[-1] == 1.0
    assert column(lake, "days_since_previous")[-1] == 10_771  # 1994-07-07 to 2024-01-02


def test_a_removed_session_leaves_silver_and_the_windows(lake, closes):
    """Its object and partition go; the session after it compares with the one before it."""
    lake.refine("b1", closes([1.0, 2.0, 4.0]))

    summary = lake.refine("b2", {("PETR4", DAYS[1]): None})

    assert summary["partitions_removed"] == 1
    assert set(lake.silver()) == lake.registered() == {("PETR4", DAYS[0]), ("PETR4", DAYS[2])}
    assert column(lake, "close_delta") == [None, 3.0]


def test_sessions_of_a_batch_count_though_nobody_registered_them(lake, closes):
    """The manifest is the truth about what it brought."""
    sessions = closes([1.0, 3.0])
    lake.put_bronze(sessions, register=False)

    lake.run("--batch_manifest", lake.put_manifest("b1", sessions))

    assert column(lake, "close_delta") == [None, 2.0]


def test_a_session_whose_bars_have_no_close_is_no_session(lake, closes, make_bar):
    """It gets no silver, and the windows step over it."""
    sessions = closes([1.0, 2.0, 3.0])
    sessions["PETR4", DAYS[1]] = [make_bar(None), make_bar(None, at="11:00")]

    summary = lake.refine("b1", sessions)

    assert column(lake, "close_delta") == [None, 2.0]
    assert set(lake.silver()) == {("PETR4", DAYS[0]), ("PETR4", DAYS[2])}
    assert summary["partitions_skipped"] == 1


def test_neighbours_without_quotes_are_stepped_over(lake, closes, make_bar):
    """A later batch looks past empty sessions of an earlier one, in both directions."""
    sessions = closes([1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0, 5.0, 6.0])
    late = {("PETR4", DAYS[0]): sessions.pop(("PETR4", DAYS[0]))}
    for day in DAYS[2:7]:
        sessions["PETR4", day] = [make_bar(None)]
    lake.refine("b1", sessions)

    lake.refine("b2", late)
    lake.refine("b3", closes([7.0], days=["2024-01-16"]))

    # closes 1, 2, 4, 5, 6, 7
    assert column(lake, "close_ma_5") == [None, None, None, None, 3.6, 4.8]


def test_a_batch_that_is_done_is_not_refined_again(lake, closes):
    """A second event for the same manifest changes nothing."""
    manifest = lake.ingest("b1", closes([1.0, 2.0]))
    lake.run("--batch_manifest", manifest)
    before = lake.silver_bytes()

    again = lake.run("--batch_manifest", manifest)

    assert again == {"event": "already_refined", "batch_ids": ["b1"]}
    assert lake.silver_bytes() == before


def test_a_batch_that_was_never_refined_is_taken_up_by_the_next_run(lake, closes):
    """One run ends both; the run that comes for the second finds it done."""
    lake.ingest("b1", closes([1.0]))
    second = lake.ingest("b2", closes([2.0], ticker="VALE3"))

    summary = lake.run("--batch_manifest", second)

    assert summary["batch_ids"] == ["b1", "b2"]
    assert set(lake.silver()) == {("PETR4", DAYS[0]), ("VALE3", DAYS[0])}
    assert lake.marks() == ["b1.json", "b2.json"]


def test_a_batch_that_arrives_late_with_an_older_name_is_refined(lake, closes):
    """Batches are named at their start: a long one may arrive after a younger one is done."""
    lake.refine("b5", closes([1.0]))

    summary = lake.refine("b3", closes([2.0], ticker="VALE3"))

    assert summary["batch_ids"] == ["b3"]
    assert lake.refine("b6", closes([3.0], days=DAYS[1:]))["batch_ids"] == ["b6"]


def test_a_late_batch_whose_run_failed_is_taken_up_too(lake, closes):
    """The checkpoint does not hide it from the next run."""
    lake.refine("b5", closes([1.0]))
    bad = lake.ingest("b3", {("VALE3", DAYS[0]): b"no parquet"})
    with pytest.raises(RefineError):
        lake.run("--batch_manifest", bad)
    lake.put_bronze(closes([2.0], ticker="VALE3"))

    summary = lake.refine("b6", closes([3.0], days=DAYS[1:]))

    assert summary["batch_ids"] == ["b3", "b6"]


def test_dates_and_tickers_are_recomputed_on_demand(lake, closes):
    """With one of the two, the other means all there are."""
    both = {**closes([1.0, 2.0]), **closes([5.0, 6.0], ticker="VALE3")}
    lake.put_bronze(both)

    by_date = lake.run("--dates", DAYS[1])
    by_ticker = lake.run("--tickers", "PETR4")
    pair = lake.run("--dates", DAYS[0], "--tickers", "VALE3")

    assert by_date["partitions_written"] == 2
    assert by_ticker["partitions_written"] == 2
    assert pair["partitions_written"] == 2  # and the session after it
    assert set(lake.silver()) == set(both)
    assert lake.marks() == []


def test_a_rebuild_makes_silver_from_all_of_bronze(lake, closes):
    """Unregistered objects count, orphans of silver go, waiting batches are done with it."""
    lake.refine("b1", closes([1.0, 2.0, 3.0]))
    lake.put_bronze({("PETR4", DAYS[1]): None})
    lake.put_bronze(closes([7.0], ticker="VALE3"), register=False)
    lake.ingest("b2", closes([4.0], days=DAYS[3:]))

    summary = lake.run("--rebuild", "true")

    assert summary["batch_ids"] == ["b2"]
    assert summary["partitions_removed"] == 1
    assert column(lake, "close_price") == [1.0, 3.0, 4.0]
    assert column(lake, "close_delta") == [None, 2.0, 1.0]
    assert set(lake.silver()) == lake.registered()
    assert ("VALE3", DAYS[0]) in lake.registered()


def test_a_rebuild_finds_what_is_to_go_and_registers_what_is_not(lake, closes):
    """Silver without bronze goes, an entry that was lost comes."""
    lake.refine("b1", closes([1.0, 2.0, 3.0]))
    gone, lost = ("PETR4", DAYS[0]), ("PETR4", DAYS[1])
    lake.s3.delete_object(Bucket=lake.bucket, Key=names.bronze_key(gone[1], gone[0]))
    lake.glue.delete_partition(
        DatabaseName=lake.database, TableName=names.SILVER_TABLE, PartitionValues=[lost[1], lost[0]]
    )
    lake.s3.put_object(Bucket=lake.bucket, Key="raw/b3/dt=2024-01-02/notes.txt", Body=b"not ours")

    summary = lake.run("--rebuild", "true")

    kept = {lost, ("PETR4", DAYS[2])}
    assert (summary["partitions_written"], summary["partitions_removed"]) == (2, 1)
    assert lake.registered() == set(lake.silver()) == kept


def test_a_rebuild_passes_over_what_is_no_session(lake, closes, caplog):
    """Objects that somebody put beside: one more of a session, days that are none, folders."""
    lake.ingest("b1", closes([1.0, 2.0]))
    odd = ["", "dt=2024-01-02/", "dt=2024-02-30/ticker=PETR4/data.parquet"]
    odd += ["dt=9999-99-99/ticker=PETR4/data.parquet", "dt=2024-1-2/ticker=PETR4/data.parquet"]
    odd += ["dt=\u0662\u0660\u0662\u0664-01-02/ticker=PETR4/data.parquet"]
    odd += [f"dt={DAYS[0]}/ticker=PETR4/other.parquet", f"dt={DAYS[0]}/ticker=petr4/data.parquet"]
    for key in odd:
        lake.s3.put_object(Bucket=lake.bucket, Key=f"{names.BRONZE_PREFIX}{key}", Body=b"")

    with caplog.at_level("WARNING"):
        summary = lake.run("--rebuild", "true")

    assert summary["partitions_written"] == 2
    assert "raw/b3/: 6 object(s) of no session passed over: " in caplog.text


def test_a_rebuild_ends_a_batch_whose_event_was_lost(lake, closes):
    """Older than what is done, never announced: a rebuild looks at every manifest."""
    lake.refine("b5", closes([1.0]))
    lake.ingest("b3", closes([2.0], ticker="VALE3"))

    assert lake.run("--rebuild", "true")["batch_ids"] == ["b3"]


def test_a_batch_of_nothing_is_done(lake):
    """An ingestion that found nothing to write leaves an empty manifest."""
    summary = lake.refine("b1", {})

    assert summary["partitions_written"] == 0
    assert lake.marks() == ["b1.json"]


def truncated(data):
    """Return the first half of an object."""
    return data[: len(data) // 2]


def with_text_volume(table):
    """Return the table with its volume as text."""
    place = table.schema.get_field_index("volume")
    return table.set_column(place, "volume", pa.array(["100"] * len(table)))


BAD = {
    "truncated": (lambda table, encode: truncated(encode(table)), "not a whole Parquet file"),
    "empty": (lambda table, encode: b"", "zero bytes"),
    "text": (lambda table, encode: b"dt,close\n" * 9, "not a whole Parquet file"),
    "no volume": (
        lambda table, encode: encode(table.drop_columns(["volume"])),
        "column volume is missing",
    ),
    "text volume": (
        lambda table, encode: encode(with_text_volume(table)),
        "column volume is string instead of int64",
    ),
}


def with_column(table, name, values):
    """Return the table with one column more, or another one."""
    place = table.schema.get_field_index(name)
    if place < 0:
        return table.append_column(name, values)
    return table.set_column(place, table.schema.field(name), values)


def bad_bar(**columns):
    """Return how a table's only bar gets other values, encoded."""

    def make(table, encode):
        for name, value in columns.items():
            kind = table.schema.field(name).type if name in table.column_names else pa.string()
            table = with_column(table, name, pa.array([value], kind))
        return encode(table)

    return make


NEXT_DAY = dt.datetime.fromisoformat(f"{DAYS[2]}T10:00")
BAD |= {
    "other day": (bad_bar(traded_at=NEXT_DAY), "the bar is of another day than its key"),
    "other ticker": (bad_bar(ticker="VALE3"), "column ticker does not hold PETR4"),
    "negative close": (bad_bar(close=-1.0, low=-1.0), "a price is not above zero"),
    "infinite close": (bad_bar(close=math.inf, high=math.inf), "a price is not above zero"),
    "close that is no number": (bad_bar(close=math.nan), "a price is not above zero"),
    "low above close": (bad_bar(low=10.5, high=11.0), "the low lies above the open or the close"),
    "high below close": (bad_bar(high=9.5, low=9.0), "the high lies below the open or the close"),
    "negative volume": (bad_bar(volume=-1), "the volume is negative"),
    "no time": (bad_bar(traded_at=None), "a value is missing (traded_at None"),
    "no open": (bad_bar(open=None), "a value is missing"),
    "no batch": (bad_bar(batch_id=None), "a value is missing"),
    "no time of ingestion": (bad_bar(ingested_at=None), "a value is missing"),
    "price out of reach": (bad_bar(adj_close=1e308), "a price or the volume is beyond"),
    "volume out of reach": (bad_bar(volume=2**62), "a price or the volume is beyond"),
}


def twice(name):
    """Return how a column comes to be there a second time, or two of a name that bronze lacks."""

    def make(table, encode):
        values = table[name] if name in table.column_names else pa.array(["PETR4"] * len(table))
        missing = 1 if name in table.column_names else 2
        for _ in range(missing):
            table = table.append_column(name, values)
        return encode(table)

    return make


def no_text(table, encode):
    """Return the object with a source that is no UTF-8."""
    ends = pa.py_buffer(array("i", [0, 2]))
    text = pa.Array.from_buffers(pa.string(), 1, [None, ends, pa.py_buffer(b"\xff\xfe")])
    return encode(with_column(table, "source", text))


def repeated(table, encode):
    """Return the object with its bar two million times: 10 kB that become 200 MB."""
    many = [pa.repeat(column[0], 2_000_000) for column in table.columns]
    return encode(pa.table(many, schema=table.schema))


BAD |= {
    "column twice": (twice("close"), "column close is there more than once"),
    "ticker twice": (twice("ticker"), "column ticker is there more than once"),
    "no text": (no_text, "Invalid UTF8"),
    "a bar without end": (repeated, "it is too large for a session: 2,000,000 rows"),
    "a text without end": (bad_bar(source="a" * 2**27), "it is too large for a session: 1 rows"),
    "encrypted footer": (
        lambda table, encode: b"PARE" + encode(table)[4:-4] + b"PARE",
        "Could not read encrypted metadata",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_object_fails_the_run_by_name(lake, closes, make_bar, bronze, kind):
    """The error names the key and the column; silver stays as it was, the batch undone."""
    lake.refine("b1", closes([1.0, 2.0]))
    before = lake.silver_bytes()
    make, reason = BAD[kind]
    bad = make(bronze.table(DAYS[1], [make_bar()]), bronze.encode)
    manifest = lake.ingest("b2", {**closes([3.0]), ("PETR4", DAYS[1]): bad})

    with pytest.raises(RefineError) as error:
        lake.run("--batch_manifest", manifest)

    assert f"raw/b3/dt={DAYS[1]}/ticker=PETR4/data.parquet: " in str(error.value)
    assert reason in str(error.value)
    assert lake.silver_bytes() == before
    assert lake.marks() == ["b1.json"]


def test_a_silver_table_that_is_missing_is_made(lake, closes):
    """Somebody dropped it: the next run makes it, as the catalog of a new deployment has it."""
    lake.refine("b1", closes([1.0, 2.0]))
    before = lake.glue.get_table(DatabaseName=lake.database, Name=names.SILVER_TABLE)["Table"]
    lake.glue.delete_table(DatabaseName=lake.database, Name=names.SILVER_TABLE)

    lake.run("--rebuild", "true")

    after = lake.glue.get_table(DatabaseName=lake.database, Name=names.SILVER_TABLE)["Table"]
    assert after["StorageDescriptor"] == before["StorageDescriptor"]
    assert after["PartitionKeys"] == before["PartitionKeys"]
    assert lake.registered() == {("PETR4", DAYS[0]), ("PETR4", DAYS[1])}


def test_bad_objects_can_be_set_aside(lake, closes):
    """The rest is refined as if they were not there, and the summary lists them."""
    lake.refine("b1", closes([1.0, 2.0, 4.0]))
    manifest = lake.ingest("b2", {("PETR4", DAYS[1]): b"no parquet"})

    summary = lake.run("--batch_manifest", manifest, "--on_bad_object", "quarantine")

    (key,) = summary["quarantined"]
    assert summary["partitions_skipped"] == 0
    assert key == f"raw/b3/dt={DAYS[1]}/ticker=PETR4/data.parquet"
    assert column(lake, "close_delta") == [None, 3.0]
    mark = lake.s3.get_object(Bucket=lake.bucket, Key="refined/b3/_batches/b2.json")
    assert json.load(mark["Body"])["quarantined"] == summary["quarantined"]


def test_every_kind_of_bad_object_can_be_set_aside_at_once(lake, closes, make_bar, bronze):
    """Each is named with its reason, and the good one beside them is refined."""
    kinds = {f"2024-02-{day:02}": kind for day, kind in enumerate(BAD.values(), 1)}
    changes = {
        ("ABEV3", day): make(bronze.table(day, [make_bar()]), bronze.encode)
        for day, (make, _) in kinds.items()
    }
    manifest = lake.ingest("b1", {**closes([1.0, 2.0]), **changes})

    summary = lake.run("--batch_manifest", manifest, "--on_bad_object", "quarantine")

    found = {day: summary["quarantined"][names.bronze_key(day, "ABEV3")] for day in kinds}
    wanted = {day: reason.replace("PETR4", "ABEV3") for day, (_, reason) in kinds.items()}
    assert [found[day] for day in kinds if wanted[day] not in found[day]] == []
    assert set(lake.silver()) == {("PETR4", DAYS[0]), ("PETR4", DAYS[1])}


def test_a_repaired_object_comes_back(lake, closes):
    """A later batch that replaces the bad object heals the windows."""
    lake.ingest("b1", {**closes([1.0, 2.0, 4.0]), ("PETR4", DAYS[1]): b""})
    lake.run("--batch_manifest", lake.put_manifest("b2", {}), "--on_bad_object", "quarantine")

    lake.refine("b3", closes([2.0], days=DAYS[1:]))

    assert column(lake, "close_delta") == [None, 1.0, 2.0]


def test_a_bad_object_of_an_earlier_batch_names_the_batches_that_wait(lake, closes):
    """Set aside, it no longer stands in their way."""
    lake.ingest("b1", {("VALE3", DAYS[0]): b"no parquet"})
    manifest = lake.ingest("b2", closes([1.0]))

    with pytest.raises(RefineError, match=r"these batches wait: b1, b2\. Try: ingest"):
        lake.run("--batch_manifest", manifest)
    lake.run("--batch_manifest", manifest, "--on_bad_object", "quarantine")

    assert lake.marks() == ["b1.json", "b2.json"]
    assert lake.refine("b3", closes([2.0], days=DAYS[1:]))["batch_ids"] == ["b3"]


def test_objects_are_put_whole_and_a_missing_one_is_told_apart(lake):
    """What the tasks rely on."""
    store = Store(lake.bucket, "us-east-1", lake.endpoint_url)
    objects = store.connect()

    objects.put("some/key", b"old")
    objects.put("some/key", b"new")

    assert objects.get("some/key") == b"new"
    with pytest.raises(FileNotFoundError):
        objects.get("some/other")


@pytest.mark.parametrize(
    "change",
    [
        {"Columns": [{"Name": "close", "Type": "double"}]},
        {"Location": "s3://elsewhere/refined/b3/"},
    ],
)
def test_a_silver_table_that_is_not_the_jobs_is_refused(lake, closes, change):
    """Partitions keep the schema they are registered with: a wrong one would stay."""
    table = lake.glue.get_table(DatabaseName=lake.database, Name=names.SILVER_TABLE)["Table"]
    definition = {
        "Name": names.SILVER_TABLE,
        "PartitionKeys": table["PartitionKeys"],
        "StorageDescriptor": {**table["StorageDescriptor"], **change},
    }
    lake.glue.update_table(DatabaseName=lake.database, TableInput=definition)

    with pytest.raises(RefineError, match="provision the table again"):
        lake.refine("b1", closes([1.0]))


USELESS = {
    b"": "it has zero bytes",
    b"{": "it is no JSON",
    b"[" * 200_000: "it is no JSON",
    b"[]": "it does not list its partitions by ticker",
    b"{}": "it does not list its partitions by ticker",
    b'{"version": 1, "partitions": ["PETR4"]}': "it does not list its partitions by ticker",
    b'{"version": 1, "partitions": {"PETR4": ["today"]}}': "'today' is no date",
    b'{"version": 1, "partitions": {"PETR4": [20240102]}}': "20240102 is no date",
    b'{"version": 1, "partitions": {"PETR4": "2024-01-02"}}': "the sessions of PETR4 are no list",
    b'{"version": 1, "partitions": {"PETR\'4": ["2024-01-02"]}}': "is no ticker",
    b'{"version": 1, "partitions": {"../../x": ["2024-01-02"]}}': "'../../x' is no ticker",
    b'{"version": 3, "partitions": {"PETR4": ["2024-01-02"]}}': "its version is 3",
    b'{"partitions": {"PETR4": ["2024-01-02"]}}': "its version is None",
}


@pytest.mark.parametrize("body", USELESS, ids=lambda body: body[:60])
def test_what_is_wrong_with_a_manifest_is_said(body):
    """Each kind by its own words: what it is and what it should be."""
    with pytest.raises(ValueError, match=USELESS[body]):
        listed_sessions(body)


def test_a_useless_manifest_does_not_stop_the_line(lake, closes):
    """The others are refined; it is set aside, named, kept, and the run that met it fails once."""
    bad = {"b0": b"[" * 200_000, "b1": b"", "b2": b"{"}
    bad["b4"] = b'{"version": 9, "partitions": {}}'
    for batch_id, body in bad.items():
        lake.put_manifest(batch_id, {})
        lake.s3.put_object(Bucket=lake.bucket, Key=names.manifest_key(batch_id), Body=body)
    manifest = lake.ingest("b3", closes([1.0]))

    with pytest.raises(RefineError, match=r"4 manifest\(s\).*b1\.json: it has zero bytes"):
        lake.run("--batch_manifest", manifest, "--JOB_RUN_ID", "jr_1")

    assert set(lake.silver()) == {("PETR4", DAYS[0])}
    said = json.load(
        lake.s3.get_object(Bucket=lake.bucket, Key="refined/b3/_runs/jr_1.json")["Body"]
    )
    assert said["batch_ids"] == ["b3"]
    assert list(said["set_aside"]) == [names.manifest_key(one) for one in bad]
    assert lake.refine("b5", closes([2.0], days=DAYS[1:]))["batch_ids"] == ["b5"]
    kept = lake.s3.get_object(Bucket=lake.bucket, Key=names.manifest_key("b2"))["Body"].read()
    assert kept == b"{"


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b"?", b"[]", b"{}", b'{"done_through": 5}'],
    ids=["nested", "no-json", "a-list", "empty", "a-number"],
)
def test_a_checkpoint_that_says_nothing_hides_no_batch(lake, body):
    """Every manifest is looked at then."""
    lake.put_manifest("b1", {})
    lake.s3.put_object(Bucket=lake.bucket, Key=names.CHECKPOINT_KEY, Body=body)
    job = lakehouse.Lake(lake.s3, None, lake.bucket, "", "", "")
    assert undone_batches(job, "b1") == ["b1"]


def test_a_done_mark_that_says_nothing_stops_no_run(lake, closes):
    """The batch is refined once more, and its mark is written anew."""
    manifest = lake.ingest("b1", closes([1.0]))
    key = names.mark_key("b1")
    lake.s3.put_object(Bucket=lake.bucket, Key=key, Body=b"[" * 200_000)
    assert lake.run("--batch_manifest", manifest)["batch_ids"] == ["b1"]
    assert lake.run("--batch_manifest", manifest)["event"] == "already_refined"


def test_a_mended_manifest_that_is_named_again_is_refined(lake, closes):
    """It lay aside with a mark; whoever names it takes it up."""
    manifest = lake.ingest("b1", closes([1.0]))
    body = lake.s3.get_object(Bucket=lake.bucket, Key=names.manifest_key("b1"))["Body"].read()
    lake.s3.put_object(Bucket=lake.bucket, Key=names.manifest_key("b1"), Body=b"?")
    with pytest.raises(RefineError, match="it is no JSON"):
        lake.run("--batch_manifest", manifest)
    lake.s3.put_object(Bucket=lake.bucket, Key=names.manifest_key("b1"), Body=body)

    assert lake.run("--batch_manifest", manifest)["batch_ids"] == ["b1"]
    assert lake.run("--batch_manifest", manifest)["event"] == "already_refined"


def test_a_quote_in_a_value_stays_inside_its_literal():
    """Glue's expressions double it, as SQL does."""
    assert lakehouse._in("ticker", ["PETR4", "A'B"]) == "ticker IN ('PETR4', 'A''B')"


@pytest.mark.parametrize(
    "manifest", ["s3://elsewhere/raw/b3/_batches/b1.json", "s3://{bucket}/raw/b3/_batches/no.json"]
)
def test_a_manifest_that_is_not_there_is_named(lake, manifest):
    """A manifest of another bucket, or of no batch, is refused."""
    manifest = manifest.format(bucket=lake.bucket)

    with pytest.raises(RefineError, match=manifest):
        lake.run("--batch_manifest", manifest)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--rebuild", "true", "--dates", "2024-01-02"],
        ["--dates", "2024-13-01"],
        ["--tickers", "PETR4,x' OR 'a'='a"],
        ["--rebuild", "true", "--on_bad_object", "ignore"],
    ],
)
def test_arguments_that_make_no_sense_are_refused(lake, argv, capsys):
    """The command's usual exit code for that is 2, and its last line says why."""
    with pytest.raises(SystemExit, match="2"):
        lake.run(*argv)

    assert capsys.readouterr().err.splitlines()[-1].startswith("refine_job.py: error: ")


def test_glues_own_arguments_are_left_alone(lake, closes):
    """Glue hands its own ones to the script too."""
    lake.put_bronze(closes([1.0]))

    summary = lake.run(
        "--rebuild", "true", "--enable-glue-datacatalog", "true", "--TempDir", "s3://x/tmp/"
    )

    assert summary["partitions_written"] == 1
