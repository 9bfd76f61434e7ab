"""Bronze objects that lie about their sizes: each is bad by name, and takes no memory for it."""

import importlib.util
import json
import random
import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from b3pipeline.errors import StorageError
from b3pipeline.lake import decode_partition
from b3pipeline.schema import BRONZE

_spec = importlib.util.spec_from_file_location("lies", Path(__file__).with_name("parquet_lies.py"))
lies = importlib.util.module_from_spec(_spec)
sys.modules["lies"] = lies
_spec.loader.exec_module(lies)
V, I32, I64, LIST, BINARY, STRUCT = lies.Value, 5, 6, 9, 8, 12

KEY = "raw/b3/dt=2024-01-02/ticker=PETR4/data.parquet"
PLAIN = {"compression": "none", "use_dictionary": False, "write_statistics": False}
NOT_WHOLE = "it is not a whole Parquet file ("

READS = """
import json, resource, sys
from pathlib import Path
from b3pipeline.job.bars import decoded

most = 2**31
resource.setrlimit(resource.RLIMIT_AS, (most, most))
for path in map(Path, sys.argv[1:]):
    try:
        said = decoded(path.read_bytes()).num_rows
    except ValueError as error:
        said = str(error)
    print(json.dumps([path.name, said]), flush=True)
"""


def table(rows=7, **columns):
    """Return bars, all alike, with other values in columns."""
    plain = {"source": "sample", "batch_id": "b", "volume": 1, "traded_at": 0, "ingested_at": 0}
    values = dict.fromkeys(BRONZE.names, 10.0) | plain | columns
    return pa.table([pa.repeat(pa.scalar(values[f.name], f.type), rows) for f in BRONZE], BRONZE)


def encoded(found, **options):
    """Return a table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(found, sink, **options)
    return sink.getvalue().to_pybytes()


def page(field, kind, value, inside=None):
    """Return a change of a page's header, or of what it says of its values."""

    def change(header):
        (header[inside].value if inside else header)[field] = V(kind, value)

    return change


def columns(**fields):
    """Return a change of all column chunks of a footer, by the numbers of their fields."""

    def change(footer):
        for column in lies.columns_of(footer):
            column.update({int(n.strip("_")): V(I64, v) for n, v in fields.items()})

    return change


def modest(footer):
    """Say that there is one row of a hundred bytes."""
    footer[3] = V(I64, 1)
    for group in lies.groups_of(footer):
        group[2], group[3] = V(I64, 100), V(I64, 1)
    for column in lies.columns_of(footer):
        column[6] = V(I64, 10)


def nested(depth):
    """Return a change that puts columns within columns, so deep."""

    def change(footer):
        _, (root, *others) = footer[2].value
        more = [{3: V(I32, 1), 4: V(BINARY, b"n"), 5: V(I32, 1)}] * depth
        leaf = {1: V(I32, 5), 3: V(I32, 0), 4: V(BINARY, b"x")}
        root[5] = V(I32, len(others) + 1)
        footer[2] = V(LIST, (STRUCT, [root, *others, *more, leaf]))
        footer.pop(7)

    return change


def histogram(footer):
    """Count the levels of a column in a list that is too short."""
    for column in lies.columns_of(footer):
        column[16] = V(STRUCT, {3: V(LIST, (I64, [1]))})


def footer_of(length):
    """Return a change of the length of the footer."""
    return lambda data: data[:-8] + length.to_bytes(4, "little") + b"PAR1"


def made():
    """Yield name, bytes and reason of each lie."""
    plain, packed = encoded(table(), **PLAIN), encoded(table())
    text = table(1, source="x" * 200_000_000)
    bomb = {codec: encoded(text, **PLAIN | {"compression": codec}) for codec in ("zstd", "snappy")}
    runs = encoded(table(2**21), compression="none", write_statistics=False, row_group_size=2**21)
    on_page, on_footer = lies.with_page, lies.with_footer
    for size in (2**31 - 1, -1):
        too_much = "it is too large for a session" if size > 0 else "a page has no size"
        yield f"page becomes {size}", on_page(packed, 2, page(2, I32, size)), too_much
        yield f"dictionary becomes {size}", on_page(packed, 9, page(2, I32, size), 11), too_much
        yield f"page takes {size}", on_page(plain, 2, page(3, I32, size)), NOT_WHOLE
        values = page(1, I32, size, inside=7)
        for name, column in (("texts", 9), ("numbers", 2)):
            yield f"dictionary of {size} {name}", on_page(packed, column, values, 11), NOT_WHOLE
        yield f"page of {size} values", on_page(plain, 2, page(1, I32, size, inside=5)), NOT_WHOLE
    for codec, data in bomb.items():
        yield (
            f"{codec} without end",
            on_footer(data, modest),
            "too large for a session: 1 rows, 200",
        )
    yield "runs without end", on_footer(runs, modest), "too large for a session: 2,097,152 rows"
    for count in (2**28, 2**62):
        yield f"{count} values", on_footer(plain, columns(_5=count)), "too large for a session"
    for offset in (-1, 2**40, 2**63 - 1, len(plain) - 3):
        yield f"offset {offset}", on_footer(plain, columns(_9=offset)), NOT_WHOLE
        yield f"packed, {offset}", on_footer(packed, columns(_9=offset, _11=offset)), NOT_WHOLE
    for length in (-1, 0, 2**40):
        yield f"length {length}", on_footer(plain, columns(_7=length)), "it is "
        yield f"packed, length {length}", on_footer(packed, columns(_7=length)), "it is "
    for count in (10**5, 2**32 - 1):
        yield f"footer of {count}", footer_of(count)(plain), NOT_WHOLE
    yield "footer of the whole file", footer_of(len(plain) - 8)(plain), NOT_WHOLE
    yield "columns within columns", on_footer(plain, nested(30_000)), "it has too many columns"
    yield "a short histogram", on_footer(packed, histogram), "histogram size mismatch"


def mutated(data, dice):
    """Return a file with some of its bytes changed, in its pages or in its footer."""
    found = bytearray(data)
    footer = len(found) - 8 - int.from_bytes(found[-8:-4], "little")
    for _ in range(dice.choice([1, 1, 2, 5])):
        place = dice.randrange(*((4, footer), (footer, len(found)))[dice.random() < 0.6])
        how = dice.randrange(3)
        if how == 0:
            found[place] = dice.choice([0, 1, 127, 128, 255, dice.randrange(256)])
        elif how == 1:
            found[place] ^= 1 << dice.randrange(8)
        else:
            found[place : place + 1] = b"\xfe\xff\xff\xff\x0f"[: dice.randrange(2, 6)]
            longer = len(found) - footer - 8 if place >= footer else len(data) - footer - 8
            found[-8:-4] = longer.to_bytes(4, "little")
    return bytes(found)


def decoded_in_a_child(folder, files):
    """Return what a process with two gigabytes says of each file: its rows, or what is wrong."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    run = subprocess.run(
        [sys.executable, "-c", READS, *(str(folder / name) for name in files)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    said = dict(map(json.loads, run.stdout.splitlines()))
    assert run.returncode == 0, f"{run.returncode} after {len(said)} of {len(files)}: {run.stderr}"
    return said


@pytest.mark.process
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="no limit of memory")
def test_a_file_that_lies_is_bad_and_ends_no_process(tmp_path):
    """Sizes, numbers, offsets and lengths of pages, columns and footers."""
    wanted = {name: (data, reason) for name, data, reason in made()}
    said = decoded_in_a_child(tmp_path, {name: data for name, (data, _) in wanted.items()})
    assert {n: said[n] for n, (_, why) in wanted.items() if why not in str(said[n])} == {}


@pytest.mark.process
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="no limit of memory")
def test_whatever_bytes_are_changed_the_process_goes_on(tmp_path):
    """Files as the ingestion writes them, and as pyarrow does by itself; the dice are marked."""
    dice = random.Random(13)  # noqa: S311
    files = [encoded(table(), **PLAIN, store_schema=False), encoded(table()), encoded(table(420))]
    said = decoded_in_a_child(
        tmp_path, {str(number): mutated(dice.choice(files), dice) for number in range(1500)}
    )
    assert len(said) == 1500


@pytest.mark.parametrize("damage", ["page", "columns", "text"])
def test_the_ingestion_takes_damaged_bars_for_none(damage):
    """It compares with what bronze holds; an object that cannot be read is replaced."""
    body = encoded(table())
    bad = {
        "page": lies.with_page(body, 2, page(3, I32, -1)),
        "columns": lies.with_footer(body, nested(1000)),
        "text": lies.with_footer(body, columns(_7=0)),
    }
    with pytest.raises(StorageError, match="is not a bronze partition: it is not a whole Parquet"):
        decode_partition(KEY, bad[damage])


def test_rows_that_lack_are_noticed():
    """A file whose columns have a length of zero would else be a session without quotes."""
    from b3pipeline.job.bars import decoded

    with pytest.raises(ValueError, match="7 rows are promised, and 0 are there"):
        decoded(lies.with_footer(encoded(table(), **PLAIN), columns(_7=0)))
