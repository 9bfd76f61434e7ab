"""What the notebooks lean on: open a deployment, show source, run a few rows of Spark."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pandas as pd
from botocore.exceptions import ClientError
from IPython.display import Code

from b3pipeline import lake, names, refine
from b3pipeline.athena import QueryResult
from b3pipeline.athena.sql import load_sql
from b3pipeline.calendar import parse_date, utc_now
from b3pipeline.cloud.clients import Cloud, connect
from b3pipeline.cloud.config import check_target, project_root
from b3pipeline.course import sentences
from b3pipeline.deployment import sandbox
from b3pipeline.errors import ConfigError, StorageError
from b3pipeline.language import say, shown
from b3pipeline.tickers import TICKERS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SECTORS = {ticker: share.sector for ticker, share in TICKERS.items()}
"""Line of business of the tickers of the tutorial."""

JOB = "glue/refine_job.py"
LAMBDA = "src/lambda/start_glue_job/handler.py"
QUIET = Path(__file__).with_name("quiet.properties")
AS_A_CELL = (
    "white-space: pre; overflow-x: auto; word-break: normal; overflow-wrap: normal; "
    "font-size: var(--jp-code-font-size)"
)
"""How source is shown: Jupyter's style of an output breaks its words, and shows it larger."""


def open_cloud(target: str = "local") -> Cloud:
    """Return the deployment that a notebook works on; a local AWS that is down is started.

    From here on the kernel says known failures in a sentence. Raises ConfigError where the
    target is unknown, SandboxError where the start fails.
    """
    sentences.install()
    if check_target(target) == "local":
        return Cloud(sandbox.ensure())
    return connect(target)


def need_batch(cloud: Cloud, ticker: str | None = None) -> lake.BatchManifest:
    """Return the largest batch whose quotes still stand in bronze, and that wrote `ticker`.

    A batch that another source has replaced since does not count. Raises StorageError where there
    is none.
    """
    batches = lake.list_manifests(cloud)
    known = lake.origins_of(batches)
    standing = [
        batch
        for batch in batches
        if batch.partitions
        and all(
            known[code].get(day, lake.Origin.of(batch)).fits(lake.Origin.of(batch))
            for code, days in batch.partitions.items()
            for day in days
        )
    ]
    if not standing:
        raise StorageError(
            say(
                "bronze holds no batch yet: s3://{bucket}/{prefix} is empty.",
                bucket=cloud.config.raw_data_bucket,
                prefix=names.MANIFEST_PREFIX,
            ),
            hint=say("run notebook 02 first, or `b3 ingest`."),
        )
    with_it = [batch for batch in standing if ticker is None or ticker in batch.partitions]
    if not with_it:
        codes = sorted({code for batch in standing for code in batch.partitions})
        raise StorageError(
            say("no batch in bronze holds the ticker {ticker}.", ticker=ticker),
            hint=say(
                "bronze holds {codes}; `b3 ingest --tickers {ticker}` adds it.",
                codes=", ".join(codes[:20]),
                ticker=ticker,
            ),
        )
    return max(with_it, key=lambda batch: batch.objects)


def need_silver(
    cloud: Cloud, tickers: Sequence[str] = (), start: str | None = None, end: str | None = None
) -> lake.BatchManifest:
    """Return the largest batch, once silver holds partitions of each of `tickers` in the range.

    Raises StorageError, naming them, where it holds none of one.
    """
    batch = need_batch(cloud)
    first, last = (day and parse_date(day) for day in (start, end))
    codes = list(tickers or batch.partitions)
    held = lake.held_sessions(cloud, codes, first or None, last or None, names.SILVER_TABLE)
    lacking = [code for code in codes if not held[code]]
    if lacking if tickers else len(lacking) == len(codes):
        raise StorageError(
            _lacking(names.SILVER_TABLE, ", ".join(lacking), start, end),
            hint=say(
                "is it spelt right? If so, run notebooks 02 and 03 for it first, or `b3 "
                "ingest` and `b3 refine`."
            ),
        )
    return batch


def _lacking(table: str, tickers: str, start: str | None, end: str | None) -> str:
    if not start or not end:
        return say("{table} has no partition yet of {tickers}.", table=table, tickers=tickers)
    return say(
        "{table} has no partition yet of {tickers} between {start} and {end}.",
        table=table,
        tickers=tickers,
        start=start,
        end=end,
    )


def is_simulated(cloud: Cloud, tickers: Sequence[str], start: str, end: str) -> bool:
    """Return whether bronze holds a simulated quote of these tickers in this range."""
    held = lake.held_sessions(cloud, tickers, parse_date(start), parse_date(end))
    return any(
        origin.simulated
        for days in lake.origins_held(cloud, held).values()
        for origin in days.values()
    )


def forget_partition(cloud: Cloud, table: str, session: object, ticker: str) -> None:
    """Take a partition out of the catalog, where it is in it; its object stays in the bucket."""
    try:
        cloud.glue.delete_partition(
            DatabaseName=cloud.config.glue_database,
            TableName=table,
            PartitionValues=[str(session), ticker],
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "EntityNotFoundException":
            raise


def last_session_again(batch: lake.BatchManifest) -> lake.BatchManifest:
    """Return a manifest of its own for the last session of a batch, as if it had come anew."""
    last = max(day for days in batch.partitions.values() for day in days)
    tickers = {ticker: [last] for ticker, days in batch.partitions.items() if last in days}
    now = utc_now().replace(microsecond=0)
    return replace(
        batch,
        batch_id=lake.new_batch_id(now),
        created_at=now,
        start=parse_date(last),
        end=parse_date(last),
        rows=len(tickers),
        partitions=tickers,
        missing=(),
        quarantined=(),
        restated=(),
    )


def compare_runs(cloud: Cloud, **runs: refine.JobRun) -> pd.DataFrame:
    """Return a row a run: partitions read and written, and the seconds of each stage."""
    rows = {}
    for title, run in runs.items():
        said = refine.run_summary(cloud, run)
        counts = {
            say("partitions read"): said.get("partitions_read", 0),
            say("partitions written"): said.get("partitions_written", 0),
        }
        stages = {
            stage: shown(seconds, "7.1f") + " s"
            for stage, seconds in said.get("seconds", {}).items()
        }
        rows[title] = counts | stages
    return pd.DataFrame.from_dict(rows, orient="index").fillna("")


def query_bill(answers: Mapping[str, QueryResult]) -> pd.DataFrame:
    """Return a row a query: rows, time as text, bytes scanned, and the price in USD."""
    rows = [
        (
            name,
            len(answer.frame),
            shown(answer.seconds, ".1f") + " s",
            answer.bytes_scanned,
            answer.cost_usd,
        )
        for name, answer in answers.items()
    ]
    return pd.DataFrame(rows, columns=["query", "rows", "time", "bytes_scanned", "usd"])


class Source(Code):
    """Source that is shown as a code cell shows it: lines stay whole, and scroll sideways."""

    def _repr_html_(self) -> str:
        html = str(super()._repr_html_())  # type: ignore[no-untyped-call]
        return html.replace("<pre>", f'<pre style="{AS_A_CELL}">', 1)


def show_source(path: str, *functions: str) -> Source:
    """Return functions of a file of the project as they stand there, or the whole file.

    Raises ConfigError for a function that the file does not have.
    """
    text = (project_root() / path).read_text()
    if functions:
        text = "\n\n\n".join(_function_source(path, text, name) for name in functions)
    return Source(text, language="python")  # type: ignore[no-untyped-call]


def show_sql(name: str) -> Source:
    """Return a packaged query as it stands in its file; raise QueryError for an unknown name."""
    return Source(load_sql(name), language="sql")  # type: ignore[no-untyped-call]


def _function_source(path: str, text: str, name: str) -> str:
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return str(ast.get_source_segment(text, node))
    raise ConfigError(
        say("{path} has no function {name!r}.", path=path, name=name),
        hint=say("look into the file for its names."),
    )


def load_job() -> ModuleType:
    """Return the Glue job's file as a module, loaded by its path as Glue does."""
    path = project_root() / JOB
    spec = importlib.util.spec_from_file_location("refine_job", path)
    if spec is None or spec.loader is None:
        raise ConfigError(
            say("{path} is not a Python file.", path=path), hint=say("check out the project anew.")
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules["refine_job"] = module
    spec.loader.exec_module(module)
    return module


def spark_session() -> SparkSession:
    """Return a small Spark on this machine, for a few rows; it starts in about four seconds."""
    from pyspark.sql import SparkSession

    from b3pipeline.job.spark import find_classes_once

    os.environ.update(sandbox.spark_environment())
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder: Any = SparkSession.builder
    # A JVM of a few seconds is over before its second compiler pays, or Spark's code for many rows.
    options = f"-Dlog4j2.configurationFile={QUIET.as_uri()} {names.JOB_JAVA_OPTIONS}"
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.driver.extraJavaOptions": options,
        "spark.ui.showConsoleProgress": "false",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    session: SparkSession = builder.master("local[1]").appName("lesson").getOrCreate()
    find_classes_once(session)
    sentences.install_spark()
    return session
