"""Spark's daemon of Python workers, from the installed PySpark.

Spark puts a ZIP of PySpark, which holds no bytecode, and one of its JARs before all else on the
path of its workers. Each daemon would compile PySpark again, most of its start; and each task has
Python read the directories of all archives on its path anew, most of a small task.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_HOME = Path(os.environ.get("SPARK_HOME", ""))
_ARCHIVES = (str(_HOME / "python" / "lib"), str(_HOME / "jars"))
sys.path[:] = [path for path in sys.path if not path.startswith(_ARCHIVES)]
for _known in [path for path in sys.path_importer_cache if path.startswith(_ARCHIVES)]:
    del sys.path_importer_cache[_known]

from pyspark.daemon import manager  # noqa: E402 - the path is right only now

if __name__ == "__main__":
    manager()  # type: ignore[no-untyped-call]
