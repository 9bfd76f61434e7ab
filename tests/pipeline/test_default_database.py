"""The whole pipeline in the account's own database `default`, which others use as well."""

from __future__ import annotations

import pytest

from b3pipeline import athena, lake, names, refine, schema
from b3pipeline.checks import check_deployment
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import load_config
from b3pipeline.deployment import sandbox, teardown
from b3pipeline.errors import SandboxError
from b3pipeline.ingest import ingest
from b3pipeline.sources import open_source

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def root(tmp_path_factory, new_checkout):
    """A checkout whose local AWS keeps the tables in `default`."""
    root = new_checkout(tmp_path_factory.mktemp("own") / "checkout")
    yield root
    sandbox.down(root)


def test_the_pipeline_works_in_default_and_leaves_what_is_not_its_own(root):
    """Made, ingested, refined by the event, asked; removed, with the database and others' table."""
    cloud = Cloud(sandbox.up(root=root, port=0, database="default"))
    assert cloud.config.glue_database == "default"
    stranger = schema.table_input("others", schema.BRONZE, "s3://elsewhere/")
    cloud.glue.create_table(DatabaseName="default", TableInput=stranger)

    batch = ingest(cloud, open_source("sample"), ("PETR4", "VALE3"), "2024-01-02", "2024-01-10")
    run = refine.wait_for_run(cloud, refine.wait_for_start(cloud, batch.manifest.uri).run_id)

    assert run.state == "SUCCEEDED", refine.tail_log(cloud, run)
    assert len(lake.list_partitions(cloud, names.SILVER_TABLE)) == 2 * 7
    counted = athena.query(cloud, f"SELECT count(*) AS n FROM {names.SILVER_TABLE}")
    assert counted.frame["n"].tolist() == [14]
    assert all(finding.ok for finding in check_deployment(cloud).findings)

    sandbox.up(root=root)  # as on another day: nothing says `default` but the outputs
    assert load_config("local", root=root).glue_database == "default"

    assert teardown.remove(cloud).resources == ()
    tables = cloud.glue.get_tables(DatabaseName="default")["TableList"]
    assert [table["Name"] for table in tables] == ["others"]


def test_a_database_that_athena_could_not_name_is_refused_before_anything_starts(tmp_path):
    """The value is named, and what would do."""
    with pytest.raises(SandboxError, match="'My-Database'"):
        sandbox.up(root=tmp_path, port=0, database="My-Database")
    assert list(tmp_path.iterdir()) == []
