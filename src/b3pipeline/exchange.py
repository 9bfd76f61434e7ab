"""What is the exchange's own: one place that a pipeline of another exchange would change."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from b3pipeline.language import later


@dataclass(frozen=True)
class Exchange:
    """An exchange, as the pipeline must know it.

    `calendar` is its code in `exchange_calendars`, from which `scripts/write_closed_days.py`
    writes the days without a session; `zone` that of its clocks; `final_from` the
    local time from which a day's bar counts as final; `ticker` the pattern of its codes, with
    `ticker_hint` to say it in words; `suffix` what Yahoo hangs onto a code; `currency` that of its
    quotes, by ISO 4217; `tick` the smallest step of a price, in that currency; `default_tickers`
    what is ingested where nothing else is asked for.
    """

    name: str
    calendar: str
    zone: ZoneInfo
    final_from: dt.time
    ticker: re.Pattern[str]
    ticker_hint: str
    suffix: str
    currency: str
    tick: float
    default_tickers: tuple[str, ...]

    @property
    def tick_decimals(self) -> int:
        """Decimals of a price that is on the tick."""
        return -int(Decimal(str(self.tick)).as_tuple().exponent)


B3 = Exchange(
    name="B3",
    calendar="BVMF",
    zone=ZoneInfo("America/Sao_Paulo"),
    # The continuous session ends at 17:00 while the United States are on daylight saving time and
    # at 18:00 otherwise; the closing auction adds some minutes and public quotes lag a quarter of
    # an hour. 18:30 lies past all of them on every day of the year.
    final_from=dt.time(18, 30),
    ticker=re.compile(r"[A-Z0-9]{4}[0-9]{1,2}[A-Z]?"),
    ticker_hint=later("four letters and one or two digits, such as PETR4, VALE3 or KLBN11."),
    suffix=".SA",
    currency="BRL",
    tick=0.01,
    default_tickers=(
        "PETR4",
        "VALE3",
        "ITUB4",
        "BBDC4",
        "BBAS3",
        "B3SA3",
        "ABEV3",
        "WEGE3",
        "RENT3",
        "SUZB3",
    ),
)

EXCHANGE = B3
"""The exchange of this pipeline; everything that depends on one asks it."""
