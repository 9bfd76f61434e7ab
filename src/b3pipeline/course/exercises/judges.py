"""The judges: what is right is worked out anew each time, from the data that the reader has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pandas as pd

from b3pipeline import calendar, costs, lake, names
from b3pipeline.athena import QueryResult
from b3pipeline.course.exercises.reading import (
    dates,
    filters_on_dt,
    is_ordered,
    number,
    rows_of_spark,
)
from b3pipeline.course.exercises.verdict import Exercise
from b3pipeline.language import later, say, say_many

Variables = Mapping[str, Any]

SESSIONS_A_YEAR = 250
TOLERANCE = 0.0005
"""Of a return: what rounding to a tenth of a per cent may take."""
TIE = 1e-9
"""BRL. A close and a mean that differ by less are the same."""


def judge_closed(answer: Any, variables: Variables) -> str:
    """Judge the weekdays of the range on which the exchange held no session."""
    start, end = variables["start"], variables["end"]
    held = calendar.sessions(calendar.parse_date(start), calendar.parse_date(end))
    wanted = set(pd.bdate_range(start, end).date) - set(held)
    given = set(dates(answer))
    if set(held) <= given and any(isinstance(day, dt.datetime) for day in answer):
        return say(
            "{day} is a session. Were Timestamps looked for among dates? The two are never equal: "
            "`.date` turns the one into the other.",
            day=held[0],
        )
    if any(day.weekday() > 4 for day in given):
        return say("a Saturday or Sunday is among them, and the question is about weekdays.")
    return _compare_days(given, wanted)


def _compare_days(given: set[dt.date], wanted: set[dt.date]) -> str:
    if extra := sorted(given - wanted):
        return say("{day} is no closed day.", day=extra[0])
    if lacking := wanted - given:
        return say(
            "{lacking:,} of {wanted:,} are missing.", lacking=len(lacking), wanted=len(wanted)
        )
    return ""


def judge_per_ticker(answer: Any, variables: Variables) -> str:
    """Judge a query: tickers, and how many sessions of each bronze holds, fewest first."""
    if wrong := _wrong_query(answer):
        return wrong
    start, end = str(variables["start"]), str(variables["end"])
    held = lake.list_partitions(variables["cloud"], names.BRONZE_TABLE)
    tickers = pd.Series([ticker for day, ticker in held if start <= day <= end])
    given = answer.frame.set_index("ticker")["sessions"].astype(int)
    if wrong := _compare_counts(given.to_dict(), tickers.value_counts().to_dict()):
        return wrong
    if not is_ordered(answer.sql):
        return say("nothing in the statement orders its rows: how they came is chance.")
    return "" if given.is_monotonic_increasing else say("the fewest do not come first.")


def _wrong_query(answer: Any) -> str:
    """Return what is wrong with a question over a range, whatever it brought."""
    if not isinstance(answer, QueryResult):
        return say("it is no answer of athena.query.")
    if not filters_on_dt(answer.sql):
        return say("it names no range of the partition key dt: it reads every object of the table.")
    return ""


def _compare_counts(given: dict[Any, int], wanted: dict[Any, int]) -> str:
    if set(given) != set(wanted):
        return say_many(
            "it names {count:,} ticker, and there are {wanted:,}.",
            "it names {count:,} tickers, and there are {wanted:,}.",
            len(given),
            wanted=len(wanted),
        )
    for ticker, count in wanted.items():
        if given[ticker] != count:
            return say(
                "{ticker} has {given}, and not so many are right.",
                ticker=ticker,
                given=given[ticker],
            )
    return ""


def judge_repaired(answer: Any, variables: Variables) -> str:
    """Judge a repair: the partition was out of the catalog, and MSCK put it back."""
    if not isinstance(answer, QueryResult) or "MSCK" not in answer.sql.upper():
        return say("it is no answer of athena.query to a MSCK statement.")
    session, ticker = variables["session"], variables["ticker"]
    path = names.partition_path(session, ticker).rstrip("/")
    if not answer.frame.astype(str).apply(lambda c: c.str.contains(path)).to_numpy().any():
        return say("the statement added no {path}: was it out of the catalog before?", path=path)
    held = lake.list_partitions(variables["cloud"], names.BRONZE_TABLE)
    if (str(session), ticker) in held:
        return ""
    return say("{path} is not in the catalog now.", path=path)


def judge_hours(answer: Any, variables: Variables) -> str:
    """Judge the hours that an event per object would take for a year of the batch's tickers."""
    objects = SESSIONS_A_YEAR * len(variables["batch"].partitions)
    wanted = costs.event_per_object_cost(objects).per_object.hours
    given = number(answer)
    if abs(given - wanted) <= 0.01 * wanted:
        return ""
    if given < wanted:
        return say("{hours:,.1f} hours are too few.", hours=given)
    return say("{hours:,.1f} hours are too many.", hours=given)


def judge_spans(answer: Any, variables: Variables) -> str:
    """Judge a Spark frame: `daily` with the distance from high to low beside it."""
    rows, before = rows_of_spark(answer), variables["daily"].toPandas()
    if len(rows) != len(before):
        return say(
            "daily has {before} rows, and it has {rows}.", before=len(before), rows=len(rows)
        )
    rows, before = (
        frame.sort_values(["ticker", "dt"], ignore_index=True) for frame in (rows, before)
    )
    return _compare_column(rows, "spread", before["high"] - before["low"])


def judge_smooth(answer: Any, variables: Variables) -> str:
    """Judge a Spark frame: `daily` with the mean of three closes, null until there are three."""
    rows = rows_of_spark(answer).sort_values(["ticker", "dt"], ignore_index=True)
    if rows["close_ma_3"].head(2).notna().any():
        return say("how many closes does the mean of the first row hold?")
    closes = variables["daily"].toPandas().sort_values(["ticker", "dt"], ignore_index=True)
    return _compare_column(rows, "close_ma_3", closes["close"].rolling(3).mean())


def _compare_column(rows: pd.DataFrame, column: str, wanted: pd.Series[Any]) -> str:
    given = rows[column].astype(float)
    same = (given - wanted).abs() < 1e-9
    both_null = given.isna() & wanted.isna()
    right = (same | both_null).sum()
    if right == len(wanted):
        return ""
    return say(
        "{right:,} of {wanted:,} rows of {column} are right.",
        right=right,
        wanted=len(wanted),
        column=column,
    )


def judge_ranking(answer: Any, variables: Variables) -> str:
    """Judge a Series: the return of each ticker over the range, best first."""
    frame = variables["growth"].frame.sort_values("trade_date")
    wanted = frame.groupby("ticker")["cumulative_return"].last().sort_values(ascending=False)
    given = pd.Series(answer).astype(float)
    if set(given.index) != set(wanted.index):
        return say("its index should hold each ticker once.")
    if (given.reindex(wanted.index) - wanted).abs().max() > 1e-9:
        return say("these are not the returns of the last session.")
    return "" if given.is_monotonic_decreasing else say("the best does not come first.")


def judge_above(answer: Any, variables: Variables) -> str:
    """Judge a query: tickers, and how many sessions each closed above its mean of five."""
    if wrong := _wrong_query(answer):
        return wrong
    closes = variables["closes"]
    over = closes.frame["close_price"] - closes.frame["close_ma_5"]
    # What reads Athena's text loses the last bit: of a close that is the mean, either is right.
    least, most = ((over > tie).groupby(closes.frame["ticker"]).sum() for tie in (TIE, -TIE))
    given = answer.frame.set_index("ticker")["sessions_above"].astype(int).to_dict()
    wanted = {
        ticker: int(min(max(given.get(ticker, count), count), most[ticker]))
        for ticker, count in least.items()
    }
    if wrong := _compare_counts(given, wanted):
        return wrong
    if answer.bytes_scanned > closes.bytes_scanned:
        return say("it reads more than the first query did: does it filter on dt and ticker?")
    return ""


def judge_streaks(answer: Any, variables: Variables) -> str:
    """Judge a query: tickers, and the longest run of sessions with a gain of each."""
    if wrong := _wrong_query(answer):
        return wrong
    frame = variables["activity"].frame.sort_values("trade_date")
    wanted = {
        ticker: longest_run(returns.fillna(0) > 0)
        for ticker, returns in frame.groupby("ticker")["close_return"]
    }
    given = answer.frame.set_index("ticker")["longest"].astype(int).to_dict()
    return _compare_counts(given, wanted)


def longest_run(gains: pd.Series[bool]) -> int:
    """Return how many True stand side by side at most."""
    return int(gains.groupby((~gains).cumsum()).sum().max())


def judge_lacking(answer: Any, variables: Variables) -> str:
    """Judge a mapping: the tickers that the first batch lacks sessions of, and how many."""
    lacked = pd.Series([gap.ticker for gap in variables["first"].manifest.missing])
    given = {ticker: int(number) for ticker, number in dict(answer).items()}
    return _compare_counts(given, lacked.value_counts().to_dict())


def judge_fall(answer: Any, variables: Variables) -> str:
    """Judge a return: the new close of the split's day against the old one of the day before."""
    ticker = variables["third"].manifest.restated[0].ticker
    old, new = (_closes(variables[name].frame, ticker) for name in ("before", "after"))
    if not (old / new > 1.5).all():
        return say("before.frame holds the new prices: begin again at the opening cell.")
    place = list(new.index).index(pd.Timestamp(variables["split_day"]))
    given, wanted = float(answer), new.iloc[place] / old.iloc[place - 1] - 1
    if abs(given - wanted) <= TOLERANCE:
        return ""
    if abs(given / 100 - wanted) <= TOLERANCE:
        return say("it is in per cent.")
    if abs(given - (new.iloc[place] / new.iloc[place - 1] - 1)) <= TOLERANCE:
        return say("that is the return on one scale, as silver shows it now.")
    return say("it is not the new close of that day over the old one of the session before.")


def _closes(frame: pd.DataFrame, ticker: str) -> pd.Series[Any]:
    """Return the closes of a ticker in an answer of `closes_with_ma5`, by their moments."""
    own = frame[frame["ticker"] == ticker]
    return pd.Series(own["close_price"].to_numpy(), index=pd.to_datetime(own["trade_date"]))


EXERCISES = {
    exercise.name: exercise
    for exercise in (
        Exercise("closed", later("keep the weekdays that are not in sessions."), judge_closed),
        Exercise(
            "per_ticker", later("GROUP BY ticker, and count(*) AS sessions."), judge_per_ticker
        ),
        Exercise(
            "repaired", later("lesson.forget_partition first, then MSCK REPAIR."), judge_repaired
        ),
        Exercise("hours", later("how many objects do 250 sessions bring?"), judge_hours),
        Exercise("spans", later("withColumn adds a column to every row."), judge_spans),
        Exercise("smooth", later("count the closes of the window, as the job does."), judge_smooth),
        Exercise("ranking", later("groupby, last, sort_values on growth.frame."), judge_ranking),
        Exercise("above", later("count_if(condition) AS sessions_above."), judge_above),
        Exercise(
            "lacking", later("each gap of first.manifest.missing has a ticker."), judge_lacking
        ),
        Exercise(
            "fall", later("a new close over the old one of the day before, less 1."), judge_fall
        ),
        Exercise(
            "streaks", later("number the losses so far: gains between two share it."), judge_streaks
        ),
    )
}
"""Every exercise by the name that it asks to bind."""
