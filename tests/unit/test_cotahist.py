"""The exchange's history files: read to the byte, refused whole where one byte is wrong."""

import datetime as dt
import os
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from b3pipeline import lake
from b3pipeline.errors import ConfigError, DamagedFileError, SourceError, TruncatedFileError
from b3pipeline.ingest import ingest
from b3pipeline.sources import open_source
from b3pipeline.sources.base import QUOTE_COLUMNS, check_frame
from b3pipeline.sources.cotahist import files
from b3pipeline.sources.cotahist.layout import Scope, scope_of_name
from b3pipeline.sources.cotahist.records import check_file, read_bars, read_header
from b3pipeline.sources.cotahist.writer import as_traded, write_cotahist

REAL = Path(__file__).parents[3] / "shared" / "data" / "COTAHIST_D08112024.ZIP"
DAY = dt.date(2024, 6, 28)


def record(ticker="PETR4", day="20240628", market="010", kind="ACN", per=1, close=3750):
    """Return a record written out by hand, field by field of the exchange's layout."""
    return (
        f"01{day}02{ticker:<12}{market}PETROBRAS   PN      N2   R$  "
        "0000000003700"  # open 37.00
        "0000000003810"  # high 38.10
        "0000000003680"  # low 36.80
        "0000000003741"  # mean
        f"{close:013d}"
        "0000000003749"  # bid
        "0000000003750"  # ask
        "18807"  # trades
        "000000000000003000"  # shares
        "000000000011223000"  # BRL
        "0000000000000"  # strike
        "0"
        "99991231"
        f"{per:07d}"
        "0000000000000"
        f"BRPETR{kind}PR6"
        "214"
    )


def content(*records, name="COTAHIST.2024", made_on="20240628", count=None):
    """Return the lines of a file: a header, records, a trailer that counts them all."""
    ends = f"{name}BOVESPA {made_on}"
    number = len(records) + 2 if count is None else count
    return [f"00{ends}".ljust(245), *records, f"99{ends}{number:011d}".ljust(245)]


def save(path, lines, end="\r\n"):
    """Write lines as the exchange does: latin-1, each with its end."""
    path.write_bytes("".join(line + end for line in lines).encode("latin-1"))
    return path


THREE = [record("PETR3"), record("PETR4"), record("VALE3")]


# ------------------------------------------------------------------------------ what is read


def test_a_record_becomes_a_frame_of_quotes(tmp_path):
    """Prices in reais, volume in shares, midnight, and nothing adjusted."""
    path = save(tmp_path / "COTAHIST_D28062024.TXT", content(record("PETR4")))
    quotes = open_source("cotahist", path=path).fetch(["PETR4"], DAY, DAY)
    expected = pd.DataFrame(
        [["PETR4", "2024-06-28", 37.0, 38.1, 36.8, 37.5, 37.5, 3000, 0.0, 0.0]],
        columns=list(QUOTE_COLUMNS),
    ).astype(QUOTE_COLUMNS)
    assert quotes.failures == ()
    assert check_frame(quotes.frame) is quotes.frame
    pd.testing.assert_frame_equal(quotes.frame, expected, check_exact=True)


def test_prices_per_thousand_shares_become_prices_a_share(tmp_path):
    """FATCOT 1000: 37.50 for a thousand shares is 0.0375 a share."""
    path = save(tmp_path / "a.txt", content(record("CBEE3", per=1000)))
    frame = open_source("cotahist", path=path).fetch(["CBEE3"], DAY, DAY).frame
    assert (frame["close"].item(), frame["volume"].item()) == (0.0375, 3000)


@pytest.mark.parametrize("end", ["\r\n", "\n"], ids=["CRLF", "LF"])
@pytest.mark.parametrize("packed", [False, True], ids=["text", "zip"])
def test_either_end_of_line_in_a_zip_or_not(tmp_path, end, packed):
    """The member of the ZIP may be called anything, and a letter beyond ASCII does no harm."""
    lines = content(record("PETR4").replace("PETROBRAS   ", "PETROBRÁS   "), record("VALE3"))
    path = save(tmp_path / "some.txt", lines, end)
    if packed:
        path = pack(tmp_path / "some.zip", {"COTAHIST.A2024": path.read_bytes()})
    assert read_bars(path)["ticker"].tolist() == ["PETR4", "VALE3"]


def pack(path, members):
    """Write a ZIP of some members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return path


def test_the_last_record_may_lack_its_end_of_line(tmp_path):
    """Old files do."""
    path = save(tmp_path / "a.txt", content(*THREE))
    path.write_bytes(path.read_bytes().removesuffix(b"\r\n"))
    assert len(read_bars(path)) == 3


@pytest.mark.parametrize("block", [1, 2, 3, 5], ids=str)
def test_the_size_of_a_block_changes_nothing(tmp_path, monkeypatch, block):
    """Header, trailer and records may fall on any side of a block's edge."""
    monkeypatch.setattr(files.read_blocks, "__defaults__", (block,))
    path = save(tmp_path / "a.txt", content(*THREE))
    assert read_bars(path)["record"].tolist() == [2, 3, 4]


def test_only_round_lots_of_the_cash_market_are_quotes(tmp_path):
    """Not the odd lot, not an option; what the BDI code says does not matter."""
    path = save(
        tmp_path / "a.txt",
        content(
            record("PETR4"),
            record("PETR4F", market="020"),
            record("PETRF375", market="070"),
            record("GOLL4").replace("2024062802", "2024062858"),
        ),
    )
    assert read_bars(path)["ticker"].tolist() == ["PETR4", "GOLL4"]


def test_shares_units_and_funds_are_quoted_and_other_paper_is_named(tmp_path):
    """A receipt of a foreign share is in the file and is no quote of this source."""
    kinds = {"PETR4": "ACN", "KLBN11": "CDA", "SANB11": "UNT", "BOVA11": "CTF", "AAPL34": "BDR"}
    path = save(tmp_path / "a.txt", content(*(record(t, kind=k) for t, k in kinds.items())))
    quotes = open_source("cotahist", path=path).fetch(list(kinds), DAY, DAY)
    assert quotes.frame["ticker"].tolist() == ["BOVA11", "KLBN11", "PETR4", "SANB11"]
    [failure] = quotes.failures
    assert (failure.ticker, failure.kind) == ("AAPL34", "empty")
    assert failure.reason == "a.txt: it is no share, unit or fund quota but BDR"


def test_a_ticker_that_no_file_names_was_not_traded_and_is_not_unknown(tmp_path):
    """A whole file names all that was traded: its silence is an answer, and stops no batch."""
    path = save(tmp_path / "COTAHIST_D28062024.TXT", content(record("PETR4")))
    [failure] = open_source("cotahist", path=path).fetch(["PETR4", "ZZZZ3"], DAY, DAY).failures
    assert (failure.ticker, failure.kind, failure.days) == ("ZZZZ3", "no_trade", {"2024-06-28"})
    assert "COTAHIST_D28062024.TXT never names it" in failure.reason


def test_a_whole_file_settles_the_sessions_of_a_share_that_was_not_traded(tmp_path):
    """Named on the 27th, not on the 28th; of the 26th the file holds nothing of anybody."""
    rows = [record("PETR4"), record("PETR4", day="20240627"), record("VALE3", day="20240627")]
    path = save(tmp_path / "a.txt", content(*rows))
    quotes = open_source("cotahist", path=path).fetch(["PETR4", "VALE3"], dt.date(2024, 6, 26), DAY)
    assert [(failure.ticker, failure.kind, failure.days) for failure in quotes.failures] == [
        ("PETR4", "empty", {"2024-06-26"}),
        ("VALE3", "empty", {"2024-06-26"}),
        ("VALE3", "no_trade", {"2024-06-28"}),
    ]
    assert "no trade on 1 of 2 sessions in a.txt" in quotes.failures[2].reason
    assert "no file here holds 2024-06-26" in quotes.failures[0].reason


def test_a_range_without_a_session_asks_no_file(tmp_path):
    """A weekend; the file is not even there."""
    source = open_source("cotahist", path=tmp_path / "nothing.txt")
    quotes = source.fetch(["PETR4"], dt.date(2024, 6, 29), dt.date(2024, 6, 30))
    assert [failure.kind for failure in quotes.failures] == ["closed"]


def test_bars_of_an_hour_are_not_on_offer(tmp_path):
    """The files are daily."""
    with pytest.raises(ConfigError, match="60m"):
        open_source("cotahist", path=tmp_path).fetch(["PETR4"], DAY, DAY, "60m")


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("COTAHIST_D28062024.ZIP", Scope(DAY, DAY)),
        ("cotahist_m022024.txt", Scope(dt.date(2024, 2, 1), dt.date(2024, 2, 29))),
        ("COTAHIST_A2024.ZIP", Scope(dt.date(2024, 1, 1), dt.date(2024, 12, 31))),
        ("COTAHIST_D31022024.ZIP", None),
        ("quotes.zip", None),
    ],
)
def test_a_name_promises_a_day_a_month_or_a_year(name, scope):
    """As the exchange names its files; a name of one's own promises nothing."""
    assert scope_of_name(name) == scope


# --------------------------------------------------------------------------- several files


def test_a_folder_is_read_as_one_source(tmp_path):
    """Files of the range alone are opened; a bar that two of them hold comes once."""
    before = content(record("PETR4", day="20240627"), made_on="20240627")
    save(tmp_path / "COTAHIST_D27062024.TXT", before)
    save(tmp_path / "COTAHIST_D28062024.TXT", content(record("PETR4")))
    save(tmp_path / "copy.txt", content(record("PETR4")))
    (tmp_path / "COTAHIST_A2023.TXT").write_bytes(b"never read")
    source = open_source("cotahist", path=tmp_path)
    frame = source.fetch(["PETR4"], dt.date(2024, 6, 26), DAY).frame
    assert frame["traded_at"].dt.day.tolist() == [27, 28]


def test_two_files_that_disagree_are_refused(tmp_path):
    """Nobody knows which of the two is right."""
    save(tmp_path / "COTAHIST_D28062024.TXT", content(record("PETR4")))
    save(tmp_path / "copy.txt", content(record("PETR4", close=3760)))
    with pytest.raises(DamagedFileError, match=r"copy.txt, record 2: PETR4 on 2024-06-28"):
        open_source("cotahist", path=tmp_path).fetch(["PETR4"], DAY, DAY)


def test_a_path_without_a_file_of_the_range_says_so(tmp_path):
    """The file of another day."""
    path = save(tmp_path / "COTAHIST_D28062024.TXT", content(record("PETR4")))
    with pytest.raises(SourceError, match="holds nothing of 2024-06-03 to 2024-06-04"):
        open_source("cotahist", path=path).fetch(
            ["PETR4"], dt.date(2024, 6, 3), dt.date(2024, 6, 4)
        )


def test_a_path_that_is_not_there_is_named(tmp_path):
    """And what to see to."""
    with pytest.raises(SourceError, match=r"nowhere.zip cannot be read"):
        open_source("cotahist", path=tmp_path / "nowhere.zip").fetch(["PETR4"], DAY, DAY)


def test_a_file_is_parsed_once_for_many_fetches(tmp_path):
    """The ingestion asks for 20 tickers at a time; a year takes seconds."""
    path = save(tmp_path / "COTAHIST_D28062024.TXT", content(*THREE))
    source = open_source("cotahist", path=path)
    source.fetch(["PETR4"], DAY, DAY)
    state = path.stat()
    path.write_bytes(path.read_bytes().replace(b"VALE3", b"VALE5"))  # as long as before
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert source.fetch(["VALE3"], DAY, DAY).failures == ()


# ------------------------------------------------------------------------- what is refused


def change(lines, number, position, text):
    """Return lines with `text` at a position (both counted from 1) of one of them."""
    line = lines[number - 1]
    changed = line[: position - 1] + text + line[position - 1 + len(text) :]
    return [*lines[: number - 1], changed, *lines[number:]]


WHOLE = content(*THREE)
OTHER_YEAR = content(record("ITUB4", day="20230630"), name="COTAHIST.2023", made_on="20230630")
DAMAGE = {
    "a record too short": (
        [*WHOLE[:2], WHOLE[2][:-5], *WHOLE[3:]],
        "record 3: it has 240 bytes instead of 245",
    ),
    "a record too long": ([*WHOLE[:3], WHOLE[3] + " ", WHOLE[4]], "record 4: it has 246 bytes"),
    "an end of line within a name": (
        change(WHOLE, 3, 30, "\n"),
        "record 3: it has 29 bytes instead of 245",
    ),
    "a letter in a price": (
        change(WHOLE, 3, 110, "O"),
        "record 3: 'O' at position 110, where a digit must be",
    ),
    "a space in the volume": (change(WHOLE, 4, 160, " "), "record 4: '' at position 160"),
    "an option's price damaged": (
        change(content(record("PETRF375", market="070")), 2, 60, "-"),
        "record 2: '-' at position 60",
    ),
    "a date of another year": (
        change(WHOLE, 3, 3, "2023"),
        "record 3: the date 20230628; by its header the file holds 2024-01-01 to 2024-06-28",
    ),
    "a date after the file was made": (change(WHOLE, 3, 3, "20240701"), "record 3: the date"),
    "a day that no month has": (
        change(WHOLE, 3, 3, "20240431"),
        "record 3: 20240431 is no date of the calendar",
    ),
    "prices of no shares": (change(WHOLE, 2, 211, "0000000"), "record 2: its prices are of 0"),
    "another type": (change(WHOLE, 2, 1, "02"), "record 2: its type is '02' instead of '01'"),
    "no header": (WHOLE[1:], "record 1: it begins with '0120240628"),
    "no trailer": (WHOLE[:-1], "breaks off after record 4: it has no trailer"),
    "a trailer that counts more": (
        content(*THREE, count=6),
        "promises 6 records and holds 5, as its trailer shows .record 5.",
    ),
    "a trailer that counts less": (content(*THREE, count=4), "promises 4 records and holds 5"),
    "a trailer that counts nothing": (change(WHOLE, 5, 32, "x"), "record 5: the trailer counts"),
    "records after the trailer": (
        [*WHOLE, record("ITUB4")],
        "record 5: a trailer, and records after it",
    ),
    "two files one after the other": ([*WHOLE, *WHOLE], "record 5: a trailer, and records after"),
    "a header among the records": (
        [*WHOLE[:3], WHOLE[0], *WHOLE[3:]],
        "record 4: a second header: two files are mixed",
    ),
    "the trailer of another file": (
        [*WHOLE[:-1], OTHER_YEAR[-1]],
        "record 5: the trailer is of 'COTAHIST.2023BOVESPA'",
    ),
    "a record of another file": ([*WHOLE[:3], OTHER_YEAR[1], *WHOLE[3:]], "record 4: the date"),
    "a record twice": (
        content(*THREE, THREE[0]),
        "record 5: PETR3 on 2024-06-28 a second time: two files are mixed",
    ),
    "two wrong records, the later one worse": (
        change(change(WHOLE, 4, 1, "02"), 3, 110, "O"),
        "record 3: 'O' at position 110",
    ),
    "no text of the exchange": (["<html>not here</html>"], "begins with '<html>not here"),
    "nothing at all": ([], "begins with ''"),
}


@pytest.mark.parametrize("block", [2, 1 << 14], ids=["small blocks", "one block"])
@pytest.mark.parametrize(("lines", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_refused_with_the_record_and_what_was_found(
    tmp_path, monkeypatch, lines, message, block
):
    """Nothing of it is used, however small the damage."""
    monkeypatch.setattr(files.read_blocks, "__defaults__", (block,))
    path = save(tmp_path / "a.txt", lines)
    if block == 2:  # where a trailer ends a block, what comes after it is what is named
        message = message.replace("record 5: a trailer, and records after it", "record [56]: ")
        message = message.replace("record 5: a trailer, and records after", "record [56]: ")
    with pytest.raises(DamagedFileError, match=message):
        read_bars(path)


def test_a_file_that_breaks_off_in_a_record_is_truncated(tmp_path):
    """The usual end of a download that was cut."""
    path = save(tmp_path / "a.txt", WHOLE)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(TruncatedFileError, match=r"breaks off in record 3, after 106 of its 245"):
        read_bars(path)


def test_lines_that_end_in_two_ways_are_two_files(tmp_path):
    """Someone has pasted them together."""
    path = save(tmp_path / "a.txt", WHOLE)
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n", 4).replace(b"\n", b"\r\n", 3))
    with pytest.raises(DamagedFileError, match="record 4: it ends with LF, those before it"):
        read_bars(path)


def test_the_name_of_a_daily_file_is_kept_to(tmp_path):
    """The day before is within the year, and is not the day of this file."""
    lines = content(record("PETR4"), record("VALE3", day="20240627"))
    path = save(tmp_path / "COTAHIST_D28062024.TXT", lines)
    with pytest.raises(
        DamagedFileError,
        match="record 3: the date 20240627; by its name the file holds 2024-06-28",
    ):
        read_bars(path)


def packed(path):
    """Write a ZIP of a whole file."""
    body = save(path.with_suffix(".txt"), WHOLE).read_bytes()
    return pack(path, {"COTAHIST.TXT": body}), body


def test_a_zip_of_several_files_is_refused(tmp_path):
    """Nobody knows which of them is the right one."""
    path, body = packed(tmp_path / "a.zip")
    pack(path, {"one.txt": body, "two.txt": body})
    with pytest.raises(DamagedFileError, match=r"holds 2 \(one.txt, two.txt\)"):
        read_bars(path)


def test_an_empty_zip_is_refused(tmp_path):
    """Its member is missing."""
    with pytest.raises(DamagedFileError, match=r"holds 0 \(none\)"):
        read_bars(pack(tmp_path / "a.zip", {}))


@pytest.mark.parametrize(
    ("part", "offset"),
    [(b"COTAHIST.TXT", 30), (b"PK\x01\x02", 16), (b"PK\x05\x06", 16)],
    ids=["data", "checksum", "directory"],
)
def test_a_zip_with_a_wrong_byte_is_refused(tmp_path, part, offset):
    """Its text does not unpack, its checksum does not fit, or its directory is not found."""
    path, _ = packed(tmp_path / "a.zip")
    body = bytearray(path.read_bytes())
    body[body.index(part) + offset] ^= 0x20
    path.write_bytes(body)
    with pytest.raises(DamagedFileError, match=r"a\.zip"):
        read_bars(path)


def test_a_zip_that_was_cut_is_refused(tmp_path):
    """Its directory stands at the end."""
    path, _ = packed(tmp_path / "a.zip")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DamagedFileError, match="damaged ZIP"):
        read_bars(path)


def test_a_damaged_file_brings_nothing_of_the_others(tmp_path):
    """A folder with one bad file is refused as a whole."""
    save(tmp_path / "COTAHIST_D28062024.TXT", content(record("PETR4")))
    save(tmp_path / "other.txt", change(content(record("VALE3")), 2, 110, "O"))
    with pytest.raises(DamagedFileError, match=r"other.txt, record 2"):
        open_source("cotahist", path=tmp_path).fetch(["PETR4"], DAY, DAY)


def test_of_a_damaged_file_nothing_reaches_bronze(lake_cloud, tmp_path):
    """The whole day before it was good, and is not written either."""
    before = content(record("PETR4", day="20240627"), made_on="20240627")
    save(tmp_path / "COTAHIST_D27062024.TXT", before)
    save(tmp_path / "COTAHIST_D28062024.TXT", content(record("PETR4"), count=4))
    source = open_source("cotahist", path=tmp_path)
    with pytest.raises(TruncatedFileError, match="promises 4 records and holds 3"):
        ingest(lake_cloud, source, ["PETR4"], "2024-06-27", "2024-06-28")
    assert lake.read_bronze(lake_cloud).empty


# --------------------------------------------------------------------------- made by hand


@pytest.fixture(scope="module")
def simulated():
    """A year of two simulated shares, one of which is merged fifteen to one in June."""
    days = (dt.date(2025, 1, 2), dt.date(2025, 12, 30))
    return open_source("sample").fetch(["HAPV3", "PETR4"], *days).frame


def test_quotes_survive_a_round_trip(tmp_path, simulated):
    """Without a split, what is read is what was written, to the last digit."""
    quotes = simulated[simulated["ticker"] == "PETR4"].reset_index(drop=True)
    path = write_cotahist(quotes, tmp_path / "COTAHIST_A2025.ZIP")
    source = open_source("cotahist", path=path)
    back = source.fetch(["PETR4"], dt.date(2025, 1, 1), dt.date(2025, 12, 31)).frame
    columns = ["ticker", "traded_at", "open", "high", "low", "close", "volume"]
    pd.testing.assert_frame_equal(back[columns], quotes[columns], check_exact=True)
    assert back["adj_close"].equals(back["close"])


def test_a_file_made_of_quotes_is_simulated_and_says_so(tmp_path, simulated):
    """Whoever shows its quotes can say so, too."""
    path = write_cotahist(simulated, tmp_path / "year.txt")
    assert open_source("cotahist", path=path).simulated
    assert path.read_bytes()[:31] == b"00COTAHIST.2025SIMULADO20251230"
    plain = save(tmp_path / "plain.txt", WHOLE)
    assert not open_source("cotahist", path=plain).simulated


def test_splits_are_undone_as_the_exchange_has_them():
    """Two for one on the second day: before it the share cost twice as much, and half as many."""
    rows = [
        ["AAAA3", "2024-06-26", 10.0, 10.5, 9.5, 10.01, 10.01, 200, 0.0, 0.0],
        ["AAAA3", "2024-06-27", 10.0, 10.5, 9.5, 10.00, 10.00, 300, 0.0, 2.0],
        ["AAAA3", "2024-06-28", 10.0, 10.5, 9.5, 10.02, 10.02, 400, 0.0, 0.0],
    ]
    traded = as_traded(pd.DataFrame(rows, columns=list(QUOTE_COLUMNS)).astype(QUOTE_COLUMNS))
    assert traded["close"].tolist() == [20.02, 10.00, 10.02]
    assert traded["volume"].tolist() == [100, 300, 400]


def test_two_years_do_not_fit_into_one_file(tmp_path, simulated):
    """The header has room for one."""
    other = simulated.assign(traded_at=simulated["traded_at"] + dt.timedelta(days=300))
    with pytest.raises(SourceError, match="the years 2025, 2026"):
        write_cotahist(other, tmp_path / "a.zip")


def test_a_folder_gets_a_file_for_each_year(tmp_path):
    """And is read as one source."""
    days = (dt.date(2023, 12, 27), dt.date(2024, 1, 3))
    quotes = open_source("sample").fetch(["PETR4"], *days).frame
    folder = write_cotahist(quotes, tmp_path / "exchange")
    assert sorted(file.name for file in folder.iterdir()) == [
        "COTAHIST_A2023.ZIP",
        "COTAHIST_A2024.ZIP",
    ]
    back = open_source("cotahist", path=folder).fetch(["PETR4"], *days).frame
    assert back["close"].tolist() == quotes["close"].tolist()


def test_a_session_without_trades_does_not_fit(tmp_path, simulated):
    """The exchange lists what was traded."""
    quotes = simulated.copy()
    quotes.loc[3, "volume"] = 0
    with pytest.raises(SourceError, match="the volume of HAPV3 on 2025-01-07: 0"):
        write_cotahist(quotes, tmp_path / "a.zip")


# ----------------------------------------------------------------------------- the real one

real = pytest.mark.skipif(
    not REAL.is_file(), reason="the exchange's own file is not beside the checkout (../shared)"
)


@real
def test_the_exchanges_own_file_is_whole():
    """12,228 records of 8 November 2024, every one of them checked."""
    check_file(REAL)
    header = read_header(REAL)
    assert (header.year, header.origin, header.made_on) == (2024, "BOVESPA", dt.date(2024, 11, 8))


@real
def test_the_exchanges_own_quotes_are_read():
    """Figures copied from the file's text by eye."""
    day = dt.date(2024, 11, 8)
    wanted = ["PETR4", "VALE3", "BOVA11", "LIGT3", "GOLL4", "FNAM11", "PETR4F", "AAPL34"]
    quotes = open_source("cotahist", path=REAL).fetch(wanted, day, day)
    frame = quotes.frame.set_index("ticker")
    assert frame.loc["PETR4", ["open", "high", "low", "close"]].tolist() == [
        35.85, 36.32, 35.54, 36.18,
    ]  # fmt: skip
    assert frame.loc["PETR4", "volume"] == 49_792_700
    assert frame.loc["BOVA11", "close"] == 124.5
    assert frame.loc["FNAM11", "close"] == 0.00036  # 0.36 for a thousand
    assert {"LIGT3", "GOLL4"} <= set(frame.index)  # neither has the BDI code 02
    assert {failure.ticker: failure.kind for failure in quotes.failures} == {
        "PETR4F": "no_trade",  # an odd lot: the cash market of round lots does not name it
        "AAPL34": "empty",
    }


@real
def test_the_exchanges_own_file_cut_anywhere_is_refused(tmp_path):
    """By its ZIP where that is cut, by its records where its text is."""
    with zipfile.ZipFile(REAL) as archive:
        text = archive.read(archive.namelist()[0])
    for length in (0, 100, 247, 100_000, 247 * 12_227, len(text) - 3):
        path = tmp_path / "cut.txt"
        path.write_bytes(text[:length])
        with pytest.raises(DamagedFileError):
            read_bars(path)
