"""The refine job on Glue: the script, the modules that travel with it, and nothing else of ours."""

import ast
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from b3pipeline import names
from b3pipeline.deployment import provision
from b3pipeline.job.spark import LOCAL_SETTINGS
from localaws.glue import warm_process

SCRIPT = Path(__file__).parents[2] / "glue/refine_job.py"
# urllib3 is what botocore sends with.
ON_GLUE = {"pyspark", "py4j", "pyarrow", "numpy", "boto3", "botocore", "urllib3"}
ON_GLUE |= sys.stdlib_module_names


def archive():
    """Return the zip that `--extra-py-files` names."""
    return zipfile.ZipFile(io.BytesIO(provision.job_package(SCRIPT)))


def test_the_job_imports_nothing_that_glue_lacks():
    """The standard library, PySpark, pyarrow and boto3, with what these bring; and itself."""
    with archive() as modules:
        sources = [SCRIPT.read_text(), *(modules.read(name) for name in modules.namelist())]
    imported = set()
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.partition(".")[0])

    assert imported <= ON_GLUE | {"b3pipeline"}


@pytest.mark.process
def test_the_modules_that_travel_are_all_that_the_script_needs(tmp_path):
    """With the zip alone on the path, as on Glue, the script starts and reads its arguments."""
    package = tmp_path / "refine_job.zip"
    package.write_bytes(provision.job_package(SCRIPT))
    code = (
        "import sys, runpy; sys.path[:] = [p for p in sys.path if not p.endswith('/src')]\n"
        f"sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
        f"sys.path.insert(0, {str(package)!r})\n"
        f"job = runpy.run_path({str(SCRIPT)!r}, run_name='job')\n"
        "import b3pipeline; print(b3pipeline.__file__); print(callable(job['main']))"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines() == [f"{package}/b3pipeline/__init__.py", "True"]


def test_the_same_sources_make_the_same_zip():
    """Or Terraform would upload it at each apply."""
    assert provision.job_package(SCRIPT) == provision.job_package(SCRIPT)


def test_a_session_of_the_job_fits_the_java_that_the_local_aws_keeps_warm():
    """A setting of another kind would make each run there start cold."""
    settings = dict(LOCAL_SETTINGS)

    assert settings.pop(warm_process.JAVA_OPTIONS) == names.JOB_JAVA_OPTIONS
    assert all(name.startswith(warm_process.OF_A_SESSION) for name in settings)
