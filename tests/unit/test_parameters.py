"""The notebooks' parameters: right, or a sentence that names the parameter."""

import datetime as dt
import json

import pytest

from b3pipeline.calendar import parse_date
from b3pipeline.course import parameters
from b3pipeline.errors import B3Error, DateRangeError, NotebookError
from b3pipeline.names import normalise_ticker

NOW = dt.datetime(2024, 7, 1, 12, 0, tzinfo=dt.UTC)  # 1 July, a session that has not closed


def read(**given):
    """Read parameters at a fixed moment."""
    return parameters.read(clock=lambda: NOW, **given)


@pytest.mark.parametrize(
    "given",
    [
        "PETR4,VALE3",
        " petr4 , vale3 ",
        "petr4 vale3",
        "PETR4;VALE3,",
        ["PETR4", "VALE3"],
        ("petr4.sa", " VALE3"),
        ["PETR4", "VALE3", "PETR4"],
    ],
    ids=str,
)
def test_tickers_are_read_from_text_and_from_lists(given):
    """Case, spaces and repetitions are lost."""
    assert read(tickers=given).tickers == ("PETR4", "VALE3")


@pytest.mark.parametrize(
    "given", ["", "PETR", 4, None, [], [4], {"PETR4": 1}, ["PETR4", ["VALE3"]], b"PETR4"], ids=str
)
def test_what_is_no_ticker_is_a_sentence_with_the_name(given):
    """No AttributeError, whatever YAML makes of it."""
    with pytest.raises(B3Error, match=r"^tickers: "):
        read(tickers=given)


def test_the_one_ticker_of_notebook_03_is_one():
    """A list of one is taken, of two not."""
    assert read(ticker=["petr4"]).ticker == "PETR4"
    with pytest.raises(B3Error, match=r"^ticker: PETR4, VALE3 are 2 tickers"):
        read(ticker="PETR4,VALE3")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (20240102, "start: 20240102 is not a date but an int"),
        (2024.5, "start: 2024.5 is not a date but a float"),
        (None, "start: None is not a date"),
        (["2024-01-02"], "start: .* is not a date but a list"),
        ("20240102", "start: '20240102' is not a date"),
        ("2024-02-30", "start: '2024-02-30' is not a date"),
        ("12/02/2024", "start: '12/02/2024' is not a date"),
        ("", "start: '' is not a date"),
    ],
    ids=str,
)
def test_what_is_no_date_is_a_sentence_with_the_name(given, said):
    """A number, and what some read as December, too."""
    with pytest.raises(DateRangeError, match=f"^{said}"):
        read(start=given, end="2024-06-28")


def test_a_date_of_brazil_is_told_how_to_be_written():
    """Its day comes first, and the hint says so."""
    with pytest.raises(DateRangeError) as caught:
        read(start="12/02/2024", end="2024-06-28")
    assert "2024-02-12, if 12 is the day and 2 the month" in caught.value.hint


@pytest.mark.parametrize(
    "given",
    ["2024-01-02", " 2024-01-02 ", dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC)],
    ids=str,
)
def test_a_date_is_taken_as_text_and_as_what_yaml_makes_of_it(given):
    """Both are text for the SQL that follows."""
    assert read(start=given, end="2024-06-28").start == "2024-01-02"


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2024-06-28", "2024-06-24", "start, end: the start 2024-06-28 is after the end"),
        ("2024-02-12", "2024-02-13", "start, end: B3 holds no session from"),
        ("2024-06-24", "2030-01-02", "start, end: the end 2030-01-02 lies in the future"),
        ("1990-01-02", "2024-06-28", "start, end: 1990-01-02 lies outside the calendar"),
    ],
)
def test_a_range_that_makes_no_sense_is_a_sentence(start, end, said):
    """Carnival holds no session: notebook 02 has nothing to put by hand."""
    with pytest.raises(DateRangeError, match=f"^{said}"):
        read(start=start, end=end)


def test_a_range_between_holidays_holds_the_sessions_that_have_closed():
    """Corpus Christi is no session, and 1 July is one that is still open."""
    assert [day.day for day in read(start="2024-05-30", end="2024-06-03").sessions] == [31, 3]
    assert read(start="2024-06-27", end="2024-07-01").sessions[-1] == dt.date(2024, 6, 28)


@pytest.mark.parametrize(
    ("given", "meant"),
    [(True, True), ("True", True), ("yes", True), (1, True), (False, False), ("False", False),
     ("false", False), ("no", False), ("0", False)],
)  # fmt: skip
def test_a_flag_is_what_it_says(given, meant):
    """The text "False" would be true to Python: notebook 06 would remove everything."""
    assert read(remove=given).remove is meant
    assert parameters.read_flag("solve", given) is meant


@pytest.mark.parametrize(
    ("name", "given"), [("remove", "perhaps"), ("source", "bloomberg"), ("target", "azure"),
                        ("source", 4), ("target", ["aws"])],
)  # fmt: skip
def test_a_word_that_is_none_of_the_known_is_a_sentence(name, given):
    """It names the parameter."""
    with pytest.raises(B3Error, match=f"^{name}: "):
        read(**{name: given})


def test_words_lose_case_and_spaces():
    """As people type them."""
    given = read(target=" Local", source="YAHOO ")
    assert (given.target, given.source) == ("local", "yahoo")


@pytest.mark.parametrize("text", ['["PETR4","vale3"]', "PETR4,VALE3", '"petr4 vale3"'])
def test_a_parameter_of_the_command_line_reaches_the_notebook_as_text(text):
    """What is JSON keeps its type on the way, and the reader takes both."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    assert parameters.read_given({"tickers": value, "other": 3}) == {
        "tickers": "PETR4,VALE3",
        "other": 3,
    }


def test_a_number_for_a_date_stops_the_course_before_anything_starts(tmp_path):
    """No local AWS, no kernel."""
    from b3pipeline.cloud.config import project_root
    from b3pipeline.course import tutorial

    with pytest.raises((DateRangeError, NotebookError), match="start: 20240102"):
        tutorial.run(only=["02"], parameters={"start": 20240102}, out=tmp_path, root=project_root())


def test_the_calendar_and_the_names_refuse_what_is_no_text():
    """They are called from other places, too."""
    with pytest.raises(DateRangeError, match="20240102 is not a date"):
        parse_date(20240102)
    with pytest.raises(B3Error, match="4 is not a ticker"):
        normalise_ticker(4)
