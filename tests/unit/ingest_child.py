"""An ingestion in a process of its own, run by path: `job` is what it is given."""

import datetime as dt
import resource
import sys

from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import Config
from b3pipeline.ingest import ingest, plans
from b3pipeline.sources import open_source

job = globals()["job"]  # from run_path

plans.ROWS_A_FETCH = job.get("rows_a_fetch", plans.ROWS_A_FETCH)

ingest(
    Cloud(Config(**job["config"])),
    open_source("sample", faults=job["faults"]),
    job["tickers"],
    job["start"],
    job["end"],
    window=job["window"],
    clock=lambda: dt.datetime.fromisoformat(job["now"]),
    batch_id=job["batch_id"],
    interval=job.get("interval", "1d"),
)

sys.stdout.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))  # kB at its highest
