"""The bronze lake on the local AWS: objects, partitions, manifests."""

import datetime as dt
import io
import json
import time
from dataclasses import replace
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.config import Config as BotoConfig
from botocore.stub import Stubber
from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

from b3pipeline import lake, names, schema
from b3pipeline.cloud.clients import Cloud
from b3pipeline.errors import CatalogError, StorageError
from b3pipeline.lake.storage import WAITING, in_parallel, open_store, storage_errors
from b3pipeline.sources.base import QUOTE_COLUMNS

MOMENT = dt.datetime(2026, 11, 23, 10, 15, tzinfo=dt.UTC)
STAMP = {"source": "sample", "batch_id": "20261123T101500Z-3f9a1c2b", "ingested_at": MOMENT}


def quotes(*rows):
    """Return a frame of quotes from (ticker, moment, close) each."""
    return pd.DataFrame(
        [
            (ticker, moment, 36.1, 36.9, 35.9, close, 34.5, 1000, 0.25, 2.0)
            for ticker, moment, close in rows
        ],
        columns=list(QUOTE_COLUMNS),
    ).astype(QUOTE_COLUMNS)


BARS = quotes(
    ("PETR4", "2024-06-27 10:00", 36.5),
    ("PETR4", "2024-06-27 11:00", 36.6),
    ("PETR4", "2024-06-28 10:00", 36.7),
    ("VALE3", "2024-06-28 10:00", 61.0),
)


def put_bars(cloud, bars=BARS):
    """Put a frame of quotes into bronze; return the number of objects."""
    objects = lake.bronze_objects(bars, **STAMP)
    return lake.put_objects(cloud, ((names.bronze_key(d, t), body) for d, t, body in objects))


def on(cloud, **changes):
    """Return the same cloud with another configuration."""
    other = Cloud(replace(cloud.config, **changes))
    vars(other).update(s3=cloud.s3, glue=cloud.glue)
    return other


def manifest(cloud, **changes):
    """Return a manifest with one gap of each kind."""
    values = {
        "bucket": cloud.config.raw_data_bucket,
        "batch_id": "20261123T101500Z-3f9a1c2b",
        "source": "sample",
        "simulated": True,
        "interval": "1d",
        "created_at": MOMENT,
        "start": dt.date(2024, 1, 2),
        "end": dt.date(2024, 1, 3),
        "rows": 3,
        "partitions": {"PETR4": ["2024-01-02", "2024-01-03"], "VALE3": ["2024-01-02"]},
        "missing": (lake.Gap("VALE3", "2024-01-03", "the source has no quote"),),
        "quarantined": (lake.Gap("VALE3", "2024-01-01", "B3 held no session"),),
        "restated": (lake.Restatement("PETR4", 0.5, "a split of 2 on 2024-01-03"),),
        "open_sessions": ("2024-01-04",),
    }
    return lake.BatchManifest(**(values | changes))


# ------------------------------------------------------------------------------------- encoding


def test_bars_are_dealt_out_to_their_partitions():
    """One object a session and ticker, with all the bars of that day."""
    objects = list(lake.bronze_objects(BARS, **STAMP))
    assert [(day, ticker) for day, ticker, _ in objects] == [
        ("2024-06-27", "PETR4"),
        ("2024-06-28", "PETR4"),
        ("2024-06-28", "VALE3"),
    ]
    assert [pq.read_metadata(io.BytesIO(body)).num_rows for *_, body in objects] == [2, 1, 1]


def test_an_object_holds_the_bronze_columns_with_their_types():
    """What Athena, Spark and DuckDB read: microseconds without a zone, no partition columns."""
    table = pq.read_table(io.BytesIO(lake.encode_partition(BARS[3:], **STAMP)))
    assert table.schema == schema.BRONZE
    assert table.to_pylist() == [
        {
            "traded_at": dt.datetime(2024, 6, 28, 10, 0),  # noqa: DTZ001 - São Paulo time, naive
            "open": 36.1,
            "high": 36.9,
            "low": 35.9,
            "close": 61.0,
            "adj_close": 34.5,
            "volume": 1000,
            "dividends": 0.25,
            "stock_splits": 2.0,
            "source": "sample",
            "batch_id": "20261123T101500Z-3f9a1c2b",
            "ingested_at": dt.datetime(2026, 11, 23, 10, 15),  # noqa: DTZ001 - UTC, naive
        }
    ]


def test_the_moment_of_ingestion_is_kept_in_utc():
    """A clock of another zone does not shift it."""
    zone = dt.timezone(dt.timedelta(hours=-3))
    body = lake.encode_partition(BARS[3:], **(STAMP | {"ingested_at": MOMENT.astimezone(zone)}))
    assert body == lake.encode_partition(BARS[3:], **STAMP)


def test_the_same_bars_give_the_same_bytes():
    """By hand or as part of a batch."""
    *_, (_, _, body) = lake.bronze_objects(BARS, **STAMP)
    assert body == lake.encode_partition(BARS[3:], **STAMP)


def test_a_missing_number_becomes_null():
    """A NaN would poison every mean in SQL."""
    bars = BARS[3:].assign(adj_close=float("nan"))
    table = pq.read_table(io.BytesIO(lake.encode_partition(bars, **STAMP)))
    assert table["adj_close"].to_pylist() == [None]


def test_one_row_takes_less_than_a_page():
    """1.4 kB; pyarrow's defaults make it 3.8 kB."""
    assert len(lake.encode_partition(BARS[3:], **STAMP)) < 1500


def test_a_body_comes_back_with_the_keys_of_its_partition():
    """`dt` and `ticker` stand first."""
    key = names.bronze_key("2024-06-28", "VALE3")
    table = lake.decode_partition(key, lake.encode_partition(BARS[3:], **STAMP))
    assert table.column_names[:3] == ["dt", "ticker", "traded_at"]
    assert table.select(["dt", "ticker", "close"]).to_pylist() == [
        {"dt": "2024-06-28", "ticker": "VALE3", "close": 61.0}
    ]


@pytest.mark.parametrize("body", [b"", b"PAR1 and no more"], ids=["empty", "truncated"])
def test_a_body_that_is_not_parquet_is_named(body):
    """The reader learns which object to replace."""
    with pytest.raises(StorageError, match=r"raw/b3/dt=2024-06-28/ticker=VALE3/data\.parquet"):
        lake.decode_partition(names.bronze_key("2024-06-28", "VALE3"), body)


def test_a_body_without_a_column_is_named():
    """Another schema is no bronze."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"close": [1.0]}), sink)
    with pytest.raises(StorageError, match="is not a bronze partition"):
        lake.decode_partition(names.bronze_key("2024-06-28", "VALE3"), sink.getvalue())


# -------------------------------------------------------------------------------------- objects


def test_what_is_put_is_read_back(lake_cloud):
    """Sorted by ticker and time, with the partition of each row."""
    assert put_bars(lake_cloud) == 3
    frame = lake.read_bronze(lake_cloud)
    assert list(frame.columns) == ["dt", "ticker", *schema.BRONZE.names]
    assert frame[["dt", "ticker", "close"]].values.tolist() == [
        ["2024-06-27", "PETR4", 36.5],
        ["2024-06-27", "PETR4", 36.6],
        ["2024-06-28", "PETR4", 36.7],
        ["2024-06-28", "VALE3", 61.0],
    ]


def test_putting_twice_is_putting_once(lake_cloud):
    """An object replaces its predecessor."""
    put_bars(lake_cloud)
    put_bars(lake_cloud)
    assert len(lake.read_bronze(lake_cloud)) == 4


@pytest.mark.parametrize(
    ("choice", "closes"),
    [
        ({"tickers": ["VALE3"]}, [61.0]),
        ({"start": dt.date(2024, 6, 28)}, [36.7, 61.0]),
        ({"end": dt.date(2024, 6, 27)}, [36.5, 36.6]),
        ({"start": dt.date(2024, 6, 28), "tickers": ["PETR4"]}, [36.7]),
        ({"start": dt.date(2024, 7, 1)}, []),
        ({"tickers": []}, []),
    ],
    ids=["ticker", "start", "end", "both", "nothing", "no ticker"],
)
def test_a_part_of_bronze_is_read(lake_cloud, choice, closes):
    """Both dates are included."""
    put_bars(lake_cloud)
    assert lake.read_bronze(lake_cloud, **choice)["close"].tolist() == closes


def test_an_empty_bronze_is_a_frame_with_the_right_types(lake_cloud):
    """Code that reads it need not ask first."""
    frame = lake.read_bronze(lake_cloud)
    assert frame.empty
    assert str(frame["traded_at"].dtype) == "datetime64[us]"
    assert str(frame["volume"].dtype) == "int64"


def test_manifests_are_no_partitions(lake_cloud):
    """Nor is any other object below the prefix."""
    put_bars(lake_cloud)
    lake.write_manifest(lake_cloud, manifest(lake_cloud))
    lake.put_objects(lake_cloud, [("raw/b3/dt=2024-06-28/ticker=VALE3/notes.txt", b"by hand")])
    assert lake.stored_partitions(lake_cloud) == [
        ("2024-06-27", "PETR4"),
        ("2024-06-28", "PETR4"),
        ("2024-06-28", "VALE3"),
    ]


def test_progress_sees_every_object(lake_cloud):
    """Each counts once it is put."""
    seen = []

    def progress(items, *, total, desc):
        seen.append((total, desc))
        return items

    lake.put_objects(lake_cloud, [("raw/a", b"1"), ("raw/b", b"2")], total=2, progress=progress)
    assert seen == [(2, "put")]


def test_items_are_taken_as_they_are_put():
    """A long history never lies in memory as a whole."""
    taken = []

    def items():
        for number in range(5 * WAITING):
            taken.append(number)
            yield number

    done = in_parallel(lambda number: number, items(), workers=2)
    assert next(done) == 0
    assert len(taken) == WAITING + 1
    done.close()


def test_the_first_error_stops_the_rest():
    """What has not begun is given up, and no thread is left."""
    begun = []

    def act(number):
        begun.append(number)
        if number == 0:
            raise OSError("the first")
        time.sleep(0.01)

    with pytest.raises(OSError, match="the first"):
        list(in_parallel(act, range(10 * WAITING), workers=1))
    assert len(begun) < WAITING / 2


def test_a_bucket_that_is_not_there_is_named(lake_cloud):
    """Whatever is asked of it."""
    nowhere = on(lake_cloud, raw_data_bucket="no-such-bucket")
    for act in (
        lake.check_bucket,
        lake.read_bronze,
        put_bars,
        lambda cloud: lake.write_manifest(cloud, manifest(cloud)),
        lambda cloud: lake.read_manifest(cloud, "20261123T101500Z-3f9a1c2b"),
    ):
        with pytest.raises(StorageError, match="there is no bucket 'no-such-bucket'") as caught:
            act(nowhere)
        assert "b3 local up" in caught.value.hint


def test_a_bucket_that_is_there_passes(lake_cloud):
    """Nothing is raised."""
    lake.check_bucket(lake_cloud)


def test_an_aws_that_is_down_is_named(lake_cloud):
    """Port 1 answers nobody."""
    down = Cloud(replace(lake_cloud.config, endpoint_url="http://127.0.0.1:1"))
    vars(down)["s3"] = down.session.client(
        "s3",
        endpoint_url=down.config.endpoint_url,
        config=BotoConfig(retries={"total_max_attempts": 1}),  # the default waits half a minute
    )
    with pytest.raises(StorageError, match="cannot be reached") as caught:
        lake.check_bucket(down)
    assert "b3 local status" in caught.value.hint


@pytest.mark.parametrize("status", [400, 403])
def test_a_bucket_that_refuses_is_named(lake_cloud, status):
    """403 is another's bucket, 400 what an expired session token gets."""
    closed = Cloud(lake_cloud.config)
    with Stubber(closed.s3) as stubber:
        stubber.add_client_error("head_bucket", str(status), http_status_code=status)
        with pytest.raises(StorageError, match=r"access to the bucket 'lake-.*' is denied"):
            lake.check_bucket(closed)


@pytest.mark.parametrize("error", [PermissionDeniedError, UnauthenticatedError])
def test_an_object_that_may_not_be_put_names_the_bucket(error):
    """A policy may let one list and not write."""
    denied = pytest.raises(StorageError, match="access to the bucket 'closed' is denied")
    with denied, storage_errors("closed"):
        raise error


def test_a_bucket_is_opened_once_for_a_deployment_a_key_and_an_environment(
    lake_cloud, monkeypatch, tmp_path
):
    """Another key or proxy is another store: what is open already would go on with the old one."""
    first = open_store(lake_cloud)
    assert open_store(Cloud(lake_cloud.config)) is first
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert open_store(lake_cloud) is not first
    monkeypatch.delenv("HTTPS_PROXY")
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = A\naws_secret_access_key = one\n")
    changed = Cloud(replace(lake_cloud.config, credentials_file=str(file)))
    before = open_store(changed)
    file.write_text("[default]\naws_access_key_id = A\naws_secret_access_key = two\n")
    assert open_store(changed) is not before


def test_on_aws_the_keys_are_those_of_boto3(lake_cloud, localaws_variables, monkeypatch):
    """Profiles, roles and the host's own: whatever boto3 finds signs the objects too."""
    for name, value in {**localaws_variables, "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, value)
    away = {"target": "aws", "endpoint_url": None, "credentials_file": None}
    aws = Cloud(replace(lake_cloud.config, **away))
    lake.check_bucket(aws)
    assert put_bars(aws) == 3
    assert len(lake.read_bronze(aws)) == 4
    credentials = open_store(aws).credential_provider()
    assert credentials["access_key_id"] == localaws_variables["AWS_ACCESS_KEY_ID"]


def test_without_credentials_it_is_said_before_anything_else(lake_cloud, monkeypatch, tmp_path):
    """No half hour of retries, no traceback of boto3."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    away = {"target": "aws", "endpoint_url": None, "credentials_file": None}
    stranger = Cloud(replace(lake_cloud.config, **away))
    for act in (lake.check_bucket, lake.read_bronze):
        with pytest.raises(StorageError, match="no AWS credentials"):
            act(stranger)


# ----------------------------------------------------------------------------------- partitions


def days(count):
    """Return partitions of one ticker on consecutive days."""
    first = dt.date(2024, 1, 1)
    return [(str(first + dt.timedelta(days=number)), "PETR4") for number in range(count)]


def test_partitions_are_registered_hundreds_at_a_time(lake_cloud):
    """Three calls for 250, and each partition points at its folder."""
    assert lake.register_partitions(lake_cloud, names.BRONZE_TABLE, days(250)) == 250
    assert lake.list_partitions(lake_cloud, names.BRONZE_TABLE) == days(250)
    found = lake_cloud.glue.get_partition(
        DatabaseName=lake_cloud.config.glue_database,
        TableName=names.BRONZE_TABLE,
        PartitionValues=["2024-01-02", "PETR4"],
    )["Partition"]["StorageDescriptor"]
    bucket = lake_cloud.config.raw_data_bucket
    assert found["Location"] == f"s3://{bucket}/raw/b3/dt=2024-01-02/ticker=PETR4/"
    assert found["Columns"][0] == {"Name": "traded_at", "Type": "timestamp"}


def test_registering_again_changes_nothing(lake_cloud):
    """Only what is new counts."""
    lake.register_partitions(lake_cloud, names.BRONZE_TABLE, days(2))
    assert lake.register_partitions(lake_cloud, names.BRONZE_TABLE, days(3)) == 1
    assert lake.list_partitions(lake_cloud, names.BRONZE_TABLE) == days(3)


def test_silver_partitions_get_silver_columns(lake_cloud):
    """Each table has its own schema and prefix."""
    lake.register_partitions(lake_cloud, names.SILVER_TABLE, days(1))
    found = lake_cloud.glue.get_partition(
        DatabaseName=lake_cloud.config.glue_database,
        TableName=names.SILVER_TABLE,
        PartitionValues=["2024-01-01", "PETR4"],
    )["Partition"]["StorageDescriptor"]
    assert found["Columns"][0] == {"Name": "trade_date", "Type": "date"}
    assert "/refined/b3/dt=2024-01-01/ticker=PETR4/" in found["Location"]


def test_a_catalog_that_lost_its_partitions_gets_them_back(lake_cloud):
    """After a crash of the local AWS the objects stand and the catalog is empty."""
    put_bars(lake_cloud)
    lake.register_partitions(lake_cloud, names.BRONZE_TABLE, [("2024-06-27", "PETR4")])
    assert lake.register_existing(lake_cloud) == 2
    assert lake.register_existing(lake_cloud) == 0
    assert lake.list_partitions(lake_cloud, names.BRONZE_TABLE) == lake.stored_partitions(
        lake_cloud
    )


@pytest.mark.parametrize("missing", [{"glue_database": "no_such_database"}, {}])
def test_a_table_that_is_not_there_is_named(lake_cloud, missing):
    """No partition is registered under a table that does not exist."""
    nowhere = on(lake_cloud, **missing)
    if not missing:
        lake_cloud.glue.delete_table(
            DatabaseName=lake_cloud.config.glue_database, Name=names.BRONZE_TABLE
        )
    with pytest.raises(CatalogError, match=r"holds no table \w+\.b3_daily_quotes\."):
        lake.register_partitions(nowhere, names.BRONZE_TABLE, days(1))


def test_sessions_are_found_by_ticker_and_by_day(lake_cloud):
    """The catalog filters; what it does not hold has an empty list."""
    pairs = [("2024-01-02", "VALE3"), ("2024-01-02", "PETR4"), ("2024-01-03", "PETR4")]
    lake.register_partitions(lake_cloud, names.BRONZE_TABLE, pairs)
    tickers, dates = ["PETR4", "ITUB4"], ["2024-01-02", "2024-01-04"]
    assert lake.held_sessions(lake_cloud, tickers) == {
        "PETR4": ["2024-01-02", "2024-01-03"],
        "ITUB4": [],
    }
    assert lake.held_dates(lake_cloud, dates) == {
        "2024-01-02": ["PETR4", "VALE3"],
        "2024-01-04": [],
    }


def test_a_quote_in_a_ticker_ends_no_filter(lake_cloud):
    """It is doubled, as in any SQL: the text matches nothing, and nothing else either."""
    lake.register_partitions(lake_cloud, names.BRONZE_TABLE, [("2024-01-02", "PETR4")])
    sly = "X') OR ticker IN ('PETR4"
    assert lake.held_sessions(lake_cloud, [sly, "O'X"]) == {sly: [], "O'X": []}


# ------------------------------------------------------------------------------------ manifests


def test_a_manifest_is_written_as_the_contract_says(lake_cloud):
    """The Lambda and the job read this text."""
    uri = lake.write_manifest(lake_cloud, manifest(lake_cloud))
    bucket = lake_cloud.config.raw_data_bucket
    assert uri == f"s3://{bucket}/raw/b3/_batches/20261123T101500Z-3f9a1c2b.json"
    body = lake_cloud.s3.get_object(
        Bucket=bucket, Key="raw/b3/_batches/20261123T101500Z-3f9a1c2b.json"
    )["Body"].read()
    assert json.loads(body) == {
        "version": 2,
        "batch_id": "20261123T101500Z-3f9a1c2b",
        "source": "sample",
        "simulated": True,
        "interval": "1d",
        "created_at": "2026-11-23T10:15:00Z",
        "start": "2024-01-02",
        "end": "2024-01-03",
        "rows": 3,
        "partitions": {"PETR4": ["2024-01-02", "2024-01-03"], "VALE3": ["2024-01-02"]},
        "missing": [{"ticker": "VALE3", "dt": "2024-01-03", "reason": "the source has no quote"}],
        "quarantined": [{"ticker": "VALE3", "dt": "2024-01-01", "reason": "B3 held no session"}],
        "restated": [{"ticker": "PETR4", "factor": 0.5, "reason": "a split of 2 on 2024-01-03"}],
        "corrected": [],
        "open_sessions": ["2024-01-04"],
        "no_trade": [],
        "replaced": [],
        "doubtful": [],
        "unknown": [],
        "instead_of": "",
    }


def test_a_manifest_of_version_1_is_still_read(lake_cloud):
    """Its restated tickers had no factor, and it knew no corrections."""
    old = json.loads(manifest(lake_cloud).to_json()) | {"version": 1, "restated": ["ITUB4"]}
    del old["corrected"], old["open_sessions"]
    found = lake.BatchManifest.from_json(json.dumps(old), "bucket")
    assert found.restated == (lake.Restatement("ITUB4", None, "not recorded"),)
    assert (found.corrected, found.open_sessions, found.rows) == ((), (), 3)


def test_a_manifest_is_read_by_its_id_or_its_uri(lake_cloud):
    """What was written comes back equal."""
    written = manifest(lake_cloud)
    lake.write_manifest(lake_cloud, written)
    assert lake.read_manifest(lake_cloud, written.batch_id) == written
    assert lake.read_manifest(lake_cloud, written.uri) == written
    assert written.objects == 3


def test_batches_are_listed_in_their_order(lake_cloud):
    """Oldest first; other objects beside the manifests do not count."""
    ids = ["20261124T090000Z-00000000", "20261123T101500Z-ffffffff"]
    for batch_id in ids:
        lake.write_manifest(lake_cloud, manifest(lake_cloud, batch_id=batch_id))
    lake.put_objects(lake_cloud, [("raw/b3/_batches/notes.txt", b"by hand")])
    assert [found.batch_id for found in lake.list_manifests(lake_cloud)] == sorted(ids)


def test_a_manifest_that_is_none_is_passed_over_and_named_in_the_log(lake_cloud, caplog):
    """One bad object in the folder hides no good batch."""
    good = manifest(lake_cloud)
    lake.write_manifest(lake_cloud, good)
    bad = {"a": b"", "b": b"no JSON", "c": b"[]", "d": b"{}", "e": b'{"version": 99}'}
    bad["f"] = json.dumps(json.loads(good.to_json()) | {"partitions": []}).encode()
    lake.put_objects(lake_cloud, [(f"raw/b3/_batches/{n}.json", body) for n, body in bad.items()])
    assert lake.list_manifests(lake_cloud) == [good]
    said = [line for line in caplog.messages if "is passed over" in line]
    assert sorted(line.partition("_batches/")[2][:6] for line in said) == [f"{n}.json" for n in bad]


MISTYPED = {
    "sessions that are a number": {"partitions": {"PETR4": 5}},
    "sessions that are a text": {"partitions": {"PETR4": "2024-01-02"}},
    "a session that is nothing": {"partitions": {"PETR4": [None]}},
    "a session that is no date": {"partitions": {"PETR4": ["today"]}},
    "a session by its week": {"partitions": {"PETR4": ["2024-W01-2"]}},
    "a ticker that is a path": {"partitions": {"../../x": ["2024-01-02"]}},
    "a source that is a list": {"source": ["a"]},
    "a source that is nothing": {"source": None},
    "a gap of numbers": {"missing": [{"ticker": 5, "dt": 7, "reason": "?"}]},
    "a gap on no day": {"no_trade": [{"ticker": "PETR4", "dt": "7", "reason": "?"}]},
    "a gap without a reason": {"missing": [{"ticker": "PETR4", "dt": "2024-01-02"}]},
    "rows that are a text": {"rows": "x"},
    "rows that are nothing": {"rows": None},
    "a factor that is a text": {"restated": [{"ticker": "PETR4", "factor": "a", "reason": ""}]},
    "an origin that is a number": {"replaced": [{"ticker": "A", "before": 3, "removed": []}]},
    "tickers that are numbers": {"unknown": [5]},
}


@pytest.mark.parametrize("how", [*MISTYPED, "brackets alone"])
def test_a_manifest_with_a_field_of_another_type_is_passed_over(lake_cloud, caplog, how):
    """It is JSON, and would fail whoever computes with it; the good one is listed."""
    good = manifest(lake_cloud)
    lake.write_manifest(lake_cloud, good)
    spoilt = json.loads(good.to_json()) | MISTYPED.get(how, {})
    body = json.dumps(spoilt).encode() if how in MISTYPED else b"[" * 200_000
    lake.put_objects(lake_cloud, [("raw/b3/_batches/bad.json", body)])
    assert lake.list_manifests(lake_cloud) == [good]
    assert "/raw/b3/_batches/bad.json is passed over: this is not a batch manifest" in caplog.text


def test_a_manifest_that_is_not_there_is_named(lake_cloud):
    """The key tells what was looked for."""
    with pytest.raises(StorageError, match=r"no object s3://.*/raw/b3/_batches/nothing\.json"):
        lake.read_manifest(lake_cloud, "nothing")


@pytest.mark.parametrize("text", ["", "{}", '{"version": 1}', "[1]"])
def test_a_text_that_is_no_manifest_is_refused(text):
    """The error shows how it begins."""
    with pytest.raises(StorageError, match="not a batch manifest of version 1 to 2"):
        lake.BatchManifest.from_json(text, "bucket")


def test_a_manifest_of_a_later_version_is_not_guessed_at(lake_cloud):
    """Its fields may mean something else."""
    later = manifest(lake_cloud).to_json().replace('"version":2', '"version":3')
    with pytest.raises(StorageError, match="version 3 is not known"):
        lake.BatchManifest.from_json(later, "bucket")


def test_a_manifest_shows_that_its_quotes_are_simulated(lake_cloud):
    """In a notebook too."""
    assert "sample (simulated)" in manifest(lake_cloud)._repr_html_()
    assert "(simulated)" not in manifest(lake_cloud, simulated=False)._repr_html_()


def test_batch_ids_sort_by_time():
    """The job takes batches up in their order."""
    earlier = lake.new_batch_id(MOMENT)
    later = lake.new_batch_id(MOMENT + dt.timedelta(seconds=1))
    assert earlier.startswith("20261123T101500Z-")
    assert earlier < later
    assert lake.new_batch_id(MOMENT) != earlier


def test_two_lakes_do_not_see_each_other(lake_cloud):
    """A key of one bucket is none of another."""
    other = f"other-{uuid4().hex[:12]}"
    lake_cloud.s3.create_bucket(Bucket=other)
    put_bars(lake_cloud)
    assert lake.stored_partitions(on(lake_cloud, raw_data_bucket=other)) == []
