"""What became of a ticker: the table that is shipped, and the user's own beside it."""

import csv
import datetime as dt
from importlib.resources import files

import pytest

from b3pipeline.errors import ConfigError
from b3pipeline.sources.renamed import VARIABLE, successors, told


@pytest.fixture
def own_table(tmp_path, monkeypatch):
    """Write a table of the user's, and have it read."""

    def write(*lines, head="old,new,since,source"):
        path = tmp_path / "mine.csv"
        path.write_text("\n".join([head, *lines]), encoding="utf-8")
        monkeypatch.setenv(VARIABLE, str(path))
        return path

    return write


def test_a_ticker_that_was_renamed_twice_leads_to_its_code_of_today():
    """Via Varejo, Via, Casas Bahia."""
    assert [(each.new, each.since) for each in successors("VVAR3")] == [
        ("VIIA3", "2021-08-16"),
        ("BHIA3", "2023-09-20"),
    ]
    assert told("VVAR3") == (
        "VVAR3 is called VIIA3 since 2021-08-16, VIIA3 is called BHIA3 since 2023-09-20"
    )


def test_of_a_ticker_that_kept_its_name_nothing_is_told():
    """Most of them."""
    assert (successors("PETR4"), told("PETR4")) == ([], "")


def test_every_line_of_the_table_has_a_date_and_a_source():
    """A year alone where the day is not known; no ticker twice."""
    text = files("b3pipeline.sources").joinpath("renamed.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len({row["old"] for row in rows}) == len(rows) == 10
    for row in rows:
        since = row["since"] if len(row["since"]) > 4 else f"{row['since']}-01-01"
        assert dt.date(2000, 1, 1) < dt.date.fromisoformat(since) < dt.date(2026, 11, 25)
        assert row["source"].startswith("https://")


def test_a_file_of_the_users_adds_to_the_table_and_counts_first(own_table):
    """Read with spaces and lower case, as people write."""
    own_table("bhia3, CASA3, 2030-01-02, my broker", "ELET3,ELET9,2031,hearsay")
    assert [each.new for each in successors("VVAR3")] == ["VIIA3", "BHIA3", "CASA3"]
    assert told("ELET3") == "ELET3 is called ELET9 since 2031"


def test_a_table_that_leads_in_a_circle_ends(own_table):
    """A code that is given out again."""
    own_table("AAAA3,BBBB3,2020,x", "BBBB3,AAAA3,2021,x")
    assert [each.new for each in successors("AAAA3")] == ["BBBB3", "AAAA3"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("PETROBRAS,PETR4,2020,x", "line 2: 'PETROBRAS' is not a ticker"),
        ("PETR4,,2020,x", "line 2: '' is not a ticker"),
        ("PETR4,PETR3,soon,x", "line 2: 'soon' is no date"),
        ("PETR4", "line 2: '' is not a ticker"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(own_table, line, said):
    """With its number, and how one looks."""
    own_table(line)
    with pytest.raises(ConfigError, match=said):
        told("VVAR3")


def test_a_file_that_is_no_table_or_not_there_is_named(own_table, tmp_path, monkeypatch):
    """And what its first line must be."""
    own_table("VVAR3,VIIA3", head="from,to")
    with pytest.raises(ConfigError, match="begins with from,to") as caught:
        told("VVAR3")
    assert "old,new,since,source" in caught.value.hint
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere.csv"))
    with pytest.raises(ConfigError, match=r"nowhere\.csv, which cannot be read"):
        told("VVAR3")
