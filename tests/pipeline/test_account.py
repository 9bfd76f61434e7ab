"""The check of an account before anything costs money, on a local AWS that enforces rights."""

import json
import os

import boto3
import pytest

from b3pipeline.checks.account import check_account
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import Config
from b3pipeline.lake import storage
from localaws import process

EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def denied(*actions):
    """Return a statement that forbids actions, as a lab attaches one when its session ends."""
    return {"Effect": "Deny", "Action": list(actions), "Resource": "*"}


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory):
    """One local AWS that checks each caller's rights, shared by the tests of this module."""
    folder = tmp_path_factory.mktemp("strict") / "state"
    yield process.start(folder, 0, owner=os.getpid())
    process.stop(folder)


@pytest.fixture
def session_of(strict_server, monkeypatch):
    """A maker of sessions for users with the statements given; no call leaves this machine."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", strict_server.endpoint_url)

    def make(name, *statements):
        keys = strict_server.keys
        owner = boto3.Session(keys.access_key_id, keys.secret_access_key, region_name="us-east-1")
        iam = owner.client("iam")
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")

    return make


def findings(report):
    """Return each subject with its finding."""
    return {finding.subject: finding for finding in report.findings}


def test_an_account_with_every_right_is_fit(session_of):
    """All findings are good, and the names of both buckets are free."""
    report = check_account(session_of("owner", EVERYTHING))
    assert report.ok, str(report)
    assert findings(report)["bucket names"].detail.count("is free") == 2


def test_names_that_are_taken_are_told_before_terraform_stops_at_them(session_of):
    """Each by its kind and name, with both ways on; a deployment's own names are no clash."""
    session = session_of("owner-again", EVERYTHING)
    group = "tech_challenge2_dev_wg"
    output = {"ResultConfiguration": {"OutputLocation": "s3://bucket/"}}
    session.client("athena").create_work_group(Name=group, Configuration=output)
    session.client("glue").create_database(DatabaseInput={"Name": "tech_challenge2_dev"})
    found = findings(check_account(session))["other names"]
    deployed = findings(check_account(session, deployed=True))
    own = findings(check_account(session, made={"tech_challenge2_dev", group}))["other names"]
    session.client("athena").delete_work_group(WorkGroup=group)
    session.client("glue").delete_database(Name="tech_challenge2_dev")
    assert (found.ok, found.detail) == (
        False,
        "database tech_challenge2_dev, workgroup tech_challenge2_dev_wg exist already",
    )
    assert "b3 outputs" in found.hint
    assert "other names" not in deployed
    assert own.ok


def test_a_region_without_a_default_vpc_is_told(session_of):
    """The host has no network there, unless a subnet is named."""
    keys = session_of("owner-abroad", EVERYTHING).get_credentials()
    session = boto3.Session(keys.access_key, keys.secret_key, region_name="eu-west-1")
    ec2 = session.client("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    abroad = {"region": "eu-west-1"}
    before = findings(check_account(session, variables=abroad))["network"]
    assert before.detail == f"default VPC {vpc['VpcId']}"
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    for gateway in ec2.describe_internet_gateways()["InternetGateways"]:
        ec2.detach_internet_gateway(
            InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc["VpcId"]
        )
    ec2.delete_vpc(VpcId=vpc["VpcId"])
    found = findings(check_account(session, variables=abroad))["network"]
    assert not found.ok
    assert "subnet_id" in found.hint


def test_a_lab_that_lacks_its_role_is_told(session_of):
    """Who is in a lab is known by the session's name; without LabRole nothing can run."""
    session = session_of("voclabs-student", EVERYTHING)
    before = findings(check_account(session))["LabRole"]
    iam = session.client("iam")
    iam.create_role(RoleName="LabRole", AssumeRolePolicyDocument=json.dumps({"Statement": []}))
    iam.create_instance_profile(InstanceProfileName="LabInstanceProfile")
    after = findings(check_account(session))["LabRole"]
    assert (before.ok, after.ok) == (False, True)
    assert "LabRole" in before.detail


def test_a_region_that_a_lab_does_not_allow_is_told(session_of):
    """The two that it allows are named."""
    keys = session_of("voclabs-abroad", EVERYTHING).get_credentials()
    session = boto3.Session(keys.access_key, keys.secret_key, region_name="sa-east-1")
    found = findings(check_account(session, variables={"region": "sa-east-1"}))["region of the lab"]
    assert (found.ok, found.detail) == (False, "sa-east-1")
    assert "us-east-1 and us-west-2" in found.hint


def test_a_lab_that_is_full_is_told(session_of):
    """Nine instances at a time: one more would be refused, and twenty close the account."""
    session = session_of("voclabs-busy", EVERYTHING)
    ec2 = session.client("ec2")
    ec2.run_instances(ImageId="ami-12345678", InstanceType="t3.nano", MinCount=8, MaxCount=8)
    before = findings(check_account(session))["EC2 instances"]
    ec2.run_instances(ImageId="ami-12345678", InstanceType="t3.nano", MinCount=1, MaxCount=1)
    after = findings(check_account(session))["EC2 instances"]
    assert (before.ok, before.detail) == (True, "8 running of 9 that a lab allows")
    assert (after.ok, after.detail) == (False, "9 running of 9 that a lab allows")


def test_credentials_that_aws_no_longer_knows_are_told(session_of):
    """They are there, and the first question shows that their time is over."""
    session_of("owner-late", EVERYTHING)
    session = boto3.Session("AKIA" + "X" * 16, "none", region_name="us-east-1")
    found = findings(check_account(session))["identity"]
    assert not found.ok
    assert "get new credentials" in found.hint


def test_an_ended_lab_session_is_told_though_sts_answers(session_of):
    """The identity is known, every live service refuses, and the hint names the lab."""
    report = check_account(session_of("student", EVERYTHING, denied("s3:*", "glue:*")))
    found = findings(report)
    assert found["identity"].ok
    assert not found["S3 answers"].ok
    assert "start the lab" in found["S3 answers"].hint


def test_missing_credentials_are_the_first_finding(monkeypatch, tmp_path):
    """Nothing else is asked, for nothing could answer."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    report = check_account(boto3.Session(region_name="us-east-1"))
    assert [finding.subject for finding in report.failed] == ["credentials"]


def test_a_temporary_key_without_its_token_is_told(monkeypatch):
    """The block of a lab has three lines; whoever copies two gets a sentence."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIA" + "A" * 16)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    report = check_account(boto3.Session(region_name="us-east-1"))
    assert "AWS_SESSION_TOKEN" in report.failed[0].detail


def test_a_missing_region_is_told(monkeypatch, tmp_path):
    """The block of a lab names no region."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    report = check_account(boto3.Session("key", "secret"))
    assert [finding.subject for finding in report.failed] == ["region"]
    assert "AWS_DEFAULT_REGION" in report.failed[0].hint


def test_a_region_that_is_not_terraforms_is_told():
    """Names, network and lab would be looked at where nothing is going to be."""
    session = boto3.Session("key", "secret", region_name="sa-east-1")
    found = check_account(session, variables={"manage_iam": "true"}).failed
    abroad = check_account(session, variables={"region": "us-west-2"}).failed
    assert [finding.subject for finding in found] == ["region"]
    assert found[0].detail == "sa-east-1 here, and Terraform makes the pipeline in us-east-1"
    assert "us-west-2" in abroad[0].detail
    assert "export AWS_REGION=us-west-2" in abroad[0].hint


def test_the_names_are_those_that_terraform_will_give(session_of):
    """The hint says to set `environment`, so that must make the finding good."""
    session = session_of("owner-elsewhere", EVERYTHING)
    session.client("glue").create_database(DatabaseInput={"Name": "tech_challenge2_dev"})
    taken = findings(check_account(session))["other names"]
    prod = findings(check_account(session, variables={"environment": "prod"}))
    named = findings(check_account(session, variables={"existing_raw_data_bucket": "mine-ACCOUNT"}))
    session.client("glue").delete_database(Name="tech_challenge2_dev")
    assert (taken.ok, prod["other names"].ok) == (False, True)
    assert "tech-challenge2-prod-raw-000000000000 is free" in prod["bucket names"].detail
    assert "mine-000000000000 is free" in named["bucket names"].detail


def test_the_accounts_own_database_must_be_there_and_hold_no_table_of_these_names(session_of):
    """Terraform makes two tables in `default` and would stop at either trouble."""
    session, shared = session_of("owner-shared", EVERYTHING), {"glue_database": "default"}
    glue = session.client("glue")
    missing = findings(check_account(session, variables=shared))
    glue.create_database(DatabaseInput={"Name": "default"})
    there = findings(check_account(session, variables=shared))
    glue.create_table(DatabaseName="default", TableInput={"Name": "b3_daily_quotes"})
    taken = findings(check_account(session, variables=shared))
    glue.delete_database(Name="default")
    assert (missing["database"].ok, there["database"].ok) == (False, True)
    assert "aws glue create-database --database-input Name=default" in missing["database"].hint
    assert (missing["other names"].ok, there["other names"].ok) == (True, True)
    assert taken["other names"].detail == "table default.b3_daily_quotes exist already"


def test_the_target_aws_works_where_the_environment_names_a_local_aws(
    strict_server, session_of, monkeypatch
):
    """Whoever applies `infra/` to a local AWS ingests there by `b3 --target aws`, as docs say."""
    keys = session_of("owner-local", EVERYTHING).get_credentials()
    for variable, value in zip(
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), keys.get_frozen_credentials(), strict=False
    ):
        monkeypatch.setenv(variable, value)
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="applied")
    config = Config("aws", "us-east-1", "applied", "results", "db", "job", "function", "wg")
    storage.put_object(Cloud(config), "raw/b3/x", b"there")
    assert list(storage.list_keys(Cloud(config), "raw/")) == ["raw/b3/x"]
    s3.delete_object(Bucket="applied", Key="raw/b3/x")
    s3.delete_bucket(Bucket="applied")


LAB_VARIABLES = {
    "use_existing_iam_roles": "true",
    "existing_raw_data_bucket": "raw-ACCOUNT",
    "existing_athena_results_bucket": "results-ACCOUNT",
}


def test_a_lab_that_denies_terraforms_buckets_gets_the_mode_that_fits(session_of):
    """The very action is probed; without the Academy mode the apply would stop half-way."""
    lock = "s3:GetBucketObjectLockConfiguration"
    session = session_of("voclabs-locked", EVERYTHING, denied(lock))
    without = findings(check_account(session))["mode"]
    half = {"use_existing_iam_roles": "true"}
    unmade = findings(check_account(session, variables=half))["mode"]
    fitting = findings(check_account(session, variables=LAB_VARIABLES))["mode"]
    assert (without.ok, unmade.ok, fitting.ok) == (False, False, True)
    assert lock in unmade.detail
    assert "academy.tfvars.example" in unmade.hint
    assert "b3 buckets" in unmade.hint
    assert lock in fitting.detail


def test_before_there_is_a_bucket_nobody_can_tell(session_of):
    """S3 may say "no such bucket" to whoever may not ask, too: a lab gets the mode that works."""
    lab, own = session_of("voclabs-new", EVERYTHING), session_of("owner-new", EVERYTHING)
    half = {"use_existing_iam_roles": "true"}
    unknown = findings(check_account(lab, variables=half))["mode"]
    fitting = findings(check_account(lab, variables=LAB_VARIABLES))["mode"]
    owners = findings(check_account(own))["mode"]
    assert (unknown.ok, fitting.ok, owners.ok) == (False, True, True)
    assert "cannot be asked before there is a bucket" in unknown.detail
    assert "academy.tfvars.example" in unknown.hint
    assert "cannot be asked before there is a bucket" in owners.detail


def test_an_account_that_allows_it_fits_the_mode_of_ones_own(session_of):
    """Asked of a bucket of the account, for a name that is free answers otherwise."""
    session = session_of("owner-unlocked", EVERYTHING)
    session.client("s3").create_bucket(Bucket="somebodys")
    found = findings(check_account(session))["mode"]
    assert found.ok
    assert "is allowed" in found.detail
