"""What `infra/` makes for the pipeline, made by boto3: the sandbox provisions the local AWS so.

Every function is idempotent: it makes what is missing and brings what exists up to date.
"""

from __future__ import annotations

import ast
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

import b3pipeline
from b3pipeline import names, schema
from b3pipeline.cloud.buckets import close_to_public, location
from b3pipeline.cloud.clients import Cloud
from b3pipeline.language import later, say
from b3pipeline.refusals import explain

LAMBDA_SOURCE = Path("src/lambda/start_glue_job/handler.py")
JOB_SOURCE = Path("glue/refine_job.py")
TEMPORARY_PREFIX = "temporary/"
JOB_SCRIPT_KEY = f"{names.ARTIFACT_PREFIX}refine_job.py"
JOB_PACKAGE = "refine_job.zip"
JOB_PACKAGE_KEY = f"{names.ARTIFACT_PREFIX}{JOB_PACKAGE}"

GLUE_VERSION = "5.1"
JOB_TIMEOUT_MINUTES = 30
LAMBDA_RUNTIME = "python3.13"
LAMBDA_TIMEOUT_SECONDS = 60
BYTES_SCANNED_CUTOFF = 1024**3
"""A query of the workgroup stops at 1 GiB: the tutorial's largest reads a few megabytes."""


def provision(cloud: Cloud, root: Path, *, step: Callable[[str], None] | None = None) -> None:
    """Make every resource of the pipeline in `cloud`; `root` is the checkout with the sources.

    `step` is called with the name of each group of resources before it is made.
    """
    for title, make in _steps(cloud, root):
        if step is not None:
            step(say(title))
        make()


def _steps(cloud: Cloud, root: Path) -> Iterable[tuple[str, Callable[[], None]]]:
    yield later("buckets"), lambda: ensure_buckets(cloud)
    yield later("IAM roles"), lambda: ensure_roles(cloud)
    yield later("Data Catalog"), lambda: ensure_catalog(cloud)
    yield later("Glue job"), lambda: ensure_job(cloud, root / JOB_SOURCE)
    yield later("Lambda"), lambda: ensure_lambda(cloud, root / LAMBDA_SOURCE)
    yield later("S3 notification"), lambda: ensure_notification(cloud)
    yield later("Athena workgroup"), lambda: ensure_workgroup(cloud)


def ensure_buckets(cloud: Cloud) -> None:
    """Make both buckets, closed to the public."""
    for bucket in (cloud.config.raw_data_bucket, cloud.config.athena_results_bucket):
        try:
            cloud.s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            if explain(error).kind != "gone":
                raise
            cloud.s3.create_bucket(Bucket=bucket, **location(cloud.config.region))
        close_to_public(cloud.s3, bucket)


def ensure_roles(cloud: Cloud) -> None:
    """Make the roles that the Lambda and the Glue job run under, with the rights they need."""
    starts, refines = lambda_rights(cloud), job_rights(cloud)
    iam = cloud.client("iam")
    _ensure_role(iam, _lambda_role(cloud), "lambda.amazonaws.com", "start-glue", starts)
    _ensure_role(iam, _glue_role(cloud), "glue.amazonaws.com", "refine", refines)


def job_rights(cloud: Cloud) -> list[dict[str, Any]]:
    """Return what the refine job may do: read bronze, write silver, as in `infra/iam.tf`."""
    config = cloud.config
    bucket = f"arn:aws:s3:::{config.raw_data_bucket}"
    glue = f"arn:aws:glue:{config.region}:{cloud.account_id}"
    database = f"{glue}:database/{config.glue_database}"
    bronze, silver = (
        f"{glue}:table/{config.glue_database}/{table}"
        for table in (names.BRONZE_TABLE, names.SILVER_TABLE)
    )
    logs = f"arn:aws:logs:{config.region}:{cloud.account_id}:log-group:/aws-glue/jobs/*"
    writes = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    keeps_log = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    registers = ["glue:BatchCreatePartition", "glue:BatchDeletePartition"]

    def below(*prefixes: str) -> list[str]:
        return [f"{bucket}/{prefix}*" for prefix in prefixes]

    return [
        _allow("ReadScriptAndBronze", ["s3:GetObject"],
               below(names.ARTIFACT_PREFIX, names.BRONZE_PREFIX)),
        _allow("WriteSilver", writes, below(names.SILVER_PREFIX, TEMPORARY_PREFIX)),
        _allow("ListData", ["s3:ListBucket"], [bucket]),
        _allow("ReadPartitions", ["glue:GetPartitions"],
               [f"{glue}:catalog", database, bronze, silver]),
        _allow("RegisterSilver", registers, [f"{glue}:catalog", database, silver]),
        _allow("MakeSilver", ["glue:GetTable", "glue:CreateTable"],
               [f"{glue}:catalog", database, silver]),
        _allow("WriteLog", keeps_log, [logs]),
    ]  # fmt: skip


def lambda_rights(cloud: Cloud) -> list[dict[str, Any]]:
    """Return what the Lambda may do: start the one job, as in `infra/iam.tf`."""
    config = cloud.config
    where = f"{config.region}:{cloud.account_id}"
    job = f"arn:aws:glue:{where}:job/{config.glue_job_name}"
    log = f"arn:aws:logs:{where}:log-group:/aws/lambda/{config.lambda_function_name}:*"
    return [
        _allow("StartRefine", ["glue:StartJobRun"], [job]),
        _allow("WriteLog", ["logs:CreateLogStream", "logs:PutLogEvents"], [log]),
    ]


def _allow(sid: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def _ensure_role(
    iam: Any, role: str, service: str, policy: str, rights: list[dict[str, Any]]
) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    _create_or(
        lambda: iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust),
        exists="EntityAlreadyExists",
    )
    document = json.dumps({"Version": "2012-10-17", "Statement": rights})
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=document)


def ensure_catalog(cloud: Cloud) -> None:
    """Make the database and both tables; an existing table keeps its partitions."""
    database = cloud.config.glue_database
    _create_or(
        lambda: cloud.glue.create_database(DatabaseInput={"Name": database}),
        exists="AlreadyExistsException",
    )
    for table in table_inputs(cloud.config.raw_data_bucket):
        _ensure_table(cloud, table)


def _ensure_table(cloud: Cloud, table: dict[str, Any]) -> None:
    where = {"DatabaseName": cloud.config.glue_database, "TableInput": table}
    _create_or(
        lambda: cloud.glue.create_table(**where),
        exists="AlreadyExistsException",
        otherwise=lambda: cloud.glue.update_table(**where),
    )


def table_inputs(bucket: str) -> list[dict[str, Any]]:
    """Return the catalog's definition of the bronze and the silver table, in this order."""
    return [
        schema.table_input(
            names.BRONZE_TABLE, schema.BRONZE, f"s3://{bucket}/{names.BRONZE_PREFIX}"
        ),
        schema.table_input(
            names.SILVER_TABLE, schema.SILVER, f"s3://{bucket}/{names.SILVER_PREFIX}"
        ),
    ]


def ensure_job(cloud: Cloud, script: Path) -> None:
    """Put the job's script and its modules into the bucket, and define the job that runs them."""
    bucket = cloud.config.raw_data_bucket
    cloud.s3.put_object(Bucket=bucket, Key=JOB_PACKAGE_KEY, Body=job_package(script))
    cloud.s3.put_object(Bucket=bucket, Key=JOB_SCRIPT_KEY, Body=script.read_bytes())
    name, definition = cloud.config.glue_job_name, job_definition(cloud)
    _create_or(
        lambda: cloud.glue.create_job(Name=name, **definition),
        exists="AlreadyExistsException",
        otherwise=lambda: cloud.glue.update_job(JobName=name, JobUpdate=definition),
    )


def job_definition(cloud: Cloud) -> dict[str, Any]:
    """Return the Glue job: two G.1X workers, one run at a time, the others wait their turn."""
    config = cloud.config
    bucket = config.raw_data_bucket
    return {
        "Role": _role_arn(cloud, _glue_role(cloud)),
        "Command": {
            "Name": "glueetl",
            "ScriptLocation": f"s3://{bucket}/{JOB_SCRIPT_KEY}",
            "PythonVersion": "3",
        },
        "DefaultArguments": {
            "--job-language": "python",
            "--extra-py-files": f"s3://{bucket}/{JOB_PACKAGE_KEY}",
            "--TempDir": f"s3://{bucket}/{TEMPORARY_PREFIX}",
            "--raw_bucket": bucket,
            "--database": config.glue_database,
            "--bronze_table": names.BRONZE_TABLE,
            "--silver_table": names.SILVER_TABLE,
        },
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "JobRunQueuingEnabled": True,
        "MaxRetries": 0,
        "Timeout": JOB_TIMEOUT_MINUTES,
        "GlueVersion": GLUE_VERSION,
        "WorkerType": "G.1X",
        "NumberOfWorkers": 2,
    }


def ensure_lambda(cloud: Cloud, source: Path) -> None:
    """Make the Lambda `start_glue_job` and let the raw bucket call it."""
    name, code = cloud.config.lambda_function_name, lambda_zip(source)
    settings = {
        "Runtime": LAMBDA_RUNTIME,
        "Role": _role_arn(cloud, _lambda_role(cloud)),
        "Handler": "handler.handler",
        "Timeout": LAMBDA_TIMEOUT_SECONDS,
        "MemorySize": 128,
        "Environment": {"Variables": {"GLUE_JOB_NAME": cloud.config.glue_job_name}},
    }

    def update() -> None:
        cloud.lambda_.update_function_code(FunctionName=name, ZipFile=code)
        cloud.lambda_.update_function_configuration(FunctionName=name, **settings)

    _create_or(
        lambda: cloud.lambda_.create_function(
            FunctionName=name, Code={"ZipFile": code}, **settings
        ),
        exists="ResourceConflictException",
        otherwise=update,
    )
    _create_or(
        lambda: cloud.lambda_.add_permission(
            FunctionName=name,
            StatementId="AllowRawBucket",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn=f"arn:aws:s3:::{cloud.config.raw_data_bucket}",
            SourceAccount=cloud.account_id,
        ),
        exists="ResourceConflictException",
    )


def job_package(script: Path) -> bytes:
    """Return the modules of this package that the job's script imports, and theirs, as a zip.

    They travel beside the script, and bring nothing along that Glue lacks.
    """
    root = Path(b3pipeline.__file__).parents[1]
    wanted: set[Path] = set()
    waiting = [script]
    while waiting:
        for path in _own_imports(waiting.pop(), root):
            if path not in wanted:
                wanted.add(path)
                waiting.append(path)
    return _zip({path.relative_to(root).as_posix(): path for path in wanted})


def _own_imports(source: Path, root: Path) -> Iterator[Path]:
    """Yield the files of this package that a source imports, the packages around them included."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("b3pipeline"):
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                place = root.joinpath(*str(name).split("."))
                found = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
                if found.is_file():
                    yield found
                    yield from (
                        folder / "__init__.py"
                        for folder in found.parents
                        if folder.is_relative_to(root / "b3pipeline")
                    )


def lambda_zip(source: Path) -> bytes:
    """Return the deployment package of a one-file Lambda; the same source gives the same bytes."""
    return _zip({source.name: source})


def _zip(files: Mapping[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, source in sorted(files.items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, source.read_bytes())
    return buffer.getvalue()


def ensure_notification(cloud: Cloud) -> None:
    """Wire the raw bucket to the Lambda: a batch manifest, and nothing else, fires it."""
    function = cloud.lambda_.get_function(FunctionName=cloud.config.lambda_function_name)
    rules = [
        {"Name": "prefix", "Value": names.MANIFEST_PREFIX},
        {"Name": "suffix", "Value": names.MANIFEST_SUFFIX},
    ]
    cloud.s3.put_bucket_notification_configuration(
        Bucket=cloud.config.raw_data_bucket,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [
                {
                    "Id": "batch-manifest",
                    "LambdaFunctionArn": function["Configuration"]["FunctionArn"],
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": rules}},
                }
            ]
        },
    )


def ensure_workgroup(cloud: Cloud) -> None:
    """Make the Athena workgroup: one place for results, and a limit on what a query may scan."""
    name = cloud.config.athena_workgroup
    result = {"OutputLocation": f"s3://{cloud.config.athena_results_bucket}/results/"}
    settings: dict[str, Any] = {
        "EnforceWorkGroupConfiguration": True,
        "PublishCloudWatchMetricsEnabled": False,
        "BytesScannedCutoffPerQuery": BYTES_SCANNED_CUTOFF,
    }
    try:
        cloud.athena.get_work_group(WorkGroup=name)
    except ClientError:
        cloud.athena.create_work_group(
            Name=name, Configuration={**settings, "ResultConfiguration": result}
        )
    else:
        cloud.athena.update_work_group(
            WorkGroup=name,
            ConfigurationUpdates={**settings, "ResultConfigurationUpdates": result},
        )


def _create_or(
    create: Callable[[], Any], *, exists: str, otherwise: Callable[[], Any] | None = None
) -> None:
    """Call `create`; where AWS answers with the code `exists`, call `otherwise` instead."""
    try:
        create()
    except ClientError as error:
        if error.response["Error"]["Code"] != exists:
            raise
        if otherwise is not None:
            otherwise()


def _lambda_role(cloud: Cloud) -> str:
    return f"{cloud.config.lambda_function_name}_role"


def _glue_role(cloud: Cloud) -> str:
    return f"{cloud.config.glue_job_name}_role"


def _role_arn(cloud: Cloud, role: str) -> str:
    return f"arn:aws:iam::{cloud.account_id}:role/{role}"
