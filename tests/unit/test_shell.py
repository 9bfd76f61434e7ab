"""What programs and logs get from `b3`: JSON, a version, one line a stage, completion."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from b3pipeline import __version__
from b3pipeline.cli import app
from b3pipeline.cloud.config import dump_outputs
from b3pipeline.progress import StageLine, bar_here

WEEK = ("--tickers", "PETR4,VALE3", "--start", "2024-06-24", "--end", "2024-06-28")
DOWN = ("the local AWS is down.", "start it with `b3 local up`.")


@pytest.fixture
def b3(tmp_path, monkeypatch):
    """A caller of `b3` in a folder of its own, where no local AWS runs."""
    monkeypatch.setenv("B3_HOME", str(tmp_path))
    monkeypatch.setenv("B3_PORT", "1")  # nobody's
    for name in ("TICKERS", "START_DATE", "END_DATE", "RAW_BUCKET", "B3_TARGET"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture
def b3_on_a_lake(b3, lake_cloud, tmp_path):
    """The same, with a lake of its own."""
    (tmp_path / ".localaws").mkdir()
    (tmp_path / ".localaws/outputs.json").write_text(dump_outputs(lake_cloud.config))
    return b3


@pytest.fixture
def b3_on_nothing(b3, lake_cloud, free_port, tmp_path):
    """The same after `b3 local down`: the outputs are there, and nobody listens."""
    (tmp_path / ".localaws").mkdir()
    config = replace(lake_cloud.config, endpoint_url=f"http://127.0.0.1:{free_port}")
    (tmp_path / ".localaws/outputs.json").write_text(dump_outputs(config))
    return b3


def test_the_version_is_that_of_the_package(b3):
    """Whoever reports a fault is asked for it."""
    answer = b3("--version")
    assert (answer.exit_code, answer.stdout) == (0, f"b3 {__version__}\n")


def test_the_shell_can_be_taught_the_verbs(b3):
    """Typer's own completion, which nobody has switched off."""
    assert "--install-completion" in b3("--help").stdout


def test_the_status_of_what_is_down_is_json_and_exit_code_1(b3):
    """The code stays, so that `&&` works as before."""
    answer = b3("local", "status", "--json")
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["running"] is False


@pytest.mark.parametrize(
    "arguments", [("status",), ("query", "SELECT 1"), ("ingest", *WEEK)], ids=lambda words: words[0]
)
def test_a_local_aws_that_was_stopped_is_said_to_be_down(b3_on_nothing, arguments):
    """Not which address did not answer, nor how an ingestion that nobody began is completed."""
    answer = b3_on_nothing(*arguments)
    assert (answer.stdout, answer.exception.message, answer.exception.hint) == ("", *DOWN)


@pytest.mark.process
def test_the_doctor_is_not_well_where_the_local_aws_was_stopped(b3_on_nothing):
    """A finding, so that programs read it too."""
    answer = b3_on_nothing("doctor", "--json")
    said = json.loads(answer.stdout)
    assert (answer.exit_code, said["ok"]) == (1, False)
    found = said["findings"][-1]
    assert (found["detail"], found["hint"]) == DOWN


@pytest.mark.process
def test_the_doctor_says_each_finding_in_json(b3):
    """Nothing else is on stdout, not even that the local AWS is down."""
    said = json.loads(b3("doctor", "--json").stdout)
    assert {"Python", "Java"} <= {finding["subject"] for finding in said["findings"]}
    assert said["ok"] is all(finding["ok"] for finding in said["findings"])
    assert set(said["findings"][0]) == {"subject", "ok", "detail", "hint"}


def test_a_batch_is_one_json_document(b3_on_a_lake):
    """Its figures at the top, its manifest below."""
    answer = b3_on_a_lake("ingest", *WEEK, "--fault", "missing:VALE3:2024-06-26", "--json")
    assert answer.exit_code == 3
    said = json.loads(answer.stdout)
    assert (said["complete"], said["objects"], said["rows"]) == (False, 9, 9)
    assert said["manifest"]["batch_id"] == said["batch_id"]
    assert said["run"] is None


def test_nothing_to_do_is_json_too(b3_on_a_lake):
    """No batch, and why."""
    answer = b3_on_a_lake("ingest", "--resume", "--json")
    said = json.loads(answer.stdout)
    assert (answer.exit_code, said["batch_id"]) == (0, None)
    assert "resume" in said["message"]


def test_a_plan_is_json_too(b3_on_a_lake):
    """What `--dry-run` would ask and write."""
    answer = b3_on_a_lake("ingest", *WEEK, "--dry-run", "--json")
    assert answer.exit_code == 0
    assert "PETR4" in json.dumps(json.loads(answer.stdout))


def test_a_log_gets_one_line_a_stage(b3_on_a_lake):
    """Not a thousand carriage returns: what was done, how much, how long."""
    answer = b3_on_a_lake("ingest", *WEEK)
    lines = [line for line in answer.stderr.splitlines() if line.endswith(" s")]
    assert lines
    assert "\r" not in answer.stderr
    assert len({line.partition(":")[0] for line in lines}) == len(lines)


def test_a_stage_says_how_far_it_came(capsys):
    """Of three, one was done when something failed."""
    bar = StageLine([1, 2, 3], desc="put")
    moving = iter(bar)
    next(moving)
    next(moving)
    moving.close()
    bar.close()
    bar.close()
    assert capsys.readouterr().err.partition(" in ")[0] == "put: 1 of 3"


@pytest.mark.process
def test_where_nobody_watches_the_bar_is_a_line(monkeypatch):
    """A terminal gets the moving bar."""
    code = "from b3pipeline.progress import bar_here; print(bar_here().__name__)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "StageLine\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert bar_here().__name__ == "tqdm"
