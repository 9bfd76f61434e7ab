"""Queries over tables: joins, groups, windows, subqueries, with answers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

QUERIES: list[tuple[str, list[list[str | None]]]] = [
    ("SELECT count(*) FROM quotes", [["6"]]),
    (
        "SELECT ticker, max(close), sum(volume) FROM quotes GROUP BY ticker ORDER BY ticker",
        [["AAAA3", "12.0", "600"], ["BBBB4", "22.0", "600"]],
    ),
    (
        "SELECT dt, close FROM quotes WHERE ticker = 'AAAA3' AND close > 10.5 ORDER BY dt DESC",
        [["2024-01-04", "12.0"], ["2024-01-03", "11.0"]],
    ),
    (
        "SELECT q.ticker, n.name FROM quotes q LEFT JOIN names n ON n.ticker = q.ticker"
        " WHERE q.dt = '2024-01-02' ORDER BY 1",
        [["AAAA3", "Alfa"], ["BBBB4", None]],
    ),
    (
        "SELECT ticker, name, count(close) FROM quotes FULL JOIN names USING (ticker)"
        " GROUP BY 1, 2 ORDER BY 1",
        [["AAAA3", "Alfa", "3"], ["BBBB4", None, "3"], ["CCCC3", "Gama", "0"]],
    ),
    (
        "WITH last AS (SELECT ticker, max_by(close, dt) AS close FROM quotes GROUP BY ticker)"
        " SELECT * FROM last ORDER BY close",
        [["AAAA3", "12.0"], ["BBBB4", "21.0"]],
    ),
    (
        "SELECT dt, close - lag(close) OVER (ORDER BY dt) AS delta FROM quotes"
        " WHERE ticker = 'BBBB4' ORDER BY dt",
        [["2024-01-02", None], ["2024-01-03", "2.0"], ["2024-01-04", "-1.0"]],
    ),
    (
        "SELECT ticker, dt, avg(close) OVER (PARTITION BY ticker ORDER BY dt"
        " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS m FROM quotes"
        " WHERE dt >= '2024-01-03' ORDER BY ticker, dt",
        [
            ["AAAA3", "2024-01-03", "11.0"],
            ["AAAA3", "2024-01-04", "11.5"],
            ["BBBB4", "2024-01-03", "22.0"],
            ["BBBB4", "2024-01-04", "21.5"],
        ],
    ),
    (
        "SELECT ticker FROM (SELECT ticker, row_number() OVER (ORDER BY close DESC) AS n"
        " FROM quotes) WHERE n = 1",
        [["BBBB4"]],
    ),
    (
        "SELECT sum(close) OVER (ORDER BY CAST(dt AS date)"
        " RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW) FROM quotes"
        " WHERE ticker = 'AAAA3' ORDER BY dt",
        [["10.0"], ["21.0"], ["23.0"]],
    ),
    (
        "SELECT rank() OVER w, dense_rank() OVER w FROM (VALUES 1, 1, 2) AS t(x)"
        " WINDOW w AS (ORDER BY x) ORDER BY 1",
        [["1", "1"], ["1", "1"], ["3", "2"]],
    ),
    (
        "SELECT ticker, sum(volume) FROM quotes GROUP BY ROLLUP (ticker) ORDER BY ticker",
        [["AAAA3", "600"], ["BBBB4", "600"], [None, "1200"]],
    ),
    (
        "SELECT count(*) FILTER (WHERE close > 11), count(DISTINCT dt), count(note),"
        " count_if(note IS NULL) FROM quotes",
        [["4", "3", "1", "5"]],
    ),
    (
        "SELECT array_agg(close ORDER BY close DESC) FROM quotes WHERE ticker = 'AAAA3'",
        [["[12.0, 11.0, 10.0]"]],
    ),
    (
        "SELECT listagg(ticker, '/') WITHIN GROUP (ORDER BY ticker) FROM quotes"
        " WHERE dt = '2024-01-02'",
        [["AAAA3/BBBB4"]],
    ),
    (
        "SELECT approx_percentile(close, 0.5), approx_percentile(close, ARRAY[0.0, 1.0]),"
        " approx_distinct(ticker) FROM quotes WHERE ticker = 'AAAA3'",
        [["11.0", "[10.0, 12.0]", "1"]],
    ),
    (
        "SELECT stddev_samp(close), stddev_pop(volume), corr(close, volume) FROM quotes"
        " WHERE ticker = 'AAAA3'",
        [["1.0", "81.64965809277261", "1.0"]],
    ),
    (
        "SELECT avg(x), sum(x) FROM (VALUES DECIMAL '1.00', DECIMAL '2.00', 2) AS t(x)",
        [["1.67", "5.00"]],
    ),
    ("SELECT avg(x), sum(x) FROM (VALUES 1, 2) AS t(x)", [["1.5", "3"]]),
    ("SELECT sum(x), max(x), count(*) FROM (VALUES 1) AS t(x) WHERE x > 1", [[None, None, "0"]]),
    ("SELECT corr(x, x) FROM (VALUES 1e0, 1e0) AS t(x)", [[None]]),
    (
        "SELECT DISTINCT ticker FROM quotes ORDER BY ticker DESC LIMIT 1",
        [["BBBB4"]],
    ),
    ("SELECT x FROM (VALUES 3, NULL, 1) AS t(x) ORDER BY x", [["1"], ["3"], [None]]),
    ("SELECT x FROM (VALUES 3, NULL, 1) AS t(x) ORDER BY x DESC", [["3"], ["1"], [None]]),
    (
        "SELECT x FROM (VALUES 3, NULL, 1) AS t(x) ORDER BY x DESC NULLS FIRST OFFSET 1 LIMIT 1",
        [["3"]],
    ),
    (
        "SELECT lag(x, 1) IGNORE NULLS OVER (ORDER BY n), last_value(x) IGNORE NULLS OVER"
        " (ORDER BY n) FROM (VALUES (1, 5), (2, NULL), (3, 7)) AS t(n, x) ORDER BY n",
        [[None, "5"], ["5", "5"], ["5", "7"]],
    ),
    (
        "SELECT max_by(a, b), min_by(a, b), max(a, 2), histogram(c) FROM"
        " (VALUES ('x', 1, 1), (NULL, 3, 1), ('z', NULL, 1)) AS t(a, b, c)",
        [[None, "x", "[z, x]", "{1=3}"]],
    ),
    (
        "SELECT bool_and(x > 0), bool_or(x > 1), every(x > 1), arbitrary(1), geometric_mean(x)"
        " FROM (VALUES 1, 4) AS t(x)",
        [["true", "true", "false", "1", "2.0"]],
    ),
    (
        "SELECT ntile(2) OVER (ORDER BY x), percent_rank() OVER (ORDER BY x),"
        " nth_value(x, 2) OVER (ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED"
        " FOLLOWING) FROM (VALUES 10, 20, 30) AS t(x) ORDER BY x",
        [["1", "0.0", "20"], ["1", "0.5", "20"], ["2", "1.0", "20"]],
    ),
    ("SELECT 1 AS a UNION ALL SELECT 2.5 ORDER BY a", [["1.0"], ["2.5"]]),
    ("SELECT 1 UNION SELECT 1 UNION ALL SELECT 1", [["1"], ["1"]]),
    ("SELECT 1 EXCEPT SELECT 1", []),
    ("(SELECT 2 AS x UNION ALL SELECT 1) ORDER BY x LIMIT 1", [["1"]]),
    (
        "SELECT e, n FROM UNNEST(ARRAY['a', 'b']) WITH ORDINALITY AS t(e, n) ORDER BY n",
        [["a", "1"], ["b", "2"]],
    ),
    (
        "SELECT a, b FROM UNNEST(ARRAY[1, 2], ARRAY['x']) AS t(a, b) ORDER BY a",
        [["1", "x"], ["2", None]],
    ),
    (
        "SELECT ticker, e FROM names CROSS JOIN UNNEST(ARRAY[1, 2]) AS u(e)"
        " WHERE ticker = 'AAAA3' ORDER BY e",
        [["AAAA3", "1"], ["AAAA3", "2"]],
    ),
    (
        "SELECT ticker FROM names n WHERE NOT EXISTS"
        " (SELECT 1 FROM quotes q WHERE q.ticker = n.ticker)",
        [["CCCC3"]],
    ),
    (
        "SELECT name FROM names WHERE ticker IN (SELECT ticker FROM quotes WHERE close = 10e0)",
        [["Alfa"]],
    ),
    (
        "SELECT dt, (SELECT max(close) FROM quotes i WHERE i.dt = o.dt) FROM quotes o"
        " WHERE ticker = 'AAAA3' ORDER BY 1",
        [["2024-01-02", "20.0"], ["2024-01-03", "22.0"], ["2024-01-04", "21.0"]],
    ),
    (
        "SELECT date_diff('day', min(CAST(dt AS date)), max(CAST(dt AS date))) FROM quotes",
        [["2"]],
    ),
    (
        "SELECT date_trunc('month', CAST(dt AS date)) AS month, count(*) FROM quotes GROUP BY 1",
        [["2024-01-01", "6"]],
    ),
    ("SELECT a.x, b.x FROM (VALUES 1) a(x), (VALUES 2) b(x)", [["1", "2"]]),
    ("SELECT T.X FROM (VALUES 1) AS t(x) WHERE t.X = 1", [["1"]]),
    ("SELECT x AS \"a b\" FROM (VALUES 1) AS t(x) ORDER BY \"a b\"", [["1"]]),
    ("SELECT count(*) FROM quotes HAVING count(*) > 100", []),
    ("SELECT sum(sum(volume)) OVER () FROM quotes GROUP BY ticker LIMIT 1", [["1200"]]),
    ("VALUES (1, 'a'), (2, 'b')", [["1", "a"], ["2", "b"]]),
    ("SELECT grouping(x), count(*) FROM (VALUES 1) t(x) GROUP BY GROUPING SETS ((x), ())"
     " ORDER BY 1", [["0", "1"], ["1", "1"]]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), QUERIES)
def test_a_query_gives_the_rows_that_trino_gives(
    market: Any, sql: str, expected: list[list[str | None]]
) -> None:
    """Whole statements are translated with their meaning."""
    assert market.rows(sql) == expected


FAILURES = [
    ("SELECT x FROM quotes", "COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved"),
    ("SELECT q.close FROM quotes", "COLUMN_NOT_FOUND: line 1:8: Column 'q.close' cannot be"),
    ("SELECT close AS c FROM quotes WHERE c > 1", "COLUMN_NOT_FOUND: line 1:37: Column 'c'"),
    ("SELECT 1 FROM nope", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.{db}.nope' does not"),
    ("SELECT 1 FROM no.quotes", "SCHEMA_NOT_FOUND: line 1:15: Schema 'no' does not exist"),
    ("SELECT\n  foo(1)", "FUNCTION_NOT_FOUND: line 2:3: Function 'foo' not registered"),
    ("SELECT lower(5)", "FUNCTION_NOT_FOUND: line 1:8: Unexpected parameters (integer) for"),
    (
        "SELECT 1 FROM quotes WHERE dt = DATE '2024-01-02'",
        "TYPE_MISMATCH: line 1:31: Cannot apply operator: varchar = date",
    ),
    (
        "SELECT 1 FROM quotes WHERE dt > 5",
        "TYPE_MISMATCH: line 1:31: Cannot apply operator: varchar > integer",
    ),
    ("SELECT dt + 1 FROM quotes", "TYPE_MISMATCH: line 1:11: Cannot apply operator: varchar +"),
    (
        "SELECT 1 FROM quotes WHERE CAST(dt AS date) BETWEEN '2024-01-01' AND '2024-01-02'",
        "TYPE_MISMATCH: line 1:28: Cannot check if date is BETWEEN varchar(10) and varchar(10)",
    ),
    ("SELECT 1 FROM quotes WHERE close", "TYPE_MISMATCH: line 1:28: WHERE clause must evaluate to"),
    ("SELECT CAST(DATE '2024-01-01' AS bigint)", "TYPE_MISMATCH: line 1:8: Cannot cast date to"),
    (
        "SELECT ticker, close FROM quotes GROUP BY ticker",
        "EXPRESSION_NOT_AGGREGATE: line 1:16: 'close' must be an aggregate expression or appear",
    ),
    ("SELECT max(dt), close FROM quotes", "EXPRESSION_NOT_AGGREGATE: line 1:17: 'close' must be"),
    ("SELECT 1 FROM quotes WHERE sum(close) > 1", "EXPRESSION_NOT_SCALAR: line 1:28: WHERE clause"),
    ("SELECT sum(sum(close)) FROM quotes", "NESTED_AGGREGATION: line 1:8: Cannot nest"),
    ("SELECT row_number() FROM quotes", "MISSING_OVER: line 1:8: Window function row_number requi"),
    ("SELECT ticker FROM quotes, names", "AMBIGUOUS_NAME: line 1:8: Column 'ticker' is ambiguous"),
    ("SELECT dt AS d FROM quotes GROUP BY d", "COLUMN_NOT_FOUND: line 1:37: Column 'd' cannot be"),
    ("SELECT 1 / 0", "DIVISION_BY_ZERO: Division by zero"),
    ("SELECT 5 % (close - close) FROM quotes WHERE volume / (volume - volume) > 1",
     "DIVISION_BY_ZERO"),
    ("SELECT DECIMAL '1.0' / 0", "DIVISION_BY_ZERO"),
    ("SELECT CAST('x' AS date)", "INVALID_CAST_ARGUMENT: Value cannot be cast to date: x"),
    ("SELECT CAST(ticker AS integer) FROM quotes", "INVALID_CAST_ARGUMENT: Cannot cast 'AAAA3'"),
    ("SELECT CAST('1.5' AS integer)", "INVALID_CAST_ARGUMENT: Cannot cast '1.5' to INT"),
    ("SELECT CAST(300 AS tinyint)", "INVALID_CAST_ARGUMENT"),
    ("SELECT 2147483647 + 1", "NUMERIC_VALUE_OUT_OF_RANGE: integer addition overflow"),
    ("SELECT ARRAY[1, 2][3]", "INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or eq"),
    ("SELECT MAP(ARRAY['a'], ARRAY[1])['b']", "INVALID_FUNCTION_ARGUMENT: Key not present in map"),
    ("SELECT (SELECT close FROM quotes)", "SUBQUERY_MULTIPLE_ROWS: Scalar sub-query has returned"),
    ("SELECT 1 UNION SELECT 'a'", "TYPE_MISMATCH: line 1:8: column 1 in UNION query has incompat"),
    ("SELECT 1 UNION SELECT 1, 2", "TYPE_MISMATCH: line 1:8: UNION query has different number"),
    ("SELECT ARRAY[1, 'a']", "TYPE_MISMATCH: line 1:8: All ARRAY elements must be the same type"),
    ("SELECT *", "COLUMN_NOT_FOUND: line 1:8: SELECT * not allowed in queries without"),
    ("SELECT combinations(ARRAY[1, 2], 2)", "NOT_SUPPORTED: line 1:8"),
    ("SELECT st_point(1, 2)", "NOT_SUPPORTED: line 1:8: The local Athena does not have"),
    ("SELECT date_trunc('hour', DATE '2024-01-01')", "INVALID_FUNCTION_ARGUMENT: line 1:19:"),
    ("SELECT date_format(now(), '%q')", "INVALID_FUNCTION_ARGUMENT: line 1:27: Date format %q"),
    ("SELECT ?", "INVALID_PARAMETER_USAGE: Incorrect number of parameters: expected 1 but found 0"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "reason"), FAILURES)
def test_a_query_that_athena_fails_fails_with_its_words(market: Any, sql: str, reason: str) -> None:
    """The reason begins with Trino's error code, and says where."""
    assert market.failure(sql).startswith(reason.format(db=market.database))


MALFORMED = [
    ("SELEC 1", "line 1:1: mismatched input 'SELEC'. Expecting:"),
    ("SELECT a,, b FROM t", "line 1:10: mismatched input ','"),
    ("SELECT 1 FROM t WHERE", "mismatched input"),
    ("SELECT (1", "mismatched input"),
    ("SELECT 1; SELECT 2", "line 1:9: mismatched input ';'. Expecting: <EOF>"),
    ("", "queryString is required"),
    ("-- nothing", "mismatched input '<EOF>'"),
    ("FROM quotes", "line 1:1: mismatched input 'FROM'"),
    ("SELECT * FROM (FROM quotes)", "mismatched input 'FROM'"),
    ("SELECT close::varchar FROM quotes", "mismatched input"),
    ("SELECT [1, 2]", "mismatched input '['"),
    ("SELECT {'a': 1}", "mismatched input '{'"),
    ("SELECT `close` FROM quotes", "mismatched input '`'"),
    ("SELECT a FROM t LIMIT 5 OFFSET 2", "mismatched input 'LIMIT'"),
    ("SELECT a ILIKE 'b'", "mismatched input"),
    ("SELECT a FROM t QUALIFY row_number() OVER () = 1", "mismatched input"),
    ("SELECT * EXCLUDE (a) FROM t", "mismatched input"),
    ("PRAGMA database_list", "line 1:1: mismatched input 'PRAGMA'"),
    ("COPY quotes TO 'x.csv'", "line 1:1: mismatched input 'COPY'"),
    ("ATTACH 'x.db'", "line 1:1: mismatched input 'ATTACH'"),
    ("INSTALL httpfs", "line 1:1: mismatched input 'INSTALL'"),
    ("SET threads = 1", "line 1:1: mismatched input 'SET'"),
    ("SELECT * FROM 'file.parquet'", "mismatched input ''file.parquet''"),
    ("DELETE FROM quotes", "line 1:1: mismatched input 'DELETE'"),
    ("CREATE TABLE t (a int)", "mismatched input '('"),
    ("SELECT 1 AS end", "mismatched input 'end'"),
    ("SELECT 1 AS a, 2 AS", "mismatched input 'AS'"),
    ("SELECT x FROM t AS", "mismatched input 'AS'"),
]


@pytest.mark.parametrize(("sql", "message"), MALFORMED)
def test_what_is_not_sql_of_athena_is_refused_before_it_runs(
    market: Any, sql: str, message: str
) -> None:
    """Syntax that other engines have does not slip through."""
    with pytest.raises(market.athena.exceptions.InvalidRequestException) as refused:
        market.start(sql or " ")
    assert message in str(refused.value) or not sql


UNKNOWN_ELSEWHERE = [
    "SELECT list_aggregate(ARRAY[1], 'sum')",
    "SELECT string_split('a,b', ',')",
    "SELECT epoch_ms(1)",
    "SELECT getenv('HOME')",
    "SELECT current_setting('threads')",
    "SELECT read_text('/etc/hostname')",
    "SELECT struct_pack(1)",
    "SELECT trino_fail('x')",
]


@pytest.mark.parametrize("sql", UNKNOWN_ELSEWHERE)
def test_functions_of_duckdb_do_not_exist(market: Any, sql: str) -> None:
    """Only what Trino has can be called."""
    assert market.failure(sql).startswith("FUNCTION_NOT_FOUND: line 1:8")


FILES = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('x')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM \"/etc/passwd\"",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM TABLE(read_text('/etc/passwd'))",
]  # fmt: skip


@pytest.mark.parametrize("sql", FILES)
def test_sql_does_not_reach_the_files_of_the_machine(market: Any, sql: str) -> None:
    """A table is a table of the catalog, and nothing else."""
    try:
        reason = market.failure(sql)
    except market.athena.exceptions.InvalidRequestException as refused:
        reason = str(refused)
    assert "NOT_SUPPORTED" in reason or "TABLE_NOT_FOUND" in reason or "mismatched" in reason
