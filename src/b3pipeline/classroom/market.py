"""A student's market, made ready: a local AWS with bronze and silver in it, to be copied.

The bronze of each is ingested as ever. The silver of all is computed by the refine's own
transforms, in one Spark for the whole class: a run for each would take thirty times its start.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from b3pipeline import ingest, lake, names
from b3pipeline.classroom import silver
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import copy_checkout
from b3pipeline.deployment import sandbox
from b3pipeline.deployment.provision import ensure_notification
from b3pipeline.errors import RefineError
from b3pipeline.language import say
from b3pipeline.schema import SILVER
from b3pipeline.sources import open_source
from b3pipeline.sources.seeds import source_of_seed

BARS = "bars.parquet"
VERSION = 1
"""Of a folder made ready: another number, and it is made anew."""


@dataclass(frozen=True)
class Market:
    """What is loaded of a student's market: tickers, first and last date, both included."""

    tickers: tuple[str, ...]
    start: str
    end: str


@dataclass(frozen=True)
class Ready:
    """The folders of the class's markets, by seed, below one folder."""

    folder: Path
    market: Market

    def path(self, seed: int) -> Path:
        """Return the checkout of a seed: a local AWS that is down, its market in it."""
        said = json.dumps([VERSION, vars(self.market)]).encode()
        return self.folder / f"{seed}-{hashlib.sha256(said).hexdigest()[:12]}"

    def lacking(self, seeds: Iterable[int]) -> list[int]:
        """Return the seeds whose market is not ready yet."""
        return [seed for seed in dict.fromkeys(seeds) if not self.path(seed).is_dir()]


def make_template(ready: Ready, root: Path) -> Path:
    """Return a checkout whose local AWS is provisioned and empty: what every market begins with."""
    template = ready.folder / "template"
    shutil.rmtree(template, ignore_errors=True)
    copy_checkout(root, template)
    sandbox.up(root=template, port=0)
    sandbox.down(template)
    return template


def refine_all(ready: Ready, seeds: Sequence[int]) -> Mapping[int, pd.DataFrame]:
    """Return the silver rows of each seed's market, of all of them by one Spark.

    Raises RefineError where Spark fails.
    """
    quotes = {seed: _quotes(ready.market, seed) for seed in seeds}
    bars = pd.concat(
        [frame.assign(ticker=f"{seed}/" + frame["ticker"]) for seed, frame in quotes.items()]
    )
    exchange = ready.folder / BARS
    bars.to_parquet(exchange, index=False)
    command = [sys.executable, "-m", silver.__name__, str(exchange)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RefineError(
            say("Spark did not refine the markets: {why}", why=ran.stderr.strip()[-600:]),
            hint=say("`b3 doctor` says whether Spark can run here."),
        )
    found = pd.read_parquet(silver.result_of(exchange))
    split = found["ticker"].str.partition("/")
    found = found.assign(ticker=split[2])
    return {seed: found[split[0] == str(seed)] for seed in seeds}


def _quotes(market: Market, seed: int) -> pd.DataFrame:
    source = open_source(source_of_seed(seed))
    first, last = (dt.date.fromisoformat(day) for day in (market.start, market.end))
    return source.fetch(list(market.tickers), first, last).frame


def prepare(ready: Ready, seed: int, template: Path, rows: pd.DataFrame) -> Path:
    """Return the checkout of a seed, its market just loaded: bronze, silver, batch and mark.

    It stands under its name once it is whole. Raises what the ingestion raises.
    """
    draft = ready.folder / f"{seed}.new"
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(template, draft, symlinks=True)
    try:
        cloud = Cloud(sandbox.wake(draft))
        bucket = cloud.config.raw_data_bucket
        # The silver is there already: the manifest shall start no Spark.
        cloud.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        market = ready.market
        batch = ingest.ingest(
            cloud, open_source(source_of_seed(seed)), market.tickers, market.start, market.end
        )
        _write_silver(cloud, rows)
        mark = {"version": 1, "batch_id": batch.batch_id, "event": "refined"}
        lake.put_objects(cloud, [(names.mark_key(batch.batch_id), json.dumps(mark).encode())])
        ensure_notification(cloud)
    finally:
        sandbox.down(draft)
    target = ready.path(seed)
    shutil.rmtree(target, ignore_errors=True)
    return draft.rename(target)


def tidy(ready: Ready) -> None:
    """Remove what only the making of markets needed."""
    shutil.rmtree(ready.folder / "template", ignore_errors=True)
    for path in (ready.folder / BARS, silver.result_of(ready.folder / BARS)):
        path.unlink(missing_ok=True)


def _write_silver(cloud: Cloud, rows: pd.DataFrame) -> None:
    table = pa.Table.from_pandas(rows[SILVER.names], schema=SILVER, preserve_index=False)
    places = list(zip(rows["dt"], rows["ticker"], strict=True))

    def body(place: int) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(table.slice(place, 1), sink, compression="none", store_schema=False)
        return bytes(sink.getvalue())

    keys = [names.silver_key(day, ticker) for day, ticker in places]
    lake.put_objects(cloud, ((key, body(place)) for place, key in enumerate(keys)))
    lake.register_partitions(cloud, names.SILVER_TABLE, places)
