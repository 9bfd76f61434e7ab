"""A real `terraform apply` in an account where everything is allowed, used, and destroyed.

The tests share one deployment and run in their order; the last one destroys it. The local AWS
enforces IAM, but for the root identity, under which Terraform itself runs here.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from b3pipeline import athena, refine
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import Config
from b3pipeline.deployment import provision

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

HOST = "aws_instance.ingestion"
EMULATOR_GAPS = {
    (HOST, "metadata_options"): "ministack's EC2 does not keep them",
    (HOST, "root_block_device"): "nor the size and the encryption of the root volume",
    (HOST, "credit_specification"): "and a replaced instance has none before it is made",
}
"""What a second plan would change on the local AWS alone, and why."""

ONE_SIDED = {
    "Description": "Terraform describes its resources; the sandbox has notebook 01 for that",
    "EncryptionConfiguration": "results are encrypted at rest on AWS; this machine's disk is yours",
    "RequesterPaysEnabled": "false is what AWS assumes, and Terraform says so",
    "Tags": "tags are for the bill",
}
"""Fields that one side alone sets, and why that is right."""


NAMES = Config(
    target="aws",
    region="us-east-1",
    raw_data_bucket="tech-challenge2-dev-raw-000000000000",
    athena_results_bucket="tech-challenge2-dev-athena-results-000000000000",
    glue_database="tech_challenge2_dev",
    glue_job_name="tech_challenge2_dev_refine_job",
    lambda_function_name="tech_challenge2_dev_start_glue",
    athena_workgroup="tech_challenge2_dev_wg",
)
"""What the defaults make in an account, which is the same number in every local AWS."""


@pytest.fixture(scope="module")
def both(new_account, deployment):
    """Return a deployment, applied with the example of variables as it stands, and a sandbox.

    The sandbox is made while the apply waits for S3 to settle.
    """
    made = deployment(new_account(), "terraform.tfvars.example")
    alike = Cloud(new_account().reach(NAMES))
    with ThreadPoolExecutor(1) as thread:
        applied = thread.submit(made.apply)
        provision.provision(alike, ROOT)
        applied.result()
    return made, alike


@pytest.fixture(scope="module")
def own(both):
    """Return the deployment of Terraform."""
    return both[0]


@pytest.fixture(scope="module")
def cloud(own) -> Cloud:
    """Return the deployment as the notebooks see it."""
    return Cloud(own.account.reach(own.config()))


@pytest.fixture(scope="module")
def sandbox(both) -> Cloud:
    """Return what `b3 local up` provisions, in an account of its own."""
    return both[1]


def test_the_outputs_are_the_configuration_of_the_pipeline(own) -> None:
    """`terraform output -json` gives the notebooks every name that they need."""
    found = own.config()

    assert replace(found, ec2_instance_id=None) == NAMES
    assert str(found.ec2_instance_id).startswith("i-")


def test_a_second_plan_changes_nothing(own) -> None:
    """What was applied is what Terraform finds, but for the gaps that are listed here."""
    assert own.planned_changes() == EMULATOR_GAPS.keys()


# ---- the same pipeline as the sandbox's, field by field


def job(cloud: Cloud) -> Any:
    """The Glue job without the times of its making."""
    found = cloud.glue.get_job(JobName=cloud.config.glue_job_name)["Job"]
    return {
        name: value for name, value in found.items() if name not in ("CreatedOn", "LastModifiedOn")
    }


def tables(cloud: Cloud) -> Any:
    """Name, type, parameters, keys and storage of both tables."""
    fields = ("Name", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")
    found = cloud.glue.get_tables(DatabaseName=cloud.config.glue_database)["TableList"]
    return sorted(({name: table.get(name) for name in fields} for table in found), key=str)


def function(cloud: Cloud) -> Any:
    """What the Lambda is and runs."""
    fields = ("Runtime", "Role", "Handler", "Timeout", "MemorySize", "Environment", "CodeSha256")
    found = cloud.lambda_.get_function_configuration(FunctionName=cloud.config.lambda_function_name)
    return {name: found.get(name) for name in fields}


def permission(cloud: Cloud) -> Any:
    """Who may call the Lambda."""
    answer = cloud.lambda_.get_policy(FunctionName=cloud.config.lambda_function_name)
    return json.loads(answer["Policy"])["Statement"]


def wiring(cloud: Cloud) -> Any:
    """Which objects fire the Lambda."""
    answer = cloud.s3.get_bucket_notification_configuration(Bucket=cloud.config.raw_data_bucket)
    return answer["LambdaFunctionConfigurations"]


def workgroup(cloud: Cloud) -> Any:
    """The settings of the workgroup."""
    answer = cloud.athena.get_work_group(WorkGroup=cloud.config.athena_workgroup)
    return answer["WorkGroup"]["Configuration"]


def public_access(cloud: Cloud) -> Any:
    """How both buckets are closed."""
    buckets = (cloud.config.raw_data_bucket, cloud.config.athena_results_bucket)
    return [
        cloud.s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        for bucket in buckets
    ]


def script(cloud: Cloud) -> Any:
    """The bytes of the Glue script."""
    bucket = cloud.config.raw_data_bucket
    return cloud.s3.get_object(Bucket=bucket, Key="artifacts/refine_job.py")["Body"].read()


def trusts(cloud: Cloud) -> Any:
    """Who may assume the roles of the Lambda and of the job."""
    config, iam = cloud.config, cloud.client("iam")
    roles = (f"{name}_role" for name in (config.lambda_function_name, config.glue_job_name))
    return [iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"] for role in roles]


def rights(cloud: Cloud) -> Any:
    """What the roles may do; the queue of failed events is Terraform's alone."""
    config, iam = cloud.config, cloud.client("iam")
    policies = {config.lambda_function_name: "start-glue", config.glue_job_name: "refine"}
    documents = [
        iam.get_role_policy(RoleName=f"{name}_role", PolicyName=policy)["PolicyDocument"]
        for name, policy in policies.items()
    ]
    return [
        {name: sorted(value) if isinstance(value, list) else value for name, value in one.items()}
        for document in documents
        for one in document["Statement"]
        if one["Sid"] != "KeepFailedEvents"
    ]


PARTS = (
    job,
    tables,
    function,
    permission,
    wiring,
    workgroup,
    public_access,
    script,
    trusts,
    rights,
)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_the_sandbox_makes_what_terraform_makes(cloud: Cloud, sandbox: Cloud, part) -> None:
    """Each resource of the pipeline is the same in both, but for the fields listed above."""
    assert without_one_sided(part(cloud)) == without_one_sided(part(sandbox))


def without_one_sided(value: Any) -> Any:
    """Return a value without the fields that one side alone sets, or sets to nothing."""
    if isinstance(value, dict):
        inside = {name: without_one_sided(inner) for name, inner in value.items()}
        return {
            name: inner
            for name, inner in inside.items()
            if name not in ONE_SIDED and inner not in ("", {}, [])
        }
    if isinstance(value, list):
        return [without_one_sided(inner) for inner in value]
    return value


# ---- what each role may do

RAW = "arn:aws:s3:::tech-challenge2-dev-raw-{account}"
GLUE = "arn:aws:glue:us-east-1:{account}"
BRONZE_PARTITION = f"{RAW}/raw/b3/dt=2024-01-02/ticker=PETR4/data.parquet"
SILVER_PARTITION = f"{RAW}/refined/b3/dt=2024-01-02/ticker=PETR4/data.parquet"
BRONZE_TABLE = f"{GLUE}:table/tech_challenge2_dev/b3_daily_quotes"
SILVER_TABLE = f"{GLUE}:table/tech_challenge2_dev/b3_daily_quotes_refined"
RIGHTS = [
    ("ingestion", "s3:PutObject", BRONZE_PARTITION, True),
    ("ingestion", "s3:PutObject", f"{RAW}/raw/b3/_batches/b.json", True),
    ("ingestion", "s3:DeleteObject", BRONZE_PARTITION, True),
    ("ingestion", "s3:ListBucket", RAW, True),
    ("ingestion", "s3:GetObject", f"{RAW}/artifacts/host/requirements.txt", True),
    ("ingestion", "glue:BatchCreatePartition", BRONZE_TABLE, True),
    ("ingestion", "glue:GetPartitions", BRONZE_TABLE, True),
    ("ingestion", "glue:GetTable", BRONZE_TABLE, True),
    ("ingestion", "s3:PutObject", SILVER_PARTITION, False),
    ("ingestion", "s3:PutObject", f"{RAW}/artifacts/refine_job.py", False),
    ("ingestion", "glue:BatchCreatePartition", SILVER_TABLE, False),
    ("ingestion", "glue:DeleteTable", BRONZE_TABLE, False),
    ("ingestion", "glue:StartJobRun", f"{GLUE}:job/tech_challenge2_dev_refine_job", False),
    ("refine_job", "s3:GetObject", BRONZE_PARTITION, True),
    ("refine_job", "s3:GetObject", f"{RAW}/artifacts/refine_job.py", True),
    ("refine_job", "s3:PutObject", SILVER_PARTITION, True),
    ("refine_job", "s3:DeleteObject", SILVER_PARTITION, True),
    ("refine_job", "glue:GetPartitions", BRONZE_TABLE, True),
    ("refine_job", "glue:GetTable", SILVER_TABLE, True),
    ("refine_job", "glue:BatchCreatePartition", SILVER_TABLE, True),
    ("refine_job", "glue:BatchDeletePartition", SILVER_TABLE, True),
    ("refine_job", "s3:PutObject", BRONZE_PARTITION, False),
    ("refine_job", "s3:DeleteObject", BRONZE_PARTITION, False),
    ("refine_job", "glue:BatchDeletePartition", BRONZE_TABLE, False),
    ("start_glue", "glue:StartJobRun", f"{GLUE}:job/tech_challenge2_dev_refine_job", True),
    ("start_glue", "glue:StartJobRun", f"{GLUE}:job/another", False),
    ("start_glue", "s3:GetObject", BRONZE_PARTITION, False),
]


def test_each_role_may_do_its_own_work_and_not_that_of_another(own) -> None:
    """IAM's own simulator, asked for what the code calls and for what it must never call."""
    iam, account = own.account.client("iam"), own.account.account_id

    def allowed(role: str, action: str, resource: str) -> bool:
        answer = iam.simulate_principal_policy(
            PolicySourceArn=f"arn:aws:iam::{account}:role/tech_challenge2_dev_{role}_role",
            ActionNames=[action],
            ResourceArns=[resource.format(account=account)],
        )
        return bool(answer["EvaluationResults"][0]["EvalDecision"] == "allowed")

    wrong = [right for right in RIGHTS if allowed(*right[:3]) is not right[3]]

    assert wrong == []


# ---- the pipeline at work


@pytest.fixture(scope="module")
def manifest(own, cloud: Cloud, host) -> str:
    """Return the manifest of a batch that `run_ingestion.sh` put, as on the ingestion host."""
    span = {"START_DATE": "2024-01-02", "END_DATE": "2024-01-10"}
    started = host.start(own.config(), own.account, TICKERS="PETR4,VALE3", SOURCE="sample", **span)
    return host.finish(started)


def test_a_batch_goes_from_the_host_to_a_query(own, cloud: Cloud, manifest: str) -> None:
    """The manifest fires the Lambda, one run refines the batch, and Athena reads silver.

    Lambda and run work as their roles, which Terraform gave what they need and no more.
    """
    started = refine.wait_for_start(cloud, manifest, timeout=60)
    run = refine.wait_for_run(cloud, started.run_id, timeout=180)

    counted = athena.query(
        cloud,
        "SELECT ticker, count(*) AS sessions FROM b3_daily_quotes_refined "
        "GROUP BY ticker ORDER BY ticker",
    )

    assert run.state == "SUCCEEDED", run.error
    assert len(refine.list_runs(cloud)) == 1
    assert [one for one in own.account.decisions() if not one.allowed] == []
    assert counted.frame.values.tolist() == [["PETR4", 7], ["VALE3", 7]]


def test_a_saved_query_runs_as_it_stands(cloud: Cloud) -> None:
    """Every named query of the workgroup has its parameters filled in, and Athena runs it."""
    ids = cloud.athena.list_named_queries(WorkGroup=cloud.config.athena_workgroup)["NamedQueryIds"]
    saved = [cloud.athena.get_named_query(NamedQueryId=each)["NamedQuery"] for each in ids]

    for each in saved:
        athena.query(cloud, each["QueryString"])

    files = {path.stem for path in (ROOT / "src" / "b3pipeline" / "athena" / "sql").glob("*.sql")}
    assert {each["Name"].removeprefix("tech_challenge2_dev_") for each in saved} == files


def test_a_bucket_refuses_plain_http(own, cloud: Cloud) -> None:
    """Whoever may read everything is still refused without TLS."""
    reader = own.account.identity(
        "reader", [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]
    )

    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        reader.client("s3").list_objects_v2(Bucket=cloud.config.raw_data_bucket)


def test_destroying_leaves_nothing(own, cloud: Cloud) -> None:
    """After `terraform destroy` the account holds nothing of the pipeline, its data included."""
    own.run("destroy", "-auto-approve")

    assert own.addresses() == []
    assert remains(own.account) == []


def remains(account) -> list[str]:
    """Return the names of all that an account holds, of the kinds that Terraform made."""
    client = account.client
    roles = client("iam").list_roles()["Roles"]
    reservations = client("ec2").describe_instances()["Reservations"]
    instances = [instance for each in reservations for instance in each["Instances"]]
    groups = client("ec2").describe_security_groups()["SecurityGroups"]
    logs = client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    return [
        *(each["Name"] for each in client("s3").list_buckets()["Buckets"]),
        *(each["Name"] for each in client("glue").get_jobs()["Jobs"]),
        *(each["Name"] for each in client("glue").get_databases()["DatabaseList"]),
        *(each["FunctionName"] for each in client("lambda").list_functions()["Functions"]),
        *client("sqs").list_queues().get("QueueUrls", []),
        *(each["logGroupName"] for each in logs),
        *(each["RoleName"] for each in roles if each["RoleName"].startswith("tech_challenge2")),
        *(
            each["Name"]
            for each in client("athena").list_work_groups()["WorkGroups"]
            if each["Name"] != "primary"
        ),
        *(each["GroupName"] for each in groups if each["GroupName"] != "default"),
        *(each["InstanceId"] for each in instances if each["State"]["Name"] != "terminated"),
    ]
