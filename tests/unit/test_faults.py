"""The exercises of notebook 05, on a few quotes: what their judges and their solutions say."""

import datetime as dt
from types import SimpleNamespace

import pandas as pd
import pytest

from b3pipeline import calendar, lake
from b3pipeline.course import drill, exercises
from b3pipeline.errors import StorageError

DAYS = [dt.date(2024, 3, 25), dt.date(2024, 3, 26), dt.date(2024, 3, 27)]


def closes(petr4):
    """Return an answer of `closes_with_ma5`: three sessions of PETR4, and of a second share."""
    frame = pd.DataFrame(
        {
            "trade_date": DAYS * 2,
            "ticker": ["BBAS3"] * 3 + ["PETR4"] * 3,
            "close_price": [20.0, 21.0, 22.0, *petr4],
        }
    )
    return SimpleNamespace(frame=frame)


@pytest.fixture
def kernel():
    """The variables that the exercises look at, after a split of two on the second day."""
    gaps = [lake.Gap("WEGE3", "2024-03-01", "429"), lake.Gap("WEGE3", "2024-03-04", "429")]
    gaps.append(lake.Gap("PETR4", "2024-03-05", "the source has no quote"))
    restated = lake.Restatement("PETR4", 0.5, "a split of 2")
    return {
        "first": SimpleNamespace(manifest=SimpleNamespace(missing=gaps)),
        "third": SimpleNamespace(manifest=SimpleNamespace(restated=(restated,))),
        "before": closes([40.0, 42.0, 44.0]),
        "after": closes([20.0, 21.0, 22.0]),
        "split_day": "2024-03-26",
        "calendar": calendar,
    }


@pytest.mark.parametrize(
    ("name", "answer", "says"),
    [
        ("lacking", {"WEGE3": 2, "PETR4": 1}, "Right"),
        ("lacking", {"WEGE3": 2}, "names 1 ticker, and"),
        ("lacking", {"WEGE3": 20, "PETR4": 1}, "WEGE3 has 20"),
        ("fall", -0.475, "Right"),
        ("fall", -47.5, "per cent"),
        ("fall", 0.05, "on one scale"),
        ("fall", -0.5, "not the new close"),
        ("fall", "a lot", "cannot be compared"),
    ],
)
def test_the_judges_tell_right_from_wrong(kernel, name, answer, says):
    """21 over 40 is a fall of 47.5%, which nobody had: the share rose by 5%."""
    assert says in exercises.check(name, {**kernel, name: answer}).says


@pytest.mark.parametrize("name", ["lacking", "fall"])
def test_the_solutions_of_the_notebook_are_right(kernel, name):
    """They run on these quotes as on the reader's own."""
    assert exercises.check(name, kernel, solve=True).passed


def test_a_frame_fetched_after_the_split_is_noticed(kernel):
    """A cell that ran twice leaves new prices in `before`: the question has no answer then."""
    kernel["before"] = kernel["after"]
    assert "begin again" in exercises.check("fall", {**kernel, "fall": -0.475}).says


def test_a_block_that_is_to_fail_keeps_what_it_said():
    """The notebook goes on, and shows the sentence with what to try."""
    with drill.refused() as refusal:
        raise StorageError("the bucket <x> is denied.", hint="start the lab.")
    assert str(refusal) == "StorageError: the bucket <x> is denied. Try: start the lab."
    assert "&lt;x&gt;" in refusal._repr_html_()


def test_a_block_that_did_not_fail_says_so():
    """Its check asks why."""
    with drill.refused() as refusal:
        pass
    assert refusal.error is None
    assert str(refusal) == "Nothing was refused."
