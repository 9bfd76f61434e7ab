"""`scripts/run_ingestion.sh` checks what it is given before it starts anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "run_ingestion.sh"
GIVEN = {
    "RAW_BUCKET": "bucket",
    "TICKERS": "PETR4,VALE3",
    "START_DATE": "2024-01-02",
    "END_DATE": "2024-06-28",
}


def run(script: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Return the finished script, with these variables and no others."""
    environment = {"PATH": "/usr/bin:/bin"} | variables
    return subprocess.run(
        ["bash", str(script)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """Return the script in a folder laid out as the host's, with a `b3` that prints its call."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    command = tmp_path / ".venv" / "bin" / "b3"
    command.write_text('#!/bin/sh\necho "b3 $*"\nexit 3\n')
    command.chmod(0o755)
    return Path(shutil.copy(SCRIPT, tmp_path / "scripts"))


@pytest.mark.parametrize("missing", sorted(GIVEN))
def test_a_missing_variable_is_named(missing: str) -> None:
    """Without one of the four variables the script ends at once, and shows an example."""
    answer = run(SCRIPT, {name: value for name, value in GIVEN.items() if name != missing})

    assert answer.returncode == 2
    assert answer.stdout == ""
    assert f"error: {missing} is not set." in answer.stderr
    assert "try: RAW_BUCKET=my-bucket" in answer.stderr


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("START_DATE", "02/01/2024", "START_DATE is '02/01/2024', which is no date."),
        ("END_DATE", "today", "END_DATE is 'today', which is no date."),
        ("END_DATE", "2023-12-28", "START_DATE 2024-01-02 lies after END_DATE 2023-12-28."),
    ],
)
def test_dates_that_make_no_sense_are_refused(name: str, value: str, reason: str) -> None:
    """The script says which date is wrong, and why."""
    answer = run(SCRIPT, GIVEN | {name: value})

    assert answer.returncode == 2
    assert reason in answer.stderr


def test_a_missing_package_is_said(tmp_path: Path) -> None:
    """Without `b3` beside the script or on the PATH there is a sentence, and no traceback."""
    (tmp_path / "scripts").mkdir()
    alone = Path(shutil.copy(SCRIPT, tmp_path / "scripts"))

    answer = run(alone, GIVEN)

    assert answer.returncode == 2
    assert f"there is no b3 in {tmp_path}/.venv nor on the PATH" in answer.stderr


def test_it_says_what_it_does_and_passes_everything_on(host: Path) -> None:
    """The virtual environment beside the script is used, and its exit code comes back."""
    answer = run(host, GIVEN)

    assert answer.returncode == 3
    assert answer.stdout.splitlines() == [
        "Ingesting PETR4,VALE3 from yahoo, 2024-01-02 to 2024-06-28, into s3://bucket.",
        "b3 ingest --target aws --bucket bucket --source yahoo "
        "--tickers PETR4,VALE3 --start 2024-01-02 --end 2024-06-28",
    ]


def test_the_project_is_found_from_any_folder(host: Path) -> None:
    """A timer or cron calls the script from elsewhere; a B3_HOME that is set stays."""
    command = host.parents[1] / ".venv" / "bin" / "b3"
    command.write_text('#!/bin/sh\necho "$B3_HOME"\n')

    assert run(host, GIVEN).stdout.splitlines()[-1] == str(host.parents[1])
    assert run(host, GIVEN | {"B3_HOME": "/elsewhere"}).stdout.splitlines()[-1] == "/elsewhere"


def test_another_source_can_be_named(host: Path) -> None:
    """SOURCE replaces Yahoo."""
    answer = run(host, GIVEN | {"SOURCE": "sample"})

    assert "--source sample" in answer.stdout


def test_shorter_bars_can_be_asked_for(host: Path) -> None:
    """INTERVAL is passed on; without it the package's own default holds."""
    answer = run(host, GIVEN | {"INTERVAL": "60m"})

    assert answer.stdout.endswith("--end 2024-06-28 --interval 60m\n")


def test_a_second_source_can_be_named(host: Path) -> None:
    """FALLBACK is passed on."""
    answer = run(host, GIVEN | {"FALLBACK": "cotahist"})

    assert answer.stdout.endswith("--end 2024-06-28 --fallback cotahist\n")


def test_only_new_sessions_need_no_dates(host: Path) -> None:
    """SINCE=last leaves the range to what the bucket holds."""
    dated = ("START_DATE", "END_DATE")
    given = {name: value for name, value in GIVEN.items() if name not in dated}

    answer = run(host, given | {"SINCE": "last"})

    assert answer.stdout.splitlines() == [
        "Ingesting PETR4,VALE3 from yahoo, after the last session in it, into s3://bucket.",
        "b3 ingest --target aws --bucket bucket --source yahoo --tickers PETR4,VALE3 --since last",
    ]


def test_a_resume_needs_the_bucket_alone(host: Path) -> None:
    """All else is known from the batch."""
    answer = run(host, {"RAW_BUCKET": "bucket", "RESUME": "1"})

    assert answer.stdout.splitlines() == [
        "Resuming the newest incomplete batch of s3://bucket.",
        "b3 resume --target aws --bucket bucket",
    ]
