"""The figures that docs/performance.md leads with: benchmarks leave them, picture.py draws them.

`figures.json` maps what was measured to its day, the load average of the machine before and after,
the seconds of each way or stage (medians, where there were rounds), and what else was counted.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("figures.json")


def keep(
    name: str, seconds: dict[str, float], *, load: tuple[float, float], **counted: Any
) -> None:
    """Put what was measured just now in the place of what was measured before."""
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    known[name] = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "load": [round(one, 1) for one in load],
        **counted,
        "seconds": {way: round(each, 2) for way, each in seconds.items()},
    }
    FILE.write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n")
