"""What the notebooks lean on: open a deployment, show source, run a few rows of Spark."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from IPython.display import Code

from b3pipeline import sandbox
from b3pipeline.aws import Cloud, connect
from b3pipeline.checks import java_home
from b3pipeline.config import check_target, project_root
from b3pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JOB = "glue/refine_job.py"
LAMBDA = "src/lambda/start_glue_job/handler.py"


def open_cloud(target: str = "local") -> Cloud:
    """Return the deployment that a notebook works on; a local AWS that is down is started.

    Raises ConfigError where the target is unknown, SandboxError where the start fails.
    """
    if check_target(target) == "local":
        return Cloud(sandbox.ensure())
    return connect(target)


def show_source(path: str, *functions: str) -> Code:
    """Return functions of a file of the project as they stand there, or the whole file.

    Raises ConfigError for a function that the file does not have.
    """
    text = (project_root() / path).read_text()
    if functions:
        text = "\n\n\n".join(_function_source(path, text, name) for name in functions)
    return Code(text, language="python")  # type: ignore[no-untyped-call]


def _function_source(path: str, text: str, name: str) -> str:
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return str(ast.get_source_segment(text, node))
    raise ConfigError(f"{path} has no function {name!r}.", hint="look into the file for its names.")


def load_job() -> ModuleType:
    """Return the Glue job's file as a module, loaded by its path as Glue does."""
    path = project_root() / JOB
    spec = importlib.util.spec_from_file_location("refine_job", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python file.", hint="check out the project anew.")
    module = importlib.util.module_from_spec(spec)
    sys.modules["refine_job"] = module
    spec.loader.exec_module(module)
    return module


def spark_session() -> SparkSession:
    """Return a small Spark on this machine, for a few rows; it starts in about four seconds."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("JAVA_HOME", str(java_home()))
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder: Any = SparkSession.builder
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.log.level": "ERROR",
        "spark.ui.showConsoleProgress": "false",
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    session: SparkSession = builder.master("local[1]").appName("lesson").getOrCreate()
    return session
