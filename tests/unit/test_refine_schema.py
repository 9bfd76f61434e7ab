"""The refine job is one file that AWS runs alone: its copies agree, its imports are on Glue."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from b3pipeline import names, schema

SCRIPT = Path(__file__).parents[2] / "glue/refine_job.py"


@pytest.fixture(scope="module")
def job() -> ModuleType:
    """The job, loaded from its file."""
    spec = importlib.util.spec_from_file_location("refine_job_copy", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_job_reads_the_columns_of_bronze(job):
    """Names, order and types are those of the package."""
    assert job.BRONZE.equals(schema.BRONZE)


def test_the_job_writes_the_columns_of_silver(job):
    """Names, order and types are those of the package."""
    assert job.SILVER.equals(schema.SILVER)


def test_the_job_means_the_same_keys(job):
    """Objects and manifests lie where the ingestion puts them and the catalog looks."""
    assert job.object_key(job.BRONZE_PREFIX, "PETR4", "2024-01-02") == names.bronze_key(
        "2024-01-02", "PETR4"
    )
    assert job.object_key(job.SILVER_PREFIX, "PETR4", "2024-01-02") == names.silver_key(
        "2024-01-02", "PETR4"
    )
    assert f"{job.MANIFESTS}b1.json" == names.manifest_key("b1")
    assert f"{job.RUNS}jr_1.json" == names.run_summary_key("jr_1")


def test_the_job_means_the_same_tables_where_none_is_given(job):
    """The defaults of its arguments are the tables of the package."""
    given = job.parse_arguments(["--raw_bucket", "b", "--database", "d", "--rebuild", "true"])

    assert (given.bronze_table, given.silver_table) == (names.BRONZE_TABLE, names.SILVER_TABLE)


def test_the_job_imports_nothing_that_glue_lacks():
    """The standard library, PySpark, pyarrow, boto3, with what these bring; one class may more."""
    on_glue = {"pyspark", "py4j", "pyarrow", "boto3", "botocore"} | sys.stdlib_module_names
    script = ast.parse(SCRIPT.read_text())
    script.body = [part for part in script.body if getattr(part, "name", "") != "ObstoreObjects"]
    imported = set()
    for node in ast.walk(script):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.partition(".")[0])

    assert imported <= on_glue
