"""From Yahoo's chart of one ticker to a frame of quotes, nothing moved and nothing made up."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from b3pipeline.calendar import SAO_PAULO
from b3pipeline.exchange import EXCHANGE
from b3pipeline.language import later, note
from b3pipeline.sources.base import QUOTE_COLUMNS, TIME_TYPE, Doubt, Failure, Quotes
from b3pipeline.sources.yahoo.answers import CURRENCY, Result

_LEFT_OUT = {
    "dividends": later("a dividend of {value:g} on {day} has no bar and is left out"),
    "stock_splits": later("a split of {value:g} on {day} has no bar and is left out"),
}
"""What is said of an event on a day without a bar."""

Floats = npt.NDArray[np.float64]

PRICES = ["open", "high", "low", "close"]
TICK_DECIMALS = EXCHANGE.tick_decimals
DIGITS = 7
"""Significant digits that a 32-bit float holds: what lies beyond them is noise."""

_LATE_HOURS = (22, 23)
_HALF_HOUR = "30min"
_FIRST, _LAST = (lambda values: values.iloc[0]), (lambda values: values.iloc[-1])
_JOINED = {
    "open": _FIRST,
    "high": lambda values: values.max(skipna=False),
    "low": lambda values: values.min(skipna=False),
    "close": _LAST,
    "adj_close": _LAST,
    "volume": lambda values: values.sum(skipna=False),
}
"""How bars become one; what is missing in one of them is missing in the whole."""


def to_quotes(ticker: str, result: Result, interval: str, start: dt.date, end: dt.date) -> Quotes:
    """Return Yahoo's chart of one ticker as quotes, and which bars contradict others.

    Every bar with a price stays as it came: a holiday's, the open session's, one that lacks
    values (NaN; then `volume` is float64). A bar without any price is none and goes, and so does
    what lies after `end`. A dividend or split stands on its own day's first bar; without one it
    is a doubt. Raises KeyError, ValueError and the like for what is no chart.
    """
    bars = _bars(result, interval)
    bars = bars[bars["traded_at"] < pd.Timestamp(end) + pd.Timedelta(days=1)]
    bars = bars[bars[PRICES].notna().any(axis=1)].sort_values("traded_at", kind="stable")
    if interval == "1d":
        bars = _without_live(bars.assign(traded_at=bars["traded_at"].dt.normalize()))
    else:
        bars = _regular(bars, result, interval)
    if interval == "30m":
        bars = _half_hours(bars)
    bars, failures = _once(ticker, bars.reset_index(drop=True))
    doubts: list[Doubt] = []
    for name, told in _LEFT_OUT.items():
        events = _events(result, name)
        bars[name], left = _on_bars(events, bars["traded_at"])
        doubts += [
            Doubt(
                ticker,
                f"{day:%Y-%m-%d}",
                note(told, value=events[day], day=f"{day:%Y-%m-%d}"),
            )
            for day in left
            if start <= day.date() <= end
        ]
    bars["dividends"] = to_digits(bars["dividends"].to_numpy())
    volume = bars["volume"]
    if (np.isfinite(volume) & (volume % 1 == 0)).all():
        bars["volume"] = volume.astype("int64")
    bars["ticker"] = pd.Series(ticker, index=bars.index, dtype="object")
    return Quotes(bars[list(QUOTE_COLUMNS)], tuple(failures), tuple(doubts))


def _bars(result: Result, interval: str) -> pd.DataFrame:
    """Return the bars of a chart in local time, as they came."""
    quote = result["indicators"]["quote"][0]
    moments = pd.to_datetime(np.asarray(result["timestamp"], dtype="int64"), unit="s", utc=True)
    closes = _floats(quote["close"])
    columns = {
        "traded_at": moments.tz_convert(SAO_PAULO).tz_localize(None).astype(TIME_TYPE),
        **{name: to_tick(_floats(quote[name])) for name in PRICES},
        "adj_close": to_tick(_adjusted(result, closes, interval)),
        "volume": _floats(quote["volume"]),
    }
    bars = pd.DataFrame(columns)
    if interval == "1d":  # Yahoo dates some daily bars an hour or two before their midnight
        late = bars["traded_at"].dt.hour.isin(_LATE_HOURS) & (bars["traded_at"].dt.minute == 0)
        bars.loc[late, "traded_at"] += pd.Timedelta(hours=2)
    return bars


def _adjusted(result: Result, closes: Floats, interval: str) -> Floats:
    """Return the adjusted closes; within the day Yahoo has none, and the closes stand for them."""
    if interval != "1d":
        return closes
    told = result["indicators"].get("adjclose")
    return _floats(told[0]["adjclose"]) if told else np.full(len(closes), np.nan)


def _without_live(bars: pd.DataFrame) -> pd.DataFrame:
    """Return daily bars without the last but one where it is of the same day as the last.

    Of a session still open Yahoo sends the bar, and then the same bar as of the last trade.
    """
    days = bars["traded_at"].to_numpy()
    live = len(bars) > 1 and days[-1] == days[-2]
    return bars.drop(index=bars.index[-2]) if live else bars


def _regular(bars: pd.DataFrame, result: Result, interval: str) -> pd.DataFrame:
    """Return bars within the day that lie in its trading period: at times Yahoo sends others."""
    periods = {
        _local(period["start"]).date(): (_local(period["start"]), _local(period["end"]))
        for day in result["meta"]["tradingPeriods"]
        for period in day
    }
    length = pd.Timedelta(interval.replace("m", "min"))
    known = [periods.get(moment.date()) for moment in bars["traded_at"]]
    inside = [
        span is None or (moment < span[1] and moment + length > span[0])
        for moment, span in zip(bars["traded_at"], known, strict=True)
    ]
    return bars[np.array(inside, dtype=bool)]


def _half_hours(bars: pd.DataFrame) -> pd.DataFrame:
    """Return quarters of an hour joined to halves: asked for 30m, Yahoo answers with hours."""
    if bars.empty:
        return bars
    halves: Any = bars.groupby(bars["traded_at"].dt.floor(_HALF_HOUR))
    joined: pd.DataFrame = halves.agg(_JOINED).reset_index()
    return joined


def _once(ticker: str, bars: pd.DataFrame) -> tuple[pd.DataFrame, list[Failure]]:
    """Return each bar once, without those that came with two contents, and these as failures."""
    once = bars.drop_duplicates()
    torn = once["traded_at"].duplicated(keep=False)
    days = frozenset(once.loc[torn, "traded_at"].dt.strftime("%Y-%m-%d"))
    if not days:
        return once.reset_index(drop=True), []
    reason = note("Yahoo gives two different bars of {days}", days=", ".join(sorted(days)[:3]))
    return once[~torn].reset_index(drop=True), [Failure(ticker, "unusable", reason, days)]


def _events(result: Result, name: str) -> pd.Series[float]:
    """Return the dividends (BRL a share) or splits (new shares for one old) by their own day.

    NaN where an amount is missing, or in another currency.
    """
    told = (result.get("events") or {}).get({"stock_splits": "splits"}.get(name, name)) or {}
    days = [_local(event["date"]).normalize() for event in told.values()]
    if name == "dividends":
        amounts = pd.Series([_amount(event) for event in told.values()], days, dtype="float64")
        return amounts.groupby(level=0).agg(lambda each: each.sum(skipna=False))
    ratios = pd.Series([_ratio(event) for event in told.values()], days, dtype="float64")
    return ratios.groupby(level=0).agg(lambda each: each.prod(skipna=False))


def _amount(event: dict[str, Any]) -> float:
    foreign = event.get("currency") not in (None, "", CURRENCY)
    amount = event["amount"]
    return np.nan if foreign or amount is None else float(amount)


def _ratio(event: dict[str, Any]) -> float:
    new, old = event["numerator"], event["denominator"]
    return float(new) / float(old) if new and old else np.nan


def _on_bars(
    events: pd.Series[float], moments: pd.Series[pd.Timestamp]
) -> tuple[Floats, list[pd.Timestamp]]:
    """Return events a bar, each on the first bar of its day, 0 elsewhere; and days without one."""
    left: list[pd.Timestamp] = []
    values = np.zeros(len(moments))
    days = moments.dt.normalize()
    firsts = ~days.duplicated()
    for day, value in zip(pd.DatetimeIndex(events.index), events, strict=True):
        place = np.flatnonzero(firsts & (days == day))
        if len(place):
            values[place[0]] = value
        else:
            left.append(day)
    return values, left


def _local(seconds: float) -> pd.Timestamp:
    """Return a moment as São Paulo's clocks show it."""
    return pd.Timestamp(int(seconds), unit="s", tz="UTC").tz_convert(SAO_PAULO).tz_localize(None)


def to_tick(prices: Floats) -> Floats:
    """Return prices on the tick where that is what Yahoo sent, with `DIGITS` digits elsewhere.

    Yahoo sends 32-bit floats: 36.9 comes as 36.900001525878906. A price within two such steps of
    a multiple of R$ 0.01 is that multiple. Any other was never a price on the tick: a split has
    divided it since, or a dividend lowered the adjusted close. To round it to the tick would
    destroy it (0.0146 becomes 0.01, 0.0034 becomes 0), so all its digits stay.
    """
    ticks = np.round(prices, TICK_DECIMALS)
    noise = 2 * np.spacing(np.abs(prices).astype(np.float32)).astype(np.float64)
    rounded: Floats = np.where(np.abs(prices - ticks) <= noise, ticks, to_digits(prices))
    return rounded


def to_digits(values: Floats) -> Floats:
    """Return values rounded to `DIGITS` significant digits."""
    sized = np.where(np.isfinite(values) & (values != 0), np.abs(values), 1.0)
    scale = 10.0 ** np.maximum(DIGITS - 1 - np.floor(np.log10(sized)), 0)
    rounded: Floats = np.round(values * scale) / scale
    return rounded


def _floats(values: Any) -> Floats:
    """Return values of JSON, null as NaN."""
    return np.array(values, dtype=np.float64)
