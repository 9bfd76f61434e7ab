"""Bronze against the exchange's file: what is explained, and what is found."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from b3pipeline import lake
from b3pipeline.errors import (
    DateRangeError,
    InvalidTickerError,
    OriginError,
    SourceError,
    StorageError,
)
from b3pipeline.ingest import ingest
from b3pipeline.reconcile import compare, reconcile
from b3pipeline.reconcile.factors import explains, find_stretches, simplest, written
from b3pipeline.sources import open_source
from b3pipeline.sources.base import QUOTE_COLUMNS
from b3pipeline.sources.cotahist import write_cotahist

DAYS = ["2024-06-24", "2024-06-25", "2024-06-26", "2024-06-27", "2024-06-28"]


def quotes(closes, *, ticker="AAAA3", volume=1000, splits=None, days=DAYS):
    """Return a frame of quotes of one ticker from its closes, a session each; None for none."""
    rows = [
        (ticker, day, close, close, close, close, close, volume, 0.0, (splits or {}).get(day, 0.0))
        for day, close in zip(days, closes, strict=True)
        if close is not None
    ]
    return pd.DataFrame(rows, columns=list(QUOTE_COLUMNS)).astype(QUOTE_COLUMNS)


def states(bronze, exchange):
    """Return the state of each session, and the breaks as text."""
    frame, breaks = compare(bronze.assign(source="yahoo"), exchange, "cotahist")
    return frame["state"].tolist(), [str(found) for found in breaks]


# ------------------------------------------------------------------------------ the factor


def test_equal_closes_are_one_stretch_of_factor_1():
    """The usual case."""
    assert (
        states(quotes([10.0, 10.1, 10.2, 10.3, 10.4]), quotes([10.0, 10.1, 10.2, 10.3, 10.4]))[0]
        == ["equal"] * 5
    )


def test_a_constant_factor_is_accepted_with_the_rounding_that_it_brings():
    """Bronze holds the exchange's closes divided by three, on the tick: 10.00 became 3.33."""
    exchange = quotes([10.00, 10.01, 10.02, 20.00, 30.01])
    found, breaks = states(quotes([3.33, 3.34, 3.34, 6.67, 10.00]), exchange)
    assert (found, breaks) == (["equal"] * 5, [])


def test_a_cent_is_a_break_and_the_way_back_is_another():
    """The two sessions are named, with both factors."""
    found, breaks = states(quotes([10, 10, 10.01, 10, 10]), quotes([10.0] * 5))
    assert found == ["equal", "equal", "break", "break", "equal"]
    assert breaks == [
        "AAAA3 2024-06-26: factor 1 to 0.999",
        "AAAA3 2024-06-27: factor 0.999 to 1",
    ]


def test_a_cent_beside_a_factor_is_a_break_too():
    """1.998 alone would excuse 5.01, and no split has ever been 1.998."""
    found, _ = states(quotes([5, 5, 5.01, 5, 5]), quotes([10.0] * 5))
    assert found == ["equal", "equal", "break", "break", "equal"]


def test_halves_may_be_rounded_either_way():
    """Two for one: 10.01 became 5.00 and 10.03 became 5.02; the factor 2 alone explains both."""
    exchange = quotes([10.01, 10.03, 10.02, 10.0, 10.04])
    found, breaks = states(quotes([5.00, 5.02, 5.01, 5.00, 5.02]), exchange)
    assert (found, breaks) == (["equal"] * 5, [])


def test_a_split_in_bronze_explains_the_change_of_its_day():
    """Two for one: the exchange has 40 before it, bronze 20 all the time."""
    bronze = quotes([20.0, 20.5, 20.1, 20.2, 20.3], splits={"2024-06-26": 2.0})
    found, breaks = states(bronze, quotes([40.0, 41.0, 20.1, 20.2, 20.3]))
    assert found == ["equal", "equal", "split", "equal", "equal"]
    assert breaks == ["AAAA3 2024-06-26: factor 2 to 1, as the split of 2 explains"]


def test_a_split_in_the_source_explains_the_change_where_bronze_is_as_traded():
    """Bronze came from the exchange's file, and is held against Yahoo."""
    bronze = quotes([40.0, 41.0, 20.1, 20.2, 20.3]).assign(source="cotahist")
    adjusted = quotes([20.0, 20.5, 20.1, 20.2, 20.3], splits={"2024-06-26": 2.0})
    _, breaks = compare(bronze, adjusted, "yahoo")
    assert [str(found) for found in breaks] == [
        "AAAA3 2024-06-26: factor 1/2 to 1, as the split of 2 explains"
    ]


def test_a_split_explains_its_change_although_its_session_is_missing():
    """The exchange's file lacks the very day."""
    bronze = quotes([20.0, 20.5, 20.1, 20.2, 20.3], splits={"2024-06-26": 2.0})
    found, _ = states(bronze, quotes([40.0, 41.0, None, 20.2, 20.3]))
    assert found == ["equal", "equal", "only in bronze", "split", "equal"]


def test_another_split_than_the_change_explains_nothing():
    """Three for one is in bronze, and two for one in the prices."""
    bronze = quotes([20.0, 20.5, 20.1, 20.2, 20.3], splits={"2024-06-26": 3.0})
    assert states(bronze, quotes([40.0, 41.0, 20.1, 20.2, 20.3]))[0][2] == "break"


def test_a_history_that_was_rewritten_in_part_is_a_break():
    """Half of bronze was loaded before a bonus share, half after it."""
    found, breaks = states(
        quotes([9.09, 9.18, 10.2, 10.3, 10.4]), quotes([10, 10.1, 10.2, 10.3, 10.4])
    )
    assert found == ["equal", "equal", "break", "equal", "equal"]
    assert breaks == ["AAAA3 2024-06-26: factor 1.1 to 1"]


def test_prices_as_traded_on_both_sides_have_no_rounding():
    """Bronze came from the exchange's file, too: half a cent, per thousand shares, is a lot."""
    bronze = quotes([0.012] * 5).assign(source="cotahist")
    frame, _ = compare(bronze, quotes([0.012, 0.012, 0.013, 0.012, 0.012]), "cotahist")
    assert frame["state"].tolist() == ["equal", "equal", "break", "break", "equal"]


def test_the_fewest_stretches_are_found():
    """Places, both ends included; the factor is the simplest of those that explain them."""
    found = find_stretches(pd.Series([10.0, 10, 5, 5]).to_numpy(), pd.Series([15.0] * 4).to_numpy())
    assert [(part.first, part.last, part.factor, part.sessions) for part in found] == [
        (0, 1, 1.5, 2),
        (2, 3, 3.0, 2),
    ]


CENTS = st.lists(st.integers(100, 20_000), min_size=2, max_size=60)
SPLITS = [1, 2, 3, 4, 10, 100, 1.1, 1.2, 1.03, 1.04, 1.133, 1 / 2, 1 / 10, 1 / 15]


@settings(deadline=None)
@given(CENTS, st.sampled_from(SPLITS))
def test_whatever_a_split_has_rounded_is_one_stretch(cents, split):
    """A law: the true factor is among those that explain all sessions."""
    traded = np.array(cents) / 100
    adjusted = np.round(traded / split, 2)
    [stretch] = find_stretches(adjusted, traded)
    assert stretch.low <= split <= stretch.high


@settings(deadline=None)
@given(CENTS, st.data())
def test_whatever_is_a_cent_off_ends_a_stretch(cents, data):
    """A law: no factor excuses a session that differs from its neighbours."""
    place = data.draw(st.integers(1, len(cents) - 1))
    traded = np.array(cents) / 100
    bronze = traded.copy()
    bronze[place] = (cents[place] + 1) / 100
    assert find_stretches(bronze, traded)[0].last == place - 1


@pytest.mark.parametrize(
    ("low", "high", "fraction"),
    [
        (0.999, 1.001, 1.0),
        (1.9, 2.1, 2.0),
        (1.0999, 1.1001, 1.1),
        (0.0666, 0.0667, 1 / 15),
        (1.1329, 1.1331, 1.133),
        (1.3333, 1.3334, 4 / 3),
        (2.5, float("inf"), 3.0),
    ],
)
def test_the_simplest_fraction_is_what_a_split_is(low, high, fraction):
    """One for one before all; otherwise the smallest denominator."""
    assert simplest(low, high) == pytest.approx(fraction, abs=4e-5)


def test_fractions_are_written_as_one_reads_them():
    """A merger of fifteen shares is 1/15, not 0.0666667."""
    assert [written(value) for value in (1.0, 1 / 15, 1.133, 2.0)] == ["1", "1/15", "1.133", "2"]


def test_a_split_explains_what_lies_within_the_rounding():
    """And nothing beside it."""
    before, after = find_stretches(
        pd.Series([10.0, 10.0]).to_numpy(), pd.Series([15.0, 5.0]).to_numpy()
    )
    assert [explains(split, before, after) for split in (2.99, 3.0, 3.01)] == [False, True, False]


# -------------------------------------------------------------- volumes and missing sessions


def test_a_volume_is_compared_after_the_factor():
    """Twice as many shares at half the price are the same trades; a tenth less is not."""
    bronze = quotes([20.0] * 5, volume=2000)
    bronze.loc[3, "volume"] = 1800
    frame, _ = compare(bronze.assign(source="yahoo"), quotes([40.0] * 5), "cotahist")
    assert frame["volume_agrees"].tolist() == [True, True, True, False, True]
    assert frame["volume_ratio"].tolist() == [1.0, 1.0, 1.0, 0.9, 1.0]


def test_a_session_that_one_side_lacks_is_named_for_that_side():
    """Nothing is compared on it, and the factor goes on."""
    found, breaks = states(quotes([10, None, 10, 10, 10]), quotes([10, 10, 10, None, 10]))
    assert found == ["equal", "only in the source", "equal", "only in bronze", "equal"]
    assert breaks == []


def test_bars_within_a_day_count_as_their_day():
    """The last close, the whole volume."""
    hours = quotes(
        [9.0, 9.5, 10.0], days=["2024-06-24 10:00", "2024-06-24 11:00", "2024-06-24 12:00"]
    )
    frame, _ = compare(
        hours.assign(source="yahoo"), quotes([10.0], volume=3000, days=DAYS[:1]), "cotahist"
    )
    assert frame["state"].tolist() == ["equal"]
    assert frame["volume_agrees"].tolist() == [True]


# --------------------------------------------------------------------------- from the lake

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
SPLIT_WEEK = (dt.date(2025, 5, 26), dt.date(2025, 6, 6))


@pytest.fixture
def lake_and_exchange(lake_cloud, tmp_path):
    """Ten sessions of two simulated shares in bronze, and their quotes for the exchange's file."""
    source = open_source("sample")
    ingest(lake_cloud, source, ["HAPV3", "PETR4"], *SPLIT_WEEK, clock=lambda: NOW)
    return lake_cloud, source.fetch(["HAPV3", "PETR4"], *SPLIT_WEEK).frame


def exchange(listed, tmp_path):
    """Return the source that reads a file of the exchange made of some quotes."""
    return open_source("cotahist", path=write_cotahist(listed, tmp_path))


def test_bronze_agrees_with_the_exchange_through_a_merger_of_shares(lake_and_exchange, tmp_path):
    """HAPV3 costs a fifteenth at the exchange until 2 June: its split explains that."""
    cloud, listed = lake_and_exchange
    found = reconcile(cloud, exchange(listed, tmp_path))
    assert found.ok
    assert found.simulated
    assert found.summary["factors"].tolist() == ["1/15, 1", "1"]
    assert found.summary["compared"].tolist() == [10, 10]
    assert "all 20 closes agree" in str(found)
    assert "as the split of 1/15 explains" in found._repr_html_()


def test_what_is_not_explained_is_found_and_told(lake_and_exchange, tmp_path):
    """A close, a volume and a session of PETR4 are not as the exchange has them."""
    cloud, listed = lake_and_exchange
    listed = listed[~((listed["ticker"] == "PETR4") & (listed["traded_at"] == "2025-05-28"))]
    listed = listed.reset_index(drop=True)
    listed.loc[12, "close"] += 0.05  # the third of PETR4's that are left
    listed.loc[14, "volume"] *= 2
    found = reconcile(cloud, exchange(listed, tmp_path))
    assert not found.ok
    assert (len(found.unexplained), found.missing, found.volumes_off) == (2, 1, 1)
    assert [(broken.ticker, broken.date) for broken in found.unexplained] == [
        ("PETR4", dt.date(2025, 5, 29)),
        ("PETR4", dt.date(2025, 5, 30)),
    ]
    assert "2 breaks of the factor, 1 session that only one side has, 1 volume off" in str(found)


def test_tickers_and_dates_narrow_the_comparison(lake_and_exchange, tmp_path):
    """A code may be written as Yahoo does."""
    cloud, listed = lake_and_exchange
    found = reconcile(cloud, exchange(listed, tmp_path), ["petr4.SA"], "2025-06-02", "2025-06-03")
    assert found.frame[["ticker", "state"]].to_numpy().tolist() == [["PETR4", "equal"]] * 2


def test_a_ticker_that_the_exchange_does_not_list_is_missing_and_its_reason_told(
    lake_and_exchange, tmp_path
):
    """All of its sessions are in bronze alone."""
    cloud, listed = lake_and_exchange
    petr4 = listed[listed["ticker"] == "PETR4"].reset_index(drop=True)
    found = reconcile(cloud, exchange(petr4, tmp_path))
    assert found.missing == 10
    assert "HAPV3: no trade: COTAHIST_A2025.ZIP never names it" in str(found)


def test_nothing_is_written(lake_and_exchange, tmp_path):
    """Bronze is read, not touched."""
    cloud, listed = lake_and_exchange
    before = lake.read_bronze(cloud)
    reconcile(cloud, exchange(listed, tmp_path))
    pd.testing.assert_frame_equal(lake.read_bronze(cloud), before)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((["PETR4"], "2024-01-02", "2024-01-01"), DateRangeError),
        ((["no ticker"],), InvalidTickerError),
        ((["VALE3"],), StorageError),
    ],
    ids=["dates the wrong way round", "not a ticker", "nothing in bronze"],
)
def test_what_makes_no_sense_is_refused(lake_and_exchange, tmp_path, arguments, error):
    """Before the exchange is asked."""
    cloud, listed = lake_and_exchange
    with pytest.raises(error):
        reconcile(cloud, exchange(listed, tmp_path), *arguments)


def test_simulated_bronze_is_not_compared_with_real_quotes(lake_and_exchange, monkeypatch):
    """The exchange's files would be downloaded for nothing: nobody is asked."""
    cloud, _ = lake_and_exchange
    source = open_source("cotahist")
    monkeypatch.setattr(source, "fetch", lambda *_, **__: pytest.fail("somebody was asked"))
    with pytest.raises(OriginError, match="bronze holds simulated quotes"):
        reconcile(cloud, source)


def test_a_file_that_is_not_there_is_named(lake_and_exchange, tmp_path):
    """Nothing is known of it, not even whether its quotes would be real."""
    cloud, _ = lake_and_exchange
    with pytest.raises(SourceError, match="zip cannot be read"):
        reconcile(cloud, open_source("cotahist", path=tmp_path / "not_there.zip"))
