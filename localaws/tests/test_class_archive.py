"""The archive of Spark's classes, with which a run starts sooner."""

import sys
from pathlib import Path

import pytest

from localaws.glue.class_archive import archive_options, make_archive


def test_without_an_archive_a_jvm_gets_no_options():
    """A Java for which none was made starts as it always did."""
    assert archive_options("/no/java") == ""


def test_what_was_made_is_used_and_not_made_again(monkeypatch, tmp_path):
    """The archive lies below the environment, one for each Java."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr("localaws.glue.class_archive._run", lambda command, *_: write(command))
    with pytest.raises(FileNotFoundError, match=r"spark\.jsa"):
        make_archive("/some/java")  # its training left nothing
    assert archive_options("/some/java") == ""

    (base,) = (tmp_path / "share/localaws").glob("java-*.jsa")
    spark = base.with_name(base.name.replace("java-", "spark-"))
    spark.touch()

    assert make_archive("/some/java")
    assert archive_options("/some/java").startswith(f'"-XX:SharedArchiveFile={base}:{spark}" ')


def write(command):
    """Do what the dump of Java's own classes does: leave a file."""
    for option in command:
        if option.startswith("-XX:SharedArchiveFile="):
            Path(option.partition("=")[2]).touch()
