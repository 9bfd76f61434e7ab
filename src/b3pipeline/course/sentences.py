"""Failures in a notebook as a sentence and what to try, instead of sixty lines of traceback.

Errors of this package show themselves so (`B3Error`); this is for those that others raise.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from IPython.core.getipython import get_ipython

from b3pipeline.errors import sentence
from b3pipeline.language import english, say
from b3pipeline.refusals import CALL_ERRORS, call_failed


def install() -> None:
    """Make the kernel that runs this say known failures in a sentence; nothing outside of one."""
    shell: Any = get_ipython()
    if shell is not None:
        shell.set_custom_exc((NameError, *CALL_ERRORS), _show)


def _show(
    shell: Any,
    kind: type[BaseException],
    error: Any,
    traceback: TracebackType,
    tb_offset: int | None = None,
) -> None:
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
        unknown = say("this kernel knows no {name!r}.", name=error.name)
        return sentence(kind, unknown, hint) if at_the_cell else []
    said, hint = call_failed(error)
    if "local AWS" in english(hint):
        hint = say(
            "run the cell with `lesson.open_cloud` again: it starts a local AWS that is down."
        )
    return sentence(kind, said, hint)


def _raised_by_the_cell(traceback: TracebackType, namespace: dict[str, Any]) -> bool:
    last = traceback
    while last.tb_next is not None:
        last = last.tb_next
    return last.tb_frame.f_globals is namespace
