"""The law of the refine: any sequence of batches leaves what one rebuild makes."""

import datetime as dt
import os
import runpy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.spark

JOB = Path(__file__).parents[2] / "glue/refine_job.py"
WIDEST = max(runpy.run_path(str(JOB), run_name="job")["WINDOWS"].values())

# At least twice as many sessions as the widest window, on either side of a suspension of years.
DAYS = [
    (dt.date.fromisoformat(first) + dt.timedelta(n)).isoformat()
    for first in ("2021-03-01", "2024-01-02")
    for n in range(max(30, 2 * WIDEST))
]
EXAMPLES = int(os.environ.get("LAW_EXAMPLES", "6"))

GONE, NO_QUOTE, BROKEN = "gone", "no quote", "broken"
CLOSE = st.integers(1, 50_000).map(lambda cents: cents / 100)
CHANGES = st.dictionaries(
    st.tuples(st.sampled_from(["PETR4", "OIBR3"]), st.sampled_from(DAYS)),
    st.lists(CLOSE, min_size=1, max_size=3) | st.sampled_from([GONE, NO_QUOTE, BROKEN]),
    min_size=1,
    max_size=4,
)


def history(days):
    """Return a batch with one quote a day of one ticker."""
    return {("PETR4", day): [float(place)] for place, day in enumerate(sorted(days), 10)}


@st.composite
def sequences(draw):
    """Return batches in their order of arrival, each with its name and how it arrives."""
    batches = [history(set(DAYS) - draw(st.sets(st.sampled_from(DAYS), max_size=30)))]
    batches += draw(st.lists(CHANGES, min_size=2, max_size=4))
    numbers = draw(st.permutations(range(len(batches))))
    early = draw(st.lists(st.booleans(), min_size=len(batches), max_size=len(batches)))
    runs = draw(st.lists(st.integers(0, 2), min_size=len(batches), max_size=len(batches)))
    return list(zip((f"b{n}" for n in numbers), batches, early, runs, strict=True))


def as_bars(change, make_bar):
    """Return a drawn change as what is put into bronze."""
    if change == GONE:
        return None
    if change == BROKEN:
        return b"PAR1 and no more"
    if change == NO_QUOTE:
        return [make_bar(None)]
    return [make_bar(close, at=f"{10 + place}:00") for place, close in enumerate(change)]


def expected(state):
    """Return the columns of every session that plain Python knows, without any window."""
    rows = {}
    for ticker in {ticker for ticker, _ in state}:
        quotes = {day: c for (t, day), c in state.items() if t == ticker and isinstance(c, list)}
        days = sorted(quotes)
        closes = [quotes[day][-1] for day in days]
        for place, day in enumerate(days):
            bars, close, date = quotes[day], closes[place], dt.date.fromisoformat(day)
            before = closes[place - 1] if place else None
            gap = date - dt.date.fromisoformat(days[place - 1]) if place else None
            rows[ticker, day] = {
                "trade_date": date,
                "open_price": bars[0],
                "high_price": max(bars),
                "low_price": min(bars),
                "close_price": close,
                "adj_close_price": close,
                "total_volume": 100 * len(bars),
                "quote_count": len(bars),
                "close_ma_5": pytest.approx(sum(closes[place - 4 : place + 1]) / 5, abs=1e-9)
                if place > 3
                else None,
                "close_delta": None if before is None else close - before,
                "close_return": None if before is None else close / before - 1,
                "days_since_previous": gap.days if gap else None,
            }
    return rows


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=sequences())
def test_any_sequence_of_batches_equals_a_rebuild(sequence, make_lake, make_bar):
    """Late, corrected, removed, broken, in any order, taken up late, run twice: bit for bit."""
    lake = make_lake()
    changes = [{s: as_bars(c, make_bar) for s, c in batch.items()} for _, batch, _, _ in sequence]
    state, manifests = {}, []

    def run(manifest):
        lake.run("--batch_manifest", manifest, "--on_bad_object", "quarantine")

    for place, (name, batch, _, runs) in enumerate(sequence):
        state |= batch
        manifests.append(lake.ingest(name, changes[place]))
        if place + 1 < len(sequence) and sequence[place + 1][2]:
            # the next ingestion is under way while this batch is refined
            lake.put_bronze({s: c for s, c in changes[place + 1].items() if c is not None})
        for _ in range(runs):
            run(manifests[-1])
    for manifest in manifests:
        run(manifest)

    silver = lake.silver()
    rows = expected(state)
    assert set(silver) == set(rows)
    for pair, row in rows.items():  # any other column has the rebuild below for its law
        assert {name: silver[pair][name] for name in row} == row
    assert lake.registered() == set(silver)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lake.job, "SMALL", 0)  # by generated code, as a large rebuild
        lake.run("--rebuild", "true", "--on_bad_object", "quarantine")
    assert lake.silver() == silver
    assert lake.registered() == set(silver)
