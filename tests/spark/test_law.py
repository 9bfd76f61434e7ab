"""The law of the refine: any sequence of batches leaves what one rebuild makes."""

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.spark

DAYS = [
    *("2021-03-01", "2021-03-02", "2021-03-03", "2021-03-04", "2021-03-05"),
    # suspended for three years
    *("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-30"),
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
    batches = [history(draw(st.sets(st.sampled_from(DAYS), min_size=5)))]
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
    """Return close, mean, delta, return and gap of every session: plain Python, no windows."""
    rows = {}
    for ticker in {ticker for ticker, _ in state}:
        quotes = {
            day: c[-1] for (t, day), c in state.items() if t == ticker and isinstance(c, list)
        }
        days = sorted(quotes)
        for place, day in enumerate(days):
            closes = [quotes[one] for one in days[: place + 1]]
            before = closes[-2] if place else None
            rows[ticker, day] = (
                closes[-1],
                pytest.approx(sum(closes[-5:]) / 5, abs=1e-9) if place > 3 else None,
                None if before is None else closes[-1] - before,
                None if before is None else closes[-1] / before - 1,
                len(state[ticker, day]),
            )
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
    metrics = ("close_price", "close_ma_5", "close_delta", "close_return", "quote_count")
    found = {session: tuple(row[name] for name in metrics) for session, row in silver.items()}
    assert found == expected(state)
    assert lake.registered() == set(silver)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lake.job, "SMALL", 0)  # by generated code, as a large rebuild
        lake.run("--rebuild", "true", "--on_bad_object", "quarantine")
    assert lake.silver() == silver
    assert lake.registered() == set(silver)
