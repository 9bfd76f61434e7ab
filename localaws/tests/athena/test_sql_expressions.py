"""Expressions of Trino, each with the answer that Trino's rules and documentation give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from localaws.athena.engine import Engine
from localaws.athena.executor.queries import translated_errors
from localaws.athena.results import csv_lines, read_csv_rows
from localaws.athena.sql.model import Table
from localaws.athena.sql.translate import translate

NULL = None


class NoTables:
    """A catalog without a table."""

    def table(self, database: str, name: str) -> Table | None:
        return None

    def has_database(self, database: str) -> bool:
        return database == "db"


@pytest.fixture(scope="module")
def value(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str | None]:
    """The one value of `SELECT <expression>`, as GetQueryResults shows it."""
    folder: Path = tmp_path_factory.mktemp("engine")
    engine = Engine(folder, folder / "spill")
    connection = engine.connect()

    def compute(expression: str) -> str | None:
        translation = translate(f"SELECT {expression} AS x", NoTables(), database="db")
        with translated_errors(engine):
            batches = connection.sql(translation.sql).to_arrow_reader(1000)
            lines = "".join(csv_lines(translation.columns, batches))
        (_, (answer,)), _ = read_csv_rows(lines.encode(), 10, final=True)
        return answer

    return compute


NUMBERS = [
    ("7 / 2", "3"),
    ("-7 / 2", "-3"),
    ("7 % 3", "1"),
    ("-7 % 3", "-1"),
    ("7 / 2.0", "3.5"),
    ("7e0 / 2", "3.5"),
    ("1e0 / 0", "Infinity"),
    ("0e0 / 0", "NaN"),
    ("1.5 + 1", "2.5"),
    ("DECIMAL '1.10' * DECIMAL '2.5'", "2.750"),
    ("DECIMAL '1.00' / 3", "0.33"),
    ("DECIMAL '2.00' / 3", "0.67"),
    ("DECIMAL '0.3' / 2", "0.2"),
    ("10 / 4.0", "2.5"),
    ("5.5 % 2", "1.5"),
    ("1 + 1e0", "2.0"),
    ("1e10", "1.0E10"),
    ("15e9", "1.5E10"),
    ("1e7", "1.0E7"),
    ("9999999e0", "9999999.0"),
    ("1e-3", "0.001"),
    ("0.00025e0", "2.5E-4"),
    ("-0.1e0", "-0.1"),
    ("CAST(0.1 AS real)", "0.1"),
    ("123456789012345678", "123456789012345678"),
    ("abs(-3)", "3"),
    ("abs(-3.5)", "3.5"),
    ("sign(-2.5e0)", "-1.0"),
    ("ceil(1.2)", "2.0"),
    ("ceiling(1.2e0)", "2.0"),
    ("floor(-1.5e0)", "-2.0"),
    ("floor(7)", "7"),
    ("round(2.5e0)", "3.0"),
    ("round(-2.5e0)", "-3.0"),
    ("round(1.125e0, 2)", "1.13"),
    ("round(DECIMAL '2.345', 2)", "2.350"),
    ("round(2.5)", "3.0"),
    ("round(7)", "7"),
    ("truncate(-1.7e0)", "-1.0"),
    ("truncate(12.345e0, 1)", "12.3"),
    ("sqrt(16)", "4.0"),
    ("sqrt(-1)", "NaN"),
    ("power(2, 10)", "1024.0"),
    ("ln(0)", "-Infinity"),
    ("log(2, 64)", "6.0"),
    ("log10(1000)", "3.0"),
    ("mod(-7, 3)", "-1"),
    ("greatest(1, 3, 2)", "3"),
    ("greatest(1, NULL)", NULL),
    ("least('b', 'a')", "a"),
    ("is_nan(nan())", "true"),
    ("nan() = nan()", "false"),
    ("nan() <> nan()", "true"),
    ("nan() > 1", "false"),
    ("1 < infinity()", "true"),
    ("bitwise_and(19, 25)", "17"),
    ("bitwise_or(19, 25)", "27"),
    ("bitwise_xor(19, 25)", "10"),
    ("from_utf8(X'6869')", "hi"),
    ("X'00ff'", "00 ff"),
]

TEXTS = [
    ("'it''s'", "it's"),
    ("''", ""),
    ("'a' || 'b' || 'c'", "abc"),
    ("'a' || NULL", NULL),
    ("concat('a', 'b', 'c')", "abc"),
    ("concat('a', NULL)", NULL),
    ("concat_ws(',', 'a', NULL, 'b')", "a,b"),
    ("upper('abc')", "ABC"),
    ("length('São')", "3"),
    ("substr('hello', 2)", "ello"),
    ("substr('hello', 2, 3)", "ell"),
    ("substr('hello', -3)", "llo"),
    ("substr('hello', -3, 2)", "ll"),
    ("substr('hello', 0)", ""),
    ("substring('hello', 10)", ""),
    ("trim('  a ')", "a"),
    ("ltrim('  a')", "a"),
    ("trim(BOTH 'x' FROM 'xxaxx')", "a"),
    ("replace('banana', 'an')", "ba"),
    ("replace('banana', 'an', '-')", "b--a"),
    ("reverse('abc')", "cba"),
    ("strpos('high', 'ig')", "2"),
    ("strpos('high', 'z')", "0"),
    ("starts_with('abc', 'ab')", "true"),
    ("lpad('5', 3, '0')", "005"),
    ("lpad('12345', 3, '0')", "123"),
    ("rpad('a', 3, 'xy')", "axy"),
    ("split('a,b,c', ',')", "[a, b, c]"),
    ("split('a,b,c', ',', 2)", "[a, b,c]"),
    ("split_part('a,b,c', ',', 2)", "b"),
    ("split_part('a,b,c', ',', 9)", NULL),
    ("chr(65)", "A"),
    ("codepoint('A')", "65"),
    ("levenshtein_distance('kitten', 'sitting')", "3"),
    ("translate('abcda', 'ac', 'xy')", "xbydx"),
    ("to_hex(to_utf8('ab'))", "6162"),
    ("to_hex(md5(to_utf8('a')))", "0CC175B9C0F1B6A831C399E269772661"),
    ("'abc' LIKE 'a%'", "true"),
    ("'abc' LIKE 'A%'", "false"),
    ("'abc' NOT LIKE 'b%'", "true"),
    ("'a_c' LIKE 'a#_c' ESCAPE '#'", "true"),
    ("'abc' LIKE 'a#_c' ESCAPE '#'", "false"),
    (r"'a\b' LIKE 'a\b'", "true"),
    (r"regexp_like('1a 2b 14m', '\d+b')", "true"),
    (r"regexp_extract('1a 2b 14m', '\d+')", "1"),
    (r"regexp_extract('1a 2b 14m', '(\d+)([a-z]+)', 2)", "a"),
    ("regexp_extract('abc', 'x')", NULL),
    (r"regexp_extract_all('1a 2b 14m', '\d+')", "[1, 2, 14]"),
    (r"regexp_replace('1a 2b 14m', '\d+[ab] ')", "14m"),
    (r"regexp_replace('1a 2b 14m', '(\d+)([ab]) ', '3c$2 ')", "3ca 3cb 14m"),
    (r"regexp_split('1a 2b 14m', '\s*[a-z]+\s*')", "[1, 2, 14, ]"),
    ("format('%s%%', 123)", "123%"),
    ("format('%.5f', pi())", "3.14159"),
    ("format('%03d', 8)", "008"),
    ("format('%,.2f', 1234567.89)", "1,234,567.89"),
    ("format('%-7s|', 'left')", "left   |"),
    ("json_extract_scalar('{\"a\": {\"b\": 5}}', '$.a.b')", "5"),
    ("json_extract_scalar('{\"a\": [1]}', '$.a')", NULL),
    ("json_array_length('[1, 2, 3]')", "3"),
]

DATES = [
    ("DATE '2024-01-31' + INTERVAL '1' MONTH", "2024-02-29"),
    ("DATE '2024-01-05' - INTERVAL '2' DAY", "2024-01-03"),
    ("DATE '2024-01-05' - DATE '2024-01-01'", "4 00:00:00.000"),
    ("TIMESTAMP '2024-01-02 03:04:05' + INTERVAL '3' HOUR", "2024-01-02 06:04:05.000"),
    (
        "TIMESTAMP '2024-01-02 00:00:00' - TIMESTAMP '2024-01-01 12:00:00'",
        "0 12:00:00.000",
    ),
    ("INTERVAL '2' DAY", "2 00:00:00.000"),
    ("INTERVAL '3' MONTH", "0-3"),
    ("INTERVAL '1-2' YEAR TO MONTH", "1-2"),
    ("date_add('month', 1, DATE '2024-01-31')", "2024-02-29"),
    ("date_add('day', -1, DATE '2024-03-01')", "2024-02-29"),
    ("date_add('second', 86, TIMESTAMP '2020-03-01 00:00:00')", "2020-03-01 00:01:26.000"),
    ("date_diff('day', DATE '2020-03-01', DATE '2020-03-02')", "1"),
    (
        "date_diff('second', TIMESTAMP '2020-03-01 00:00:00', TIMESTAMP '2020-03-02 00:00:00')",
        "86400",
    ),
    (
        "date_diff('day', TIMESTAMP '2024-01-01 12:00:00', TIMESTAMP '2024-01-02 11:00:00')",
        "0",
    ),
    ("date_diff('month', DATE '2024-01-15', DATE '2024-03-14')", "1"),
    ("date_diff('day', DATE '2024-03-01', DATE '2024-02-28')", "-2"),
    ("date_trunc('month', DATE '2024-02-17')", "2024-02-01"),
    ("date_trunc('week', DATE '2024-01-07')", "2024-01-01"),
    ("date_trunc('quarter', DATE '2024-06-30')", "2024-04-01"),
    ("date_trunc('hour', TIMESTAMP '2001-08-22 03:04:05.321')", "2001-08-22 03:00:00.000"),
    ("date_format(TIMESTAMP '2022-10-20 05:10:00', '%m-%d-%Y %H')", "10-20-2022 05"),
    ("date_format(DATE '2024-01-09', '%e/%c/%y %a %b')", "9/1/24 Tue Jan"),
    ("date_parse('2022/10/20/05', '%Y/%m/%d/%H')", "2022-10-20 05:00:00.000"),
    ("date_parse('2024-03', '%Y-%m')", "2024-03-01 00:00:00.000"),
    ("format_datetime(TIMESTAMP '2024-01-02 03:04:05', 'yyyy/MM/dd HH:mm')", "2024/01/02 03:04"),
    ("year(DATE '2024-02-17')", "2024"),
    ("quarter(DATE '2024-02-17')", "1"),
    ("day_of_week(DATE '2024-01-07')", "7"),
    ("dow(DATE '2024-01-08')", "1"),
    ("day_of_year(DATE '2024-03-01')", "61"),
    ("week(DATE '2021-01-03')", "53"),
    ("year_of_week(DATE '2021-01-03')", "2020"),
    ("millisecond(TIMESTAMP '2024-01-02 03:04:05.678')", "678"),
    ("EXTRACT(month FROM DATE '2024-02-17')", "2"),
    ("last_day_of_month(DATE '2024-02-17')", "2024-02-29"),
    ("to_unixtime(TIMESTAMP '1970-01-01 00:01:00')", "60.0"),
    ("to_unixtime(TIMESTAMP '1969-12-31 21:01:00 America/Sao_Paulo')", "60.0"),
    ("from_unixtime(60)", "1970-01-01 00:01:00.000 UTC"),
    ("from_iso8601_date('2020-05-11')", "2020-05-11"),
    ("from_iso8601_timestamp('2020-05-11T11:15:05Z')", "2020-05-11 11:15:05.000 UTC"),
    ("to_iso8601(DATE '2020-05-11')", "2020-05-11"),
    ("TIMESTAMP '2024-01-02 10:00:00.123'", "2024-01-02 10:00:00.123"),
    (
        "TIMESTAMP '2024-01-02 10:00:00 UTC' AT TIME ZONE 'America/Sao_Paulo'",
        "2024-01-02 07:00:00.000 America/Sao_Paulo",
    ),
    ("with_timezone(TIMESTAMP '2024-01-02 10:00:00', 'America/Sao_Paulo') AT TIME ZONE 'UTC'",
     "2024-01-02 13:00:00.000 UTC"),
    (
        "CAST(TIMESTAMP '2024-01-02 01:00:00 UTC' AT TIME ZONE 'America/Sao_Paulo' AS date)",
        "2024-01-01",
    ),
    (
        "hour(TIMESTAMP '2024-01-02 10:00:00 UTC' AT TIME ZONE 'America/Sao_Paulo')",
        "7",
    ),
    ("DATE '2024-01-02' < TIMESTAMP '2024-01-02 00:00:01'", "true"),
    ("current_date = date(now())", "true"),
    ("TIME '10:11:12'", "10:11:12.000"),
]  # fmt: skip

CASTS = [
    ("CAST('2024-01-02' AS date)", "2024-01-02"),
    ("CAST('12' AS integer)", "12"),
    ("CAST(2.5e0 AS integer)", "3"),
    ("CAST(-2.5e0 AS bigint)", "-3"),
    ("CAST(2.5 AS bigint)", "3"),
    ("CAST('1e3' AS double)", "1000.0"),
    ("CAST(1.5e0 AS varchar)", "1.5"),
    ("CAST(1e10 AS varchar)", "1.0E10"),
    ("CAST(DECIMAL '12.50' AS varchar)", "12.50"),
    ("CAST(true AS varchar)", "true"),
    ("CAST('T' AS boolean)", "true"),
    ("CAST(0 AS boolean)", "false"),
    ("CAST('abcdef' AS varchar(3))", "abc"),
    ("CAST(DATE '2024-01-02' AS varchar)", "2024-01-02"),
    ("CAST(DATE '2024-01-02' AS timestamp)", "2024-01-02 00:00:00.000"),
    ("CAST(TIMESTAMP '2024-01-02 10:00:00' AS varchar)", "2024-01-02 10:00:00"),
    ("CAST('2024-01-02 10:00:00.1239' AS timestamp(3))", "2024-01-02 10:00:00.124"),
    ("CAST(TIMESTAMP '2024-01-02 10:00:00' AS date)", "2024-01-02"),
    ("CAST(1.239 AS decimal(4,2))", "1.24"),
    ("CAST('1.235' AS decimal(4,2))", "1.24"),
    ("CAST(ARRAY[1, 2] AS array(varchar))", "[1, 2]"),
    ("CAST(ROW(1, 'a') AS row(x bigint, y varchar))", "{x=1, y=a}"),
    ("CAST(ROW(1, 'a') AS row(x bigint, y varchar)).y", "a"),
    ("TRY_CAST('x' AS integer)", NULL),
    ("TRY_CAST('2024-02-30' AS date)", NULL),
    ("TRY(1 / 0)", NULL),
    ("typeof(1)", "integer"),
    ("typeof(3000000000)", "bigint"),
    ("typeof(1.50)", "double"),
    ("typeof('abc')", "varchar(3)"),
    ("typeof(1 + 1.5)", "double"),
    ("typeof(DATE '2024-01-02' + INTERVAL '1' DAY)", "date"),
    ("typeof(ARRAY[1, 2.5])", "array(double)"),
]

CONDITIONS = [
    ("CASE 2 WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END", "two"),
    ("CASE WHEN false THEN 1 END", NULL),
    ("CASE WHEN true THEN 1 ELSE 2.5 END", "1.0"),
    ("if(1 > 2, 'a')", NULL),
    ("coalesce(NULL, 2, 3)", "2"),
    ("nullif(3, 3)", NULL),
    ("nullif(3, 4)", "3"),
    ("1 IN (1, 2)", "true"),
    ("3 NOT IN (1, 2)", "true"),
    ("3 IN (1, NULL)", NULL),
    ("2 BETWEEN 1 AND 3", "true"),
    ("NULL IS NULL", "true"),
    ("1 IS NOT NULL", "true"),
    ("1 IS DISTINCT FROM NULL", "true"),
    ("NULL IS NOT DISTINCT FROM NULL", "true"),
    ("true AND NULL", NULL),
    ("false AND NULL", "false"),
    ("NOT (1 = 2)", "true"),
    ("1 = ANY (SELECT 1)", "true"),
    ("3 > ALL (SELECT x FROM (VALUES 1, 2) AS t(x))", "true"),
    ("EXISTS (SELECT 1 WHERE false)", "false"),
    ("(SELECT max(x) FROM (VALUES 1, 5, 3) AS t(x))", "5"),
    ("5 IN (SELECT x FROM (VALUES 1, 5) AS t(x))", "true"),
]

ARRAYS = [
    ("ARRAY[1, 2, NULL]", "[1, 2, null]"),
    ("ARRAY[1.5e0, 1e10]", "[1.5, 1.0E10]"),
    ("ARRAY[10, 20, 30][2]", "20"),
    ("element_at(ARRAY[10, 20], -1)", "20"),
    ("element_at(ARRAY[10, 20], 5)", NULL),
    ("cardinality(ARRAY[1, 2])", "2"),
    ("contains(ARRAY[1, 2], 2)", "true"),
    ("contains(ARRAY[1, NULL], 2)", NULL),
    ("array_distinct(ARRAY[3, 1, 3])", "[3, 1]"),
    ("array_sort(ARRAY[3, NULL, 1])", "[1, 3, null]"),
    ("array_max(ARRAY[1, 3, 2])", "3"),
    ("array_min(ARRAY[1, NULL])", NULL),
    ("array_position(ARRAY['a', 'b'], 'b')", "2"),
    ("array_position(ARRAY['a', 'b'], 'z')", "0"),
    ("array_join(ARRAY[1, NULL, 3], '-')", "1-3"),
    ("array_join(ARRAY[1, NULL, 3], '-', '?')", "1-?-3"),
    ("array_union(ARRAY[1, 2], ARRAY[2, 3])", "[1, 2, 3]"),
    ("array_intersect(ARRAY[1, 2], ARRAY[2, 3])", "[2]"),
    ("array_except(ARRAY[1, 2], ARRAY[2, 3])", "[1]"),
    ("slice(ARRAY[1, 2, 3, 4], 2, 2)", "[2, 3]"),
    ("slice(ARRAY[1, 2, 3, 4], -2, 2)", "[3, 4]"),
    ("sequence(1, 5, 2)", "[1, 3, 5]"),
    ("sequence(3, 1)", "[3, 2, 1]"),
    (
        "sequence(DATE '2024-01-30', DATE '2024-02-01')",
        "[2024-01-30, 2024-01-31, 2024-02-01]",
    ),
    ("flatten(ARRAY[ARRAY[1], ARRAY[2, 3]])", "[1, 2, 3]"),
    ("ARRAY[1] || ARRAY[2]", "[1, 2]"),
    ("transform(ARRAY[1, 2], x -> x * 10)", "[10, 20]"),
    ("filter(ARRAY[1, 2, 3], x -> x > 1)", "[2, 3]"),
    ("any_match(ARRAY[1, 2], x -> x > 1)", "true"),
    ("all_match(ARRAY[1, 2], x -> x > 1)", "false"),
    ("none_match(ARRAY[1, 2], x -> x > 5)", "true"),
    ("transform(ARRAY[1, 2], trino_e -> array_remove(ARRAY[1, 2], trino_e))", "[[2], [1]]"),
    ("transform(ARRAY[1, 2], i -> repeat(i, 2))", "[[1, 1], [2, 2]]"),
    ("transform(ARRAY[1], x -> transform(ARRAY[10], y -> x + y))", "[[11]]"),
    ("zip(ARRAY[1, 2], ARRAY['a'])", "[{field0=1, field1=a}, {field0=2, field1=null}]"),
    ("MAP(ARRAY['a', 'b'], ARRAY[1, 2])", "{a=1, b=2}"),
    ("MAP(ARRAY['a'], ARRAY[1])['a']", "1"),
    ("element_at(MAP(ARRAY['a'], ARRAY[1]), 'z')", NULL),
    ("map_keys(MAP(ARRAY['a'], ARRAY[1]))", "[a]"),
    ("ROW(1, 'a')", "{field0=1, field1=a}"),
]


@pytest.mark.parametrize(
    ("expression", "expected"), NUMBERS + TEXTS + DATES + CASTS + CONDITIONS + ARRAYS
)
def test_an_expression_has_the_value_that_trino_gives(
    value: Callable[[str], str | None], expression: str, expected: str | None
) -> None:
    """A scalar expression is computed and shown as Athena does."""
    assert value(expression) == expected
