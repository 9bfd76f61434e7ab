"""What the notebooks say is what they would say again: `pytest --nbval` on the executed copies."""

import json
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

from b3pipeline import lake, names
from b3pipeline.deployment import provision

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BY_DAY = ["01_provisioning_check"]
EACH_NIGHT = ["03_glue_refine", "05_when_it_breaks"]
"""These start Spark again and again."""
BESIDE_SPARK = ["02_ingestion", "04_athena_analysis"]
"""The batches of the first start it as well, but say nothing of its runs."""


@pytest.fixture
def in_silver_already(course, cut_event):
    """Batches that are put again start no Spark: they count as refined, for silver holds them."""
    cloud = course.cloud
    before = {batch.batch_id for batch in lake.list_manifests(cloud)}
    cut_event(course.root)
    yield
    for batch_id in {batch.batch_id for batch in lake.list_manifests(cloud)} - before:
        mark = {"version": 1, "batch_id": batch_id, "event": "refined"}
        lake.put_objects(cloud, [(names.mark_key(batch_id), json.dumps(mark).encode())])
    provision.ensure_notification(cloud)


@pytest.mark.parametrize(
    "names", [BY_DAY, pytest.param(EACH_NIGHT, marks=pytest.mark.nightly)], ids=["day", "night"]
)
def test_executed_again_the_notebooks_say_the_same(course, nbval, names):
    """Ids, times and free disk aside; 06 is left out, for it has removed nothing to compare."""
    paths = [course.executed / f"{name}.ipynb" for name in names]
    answer = course.run(*nbval(course.root, *paths))
    assert answer.returncode == 0, answer.stdout[-6000:]


def test_the_notebooks_that_wait_for_no_run_say_the_same(course, nbval, in_silver_already):
    """Executed again as the others, but that nobody refines what is there."""
    paths = [course.executed / f"{name}.ipynb" for name in BESIDE_SPARK]
    answer = course.run(*nbval(course.root, *paths))
    assert answer.returncode == 0, answer.stdout[-6000:]


def test_a_changed_output_is_noticed(course, nbval, tmp_path):
    """The comparison can fail: one figure of a table is altered."""
    path = shutil.copy(course.executed / "01_provisioning_check.ipynb", tmp_path / "altered.ipynb")
    text = Path(path).read_text()
    assert "traded_at" in text
    Path(path).write_text(text.replace("traded_at", "traded_on"))
    nbformat.validate(nbformat.read(path, as_version=4))
    answer = course.run(*nbval(course.root, path))
    assert answer.returncode == 1
    assert "1 failed" in answer.stdout, answer.stdout[-3000:] + sys.executable
