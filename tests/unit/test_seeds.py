"""A market for each student: the seed, the name that carries it, and two that never meet."""

import datetime as dt
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from b3pipeline import lake, names
from b3pipeline.classroom.seed import seed_of_login
from b3pipeline.cli import app
from b3pipeline.cloud.config import dump_outputs
from b3pipeline.course import parameters
from b3pipeline.errors import ConfigError, NotebookError, OriginError
from b3pipeline.ingest import ingest, resume
from b3pipeline.sources import open_source
from b3pipeline.sources.sample.stocks import STOCKS

NOW = dt.datetime(2024, 7, 1, 9, 0, tzinfo=dt.UTC)
WEEK = (dt.date(2024, 6, 17), dt.date(2024, 6, 21))


def test_another_seed_is_another_market_under_another_name():
    """Its name carries the seed; the usual seed has the usual name."""
    usual, own = open_source("sample"), open_source("sample", seed=41)
    assert (usual.name, own.name, own.simulated) == ("sample", "sample:41", True)
    closes = [each.fetch(["PETR4"], *WEEK).frame["close"] for each in (usual, own)]
    assert not (closes[0] == closes[1]).any()


@pytest.mark.parametrize(
    ("name", "options"), [("sample:41", {}), ("sample", {"seed": "41"}), ("sample", {"seed": 41})]
)
def test_a_seed_gives_the_same_quotes_however_it_is_written(name, options):
    """In the source's name, as text, as a number; drawn on its own. Closes are noted by hand."""
    frame = open_source(name, **options).fetch(["PETR4"], *WEEK).frame
    assert frame["close"].tolist() == [42.94, 43.36, 42.52, 42.83, 42.13]


@pytest.mark.parametrize("name", ["sample", "sample:7"])
def test_the_usual_seed_is_the_market_of_ever(name):
    """The close of a session that the golden rows of the sample hold, too."""
    source = open_source(name)
    assert source.name == "sample"
    day = dt.date(2024, 1, 2)
    assert source.fetch(["PETR4"], day, day).frame["close"].tolist() == [29.73]


@pytest.mark.parametrize("interval", ["1d", "60m"])
def test_any_market_keeps_the_rules_of_quotes(interval):
    """Ten seeds, all stocks: nothing would be held back, whatever a student is given."""
    for seed in (0, 1, 68222444, 4294967295):
        quotes = open_source("sample", seed=seed).fetch(list(STOCKS), *WEEK, interval=interval)
        frame = quotes.frame
        assert (frame["low"] <= frame[["open", "close"]].min(axis=1)).all()
        assert (frame["high"] >= frame[["open", "close"]].max(axis=1)).all()
        assert (frame["close"] > 0.05).all()
        assert (frame["volume"] > 0).all()


@pytest.mark.parametrize("wrong", ["x", "-1", "1.5", "", "4294967296", "٣", True, 1.0, None, [7]])
def test_a_seed_that_is_no_number_is_a_sentence(wrong):
    """It names the value, and says what to write."""
    with pytest.raises(ConfigError, match="is no seed") as caught:
        parameters.read(seed=wrong)
    assert caught.value.message.startswith(f"seed: {wrong!r}")
    assert "b3 class seed" in caught.value.hint


def test_the_parameters_join_seed_and_source():
    """A notebook opens `given.source`, whichever way the seed came."""
    assert parameters.read(source="sample", seed="41").source == "sample:41"
    assert parameters.read(source=" Sample:41 ", seed=7).seed == 41
    assert parameters.read(source="sample:41", seed=41).source == "sample:41"
    assert parameters.read(source="sample", seed=7).source == "sample"
    assert parameters.read(source="yahoo", seed=7).source == "yahoo"
    assert parameters.read(source="sample", seed=0) == parameters.read(source="sample:0")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"source": "yahoo", "seed": 41}, "seed: the source 'yahoo' has no seed"),
        ({"source": "sample:41", "seed": 42}, "seed: the source 'sample:41' names one seed"),
        ({"source": "sample:x", "seed": 7}, "source: 'x' is no seed"),
        ({"source": "yahoo:4", "seed": 7}, "source: there is no quote source 'yahoo:4'"),
    ],
    ids=str,
)
def test_a_seed_and_a_source_that_do_not_agree_are_a_sentence(given, said):
    """In a notebook, and at the command line before anything starts."""
    for read in (lambda: parameters.read(**given), lambda: parameters.read_given(given)):
        with pytest.raises(ConfigError) as caught:
            read()
        assert caught.value.message.startswith(said)


def test_bronze_its_manifest_and_a_journal_know_the_seed(lake_cloud):
    """Each object's source, the manifest's, and the request of a batch that was cut off."""
    source = open_source("sample", seed=41, faults="missing:VALE3:2024-06-19")
    batch = ingest(lake_cloud, source, ["PETR4", "VALE3"], *WEEK, clock=lambda: NOW)
    assert batch.manifest.label == "sample:41 (simulated)"
    assert lake.read_manifest(lake_cloud, batch.batch_id).source == "sample:41"
    assert set(lake.read_bronze(lake_cloud)["source"]) == {"sample:41"}
    resumed = resume(lake_cloud, open_source, clock=lambda: NOW + dt.timedelta(minutes=1))
    assert resumed.manifest.source == "sample:41"
    assert resumed.objects == 1


@pytest.mark.parametrize(("first", "then"), [(41, 42), (7, 41), (41, 7)])
def test_two_seeds_never_meet_in_one_history_or_bucket(lake_cloud, first, then):
    """Of one ticker and of two; refused before anything is asked, with the way out."""
    one, other = (open_source("sample", seed=seed) for seed in (first, then))
    ingest(lake_cloud, one, ["PETR4", "VALE3"], *WEEK, clock=lambda: NOW)
    for tickers in (["PETR4"], ["ITUB4"]):
        with pytest.raises(OriginError, match=f"from {one.name} ") as caught:
            ingest(lake_cloud, other, tickers, *WEEK, clock=lambda: NOW)
        assert "--replace" in caught.value.hint
    with pytest.raises(OriginError, match="another market's"):
        ingest(lake_cloud, other, ["PETR4"], *WEEK, clock=lambda: NOW, replace=True)
    later = NOW + dt.timedelta(hours=1)
    both = ["PETR4", "VALE3"]
    ingest(lake_cloud, other, both, *WEEK, clock=lambda: later, replace=True)
    assert set(lake.read_bronze(lake_cloud)["source"]) == {other.name}


def test_an_object_put_by_hand_tells_its_seed(lake_cloud):
    """No manifest names it: its own column does."""
    day = WEEK[0]
    frame = open_source("sample", seed=41).fetch(["PETR4"], day, day).frame
    body = lake.encode_partition(frame, source="sample:41", batch_id="by-hand", ingested_at=NOW)
    key = names.bronze_key(day, "PETR4")
    lake_cloud.s3.put_object(Bucket=lake_cloud.config.raw_data_bucket, Key=key, Body=body)
    lake.register_partitions(lake_cloud, names.BRONZE_TABLE, [(str(day), "PETR4")])
    with pytest.raises(OriginError, match="PETR4 from sample:41 "):
        ingest(lake_cloud, open_source("sample"), ["PETR4"], *WEEK, clock=lambda: NOW)


def test_a_refusal_half_way_does_not_leave_two_markets(lake_cloud):
    """The source refuses the second ticker: then the first is not replaced either."""
    both = ["PETR4", "VALE3"]
    ingest(lake_cloud, open_source("sample", seed=41), both, *WEEK, clock=lambda: NOW)
    other = open_source("sample", faults="429:VALE3")
    with pytest.raises(Exception, match="Quotes of two markets do not meet"):
        ingest(lake_cloud, other, both, *WEEK, clock=lambda: NOW, replace=True)
    assert set(lake.read_bronze(lake_cloud)["source"]) == {"sample:41"}


def test_the_command_line_takes_a_seed(lake_cloud, tmp_path, monkeypatch):
    """`b3 ingest --seed` draws that market; a wrong one is a sentence."""
    (tmp_path / ".localaws").mkdir()
    (tmp_path / ".localaws/outputs.json").write_text(dump_outputs(lake_cloud.config))
    monkeypatch.setenv("B3_HOME", str(tmp_path))
    span = ["--tickers", "PETR4", "--start", "2024-06-24", "--end", "2024-06-28"]
    answer = CliRunner().invoke(app, ["ingest", *span, "--seed", "41", "--json"])
    assert json.loads(answer.stdout)["manifest"]["source"] == "sample:41"
    for arguments, said in (
        (["--seed", "forty"], "'forty' is no seed"),
        (["--seed", "41", "--source", "yahoo"], "the source 'yahoo' has no seed"),
    ):
        wrong = CliRunner().invoke(app, ["ingest", *span, *arguments])
        assert isinstance(wrong.exception, ConfigError)
        assert said in wrong.exception.message


def test_the_tutorial_refuses_a_seed_that_is_none_before_it_starts():
    """No local AWS is started for it."""
    wrong = CliRunner().invoke(app, ["tutorial", "--seed", "forty"])
    assert isinstance(wrong.exception, ConfigError | NotebookError)
    assert "seed: 'forty' is no seed" in str(wrong.exception)


def test_a_login_gives_a_seed_for_ever():
    """Noted by hand when it was made: a class must not change its markets with a new version."""
    assert seed_of_login("ana.silva") == 68222444
    assert seed_of_login(" Ana.SILVA ") == 68222444
    assert seed_of_login("ana.silva", "BD1") == 98819408
    assert CliRunner().invoke(app, ["class", "seed", "ana.silva"]).stdout == "68222444\n"


def test_logins_of_a_class_have_seeds_of_their_own():
    """Thirty logins, two classes: sixty seeds."""
    seeds = [seed_of_login(f"aluno{n}", name) for n in range(30) for name in ("a", "b")]
    assert len(set(seeds)) == 60
    assert all(0 < seed < 10**8 and seed != 7 for seed in seeds)


@pytest.mark.parametrize("wrong", ["", " ", "../x", "a/b", "a\nb\x00", "x" * 65, "-", ".hidden"])
def test_what_is_no_login_is_a_sentence(wrong):
    """A login names a file: what could be a path is none."""
    with pytest.raises(ConfigError, match="is no login"):
        seed_of_login(wrong)


def test_accents_count_one_way():
    """A composed é and one of two characters are the same login."""
    assert seed_of_login("jos\u00e9") == seed_of_login("jose\u0301")


def test_markets_of_two_seeds_move_on_their_own():
    """Two years of returns of one share: no more alike than chance has it."""
    span = (dt.date(2022, 1, 3), dt.date(2023, 12, 28))
    closes = [open_source(f"sample:{s}").fetch(["VALE3"], *span).frame["close"] for s in (1, 2)]
    returns = [np.diff(np.log(close)) for close in closes]
    assert abs(np.corrcoef(*returns)[0, 1]) < 0.15
