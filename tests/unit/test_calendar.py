"""The calendar: which days are sessions, and which sessions have closed."""

import datetime as dt
from zoneinfo import ZoneInfo

import exchange_calendars
import pytest

from b3pipeline.calendar import (
    FIRST_DAY,
    LAST_DAY,
    check_range,
    is_session,
    last_closed_session,
    parse_date,
    sessions,
    utc_now,
)
from b3pipeline.errors import DateRangeError
from b3pipeline.exchange import EXCHANGE

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
MONDAY_MORNING = dt.datetime(2026, 11, 23, 9, 0, tzinfo=SAO_PAULO)


def date(text):
    """Return the date that an ISO string spells."""
    return dt.date.fromisoformat(text)


def test_the_sessions_are_those_of_exchange_calendars():
    """The library knows the exchange's rules; where a newer one differs, write the file anew."""
    span = {"start": str(FIRST_DAY), "end": str(LAST_DAY)}
    known = exchange_calendars.get_calendar(EXCHANGE.calendar, **span).sessions.date
    assert sessions(FIRST_DAY, LAST_DAY) == list(known), "python scripts/write_closed_days.py"


def test_both_ends_of_a_range_are_included():
    """The week of Carnival 2024: Friday, then Ash Wednesday to Friday."""
    assert sessions(date("2024-02-09"), date("2024-02-16")) == [
        date("2024-02-09"),
        date("2024-02-14"),
        date("2024-02-15"),
        date("2024-02-16"),
    ]


@pytest.mark.parametrize(
    ("year", "count"), [(2023, 248), (2024, 251), (2025, 250), (2026, 247), (2027, 249)]
)
def test_a_year_has_as_many_sessions_as_the_exchange_held(year, count):
    """Counts published by the exchange."""
    assert len(sessions(dt.date(year, 1, 1), dt.date(year, 12, 31))) == count


@pytest.mark.parametrize(
    ("day", "open_"),
    [
        ("2024-11-20", False),  # Black Awareness Day, national since 2024
        ("2025-11-20", False),
        ("2020-11-20", True),
        ("2024-07-09", True),  # the state's own holiday no longer closes the exchange
        ("2024-02-14", True),  # Ash Wednesday opens at 13:00
        ("2024-12-31", False),
        ("2024-06-29", False),  # a Saturday
    ],
)
def test_holidays_are_those_of_the_exchange(day, open_):
    """Days on which published calendars disagree with one another."""
    assert is_session(date(day)) is open_


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2024-06-27 18:29", "2024-06-26"),
        ("2024-06-27 18:30", "2024-06-27"),
        ("2024-06-30 12:00", "2024-06-28"),  # a Sunday
        ("2024-02-13 20:00", "2024-02-09"),  # Carnival
        ("2025-01-01 20:00", "2024-12-30"),
    ],
)
def test_a_session_closes_at_half_past_six(now, last):
    """Before that its bar may still change."""
    moment = dt.datetime.strptime(now, "%Y-%m-%d %H:%M").replace(tzinfo=SAO_PAULO)
    assert last_closed_session(moment) == date(last)


def test_the_clock_may_speak_any_time_zone():
    """21:30 UTC is 18:30 in São Paulo."""
    assert last_closed_session(dt.datetime(2024, 6, 27, 21, 30, tzinfo=dt.UTC)) == date(
        "2024-06-27"
    )
    assert last_closed_session(dt.datetime(2024, 6, 27, 21, 29, tzinfo=dt.UTC)) == date(
        "2024-06-26"
    )


def test_a_range_gives_its_closed_sessions():
    """The Monday still open is left out."""
    assert check_range("2026-11-18", "2026-11-23", MONDAY_MORNING) == [
        date("2026-11-18"),
        date("2026-11-19"),
    ]


@pytest.mark.parametrize(
    ("start", "end", "message", "hint"),
    [
        ("2024-06-28", "2024-06-03", "start 2024-06-28 is after the end 2024-06-03", "swap"),
        ("2024-02-10", "2024-02-13", "no session from 2024-02-10", "2024-02-09 and 2024-02-14"),
        ("2024-06-29", "2024-06-29", "no session on 2024-06-29", "2024-06-28 and 2024-07-01"),
        ("2026-11-01", "2026-11-24", "end 2026-11-24 lies in the future", "2026-11-19"),
        ("2026-12-01", "2026-12-05", "start 2026-12-01 lies in the future", "2026-11-19"),
        ("2026-11-23", "2026-11-23", "2026-11-23 is not final before 18:30", "2026-11-19"),
        ("2026-11-20", "2026-11-22", "no session from 2026-11-20", "2026-11-19"),
        ("28/06/2024", "2024-06-28", "'28/06/2024' is not a date", "YYYY-MM-DD"),
        ("2024-06-01", "2024-06-31", "'2024-06-31' is not a date", "YYYY-MM-DD"),
        ("1999-12-31", "2000-01-10", "1999-12-31 lies outside", "2000-01-01"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused_with_the_way_out(start, end, message, hint):
    """Each message names the value, each hint a date that works."""
    with pytest.raises(DateRangeError) as caught:
        check_range(start, end, MONDAY_MORNING)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_date_may_come_as_a_string_a_date_or_a_moment():
    """Notebooks hand over strings, programs dates."""
    assert parse_date(" 2024-06-28 ") == date("2024-06-28")
    assert parse_date(date("2024-06-28")) == date("2024-06-28")
    assert type(parse_date(dt.datetime(2024, 6, 28, 12, tzinfo=dt.UTC))) is dt.date


def test_the_default_clock_has_a_time_zone():
    """A naive moment would be read in the machine's own zone."""
    assert utc_now().tzinfo is dt.UTC
