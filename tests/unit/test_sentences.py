"""What a notebook shows of an error: a sentence and what to try."""

import errno
import logging
import os
import re

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from IPython.core.interactiveshell import InteractiveShell

from b3pipeline.course import sentences
from b3pipeline.errors import StorageError

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
UNKNOWN = NameError("name 'batch' is not defined", name="batch")


def plain(lines):
    """Return lines without the codes that colour them."""
    return [COLOUR.sub("", line) for line in lines]


def test_an_error_of_the_package_shows_itself_as_a_sentence():
    """IPython asks an exception for its own rendering before it prints a traceback."""
    error = StorageError("bronze holds no batch yet.", hint="run notebook 02 first.")
    assert plain(error._render_traceback_()) == [
        "StorageError: bronze holds no batch yet.",
        "Try: run notebook 02 first.",
    ]


def test_what_aws_answered_is_said():
    """An ended session of AWS Academy, say."""
    answer = {"Error": {"Code": "ExpiredToken", "Message": "The token has expired."}}
    said = plain(sentences.describe(ClientError(answer, "ListBuckets"), at_the_cell=False))
    assert said[0] == (
        "ClientError: the credentials for ListBuckets have expired "
        "(ExpiredToken: The token has expired)."
    )
    assert "AWS Academy: start the lab" in said[1]


def test_an_aws_that_is_not_there_leads_back_to_the_opening_cell():
    """The local AWS was stopped while the notebook stayed open."""
    error = EndpointConnectionError(endpoint_url="http://127.0.0.1:4566/")
    said = plain(sentences.describe(error, at_the_cell=False))
    assert "127.0.0.1:4566" in said[0]
    assert "lesson.open_cloud" in said[1]


def test_an_unknown_name_of_the_cell_leads_to_the_cells_above():
    """A kernel that was restarted knows nothing."""
    said = plain(sentences.describe(UNKNOWN, at_the_cell=True))
    assert said[0] == "NameError: this kernel knows no 'batch'."
    assert "Run All Above" in said[1]


def test_an_unknown_name_deeper_down_keeps_its_traceback():
    """That is a mistake of the code, and only the traceback says where."""
    assert sentences.describe(UNKNOWN, at_the_cell=False) == []


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "make room on the disk"), ("pt_BR", "libere espaço no disco")],
)
def test_a_full_disk_at_a_cell_is_a_sentence(tmp_path, monkeypatch, capsys, language, said):
    """A figure, a file of quotes: no file may grow beyond four kilobytes here."""
    resource = pytest.importorskip("resource")
    monkeypatch.setenv("B3_LANG", language)
    shell = InteractiveShell()
    monkeypatch.setattr(sentences, "get_ipython", lambda: shell)
    monkeypatch.setattr(logging, "lastResort", None)
    sentences.install()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        shell.run_cell(f"open({str(tmp_path / 'plot.png')!r}, 'wb', 0).write(bytes(10_000))")
        shell.run_cell(f"open({str(tmp_path / 'plot.png')!r}, 'ab', 0).write(bytes(10_000))")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    shown = capsys.readouterr().out
    assert said in shown
    assert "Traceback" not in shown


def test_an_error_of_the_system_that_is_no_full_disk_keeps_its_traceback():
    """A file that is not there, say: the line tells which."""
    error = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "quotes.csv")
    assert sentences.describe(error, at_the_cell=True) == []


def test_a_check_that_fails_asks_its_question_in_the_readers_language(monkeypatch, capsys):
    """The cell holds it in English, and what it found comes as it is."""
    monkeypatch.setenv("B3_LANG", "pt_BR")
    shell = InteractiveShell()
    shell.set_custom_exc((AssertionError,), sentences._show)
    ran = shell.run_cell('assert [], f"Which quotes did not come? {[1, 2]}"')
    assert str(ran.error_in_exec) == "Que cotações não vieram? [1, 2]"
    assert "Que cotações não vieram? [1, 2]" in capsys.readouterr().out


def test_a_warning_in_a_cell_is_in_the_readers_language(monkeypatch):
    """The log itself stays English, for programs."""
    shell, handler = InteractiveShell(), logging.StreamHandler()
    monkeypatch.setenv("B3_LANG", "pt_BR")
    monkeypatch.setattr(sentences, "get_ipython", lambda: shell)
    monkeypatch.setattr(logging, "lastResort", handler)
    sentences.install()
    said = ("batch %s had been cut off, and is complete now", "20261127T031417Z-5b460a7f")
    record = logging.LogRecord("b3", logging.WARNING, "", 0, said[0], said[1:], None)
    assert handler.format(record).startswith("o lote 20261127T031417Z-5b460a7f tinha sido")


def test_outside_of_a_kernel_nothing_is_changed():
    """The command line and the tests import the lesson, too."""
    sentences.install()
