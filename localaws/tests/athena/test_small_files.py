"""Small files whose footers are alike to the byte, as a job writes rows of one length."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from localaws.athena.errors import QueryError
from localaws.athena.scan.objects import DataFile
from localaws.athena.scan.small import SmallFiles


@pytest.fixture
def write(tmp_path):
    """A function that writes a row as the job does; returns the file."""

    def write(name, ticker, close):
        path = tmp_path / name
        row = pa.table({"ticker": [ticker], "close": [close]})
        plain = {"use_dictionary": False, "write_statistics": False, "store_schema": False}
        pq.write_table(row, path, compression="none", **plain)
        return found(path)

    return write


def found(path):
    """Return a file as a listing finds it."""
    state = path.stat()
    return DataFile(f"s3://lake/{path.name}", str(path), state.st_size, state.st_mtime_ns)


def footer(file):
    """Return the bytes of a file's footer."""
    data = Path(file.path).read_bytes()
    return data[-8 - int.from_bytes(data[-8:-4], "little") :]


def test_files_with_one_footer_keep_their_own_rows(write):
    """The footer says where the values stand, not what they are."""
    files = [write("a", "PETR4", 1.0), write("b", "VALE3", 2.0), write("c", "SANB11", 3.0)]
    assert footer(files[0]) == footer(files[1]) != footer(files[2])

    rows, tables = SmallFiles().read(files, lambda: None)

    (table,) = tables.values()
    assert [table.slice(row.first, row.rows).to_pylist() for row in rows] == [
        [{"ticker": "PETR4", "close": 1.0}],
        [{"ticker": "VALE3", "close": 2.0}],
        [{"ticker": "SANB11", "close": 3.0}],
    ]
    assert rows[0].sizes == rows[1].sizes != rows[2].sizes


def test_a_broken_file_with_a_known_footer_is_named(write, tmp_path):
    """Its pages are read all the same."""
    whole = write("a", "PETR4", 1.0)
    path = tmp_path / "b"
    start = whole.size - len(footer(whole))
    path.write_bytes(b"PAR1" + b"\xff" * (start - 4) + footer(whole))

    with pytest.raises(QueryError, match="s3://lake/b"):
        SmallFiles().read([whole, found(path)], lambda: None)
