"""`b3 ingest` at the command line: its table, its exit codes, its flags."""

import pytest
from typer.testing import CliRunner

from b3pipeline import lake
from b3pipeline.cli import app
from b3pipeline.cloud.config import dump_outputs
from b3pipeline.errors import ConfigError

WEEK = ("--tickers", "PETR4,VALE3", "--start", "2024-06-24", "--end", "2024-06-28")


@pytest.fixture
def b3(lake_cloud, tmp_path, monkeypatch):
    """A caller of `b3 ingest` on a lake of its own."""
    (tmp_path / ".localaws").mkdir()
    (tmp_path / ".localaws/outputs.json").write_text(dump_outputs(lake_cloud.config))
    monkeypatch.setenv("B3_HOME", str(tmp_path))
    for name in ("TICKERS", "START_DATE", "END_DATE", "RAW_BUCKET", "B3_TARGET"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments):
        return CliRunner().invoke(app, ["ingest", *arguments])

    return call


def test_a_complete_batch_ends_with_0_and_its_table(b3):
    """Expected, came, missing, quarantined, restated; a line a ticker and one for all."""
    answer = b3(*WEEK)
    assert answer.exit_code == 0
    table = [line.split() for line in answer.stdout.splitlines()[1:5]]
    assert table == [
        ["expected", "came", "missing", "quarantined", "restated"],
        ["PETR4", "5", "5", "0", "0"],
        ["VALE3", "5", "5", "0", "0"],
        ["all", "10", "10", "0", "0", "0"],
    ]


def test_an_incomplete_batch_ends_with_3_and_resume_with_0(b3, lake_cloud):
    """What is missing is named; the second call needs to know nothing."""
    first = b3(*WEEK, "--fault", "missing:VALE3:2024-06-26")
    assert first.exit_code == 3
    assert "missing VALE3 2024-06-26: the source has no quote" in first.stdout
    second = b3("--resume")
    assert second.exit_code == 0
    assert ": 1 object, 1 row in" in second.stdout
    assert len(lake.stored_partitions(lake_cloud)) == 10
    third = b3("--resume")
    assert (third.exit_code, "nothing to resume" in third.stdout) == (0, True)


def test_an_unknown_ticker_ends_with_3_and_strictly_with_an_error(b3, lake_cloud):
    """The others are written; with --strict nothing is."""
    range_ = ("--start", "2024-06-24", "--end", "2024-06-28")
    strict = b3("--tickers", "PETR4,VVAR3", *range_, "--strict")
    assert strict.exit_code == 1
    assert "does not know VVAR3" in str(strict.exception)
    assert lake.stored_partitions(lake_cloud) == []
    usual = b3("--tickers", "PETR4,VVAR3", *range_)
    assert usual.exit_code == 3
    assert "VIIA3 is called BHIA3 since 2023-09-20" in usual.stdout
    assert len(lake.stored_partitions(lake_cloud)) == 5


def test_a_refusal_before_anything_came_is_an_error(b3, lake_cloud):
    """Its own kind of exception, which `main` turns into exit code 1."""
    answer = b3(*WEEK, "--fault", "429:PETR4")
    assert answer.exit_code == 1
    assert "refuses more requests" in str(answer.exception)
    assert lake.stored_partitions(lake_cloud) == []


def test_since_last_ends_with_0_where_nothing_is_new(b3):
    """There is nothing to do, and that is well."""
    b3(*WEEK)
    answer = b3("--tickers", "PETR4", "--end", "2024-06-28", "--since", "last")
    assert answer.exit_code == 0
    assert "bronze holds every session up to 2024-06-28 of PETR4" in answer.stdout


def test_a_dry_run_says_what_it_would_do_and_does_nothing(b3, lake_cloud):
    """The question to the source, and the number of objects."""
    answer = b3(*WEEK, "--dry-run")
    assert answer.exit_code == 0
    assert "ask sample: PETR4, VALE3, 2024-06-24 to 2024-06-28" in answer.stdout
    assert "write: at most 10 objects" in answer.stdout
    assert lake.stored_partitions(lake_cloud) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "yesterday"), "--since is 'yesterday'"),
        (("--since", "last", "--resume"), "exclude each other"),
        (("--source", "yahoo", "--fault", "429:PETR4"), "cannot be opened with faults"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_flags_that_make_no_sense_are_named(b3, arguments, message):
    """One sentence each."""
    answer = b3(*arguments)
    assert isinstance(answer.exception, ConfigError)
    assert message in answer.exception.message


def test_an_index_stands_for_its_members(b3, monkeypatch):
    """Where the exchange's page cannot be had, those of the kept copy."""
    monkeypatch.setenv("B3_INDEX_PAGE", "http://127.0.0.1:9/")
    answer = b3("--tickers", "IBOV", *WEEK[2:], "--dry-run")
    assert answer.exit_code == 0
    assert "84" in answer.stdout
    assert "WEGE3" in answer.stdout
