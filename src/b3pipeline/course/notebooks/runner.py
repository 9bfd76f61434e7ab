"""Notebooks executed by papermill, each in a fresh kernel of this very Python."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from ipykernel.kernelspec import get_kernel_dict
from nbclient.exceptions import CellControlSignal, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from b3pipeline.errors import NotebookError
from b3pipeline.language import ENGLISH, SETTING, parse, say

KERNEL = "b3pipeline"
START_SECONDS = 120


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's `parameters` cell; `default` is its source text."""

    name: str
    type: str
    default: str
    help: str


@dataclass(frozen=True)
class ExecutedNotebook:
    """A notebook that ran to its end: where it came from, its executed copy, and its time.

    `kernel_seconds` passed before its first cell began; they are part of `seconds`.
    """

    source: Path
    path: Path
    seconds: float
    cells: int
    kernel_seconds: float = 0.0

    @property
    def name(self) -> str:
        return self.source.stem


def parameters(path: Path | str) -> list[Parameter]:
    """Return the parameters of a notebook, in the order of its `parameters` cell.

    Raises NotebookError where there is no such notebook.
    """
    found = papermill.inspect_notebook(str(_existing(Path(path))))
    return [
        Parameter(item["name"], item["inferred_type_name"], item["default"], item["help"])
        for item in found.values()
    ]


def execute(
    paths: Sequence[Path | str],
    out_dir: Path | str,
    parameters: Mapping[str, Any] | None = None,
    progress: Callable[..., Any] | None = None,
    *,
    before: Callable[[Path], None] | None = None,
    wishes: Mapping[str, Any] | None = None,
    engine: str | None = None,
) -> list[ExecutedNotebook]:
    """Return the notebooks at `paths`, executed one after the other into `out_dir`.

    Each runs in its own folder and gets those of `parameters` that it knows. `progress` is
    shaped like tqdm: made once a notebook, moved once a code cell, told the section it is in.
    `before` is called with each path just before it runs. `wishes` are parameters too, weaker
    than the others, and nobody minds if no notebook knows one. `engine` is the name of one that
    was registered with papermill; None is its own. Raises NotebookError before anything runs where
    a path or a parameter is unknown; and at the first cell that fails, naming notebook, cell and
    error. The executed copy then ends there, the cells before it with their outputs; copies of an
    earlier run are gone.
    """
    sources = [_existing(Path(path)) for path in paths]
    values = _values_by_notebook(sources, parameters or {}, wishes or {})
    folder = Path(out_dir).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        if folder != source.parent:
            (folder / source.name).unlink(missing_ok=True)
    executed = []
    for source in sources:
        if before is not None:
            before(source)
        target = folder / source.name
        with _own_kernel(_language(source)):
            executed.append(_execute_one(source, target, values[source], progress, engine))
    return executed


def _existing(path: Path) -> Path:
    if path.is_file():
        return path.resolve()
    beside = sorted(item.name for item in path.parent.glob("*.ipynb")) or ["-"]
    raise NotebookError(
        say("there is no notebook {path}.", path=path),
        hint=say("notebooks in that folder: {beside}.", beside=", ".join(beside)),
    )


def _values_by_notebook(
    sources: Sequence[Path], values: Mapping[str, Any], wishes: Mapping[str, Any]
) -> dict[Path, dict[str, Any]]:
    """Return for each notebook the parameters that it knows; refuse one that none knows.

    papermill itself would only log an unknown name, and run with the default.
    """
    known = {source: {item.name for item in parameters(source)} for source in sources}
    everywhere = set().union(*known.values())
    unknown = sorted(set(values) - everywhere)
    if unknown:
        raise NotebookError(
            say("no notebook has a parameter {unknown}.", unknown=", ".join(unknown)),
            hint=say("known parameters: {names}.", names=", ".join(sorted(everywhere)) or "-"),
        )
    everything = {**wishes, **values}
    return {
        source: {name: value for name, value in everything.items() if name in names}
        for source, names in known.items()
    }


def _language(source: Path) -> str:
    """Return the language that a notebook is written in, as its metadata names it."""
    named = nbformat.read(source, as_version=4).metadata.get("language", ENGLISH)  # type: ignore[no-untyped-call]
    return parse(named) or ENGLISH


def _execute_one(
    source: Path,
    target: Path,
    values: dict[str, Any],
    progress: Callable[..., Any] | None,
    engine: str | None,
) -> ExecutedNotebook:
    cells = sum(map(_is_code, nbformat.read(source, as_version=4).cells))  # type: ignore[no-untyped-call]
    bar = progress(total=cells + bool(values), desc=source.stem, unit="cell") if progress else None
    began = time.monotonic()
    first_cell: list[float] = []
    try:
        papermill.execute_notebook(
            str(source),
            str(target),
            parameters=values,
            kernel_name=KERNEL,
            language="python",
            cwd=str(source.parent),
            progress_bar=False,
            start_timeout=START_SECONDS,
            coalesce_streams=True,
            engine_name=engine,
            **_hooks(bar, first_cell),
        )
    except PapermillExecutionError as error:
        raise _cell_failure(source, target, error) from error
    except (DeadKernelError, CellControlSignal, RuntimeError) as error:
        raise NotebookError(
            say("{name} stopped: its kernel died ({error}).", name=source.name, error=error),
            hint=say(
                "open {target} to see how far it came; a kernel dies when memory runs out.",
                target=target,
            ),
        ) from error
    finally:
        if bar is not None:
            bar.close()
    kernel = (first_cell or [began])[0] - began
    return ExecutedNotebook(source, target, time.monotonic() - began, cells, kernel)


def _is_code(cell: Any) -> bool:
    return cell.cell_type == "code" and bool(cell.source.strip())


def _hooks(bar: Any, first_cell: list[float]) -> dict[str, Callable[..., None]]:
    """Return nbclient's hooks that note when the first cell begins, and move a bar.

    The bar names the section under way beside it.
    """

    def begin(cell: Any, cell_index: int) -> None:
        if not first_cell:
            first_cell.append(time.monotonic())
        headings = [line for line in cell.source.splitlines() if line.startswith("#")]
        if bar is not None and cell.cell_type == "markdown" and headings:
            bar.set_postfix_str(headings[-1].lstrip("# ")[:40])

    def move(cell: Any, cell_index: int, execute_reply: Any) -> None:
        if bar is not None:
            bar.update(1)

    return {"on_cell_start": begin, "on_cell_executed": move}


def _cell_failure(source: Path, target: Path, error: PapermillExecutionError) -> NotebookError:
    said = " ".join(str(error.evalue).split())[:500]
    return NotebookError(
        say(
            "{name} stopped at cell In [{exec_count}]: {ename}: {said}",
            name=source.name,
            exec_count=error.exec_count,
            ename=error.ename,
            said=said,
        ),
        hint=say(
            "open {target}: it holds the outputs up to that cell, and the whole traceback.",
            target=target,
        ),
    )


@contextmanager
def _own_kernel(spoken: str) -> Iterator[None]:
    """Offer Jupyter one more kernel: the Python that runs this, with settings of nobody's own.

    The package speaks the notebook's language in it, whatever B3_LANG says outside.

    A kernel called python3 may belong to another environment, or to none; and the start-up files
    of a person's IPython profile are no part of a lesson.
    """
    with tempfile.TemporaryDirectory(prefix="b3-kernel-") as folder:
        kernel = Path(folder) / "kernels" / KERNEL
        kernel.mkdir(parents=True)
        spec = get_kernel_dict() | {"env": {"IPYTHONDIR": f"{folder}/ipython", SETTING: spoken}}
        quiet = ["--HistoryManager.enabled=False", "--IPKernelApp.log_level=40"]
        spec["argv"] = [sys.executable, *spec["argv"][1:], *quiet]
        (kernel / "kernel.json").write_text(json.dumps(spec))
        before = os.environ.get("JUPYTER_PATH")
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [folder, before]))
        try:
            yield
        finally:
            if before is None:
                del os.environ["JUPYTER_PATH"]
            else:
                os.environ["JUPYTER_PATH"] = before
