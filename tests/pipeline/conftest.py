"""A provisioned local AWS for the tests of the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from b3pipeline.cloud.clients import Cloud
from b3pipeline.deployment import sandbox


@pytest.fixture(scope="module")
def cloud(
    tmp_path_factory: pytest.TempPathFactory, new_checkout: Callable[[Path], Path]
) -> Iterator[Cloud]:
    """A provisioned local AWS that the tests of a module share."""
    root = new_checkout(tmp_path_factory.mktemp("shared") / "checkout")
    try:
        yield Cloud(sandbox.up(root=root, port=0))
    finally:
        sandbox.down(root)
