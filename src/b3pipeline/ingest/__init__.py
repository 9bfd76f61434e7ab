"""Ingestion: from a quote source to bronze, objects first, the manifest last.

The values on a batch's way, each of which alone says its thing: a `Request` is what was asked for,
a `Plan` what is asked of the source and written for it, `Unfinished` a batch that a journal keeps,
`Findings` what came of a plan's questions, without the quotes. Then comes the lake's
`BatchManifest`, and a `Batch` for whoever asked.
"""

from b3pipeline.ingest.batch import Batch, completeness, session_states
from b3pipeline.ingest.fallback import Served, check_fallback, ingest_or_fall_back, shares
from b3pipeline.ingest.plans import Plan, plan
from b3pipeline.ingest.request import DEFAULT_TICKERS, WINDOW, Request
from b3pipeline.ingest.run import ingest, preview, preview_resume, resume

__all__ = [
    "DEFAULT_TICKERS",
    "WINDOW",
    "Batch",
    "Plan",
    "Request",
    "Served",
    "check_fallback",
    "completeness",
    "ingest",
    "ingest_or_fall_back",
    "plan",
    "preview",
    "preview_resume",
    "resume",
    "session_states",
    "shares",
]
