"""What the notebooks say is what they would say again: `pytest --nbval` on the executed copies."""

import shutil
import sys
from pathlib import Path

import nbformat
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SANITIZE = Path(__file__).with_name("sanitize.cfg")
BY_DAY = ["01_provisioning_check", "02_ingestion", "04_athena_analysis"]
EACH_NIGHT = ["03_glue_refine", "05_when_it_breaks"]
"""These start Spark again and again."""


def compare(course, *paths):
    """Return what nbval answers: it runs every cell again and compares the outputs."""
    options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(SANITIZE)]
    quiet = ["-q", "-c", "/dev/null", "--rootdir", str(course.root), "-p", "no:cacheprovider"]
    sooner = ["-p", "b3pipeline.plain_addresses"]  # nbval is imported in a third of the time
    return course.run("pytest", *sooner, *quiet, *options, *map(str, paths))


@pytest.mark.parametrize(
    "names", [BY_DAY, pytest.param(EACH_NIGHT, marks=pytest.mark.nightly)], ids=["day", "night"]
)
def test_executed_again_the_notebooks_say_the_same(course, names):
    """Ids, times and free disk aside; 06 is left out, for it has removed nothing to compare."""
    answer = compare(course, *(course.executed / f"{name}.ipynb" for name in names))
    assert answer.returncode == 0, answer.stdout[-6000:]


def test_a_changed_output_is_noticed(course, tmp_path):
    """The comparison can fail: one figure of a table is altered."""
    path = shutil.copy(course.executed / "01_provisioning_check.ipynb", tmp_path / "altered.ipynb")
    text = Path(path).read_text()
    assert "traded_at" in text
    Path(path).write_text(text.replace("traded_at", "traded_on"))
    nbformat.validate(nbformat.read(path, as_version=4))
    answer = compare(course, path)
    assert answer.returncode == 1
    assert "1 failed" in answer.stdout, answer.stdout[-3000:] + sys.executable
