"""`b3 buckets`: what it makes, finds and refuses, on a local AWS that checks rights."""

import io
import json
import os
import subprocess
import sys
import zipfile

import boto3
import pytest

from b3pipeline import names
from b3pipeline.cloud import buckets
from b3pipeline.cloud.terraform import terraform_made, terraform_variables
from b3pipeline.errors import ConfigError, StorageError
from localaws import process

ACCOUNT = "000000000000"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
LAB = """\
region                         = "us-east-1" # the lab allows two
use_existing_iam_roles         = true
existing_raw_data_bucket       = "tech-challenge2-dev-raw-ACCOUNT"
existing_athena_results_bucket = "tech-challenge2-dev-athena-results-ACCOUNT"
"""
RAW, RESULTS = f"tech-challenge2-dev-raw-{ACCOUNT}", f"tech-challenge2-dev-athena-results-{ACCOUNT}"


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory):
    """One local AWS that checks rights, shared by the tests of this module."""
    folder = tmp_path_factory.mktemp("strict") / "state"
    yield process.start(folder, 0, owner=os.getpid())
    process.stop(folder)


@pytest.fixture
def server(strict_server, monkeypatch):
    """That server without a bucket, before and after; no call leaves this machine."""
    for variable, value in root_of(strict_server).items():
        monkeypatch.setenv(variable, value)
    yield strict_server
    s3 = session().client("s3")
    for bucket in [item["Name"] for item in s3.list_buckets()["Buckets"]]:
        for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=item["Key"])
        s3.delete_bucket(Bucket=bucket)


def session(*keys):
    """Return a session, of the account's root unless keys are given."""
    return boto3.Session(*keys, region_name="us-east-1")


def root_of(server):
    """Return the variables under which tools are the root of a local AWS."""
    return {
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.keys.secret_access_key,
    }


def student(name, *denied):
    """Return a session of a new user who may do everything but these actions."""
    iam = session().client("iam")
    iam.create_user(UserName=name)
    statements = [EVERYTHING, {"Effect": "Deny", "Action": list(denied), "Resource": "*"}]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return session(key["AccessKeyId"], key["SecretAccessKey"])


@pytest.fixture
def folder(tmp_path):
    """Terraform's folder with the example of Academy as its variables."""
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "terraform.tfvars").write_text(LAB)
    return tmp_path / "infra"


def test_both_buckets_are_made_closed_encrypted_and_marked(server, folder):
    """A second call finds what the first one made, and says the same."""
    first = buckets.prepare_all(session(), folder)
    again = buckets.prepare_all(session(), folder)

    s3 = session().client("s3")
    locks = s3.get_public_access_block(Bucket=RAW)["PublicAccessBlockConfiguration"]
    [rule] = s3.get_bucket_encryption(Bucket=RAW)["ServerSideEncryptionConfiguration"]["Rules"]
    assert [item.name for item in first] == [RAW, RESULTS]
    assert again == first
    assert set(locks.values()) == {True}
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert str(first[0]).splitlines() == [
        f"{RAW} is the pipeline's",
        "  closed to the public: yes",
        "  encrypted: yes, with S3's own keys",
        "  TLS only: no, for this endpoint speaks plain HTTP: everybody would be shut out",
        "  leftovers expire after 7 days: yes",
    ]


def test_what_the_lab_denies_is_said_and_the_buckets_stand(server, folder):
    """Encryption and the locks cannot be set: AWS does both by itself, which the answer says."""
    lab = student(
        "locked",
        "s3:PutEncryptionConfiguration",
        "s3:PutBucketPublicAccessBlock",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketObjectLockConfiguration",
    )
    said = str(buckets.prepare_all(lab, folder)[0])
    assert "closed to the public: denied here (AccessDenied): AWS closes every bucket" in said
    assert "encrypted: denied here (AccessDenied): S3 encrypts every new object" in said
    assert "TLS only: no, for this endpoint speaks plain HTTP" in said
    assert "leftovers expire after 7 days: yes" in said


def test_a_bucket_that_was_there_is_looked_at_and_not_changed(server):
    """Its policy and its rules are its owner's; removing takes the mark out, and nothing else."""
    s3 = session().client("s3")
    s3.create_bucket(Bucket="mine")
    buckets.close_to_public(s3, "mine")
    s3.put_object(Bucket="mine", Key="mine.txt", Body=b"kept")

    seen = buckets.prepare(s3, "mine", account_id=ACCOUNT)
    said = buckets.remove(s3, "mine")

    assert (seen.ours, seen.settings) == (False, (("closed to the public", "yes, as it was"),))
    assert said == "mine: stays with what is in it, for it was there before the pipeline."
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="mine")["Contents"]] == ["mine.txt"]


def test_a_mark_that_says_nothing_makes_no_bucket_ours(server):
    """Nothing of it is removed then, but the mark."""
    s3 = session().client("s3")
    s3.create_bucket(Bucket="marked")
    s3.put_object(Bucket="marked", Key=names.BUCKET_MARK, Body=b"[" * 200_000)
    assert buckets.is_prepared(s3, "marked") is False
    assert "stays with what is in it" in buckets.remove(s3, "marked")


def test_a_bucket_that_stands_open_is_refused(server):
    """Quotes are public, and a bucket of yours is not to be: the sentence says what to set."""
    s3 = session().client("s3")
    s3.create_bucket(Bucket="open")
    s3.delete_public_access_block(Bucket="open")
    with pytest.raises(StorageError, match="open may be opened to the public"):
        buckets.prepare(s3, "open", account_id=ACCOUNT)


def test_a_bucket_that_notifies_others_is_refused_and_loses_its_mark(server):
    """Terraform would replace the list, so it must not find the mark that lets it plan."""
    s3, sqs = session().client("s3"), session().client("sqs")
    s3.create_bucket(Bucket="busy")
    buckets.close_to_public(s3, "busy")
    buckets.prepare(s3, "busy", account_id=ACCOUNT)
    url = sqs.create_queue(QueueName="others")["QueueUrl"]
    wiring = {
        "Id": "somebodys",
        "QueueArn": sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])[
            "Attributes"
        ]["QueueArn"],
        "Events": ["s3:ObjectRemoved:*"],
    }
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
             "Action": "sqs:SendMessage", "Resource": wiring["QueueArn"]}  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    s3.put_bucket_notification_configuration(
        Bucket="busy", NotificationConfiguration={"QueueConfigurations": [wiring]}
    )

    with pytest.raises(StorageError, match=r"busy notifies others already \(somebodys\)"):
        buckets.prepare(s3, "busy", account_id=ACCOUNT)
    assert "Contents" not in s3.list_objects_v2(Bucket="busy")


def test_another_deployment_of_the_pipeline_is_somebody_else(server):
    """Two cannot share a bucket: its one notification goes by the same id to another Lambda."""
    s3, code = session().client("s3"), io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context): ...")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
             "Action": "sts:AssumeRole"}  # fmt: skip
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = session().client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=document)
    made = session().client("lambda").create_function(
        FunctionName="tech_challenge2_dev_start_glue", Runtime="python3.13",
        Role=role["Role"]["Arn"], Handler="handler.handler",
        Code={"ZipFile": code.getvalue()},
    )  # fmt: skip
    session().client("lambda").add_permission(
        FunctionName=made["FunctionName"], StatementId="s3", Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::shared", SourceAccount=ACCOUNT,
    )  # fmt: skip
    s3.create_bucket(Bucket="shared")
    buckets.close_to_public(s3, "shared")
    wiring = {"Id": "batch-manifest", "LambdaFunctionArn": made["FunctionArn"],
              "Events": ["s3:ObjectCreated:*"]}  # fmt: skip
    s3.put_bucket_notification_configuration(
        Bucket="shared", NotificationConfiguration={"LambdaFunctionConfigurations": [wiring]}
    )

    again = buckets.prepare(s3, "shared", account_id=ACCOUNT)

    assert not again.ours
    with pytest.raises(StorageError, match=r"shared notifies others already \(batch-manifest\)"):
        buckets.prepare(
            s3, "shared", account_id=ACCOUNT, function="tech_challenge2_prod_start_glue"
        )


def test_a_bucket_in_another_region_is_refused(server):
    """S3 calls a Lambda of its own region alone; both regions are named."""
    west = boto3.Session(region_name="us-west-2").client("s3")
    west.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    with pytest.raises(StorageError, match="far lies in us-west-2, and the pipeline in us-east-1"):
        buckets.prepare(session().client("s3"), "far", account_id=ACCOUNT)


def test_a_bucket_of_somebody_else_is_refused(server):
    """Its owner is asked for with the account's own number; nothing is put into it."""
    s3 = session().client("s3")
    s3.create_bucket(Bucket="theirs")
    with pytest.raises(StorageError, match="theirs is another account's"):
        buckets.prepare(s3, "theirs", account_id="111122223333")
    assert "Contents" not in s3.list_objects_v2(Bucket="theirs")


def test_a_lab_that_denies_making_buckets_says_what_to_name(server, folder):
    """A sentence with the bucket's name; nothing is made."""
    with pytest.raises(StorageError, match=f"lets you make no bucket: {RAW} is missing"):
        buckets.prepare_all(student("no-buckets", "s3:CreateBucket"), folder)


def test_removing_takes_the_buckets_with_all_their_objects(server, folder):
    """Twice is once."""
    buckets.prepare_all(session(), folder)
    s3 = session().client("s3")
    s3.put_object(Bucket=RAW, Key="raw/b3/x", Body=b"")

    first = buckets.remove_all(session(), folder)
    again = buckets.remove_all(session(), folder)

    assert first == [f"{RAW}: removed, with 2 objects.", f"{RESULTS}: removed, with 1 object."]
    assert again == [f"{RAW}: is not there.", f"{RESULTS}: is not there."]


def test_a_bucket_that_the_pipeline_uses_is_not_removed(server, folder):
    """While it still fires the Lambda, Terraform's state would no longer match the account."""
    buckets.prepare_all(session(), folder)
    sns = session().client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    session().client("s3").put_bucket_notification_configuration(
        Bucket=RAW,
        NotificationConfiguration={
            "TopicConfigurations": [
                {"Id": "batch-manifest", "TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}
            ]
        },
    )
    with pytest.raises(StorageError, match="still fires the Lambda"):
        buckets.remove_all(session(), folder)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('existing_raw_data_bucket = "S3://Mine"', "existing_raw_data_bucket is 'S3://Mine'"),
        ('existing_raw_data_bucket = ""', "sets no existing_raw_data_bucket"),
        (
            'existing_raw_data_bucket = "tech-challenge2-dev-athena-results-ACCOUNT"',
            "both buckets are 'tech-challenge2-dev-athena-results-000000000000'",
        ),
    ],
)
def test_names_that_make_no_sense_are_refused(tmp_path, line, reason):
    """Before AWS is asked for anything."""
    (tmp_path / "terraform.tfvars").write_text(f"{LAB}{line}\n")
    variables = terraform_variables(tmp_path, {})
    with pytest.raises(ConfigError, match=reason.replace(".", r"\.")):
        buckets.named_buckets(variables, ACCOUNT)


def test_an_account_of_ones_own_needs_no_such_command(tmp_path):
    """Without variables Terraform makes its buckets; the command says so and makes none."""
    with pytest.raises(ConfigError, match="Terraform makes its own") as raised:
        buckets.named_buckets(terraform_variables(tmp_path, {}), ACCOUNT)
    assert "academy.tfvars.example" in raised.value.hint


def test_variables_come_from_the_file_and_from_the_shell(tmp_path):
    """The file wins, as for Terraform; comments and lists are passed over."""
    (tmp_path / "terraform.tfvars").write_text(
        'region = "us-west-2" # here\n# environment = "no"\nmanage_iam=false\n'
        'daily_tickers = ["PETR4"]\n'
    )
    shell = {"TF_VAR_region": "us-east-1", "TF_VAR_environment": "prod", "HOME": "/"}
    assert terraform_variables(tmp_path, shell) == {
        "region": "us-west-2",
        "environment": "prod",
        "manage_iam": "false",
    }


def test_what_terraform_has_made_is_read_from_its_state(tmp_path):
    """By name; data sources and outputs are nothing that was made, and no state is no name."""
    assert terraform_made(tmp_path) == frozenset()
    resources = [
        {"mode": "managed", "instances": [{"attributes": {"name": "wg", "id": "1"}}]},
        {"mode": "managed", "instances": [{"attributes": {"function_name": "start"}}]},
        {"mode": "managed", "instances": [{"attributes": {"name": None}}]},
        {"mode": "data", "instances": [{"attributes": {"name": "default"}}]},
    ]
    (tmp_path / "terraform.tfstate").write_text(json.dumps({"resources": resources}))
    assert terraform_made(tmp_path) == {"wg", "start"}
    (tmp_path / "terraform.tfstate").write_text("cut o")
    assert terraform_made(tmp_path) == frozenset()


def test_the_command_prints_what_it_made(server, folder, tmp_path, clean_environment):
    """`b3 buckets` and `b3 buckets --remove`, as a student types them."""
    keys = root_of(server)

    def b3(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "b3pipeline.cli", "buckets", *arguments],
            env=clean_environment(tmp_path) | keys | {"B3_HOME": str(tmp_path)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    made, removed = b3(), b3("--remove", "--yes")
    assert (made.returncode, made.stderr) == (0, "")
    assert f"{RAW} is the pipeline's" in made.stdout
    assert f"{RESULTS}: removed" in removed.stdout
