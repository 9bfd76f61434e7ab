"""What a student's cells left, as plain data: written beside the notebook, judged elsewhere.

Nothing of it is trusted: it is JSON, read with a limit, and a query's rows are asked for again.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from b3pipeline.files import open_regular

VARIABLE = "B3_ANSWERS"
LONGEST = 4_000_000
"""Bytes of an answer that are read; the largest right one has some kilobytes."""
MOST_ROWS = 20_000


@dataclass(frozen=True)
class SparkRows:
    """The rows of a DataFrame of Spark, as they came."""

    frame: pd.DataFrame

    def toPandas(self) -> pd.DataFrame:  # noqa: N802 - Spark's own name
        """Return the rows."""
        return self.frame


@dataclass(frozen=True)
class Statement:
    """The SQL of a query's answer: what it brings is asked for anew."""

    sql: str


class NoAnswer:
    """The name was not bound, or nothing could be handed over."""


def hand_over(name: str, namespace: Mapping[str, Any]) -> None:
    """Write what `namespace` holds under `name`; a name that is not bound leaves no file."""
    path = Path(os.environ[VARIABLE]) / f"{name}.json"
    path.unlink(missing_ok=True)
    if name in namespace:
        path.write_text(json.dumps(_encoded(namespace[name])), encoding="utf-8")


def _encoded(value: Any) -> Any:
    if hasattr(value, "sql") and hasattr(value, "frame"):
        return {"kind": "query", "sql": str(value.sql)}
    if hasattr(value, "toPandas"):
        return {"kind": "spark", **_table(value.limit(MOST_ROWS).toPandas())}
    if isinstance(value, pd.DataFrame):
        return {"kind": "frame", **_table(value)}
    if isinstance(value, pd.Series):
        index = [_plain(each) for each in value.index[:MOST_ROWS]]
        return {"kind": "series", "index": index, "values": _list(value)}
    if isinstance(value, Mapping):
        return {"kind": "mapping", "keys": _list(value), "values": _list(value.values())}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray | pd.Index):
        return {"kind": "list", "values": _list(value)}
    return {"kind": "one", "value": _plain(value)}


def _table(frame: pd.DataFrame) -> dict[str, Any]:
    columns = [str(name) for name in frame.columns]
    rows = frame.head(MOST_ROWS).itertuples(index=False, name=None)
    return {"columns": columns, "rows": [[_plain(cell) for cell in row] for row in rows]}


def _list(values: Any) -> list[Any]:
    return [_plain(each) for each in islice(values, MOST_ROWS)]


def _plain(value: Any) -> Any:
    """Return a value that JSON knows; a date and a moment keep their kind, the rest is text."""
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, dt.datetime):
        return {"moment": value.isoformat()}
    if isinstance(value, dt.date):
        return {"date": value.isoformat()}
    return value if isinstance(value, bool | int | float | str) else str(value)[:1000]


def read_answer(folder: Path, name: str) -> Any:
    """Return an answer as values to be judged; `NoAnswer` where none, or none of use, is there.

    A link, a pipe and a file beyond `LONGEST` are of no use.
    """
    path = folder / f"{name}.json"
    try:
        if path.is_symlink() or folder.is_symlink():
            return NoAnswer
        with open_regular(path) as file:
            text = file.read(LONGEST + 1)
        return _decoded(json.loads(text)) if len(text) <= LONGEST else NoAnswer
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return NoAnswer


def _decoded(content: Any) -> Any:
    kind = content["kind"]
    if kind == "query":
        return Statement(str(content["sql"]))
    if kind in ("spark", "frame"):
        rows = [[_value(cell) for cell in row] for row in content["rows"]]
        frame = pd.DataFrame(rows, columns=[str(name) for name in content["columns"]])
        return SparkRows(frame) if kind == "spark" else frame
    if kind == "series":
        index = [_value(each) for each in content["index"]]
        return pd.Series([_value(each) for each in content["values"]], index=index, dtype=object)
    if kind == "mapping":
        pairs = zip(content["keys"], content["values"], strict=True)
        return {_value(key): _value(each) for key, each in pairs}
    if kind == "list":
        return [_value(each) for each in content["values"]]
    return _value(content["value"])


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        if "date" in value:
            return dt.date.fromisoformat(value["date"])
        return dt.datetime.fromisoformat(value["moment"])
    return value
