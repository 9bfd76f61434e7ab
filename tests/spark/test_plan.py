"""Which sessions a batch touches, and how many questions that takes. No Spark session needed."""

import datetime as dt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from b3pipeline import schema
from b3pipeline.job.plan import neighbours, sessions_to_read

pytestmark = pytest.mark.spark

LOOK_BACK = 4  # sessions before the current one in a mean of five
TOMORROW = dt.date.fromisoformat("2024-07-02")


class Catalog:
    """A catalog that answers from a set of (ticker, day) and keeps the questions."""

    def __init__(self, *sessions):
        self.sessions = set(sessions)
        self.asked = []

    def between(self, tickers, first, last):
        tickers = set(tickers)
        self.asked.append((tickers, first, last))
        return [(t, day) for t, day in self.sessions if t in tickers and first <= day <= last]


def weekdays(first, count):
    """Return so many weekdays from a date on."""
    start = dt.date.fromisoformat(first)
    days = (start + dt.timedelta(n) for n in range(2 * count + 7))
    return [day.isoformat() for day in days if day.weekday() < 5][:count]


def recomputed(plan):
    """Return the days of a plan that are recomputed."""
    return [day for day, wanted in plan.items() if wanted]


def test_the_four_sessions_after_a_change_are_recomputed(job):
    """And the four before the change are read for their closes."""
    days = weekdays("2024-01-01", 12)

    plan = sessions_to_read({days[5]}, set(days) - {days[5]}, LOOK_BACK)

    assert recomputed(plan) == days[5:10]
    assert sorted(plan) == days[1:10]


def test_what_is_read_follows_from_the_widest_window(job):
    """LOOK_BACK is derived: a column with a wider window needs no second number."""
    assert job.LOOK_BACK == max(job.WINDOWS.values()) - 1 >= LOOK_BACK
    assert set(job.WINDOWS) < set(schema.SILVER.names)


def test_an_affected_day_that_may_be_gone_is_not_counted(job):
    """Where it is gone, the window reaches one session further."""
    days = weekdays("2024-01-01", 12)
    affected = {days[5], days[6]}

    plan = sessions_to_read(affected, set(days) - affected, LOOK_BACK)

    assert recomputed(plan) == days[5:11]
    assert sorted(plan) == days[1:11]


def test_nothing_between_two_distant_changes_is_recomputed(job):
    """A batch with an old and a new session leaves what lies between alone."""
    days = weekdays("2024-01-01", 30)
    affected = {days[0], days[20]}

    plan = sessions_to_read(affected, set(days) - affected, LOOK_BACK)

    assert recomputed(plan) == days[0:5] + days[20:25]


def test_todays_session_takes_one_question(job):
    """However many tickers: they share it."""
    days = weekdays("2024-06-01", 20)
    catalog = Catalog(*((t, day) for t in ("PETR4", "VALE3") for day in days))
    today = {days[-1]}

    found = neighbours(catalog.between, {"PETR4": today, "VALE3": today}, {}, TOMORROW, LOOK_BACK)

    assert len(catalog.asked) == 1
    assert set(days[-5:-1]) <= found["PETR4"]
    assert not found["PETR4"] & today


@pytest.mark.parametrize("first", ["2023-06-01", "1996-06-01"])
def test_a_suspended_stock_takes_a_few_questions_more(job, first):
    """Windows grow fourfold: 28 years are six questions."""
    old = weekdays(first, 5)
    catalog = Catalog(*(("OIBR3", day) for day in old))

    found = neighbours(catalog.between, {"OIBR3": {"2024-07-01"}}, {}, TOMORROW, LOOK_BACK)

    assert set(old[-4:]) <= found["OIBR3"]
    assert len(catalog.asked) <= 6


def test_a_ticker_without_history_takes_six_questions(job):
    """A listing of this morning has nothing before it: the search ends after 45 years."""
    catalog = Catalog()

    found = neighbours(catalog.between, {"NEWX3": {"2024-07-01"}}, {}, TOMORROW, LOOK_BACK)

    assert found == {"NEWX3": set()}
    assert len(catalog.asked) == 6


def test_only_tickers_that_lack_sessions_are_asked_for_again(job):
    """The others' windows are full."""
    days = weekdays("2024-06-01", 21)
    catalog = Catalog(*(("PETR4", day) for day in days))
    today = {days[-1]}

    neighbours(catalog.between, {"PETR4": today, "OIBR3": today}, {}, TOMORROW, LOOK_BACK)

    assert [tickers for tickers, _, _ in catalog.asked[1:]] == [{"OIBR3"}] * 5


CALENDAR = [
    *weekdays("2001-03-01", 6),
    *weekdays("2023-01-02", 9),
    *weekdays("2023-02-20", 4),
    *weekdays("2023-04-03", 3),
    *weekdays("2024-06-03", 10),
]


# A thin stock: what lies between two changes belongs to neither one's first window.
BETWEEN = {"2023-01-30", "2023-02-20", "2023-02-21", "2023-02-22", "2023-02-23"}


@example(BETWEEN, {"2023-01-02", "2023-03-10"}, set(), set())
@example(
    {"2023-01-03", "2023-01-04", "2023-01-05", "2023-01-06", "2023-02-01"},
    {"2023-01-02", "2023-03-10"},
    set(),
    set(),
)
@given(
    present=st.sets(st.sampled_from(CALENDAR)),
    affected=st.sets(st.sampled_from(CALENDAR), min_size=1),
    gone=st.sets(st.sampled_from(CALENDAR)),
    absent=st.sets(st.sampled_from(CALENDAR)),
)
def test_the_plan_holds_every_window_that_a_change_touches(job, present, affected, gone, absent):
    """Whatever is there, gone or without quotes: compared with a look at the whole history."""
    registered = present | absent
    quoted = sorted((present | affected) - gone.intersection(affected) - (absent - affected))
    catalog = Catalog(*(("PETR4", day) for day in registered))

    found = neighbours(catalog.between, {"PETR4": affected}, {"PETR4": absent}, TOMORROW, LOOK_BACK)
    plan = sessions_to_read(affected, found["PETR4"], LOOK_BACK)

    for place, day in enumerate(quoted):
        window = quoted[max(0, place - 4) : place + 1]
        touched = any(window[0] <= change <= day for change in affected)
        if touched or (place < 4 and min(affected) <= day):
            assert plan.get(day), f"{day} is not recomputed"
            assert set(window) <= set(plan), f"the window of {day} is not read"
