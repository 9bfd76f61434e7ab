"""The packaged SQL: it parses as Athena's, reads only columns that exist, and answers right."""

import datetime as dt
import re
from typing import Any

import duckdb
import pandas as pd
import pytest
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify

from b3pipeline import names, schema
from b3pipeline.athena import sql
from b3pipeline.errors import QueryError

RANGE = {"start": "2024-01-02", "end": "2024-12-30"}
VALUES: dict[str, Any] = {**RANGE, "ticker": "AAAA3", "tickers": ["AAAA3", "BBBB4"]}
ALL = sql.query_names()


def filled(name: str, **values: Any) -> str:
    """Return a packaged query, its placeholders filled from `values` and the usual range."""
    known = VALUES | values
    return sql.load_sql(name, **{key: known[key] for key in sql.placeholders(sql.load_sql(name))})


def silver(**quotes: list[tuple[str, dict[str, Any]]]) -> pd.DataFrame:
    """Return rows of silver from `ticker=[(dt, {column: value}), …]`."""
    rows = [
        {"dt": day, "trade_date": dt.date.fromisoformat(day), "ticker": ticker, **columns}
        for ticker, sessions in quotes.items()
        for day, columns in sessions
    ]
    return pd.DataFrame(rows).reindex(columns=[*schema.SILVER.names, "dt", "ticker"])


def answer(name: str, table: pd.DataFrame, **values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a packaged query over a table, run by DuckDB."""
    translated = sqlglot.transpile(filled(name, **values), read="athena", write="duckdb")[0]
    with duckdb.connect() as connection:
        connection.register("quotes", table)
        connection.execute(
            f"CREATE TABLE {names.SILVER_TABLE} AS SELECT * REPLACE ("
            "trade_date::DATE AS trade_date, close_return::DOUBLE AS close_return, "
            "total_volume::BIGINT AS total_volume, close_price::DOUBLE AS close_price, "
            "low_price::DOUBLE AS low_price, high_price::DOUBLE AS high_price, "
            "days_since_previous::INT AS days_since_previous) FROM quotes"
        )
        return connection.execute(translated).fetchall()


def returns(*values: float | None) -> list[tuple[str, dict[str, Any]]]:
    """Return sessions of January 2024, from the 2nd on, with these returns."""
    return [(f"2024-01-{day:02}", {"close_return": value}) for day, value in enumerate(values, 2)]


def test_the_questions_of_the_analysis_are_all_there() -> None:
    """Notebooks 02 to 04 ask these, by name."""
    assert ALL == [
        "bronze_and_silver",
        "candles",
        "closes_with_ma5",
        "correlation",
        "cumulative_return",
        "drawdown",
        "gaps",
        "monthly",
        "most_traded_badly",
        "most_traded_well",
        "partition_counts",
        "rolling_volatility",
        "silver_rows",
        "volume_and_moves",
    ]


@pytest.mark.parametrize("name", ALL)
def test_a_query_is_one_select_in_athenas_dialect(name: str) -> None:
    """What sqlglot cannot read as Athena's, Athena cannot either."""
    statements = sqlglot.parse(filled(name), read="athena")

    assert [type(statement) for statement in statements] == [exp.Select]


@pytest.mark.parametrize("name", ALL)
def test_a_query_reads_only_columns_that_the_tables_have(name: str) -> None:
    """Qualifying resolves every column against the schemas, or raises."""
    tables = {
        names.BRONZE_TABLE: schema.glue_columns(schema.BRONZE),
        names.SILVER_TABLE: schema.glue_columns(schema.SILVER),
    }
    columns = {
        table: {c["Name"]: c["Type"] for c in [*described, *schema.glue_partition_keys()]}
        for table, described in tables.items()
    }

    query = qualify(sqlglot.parse_one(filled(name), read="athena"), schema=columns)

    assert query.named_selects


@pytest.mark.parametrize("name", [name for name in ALL if name != "most_traded_badly"])
def test_a_query_filters_on_the_partition_key(name: str) -> None:
    """Without `dt` in the filter Athena would open every object of the table."""
    query = sqlglot.parse_one(filled(name), read="athena")

    filtered = {c.name for where in query.find_all(exp.Where) for c in where.find_all(exp.Column)}

    assert "dt" in filtered


@pytest.mark.parametrize("name", ALL)
def test_a_query_opens_with_the_question_that_it_answers(name: str) -> None:
    """The file is read as a lesson: question first, then why it is written so."""
    first = sql.load_sql(name).splitlines()[0]

    assert re.fullmatch(r"-- .*(\?|\? Answered (badly|well): .*)", first)


def test_a_cumulative_return_compounds_from_the_first_session_of_the_range() -> None:
    """+10% then -10% is -1%; the return of the first session belongs to the day before."""
    table = silver(AAAA3=returns(0.5, 0.1, -0.1), BBBB4=returns(None, 0.2, 0.0))

    rows = answer("cumulative_return", table)

    assert [(row[1], round(row[2], 6)) for row in rows] == [
        ("AAAA3", 0.0),
        ("AAAA3", 0.1),
        ("AAAA3", -0.01),
        ("BBBB4", 0.0),
        ("BBBB4", 0.2),
        ("BBBB4", 0.2),
    ]


def test_the_basket_is_the_mean_return_of_each_session_compounded() -> None:
    """Means of +15% and -5% make 1.15 x 0.95 - 1 = 9.25%."""
    table = silver(AAAA3=returns(0.5, 0.1, -0.1), BBBB4=returns(None, 0.2, 0.0))

    rows = answer("cumulative_return", table)

    assert [round(row[3], 6) for row in rows[:3]] == [0.0, 0.15, 0.0925]


def test_a_drawdown_measures_from_the_highest_growth_so_far() -> None:
    """1.00, 1.10, 0.99, 1.188: a tenth below the top, then at a new one."""
    rows = answer("drawdown", silver(AAAA3=returns(None, 0.1, -0.1, 0.2)))

    assert [round(row[2], 6) for row in rows] == [0.0, 0.0, -0.1, 0.0]


def test_volatility_waits_for_21_returns_and_is_yearly() -> None:
    """Eleven log returns of +0.01, ten of -0.01: deviation 0.01023533, x sqrt(252) = 0.162481."""
    up, down = 0.010050167084168, -0.009950166250832
    moves: list[float | None] = [None, *[up, down] * 10, up]

    rows = answer("rolling_volatility", silver(AAAA3=returns(*moves)))

    assert [row[2] for row in rows[:21]] == [None] * 21
    assert rows[21][2] == pytest.approx(0.162481, rel=1e-5)


def test_correlation_is_one_for_shares_that_move_alike_and_minus_one_for_opposites() -> None:
    """Log returns of ±ln(1.1): the inverse of x 1.1 is / 1.1."""
    down = 1 / 1.1 - 1
    table = silver(AAAA3=returns(0.1, down, 0.1, 0.1), BBBB4=returns(down, 0.1, down, down))

    rows = answer("correlation", table)

    assert [(a, b, round(value, 9), sessions) for a, b, value, sessions in rows] == [
        ("AAAA3", "AAAA3", 1.0, 4),
        ("AAAA3", "BBBB4", -1.0, 4),
        ("BBBB4", "AAAA3", -1.0, 4),
        ("BBBB4", "BBBB4", 1.0, 4),
    ]


def test_correlation_takes_the_sessions_that_both_shares_have() -> None:
    """Pairwise complete: a session that one of them missed does not count for the pair."""
    table = silver(AAAA3=returns(0.1, 0.2, 0.3), BBBB4=returns(None, 0.2, 0.1))

    sessions = {(row[0], row[1]): row[3] for row in answer("correlation", table)}

    assert sessions[("AAAA3", "BBBB4")] == 2
    assert sessions[("AAAA3", "AAAA3")] == 3


def test_a_month_compounds_its_returns_and_sums_its_turnover() -> None:
    """+10% and +10% are 21%; 100 x 11 + 200 x 12.1 = 3,520 reais."""
    quote = {"low_price": 9.0, "high_price": 13.0}
    table = silver(
        AAAA3=[
            ("2024-01-30", quote | {"close_return": 0.1, "close_price": 11.0, "total_volume": 100}),
            ("2024-01-31", quote | {"close_return": 0.1, "close_price": 12.1, "total_volume": 200}),
            ("2024-02-01", quote | {"close_return": 0.0, "close_price": 12.1, "total_volume": 50}),
        ]
    )

    (month, ticker, sessions, change, lowest, highest, volume, turnover), february = answer(
        "monthly", table
    )

    assert str(month)[:10] == "2024-01-01"
    assert (ticker, sessions, lowest, highest, volume) == ("AAAA3", 2, 9.0, 13.0, 300)
    assert change == pytest.approx(0.21)
    assert turnover == pytest.approx(3520.0)
    assert february[2] == 1


def test_relative_volume_is_one_on_a_usual_day() -> None:
    """Volumes 100, 100, 400: the mean is 200, so half, half and twice."""
    table = silver(
        AAAA3=[
            ("2024-01-02", {"total_volume": 100, "close_return": None}),
            ("2024-01-03", {"total_volume": 100, "close_return": 0.01}),
            ("2024-01-04", {"total_volume": 400, "close_return": -0.05}),
        ]
    )

    rows = answer("volume_and_moves", table)

    assert [row[3] for row in rows] == [0.5, 0.5, 2.0]
    assert [row[5] for row in rows] == [None, 0.01, 0.05]


def test_a_weekend_is_no_missed_session_and_a_suspension_is() -> None:
    """Friday to Monday: 3 days, nothing missed. Two sessions without AAAA3: two missed."""
    everyday = ["2024-01-05", "2024-01-08", "2024-01-09", "2024-01-10", "2024-01-11"]
    table = silver(
        AAAA3=[
            ("2024-01-05", {"days_since_previous": None}),
            ("2024-01-08", {"days_since_previous": 3}),
            ("2024-01-11", {"days_since_previous": 3}),
        ],
        BBBB4=[(day, {"days_since_previous": 1}) for day in everyday],
    )

    rows = [row for row in answer("gaps", table) if row[1] == "AAAA3"]

    assert [(str(row[0]), row[2], row[3]) for row in rows] == [
        ("2024-01-08", 3, 0),
        ("2024-01-11", 3, 2),
    ]


def test_the_question_asked_well_and_badly_has_one_answer() -> None:
    """They differ in what they read, not in what they say; the range is inclusive at both ends."""
    volumes = [("2024-01-01", 1000), ("2024-01-02", 10), ("2024-12-30", 5), ("2024-12-31", 1000)]
    sessions = [(day, {"total_volume": volume}) for day, volume in volumes]
    table = silver(AAAA3=sessions, BBBB4=sessions[:2])

    well, badly = answer("most_traded_well", table), answer("most_traded_badly", table)

    assert well == badly == [("AAAA3", 15), ("BBBB4", 10)]


def test_a_query_leaves_other_tickers_and_other_days_out() -> None:
    """Both filters are applied: the range, and the list of tickers."""
    table = silver(
        AAAA3=[("2023-12-28", {"close_price": 1.0}), ("2024-01-02", {"close_price": 2.0})],
        CCCC3=[("2024-01-02", {"close_price": 3.0})],
    )

    rows = answer("closes_with_ma5", table, tickers=["AAAA3"])

    assert rows == [(dt.date(2024, 1, 2), "AAAA3", 2.0, None)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("PETR4", "'PETR4'"),
        ("O'Brien's", "'O''Brien''s'"),
        (dt.date(2024, 1, 2), "'2024-01-02'"),
        (dt.datetime(2024, 1, 2, 10), "TIMESTAMP '2024-01-02 10:00:00.000000'"),  # noqa: DTZ001
        (7, "7"),
        (0.1, "DOUBLE '0.1'"),
        (True, "TRUE"),
        (None, "NULL"),
        (["PETR4", "VALE3"], "('PETR4', 'VALE3')"),
        (("VALE3",), "('VALE3')"),
    ],
)
def test_a_value_becomes_a_literal_of_its_type(value: Any, text: str) -> None:
    """Text is quoted, and dates are text, as the partition key `dt` is."""
    assert sql.literal(value) == text


@pytest.mark.parametrize("value", [[], object(), float("nan"), dt.datetime.now(dt.UTC), {"a": 1}])
def test_a_value_without_a_literal_is_refused(value: Any) -> None:
    """An empty list after IN would be a syntax error far away from its cause."""
    with pytest.raises(QueryError, match="cannot stand in a query"):
        sql.literal(value)


def test_a_quote_in_a_value_stays_inside_its_string() -> None:
    """A value that tries to end the string and go on as SQL stays a value."""
    evil = "x' OR 1 = 1 --"

    bound = sql.bind("SELECT 1 FROM t WHERE ticker = :ticker", {"ticker": evil})

    where = sqlglot.parse_one(bound, read="athena").find(exp.Where)
    assert where is not None
    assert where.this.expression.this == evil


def test_placeholders_in_strings_comments_and_casts_are_left_alone() -> None:
    """Only `:name` in the SQL itself is a placeholder."""
    text = """SELECT ':a', "x:b", 'it''s :c' -- :d
    /* :e
    :f */ , cast(y AS varchar), z::date, :g"""

    assert sql.placeholders(text) == ["g"]
    assert sql.bind(text, {"g": 1}) == text.replace(":g", "1")


def test_a_value_that_looks_like_a_placeholder_is_not_filled_again() -> None:
    """Filling happens in one pass over the original text."""
    assert sql.bind("SELECT :a, :b", {"a": ":b", "b": 2}) == "SELECT ':b', 2"


def test_a_missing_parameter_is_named() -> None:
    """The hint lists what the query takes."""
    with pytest.raises(QueryError, match=r"lacks end.*start, end, ticker") as caught:
        sql.load_sql("candles", start="2024-01-02", ticker="PETR4")
    assert "end" in caught.value.message


def test_an_unknown_parameter_is_refused() -> None:
    """A misspelt name must not silently leave the query as it was."""
    with pytest.raises(QueryError, match="has no tikcers"):
        sql.load_sql("most_traded_well", **RANGE, tikcers=["PETR4"])


def test_a_query_without_values_is_the_text_of_its_file() -> None:
    """Notebook 04 shows it whole."""
    assert ":start" in sql.load_sql("candles")


def test_an_unknown_query_lists_the_known_ones() -> None:
    """A misspelt name gets the list, not a traceback of a missing file."""
    with pytest.raises(QueryError, match=r"no query named 'candels'.*candles") as caught:
        sql.load_sql("candels")
    assert "closes_with_ma5" in caught.value.hint


def test_a_query_is_shown_as_a_code_cell_shows_it():
    """Jupyter breaks the words of any other output, on the pages of the site as well."""
    from b3pipeline.course import lesson

    shown = lesson.show_sql(ALL[0])._repr_html_()
    assert f'<pre style="{lesson.AS_A_CELL}">' in shown
    assert "white-space: pre;" in lesson.AS_A_CELL
