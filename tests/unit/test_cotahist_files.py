"""Which files are the exchange's, and whole: of either era, under any name, with what edits add."""

import datetime as dt
import logging
import re
import zipfile

import pytest

from b3pipeline import lake
from b3pipeline.errors import DamagedFileError, SourceError, TruncatedFileError
from b3pipeline.ingest import ingest
from b3pipeline.sources import open_source
from b3pipeline.sources.cotahist import files
from b3pipeline.sources.cotahist.layout import Scope, scope_of_name
from b3pipeline.sources.cotahist.records import read_bars
from b3pipeline.sources.cotahist.writer import write_cotahist


def quote(ticker, day, isin="BRAAAAACNOR0"):
    """Return a record of the cash market written out by hand: 10.00 to 11.00, closed at 10.50."""
    prices = "".join(f"{price:013d}" for price in (1000, 1100, 900, 1025, 1050, 1050, 1050))
    return (
        f"01{day}02{ticker:<12}010{'MADE UP':<12}{'ON':<10}   R$  {prices}"
        f"00010{300:018d}{315000:018d}{0:013d}099991231{1:07d}{0:013d}{isin:<12}100"
    )


def text(*quotes, year=2024, made_on="20240628", count):
    """Return the bytes of a file whose trailer counts `count`."""
    about = f"COTAHIST.{year}BOVESPA {made_on}"
    lines = [f"00{about}".ljust(245), *quotes, f"99{about}{count:011d}".ljust(245)]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


TWO = [quote("AAAA3", "20240628"), quote("BBBB4", "20240628")]
WHOLE = text(*TWO, count=4)
DAY = dt.date(2024, 6, 28)


def save(path, body):
    """Write a file and return its path."""
    path.write_bytes(body)
    return path


# --------------------------------------------------------------------- what the trailer counts

ERAS = [
    ("COTAHIST_A2024.TXT", 2024, 4),
    ("COTAHIST_D28062024.TXT", 2024, 4),
    ("COTAHIST_M062024.TXT", 2024, 4),
    ("COTAHIST_A2025.TXT", 2025, 2),
    ("COTAHIST_A2025.TXT", 2025, 4),
    ("COTAHIST_D28062025.TXT", 2025, 2),
    ("COTAHIST_D28062025.TXT", 2025, 4),
    ("COTAHIST_A2026.TXT", 2026, 2),
    ("COTAHIST_M062026.TXT", 2026, 2),
    ("COTAHIST_D28062026.TXT", 2026, 2),
    ("renamed.txt", 2026, 2),
]


@pytest.mark.parametrize(("name", "year", "count"), ERAS)
def test_a_trailer_counts_all_records_up_to_2024_and_quotes_alone_later(
    tmp_path, name, year, count
):
    """The header's year decides; in 2025 the exchange changed over, so either is right."""
    quotes = [quote(ticker, f"{year}0628") for ticker in ("AAAA3", "BBBB4")]
    body = text(*quotes, year=year, made_on=f"{year}0628", count=count)
    assert read_bars(save(tmp_path / name, body))["ticker"].tolist() == ["AAAA3", "BBBB4"]


@pytest.mark.parametrize(
    ("year", "count", "kind", "message"),
    [
        (2024, 2, DamagedFileError, "promises 2 records and holds 4"),
        (2024, 5, TruncatedFileError, "promises 5 records and holds 4"),
        (2025, 3, TruncatedFileError, "promises 3 quotes and holds 2"),
        (2025, 1, DamagedFileError, "promises 1 quotes and holds 2"),
        (2025, 5, TruncatedFileError, "promises 5 quotes and holds 2"),
        (2026, 4, TruncatedFileError, "promises 4 quotes and holds 2"),
        (2026, 1, DamagedFileError, "promises 1 quotes and holds 2"),
    ],
)
def test_a_trailer_that_counts_otherwise_is_refused(tmp_path, year, count, kind, message):
    """A file of 2026 that has lost exactly two quotes does not pass as one of the old way."""
    quotes = [quote(ticker, f"{year}0628") for ticker in ("AAAA3", "BBBB4")]
    body = text(*quotes, year=year, made_on=f"{year}0628", count=count)
    with pytest.raises(DamagedFileError, match=message) as caught:
        read_bars(save(tmp_path / "a.txt", body))
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("year", "counted"),
    [
        (2023, b"00000000012"),
        (2024, b"00000000012"),
        (2025, b"00000000010"),
        (2026, b"00000000010"),
    ],
)
def test_a_file_made_of_quotes_counts_as_those_of_its_year(tmp_path, year, counted):
    """Ten quotes; up to 2024 header and trailer count too."""
    week = {2023: (5, 9), 2024: (3, 7), 2025: (2, 6), 2026: (8, 12)}[year]
    days = (dt.date(year, 6, week[0]), dt.date(year, 6, week[1]))
    quotes = open_source("sample").fetch(["PETR4", "VALE3", "ITUB4"], *days).frame.head(10)
    path = write_cotahist(quotes, tmp_path / "a.txt")
    trailer = path.read_bytes()[-247:]
    assert (trailer[:2], trailer[31:42]) == (b"99", counted)
    assert len(read_bars(path)) == 10


def test_quotes_of_a_new_file_reach_bronze(lake_cloud, tmp_path):
    """From the file of 2025 to the table, nothing missing."""
    days = ("20251229", "20251230")
    body = text(*(quote("AAAA3", day) for day in days), year=2025, made_on="20251230", count=2)
    source = open_source("cotahist", path=save(tmp_path / "COTAHIST_A2025.TXT", body))
    batch = ingest(lake_cloud, source, ["AAAA3"], "2025-12-29", "2025-12-30")
    assert batch.complete
    assert lake.read_bronze(lake_cloud)["close"].tolist() == [10.5, 10.5]


# ------------------------------------------------------------- bytes that carry nothing

MARK = b"\xef\xbb\xbf"
HARMLESS = {
    "an empty line": (WHOLE + b"\r\n", "2 bytes|4 bytes"),
    "several empty lines": (WHOLE + b"\n\r\n\n", "LF"),
    "the end mark of CP/M": (WHOLE + b"\x1a", "0x1A"),
    "the end mark on a line": (WHOLE + b"\x1a\r\n", "0x1A"),
    "a mark and no end of line": (WHOLE[:-2] + b"\x1a", "0x1A"),
    "a block filled up": (WHOLE + b"\x00" * 300, "302 bytes .*NUL"),
    "a record of blanks": (WHOLE + b" " * 245 + b"\r\n", "space"),
    "a byte-order mark behind": (WHOLE + MARK, "after the trailer: .*byte-order mark"),
    "a byte-order mark before": (MARK + WHOLE, "before the header: 3 bytes .byte-order mark"),
    "two of them and an empty line": (MARK + b"\r\n" + MARK + WHOLE, "before the header: 8 bytes"),
    "an empty line before": (b"\r\n" + WHOLE, "before the header: 2 bytes"),
    "another end of the last line": (WHOLE[:-2] + b"\n", "after the trailer: 1 byte .LF"),
    "all at once": (MARK + WHOLE + b"\r\n\x1a\x00\r\n", "before the header"),
}


@pytest.mark.parametrize("block", [1, 2, 4, 1 << 14])
@pytest.mark.parametrize(("body", "said"), HARMLESS.values(), ids=HARMLESS)
def test_a_file_whose_trailer_agrees_is_whole_whatever_filler_stands_around_it(
    tmp_path, monkeypatch, caplog, body, said, block
):
    """Both quotes come, and the log says how many bytes were passed over."""
    monkeypatch.setattr(files.read_blocks, "__defaults__", (block,))
    with caplog.at_level(logging.WARNING):
        bars = read_bars(save(tmp_path / "a.txt", body))
    assert bars["ticker"].tolist() == ["AAAA3", "BBBB4"]
    assert any(re.search(said, line) for line in caplog.messages)


HARMFUL = {
    "the end mark in the middle": (WHOLE[:494] + b"\x1a" + WHOLE[494:], "record 3: it has 246"),
    "the end mark in a record": (WHOLE[:500] + b"\x1a" + WHOLE[501:], "record 3: '.x1a' at pos"),
    "an empty line in the middle": (WHOLE[:494] + b"\r\n" + WHOLE[494:], "record 3: it has 0 by"),
    "a mark in the middle": (WHOLE[:494] + MARK + WHOLE[494:], "record 3: it has 248 bytes"),
    "NULs instead of a record": (WHOLE[:494] + b"\0" * 245 + WHOLE[739:], "record 3: its type is"),
    "letters after the trailer": (WHOLE + b"\r\nthe end\r\n", "record 5: it has 0 bytes"),
    "a record after an empty line": (WHOLE + b"\r\n" + WHOLE[247:494], "record 5: it has 0 bytes"),
    "empty lines, and a wrong count": (text(*TWO, count=5) + b"\r\n\r\n", "promises 5 records"),
    "empty lines, and no trailer": (WHOLE[:-247] + b"\r\n\r\n", "record 4: it has 0 bytes"),
    "the end mark, and no trailer": (WHOLE[:-247] + b"\x1a", "breaks off in record 4"),
    "a NUL before": (b"\0" + WHOLE, "no COTAHIST file: it begins with"),
    "UTF-16 with its mark": (WHOLE.decode("latin-1").encode("utf-16"), "two bytes a letter"),
    "UTF-16 without": (WHOLE.decode("latin-1").encode("utf-16-le"), "two bytes a letter"),
    "nothing but a mark": (MARK, "no COTAHIST file"),
    "nothing but empty lines": (b"\r\n" * 500, "no COTAHIST file"),
}


@pytest.mark.parametrize(("body", "message"), HARMFUL.values(), ids=HARMFUL)
def test_filler_elsewhere_is_damage(tmp_path, body, message):
    """And so is any byte after the trailer that carries something."""
    with pytest.raises(DamagedFileError, match=message):
        read_bars(save(tmp_path / "a.txt", body))


def test_filler_does_not_hide_how_long_it_is(tmp_path):
    """Two megabytes of NULs are no end of a file: the disk has lost something."""
    with pytest.raises(DamagedFileError, match="record 5: it has"):
        read_bars(save(tmp_path / "a.txt", WHOLE + b"\0" * (2 << 20)))


@pytest.mark.parametrize("isin", ["", "0" * 12, "BRAAAA"], ids=["blank", "zeros", "cut"])
def test_a_record_without_isin_is_no_quote_and_says_why(tmp_path, isin):
    """It tells shares from receipts: without it nothing is guessed."""
    body = text(TWO[0], quote("BBBB4", "20240628", isin), count=4)
    path = save(tmp_path / "COTAHIST_D28062024.TXT", body)
    quotes = open_source("cotahist", path=path).fetch(["AAAA3", "BBBB4"], DAY, DAY)
    [failure] = quotes.failures
    assert quotes.frame["ticker"].tolist() == ["AAAA3"]
    assert (failure.ticker, failure.kind, failure.days) == ("BBBB4", "empty", {"2024-06-28"})
    assert "COTAHIST_D28062024.TXT: its ISIN is missing (positions 231-242)" in failure.reason


# ----------------------------------------------------------------------- files in a folder

YEARS = (dt.date(2000, 12, 28), dt.date(2002, 1, 2))


def of_year(year, day, made_on):
    """Return a file of one quote of AAAA3."""
    return text(quote("AAAA3", day), year=year, made_on=made_on, count=3)


@pytest.fixture
def folder(tmp_path):
    """A folder with three years, as the exchange's ZIPs of their time name them."""
    made = tmp_path / "history"
    made.mkdir()
    save(made / "COTAHIST.A2000", of_year(2000, "20001228", "20001228"))
    save(made / "COTAHIST_A2001", of_year(2001, "20010102", "20060331"))
    save(made / "cotahist_a2002.txt", of_year(2002, "20020102", "20021230"))
    return made


def days_of(folder):
    """Return the sessions of AAAA3 that a folder's files hold."""
    frame = open_source("cotahist", path=folder).fetch(["AAAA3"], *YEARS).frame
    return frame["traded_at"].astype(str).tolist()


def test_old_years_without_a_suffix_are_read(folder, caplog):
    """And nothing is said, for nothing is passed over."""
    assert days_of(folder) == ["2000-12-28", "2001-01-02", "2002-01-02"]
    assert caplog.messages == []


def test_a_folder_of_one_file_without_a_suffix_is_read(folder):
    """The only one there."""
    (folder / "COTAHIST_A2001").unlink()
    (folder / "cotahist_a2002.txt").unlink()
    assert days_of(folder) == ["2000-12-28"]


def test_what_is_not_the_exchanges_is_passed_over_and_named(folder, caplog):
    """A layout, notes, a foreign ZIP, a damaged one, a part, a hidden file, a folder of more."""
    save(folder / "SeriesHistoricas_Layout.pdf", b"%PDF-1.7")
    save(folder / "README.txt", b"Downloaded on Monday.\n")
    save(folder / "COTAHIST_A2003.ZIP.part", b"PK\x03\x04")
    save(folder / "empty", b"")
    save(folder / ".DS_Store", b"\0\0\0\1Bud1")
    save(folder / "broken.zip", b"PK\x03\x04 no ZIP")
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        archive.writestr("cat.jpg", b"\xff\xd8")
    (folder / "more").mkdir()
    assert days_of(folder) == ["2000-12-28", "2001-01-02", "2002-01-02"]
    [said] = caplog.messages
    assert "passed over, no file of the exchange: .DS_Store, COTAHIST_A2003.ZIP.part, " in said
    for name in ("README.txt", "SeriesHistoricas_Layout.pdf", "empty", "broken.zip", "photos.zip"):
        assert name in said
    assert "more" in said


def test_what_is_passed_over_is_said_once(folder, caplog):
    """The ingestion asks for twenty tickers at a time."""
    save(folder / "README.txt", b"notes")
    source = open_source("cotahist", path=folder)
    for _ in range(2):
        assert not source.simulated
        source.fetch(["AAAA3"], *YEARS)
    assert len(caplog.messages) == 1


def test_a_file_under_another_name_is_known_by_its_header(folder):
    """Unpacked, packed, and as a browser calls a second download."""
    names = {"COTAHIST.A2000": "old", "COTAHIST_A2001": "COTAHIST_A2001 (1).TXT"}
    for name, other in names.items():
        (folder / name).rename(folder / other)
    assert days_of(folder) == ["2000-12-28", "2001-01-02", "2002-01-02"]


def test_a_damaged_file_of_the_exchanges_name_is_not_passed_over(folder):
    """Else its year would be lacking in silence."""
    save(folder / "COTAHIST_A2001", b"<html>sorry</html>")
    with pytest.raises(DamagedFileError, match="COTAHIST_A2001 is no COTAHIST file"):
        days_of(folder)


def test_a_folder_without_a_file_of_the_exchange_names_what_it_holds(tmp_path):
    """And what to put there."""
    save(tmp_path / "README.txt", b"notes")
    with pytest.raises(SourceError, match=r"no file of the exchange, but README.txt") as caught:
        open_source("cotahist", path=tmp_path).fetch(["AAAA3"], *YEARS)
    assert "COTAHIST_A2024.ZIP" in caught.value.hint


@pytest.mark.parametrize("member", ["COTAHIST.A2000", "COTAHIST_A2000", "cotahist", "a/b.dat"])
def test_the_member_of_a_zip_may_be_called_anything(tmp_path, member):
    """Its name has varied over the years."""
    with zipfile.ZipFile(tmp_path / "COTAHIST_A2000.ZIP", "w") as archive:
        archive.writestr(member, of_year(2000, "20001228", "20001228"))
    assert days_of(tmp_path) == ["2000-12-28"]


def test_of_a_zip_with_more_members_the_one_with_a_header_is_read(tmp_path):
    """The packer of macOS adds a member beside each file."""
    with zipfile.ZipFile(tmp_path / "COTAHIST_A2000.ZIP", "w") as archive:
        archive.writestr("__MACOSX/._COTAHIST.A2000", b"\0\5\x16\7")
        archive.writestr("COTAHIST.A2000", of_year(2000, "20001228", "20001228"))
        archive.writestr("LEIAME.TXT", b"layout")
    assert days_of(tmp_path) == ["2000-12-28"]


@pytest.mark.parametrize("name", ["COTAHIST.A2000", "COTAHIST_A2000", "cotahist_a2000.txt"])
def test_a_name_without_a_suffix_promises_its_year(name):
    """As with one."""
    assert scope_of_name(name) == Scope(dt.date(2000, 1, 1), dt.date(2000, 12, 31))
