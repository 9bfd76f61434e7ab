"""Terraform's outputs, fetched and kept."""

import json

import pytest

from b3pipeline.cloud.config import fetch_outputs, load_config
from b3pipeline.errors import ConfigError

pytestmark = pytest.mark.process

OUTPUTS = {
    "region": "us-east-1",
    "raw_data_bucket": "raw",
    "athena_results_bucket": "results",
    "glue_database": "database",
    "glue_job_name": "job",
    "lambda_function_name": "function",
    "athena_workgroup": "workgroup",
    "ec2_instance_id": "i-1",
}


@pytest.fixture
def terraform(tmp_path, monkeypatch):
    """A maker of commands called terraform that answer as told; a checkout in tmp_path."""
    (tmp_path / "infra").mkdir()
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")

    def make(out="", err="", code=0):
        command = tools / "terraform"
        command.write_text(f"#!/bin/sh\ncat <<'E'\n{out}\nE\necho '{err}' >&2\nexit {code}\n")
        command.chmod(0o755)

    return make


def test_the_outputs_become_the_target_aws(terraform, tmp_path):
    """What Terraform says is what the notebooks get."""
    terraform(json.dumps({name: {"value": value} for name, value in OUTPUTS.items()}))
    fetched = fetch_outputs(root=tmp_path)
    assert (fetched.raw_data_bucket, fetched.ec2_instance_id) == ("raw", "i-1")
    assert load_config("aws", root=tmp_path) == fetched


def test_a_state_without_outputs_is_not_applied_yet(terraform, tmp_path):
    """An empty object is what Terraform prints before the first apply."""
    terraform("{}")
    with pytest.raises(ConfigError, match=r"nothing was applied.*apply"):
        fetch_outputs(root=tmp_path)


def test_a_failure_of_terraform_is_told_in_its_words(terraform, tmp_path):
    """And what was kept before stays."""
    kept = tmp_path / "infra" / "outputs.json"
    kept.write_text("before")
    terraform(err="state is locked", code=1)
    with pytest.raises(ConfigError, match="state is locked"):
        fetch_outputs(root=tmp_path)
    assert kept.read_text() == "before"


def test_a_missing_terraform_is_told(tmp_path, monkeypatch):
    """Nothing else can be tried."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="not on the path"):
        fetch_outputs(root=tmp_path)
