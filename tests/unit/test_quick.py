"""A command that needs little answers at once: what it imports is held here, not its seconds."""

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from b3pipeline.schema import BRONZE

pytestmark = pytest.mark.process

HEAVY = "pandas numpy pyarrow boto3 awswrangler obstore pyspark sqlglot duckdb papermill nbconvert"
CODE = f"""
import sys
from b3pipeline import cli
try:
    cli.main()
except SystemExit as end:
    print(end.code, *sorted(set(sys.modules) & set({HEAVY.split()})))
"""

TASK = """
import sys
from pathlib import Path
import pyarrow as pa
from b3pipeline.job import bars
from b3pipeline.schema import SILVER

read = bars.decoded(Path("bronze.parquet").read_bytes())
whole = bars.labelled([("PETR4", "2024-01-02", True), ("VALE3", "2024-01-02", True)], [read, "a"])
print(*[whole[n][i] for n, i in (("dt", 0), ("problem", 1))], "pandas" in sys.modules)

class Store(list):
    def connect(self):
        return self
    def put(self, key, body):
        self.append(body[:4].decode())

puts = Store()
names = [*SILVER.names, "ticker", "dt"]
rows = [pa.nulls(1, column.type) for column in SILVER] + [bars.strings(["a"])] * 2
list(bars.silver_writer(puts)([pa.record_batch(rows, names)]))
print(puts, "pandas" in sys.modules)
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["local", "status"], 1),
        (["--version"], 0),
        (["tutorial", "--only", "9"], 1),
        (["tutorial", "--target", "nowhere"], 1),
        (["query", "--target", "nowhere", "SELECT 1"], 1),
        (["refine", "--target", "nowhere"], 1),
        (["ingest", "--since", "yesterday"], 1),
        (["ingest", "--window", "-1"], 2),
        (["ingest", "--tickers", "IBOV,no ticker"], 1),
        (["ingest", "--end", "31/12/2024"], 1),
        (["refine", "--dates", "2024-01-02,2024-13-45"], 1),
        (["refine", "--tickers", "no ticker"], 1),
        (["reconcile", "--start", "tomorrow"], 1),
        (["grade", "nowhere"], 1),
    ],
)
def test_a_status_and_a_refused_argument_import_nothing_that_is_heavy(tmp_path, arguments, code):
    """Not pandas, no client of AWS, no Spark: each of them takes longer than the answer."""
    for part in ("pyproject.toml", "notebooks"):
        (tmp_path / part).symlink_to(Path(__file__).parents[2] / part)
    answer = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        env={**os.environ, "B3_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.splitlines()[-1] == str(code)


@pytest.mark.parametrize("module", ["b3pipeline.course.notebooks", "b3pipeline.classroom.grade"])
def test_notebooks_are_read_without_a_grammar_of_addresses(module):
    """For jsonschema, lark would make one at each start: three CPU seconds, for nothing."""
    code = f"import sys, {module}; print('jsonschema' in sys.modules, 'lark' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["True", "False"]


def test_a_task_of_the_job_imports_no_pandas(tmp_path):
    """It is half a second in each Python worker of each run; the same for the writing half."""
    day = dt.datetime.fromisoformat("2024-01-02")
    times = {"traded_at": day, "ingested_at": day}
    words = {"volume": 1, "source": "", "batch_id": ""}
    bar = dict.fromkeys(BRONZE.names, 1.0) | times | words
    pq.write_table(pa.Table.from_pylist([bar], BRONZE), tmp_path / "bronze.parquet")
    answer = subprocess.run(
        [sys.executable, "-c", TASK], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["2024-01-02", "a", "False", "['PAR1']", "False"]
