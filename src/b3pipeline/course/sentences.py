"""Failures in a notebook as a sentence and what to try, instead of sixty lines of traceback.

Errors of this package show themselves so (`B3Error`); this is for those that others raise.
"""

from __future__ import annotations

import logging
import re
from types import TracebackType
from typing import Any

from IPython.core.getipython import get_ipython

from b3pipeline.errors import sentence
from b3pipeline.files import unwritten
from b3pipeline.language import english, retold, say
from b3pipeline.refusals import CALL_ERRORS, call_failed

_LONGEST = 300

_IMPORTS = {
    "pd": "import pandas as pd",
    "np": "import numpy as np",
    "plt": "import matplotlib.pyplot as plt",
    "dt": "import datetime as dt",
    "F": "from pyspark.sql import functions as F",
    "Window": "from pyspark.sql import Window",
}
"""Names that everybody writes in the same way, and what makes them known."""
_SPARK = re.compile(r"\[(?P<kind>[A-Z_]+)[^\]]*\] (?P<said>[^\n;]*)")


def install(*more: type[BaseException]) -> None:
    """Make the kernel that runs this say known failures in a sentence; nothing outside of one.

    Warnings that a cell shows are said in the reader's language, too.

    `more` are the errors of what was started since, such as Spark's.
    """
    shell: Any = get_ipython()
    if shell is not None:
        known = (AssertionError, NameError, KeyError, OSError, *CALL_ERRORS, *more)
        shell.set_custom_exc(known, _show)
        if logging.lastResort is not None:
            logging.lastResort.setFormatter(_Retold())


class _Retold(logging.Formatter):
    """A log is English; what of it a cell shows is the reader's."""

    def format(self, record: logging.LogRecord) -> str:
        return retold(super().format(record))


def install_spark() -> None:
    """Say what Spark refuses in a sentence as well."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    install(PySparkException, Py4JJavaError)


def _show(
    shell: Any,
    kind: type[BaseException],
    error: Any,
    traceback: TracebackType,
    tb_offset: int | None = None,
) -> None:
    if isinstance(error, AssertionError):  # a check's question: the cell asks it in English
        error.args = tuple(retold(said) if isinstance(said, str) else said for said in error.args)
        lines = []
    else:
        lines = describe(error, at_the_cell=_raised_by_the_cell(traceback, shell.user_ns))
    if lines:
        error._render_traceback_ = lambda: lines
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)


def describe(error: BaseException, *, at_the_cell: bool) -> list[str]:
    """Return an error as the lines of a sentence; none where only its traceback helps.

    `at_the_cell` says whether the reader's own line raised it: a name unknown deeper down is a
    mistake of the code, and its traceback says where.
    """
    kind = type(error).__name__
    if isinstance(error, NameError):
        hint = say(
            "is {name!r} misspelt? If not, run the cells above it first (Run > Run All Above "
            "Selected Cell): a new kernel is empty.",
            name=error.name,
        )
        if known := _IMPORTS.get(str(error.name)):
            hint = say("write `{line}` above it.", line=known)
        unknown = say("this kernel knows no {name!r}.", name=error.name)
        return sentence(kind, unknown, hint) if at_the_cell else []
    if isinstance(error, KeyError):
        return _of_column(error)
    if isinstance(error, OSError) and not isinstance(error, CALL_ERRORS):
        told = unwritten(error)
        return sentence(kind, *told) if told else []
    if type(error).__module__.startswith(("pyspark.", "py4j.")):
        return _of_spark(error)
    said, hint = call_failed(error)
    if "local AWS" in english(hint):
        hint = say(
            "run the cell with `lesson.open_cloud` again: it starts a local AWS that is down."
        )
    return sentence(kind, said, hint)


def _of_column(error: KeyError) -> list[str]:
    """Return what pandas says of a column or a row that is not there; nothing of other keys."""
    modules, last = [], error.__traceback__
    while last is not None:
        modules.append(str(last.tb_frame.f_globals.get("__name__", "")))
        last = last.tb_next
    if not (modules and modules[-1].startswith("pandas.")):
        return []
    hint = say("is it misspelt? `.columns` of a frame and `.index` of a Series list what there is.")
    return sentence("KeyError", say("there is no {name!r}.", name=error.args[0]), hint)


def _of_spark(error: BaseException) -> list[str]:
    """Return the first sentence of what Spark says; its plan and Java's traceback are left out."""
    text = str(getattr(error, "java_exception", None) or error).strip()
    found = _SPARK.search(text)
    said = found["said"].strip() if found else text.splitlines()[0]
    hint = say("`.columns` of the frame lists the names that it has.")
    if found is None or not {"COLUMN", "ATTRIBUTE"} & set(re.split("[._]", found["kind"])):
        hint = say("compare the line with the job's own, which the cells above show.")
    return sentence(type(error).__name__, said[:_LONGEST], hint)


def _raised_by_the_cell(traceback: TracebackType, namespace: dict[str, Any]) -> bool:
    last = traceback
    while last.tb_next is not None:
        last = last.tb_next
    return last.tb_frame.f_globals is namespace
