"""Limits of the system that the local AWS meets: said at the start, with the number needed."""

from __future__ import annotations

import resource

from localaws.errors import LocalAwsError

WANTED_FILES = 10_000
NEEDED_FILES = 1_024
"""What a server with a Spark run under it takes: connections, objects, jars. With 256 a JVM does
not start, and says so only after a minute."""


def open_files() -> int:
    """Return how many files a process may come to have open here: the hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED_FILES if hard == resource.RLIM_INFINITY else hard


def check_open_files() -> None:
    """Raise LocalAwsError where this session may not open as many files as are needed."""
    allowed = open_files()
    if allowed < NEEDED_FILES:
        raise LocalAwsError(
            f"this session may open {allowed:,} files at once, and the local AWS and its runs "
            f"need {NEEDED_FILES:,}.",
            hint="a new shell, or `ulimit -n 4096` in one whose hard limit allows it "
            "(`ulimit -Hn` says how far it may be raised).",
        )


def raise_open_files() -> None:
    """Raise this process's limit of open files, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(open_files(), WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
