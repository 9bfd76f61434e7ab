"""A second source where Yahoo answers 429: taken for what bronze lacks, never joined."""

import datetime as dt
import json

import pytest
from typer.testing import CliRunner

from b3pipeline import cli, lake
from b3pipeline.cloud.config import dump_outputs
from b3pipeline.errors import ConfigError, OriginError, RateLimitedError
from b3pipeline.ingest import Request, check_fallback, ingest, ingest_or_fall_back, shares
from b3pipeline.sources import open_source
from b3pipeline.sources.cotahist import layout, write_cotahist

FIRST, LAST = "2024-06-27", "2024-06-28"
NOW = dt.datetime(2024, 7, 1, 9, 0, tzinfo=dt.UTC)  # a Monday before the open


@pytest.fixture
def file(tmp_path):
    """The exchange's file of 2024, with two sessions of two tickers, as the exchange signs it."""
    days = [dt.date.fromisoformat(day) for day in (FIRST, LAST)]
    quotes = open_source("sample").fetch(["PETR4", "VALE3"], *days).frame
    path = write_cotahist(quotes, tmp_path / "COTAHIST_A2024.TXT")
    made_by = f"{layout.ORIGIN:8}".encode()
    path.write_bytes(path.read_bytes().replace(layout.SIMULATED_ORIGIN.encode(), made_by))
    return path


@pytest.fixture
def market(yahoo, yahoo_server, tmp_path):
    """The Yahoo source, at a server that knows nobody yet."""
    session, patience = yahoo_server.session(), yahoo.Waiting().patience()
    clock = {"clock": lambda: NOW}
    return open_source("yahoo", session=session, cache_dir=tmp_path, patience=patience, **clock)


@pytest.fixture
def serves(yahoo, yahoo_server):
    """A function that lets Yahoo serve some tickers, and refuse the others (429)."""

    def serve(*tickers):
        bars = [
            yahoo.Bar(yahoo.day(text), 10.0, 11.0, 9.0, 10.5, 10.5, 1000) for text in (FIRST, LAST)
        ]
        for ticker in ("PETR4", "VALE3"):
            symbol = f"{ticker}.SA"
            served = ticker in tickers
            yahoo_server.answers[symbol] = [yahoo.chart(symbol, bars) if served else yahoo.TOO_MANY]

    return serve


@pytest.fixture
def take(lake_cloud, market, file):
    """A caller of the ingestion from Yahoo, with the exchange's file behind it."""

    def call(*tickers, start=FIRST, **how):
        request = Request.of("yahoo", tickers, start, LAST, **how)
        return ingest_or_fall_back(
            lake_cloud,
            market,
            request,
            "cotahist",
            lambda: open_source("cotahist", path=file),
            clock=lambda: NOW,
        )

    return call


def held(cloud):
    """Return the number of sessions of each ticker and source that bronze holds."""
    frame = lake.read_bronze(cloud)
    return frame.groupby(["ticker", "source"]).size().to_dict()


def test_a_refusal_is_answered_by_the_second_source_and_the_manifest_says_so(
    lake_cloud, serves, take
):
    """The batch is the exchange's, and names who was asked first."""
    serves()
    served = take("PETR4")
    [manifest] = lake.list_manifests(lake_cloud)
    assert (manifest.source, manifest.instead_of) == ("cotahist", "yahoo")
    assert manifest == served.batches[0].manifest
    assert "yahoo refused (429)" in str(served.batches[0])
    assert served.complete
    assert held(lake_cloud) == {("PETR4", "cotahist"): 2}


def test_without_a_second_source_the_refusal_names_it(lake_cloud, market, serves):
    """Nothing is written, and the hint has the words to type; not for bars within the day."""
    serves()
    for interval, named in (("1d", True), ("60m", False)):
        how = {"interval": interval, "clock": lambda: NOW}
        with pytest.raises(RateLimitedError) as raised:
            ingest(lake_cloud, market, ["PETR4"], FIRST, LAST, **how)
        assert ("--fallback cotahist" in raised.value.hint) is named
    assert lake.stored_partitions(lake_cloud) == []


def test_what_yahoo_serves_is_its_own_and_only_the_rest_is_the_exchanges(lake_cloud, serves, take):
    """Two batches, each of one source, and together nothing is missing."""
    serves("PETR4")
    served = take("PETR4", "VALE3")
    assert held(lake_cloud) == {("PETR4", "yahoo"): 2, ("VALE3", "cotahist"): 2}
    assert [batch.manifest.instead_of for batch in served.batches] == ["", "yahoo"]
    assert not served.batches[0].complete
    assert served.complete


def test_a_history_of_yahoo_is_not_continued_by_the_exchange(lake_cloud, serves, take):
    """It is left out with a sentence; the ticker that bronze lacks is taken."""
    serves("PETR4", "VALE3")
    take("PETR4")
    serves()
    served = take("PETR4", "VALE3")
    assert held(lake_cloud) == {("PETR4", "yahoo"): 2, ("VALE3", "cotahist"): 2}
    assert "bronze holds PETR4 from yahoo" in served.error.message
    assert "--replace" in served.error.hint
    assert not served.complete


def test_where_nothing_may_be_taken_the_sentence_is_raised(lake_cloud, serves, take):
    """Bronze is as it was, and no batch is written."""
    serves("PETR4")
    take("PETR4")
    serves()
    with pytest.raises(RateLimitedError, match="bronze holds PETR4 from yahoo"):
        take("PETR4")
    assert len(lake.list_manifests(lake_cloud)) == 1


def test_with_replace_a_refused_history_is_loaded_anew_as_a_whole(lake_cloud, serves, take):
    """No session of Yahoo's stays beside one of the exchange's."""
    serves("PETR4")
    take("PETR4")
    serves()
    [batch] = take("PETR4", start=LAST, replace=True).batches
    assert held(lake_cloud) == {("PETR4", "cotahist"): 2}
    assert [one.ticker for one in batch.manifest.replaced] == ["PETR4"]


def test_a_history_of_the_exchange_stays_with_it_though_yahoo_serves_again(
    lake_cloud, serves, take, yahoo_server
):
    """Yahoo is not asked for it, without the second source it is refused."""
    serves()
    take("PETR4", start=LAST)
    serves("PETR4")
    yahoo_server.asked.clear()
    [batch] = take("PETR4").batches
    assert (batch.manifest.source, batch.manifest.instead_of) == ("cotahist", "")
    assert yahoo_server.asked == []
    with pytest.raises(OriginError, match="PETR4 from cotahist"):
        ingest(lake_cloud, open_source("yahoo"), ["PETR4"], FIRST, LAST, clock=lambda: NOW)


def test_the_shares_of_both_are_known_before_anybody_is_asked(lake_cloud, serves, take):
    """What bronze holds decides; with `replace` Yahoo is asked for everything."""
    serves()
    take("PETR4")
    request = Request.of("yahoo", ["PETR4", "VALE3"], FIRST, LAST)
    first, second = shares(lake_cloud, request, "cotahist")
    assert (first.source, first.tickers) == ("yahoo", ("VALE3",))
    assert (second.source, second.tickers) == ("cotahist", ("PETR4",))
    anew = Request.of("yahoo", ["PETR4", "VALE3"], FIRST, LAST, replace=True)
    first, second = shares(lake_cloud, anew, "cotahist")
    assert (first.tickers, second) == (("PETR4", "VALE3"), None)


@pytest.mark.parametrize(
    ("source", "fallback", "interval", "reason"),
    [
        ("yahoo", "bloomberg", "1d", "'bloomberg' cannot stand in for the source 'yahoo'"),
        ("cotahist", "cotahist", "1d", "cannot stand in"),
        ("sample", "cotahist", "1d", "cannot stand in for the source 'sample'"),
        ("yahoo", "cotahist", "60m", "daily bars alone, and the interval is '60m'"),
    ],
)
def test_a_pair_that_makes_no_sense_is_refused(source, fallback, interval, reason):
    """Before anybody is asked."""
    with pytest.raises(ConfigError, match=reason):
        check_fallback(source, fallback, interval)


def test_the_command_line_falls_back_and_ends_with_0(
    lake_cloud, market, serves, file, tmp_path, monkeypatch
):
    """`--path` is the exchange's file; a dry run and what may not be taken are told, too."""
    (tmp_path / ".localaws").mkdir()
    (tmp_path / ".localaws/outputs.json").write_text(dump_outputs(lake_cloud.config))
    monkeypatch.setenv("B3_HOME", str(tmp_path))
    monkeypatch.setattr(
        cli,
        "_open_source",
        lambda name, path=None, fault="": (
            market if name == "yahoo" else open_source(name, path=path)
        ),
    )
    words = ["ingest", "--source", "yahoo", "--fallback", "cotahist", "--path", str(file)]
    dates = ["--tickers", "PETR4", "--start", FIRST, "--end", LAST]

    def b3(*more):
        return CliRunner().invoke(cli.app, [*words, *dates, *more])

    serves()
    assert "ask yahoo: PETR4" in b3("--dry-run").stdout
    done = b3()
    assert (done.exit_code, "from cotahist: 2 objects" in done.stdout) == (0, True)
    assert "ask cotahist: PETR4" in b3("--dry-run").stdout
    told = json.loads(b3("--json", "--window", "0").stdout)
    assert (told["complete"], len(told["batches"])) == (True, 1)
    assert isinstance(b3("--interval", "60m").exception, ConfigError)
