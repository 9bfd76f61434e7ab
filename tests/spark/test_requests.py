"""What a one-day batch costs: the requests of its run, counted by a proxy."""

import datetime as dt
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.spark

TICKERS = ("PETR4", "VALE3", "ITUB4")


def weekdays_before(last, count):
    """Return so many weekdays up to a date, oldest first."""
    end = dt.date.fromisoformat(last)
    days = (end - dt.timedelta(n) for n in range(2 * count + 7))
    return sorted(day.isoformat() for day in days if day.weekday() < 5)[-count:]


def make_history(lake, days, make_bar):
    """Make a lake with a batch a day, each done; objects only where a run may look."""
    lake.register((ticker, day) for ticker in TICKERS for day in days)
    lake.put_bronze({(t, day): [make_bar()] for t in TICKERS for day in days[-10:]})

    def put(folder, day):
        path = f"{lake.bucket}/{folder}/_batches/{day}T220000Z-00000000.json"
        with lake.files.open_output_stream(path) as stream:
            stream.write(json.dumps({"partitions": {t: [day] for t in TICKERS}}).encode())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda day: put("raw/b3", day), days))
        list(threads.map(lambda day: put("refined/b3", day), days))


def test_a_days_run_makes_as_many_requests_after_ten_years_as_after_one(
    make_lake, make_bar, proxy, proxied_clients
):
    """Reads, listings, catalog calls and writes of one day depend on that day alone."""
    counted = {}
    for years in (1, 10):
        lake = make_lake()
        days = weekdays_before("2024-06-27", 250 * years)
        make_history(lake, days, make_bar)
        today = {(ticker, "2024-06-28"): [make_bar(11.0)] for ticker in TICKERS}
        lake.refine("2024-06-27T230000Z-last", {})  # after it the checkpoint stands
        manifest = lake.ingest("2024-06-28T220000Z-today", today)
        proxy.requests.clear()

        summary = lake.run("--batch_manifest", manifest, clients=proxied_clients)

        assert summary["partitions_written"] == 3
        assert summary["partitions_read"] == 15
        counted[years] = Counter(line.split()[0] for line in proxy.requests)
    assert counted[1] == counted[10]
    assert counted[1].total() < 50
