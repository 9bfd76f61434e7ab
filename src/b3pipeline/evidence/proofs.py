"""What AWS answers when each requirement is asked of it: facts, or what is wrong and what mends it.

Nothing is made or started but queries of Athena, which read. Every function here asks at the
moment of its call, and takes nothing from notes of ours.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow.parquet as pq

from b3pipeline import athena, lake, names, refine, schema
from b3pipeline.checks.deployment import event_filter
from b3pipeline.checks.wiring import s3_may_call
from b3pipeline.cloud.clients import Cloud
from b3pipeline.lake.storage import find_objects
from b3pipeline.language import say
from b3pipeline.sources.portfolio import portfolio

INDEX = "IBOV"
MOST_NAMED = 3
"""Of what lacks: more would be no sentence."""

GROUPED = ("total_volume", "quote_count", "high_price", "low_price")
RENAMED = {"close": "close_price", "open": "open_price", "volume": "total_volume"}
DATED = ("close_ma_5", "close_delta", "days_since_previous")
PER_TICKER = """
SELECT
    ticker,
    count(*) AS sessions,
    min(dt) AS first_session,
    max(dt) AS last_session,
    round(avg(close_price), 2) AS mean_close
FROM b3_daily_quotes_refined
GROUP BY ticker
ORDER BY ticker
"""


@dataclass(frozen=True)
class Seen:
    """What was seen of a requirement: facts by their names, '' in `wrong` where it is kept.

    `mend` is the command that mends what is wrong; `rows` is an answer of Athena, as text.
    """

    facts: Mapping[str, str]
    wrong: str = ""
    mend: str = ""
    rows: str = field(default="", repr=False)


Look = Callable[[Cloud], Seen]


def make_again(cloud: Cloud) -> str:
    """Return the command that makes what is missing of a deployment."""
    return "b3 local up" if cloud.config.target == "local" else "terraform -chdir=infra apply"


def of_source(cloud: Cloud) -> Seen:
    """Look at the newest batch: where its quotes come from, and what its objects say of it."""
    batches = [batch for batch in lake.list_manifests(cloud) if batch.partitions]
    if not batches:
        return Seen({}, say("bronze holds no batch"), "b3 ingest --wait")
    batch = batches[-1]
    ticker, days = next(iter(batch.partitions.items()))
    facts = {
        say("manifest"): batch.uri,
        say("source"): batch.label,
        say("range"): f"{batch.start} – {batch.end}",
        say("tickers"): ", ".join(batch.partitions),
        say("quotes"): f"{batch.rows:,}",
        say("written at (UTC)"): f"{batch.created_at:%Y-%m-%d %H:%M:%S}",
    }
    body = _body(cloud, names.bronze_key(days[-1], ticker))
    if body is None:
        gone = say("the newest object of {ticker} is gone", ticker=ticker)
        again = _ingest(batch.source, batch.partitions, batch.start, batch.end)
        return Seen(facts, gone, again)
    said = pq.read_table(io.BytesIO(body)).column("source").to_pylist()
    facts[say("source in the object of {day}", day=f"{days[-1]}, {ticker}")] = str(said[0])
    return Seen(facts)


def of_portfolio(cloud: Cloud) -> Seen:
    """Look at the newest batch, and hold its tickers against the index's theoretical portfolio."""
    seen = of_source(cloud)
    found = portfolio(INDEX)
    held = {ticker for _, ticker in lake.list_partitions(cloud, names.BRONZE_TABLE)}
    members = sorted(held.intersection(found.tickers))
    facts = {
        say("theoretical portfolio"): say(
            "{index} of {date}, {count} shares, {origin}",
            index=found.index, date=str(found.date), count=len(found.tickers), origin=found.origin,
        ),
        say("of it in bronze"): ", ".join(members) or "–",
    }  # fmt: skip
    wrong = seen.wrong or ("" if members else say("bronze holds no share of {index}", index=INDEX))
    again = seen.mend if members else f"b3 ingest --tickers {INDEX} --wait"
    return Seen({**facts, **seen.facts}, wrong, again)


def of_raw(cloud: Cloud) -> Seen:
    """Look whether every object that a manifest names lies in the bucket, as Parquet."""
    wanted, source = _announced(cloud)
    stored = lake.stored_partitions(cloud)
    facts = _objects(cloud, stored, names.bronze_key)
    if not stored:
        return Seen(facts, say("there is no object below raw/"), "b3 ingest --wait")
    missing = sorted(wanted.difference(stored))
    if not missing:
        return Seen(facts)
    days, tickers = (sorted(set(each)) for each in zip(*missing, strict=True))
    return Seen(facts, _lacking(missing), _ingest(source, tickers, days[0], days[-1]))


def of_trigger(cloud: Cloud) -> Seen:
    """Look at the bucket's notification: whom it calls, and for which objects."""
    config = cloud.config
    answer = cloud.s3.get_bucket_notification_configuration(Bucket=config.raw_data_bucket)
    rules = answer.get("LambdaFunctionConfigurations", [])
    called = f":{config.lambda_function_name}"
    own = [rule for rule in rules if rule["LambdaFunctionArn"].endswith(called)]
    facts = {say("bucket"): config.raw_data_bucket}
    if not own:
        return Seen(facts, say("no event of the bucket calls the Lambda"), make_again(cloud))
    wiring, (allowed, policy) = event_filter(cloud), s3_may_call(cloud)
    manifest, quote = names.manifest_key("a-batch"), names.bronze_key("2024-01-02", "PETR4")
    facts |= {
        say("notification"): str(own[0].get("Id", "–")),
        say("events"): ", ".join(own[0]["Events"]),
        say("filter"): str(wiring),
        say("calls"): own[0]["LambdaFunctionArn"],
        say("may S3 call it?"): policy,
    }
    if not allowed:
        return Seen(facts, policy, make_again(cloud))
    if wiring is None or not wiring.fires_on(manifest) or wiring.fires_on(quote):
        wrong = say("it fires on {filter}, and not on manifests alone", filter=str(wiring))
        return Seen(facts, wrong, make_again(cloud))
    return Seen(facts)


def of_lambda(cloud: Cloud) -> Seen:
    """Look at the Lambda, and at the last line in which it says that it started a run."""
    found = cloud.lambda_.get_function_configuration(FunctionName=cloud.config.lambda_function_name)
    starts = found.get("Environment", {}).get("Variables", {}).get("GLUE_JOB_NAME", "")
    started = [line for line in refine.lambda_log(cloud, lines=2000).lines if "started run" in line]
    facts = {
        say("function"): found["FunctionArn"],
        say("runtime"): f"{found['Runtime']}, {found['Handler']}",
        say("last changed"): str(found["LastModified"]),
        "SHA-256": str(found["CodeSha256"]),
        say("starts the job"): starts,
        say("its last such log line"): started[-1] if started else "–",
    }
    if starts != cloud.config.glue_job_name:
        return Seen(facts, say("it starts the job {job!r}", job=starts), make_again(cloud))
    return Seen(facts)


def of_job(cloud: Cloud) -> Seen:
    """Look at the job, its last good run, and the columns that this computed."""
    job = cloud.glue.get_job(JobName=cloud.config.glue_job_name)["Job"]
    facts = {
        say("job"): f"{job['Name']}, {job['Command']['Name']}, Glue {job['GlueVersion']}",
        say("script"): job["Command"]["ScriptLocation"],
    }
    good = [run for run in refine.list_runs(cloud) if run.state == "SUCCEEDED"]
    if not good:
        return Seen(facts, say("no run of it has succeeded"), "b3 refine --rebuild")
    run = next((run for run in good if run.manifest), good[0])
    facts |= {
        say("run"): run.run_id,
        say("state"): f"{run.state}, {run.started_on:%Y-%m-%d %H:%M:%S} UTC, {run.seconds:.0f} s",
        say("started by"): run.manifest or say("a person"),
    }
    stored = lake.stored_partitions(cloud, names.SILVER_PREFIX)
    body = _body(cloud, names.silver_key(*stored[-1])) if stored else None
    columns = pq.read_schema(io.BytesIO(body)).names if body else []
    facts |= {
        say("(A) grouped"): ", ".join(name for name in GROUPED if name in columns),
        say("(B) renamed"): ", ".join(f"{a} → {b}" for a, b in RENAMED.items() if b in columns),
        say("(C) by date"): ", ".join(name for name in DATED if name in columns),
    }
    lacking = {*GROUPED, *RENAMED.values(), *DATED}.difference(columns)
    if lacking:
        wrong = say("silver lacks the columns {names}", names=", ".join(sorted(lacking)))
        return Seen(facts, wrong, "b3 refine --rebuild")
    return Seen(facts)


def of_refined(cloud: Cloud) -> Seen:
    """Look whether every session of bronze has its object in silver, by date and ticker."""
    stored = lake.stored_partitions(cloud, names.SILVER_PREFIX)
    facts = _objects(cloud, stored, names.silver_key)
    if not stored:
        return Seen(facts, say("there is no object below refined/"), "b3 refine --rebuild")
    missing = sorted(set(lake.stored_partitions(cloud)).difference(stored))
    return Seen(
        facts, _lacking(missing) if missing else "", "b3 refine --rebuild" if missing else ""
    )


def of_catalog(cloud: Cloud) -> Seen:
    """Look at database, table and partitions of silver."""
    config, table = cloud.config, names.SILVER_TABLE
    cloud.glue.get_database(Name=config.glue_database)
    found = cloud.glue.get_table(DatabaseName=config.glue_database, Name=table)["Table"]
    held = lake.list_partitions(cloud, table)
    storage = found["StorageDescriptor"]
    facts = {
        say("database"): config.glue_database,
        say("table"): f"{table}, {storage['Location']}",
        say("columns"): ", ".join(column["Name"] for column in storage["Columns"]),
        say("partition keys"): ", ".join(key["Name"] for key in found["PartitionKeys"]),
        say("partitions"): f"{len(held):,}",
    }
    if len(storage["Columns"]) != len(schema.SILVER):
        return Seen(facts, say("its columns are not the job's"), make_again(cloud))
    stored = set(lake.stored_partitions(cloud, names.SILVER_PREFIX))
    missing = sorted(stored.difference(held))
    if missing or not held:
        return Seen(facts, _lacking(missing) or say("it has no partition"), "b3 refine --rebuild")
    return Seen(facts)


def of_default_catalog(cloud: Cloud) -> Seen:
    """Look at the catalog as `of_catalog` does; the database must be the account's `default`."""
    seen = of_catalog(cloud)
    if seen.wrong or cloud.config.glue_database == "default":
        return seen
    again = "b3 local up --database default && b3 refine --rebuild"
    if cloud.config.target == "aws":
        again = "terraform -chdir=infra apply -var glue_database=default && b3 refine --rebuild"
    wrong = say("the table lies in {name}, not in default", name=cloud.config.glue_database)
    return Seen(seen.facts, wrong, again)


def of_athena(cloud: Cloud) -> Seen:
    """Ask Athena for sessions and mean close of each ticker."""
    answer = athena.query(cloud, PER_TICKER)
    asked = cloud.athena.get_query_execution(QueryExecutionId=answer.query_id)["QueryExecution"]
    facts = {
        say("query"): answer.query_id,
        say("state"): asked["Status"]["State"],
        say("workgroup"): asked["WorkGroup"],
        "SQL": " ".join(answer.sql.split()),
        say("rows"): f"{len(answer.frame):,}",
        say("scanned"): athena.format_bytes(answer.bytes_scanned),
        say("result"): asked["ResultConfiguration"]["OutputLocation"],
    }
    if answer.frame.empty:
        return Seen(facts, say("Athena finds no row in silver"), "b3 refine --rebuild")
    return Seen(facts, rows=str(answer.frame.to_string(index=False)))


# --- What the looks share ---------------------------------------------------------------------


def _announced(cloud: Cloud) -> tuple[set[tuple[str, str]], str]:
    """Return the (dt, ticker) that the manifests say must lie in bronze, and the last source."""
    wanted: set[tuple[str, str]] = set()
    source = ""
    for batch in lake.list_manifests(cloud):
        wanted |= {(day, ticker) for ticker, days in batch.partitions.items() for day in days}
        wanted -= {(day, one.ticker) for one in batch.replaced for day in one.removed}
        source = batch.source
    return wanted, source


def _objects(
    cloud: Cloud, stored: list[tuple[str, str]], key_of: Callable[[str, str], str]
) -> dict[str, str]:
    """Return how many objects there are, and what S3 says of the last one."""
    facts = {say("objects"): f"{len(stored):,}"}
    if stored:
        key = key_of(*stored[-1])
        answer = cloud.s3.get_object(Bucket=cloud.config.raw_data_bucket, Key=key)
        table = pq.read_metadata(io.BytesIO(answer["Body"].read()))
        facts |= {
            say("first key"): key_of(*stored[0]),
            say("last key"): key,
            say("last changed"): f"{answer['LastModified']:%Y-%m-%d %H:%M:%S} UTC",
            "ETag": str(answer["ETag"]).strip('"'),
            "Parquet": say("{rows} rows, {columns} columns, {size:,} bytes",
                           rows=table.num_rows, columns=table.num_columns,
                           size=answer["ContentLength"]),
        }  # fmt: skip
    return facts


def _body(cloud: Cloud, key: str) -> bytes | None:
    [body] = find_objects(cloud, [key])
    return body


def _lacking(missing: list[tuple[str, str]]) -> str:
    if not missing:
        return ""
    named = ", ".join(f"dt={day}/ticker={ticker}" for day, ticker in missing[:MOST_NAMED])
    more = f" (+{len(missing) - MOST_NAMED})" if len(missing) > MOST_NAMED else ""
    return say("lacking: {partitions}", partitions=f"{named}{more}")


def _ingest(source: str, tickers: Iterable[str], start: object, end: object) -> str:
    named = ",".join(tickers)
    return f"b3 ingest --source {source} --tickers {named} --start {start} --end {end} --wait"
