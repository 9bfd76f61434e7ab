"""Regular files only, and whole ones."""

import datetime as dt
import errno
import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from b3pipeline import cli
from b3pipeline.course.notebooks import report
from b3pipeline.errors import SourceError
from b3pipeline.files import open_regular, write_whole
from b3pipeline.sources import open_source

DAYS = (dt.date(2024, 1, 2), dt.date(2024, 1, 3))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("kind", "said"), [("pipe", "a named pipe"), ("folder", "a folder")])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind, said):
    """A named pipe would wait for ever; the error says what it is."""
    path = tmp_path / "given"
    os.mkfifo(path) if kind == "pipe" else path.mkdir()
    with pytest.raises(OSError, match=f"it is {said}, not a regular file"):
        open_regular(path)


@pytest.mark.timeout(20)
def test_a_device_is_refused(tmp_path):
    """It has no end."""
    with pytest.raises(OSError, match="a device"):
        open_regular(Path("/dev/zero"))


@pytest.mark.timeout(20)
def test_a_named_pipe_as_file_of_the_exchange_is_a_sentence(tmp_path):
    """`--path PIPE` ends at once."""
    pipe = tmp_path / "COTAHIST_A2024.TXT"
    os.mkfifo(pipe)
    with pytest.raises(SourceError, match="a named pipe, not a regular file"):
        open_source("cotahist", path=pipe).fetch(["PETR4"], *DAYS)


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path, monkeypatch):
    """The old text, and no draft beside it."""
    path = tmp_path / "outputs.json"
    write_whole(path, "old")
    monkeypatch.setattr(os, "fsync", _no_room)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert [(item.name, item.read_text()) for item in tmp_path.iterdir()] == [
        ("outputs.json", "old")
    ]


def test_a_draft_that_is_a_link_is_not_followed(tmp_path):
    """Its name can be guessed: what it points to stays, and the file is written."""
    precious, path = tmp_path / "precious", tmp_path / "outputs.json"
    precious.write_text("precious")
    (tmp_path / f".outputs.json.{os.getpid()}.new").symlink_to(precious)
    write_whole(path, "new")
    assert (precious.read_text(), path.read_text()) == ("precious", "new")
    assert not path.is_symlink()


def _no_room(_):
    raise OSError(28, "No space left on device")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_report_on_a_full_disk_ends_in_a_sentence(monkeypatch, capsys):
    """Also where the folder is the system's, or became read-only."""
    monkeypatch.setattr(cli, "command_line", lambda: lambda: report([], "/dev/full"))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "a file cannot be read or written: No space left on device." in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_folder_that_takes_no_file_is_named(monkeypatch, capsys, number):
    """The sentence has the path and the system's reason."""

    def refuse():
        raise OSError(number, os.strerror(number), "build/report")

    monkeypatch.setattr(cli, "command_line", lambda: refuse)
    with pytest.raises(SystemExit):
        cli.main()
    assert "build/report cannot be read or written: " in capsys.readouterr().err


def test_an_error_of_the_system_that_is_no_full_disk_stays_one(monkeypatch):
    """A mistake of ours is not told as one of the disk."""

    def fail():
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(cli, "command_line", lambda: fail)
    with pytest.raises(OSError, match="Bad file descriptor"):
        cli.main()


@pytest.fixture
def small_files():
    """No file may grow beyond four kilobytes, as on a disk with so much room."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("language", "said", "hint"),
    [
        ("en", "cannot be read or written: File too large.", "make room on the disk"),
        ("pt_BR", "não pode ser lido nem gravado: File too large.", "libere espaço no disco"),
    ],
)
def test_a_folder_that_cannot_be_copied_whole_ends_in_a_sentence(
    tmp_path, monkeypatch, capsys, request, language, said, hint
):
    """What shutil says of each file is a list; the first is named, as `b3 class work` copies."""
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "01.ipynb").write_bytes(bytes(10_000))
    monkeypatch.setenv("B3_LANG", language)
    copied = partial(shutil.copytree, tmp_path / "from", tmp_path / "to", copy_function=by_hand)
    monkeypatch.setattr(cli, "command_line", lambda: copied)
    request.getfixturevalue("small_files")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr().err
    assert (ended.value.code, str(tmp_path / "to" / "01.ipynb") in shown) == (1, True)
    assert said in shown
    assert hint in shown


def by_hand(source, target):
    """Copy a file by writing it: a copy by the system itself has no limit here."""
    with Path(target).open("wb") as file:
        file.write(Path(source).read_bytes())


def test_a_draft_that_cannot_be_written_is_named_by_its_file(tmp_path, small_files):
    """Nobody has heard of the draft."""
    path = tmp_path / "outputs.json"
    with pytest.raises(OSError) as caught:
        write_whole(path, "x" * 10_000)
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []
