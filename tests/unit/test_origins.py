"""One ticker's history has one source and one length of bars; real and simulated never meet."""

import datetime as dt

import pytest

from b3pipeline import lake, names
from b3pipeline.errors import NothingToDoError, OriginError, RateLimitedError, SourceError
from b3pipeline.ingest import ingest, preview, resume
from b3pipeline.sources import open_source
from b3pipeline.sources.base import Failure, Quotes

NOW = dt.datetime(2024, 7, 1, 9, 0, tzinfo=dt.UTC)  # a Monday before the open
FIRST, LATER = ("2024-06-17", "2024-06-21"), ("2024-06-24", "2024-06-28")
HOUR = dt.timedelta(hours=1)


class Market:
    """The simulated market under another name, on another scale, real if it says so."""

    intervals = ("1d", "60m")

    def __init__(self, name="yahoo", simulated=False, lost=(), refuses=(), factor=2.0):
        self.name, self.simulated, self.asked = name, simulated, []
        self.lost, self.refuses, self.factor = lost, refuses, factor

    def fetch(self, tickers, start, end, interval="1d", progress=None):
        """Return the simulated quotes, scaled; some days are lost, some tickers refused."""
        self.asked.append((",".join(tickers), str(start), str(end)))
        frame = open_source("sample").fetch(tickers, start, end, interval).frame
        prices = ["open", "high", "low", "close", "adj_close"]
        frame = frame.assign(**(frame[prices] * self.factor))
        gone = frame["traded_at"].astype(str).isin(self.lost) | frame["ticker"].isin(self.refuses)
        told = [Failure(t, "rate_limited", "429") for t in self.refuses if t in tickers]
        return Quotes(frame[~gone].reset_index(drop=True), tuple(told))


SAMPLE = {"name": "sample", "simulated": True, "factor": 1.0}


def run(cloud, source, span=LATER, tickers=("PETR4",), now=NOW, **how):
    """Ingest a week."""
    return ingest(cloud, source, tickers, *span, clock=lambda: now, **how)


def sources(cloud):
    """Return the number of sessions of each ticker and source that bronze holds."""
    frame = lake.read_bronze(cloud)
    return frame.groupby(["ticker", "source"]).size().to_dict()


@pytest.mark.parametrize("how", [{}, {"since_last": True}, {"window": 0}], ids=str)
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (SAMPLE, {"name": "yahoo"}),
        ({"name": "cotahist"}, {"name": "yahoo"}),
        ({"name": "yahoo"}, {"name": "cotahist"}),
        ({"name": "cotahist", "simulated": True}, {"name": "cotahist"}),
        ({"name": "yahoo"}, SAMPLE),
    ],
    ids=["sample-yahoo", "cotahist-yahoo", "yahoo-cotahist", "made-up-cotahist", "yahoo-sample"],
)
def test_another_source_is_refused_before_anything_is_asked(lake_cloud, first, then, how):
    """The sentence names ticker, source, dates, and the ways out; bronze is as it was."""
    run(lake_cloud, Market(**first), FIRST)
    before = lake.read_bronze(lake_cloud)
    market = Market(**then)
    with pytest.raises(OriginError) as caught:
        run(lake_cloud, market, **how)
    said = caught.value.message
    assert f"PETR4 from {first['name']}" in said
    assert "2024-06-17 to 2024-06-21" in said
    assert f"Quotes from {then['name']}" in said
    assert "--replace" in caught.value.hint
    assert f"--source {first['name']}" in caught.value.hint
    assert market.asked == []
    assert lake.read_bronze(lake_cloud).equals(before)
    assert lake.list_journals(lake_cloud) == []


def test_a_preview_refuses_what_the_ingestion_would(lake_cloud):
    """A dry run is no way round."""
    run(lake_cloud, Market(**SAMPLE), FIRST)
    with pytest.raises(OriginError):
        preview(lake_cloud, Market(), ["PETR4"], *LATER, clock=lambda: NOW)


def test_a_load_far_from_the_first_one_is_refused_as_well(lake_cloud):
    """Two years lie between: it is one history all the same."""
    run(lake_cloud, Market(**SAMPLE), ("2022-06-20", "2022-06-24"))
    with pytest.raises(OriginError, match="2022-06-20 to 2022-06-24"):
        run(lake_cloud, Market())
    with pytest.raises(OriginError):
        run(lake_cloud, Market(), ("2021-06-21", "2021-06-25"))


def test_bars_of_another_length_are_refused(lake_cloud):
    """The volume of a day's bar is not the sum of its hours'."""
    run(lake_cloud, Market(), FIRST)
    with pytest.raises(OriginError, match="bars of 1d, 2024-06-17") as caught:
        run(lake_cloud, Market(), interval="60m")
    assert "--interval 1d" in caught.value.hint


def test_real_and_simulated_quotes_do_not_meet_in_one_bucket(lake_cloud):
    """Of two tickers neither, and `replace` of the one does not help the other."""
    run(lake_cloud, Market(**SAMPLE), tickers=["PETR4", "VALE3"])
    for how in ({}, {"replace": True}):
        with pytest.raises(OriginError, match="VALE3 from sample") as caught:
            run(lake_cloud, Market(), tickers=["ITUB4"], **how)
        assert "--since last --replace" in caught.value.hint
    with pytest.raises(OriginError, match="VALE3"):
        run(lake_cloud, Market(), tickers=["PETR4"], replace=True)
    assert sources(lake_cloud) == {("PETR4", "sample"): 5, ("VALE3", "sample"): 5}


def test_two_real_sources_may_hold_two_tickers(lake_cloud):
    """Each history has its own scale: nothing joins them."""
    run(lake_cloud, Market(name="cotahist"), tickers=["PETR4"])
    run(lake_cloud, Market(), tickers=["VALE3"])
    assert sources(lake_cloud) == {("PETR4", "cotahist"): 5, ("VALE3", "yahoo"): 5}


def test_replace_loads_the_whole_history_anew(lake_cloud):
    """All tickers that bronze holds, from the first session that it holds of each to the last."""
    run(lake_cloud, Market(**SAMPLE), FIRST, ["PETR4", "VALE3"])
    batch = ingest(
        lake_cloud, Market(), None, None, "2024-06-28", clock=lambda: NOW, since_last=True,
        replace=True,
    )  # fmt: skip
    assert sources(lake_cloud) == {("PETR4", "yahoo"): 10, ("VALE3", "yahoo"): 10}
    assert batch.complete
    assert "replaced PETR4: sample (simulated), bars of 1d before" in str(batch)
    later = run(lake_cloud, Market(), ("2024-06-27", "2024-06-28"), now=NOW + HOUR)
    assert later.complete


def test_a_replaced_session_that_the_new_source_lacks_is_taken_away(lake_cloud):
    """It would stand there on the old scale; the manifest has the refine take it from silver."""
    run(lake_cloud, Market(name="cotahist"), FIRST)
    market = Market(lost=("2024-06-18",))
    batch = run(lake_cloud, market, LATER, replace=True)
    held = lake.held_sessions(lake_cloud, ["PETR4"])["PETR4"]
    assert "2024-06-18" not in held
    assert sources(lake_cloud) == {("PETR4", "yahoo"): 9}
    assert "2024-06-18" in batch.manifest.partitions["PETR4"]
    assert [(gap.ticker, gap.dt) for gap in batch.manifest.missing] == [("PETR4", "2024-06-18")]
    again = resume(lake_cloud, lambda name: Market(), clock=lambda: NOW + HOUR)
    assert again.manifest.partitions == {"PETR4": ["2024-06-18"]}


def test_a_history_that_does_not_come_anew_stays_as_it_was(lake_cloud):
    """Of two real sources; the other ticker of the batch is written."""
    run(lake_cloud, Market(name="cotahist"), FIRST, ["PETR4", "VALE3"])
    market = Market(refuses=("VALE3",))
    batch = run(lake_cloud, market, LATER, ["PETR4", "VALE3"], replace=True)
    assert sources(lake_cloud) == {("PETR4", "yahoo"): 10, ("VALE3", "cotahist"): 5}
    assert "bronze keeps cotahist, bars of 1d: 429" in batch.manifest.missing[0].reason


def test_real_quotes_take_the_place_of_all_simulated_ones_or_of_none(lake_cloud):
    """Half of them would leave both worlds in one bucket."""
    run(lake_cloud, Market(**SAMPLE), FIRST, ["PETR4", "VALE3"])
    with pytest.raises(RateLimitedError, match="did not bring VALE3"):
        run(lake_cloud, Market(refuses=("VALE3",)), LATER, ["PETR4", "VALE3"], replace=True)
    assert sources(lake_cloud) == {("PETR4", "sample"): 5, ("VALE3", "sample"): 5}


def test_an_object_put_by_hand_counts_by_its_own_source(lake_cloud):
    """No manifest names it."""
    bars = open_source("sample").fetch(["PETR4"], *map(dt.date.fromisoformat, FIRST)).frame
    for day, ticker, body in lake.bronze_objects(
        bars, source="sample", batch_id="by-hand", ingested_at=NOW
    ):
        lake.put_objects(lake_cloud, [(names.bronze_key(day, ticker), body)])
        lake.register_partitions(lake_cloud, names.BRONZE_TABLE, [(day, ticker)])
    with pytest.raises(OriginError, match="PETR4 from sample"):
        run(lake_cloud, Market())


def test_an_object_put_by_hand_may_say_its_whole_origin(lake_cloud):
    """Files of the exchange may be simulated, which their source's name does not tell."""
    market = Market(name="cotahist", simulated=True)
    bars = open_source("sample").fetch(["PETR4"], *map(dt.date.fromisoformat, FIRST)).frame
    for day, ticker, body in lake.bronze_objects(
        bars, source="cotahist (simulated), bars of 1d", batch_id="by-hand", ingested_at=NOW
    ):
        lake.put_objects(lake_cloud, [(names.bronze_key(day, ticker), body)])
        lake.register_partitions(lake_cloud, names.BRONZE_TABLE, [(day, ticker)])
    run(lake_cloud, market, LATER)
    with pytest.raises(OriginError, match="PETR4 from cotahist \\(simulated\\)"):
        run(lake_cloud, Market(name="cotahist"), LATER)


def test_a_gap_of_a_replaced_source_is_not_asked_for_any_more(lake_cloud):
    """Resume would bring a session of the old source into the new history."""
    run(lake_cloud, Market(name="cotahist", lost=("2024-06-18",)), FIRST)
    run(lake_cloud, Market(), LATER, replace=True, now=NOW + HOUR)
    with pytest.raises(NothingToDoError):
        resume(lake_cloud, lambda name: Market(name=name), clock=lambda: NOW + 2 * HOUR)


def test_a_batch_cut_off_before_the_history_was_replaced_does_not_come_back(lake_cloud):
    """Its quotes are of the source that has gone; each later resume has nothing to do."""

    class CutOff(Market):
        def fetch(self, *args, **options):
            raise KeyboardInterrupt

    run(lake_cloud, Market(name="cotahist"), FIRST)
    with pytest.raises(KeyboardInterrupt):
        run(lake_cloud, CutOff(name="cotahist"), LATER, batch_id="20240701T080000Z-cut00000")
    run(lake_cloud, Market(), FIRST, replace=True)
    with pytest.raises(OriginError):
        resume(lake_cloud, lambda name: Market(name=name), clock=lambda: NOW + HOUR)
    with pytest.raises(NothingToDoError):
        resume(lake_cloud, lambda name: Market(name=name), clock=lambda: NOW + HOUR)


def test_replacing_with_a_source_that_has_nothing_changes_nothing(lake_cloud):
    """Bronze keeps what it holds."""
    run(lake_cloud, Market(name="cotahist"), FIRST)
    days = tuple(str(dt.date(2024, 6, day)) for day in range(17, 29))
    with pytest.raises(SourceError, match="brought no quote"):
        run(lake_cloud, Market(lost=days), LATER, replace=True)
    assert sources(lake_cloud) == {("PETR4", "cotahist"): 5}
