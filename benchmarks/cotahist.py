"""How fast a year of the exchange's records is read, and against what.

Run: .venv/bin/python benchmarks/cotahist.py [records]

A file of 1.5 million records is made, a tenth of them of the cash market as on the exchange.
`bytes` is the floor: the ZIP is unpacked (and its checksum compared) and its bytes are dropped.
`checked` checks every record, `parsed` also makes bars of the cash market; `read_fwf` is pandas
on the same columns of a sample, per record. The table shows medians of runs that take turns; the
memory is what the process came to hold beyond its imports.
"""

from __future__ import annotations

import datetime as dt
import resource
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from itertools import islice, product
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from b3pipeline.calendar import sessions
from b3pipeline.sources.base import QUOTE_COLUMNS
from b3pipeline.sources.cotahist import layout, write_cotahist
from b3pipeline.sources.cotahist.records import check_file, read_bars

RECORDS = 1_500_000
ROUNDS = 3
SAMPLE = 30_000
YEAR = 2024
WIDTH = layout.RECORD + 2
CASH_PART = 10
PRICE_DIGITS = [field.last - place for field in (layout.OPEN, layout.HIGH, layout.LOW,
                layout.CLOSE) for place in (1, 2, 3)]  # fmt: skip


def make_year(folder: Path, records: int) -> Path:
    """Return a yearly file whose sessions hold the same papers at prices of their own."""
    days = sessions(dt.date(YEAR, 1, 1), dt.date(YEAR, 12, 31))
    session = one_session(folder, records // len(days))
    digits = np.random.default_rng(7)
    path = folder / layout.yearly_name(YEAR)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(f"COTAHIST_A{YEAR}.TXT", "w", force_zip64=True) as text,
    ):
        text.write(end(b"00", days[-1], ""))
        for day in tqdm(days, desc="making the file"):
            session[:, layout.DATE.slice] = np.frombuffer(f"{day:%Y%m%d}".encode(), np.uint8)
            session[:, PRICE_DIGITS] = digits.integers(
                ord("0"), ord("9"), (len(session), len(PRICE_DIGITS)), np.uint8
            )
            text.write(session.tobytes())
        total = len(session) * len(days) + 2
        text.write(end(b"99", days[-1], f"{total:011d}"))
    return path


def one_session(folder: Path, count: int) -> np.ndarray:
    """Return the records of a session, a row a record; a tenth of them of the cash market."""
    letters = [chr(ord("A") + place) for place in range(26)]
    names = islice(product("ABCDE", letters, letters, letters), count)
    rows = [
        ("".join(name) + "3", f"{YEAR}-01-02", 10.0, 11.0, 9.0, 10.5, 10.5, 1000, 0.0, 0.0)
        for name in names
    ]
    quotes = pd.DataFrame(rows, columns=list(QUOTE_COLUMNS)).astype(QUOTE_COLUMNS)
    text = write_cotahist(quotes, folder / "one.txt")
    session = np.frombuffer(text.read_bytes(), np.uint8).reshape(-1, WIDTH)[1:-1].copy()
    options = np.arange(len(session)) % CASH_PART > 0
    session[options, layout.MARKET.slice] = np.frombuffer(b"070", np.uint8)
    return session


def end(kind: bytes, day: dt.date, count: str) -> bytes:
    """Return the header or the trailer."""
    text = f"COTAHIST.{YEAR}{layout.SIMULATED_ORIGIN}{day:%Y%m%d}{count}"
    return (kind + text.encode()).ljust(layout.RECORD) + b"\r\n"


def unpack(path: Path) -> None:
    """Read all bytes, and do nothing with them."""
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as text:
        while text.read(1 << 24):
            pass


def read_fwf(sample: Path) -> None:
    """Read the columns of a bar, as pandas does."""
    fields = [layout.DATE, layout.TICKER, layout.MARKET, layout.OPEN, layout.HIGH, layout.LOW,
              layout.CLOSE, layout.VOLUME, layout.PER, layout.KIND]  # fmt: skip
    pd.read_fwf(sample, colspecs=[(f.first, f.last) for f in fields], header=None,
                encoding="latin-1")  # fmt: skip


def take_sample(path: Path, folder: Path) -> Path:
    """Return a text of the first records of the file."""
    sample = folder / "sample.txt"
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as text:
        text.read(WIDTH)
        sample.write_bytes(text.read(SAMPLE * WIDTH))
    return sample


def seconds(act: Callable[[Path], object], path: Path) -> float:
    """Return how long an act takes."""
    start = time.perf_counter()
    act(path)
    return time.perf_counter() - start


def megabytes() -> float:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = make_year(folder, records)
        before = megabytes()
        bars = read_bars(path)
        held = megabytes() - before
        print(f"{records:,} records, {path.stat().st_size / 1e6:,.0f} MB packed, "
              f"{records * WIDTH / 1e6:,.0f} MB of text, {len(bars):,} bars")  # fmt: skip
        print(f"memory beyond what making the file took: {held:,.0f} MB")
        sample = take_sample(path, folder)
        acts = {"bytes": unpack, "checked": check_file, "parsed": read_bars}
        taken: dict[str, list[float]] = {act: [] for act in (*acts, "read_fwf")}
        for _ in tqdm(range(ROUNDS), desc="reading"):
            for act, run in acts.items():
                taken[act].append(seconds(run, path))
            taken["read_fwf"].append(seconds(read_fwf, sample) * records / SAMPLE)
    floor = statistics.median(taken["bytes"])
    for act, times in taken.items():
        median = statistics.median(times)
        print(
            f"{act:9} {median:6.1f} s  {records / median:12,.0f} records/s  "
            f"{median / floor:6.1f} x bytes"
        )


if __name__ == "__main__":
    main()
