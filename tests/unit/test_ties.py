"""A close that is its own mean: whoever counts it as above it, or not, has counted right."""

import pandas as pd
import pytest

from b3pipeline.athena import QueryResult
from b3pipeline.course.exercises.judges import judge_above

SQL = "SELECT ticker, sessions_above FROM t WHERE dt BETWEEN '2024-07-01' AND '2024-07-04'"


def result(frame):
    """Return a frame as an answer of a query."""
    return QueryResult(frame, "id", SQL, bytes_scanned=0, seconds=0.0, cost_usd=0.0)


@pytest.mark.parametrize(("count", "right"), [(0, False), (1, True), (2, True), (3, False)])
def test_a_tie_of_close_and_mean_counts_either_way(count, right):
    """Athena's text is read to within the last bit: 10.56 against 10.559999999999999."""
    closes = pd.DataFrame(
        {
            "ticker": "ABEV3",
            "close_price": [10.56, 10.60, 10.40, 10.50],
            "close_ma_5": [10.56, 10.55, 10.54, None],
        }
    )
    answer = pd.DataFrame({"ticker": ["ABEV3"], "sessions_above": [count]})
    assert (judge_above(result(answer), {"closes": result(closes)}) == "") is right
