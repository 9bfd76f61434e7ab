"""The host's first start, run as it stands, with stand-ins for what only a host has.

Its folders lie in one of the test's own; `dnf`, `aws`, `runuser` and the like note their call.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NOTE = '#!/bin/bash\necho "$(basename "$0") $*" >>"$CALLS"\n'
STAND_INS = {
    "dnf": NOTE + '[ "$(grep -c ^dnf "$CALLS")" -gt "${DNF_FAILS:-0}" ]\n',
    "aws": NOTE + '[[ $* != *" - "* ]] || cat >"$MARK"\n'
    '[[ $* != *--recursive* ]] || { mkdir -p scripts; touch scripts/run_ingestion.sh; }\n',
    "runuser": '#!/bin/bash\nshift 3\nexec "$@"\n',
    "install": '#!/bin/bash\nmkdir -p "${!#}"\n',
    "curl": '#!/bin/bash\necho i-0123456789abcdef0\n',
    "systemctl": NOTE,
    "sleep": NOTE,
    "python3.11": NOTE + 'mkdir -p .venv/bin\n'
    'for name in pip b3; do cp "$CALLS.note" .venv/bin/$name; chmod +x .venv/bin/$name; done\n',
}  # fmt: skip


@dataclass(frozen=True)
class Start:
    """A first start that has ended."""

    folder: Path
    status: int
    said: str

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    @property
    def mark(self) -> dict[str, str]:
        content: dict[str, str] = json.loads((self.folder / "mark").read_text())
        return content


@pytest.fixture
def start(user_data, tmp_path: Path):
    """Return a runner of the first start; its environment is what the stand-ins read."""

    def run(tickers: str = "[]", **environment: str) -> Start:
        tools = tmp_path / "usr/local/bin"
        for folder in (tools, tmp_path / "etc/profile.d", tmp_path / "etc/systemd/system"):
            folder.mkdir(parents=True)
        for name, text in STAND_INS.items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        (tmp_path / "calls.note").write_text(NOTE)
        text = user_data(tickers)
        for place in ("/etc/", "/opt/b3", "/usr/local/bin/"):
            text = text.replace(f"{place}", f"{tmp_path}{place}")
        text = text.replace(f"OnFailure={tmp_path}", "OnFailure=")
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=tmp_path,
            env={
                "PATH": f"{tools}:{os.environ['PATH']}",
                "CALLS": str(tmp_path / "calls"),
                "MARK": str(tmp_path / "mark"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Start(tmp_path, done.returncode, done.stdout + done.stderr)

    return run


def test_a_first_start_ends_with_the_mark_that_it_is_ready(start) -> None:
    """The object lies under the prefix that the role writes anyway, and names the instance."""
    done = start()

    assert done.status == 0, done.said
    assert (done.mark["state"], done.mark["instance"]) == ("ready", "i-0123456789abcdef0")
    assert any("s3://bucket/raw/b3/_host/mark.json" in call for call in done.calls)
    assert "pip install --quiet --require-hashes --requirement requirements.txt" in done.calls


def test_a_download_that_stumbles_is_tried_again(start) -> None:
    """Three failures of the package mirror cost 5, 10 and 20 seconds, and no host."""
    done = start(DNF_FAILS="3")

    assert done.status == 0, done.said
    assert [call for call in done.calls if call.startswith("sleep")] == [
        "sleep 5",
        "sleep 10",
        "sleep 20",
    ]
    assert done.mark["state"] == "ready"


def test_a_start_that_fails_says_so_in_the_mark(start) -> None:
    """Six tries, then the mark holds the command, and the log the line."""
    done = start(DNF_FAILS="99")

    assert done.status == 1
    assert done.mark["state"] == "failed"
    assert done.mark["detail"].startswith("the first start, exit code 1 at: ")
    assert sum(call.startswith("dnf") for call in done.calls) == 6
    assert "b3: the first start failed (exit code 1)" in done.said
    assert not (done.folder / "opt/b3/.venv").exists()


def test_a_daily_ingestion_that_fails_sets_off_the_mark(start) -> None:
    """The unit that failed starts another one, which tells what the journal says."""
    done = start('["PETR4","IBOV"]')

    units = done.folder / "etc/systemd/system"
    service = (units / "b3-ingestion.service").read_text()
    assert done.status == 0, done.said
    assert "systemctl enable --now b3-ingestion.timer" in done.calls
    assert "OnFailure=b3-ingestion-failed.service" in service
    assert "Environment=TICKERS=PETR4,IBOV" in service
    assert "Environment=SOURCE=yahoo" in service
    assert "b3-mark failed" in (units / "b3-ingestion-failed.service").read_text()
    assert (
        "OnCalendar=Mon..Fri 20:00 America/Sao_Paulo" in (units / "b3-ingestion.timer").read_text()
    )
