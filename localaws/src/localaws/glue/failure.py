"""Why a script failed, in one line: the Python error, not the noise around it."""

from __future__ import annotations

import re
import signal

_MOST_CHARACTERS = 2000
_TRACEBACK = "Traceback (most recent call last):"
_PY4J = "py4j.protocol.Py4JJavaError"
# 24/01/02 10:11:12 WARN Utils: …
_LOG4J = re.compile(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d [A-Z]+ ")


def failure_message(stderr: str, exit_code: int) -> str:
    """Return the last error that a script wrote, else what its exit code means.

    A Spark job's own error may stand inside the Java one that carried it to the driver, so the
    last traceback counts; a Java error without Python inside is given by its own first line.
    """
    lines = [line.rstrip() for line in stderr.splitlines()]
    message = _from_traceback(lines) or _last_word(lines)
    if exit_code < 0:
        ended = _ended_by(-exit_code)
        return f"{ended} {message}".strip()[:_MOST_CHARACTERS]
    return (message or f"Command failed with exit code {exit_code}")[:_MOST_CHARACTERS]


def _from_traceback(lines: list[str]) -> str:
    starts = [number for number, line in enumerate(lines) if line.endswith(_TRACEBACK)]
    if not starts:
        return ""
    rest = lines[starts[-1] + 1 :]
    for number, line in enumerate(rest):
        if line and not line[0].isspace():
            following = rest[number + 1] if number + 1 < len(rest) else ""
            return following.removeprefix(": ") if line.startswith(_PY4J) and following else line
    return ""


def _last_word(lines: list[str]) -> str:
    spoken = (line for line in reversed(lines) if line.strip() and not _LOG4J.match(line))
    return next(spoken, "").strip()


def _ended_by(number: int) -> str:
    name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
    cause = ", as the system does when memory runs out" if number == signal.SIGKILL else ""
    return f"The script was ended by signal {name}{cause}."
