"""Statements by kind, each with the answer that Athena gives: right, or refused, never wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from localaws.athena.engine import Engine
from localaws.athena.errors import QueryError
from localaws.athena.executor.queries import translated_errors
from localaws.athena.results import csv_lines, read_csv_rows
from localaws.athena.sql.model import Table
from localaws.athena.sql.translate import translate

Answer = list[list[str | None]] | str
_QUERY = re.compile(r"(SELECT|WITH|VALUES|TABLE)\b")


class NoTables:
    """A catalog without a table."""

    def table(self, database: str, name: str) -> Table | None:
        return None

    def has_database(self, database: str) -> bool:
        return False


def read_kinds() -> dict[str, list[tuple[str, str]]]:
    """Return the statements of each kind, with their answers as the file writes them."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for line in Path(__file__).with_name("answers.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]") and "=>" not in line:
            statements = kinds.setdefault(line[1:-1], [])
        elif line and not line.startswith("# ") and line != "#":
            sql, _, answer = line.partition(" =>")
            statements.append((sql if _QUERY.match(sql) else f"SELECT {sql}", answer[1:]))
    return kinds


def expected(answer: str) -> Answer:
    """Return the rows that an answer of the file means, or its error as it stands."""
    if answer.startswith("!") or not answer:
        return answer or []
    return [[cell(text) for text in row.split(" | ")] for row in answer.split(" ; ")]


def cell(text: str) -> str | None:
    """Return the value that a cell of the file means."""
    quoted = len(text) > 1 and text[0] == text[-1] == "'"
    return text[1:-1] if quoted else None if text == "NULL" else text


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Answer]:
    """The rows of a statement as GetQueryResults shows them, or `!` and the code of its error."""
    folder: Path = tmp_path_factory.mktemp("engine")
    engine = Engine(folder, folder / "spill")

    def compute(sql: str) -> Answer:
        try:
            translation = translate(sql, NoTables())
            with translated_errors(engine):
                batches = engine.connect().sql(translation.sql).to_arrow_reader(1000)
                lines = "".join(csv_lines(translation.columns, batches))
        except QueryError as error:
            return f"!{error.code}"
        return read_csv_rows(lines.encode(), 1000, final=True)[0][1:]

    return compute


@pytest.mark.parametrize("kind", read_kinds())
def test_every_statement_of_a_kind_is_answered_as_athena_answers(
    answer: Callable[[str], Answer], kind: str
) -> None:
    """All that are wrong are shown, with what was wanted and what came."""
    wrong = []
    for sql, written in read_kinds()[kind]:
        wanted, got = expected(written), answer(sql)
        codes = wanted.replace("!", "").split(" or ") if isinstance(wanted, str) else []
        if got != wanted and not (isinstance(got, str) and got[1:] in codes):
            wrong.append(f"{sql}\n    wanted {wanted}\n    got    {got}")
    assert not wrong, "\n".join(["", *wrong])
