"""Where the pipeline lives: read from Terraform's outputs or from the environment."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import (
    Config,
    check_target,
    config_from_environment,
    dump_outputs,
    load_config,
    outputs_path,
    parse_outputs,
    project_root,
)
from b3pipeline.errors import ConfigError

LOCAL = Config(
    target="local",
    region="us-east-1",
    raw_data_bucket="raw",
    athena_results_bucket="results",
    glue_database="tech_challenge2_dev",
    glue_job_name="tech_challenge2_dev_refine_job",
    lambda_function_name="tech_challenge2_dev_start_glue",
    athena_workgroup="tech_challenge2_dev_wg",
    endpoint_url="http://127.0.0.1:4566",
)
AWS = replace(LOCAL, target="aws", endpoint_url=None, ec2_instance_id="i-0123456789abcdef0")
VARIABLES = {
    "AWS_REGION": "us-east-1",
    "RAW_BUCKET": "raw",
    "ATHENA_RESULTS_BUCKET": "results",
    "GLUE_DATABASE": "tech_challenge2_dev",
    "GLUE_JOB_NAME": "tech_challenge2_dev_refine_job",
    "LAMBDA_FUNCTION_NAME": "tech_challenge2_dev_start_glue",
    "ATHENA_WORKGROUP": "tech_challenge2_dev_wg",
    "EC2_INSTANCE_ID": "i-0123456789abcdef0",
}


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like a checkout of the project."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


@pytest.mark.parametrize("config", [LOCAL, AWS], ids=["local", "aws"])
def test_outputs_come_back_as_they_were_written(config):
    """Sandbox and Terraform write one format."""
    assert parse_outputs(dump_outputs(config), config.target) == config


def test_terraforms_own_outputs_are_understood(monkeypatch):
    """As `terraform output -json` prints them: no region, outputs that are nobody's business."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    outputs = json.loads(dump_outputs(AWS))
    del outputs["region"]
    outputs["something_else"] = {"sensitive": False, "type": "string", "value": "x"}
    assert parse_outputs(json.dumps(outputs), "aws") == AWS


@pytest.mark.parametrize("text", ["", "[]", '{"raw_data_bucket": "raw"}', "null"])
def test_a_text_that_is_no_outputs_is_refused(text):
    """The hint is the command that writes them."""
    with pytest.raises(ConfigError, match="not the JSON of Terraform") as caught:
        parse_outputs(text, "aws")
    assert "b3 outputs" in caught.value.hint


def test_outputs_that_lack_something_name_it():
    """All that is missing, in one message."""
    outputs = json.loads(dump_outputs(LOCAL))
    del outputs["glue_job_name"], outputs["athena_workgroup"]
    with pytest.raises(ConfigError, match="lack athena_workgroup, glue_job_name"):
        parse_outputs(json.dumps(outputs), "local")


@pytest.mark.parametrize("value", [5, True, 1e400, ["raw"], {"a": 1}, "\ud800", "two\nlines"])
def test_an_output_that_is_no_text_is_named(value):
    """Numbers for texts, and half of a surrogate pair, would end in a traceback much later."""
    outputs = json.loads(dump_outputs(AWS))
    outputs["glue_job_name"]["value"] = value
    with pytest.raises(ConfigError, match="have no text for glue_job_name") as caught:
        parse_outputs(json.dumps(outputs), "aws")
    assert "b3 outputs" in caught.value.hint


def test_the_environment_describes_a_deployment():
    """What the EC2 host is given."""
    assert config_from_environment(VARIABLES) == AWS


def test_a_local_aws_of_the_environment_is_met_with_ones_own_keys():
    """On the host they are its role's: the local AWS's dummy keys may do everything."""
    aimed = VARIABLES | {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}
    assert config_from_environment(aimed) == AWS


def test_an_incomplete_environment_names_what_it_lacks():
    """By the names of the variables."""
    lacking = {
        name: value for name, value in VARIABLES.items() if name not in {"RAW_BUCKET", "AWS_REGION"}
    }
    with pytest.raises(ConfigError, match="RAW_BUCKET, AWS_REGION"):
        config_from_environment(lacking)


def test_the_outputs_file_is_read(checkout):
    """Each target has its own."""
    path = outputs_path("local", checkout)
    path.parent.mkdir()
    path.write_text(dump_outputs(LOCAL))
    assert load_config("local", root=checkout) == LOCAL
    assert outputs_path("aws", checkout) == checkout / "infra" / "outputs.json"


def test_a_local_aws_that_is_down_is_said_to_be(checkout):
    """The hint starts it."""
    with pytest.raises(ConfigError, match="not up") as caught:
        load_config("local", root=checkout)
    assert "b3 local up" in caught.value.hint


def test_an_unknown_target_is_refused():
    """There are two."""
    with pytest.raises(ConfigError, match="'azure'"):
        check_target("azure")


@pytest.fixture
def local(tmp_path):
    """The local deployment with the key that its server gave out."""
    path = tmp_path / "credentials"
    path.write_text(
        "[default]\naws_access_key_id = LKIAEXAMPLE\naws_secret_access_key = its-secret\n"
    )
    return replace(LOCAL, credentials_file=str(path))


def test_a_key_that_is_gone_is_told(local):
    """Which file, and what writes it again."""
    Path(local.credentials_file).write_text("no key\n")
    with pytest.raises(ConfigError, match="credentials") as caught:
        local.environment()
    assert "b3 local up" in caught.value.hint


def test_the_environment_for_other_tools_is_complete(local):
    """The key of the local AWS goes with it alone, so that no account's keys are shadowed."""
    assert local.environment() == {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_ACCESS_KEY_ID": "LKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "its-secret",
        "RAW_BUCKET": "raw",
        "ATHENA_RESULTS_BUCKET": "results",
        "GLUE_DATABASE": "tech_challenge2_dev",
        "GLUE_JOB_NAME": "tech_challenge2_dev_refine_job",
        "LAMBDA_FUNCTION_NAME": "tech_challenge2_dev_start_glue",
        "ATHENA_WORKGROUP": "tech_challenge2_dev_wg",
    }
    assert "AWS_ACCESS_KEY_ID" not in AWS.environment()
    assert AWS.environment()["EC2_INSTANCE_ID"] == "i-0123456789abcdef0"


def test_the_root_is_found_from_any_folder_below_it(checkout, monkeypatch):
    """As git finds its own."""
    monkeypatch.delenv("B3_HOME", raising=False)
    deep = checkout / "notebooks" / "deep"
    deep.mkdir()
    assert project_root(deep) == checkout.resolve()


def test_a_folder_outside_any_checkout_is_told_what_to_do(tmp_path, monkeypatch):
    """B3_HOME names one from anywhere."""
    monkeypatch.delenv("B3_HOME", raising=False)
    with pytest.raises(ConfigError, match="not inside a checkout") as caught:
        project_root(tmp_path)
    assert "B3_HOME" in caught.value.hint
    monkeypatch.setenv("B3_HOME", str(tmp_path))
    assert project_root() == tmp_path.resolve()


def test_a_local_cloud_never_uses_the_keys_of_an_account(local, monkeypatch):
    """Whatever the environment holds."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-key-of-an-account")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "its-token")
    keys = Cloud(local).session.get_credentials().get_frozen_credentials()
    assert (keys.access_key, keys.secret_key, keys.token) == ("LKIAEXAMPLE", "its-secret", None)
    assert Cloud(local).s3.meta.endpoint_url == "http://127.0.0.1:4566"
