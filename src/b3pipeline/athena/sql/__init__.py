"""The SQL of the analysis: one file a question, in Athena's dialect, and what fills its gaps.

A file holds named placeholders, such as `:start`. `bind` puts a quoted literal in the place of
each, outside of strings, quoted names and comments, so a value can never become SQL:

| value | literal |
|---|---|
| `"PETR4"` | `'PETR4'`, a quote inside doubled |
| `datetime.date(2024, 1, 2)` | `'2024-01-02'`: text, as the partition key `dt` is |
| `datetime.datetime(…)`, naive | `TIMESTAMP '2024-01-02 10:00:00.000000'` |
| `7`, `0.5`, `True`, `None` | `7`, `DOUBLE '0.5'`, `TRUE`, `NULL` |
| `["PETR4", "VALE3"]` | `('PETR4', 'VALE3')`, to stand after `IN` |

What comes out is plain SQL: it runs in Athena's console, and can be saved as a named query.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from b3pipeline.errors import QueryError
from b3pipeline.language import say

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TOKEN = re.compile(
    r"""
    '(?:[^']|'')*'                              # a string
    | "(?:[^"]|"")*"                            # a quoted name
    | --[^\n]*                                  # a comment to the end of its line
    | /\*.*?\*/                                 # a comment that may span lines
    | (?<![:\w]):(?P<name>[a-z_][a-z0-9_]*)     # a placeholder
    """,
    re.VERBOSE | re.DOTALL,
)


def query_names() -> list[str]:
    """Return the names of the packaged queries, sorted."""
    files = resources.files(__name__).iterdir()
    return sorted(item.name.removesuffix(".sql") for item in files if item.name.endswith(".sql"))


def load_sql(name: str, **params: Any) -> str:
    """Return a packaged query: as it stands in its file, or with its placeholders filled.

    `load_sql("candles")` is the text to read; `load_sql("candles", ticker="PETR4", start=…, end=…)`
    the text to run. Raises QueryError for a name or a parameter that is not known, and for a
    parameter that lacks a value.
    """
    if name not in query_names():
        raise QueryError(
            say("there is no query named {name!r}.", name=name),
            hint=say("use one of {names}.", names=", ".join(query_names())),
        )
    text = resources.files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return bind(text, params) if params else text


def is_query_name(text: str) -> bool:
    """Return whether a text is meant as the name of a query: one plain word."""
    return _NAME.fullmatch(text) is not None


def placeholders(sql: str) -> list[str]:
    """Return the names of a query's placeholders, each once, in order of appearance."""
    return list(dict.fromkeys(match["name"] for match in _TOKEN.finditer(sql) if match["name"]))


def bind(sql: str, params: Mapping[str, Any]) -> str:
    """Return `sql` with a literal in the place of each placeholder.

    Raises QueryError where placeholders and parameters do not match, or a value has no literal.
    """
    wanted = placeholders(sql)
    missing = [name for name in wanted if name not in params]
    unknown = sorted(set(params) - set(wanted))
    if missing or unknown:
        wrong = [say("lacks {name}", name=name) for name in missing]
        wrong += [say("has no {name}", name=name) for name in unknown]
        raise QueryError(
            say("the query {wrong}.", wrong=say(" and ").join(wrong)),
            hint=say("its parameters are: {names}.", names=", ".join(wanted) or say("none")),
        )
    return _TOKEN.sub(
        lambda match: literal(params[match["name"]]) if match["name"] else match[0], sql
    )


def literal(value: object) -> str:
    """Return a value as a literal of Athena's SQL; raise QueryError where there is none."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).upper()
        case int():
            return str(value)
        case float() if math.isfinite(value):
            return f"DOUBLE '{value!r}'"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case dt.datetime() if value.tzinfo is None:
            return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}'"
        case dt.date() if not isinstance(value, dt.datetime):
            return f"'{value.isoformat()}'"
        case list() | tuple() if value:
            return f"({', '.join(map(literal, value))})"
    raise QueryError(
        say("{value!r} cannot stand in a query.", value=value),
        hint=say("use text, a number, a naive date or time, or a list that is not empty."),
    )
