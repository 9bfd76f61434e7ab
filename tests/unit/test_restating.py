"""History that the source rewrites: the window notices it, and the whole history comes again."""

import dataclasses
import datetime as dt

import pandas as pd
import pytest

from b3pipeline import lake
from b3pipeline.errors import OriginError
from b3pipeline.ingest import completeness, ingest, session_states
from b3pipeline.ingest.compare import judge_ticker
from b3pipeline.ingest.fetch import LastBar
from b3pipeline.sources import open_source
from b3pipeline.sources.base import Failure, Quotes

NOW = dt.datetime(2024, 6, 26, 9, 0, tzinfo=dt.UTC)
TICKERS = ["PETR4", "VALE3"]
MONDAY = ("2024-06-24", "2024-06-25")


def bar(day, close, split=0.0):
    """Return a daily bar as the window keeps it."""
    return LastBar(pd.Timestamp(day), close, split)


def judged(held, came, splits=None):
    """Return the verdict on closes by session, of bronze and of the source."""
    bars = {day: bar(day, close) for day, close in came.items()}
    known = {day: bar(day, close) for day, close in held.items()}
    return judge_ticker("PETR4", known, bars, splits or {})


DAYS = ["2024-06-19", "2024-06-20", "2024-06-21"]


def closes(*values):
    """Return three sessions with these closes."""
    return dict(zip(DAYS, values, strict=True))


def test_closes_that_agree_are_no_news():
    """A tick of difference is the rounding of an adjusted price."""
    verdict = judged(closes(10.0, 11.0, 12.0), closes(10.01, 10.99, 12.0))
    assert verdict == ()


def test_a_window_on_another_scale_is_a_restatement():
    """The factor is new over old."""
    verdict = judged(closes(10.0, 11.0, 12.0), closes(5.0, 5.5, 6.0))
    assert verdict == lake.Restatement("PETR4", 0.5, "the close of 2024-06-19 was 10, is 5")


def test_a_rescale_up_to_a_day_within_the_window_is_a_restatement():
    """What lies after the split was right already: the factor is that of the sessions before."""
    verdict = judged(closes(10.0, 11.0, 6.0), closes(5.0, 5.5, 6.0))
    assert verdict.factor == 0.5


def test_a_single_later_session_that_differs_is_a_correction():
    """What comes before it agrees, so the history stands."""
    verdict = judged(closes(10.0, 11.0, 41.88), closes(10.0, 11.0, 42.06))
    assert verdict == (lake.Gap("PETR4", "2024-06-21", "close 41.88 is now 42.06"),)


def test_a_split_that_bronze_does_not_know_is_a_restatement():
    """Also where the closes agree: sources rescale some days late."""
    verdict = judged(closes(10.0, 11.0, 12.0), closes(10.0, 11.0, 12.0), {"2024-06-24": 2.0})
    assert verdict == lake.Restatement("PETR4", 1.0, "a split of 2 on 2024-06-24")


def test_a_split_is_noticed_though_no_session_of_the_window_came():
    """The history that bronze holds is on the old scale, whatever the source left out today."""
    verdict = judged(closes(10.0, 11.0, 12.0), {}, {"2024-06-24": 2.0})
    assert verdict == lake.Restatement("PETR4", 1.0, "a split of 2 on 2024-06-24")


def test_a_session_that_did_not_come_says_nothing():
    """It is missing, which the calendar tells; the others are compared without it."""
    verdict = judged(closes(10.0, 11.0, 12.0), {DAYS[1]: 11.0, DAYS[2]: 12.5})
    assert [gap.dt for gap in verdict] == [DAYS[2]]


def test_a_split_that_bronze_knows_is_no_news():
    """It lies in the window for some days, and the history is on its scale already."""
    held = {day: bar(day, 10.0, 2.0 if day == DAYS[1] else 0.0) for day in DAYS}
    verdict = judge_ticker("PETR4", held, held, {DAYS[1]: 2.0})
    assert verdict == ()


def test_bars_of_another_length_are_not_compared():
    """The close of an hour is not the close of the day."""
    came = {DAYS[0]: LastBar(pd.Timestamp(f"{DAYS[0]} 16:00"), 5.0, 0.0)}
    verdict = judge_ticker("PETR4", {DAYS[0]: bar(DAYS[0], 10.0)}, came, {})
    assert verdict == ()


# ------------------------------------------------------------------------------- with a lake


@pytest.fixture
def week(lake_cloud):
    """A lake that holds a week of two stocks."""
    run(lake_cloud, ("2024-06-17", "2024-06-21"))
    return lake_cloud


def run(cloud, span=MONDAY, faults="", source=None, **options):
    """Ingest two stocks as they are, or with something wrong with them."""
    market = source or open_source("sample", faults=faults)
    return ingest(cloud, market, TICKERS, *span, clock=lambda: NOW, **options)


def held(cloud, ticker):
    """Return the closes that bronze holds of a ticker, and the batch of each."""
    frame = lake.read_bronze(cloud, [ticker])
    return frame["close"].tolist(), frame["batch_id"].tolist()


def test_a_restated_ticker_comes_again_as_a_whole(week):
    """In the same batch: seven sessions of it, two of the other; nothing else is rewritten."""
    before, _ = held(week, "PETR4")
    batch = run(week, faults="split:PETR4:2024-06-24:2")
    after, batches = held(week, "PETR4")
    assert after[:5] == pytest.approx([close / 2 for close in before], abs=1e-6)
    assert batches == [batch.batch_id] * 7
    assert held(week, "VALE3")[1].count(batch.batch_id) == 2
    assert batch.objects == 9
    [restated] = batch.manifest.restated
    assert (restated.ticker, restated.factor) == ("PETR4", pytest.approx(0.5))
    assert restated.reason == "a split of 2 on 2024-06-24"


def test_the_table_says_what_was_restated(week):
    """Expected counts the sessions that came again."""
    batch = run(week, faults="split:PETR4:2024-06-24:2")
    table = completeness(batch.manifest)
    assert table.loc["PETR4", ["expected", "came", "missing"]].tolist() == [7, 7, 0]
    assert table.loc["PETR4", "restated"] == pytest.approx(0.5)
    assert "restated PETR4: a split of 2 on 2024-06-24" in str(batch)
    states = session_states(batch.manifest)
    assert set(states.loc[states["ticker"] == "PETR4", "state"]) == {"restated"}


def test_the_day_after_nothing_is_restated_again(week):
    """Bronze is on the new scale, and knows of the split."""
    faults = "split:PETR4:2024-06-24:2"
    run(week, faults=faults)
    assert run(week, faults=faults).manifest.restated == ()


@dataclasses.dataclass
class Patched:
    """The simulated market with a change to what each fetch brings."""

    change: object
    name: str = "sample"
    simulated: bool = True
    intervals: tuple = ("1d",)

    def fetch(self, tickers, start, end, interval="1d", progress=None):
        """Return the simulated quotes, changed; the change is told how far back was asked."""
        return self.change(open_source("sample").fetch(tickers, start, end, interval), start)


def test_a_corrected_session_is_written_beside_those_asked_for(week):
    """One object more, and the manifest says which."""

    def correct(quotes, start):
        last = (quotes.frame["ticker"] == "PETR4") & (quotes.frame["traded_at"] == "2024-06-21")
        frame = quotes.frame.copy()
        frame.loc[last, ["high", "close"]] += 0.18
        return Quotes(frame)

    batch = run(week, source=Patched(correct))
    assert batch.manifest.partitions["PETR4"] == ["2024-06-21", "2024-06-24", "2024-06-25"]
    assert batch.manifest.partitions["VALE3"] == ["2024-06-24", "2024-06-25"]
    [gap] = batch.manifest.corrected
    assert (gap.ticker, gap.dt) == ("PETR4", "2024-06-21")
    assert "corrected PETR4 2024-06-21: close" in str(batch)


def test_a_restated_ticker_whose_history_does_not_come_is_left_alone(week):
    """New quotes on a new scale would not fit the old ones; the other ticker is not harmed."""
    before = held(week, "PETR4")

    def refuse_history(quotes, start):
        if start == dt.date(2024, 6, 17) and set(quotes.frame["ticker"]) == {"PETR4"}:
            return Quotes(quotes.frame.head(0), (Failure("PETR4", "retryable", "503"),))
        split = open_source("sample", faults="split:PETR4:2024-06-24:2")
        return split.fetch(TICKERS, start, dt.date(2024, 6, 25))

    batch = run(week, source=Patched(refuse_history), window=4)
    assert held(week, "PETR4") == before
    assert list(batch.manifest.partitions) == ["VALE3"]
    assert [gap.dt for gap in batch.manifest.missing] == list(MONDAY)
    assert "its history did not come: 503" in batch.manifest.missing[0].reason
    assert (batch.complete, batch.manifest.restated) == (False, ())


def test_old_sessions_that_the_source_no_longer_has_are_missing(week):
    """They stay in bronze as they were, on the old scale."""

    def forget_monday(quotes, start):
        split = open_source("sample", faults="split:PETR4:2024-06-24:2")
        frame = split.fetch(sorted(set(quotes.frame["ticker"])), start, dt.date(2024, 6, 25)).frame
        return Quotes(frame[frame["traded_at"] > "2024-06-17"].reset_index(drop=True))

    batch = run(week, source=Patched(forget_monday))
    [gap] = batch.manifest.missing
    assert (gap.ticker, gap.dt) == ("PETR4", "2024-06-17")
    assert "bronze keeps it as it was" in gap.reason


def test_a_ticker_that_has_not_changed_costs_its_window(week, monkeypatch):
    """Three objects a ticker are read, and what bronze holds is asked of the catalog once."""
    read = []
    real = lake.find_partitions

    def count(cloud, keys):
        read.extend(keys)
        return real(cloud, keys)

    monkeypatch.setattr(lake, "find_partitions", count)
    run(week, window=3)
    assert len(read) == 6
    assert {key.split("/")[2] for key in read} == {
        "dt=2024-06-19", "dt=2024-06-20", "dt=2024-06-21",
    }  # fmt: skip


def test_quotes_of_another_source_are_refused(week):
    """Two sources may differ by a constant factor, which no window would tell from a split."""
    before = held(week, "PETR4")
    with pytest.raises(OriginError, match="bronze holds PETR4 from sample"):
        run(week, source=Patched(lambda quotes, start: quotes, name="elsewhere"))
    assert held(week, "PETR4") == before
