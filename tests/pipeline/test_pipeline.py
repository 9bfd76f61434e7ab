"""The main job as a whole: a batch, its event, one run, silver, and figures that are right."""

import io
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from b3pipeline import athena, calendar, lake, names, refine
from b3pipeline.ingest import DEFAULT_TICKERS, ingest
from b3pipeline.lake.storage import get_objects
from b3pipeline.sources import open_source

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

START, END = "2023-07-03", "2024-07-03"
SESSIONS = 251


@pytest.fixture(scope="module")
def batch(cloud):
    """Ten tickers over a year: 2,510 objects, and the run that their manifest started."""
    done = ingest(cloud, open_source("sample"), DEFAULT_TICKERS, START, END)
    run = refine.wait_for_start(cloud, done.manifest.uri)
    run = refine.wait_for_run(cloud, run.run_id)
    assert run.state == "SUCCEEDED", refine.tail_log(cloud, run)
    return done


@pytest.fixture(scope="module")
def expected(cloud, batch):
    """Silver as pandas computes it from the bronze objects, by other code than the job's."""

    def rows(key, body):
        ticker = key.split("ticker=")[1].split("/")[0]
        table = pq.ParquetFile(io.BytesIO(body)).read()
        return table.append_column("ticker", pa.array([ticker] * len(table)))

    held = lake.stored_partitions(cloud, names.BRONZE_PREFIX)
    tables = get_objects(cloud, [names.bronze_key(*each) for each in held], rows)
    bars = pa.concat_tables(tables).to_pandas()
    bars = bars.sort_values(["ticker", "traded_at"], ignore_index=True)
    by_ticker = bars.groupby("ticker")
    bars["day"] = bars["traded_at"].dt.normalize()
    bars["ma5"] = by_ticker["close"].transform(lambda closes: closes.rolling(5).mean())
    bars["delta"] = by_ticker["close"].diff()
    bars["change"] = by_ticker["close"].pct_change()
    bars["days"] = by_ticker["traded_at"].diff().dt.days
    return bars


def asked(**more):
    """Return the parameters of the analysis queries over the whole range."""
    return {"start": START, "end": END, "tickers": list(DEFAULT_TICKERS)} | more


def test_2500_objects_give_exactly_one_run(cloud, batch):
    """One manifest is one event and one run, whatever the number of objects."""
    assert batch.objects == SESSIONS * 10
    assert [run.manifest for run in refine.list_runs(cloud)] == [batch.manifest.uri]


def test_every_bronze_partition_has_its_silver_one(cloud, batch):
    """One object a partition on either side, each registered."""
    bronze = sorted(lake.list_partitions(cloud, names.BRONZE_TABLE))
    assert len(bronze) == SESSIONS * 10
    assert sorted(lake.list_partitions(cloud, names.SILVER_TABLE)) == bronze
    assert lake.stored_partitions(cloud, names.SILVER_PREFIX) == bronze


def test_silver_equals_a_pandas_computation(cloud, expected):
    """Mean, deltas, returns and the date calculation, row by row."""
    silver = athena.query(
        cloud, f"SELECT * FROM {names.SILVER_TABLE} ORDER BY ticker, trade_date"
    ).frame
    pairs = {
        "open_price": "open", "high_price": "high", "low_price": "low", "close_price": "close",
        "adj_close_price": "adj_close", "total_volume": "volume", "close_ma_5": "ma5",
        "close_delta": "delta", "close_return": "change", "days_since_previous": "days",
    }  # fmt: skip
    assert list(silver["ticker"]) == list(expected["ticker"])
    for ours, theirs in pairs.items():
        np.testing.assert_allclose(
            silver[ours].astype("float64"), expected[theirs], rtol=1e-9, err_msg=ours
        )


def test_the_moving_average_query_shows_the_same_means(cloud, expected):
    """The figures of notebook 04 are those of pandas."""
    answer = athena.query(cloud, "closes_with_ma5", params=asked()).frame
    np.testing.assert_allclose(answer["close_ma_5"], expected["ma5"], rtol=1e-9)


def test_the_cumulative_return_query_equals_growth_since_the_first_close(cloud, expected):
    """Close over first close, less one; the basket is the mean of the day's returns, compounded."""
    answer = athena.query(cloud, "cumulative_return", params=asked()).frame
    growth = expected["close"] / expected.groupby("ticker")["close"].transform("first") - 1
    np.testing.assert_allclose(answer["cumulative_return"], growth, rtol=1e-7, atol=1e-9)
    basket = (1 + expected.groupby("day")["change"].mean().fillna(0)).cumprod() - 1
    ours = answer.groupby("trade_date")["basket_return"].first()
    np.testing.assert_allclose(ours, basket, rtol=1e-7, atol=1e-9)


def test_the_drawdown_query_equals_close_over_highest_close(cloud, expected):
    """C / cummax(C) - 1, for each ticker."""
    answer = athena.query(cloud, "drawdown", params=asked()).frame
    highest = expected.groupby("ticker")["close"].cummax()
    np.testing.assert_allclose(
        answer["drawdown"], expected["close"] / highest - 1, rtol=1e-7, atol=1e-9
    )


def test_the_volatility_query_equals_the_rolling_deviation(cloud, expected):
    """Sample deviation of 21 log returns, times the root of 252; null until they exist."""
    answer = athena.query(cloud, "rolling_volatility", params=asked()).frame
    logs = np.log1p(expected["change"])
    rolled = logs.groupby(expected["ticker"]).transform(lambda r: r.rolling(21).std(ddof=1))
    np.testing.assert_allclose(
        answer["volatility"].astype("float64"), rolled * math.sqrt(252), rtol=1e-7
    )


def test_the_correlation_query_equals_pearson_on_log_returns(cloud, expected):
    """Every pair of tickers, as pandas correlates them."""
    answer = athena.query(cloud, "correlation", params=asked()).frame
    table = answer.pivot(index="ticker_a", columns="ticker_b", values="correlation")
    wide = expected.pivot(index="day", columns="ticker", values="change")
    np.testing.assert_allclose(table, np.log1p(wide).corr(), rtol=1e-7, atol=1e-9)


def test_a_second_event_of_the_batch_computes_nothing(cloud, batch):
    """Events come at least once: the second run finds the mark of the first, and ends."""
    before = {item["ETag"] for item in silver_objects(cloud)}
    run = refine.start_refine(cloud, manifest=batch.manifest.uri)
    run = refine.wait_for_run(cloud, run.run_id)
    assert (run.state, refine.run_summary(cloud, run)["event"]) == ("SUCCEEDED", "already_refined")
    assert {item["ETag"] for item in silver_objects(cloud)} == before


def silver_objects(cloud):
    """Return what a listing of the first thousand silver objects says."""
    return cloud.s3.list_objects_v2(
        Bucket=cloud.config.raw_data_bucket, Prefix=f"{names.SILVER_PREFIX}dt="
    )["Contents"]


def test_the_calendar_of_the_range_is_what_the_batch_holds(batch):
    """B3's sessions, and no other day."""
    days = calendar.sessions(calendar.parse_date(START), calendar.parse_date(END))
    assert {tuple(days_) for days_ in batch.manifest.partitions.values()} == {tuple(map(str, days))}


def test_two_batches_that_arrive_together_have_a_run_each_and_end_in_silver(cloud):
    """The job takes one run at a time: the second one waits, and nothing is lost or done twice."""
    known = {run.run_id for run in refine.list_runs(cloud)}

    def arrive(ticker):
        return ingest(cloud, open_source("sample"), [ticker], "2024-08-01", "2024-08-02")

    with ThreadPoolExecutor(2) as threads:
        batches = list(threads.map(arrive, ["CMIG4", "CSNA3"]))
    runs = [refine.wait_for_start(cloud, batch.manifest.uri) for batch in batches]
    reports = [refine.describe(cloud, refine.wait_for_run(cloud, run.run_id)) for run in runs]

    assert [report.run.state for report in reports] == ["SUCCEEDED", "SUCCEEDED"]
    assert {run.run_id for run in refine.list_runs(cloud)} - known == {run.run_id for run in runs}
    assert sum(report.written for report in reports) == 4
    silver = lake.list_partitions(cloud, names.SILVER_TABLE)
    assert {day for day, ticker in silver if ticker == "CMIG4"} == {"2024-08-01", "2024-08-02"}
    assert {day for day, ticker in silver if ticker == "CSNA3"} == {"2024-08-01", "2024-08-02"}
