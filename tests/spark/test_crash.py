"""Runs that die: every partition stays old or becomes new, and the next run completes the work."""

import os
import signal

import pytest

pytestmark = pytest.mark.spark

CUTS = (0, 3, 5, 6, 7, 8, 9)
"""Writes that pass: of five objects, then the catalog's two, the deletion, mark, checkpoint."""

DAYS = [f"2024-01-{day:02}" for day in range(1, 29)]


@pytest.fixture
def busy_lake(lake, make_bar):
    """A lake with two tickers of history, refined."""
    sessions = {("PETR4", day): [make_bar(10.0 + n)] for n, day in enumerate(DAYS[:6])}
    sessions |= {("VALE3", day): [make_bar(50.0 + n)] for n, day in enumerate(DAYS)}
    lake.refine("b00", sessions)
    return lake


def change(lake, make_bar, number):
    """Ingest a batch that corrects PETR4's last session and removes VALE3's first one."""
    changes = {("PETR4", DAYS[5]): [make_bar(20.0 + number)], ("VALE3", DAYS[number]): None}
    return lake.ingest(f"b{number + 1:02}", changes)


def assert_old_or_new(before, seen, after):
    """Every partition is as it was before the run or as it is after it."""
    for session in before | seen | after:
        assert seen.get(session) in (before.get(session), after.get(session)), session


def test_a_run_that_is_cut_off_after_any_write_is_completed_by_the_next(
    busy_lake, make_bar, proxy, proxied_clients
):
    """Whatever the run was doing: writing, registering, removing or marking."""
    for number, writes in enumerate(CUTS):
        before = busy_lake.silver()
        manifest = change(busy_lake, make_bar, number)
        proxy.writes_left = writes
        with pytest.raises(Exception):  # noqa: B017 - whichever request it was
            busy_lake.run("--batch_manifest", manifest, clients=proxied_clients)
        seen, marked = busy_lake.silver(), len(busy_lake.marks())
        proxy.writes_left = None
        proxy.requests.clear()

        busy_lake.run("--batch_manifest", manifest, clients=proxied_clients)

        after = busy_lake.silver()
        assert_old_or_new(before, seen, after)
        assert after["PETR4", DAYS[5]]["close_price"] == 20.0 + number
        assert after["VALE3", DAYS[number + 1]]["close_delta"] is None
        assert busy_lake.registered() == set(after)
        assert len(busy_lake.marks()) == number + 2
        assert (marked == number + 2) == (writes == 9)  # the mark comes last but the checkpoint
    assert len(proxy.writes()) == 0  # nothing was left to do after the mark


@pytest.mark.parametrize("writes", [2, 7])
def test_a_run_that_is_killed_is_completed_by_the_next(
    busy_lake, make_bar, proxy, start_script, localaws_endpoint, monkeypatch, writes
):
    """SIGKILL to all its processes, in the middle of a PUT or of the clearing up."""
    before = busy_lake.silver()
    run = start_script(
        busy_lake,
        "--batch_manifest",
        change(busy_lake, make_bar, 0),
        endpoint_url=proxy.endpoint_url,
    )
    proxy.on_death = lambda: os.killpg(run.pid, signal.SIGKILL)
    proxy.writes_left = writes

    assert run.wait(120) == -signal.SIGKILL
    seen = busy_lake.silver()
    monkeypatch.setenv("AWS_ENDPOINT_URL", localaws_endpoint)
    summary = busy_lake.run("--batch_manifest", busy_lake.ingest("b99", {}))

    after = busy_lake.silver()
    assert summary["batch_ids"] == ["b01", "b99"]
    assert_old_or_new(before, seen, after)
    assert after["PETR4", DAYS[5]]["close_price"] == 20.0
    assert busy_lake.registered() == set(after)
    assert ("VALE3", DAYS[0]) not in after
