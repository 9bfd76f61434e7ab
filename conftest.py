"""Which tests share a worker, where pytest-xdist runs them side by side (`pytest -n logical`)."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Generator
from typing import Any

import pytest

import b3pipeline.plain_addresses  # noqa: F401 - three CPU seconds less of each worker

gc.disable()  # until all tests are collected

# Whoever runs the tests, they read English; those of another language ask for it.
os.environ["LC_ALL"] = "C.UTF-8"
for chooser in ("B3_LANG", "LANGUAGE"):
    os.environ.pop(chooser, None)

# The tests on Spark 4.1 run where the local AWS is not installed: its plugin comes by path there.
pytest_plugins = ["localaws.testing"] if os.environ.get("LOCALAWS_PYTHON") else []

CORES = os.cpu_count() or 1

COSTLY = {
    "course": (
        "tests/browser/",
        "tests/notebooks/test_batch_use.py",
        "tests/notebooks/test_compared.py",
        "tests/notebooks/test_course.py",
        "tests/notebooks/test_exercises.py",
        "tests/notebooks/test_readers.py",
        "tests/notebooks/test_teardown.py",
    ),
    "spark": ("tests/spark/",),
}
"""Fixtures that take a minute or a gigabyte, and where their tests are: these share a worker."""

ACADEMY = "tests/infra/test_academy_course.py"
WAITING = (
    "tests/infra/",
    "tests/unit/test_course_language.py",
    "tests/unit/test_timeouts.py",
    "localaws/tests/athena/test_athena_wrangler.py",
    "localaws/tests/test_events.py",
    "localaws/tests/test_glue_runs.py",
    "localaws/tests/test_process.py",
    "localaws/tests/test_recovery.py",
)
"""Where tests wait more than they work: for an apply of Terraform, for a time-out.

They share one worker beside those of the cores, which then takes of the rest: whoever waits leaves
a core to another. ACADEMY, which runs the course, is not among them.
"""

LONGEST_FIRST = (
    "course",
    ACADEMY,
    "waiting",
    "spark",
    "localaws/tests/test_standby.py",
    "tests/classroom/",
    "tests/pipeline/",
)
"""What is begun first, so that no worker is left alone with it at the end; then the larger file."""


ALL = os.environ.get("NIGHTLY", "") not in ("", "0")
"""Whether tests run that are marked `nightly`."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Collect without Python's search for garbage, and leave what came out of later searches.

    Three thousand modules stay until the end; looking through them again and again was seven CPU
    seconds of the quick tests' sixty.
    """
    try:
        return (yield)
    finally:
        gc.freeze()
        atexit.register(gc.unfreeze)  # else duckdb reports its own types as leaked
        gc.set_threshold(50_000)
        gc.enable()


def group_of(nodeid: str) -> str:
    """Return the name of what a test shares a worker with: a costly fixture, waiting, its file."""
    path = nodeid.partition("::")[0]
    if path.startswith(WAITING) and path != ACADEMY:
        return "waiting"
    groups = (name for name, places in COSTLY.items() if path.startswith(places))
    return next(groups, path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return a worker for each core and one that begins with what waits; or what xdist is told."""
    return int(os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS", CORES + 1))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return a scheduler that hands out groups, in the order of the collection."""
    from xdist.scheduler import LoadScopeScheduling  # here, for the tests on Spark 4.1 lack it

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return ByGroup(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the places above, and put what takes long first where there are workers."""
    for item in items:
        used = {name for name in COSTLY if name in getattr(item, "fixturenames", ())}
        if used - {group_of(item.nodeid)}:
            raise pytest.UsageError(f"{item.nodeid} uses {used}: conftest.py must name its file.")
        if item.get_closest_marker("nightly") and not ALL:
            item.add_marker(pytest.mark.skip(reason="minutes more: NIGHTLY=1, as each night"))
    if not hasattr(config, "workerinput"):
        return  # one process: the order of the files
    groups = [group_of(item.nodeid) for item in items]
    sizes = {group: groups.count(group) for group in set(groups)}

    def order(item: pytest.Item) -> tuple[int, int, str]:
        group = group_of(item.nodeid)
        places = [i for i, place in enumerate(LONGEST_FIRST) if group.startswith(place)]
        return min(places, default=len(LONGEST_FIRST)), -sizes[group], group

    items.sort(key=order)
