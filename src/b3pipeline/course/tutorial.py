"""The whole course in one go: local AWS, notebooks, report."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from b3pipeline import costs, lake, names, refine
from b3pipeline.athena import format_bytes
from b3pipeline.cloud.clients import Cloud, connect
from b3pipeline.cloud.config import check_target, project_root
from b3pipeline.course import notebooks
from b3pipeline.course.chosen import chosen, folder
from b3pipeline.course.parameters import read_given
from b3pipeline.course.quotes import check_source, window_of_files
from b3pipeline.deployment import sandbox
from b3pipeline.language import say, say_many, shown
from b3pipeline.progress import bar_here

INGESTION = "02"
"""The notebook that asks a quote source."""
TEARDOWN = "06"
"""The notebook that removes everything: the figures of the run are taken before it."""


@dataclass(frozen=True)
class Stage:
    """A part of the course, and how long it took."""

    title: str
    seconds: float


@dataclass(frozen=True)
class Course:
    """A run of the course that came to its end: what was made, where to look, how long it took.

    `stages` follow one another: the local AWS, a kernel and the cells of each notebook, the
    figures, the report.
    """

    executed: tuple[notebooks.ExecutedNotebook, ...]
    report: Path
    seconds: float
    stages: tuple[Stage, ...] = ()

    def __str__(self) -> str:
        lines = [f"  {stage.title:<32} {shown(stage.seconds, '6.1f')} s" for stage in self.stages]
        return "\n".join(
            [
                say_many(
                    "{count} notebook in {seconds:.0f} s:",
                    "{count} notebooks in {seconds:.0f} s:",
                    len(self.executed),
                    seconds=self.seconds,
                ),
                *lines,
                say("Executed notebooks: {folder}", folder=self.executed[0].path.parent),
                say("Report, to open in a browser: {page}", page=self.report),
            ]
        )


def run(
    *,
    only: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    out: Path = Path("build"),
    target: str = "local",
    root: Path | None = None,
) -> Course:
    """Return the course just run: notebooks executed into `out`/notebooks, report written.

    It is the course of the language that is spoken; that in Portuguese has a folder `pt-BR` within
    `notebooks`, `out`/notebooks and `out`/report.
    `only` names notebooks by their numbers; all run without it. Raises NotebookError for an
    unknown number or parameter, SourceError where a quote source does not answer, and NotebookError
    at the first cell that fails: the partial notebook stays, and so does the local AWS, for a look
    at both. The exercises are solved by their solutions, unless the parameter `solve` is false.
    """
    began = time.monotonic()
    root = root or project_root()
    paths = chosen(root, only)
    given = from_source(read_given(parameters or {}), paths)
    stages: list[Stage] = []
    with _timed(say("local AWS: start, make, register"), stages):
        cloud = _open(target, root)
    out = out if out.is_absolute() else root / out
    page = out / "report" / folder() / "index.html"
    values = {"target": target, **given}
    figures: dict[str, Any] = {}

    def look(path: Path) -> None:
        page.unlink(missing_ok=True)  # of an earlier run: after a failure it would pass for this
        if path.name.startswith(TEARDOWN):
            with _timed(say("figures of the run"), stages):
                figures.update(run_figures(cloud))

    executed = notebooks.execute(
        paths,
        out / "notebooks" / folder(),
        values,
        bar_here(),
        before=look,
        wishes={"solve": True},
    )
    for item in executed:
        stages.append(Stage(say("{notebook}: kernel", notebook=item.name), item.kernel_seconds))
        stages.append(
            Stage(say("{notebook}: cells", notebook=item.name), item.seconds - item.kernel_seconds)
        )
    figures = figures or run_figures(cloud)
    with _timed(say("report"), stages):
        page = notebooks.report(executed, page, figures)
    return Course(tuple(executed), page, time.monotonic() - began, tuple(stages))


def from_source(given: dict[str, Any], paths: Sequence[Path]) -> dict[str, Any]:
    """Return the parameters of a course on a source that answers; raise SourceError otherwise.

    Of files that are given, the last half-year is taken, where no date is.
    """
    ingestion = [path for path in paths if path.name.startswith(INGESTION)]
    name = given.get("source", "sample")
    if not ingestion or name.startswith("sample"):
        return given
    defaults = {item.name: item.default for item in notebooks.parameters(ingestion[0])}
    usual = {each: ast.literal_eval(defaults[each]) for each in ("tickers", "end")}
    asked = {"path": "", **usual, **given}
    if asked["path"] and not {"start", "end"} & given.keys():
        given |= window_of_files(asked["path"], asked["tickers"])
        asked |= given
    check_source(name, asked["tickers"], asked["end"], path=asked["path"])
    return given


@contextmanager
def _timed(title: str, stages: list[Stage]) -> Iterator[None]:
    """Note how long the block took, under a title."""
    began = time.monotonic()
    yield
    stages.append(Stage(title, time.monotonic() - began))


def run_figures(cloud: Cloud) -> dict[str, Any]:
    """Return what the deployment holds and has done: label to number or text, for the report."""
    bronze, silver = (
        len(lake.stored_partitions(cloud, prefix))
        for prefix in (names.BRONZE_PREFIX, names.SILVER_PREFIX)
    )
    runs = refine.list_runs(cloud)
    batches = len(lake.list_manifests(cloud))
    scanned = _bytes_scanned(cloud)
    bill = costs.pipeline_cost(
        puts=bronze + silver,
        gets=bronze,
        lambda_calls=batches,
        dpu_seconds=[run.dpu_seconds or run.execution_seconds * 2 for run in runs],
        query_bytes=scanned,
        glue_version=runs[0].glue_version if runs else "",
    )
    return {
        say("bronze objects"): bronze,
        say("silver objects"): silver,
        say("batches"): batches,
        say("Spark runs"): len(runs),
        say("seconds of Spark"): sum(run.execution_seconds for run in runs),
        say("Athena queries"): len(scanned),
        say("scanned"): format_bytes(sum(scanned)),
        say("on AWS this costs"): costs.format_usd(bill.usd),
    }


def _bytes_scanned(cloud: Cloud) -> list[int]:
    """Return the bytes that each query of the workgroup scanned; a failed one counts as none."""
    pages = cloud.athena.get_paginator("list_query_executions").paginate(
        WorkGroup=cloud.config.athena_workgroup
    )
    scanned: list[int] = []
    for page in pages:
        ids = page["QueryExecutionIds"]
        if ids:
            answer = cloud.athena.batch_get_query_execution(QueryExecutionIds=ids)
            scanned += [
                item.get("Statistics", {}).get("DataScannedInBytes", 0)
                for item in answer["QueryExecutions"]
            ]
    return scanned


def _open(target: str, root: Path) -> Cloud:
    """Return the deployment; the local AWS is started and provisioned on the way."""
    if check_target(target) == "aws":
        return connect(target)
    with bar_here()(desc=say("local AWS"), bar_format="{desc} {elapsed}") as bar:
        config = sandbox.up(
            root=root, step=lambda title: bar.set_description(say("making {title}", title=title))
        )
        bar.set_description(say("local AWS ready"))
    return Cloud(config)
