"""The names of the pipeline: resources, tables, object keys. Nothing else spells them out."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from b3pipeline.errors import ConfigError, InvalidTickerError
from b3pipeline.exchange import EXCHANGE
from b3pipeline.language import say

BRONZE_TABLE = "b3_daily_quotes"
SILVER_TABLE = "b3_daily_quotes_refined"
BRONZE_PREFIX = "raw/b3/"
SILVER_PREFIX = "refined/b3/"
MANIFEST_PREFIX = "raw/b3/_batches/"
MANIFEST_SUFFIX = ".json"
MARK_PREFIX = "refined/b3/_batches/"
"""The job writes here what it has refined: a mark of the same name as the batch's manifest."""
JOURNAL_PREFIX = "raw/b3/_journal/"
ASIDE_PREFIX = "raw/b3/_journal_aside/"
ANSWER_PREFIX = "raw/b3/_answers/"
QUARANTINE_PREFIX = "raw/b3/_quarantine/"
RUN_PREFIX = "refined/b3/_runs/"
CHECKPOINT_KEY = "refined/b3/_checkpoint.json"
ARTIFACT_PREFIX = "artifacts/"
DATA_FILE = "data.parquet"
JOB_JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""What the job asks of a Java of this machine: a run is over before a second compiler and a
parallel collector would pay. The local AWS keeps a Java of this kind warm."""
HOST_MARK = f"{BRONZE_PREFIX}_host/mark.json"
"""What the ingestion host says of itself: ready, or what failed."""
HOST_PROBE = f"{BRONZE_PREFIX}_host/probe"
SHARED_DATABASE = "default"
"""The database that an account has of its own: others may keep tables in it, so it stays."""
BUCKET_MARK = "b3/bucket.json"
"""Says that `b3 buckets` has looked at a bucket, and whether it made it."""

_PROJECT_PART = re.compile(r"[a-z][a-z0-9_]*")
_PARTITION = re.compile(r"dt=([0-9-]{10})/ticker=([A-Z0-9]+)/")


@dataclass(frozen=True)
class Names:
    """Resource names of one deployment, as Terraform and the sandbox both make them."""

    project: str = "tech_challenge2"
    environment: str = "dev"

    def __post_init__(self) -> None:
        for what, value in (("project_name", self.project), ("environment", self.environment)):
            if not _PROJECT_PART.fullmatch(value):
                raise ConfigError(
                    say(
                        "{what} is {value!r}, which AWS resource names cannot carry.",
                        what=what,
                        value=value,
                    ),
                    hint=say("use lower-case letters, digits and underscores, a letter first."),
                )

    @property
    def stem(self) -> str:
        return f"{self.project}_{self.environment}"

    @property
    def lambda_function(self) -> str:
        return f"{self.stem}_start_glue"

    @property
    def glue_job(self) -> str:
        return f"{self.stem}_refine_job"

    @property
    def workgroup(self) -> str:
        return f"{self.stem}_wg"

    @property
    def database(self) -> str:
        return self.stem

    def raw_data_bucket(self, account_id: str) -> str:
        return self._bucket("raw", account_id)

    def athena_results_bucket(self, account_id: str) -> str:
        return self._bucket("athena-results", account_id)

    def settings(self, account_id: str) -> dict[str, Any]:
        """Return all these names in an account, as `Config` has them: text."""
        return {
            "raw_data_bucket": self.raw_data_bucket(account_id),
            "athena_results_bucket": self.athena_results_bucket(account_id),
            "glue_database": self.database,
            "glue_job_name": self.glue_job,
            "lambda_function_name": self.lambda_function,
            "athena_workgroup": self.workgroup,
        }

    def _bucket(self, kind: str, account_id: str) -> str:
        return f"{self.stem.replace('_', '-')}-{kind}-{account_id}"


def normalise_ticker(ticker: object) -> str:
    """Return the exchange's code of `ticker`: upper case, without Yahoo's `.SA` suffix.

    Raises InvalidTickerError where what is left is not shaped like a B3 code.
    """
    code = ticker.strip().upper().removesuffix(EXCHANGE.suffix) if isinstance(ticker, str) else ""
    if not EXCHANGE.ticker.fullmatch(code):
        raise InvalidTickerError(
            say("{ticker!r} is not a ticker of {exchange}.", ticker=ticker, exchange=EXCHANGE.name),
            hint=say(EXCHANGE.ticker_hint),
        )
    return code


def is_ticker(text: str) -> bool:
    """Return whether a text is a code of the exchange, to the letter: PETR4, and not petr4.SA."""
    return EXCHANGE.ticker.fullmatch(text) is not None


def bronze_key(session: dt.date | str, ticker: str) -> str:
    """Return the key of the one bronze object of a session and ticker."""
    return f"{BRONZE_PREFIX}{partition_path(session, ticker)}{DATA_FILE}"


def silver_key(session: dt.date | str, ticker: str) -> str:
    """Return the key of the one silver object of a session and ticker."""
    return f"{SILVER_PREFIX}{partition_path(session, ticker)}{DATA_FILE}"


def manifest_key(batch_id: str) -> str:
    """Return the key of a batch's manifest, whose arrival fires the Lambda."""
    return f"{MANIFEST_PREFIX}{batch_id}{MANIFEST_SUFFIX}"


def is_document(name: str) -> bool:
    """Return whether a name below the manifests' or the marks' prefix is one of a batch."""
    return re.fullmatch(r"[^/]+\.json", name) is not None


def mark_key(batch_id: str) -> str:
    """Return the key of the mark that a batch is refined, or set aside."""
    return f"{MARK_PREFIX}{batch_id}.json"


def run_summary_key(run_id: str) -> str:
    """Return the key of what a run of the refine job says that it did."""
    return f"{RUN_PREFIX}{run_id}.json"


def partition_path(session: dt.date | str, ticker: str) -> str:
    """Return the Hive path of a partition, relative to its table, with a slash at its end."""
    return f"dt={session}/ticker={ticker}/"


def partition_of(key: str) -> tuple[str, str] | None:
    """Return the (dt, ticker) that a key or location lies in, or None outside a session's."""
    found = _PARTITION.search(key)
    return (found[1], found[2]) if found and is_session(found[1], found[2]) else None


def is_session(day: str, ticker: str) -> bool:
    """Return whether the values of a partition are a date such as 2024-01-31 and a ticker.

    Catalog and bucket may hold others, put there by hand: Hive takes any text.
    """
    try:
        return dt.date.fromisoformat(day).isoformat() == day and is_ticker(ticker)
    except ValueError:
        return False


def session_of(key: str, prefix: str) -> tuple[str, str] | None:
    """Return the (dt, ticker) whose one object of a table a key is; None for any other key."""
    found = partition_of(key)
    return found if found and key == f"{prefix}{partition_path(*found)}{DATA_FILE}" else None


def is_stray(key: str, prefix: str) -> bool:
    """Return whether Hive and Athena see an object that is no session's, and so not read by us.

    They see none whose name, or a folder's above it, begins with `_` or `.`; the "folders" of the
    console are empty.
    """
    *folders, name = key.removeprefix(prefix).split("/")
    hidden = any(part.startswith(("_", ".")) for part in (*folders, name))
    return bool(name) and "=" not in name and not hidden and session_of(key, prefix) is None


def named_strays(keys: list[str]) -> str:
    """Return in words what was passed over: how many objects, and the first of them."""
    return f"{len(keys)} object(s) of no session passed over: {', '.join(keys[:5])}"
