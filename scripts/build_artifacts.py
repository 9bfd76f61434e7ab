"""Build what AWS runs into `build/artifacts/`: the same sources give the same bytes.

    python scripts/build_artifacts.py    what `make artifacts` does

`refine_job.py` is the Glue script, `refine_job.zip` the modules that travel with it,
`start_glue_job.zip` the Lambda, and `host/` holds what the
ingestion host installs: the package's wheel, its pinned requirements, `run_ingestion.sh`.
`infra/tables.json` is written anew as well: the tables' columns, from the package's schema.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from b3pipeline import names, schema
from b3pipeline.deployment import provision

ROOT = Path(__file__).resolve().parent.parent

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)==")
_EPOCH = "315532800"
"""1980-01-01, the first date that a ZIP archive can hold."""


def build(root: Path, folder: Path) -> list[Path]:
    """Return the files of `folder`, built anew from the sources of the checkout `root`.

    The folder is replaced as a whole: a file of an earlier build never stays behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch) / "artifacts"
        _build_into(made, root)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _build_into(folder: Path, root: Path) -> None:
    scripts = folder / "host" / "scripts"
    scripts.mkdir(parents=True)
    shutil.copyfile(root / provision.JOB_SOURCE, folder / "refine_job.py")
    shutil.copyfile(root / "scripts" / "run_ingestion.sh", scripts / "run_ingestion.sh")
    modules = provision.job_package(root / provision.JOB_SOURCE)
    (folder / provision.JOB_PACKAGE).write_bytes(modules)
    package = provision.lambda_zip(root / provision.LAMBDA_SOURCE)
    (folder / "start_glue_job.zip").write_bytes(package)
    lock = (root / "requirements.lock").read_text()
    (folder / "host" / "requirements.txt").write_text(host_requirements(lock, core_names(root)))
    build_wheel(root, folder / "host")


def build_wheel(root: Path, folder: Path) -> None:
    """Build the package's wheel into `folder`, from a copy: nothing stale can slip in."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copyfile(root / name, source / name)
        shutil.copytree(
            root / "src",
            source / "src",
            copy_function=shutil.copyfile,
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
        )
        for path in source.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        hook = f"from setuptools.build_meta import build_wheel; build_wheel({str(folder)!r})"
        ran = subprocess.run(
            [sys.executable, "-c", f"import os; os.umask(0o022); {hook}"],
            cwd=source,
            env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH, "PYTHONHASHSEED": "0"},
            check=False,
            capture_output=True,
            text=True,
        )
    if ran.returncode != 0:
        sys.exit(f"The wheel could not be built:\n{ran.stderr}")


def core_names(root: Path) -> list[str]:
    """Return the names of the packages that the project needs without its extras."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in project["dependencies"]]


def host_requirements(lock: str, roots: Iterable[str]) -> str:
    """Return the part of a lock file that `roots` need, with pins, markers and hashes.

    The lock file says under each package, after `# via`, who asked for it: the graph that is
    walked here from the roots down.
    """
    blocks: dict[str, list[str]] = defaultdict(list)
    needs: dict[str, set[str]] = defaultdict(set)
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock):
        if found := _REQUIREMENT.match(block):
            blocks[found[1]].append(_without_comments(block))
            for parent in _parents(block):
                needs[parent].add(found[1])
    wanted: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += needs[name]
    return "".join(f"{block}\n" for name in sorted(wanted) for block in blocks[name])


def _without_comments(block: str) -> str:
    return "\n".join(line for line in block.splitlines() if not line.lstrip().startswith("#"))


def _parents(block: str) -> list[str]:
    comment = block.partition("# via")[2].replace("#", " ")
    return [line.split()[0] for line in comment.splitlines() if line.strip()]


def table_definitions() -> dict[str, object]:
    """Return what Terraform must know of the tables and prefixes, from the package's schema."""
    storage = schema.storage_descriptor(schema.BRONZE, "")
    serde = storage["SerdeInfo"]
    assert isinstance(serde, dict)  # noqa: S101 - the catalog's own shape
    return {
        "bronze": _table(names.BRONZE_TABLE, names.BRONZE_PREFIX, schema.BRONZE),
        "silver": _table(names.SILVER_TABLE, names.SILVER_PREFIX, schema.SILVER),
        "partition_keys": schema.glue_partition_keys(),
        "manifest_prefix": names.MANIFEST_PREFIX,
        "manifest_suffix": names.MANIFEST_SUFFIX,
        "bucket_mark": names.BUCKET_MARK,
        "host_mark": names.HOST_MARK,
        "input_format": storage["InputFormat"],
        "output_format": storage["OutputFormat"],
        "serialization_library": serde["SerializationLibrary"],
        "serialization_parameters": serde["Parameters"],
    }


def _table(name: str, prefix: str, columns: pa.Schema) -> dict[str, object]:
    return {"name": name, "prefix": prefix, "columns": schema.glue_columns(columns)}


def write_tables(file: Path) -> None:
    """Write what Terraform reads of the tables; a file that says it already is not touched."""
    text = json.dumps(table_definitions(), indent=2) + "\n"
    if not file.is_file() or file.read_text() != text:
        file.write_text(text)


def main() -> None:
    """Build the artefacts and write the tables' definitions."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    write_tables(ROOT / "infra" / "tables.json")
    for path in build(ROOT, ROOT / "build" / "artifacts"):
        sys.stdout.write(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
