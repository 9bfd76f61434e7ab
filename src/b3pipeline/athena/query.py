"""SQL on Athena: a question in, a frame out, with what it scanned, how long, and its price."""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError

from b3pipeline.athena.asking import Answer, Columns, ask
from b3pipeline.athena.sql import load_sql as load_sql
from b3pipeline.cloud.clients import Cloud
from b3pipeline.costs import format_bytes as format_bytes
from b3pipeline.costs import format_usd
from b3pipeline.errors import QueryError
from b3pipeline.language import say, say_many, shown
from b3pipeline.refusals import told

if TYPE_CHECKING:
    import pandas as pd

SHOWN_ROWS = 10

_FEW_ROWS = 200
"""So many come with Athena's answer; of more, its CSV is read quicker than a page of cells."""
_LARGE_BYTES = 8 * 2**20
"""A CSV from here on is read in ranges, each tried again by itself, as awswrangler does."""
_ENDPOINTS = ("athena_endpoint_url", "glue_endpoint_url", "s3_endpoint_url", "sts_endpoint_url")
_wrangler_lock = threading.RLock()


@dataclass(frozen=True, eq=False)
class QueryResult:
    """What a query brought back, and what Athena counted.

    `frame` has awswrangler's types: text is `string`, bigint and int `Int64` and `Int32` (they
    can hold nulls), double `float64`, timestamp `datetime64`, date `object` of `datetime.date`.
    `seconds` is Athena's own total, queueing included; `cost_usd` the list price.
    """

    frame: pd.DataFrame
    query_id: str
    sql: str = field(repr=False)
    bytes_scanned: int
    seconds: float
    cost_usd: float

    @property
    def summary(self) -> str:
        """Return rows, time, bytes scanned and price in one line."""
        rows = len(self.frame)
        return say_many(
            "{count:,} row · {seconds:.1f} s · {size} scanned · {price}",
            "{count:,} rows · {seconds:.1f} s · {size} scanned · {price}",
            rows,
            seconds=self.seconds,
            size=format_bytes(self.bytes_scanned),
            price=format_usd(self.cost_usd),
        )

    def _repr_html_(self) -> str:
        if self.frame.empty:
            told = say(
                "No rows. Athena sees registered partitions only: {statement} lists them.",
                statement="<code>SHOW PARTITIONS</code>",
            )
            table = f"<p>{told}</p>"
        else:
            table = self.frame.apply(_with_dashes).to_html(
                max_rows=SHOWN_ROWS,
                index=False,
                border=0,
                na_rep="–",
                float_format=lambda value: shown(value, ",.4g"),
            )
        return f"{table}<p style='font-size:90%'>{html.escape(self.summary)}</p>"


def _with_dashes(column: pd.Series) -> pd.Series:
    """Return a column with its nulls as dashes: pandas' `na_rep` is for those of floats alone."""
    of_numpy = not hasattr(column.dtype, "na_value")
    if (of_numpy and column.dtype.kind in "fM") or not column.hasnans:
        return column
    return column.astype(object).where(column.notna(), "–")


def query(
    cloud: Cloud,
    sql_or_name: str,
    *,
    database: str | None = None,
    params: Mapping[str, Any] | None = None,
    progress: Callable[..., Any] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> QueryResult:
    """Return the result of a query that ran on the deployment's workgroup.

    `sql_or_name` is SQL, or the name of a packaged query (`sql.query_names()`); `params` fill its
    placeholders. `database` is the deployment's own where none is given. `progress` shows state
    and seconds. What SHOW, DESCRIBE, EXPLAIN and MSCK print comes back as text, CREATE TABLE AS,
    INSERT and UNLOAD with the number of rows written; a statement that says nothing brings an
    empty frame. Few rows come with Athena's answer, more as its CSV, and a large one of those by
    awswrangler.
    Raises QueryError with Athena's reason where the query is refused or fails.
    """
    answer = ask(
        cloud,
        sql_or_name,
        database=database,
        params=params,
        most_rows=_FEW_ROWS,
        progress=progress,
        sleep=sleep,
    )
    return QueryResult(
        frame=_frame(answer) if answer.complete else frame_of_csv(cloud, answer),
        query_id=answer.query_id,
        sql=answer.sql,
        bytes_scanned=answer.bytes_scanned,
        seconds=answer.seconds,
        cost_usd=answer.cost_usd,
    )


def _frame(answer: Answer) -> pd.DataFrame:
    import pandas as pd

    if not answer.columns:
        return pd.DataFrame()
    names = [name for name, _ in answer.columns]
    if all(kind == "string" for _, kind in answer.columns):
        # Lines of text. Names may occur twice: a frame of rows takes them, a CSV would not.
        return pd.DataFrame(answer.rows, columns=names, dtype="string")
    lines = io.StringIO()
    csv.writer(lines, quoting=csv.QUOTE_ALL).writerows([names, *answer.rows])
    lines.seek(0)
    return _typed(pd.read_csv(lines, **_reading(answer.columns)), answer.columns)


def frame_of_csv(cloud: Cloud, answer: Answer) -> pd.DataFrame:
    """Return the frame of the CSV in which all rows of an answer lie; QueryError without it."""
    import pandas as pd

    bucket, _, key = answer.location.removeprefix("s3://").partition("/")
    how = _reading(answer.columns)
    try:
        found = cloud.s3.get_object(Bucket=bucket, Key=key)
        with found["Body"] as body:
            small = found["ContentLength"] < _LARGE_BYTES
            frame = pd.read_csv(io.BytesIO(body.read()), **how) if small else None
        if frame is None:
            import awswrangler as wr

            with wrangler(cloud):
                frame = wr.s3.read_csv([answer.location], boto3_session=cloud.session, **how)
    except (ClientError, BotoCoreError) as error:
        raise told(error, answer.location, QueryError) from error
    return _typed(frame, answer.columns)


_DTYPES = {
    "tinyint": "Int8",
    "smallint": "Int16",
    "int": "Int32",
    "integer": "Int32",
    "bigint": "Int64",
    "float": "float32",
    "real": "float32",
    "double": "float64",
    "boolean": "boolean",
}
_MOMENTS = ("timestamp", "timestamp with time zone")
_NESTED = ("array", "map", "row", "struct", "json")


def _reading(columns: Columns) -> dict[str, Any]:
    """Return how pandas reads Athena's CSV: awswrangler's types, and doubles to the last bit.

    Where awswrangler's own reader passes them through pandas' quick one, a fifth of all doubles
    differ in their last bit.
    """
    kinds = dict(columns)
    converters = {name: _CONVERTERS[kind] for name, kind in kinds.items() if kind in _CONVERTERS}
    return {
        "dtype": {
            name: _DTYPES.get(kind, "object" if kind.startswith(_NESTED) else "string")
            for name, kind in kinds.items()
            if name not in converters and kind not in _MOMENTS
        },
        "converters": converters,
        "parse_dates": [name for name, kind in kinds.items() if kind in _MOMENTS],
        "float_precision": "round_trip",
        "quoting": csv.QUOTE_ALL,
        "keep_default_na": False,
        "na_values": ["", "NaN"],
        "skip_blank_lines": False,
    }


def _date(text: str) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None


_CONVERTERS: dict[str, Callable[[str], Any]] = {"date": _date, "decimal": _decimal}


def _typed(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Return a frame whose binary columns hold bytes, which no reader of CSV gives."""
    for name, kind in columns:
        if kind in ("binary", "varbinary") and len(frame):
            frame[name] = frame[name].str.encode("utf-8")
    return frame


@contextmanager
def wrangler(cloud: Cloud) -> Iterator[None]:
    """Point awswrangler at a deployment, and back at what it was pointed at before.

    Its endpoints are global to the process: one thread at a time, and nothing stays behind, so
    that a query on AWS after a local one goes to AWS.
    """
    endpoint = cloud.config.endpoint_url
    settings: dict[str, Any] = dict.fromkeys(_ENDPOINTS, endpoint)
    settings["botocore_config"] = BotoConfig(
        # Nobody at a local address will not become somebody in twenty seconds.
        retries={"mode": "standard", "max_attempts": 2 if endpoint else 5},
        s3={"addressing_style": "path"} if endpoint else None,
    )
    import awswrangler as wr

    with _wrangler_lock:
        before = {name: getattr(wr.config, name) for name in settings}
        try:
            for name, value in settings.items():
                setattr(wr.config, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(wr.config, name, value)
