"""Files from the exchange's address: a stand-in on 127.0.0.1 cuts, lies, refuses, is late."""

import datetime as dt
from email.utils import format_datetime

import pytest

from b3pipeline.calendar import sessions
from b3pipeline.errors import (
    ConfigError,
    DamagedFileError,
    NotPublishedError,
    SourceError,
)
from b3pipeline.sources import open_source
from b3pipeline.sources.cotahist.downloads import Downloads, files_of
from b3pipeline.sources.cotahist.writer import write_cotahist

NOW = dt.datetime(2024, 7, 1, 12, 0, tzinfo=dt.UTC)  # a Monday; the week before is closed
WEEK = (dt.date(2024, 6, 24), dt.date(2024, 6, 28))
DAILY = [f"COTAHIST_D{day}062024.ZIP" for day in (24, 25, 26, 27, 28)]
YEARLY = "COTAHIST_A2024.ZIP"
FRIDAY = DAILY[-1]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Bytes of files by name: five days of June, and the year to their end."""
    folder = tmp_path_factory.mktemp("published")
    year = open_source("sample").fetch(["PETR4", "VALE3"], dt.date(2024, 1, 2), WEEK[1]).frame
    days = {f"{day:%d%m%Y}": rows for day, rows in year.groupby("traded_at") if day >= _stamp()}
    files = [
        write_cotahist(rows.reset_index(drop=True), folder / f"COTAHIST_D{day}.ZIP")
        for day, rows in days.items()
    ]
    files.append(write_cotahist(year, folder / YEARLY))
    return {file.name: file.read_bytes() for file in files}


def _stamp():
    return dt.datetime.combine(WEEK[0], dt.time())


@pytest.fixture(scope="module")
def server(exchange):
    """The stand-in of the module."""
    stub, http = exchange.serve()
    yield stub
    http.shutdown()
    http.server_close()


@pytest.fixture
def stub(server, published, monkeypatch):
    """The stand-in with the published files, nothing asked yet."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.files, server.plays, server.asked, server.sent = dict(published), {}, [], []
    return server


@pytest.fixture
def pauses():
    """The seconds that were slept."""
    return []


@pytest.fixture
def source(stub, tmp_path, pauses):
    """The source, which downloads from the stand-in and does not really sleep."""
    return open_source(
        "cotahist",
        base_url=stub.url,
        cache_dir=tmp_path / "cache",
        clock=lambda: NOW,
        sleep=pauses.append,
        timeout=5,
    )


def friday(source):
    """Fetch one session of one share."""
    return source.fetch(["PETR4"], WEEK[1], WEEK[1])


def names(stub):
    """Return the names of the files that were asked for, in order."""
    return [name for name, _ in stub.asked]


# ------------------------------------------------------------------------ which files


def test_a_few_sessions_of_this_year_come_from_daily_files(source, stub):
    """Five files of a session each, and all quotes."""
    frame = source.fetch(["PETR4", "VALE3"], *WEEK).frame
    assert names(stub) == DAILY
    assert len(frame) == 10


def test_many_sessions_of_this_year_come_from_the_yearly_file(source, stub):
    """One file instead of 124."""
    frame = source.fetch(["PETR4"], dt.date(2024, 1, 2), WEEK[1]).frame
    assert names(stub) == [YEARLY]
    assert len(frame) == 124


def test_earlier_years_come_from_yearly_files():
    """The exchange keeps no daily files of them."""
    days = sessions(dt.date(2023, 12, 28), dt.date(2024, 1, 3))
    assert files_of(days, dt.date(2024, 7, 1)) == [
        ("COTAHIST_A2023.ZIP", dt.date(2023, 12, 28)),
        ("COTAHIST_D02012024.ZIP", dt.date(2024, 1, 2)),
        ("COTAHIST_D03012024.ZIP", dt.date(2024, 1, 3)),
    ]


def test_a_file_that_is_here_is_not_asked_for_again(source, stub):
    """Neither by this source nor by the next one."""
    friday(source)
    friday(source)
    assert names(stub) == [FRIDAY]


def test_a_yearly_file_too_old_for_the_range_is_asked_for_again(source, stub, tmp_path):
    """The one here ends in May."""
    may = open_source("sample").fetch(["PETR4"], dt.date(2024, 1, 2), dt.date(2024, 5, 31)).frame
    write_cotahist(may, tmp_path / "cache" / YEARLY)
    frame = source.fetch(["PETR4"], dt.date(2024, 1, 2), WEEK[1]).frame
    assert (names(stub), len(frame)) == ([YEARLY], 124)


def test_what_the_yearly_file_lacks_yet_comes_from_daily_ones(source, stub, tmp_path):
    """The exchange has made it two sessions ago."""
    old = open_source("sample").fetch(["PETR4"], dt.date(2024, 1, 2), dt.date(2024, 6, 26)).frame
    stub.files[YEARLY] = write_cotahist(old, tmp_path / "old.ZIP").read_bytes()
    frame = source.fetch(["PETR4"], dt.date(2024, 1, 2), WEEK[1]).frame
    assert (names(stub), len(frame)) == ([YEARLY, *DAILY[3:]], 124)


# --------------------------------------------------------------------- what goes wrong


def test_a_file_that_is_not_published_yet_leaves_the_others(source, stub):
    """The quotes of four sessions come, and the reason for the fifth."""
    del stub.files[FRIDAY]
    quotes = source.fetch(["PETR4"], *WEEK)
    assert len(quotes.frame) == 4
    [failure] = quotes.failures
    assert (failure.kind, failure.reason) == ("retryable", f"not published yet: {FRIDAY}")


def test_nothing_published_is_an_error_that_says_when(source, stub):
    """A 404 is not asked for again: it stays one until the evening."""
    del stub.files[FRIDAY]
    with pytest.raises(NotPublishedError, match="404") as caught:
        friday(source)
    assert "22:00" in caught.value.hint
    assert names(stub) == [FRIDAY]


def test_a_download_that_is_cut_goes_on_where_it_stopped(source, stub, exchange, pauses):
    """The second request asks for the rest alone."""
    stub.plays[FRIDAY] = [exchange.Play(cut=100)]
    assert friday(source).failures == ()
    assert [wanted for _, wanted in stub.asked] == [None, "bytes=100-"]
    assert stub.sent == [100, len(stub.files[FRIDAY]) - 100]
    assert len(pauses) == 1


def test_the_next_run_goes_on_where_the_last_one_stopped(stub, exchange, tmp_path):
    """The process may have ended in between."""
    stub.plays[FRIDAY] = [exchange.Play(cut=100), *[exchange.Play(503)] * 4]
    with pytest.raises(SourceError, match="503"):
        Downloads(tmp_path, stub.url, sleep=lambda _: None).bring(FRIDAY)
    path = Downloads(tmp_path, stub.url).bring(FRIDAY)
    assert stub.asked[-1] == (FRIDAY, "bytes=100-")
    assert path.read_bytes() == stub.files[FRIDAY]
    assert [file.name for file in tmp_path.iterdir()] == [FRIDAY]


def test_a_file_that_changed_meanwhile_is_begun_anew(source, stub, exchange):
    """The first part of one version and the rest of another make no file."""
    stub.plays[FRIDAY] = [exchange.Play(cut=100, tag='"of yesterday"')]
    assert friday(source).failures == ()
    assert [wanted for _, wanted in stub.asked] == [None, "bytes=100-"]


def test_a_server_without_ranges_sends_the_whole_again(source, stub, exchange, tmp_path):
    """And the whole replaces the part."""
    stub.plays[FRIDAY] = [exchange.Play(cut=100), exchange.Play(ranges=False)]
    assert friday(source).failures == ()
    assert (tmp_path / "cache" / FRIDAY).read_bytes() == stub.files[FRIDAY]


def test_a_server_that_promises_more_than_it_sends_is_not_believed(source, stub, exchange):
    """Five attempts, and the sizes are named; nothing counts as a file."""
    size = len(stub.files[FRIDAY])
    stub.plays[FRIDAY] = [exchange.Play(claims=size + 5, ranges=False)] * 5
    with pytest.raises(SourceError, match=f"{size:,} of {size + 5:,} bytes"):
        friday(source)
    assert len(stub.asked) == 5


def test_a_server_that_promises_less_than_the_file_has_is_found_out(source, stub, exchange):
    """The ZIP has no end: the file is begun anew, and refused when the same bytes come twice."""
    size = len(stub.files[FRIDAY]) - 50
    stub.plays[FRIDAY] = [exchange.Play(claims=size, cut=size)] * 5
    with pytest.raises(DamagedFileError, match="damaged ZIP"):
        friday(source)
    assert [wanted for _, wanted in stub.asked] == [None, None]


def test_the_same_damaged_file_is_not_downloaded_a_third_time(source, stub, tmp_path):
    """Its own name is in the message, not that of the part on its way; nothing stays of it."""
    stub.files[FRIDAY] = b"00COTAHIST.2024BOVESPA 20240628".ljust(245) + b"\r\n"
    with pytest.raises(DamagedFileError, match=rf"^{FRIDAY} breaks off after") as caught:
        friday(source)
    assert "the same bytes came twice" in caught.value.hint
    assert names(stub) == [FRIDAY, FRIDAY]
    assert not list((tmp_path / "cache").glob("*.ZIP*.part"))


def test_a_damaged_file_that_has_changed_is_downloaded_again(source, stub, exchange):
    """Each time it is cut elsewhere, and the third time it is whole."""
    size = len(stub.files[FRIDAY])
    stub.plays[FRIDAY] = [exchange.Play(claims=size - cut, cut=size - cut) for cut in (50, 40)]
    assert friday(source).failures == ()
    assert names(stub) == [FRIDAY] * 3


def test_a_truncated_file_in_a_whole_zip_is_refused(source, stub, tmp_path, exchange):
    """Its trailer says how many records there should be."""
    whole = open_source("sample").fetch(["PETR4", "VALE3"], WEEK[1], WEEK[1]).frame
    text = write_cotahist(whole, tmp_path / "a.txt").read_bytes()
    stub.files[FRIDAY] = text[:247] + text[494:]
    with pytest.raises(DamagedFileError, match="promises 4 records and holds 3"):
        friday(source)


def test_a_page_instead_of_a_file_is_refused(source, stub):
    """Some servers answer 200 with an apology."""
    stub.files[FRIDAY] = b"<html>temporarily unavailable</html>"
    with pytest.raises(DamagedFileError, match="<html>temporarily"):
        friday(source)


def test_503_is_tried_again_after_longer_and_longer_pauses(source, stub, exchange, pauses):
    """1, 2 and 4 seconds, each by chance half as long or half longer."""
    stub.plays[FRIDAY] = [exchange.Play(503)] * 3
    assert friday(source).failures == ()
    assert [0.5 * 2**n <= pause <= 1.5 * 2**n for n, pause in enumerate(pauses)] == [True] * 3


def test_the_pause_that_a_server_asks_for_is_kept(source, stub, exchange, pauses):
    """Retry-After in seconds; a date is taken for no answer."""
    when = format_datetime(NOW)
    stub.plays[FRIDAY] = [
        exchange.Play(503, headers=(("Retry-After", "7"),)),
        exchange.Play(503, headers=(("Retry-After", when),)),
    ]
    friday(source)
    assert pauses[0] == 7.0
    assert pauses[1] <= 3.0


def test_429_for_ever_stops_the_batch_and_keeps_what_came(source, stub, exchange):
    """More requests would not help: the files after it are not asked for."""
    stub.plays[DAILY[2]] = [exchange.Play(429)] * 5
    quotes = source.fetch(["PETR4"], *WEEK)
    assert quotes.frame["traded_at"].dt.day.tolist() == [24, 25]
    assert quotes.stopped
    assert names(stub) == [*DAILY[:2], *[DAILY[2]] * 5]


def test_429_from_the_first_file_on_brings_nothing_and_stops(source, stub, exchange):
    """The ingestion says so, and writes nothing."""
    stub.plays[FRIDAY] = [exchange.Play(429)] * 5
    quotes = friday(source)
    assert (len(quotes.frame), quotes.stopped) == (0, True)


def test_403_is_not_tried_again(source, stub, exchange):
    """The way out is a browser."""
    stub.plays[FRIDAY] = [exchange.Play(403)]
    with pytest.raises(SourceError, match="answered 403") as caught:
        friday(source)
    assert "--path" in caught.value.hint
    assert len(stub.asked) == 1


def test_a_server_that_is_not_there_is_an_error_of_ours(tmp_path, pauses):
    """No traceback of the network's library; five attempts."""
    downloads = Downloads(tmp_path, "http://127.0.0.1:9/", sleep=pauses.append, timeout=1)
    with pytest.raises(SourceError, match="could not be had"):
        downloads.bring(FRIDAY)
    assert len(pauses) == 4


@pytest.mark.parametrize("address", ["file:///etc/", "exchange"])
def test_an_address_that_is_no_web_address_is_refused(tmp_path, address):
    """A file of this machine is given as a path, not as an address."""
    with pytest.raises(ConfigError, match="no web address"):
        Downloads(tmp_path, address).bring(FRIDAY)


def test_a_damaged_file_of_the_cache_is_downloaded_again(source, stub, tmp_path):
    """Its checksum is wrong; nobody need delete it by hand."""
    friday(source)
    path = tmp_path / "cache" / FRIDAY
    body = bytearray(path.read_bytes())
    body[body.index(b"PK\x01\x02") + 16] ^= 1
    path.write_bytes(body)
    assert friday(source).failures == ()
    assert names(stub) == [FRIDAY, FRIDAY]


def test_damage_found_while_reading_removes_the_file_from_the_cache(source, stub, tmp_path):
    """This run ends, for the header was good and much is read by now; the next one is well."""
    friday(source)
    quotes = open_source("sample").fetch(["PETR4"], WEEK[1], WEEK[1]).frame
    text = write_cotahist(quotes, tmp_path / "a.txt").read_bytes()
    (tmp_path / "cache" / FRIDAY).write_bytes(text.replace(b"PETR4       010", b"PETR4       01O"))
    with pytest.raises(DamagedFileError, match="record 2: 'O' at position 27"):
        friday(source)
    assert friday(source).failures == ()
