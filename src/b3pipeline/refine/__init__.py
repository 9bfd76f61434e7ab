"""The refine job from outside: start a run, find the run of a batch, follow it, read its log."""

from b3pipeline.refine.logs import (
    ERROR_GROUP,
    OUTPUT_GROUP,
    LogLines,
    follow_run,
    lambda_log,
    tail_log,
)
from b3pipeline.refine.owed import Batches, OwedBatch, find_batches
from b3pipeline.refine.report import RunReport, describe, run_summary
from b3pipeline.refine.runs import (
    FINAL_STATES,
    JobRun,
    check_asked,
    get_run,
    list_runs,
    runs_of_batch,
    start_refine,
    wait_for_run,
    wait_for_start,
)

__all__ = [
    "ERROR_GROUP",
    "FINAL_STATES",
    "OUTPUT_GROUP",
    "Batches",
    "JobRun",
    "LogLines",
    "OwedBatch",
    "RunReport",
    "check_asked",
    "describe",
    "find_batches",
    "follow_run",
    "get_run",
    "lambda_log",
    "list_runs",
    "run_summary",
    "runs_of_batch",
    "start_refine",
    "tail_log",
    "wait_for_run",
    "wait_for_start",
]
