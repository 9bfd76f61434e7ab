"""AWS's published models of its services, as botocore brings them.

botocore's own reader would bring its clients' imports along, half of this server's start.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import botocore

Shape = dict[str, Any]


class Published:
    """One service's model: what its operations take, each shape as the published JSON has it."""

    def __init__(self, model: dict[str, Any]) -> None:
        self._operations: dict[str, Any] = model["operations"]
        self._shapes: dict[str, Shape] = model["shapes"]

    def input_name(self, operation: str) -> str:
        """Return the name of the shape that an operation takes; empty where it takes none."""
        return str(self._operations[operation].get("input", {}).get("shape", ""))

    def shape(self, name: str) -> Shape:
        """Return a shape: its `type`, and what it has of `required`, `members`, `min` and so on."""
        return self._shapes[name]


@cache
def published(service: str) -> Published:
    """Return the latest published model of a service, which is read at the first question."""
    versions = Path(botocore.__file__).parent / "data" / service
    latest = max(versions.iterdir(), key=lambda folder: folder.name)
    with gzip.open(latest / "service-2.json.gz") as file:
        return Published(json.load(file))
