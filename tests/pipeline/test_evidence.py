"""The evidence for the hand-in: green where all is kept, red where a requirement is broken."""

import datetime as dt
from contextlib import contextmanager
from itertools import pairwise

import pytest

from b3pipeline import evidence, ingest, lake, names, refine
from b3pipeline.cloud.config import project_root
from b3pipeline.deployment import provision
from b3pipeline.errors import ConfigError
from b3pipeline.evidence.diagram import diagram
from b3pipeline.evidence.gather import masked
from b3pipeline.evidence.page import timed
from b3pipeline.sources import open_source

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DAY, LAST = "2024-03-01", "2024-03-15"
MOMENT = dt.datetime(2026, 11, 25, 12, 30, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def refined(cloud):
    """A deployment with one batch of three tickers over eleven sessions, refined by its event."""
    codes = ["PETR4", "VALE3", "BBAS3"]
    batch = ingest.ingest(cloud, open_source("sample"), codes, DAY, LAST)
    run = refine.wait_for_start(cloud, batch.manifest.uri)
    assert refine.wait_for_run(cloud, run.run_id).state == "SUCCEEDED"
    return cloud


def gather(cloud, edition="B"):
    """Return the evidence of an edition, at a moment that we know."""
    return evidence.gather(cloud, edition, clock=lambda: MOMENT)


def proof_of(found, name):
    """Return the proof of one requirement."""
    return next(proof for proof in found.proofs if proof.requirement.name == name)


@contextmanager
def without_object(cloud, key):
    """Take an object out of the raw bucket for a while."""
    where = {"Bucket": cloud.config.raw_data_bucket, "Key": key}
    body = cloud.s3.get_object(**where)["Body"].read()
    cloud.s3.delete_object(**where)
    try:
        yield
    finally:
        cloud.s3.put_object(**where, Body=body)


def test_a_whole_pipeline_is_green(refined, tmp_path, monkeypatch):
    """Edition B: nine requirements kept, and every page says so."""
    monkeypatch.setenv("B3_LANG", "en")
    found = gather(refined)
    assert found.broken == ()
    assert [proof.requirement.name for proof in found.proofs] == [f"R{n}" for n in range(1, 10)]
    page = evidence.write_pages(found, tmp_path / "evidence")
    html, text = page.read_text(), (page.parent / "evidence.md").read_text()
    for said in ("2026-11-25 12:30:00", "••••••••0000", "Every requirement is kept"):
        assert said in html
        assert said in text
    for fact in ("raw/b3/dt=2024-03-15/ticker=VALE3/data.parquet", "jr_", "33"):
        assert fact in html
        assert fact in text
    assert html.count("data:image/png") == 3
    assert len(list(page.parent.glob("plot-*.png"))) == 3
    assert "<svg" in html
    assert "Yours to write" in html
    assert "<script" not in html


def test_no_account_number_is_on_the_page(refined, tmp_path):
    """All but its last four digits are hidden, in ARNs and in the names of buckets."""
    page = evidence.write_pages(gather(refined), tmp_path)
    for path in (page, page.parent / "evidence.md", page.parent / "architecture.svg"):
        assert refined.account_id not in path.read_text()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tech-raw-123456789012/raw", "tech-raw-••••••••9012/raw"),
        ("arn:aws:iam::111122223333:role/x", "arn:aws:iam::••••••••3333:role/x"),
        ("jr_a123456789012b", "jr_a123456789012b"),
        ("896e-556677881729", "896e-556677881729"),
    ],
)
def test_account_numbers_are_hidden_and_ids_are_not(text, shown):
    """A query's id can look like an account: it has to stay, or nobody could ask for it."""
    assert masked(text, "123456789012") == shown


def test_the_facts_are_what_aws_answers(refined):
    """Ids and keys can be asked for again."""
    found = gather(refined)
    query = proof_of(found, "R8").facts["query"]
    again = refined.athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
    assert again["Status"]["State"] == "SUCCEEDED"
    run = proof_of(found, "R5").facts["run"]
    assert refine.get_run(refined, run).state == "SUCCEEDED"
    assert run in proof_of(found, "R4").facts["its last such log line"]
    assert proof_of(found, "R2").facts["objects"] == "33"
    assert proof_of(found, "R7").facts["partitions"] == "33"


def test_edition_a_wants_the_database_default(refined, monkeypatch):
    """Its portfolio is there; the table is not where that edition asks for it."""
    monkeypatch.setenv("B3_INDEX_PAGE", "http://127.0.0.1:9/")
    found = gather(refined, "a")
    assert found.broken == ("R7",)
    assert "default" in proof_of(found, "R7").seen.mend
    assert proof_of(found, "R1").facts["of it in bronze"] == "BBAS3, PETR4, VALE3"


def test_an_object_that_is_gone_breaks_raw(refined):
    """R2 names it, and the command that brings it again."""
    with without_object(refined, names.bronze_key(DAY, "PETR4")):
        found = gather(refined)
    assert found.broken == ("R2",)
    assert proof_of(found, "R2").seen.wrong == f"lacking: dt={DAY}/ticker=PETR4"
    assert proof_of(found, "R2").seen.mend == (
        f"b3 ingest --source sample --tickers PETR4 --start {DAY} --end {DAY} --wait"
    )


def test_a_bucket_that_notifies_nobody_breaks_the_trigger(refined, tmp_path):
    """R3 is red on the page and in the drawing, with what mends it."""
    bucket = refined.config.raw_data_bucket
    refined.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        found = gather(refined)
    finally:
        provision.ensure_notification(refined)
    assert found.broken == ("R3",)
    assert proof_of(found, "R3").seen.mend == "b3 local up"
    page = evidence.write_pages(found, tmp_path)
    assert "Not kept: R3." in page.read_text()
    assert "<code>b3 local up</code>" in page.read_text()
    assert "✘ R3" in (page.parent / "architecture.svg").read_text()


def test_a_lambda_that_another_bucket_alone_may_call_breaks_the_trigger(refined):
    """The event is there, and would be refused."""
    call = {"FunctionName": refined.config.lambda_function_name, "StatementId": "AllowRawBucket"}
    refined.lambda_.remove_permission(**call)
    other = {"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::another"}
    refined.lambda_.add_permission(**call, Action="lambda:InvokeFunction", **other)
    try:
        found = gather(refined)
    finally:
        refined.lambda_.remove_permission(**call)
        provision.ensure_lambda(refined, project_root() / provision.LAMBDA_SOURCE)
    assert found.broken == ("R3",)
    assert "names this bucket" in proof_of(found, "R3").seen.wrong


def test_a_lambda_that_starts_another_job_is_found(refined):
    """R4 alone: the event and the job are as they were."""
    name = refined.config.lambda_function_name
    refined.lambda_.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"GLUE_JOB_NAME": "another"}}
    )
    try:
        found = gather(refined)
    finally:
        provision.ensure_lambda(refined, project_root() / provision.LAMBDA_SOURCE)
    assert found.broken == ("R4",)
    assert "'another'" in proof_of(found, "R4").seen.wrong


def test_a_session_that_was_not_refined_is_found(refined):
    """R6 compares the objects of silver with those of bronze."""
    with without_object(refined, names.silver_key(LAST, "VALE3")):
        found = gather(refined)
    assert found.broken == ("R6",)
    assert proof_of(found, "R6").seen.mend == "b3 refine --rebuild"


def test_a_table_that_is_gone_breaks_catalog_query_and_plots(refined):
    """R7 to R9 need it, and `b3 local up` makes it again."""
    database, table = refined.config.glue_database, names.SILVER_TABLE
    refined.glue.delete_table(DatabaseName=database, Name=table)
    try:
        found = gather(refined)
    finally:
        provision.ensure_catalog(refined)
        lake.register_existing(refined, table)
    assert found.broken == ("R7", "R8", "R9")
    assert proof_of(found, "R7").seen.mend == "b3 local up"


def test_a_partition_that_nobody_registered_is_found(refined):
    """Its object lies in the bucket, and Athena does not see it."""
    lake.forget_partitions(refined, names.SILVER_TABLE, [(DAY, "PETR4")])
    try:
        found = gather(refined)
    finally:
        lake.register_existing(refined, names.SILVER_TABLE)
    assert found.broken == ("R7",)


def test_a_workgroup_that_is_gone_breaks_the_queries(refined):
    """Without it Athena answers nobody."""
    name = refined.config.athena_workgroup
    refined.athena.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)
    try:
        found = gather(refined)
    finally:
        provision.ensure_workgroup(refined)
    assert found.broken == ("R8", "R9")


def test_a_job_that_is_gone_is_found(refined):
    """R5, with what makes it again; its runs are gone with it."""
    refined.glue.delete_job(JobName=refined.config.glue_job_name)
    found = gather(refined)
    provision.ensure_job(refined, project_root() / provision.JOB_SOURCE)
    assert found.broken == ("R5",)
    assert proof_of(found, "R5").seen.mend == "b3 local up"


def test_bronze_without_a_batch_has_no_source(refined):
    """The manifests say where quotes came from; this is the last test, and puts nothing back."""
    for batch in lake.list_manifests(refined):
        refined.s3.delete_object(Bucket=batch.bucket, Key=batch.key)
    found = gather(refined)
    assert "R1" in found.broken
    assert proof_of(found, "R1").seen.mend == "b3 ingest --wait"


def test_another_edition_is_refused(cloud):
    """In a sentence, before anything is asked."""
    with pytest.raises(ConfigError, match="no edition 'C'"):
        evidence.gather(cloud, "C")


@pytest.mark.parametrize(("name", "limit"), [("A", "1:15"), ("B", "10:00")])
def test_the_script_keeps_to_the_time_of_the_edition(name, limit):
    """Scenes follow one another without a gap, and the last one ends in time."""
    edition = evidence.edition(name)
    found = evidence.Evidence(edition, "local", "us-east-1", "••••••••0000", (), MOMENT)
    script = timed(found)
    assert script[0].start == "0:00"
    assert all(one.end == other.start for one, other in pairwise(script))
    minutes, seconds = map(int, script[-1].end.split(":"))
    allowed, rest = map(int, limit.split(":"))
    assert 60 * minutes + seconds <= 60 * allowed + rest
    assert [each.requirement for each in script if each.requirement] == [
        f"R{n}" for n in range(1, 10)
    ]


def test_the_drawing_is_green_where_nothing_is_broken():
    """Eight boxes, and no cross."""
    drawing = diagram()
    assert drawing.count("✔") == 8
    assert "✘" not in drawing
    assert diagram(["R5"]).count("✘") == 1
