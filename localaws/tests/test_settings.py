"""The settings of a server: one list, of which flags, variables and command lines follow."""

from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path

import pytest

from localaws.errors import LocalAwsError
from localaws.settings import Settings, add_options, command_line, from_environment, given

FIXED = {"host", "account_id", "region"}
OTHERS = {
    "any_key": True,
    "seconds_per_minute": 0.5,
    "ended_run_seconds": 2.0,
    "late_log_seconds": 3.0,
    "athena_memory_mb": 512,
    "athena_seconds": 4.5,
    "owner": 77,
    "hosts": ("nas", "nas:*"),
    "origins": ("http://localhost:3000",),
    "audit": True,
    "standby": "now",
    "standby_java": "-Xss4m -Xmx1g",
}


def parsed(line):
    """Return the settings that a command line makes."""
    parser = ArgumentParser()
    parser.add_argument("--state-dir", type=Path)
    parser.add_argument("--port", type=int)
    add_options(parser)
    options = parser.parse_args(line)
    return Settings(options.state_dir, options.port, **given(options))


def test_a_server_in_the_background_gets_every_setting():
    """None is lost between the value and the process that is started with it."""
    settings = Settings(Path("/state/a b"), 8123, **OTHERS)
    assert {f.name for f in fields(Settings)} - FIXED - {"state_dir", "port"} == set(OTHERS)
    assert parsed(command_line(settings)) == settings


def test_what_is_not_given_stays_at_its_default():
    """And is not spelt out: `ps` shows what differs."""
    settings = Settings(Path("/state/a"), 0)
    assert command_line(settings) == ["--state-dir", "/state/a", "--port", "0"]
    assert parsed(command_line(settings)) == settings


def test_hosts_and_origins_come_from_variables_where_none_is_given(monkeypatch):
    """With commas between; a flag goes before."""
    monkeypatch.delenv("LOCALAWS_STANDBY", raising=False)
    monkeypatch.setenv("LOCALAWS_HOSTS", "nas, ,nas:8080")
    monkeypatch.setenv("LOCALAWS_ORIGINS", "http://a")
    found = from_environment({"origins": ("http://b",), "owner": 1})
    assert found == {"hosts": ("nas", "nas:8080"), "origins": ("http://b",), "owner": 1}


def test_a_word_that_is_none_of_a_settings_choices_is_a_sentence(monkeypatch):
    """From the variable as from a program; the flag is refused by the command line itself."""
    monkeypatch.setenv("LOCALAWS_STANDBY", "now")
    assert from_environment({})["standby"] == "now"
    monkeypatch.setenv("LOCALAWS_STANDBY", "soon")
    with pytest.raises(LocalAwsError, match="standby is 'soon'") as caught:
        from_environment({})
    assert caught.value.hint == "say one of: idle, now, no."
