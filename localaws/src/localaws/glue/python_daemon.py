"""Spark's daemon of Python workers, from the installed PySpark.

Spark puts a ZIP of PySpark before all else on the path of its workers, which holds no bytecode:
each daemon would compile it again, most of its start.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ZIPS = str(Path(os.environ.get("SPARK_HOME", "")) / "python" / "lib")
sys.path[:] = [path for path in sys.path if not path.startswith(_ZIPS)]

from pyspark.daemon import manager  # noqa: E402 - the path is right only now

if __name__ == "__main__":
    manager()  # type: ignore[no-untyped-call]
