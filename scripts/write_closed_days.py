"""Writes src/b3pipeline/closed_days.csv: the weekdays without a session, by exchange_calendars.

To be run when a newer exchange_calendars knows better; tests/unit/test_calendar.py says so.
"""

from __future__ import annotations

from pathlib import Path

import exchange_calendars
import pandas as pd

from b3pipeline.calendar import FIRST_DAY, LAST_DAY
from b3pipeline.exchange import EXCHANGE

TARGET = Path(__file__).parents[1] / "src/b3pipeline/closed_days.csv"


def main() -> None:
    """Write the file, and say how many days it holds."""
    span = {"start": str(FIRST_DAY), "end": str(LAST_DAY)}
    held = exchange_calendars.get_calendar(EXCHANGE.calendar, **span).sessions
    closed = pd.bdate_range(FIRST_DAY, LAST_DAY).difference(held)
    TARGET.write_text("\n".join(["closed", *closed.strftime("%Y-%m-%d")]) + "\n")
    print(f"{TARGET.name}: {len(closed)} days")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
