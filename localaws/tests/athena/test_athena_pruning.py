"""A law: choosing partitions makes a query cheaper, and never changes its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

COLUMNS = {"price": "bigint"}
DAYS = ("2024-01-02", "2024-01-03", "2024-01-04")
TICKERS = ("AAAA3", "BBBB4")

Row = tuple[str, str, int]
Condition = tuple[str, Callable[[Row], bool]]
ROWS: list[Row] = [
    (day, ticker, 10 * i + j) for i, day in enumerate(DAYS) for j, ticker in enumerate(TICKERS)
]


@pytest.fixture(scope="module")
def prices(market: Any) -> Any:
    """A lake with one row in each of six partitions."""
    market.create("prices", COLUMNS, ("dt", "ticker"))
    for day, ticker, price in ROWS:
        folder = f"prices/dt={day}/ticker={ticker}/"
        market.put(f"{folder}a.parquet", pa.table({"price": [price]}))
        market.register("prices", (day, ticker), folder, COLUMNS)
    return market


def _simple() -> st.SearchStrategy[Condition]:
    """Conditions on one column, each with its meaning in Python."""
    days, tickers = st.sampled_from((*DAYS, "2023-12-31")), st.sampled_from(TICKERS)
    return st.one_of(
        days.map(lambda d: (f"dt = '{d}'", lambda row: row[0] == d)),
        days.map(lambda d: (f"dt > '{d}'", lambda row: row[0] > d)),
        days.map(lambda d: (f"CAST(dt AS date) <> DATE '{d}'", lambda row: row[0] != d)),
        days.map(lambda d: (f"dt NOT IN ('{d}')", lambda row: row[0] != d)),
        tickers.map(lambda t: (f"lower(ticker) = lower('{t}')", lambda row: row[1] == t)),
        tickers.map(lambda t: (f"ticker LIKE '{t[:2]}%'", lambda row: row[1] == t)),
        st.integers(0, 21).map(lambda n: (f"price >= {n}", lambda row: row[2] >= n)),
    )


def _combined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    pairs = st.tuples(parts, parts)
    return st.one_of(
        pairs.map(lambda p: (f"({p[0][0]} AND {p[1][0]})", lambda r: p[0][1](r) and p[1][1](r))),
        pairs.map(lambda p: (f"({p[0][0]} OR {p[1][0]})", lambda r: p[0][1](r) or p[1][1](r))),
        parts.map(lambda p: (f"NOT ({p[0]})", lambda row: not p[1](row))),
    )


CONDITIONS = st.recursive(_simple(), _combined, max_leaves=5)
FORMS = st.sampled_from(
    [
        "SELECT price FROM prices WHERE {}",
        "SELECT price FROM (SELECT * FROM prices) WHERE {}",
        "WITH q AS (SELECT ticker, price, dt FROM prices) SELECT price FROM q WHERE {}",
        "SELECT price FROM (SELECT dt, ticker, price FROM prices GROUP BY 1, 2, 3) WHERE {}",
        "SELECT price FROM (SELECT * FROM prices UNION ALL SELECT * FROM prices WHERE false)"
        " WHERE {}",
        "SELECT price FROM prices JOIN (SELECT 1 AS one) ON {}",
    ]
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(condition=CONDITIONS, form=FORMS)
def test_a_filter_gives_the_rows_that_meet_it(prices: Any, condition: Condition, form: str) -> None:
    """Whatever the condition and wherever it stands, the rows are those of plain Python."""
    sql, meets = condition
    expected = sorted(price for row in ROWS if meets(row) for price in row[2:])
    found = sorted(int(str(row[0])) for row in prices.rows(form.format(sql)))
    assert found == expected
