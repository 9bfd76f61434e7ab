"""What Terraform says of `infra/` without making anything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from b3pipeline.names import Names

INFRA = Path(__file__).resolve().parents[2] / "infra"

MOCKED = ("-test-directory=mocked", "-no-color")
"""Terraform 1.6 reads the default folder `tests` at `init`, and does not know mocked providers."""

PLAN = """\
mock_provider "aws" {
  source = "./mocked/mocks"
}

run "plan" {
  command = plan
}
"""


def test_every_file_is_formatted(terraform) -> None:
    """`terraform fmt` would change nothing."""
    answer = terraform.run("fmt", "-check", "-recursive", "-diff", check=False)

    assert answer.stdout == ""
    assert answer.returncode == 0


def test_the_configuration_is_valid(terraform) -> None:
    """`terraform validate` finds neither an error nor a warning."""
    answer = json.loads(terraform.run("validate", "-json", MOCKED[0]).stdout)

    assert answer["diagnostics"] == []


def test_no_test_file_lies_where_terraform_1_6_would_read_it() -> None:
    """It reads them at `init`, and would stop at a block that came with 1.7."""
    assert [*INFRA.glob("*.tftest.*"), *INFRA.glob("tests/**/*")] == []


@pytest.mark.slow
def test_both_modes_plan_as_they_must_on_a_mocked_provider(terraform) -> None:
    """`terraform test` passes: own account, restricted account, refused inputs."""
    answer = terraform.run("test", *MOCKED, check=False)

    assert answer.returncode == 0, answer.stdout[-6000:]
    assert "33 passed, 0 failed" in answer.stdout


def test_missing_artifacts_are_named_with_the_command_that_builds_them(
    terraform, tmp_path: Path
) -> None:
    """A plan in a fresh clone says `make artifacts` instead of a stack of file errors."""
    broken = tmp_path / "infra"
    broken.mkdir()
    for path in terraform.folder.iterdir():
        (broken / path.name).symlink_to(path)
    (tmp_path / "src").symlink_to(terraform.folder.parent / "src")
    (broken / "mocked").unlink()
    (broken / "mocked").mkdir()
    (broken / "mocked" / "mocks").symlink_to(terraform.folder / "mocked" / "mocks")
    (broken / "mocked" / "plan.tftest.hcl").write_text(PLAN)

    answer = replace(terraform, folder=broken).run("test", *MOCKED, check=False)

    assert answer.returncode == 1
    assert answer.stderr.count("Error:") == 1
    assert "run `make\nartifacts`" in answer.stderr


def test_the_tables_of_terraform_are_those_of_the_package(build_artifacts: ModuleType) -> None:
    """`infra/tables.json` says what the schema says; `make artifacts` writes it."""
    written = json.loads((INFRA / "tables.json").read_text())

    assert written == build_artifacts.table_definitions()


def test_the_lock_file_pins_the_one_provider() -> None:
    """The committed lock file names the AWS provider of the 5.100 series and no other."""
    lock = (INFRA / ".terraform.lock.hcl").read_text()

    assert lock.count("provider ") == 1
    assert 'version     = "5.100.' in lock


def test_names_follow_project_and_environment_as_in_the_package(terraform) -> None:
    """Terraform and `names.py` spell the resources of another project alike."""
    names = Names("quotes", "prod")
    wanted = {
        "local.lambda_name": names.lambda_function,
        "local.glue_job_name": names.glue_job,
        "local.workgroup_name": names.workgroup,
        "local.database_name": names.database,
    }

    found = terraform.evaluate(list(wanted), "-var=project_name=quotes", "-var=environment=prod")

    assert found == list(wanted.values())


@pytest.mark.parametrize("example", ["terraform.tfvars.example", "academy.tfvars.example"])
def test_an_example_sets_variables_that_exist(example: str) -> None:
    """Every variable that an example sets or offers is declared."""
    declared = (INFRA / "variables.tf").read_text()
    lines = [line.lstrip("# ") for line in (INFRA / example).read_text().splitlines()]

    named = [line.split("=")[0].strip() for line in lines if " = " in line]

    assert named
    assert [name for name in named if f'variable "{name}"' not in declared] == []
