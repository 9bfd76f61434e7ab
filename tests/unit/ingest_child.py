"""An ingestion in a process of its own, run by path: `job` is what it is given."""

import datetime as dt
import resource
import sys

from b3pipeline.aws import Cloud
from b3pipeline.config import Config
from b3pipeline.ingest import ingest, planning
from b3pipeline.sources import open_source

job = globals()["job"]  # from run_path

planning.ROWS_A_FETCH = job.get("rows_a_fetch", planning.ROWS_A_FETCH)

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
