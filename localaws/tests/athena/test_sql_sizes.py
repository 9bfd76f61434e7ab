"""Statements that are very long or very deep: an error of the statement, and soon."""

from __future__ import annotations

import pytest

from localaws.athena.errors import MalformedQueryError
from localaws.athena.statements.parsing import parse_statement

DEEP = {
    "parentheses": "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    "subqueries": "SELECT * FROM (" * 500 + "SELECT 1" + ")" * 500,
    "cases": "SELECT " + "CASE WHEN true THEN " * 1000 + "1" + " END" * 1000,
    "signs": "SELECT " + "- " * 5000 + "1",
    "types": "SELECT CAST(1 AS " + "array(" * 200 + "int" + ")" * 201,
    "arrays": "SELECT " + "ARRAY[" * 2000 + "1" + "]" * 2000,
}
LONG = {
    "list": f"SELECT 1 WHERE 1 IN ({', '.join(['1'] * 10_000)})",
    "sum": "SELECT " + " + ".join(["1"] * 10_001),
    "columns": "SELECT " + ", ".join(["1"] * 10_001),
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_a_statement_that_is_nested_without_end_is_refused(text):
    """Not by the end of a stack."""
    with pytest.raises(MalformedQueryError, match="nested too deeply"):
        parse_statement(text)


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_statement_of_more_than_twenty_thousand_words_is_refused(text):
    """Its text is short enough for Athena: what is here would read it for minutes."""
    with pytest.raises(MalformedQueryError, match=r"has 20,0\d\d words and signs, and 20,000 are"):
        parse_statement(text)


def test_a_list_of_thousands_of_values_is_read():
    """As people write them, out of a program."""
    parse_statement(f"SELECT 1 WHERE 1 IN ({', '.join(map(str, range(9_000)))})")
