"""What an identity may do: asked of the policies for every service alike, runs and Lambdas too.

How an identity is made here is how it is made on AWS: a user or a role of IAM, and a policy.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

ACCOUNT = "0" * 12
HIVE = "org.apache.hadoop.hive.ql.io.parquet"
GLUE = f"arn:aws:glue:us-east-1:{ACCOUNT}"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
NOTHING = {"Effect": "Deny", "Action": "*", "Resource": "*"}


def allow(*actions, on="*"):
    """Return a statement."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


def deny(*actions, on="*"):
    """Return a statement."""
    return {**allow(*actions, on=on), "Effect": "Deny"}


@pytest.fixture
def identity(localaws_server, name):
    """A maker of identities: each a function that returns its clients."""
    return lambda *statements: localaws_server.identity(name("user"), *statements)


@pytest.fixture
def lake(aws_client, name):
    """A database with a table of one partition, an object in it, and a place for results."""
    s3, glue, made = aws_client("s3"), aws_client("glue"), name("lake").replace("-", "")
    s3.create_bucket(Bucket=made)
    storage = {
        "Columns": [{"Name": "x", "Type": "int"}],
        "Location": f"s3://{made}/t/",
        "InputFormat": f"{HIVE}.MapredParquetInputFormat",
        "OutputFormat": f"{HIVE}.MapredParquetOutputFormat",
        "SerdeInfo": {"SerializationLibrary": f"{HIVE}.serde.ParquetHiveSerDe"},
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": pa.array([7], pa.int32())}), sink)
    s3.put_object(Bucket=made, Key="t/dt=1/data.parquet", Body=sink.getvalue().to_pybytes())
    glue.create_database(DatabaseInput={"Name": made})
    keys = [{"Name": "dt", "Type": "string"}]
    table = {"Name": "t", "PartitionKeys": keys, "StorageDescriptor": storage}
    glue.create_table(DatabaseName=made, TableInput={**table, "TableType": "EXTERNAL_TABLE"})
    place = {**storage, "Location": f"s3://{made}/t/dt=1/"}
    glue.create_partition(
        DatabaseName=made,
        TableName="t",
        PartitionInput={"Values": ["1"], "StorageDescriptor": place},
    )
    return made


def refused(call, **request):
    """Return code and message with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


CALLS = [
    ("glue", "get_jobs", {}),
    ("glue", "get_databases", {}),
    ("glue", "get_table", {"DatabaseName": "d", "Name": "t"}),
    ("glue", "get_partitions", {"DatabaseName": "d", "TableName": "t"}),
    ("glue", "create_database", {"DatabaseInput": {"Name": "planted"}}),
    ("glue", "start_job_run", {"JobName": "j"}),
    ("glue", "get_connections", {}),
    ("glue", "get_tags", {"ResourceArn": f"{GLUE}:job/j"}),
    ("athena", "list_work_groups", {}),
    ("athena", "get_work_group", {"WorkGroup": "primary"}),
    ("athena", "start_query_execution", {"QueryString": "SELECT 1"}),
    ("athena", "get_query_results", {"QueryExecutionId": "0" * 36}),
    ("athena", "list_databases", {"CatalogName": "AwsDataCatalog"}),
    ("s3", "list_buckets", {}),
    ("lambda", "list_functions", {}),
    ("logs", "describe_log_groups", {}),
    ("iam", "list_users", {}),
]


@pytest.mark.parametrize(("service", "operation", "request_"), CALLS)
def test_who_is_denied_everything_may_do_nothing(identity, service, operation, request_):
    """An explicit deny wins over every right, at every service."""
    code, message = refused(getattr(identity(EVERYTHING, NOTHING)(service), operation), **request_)
    assert code.startswith("AccessDenied")
    assert "is not authorized to perform" in message


@pytest.mark.parametrize(("service", "operation", "request_"), CALLS)
def test_who_was_allowed_nothing_may_do_nothing(identity, service, operation, request_):
    """Nor is silence a yes."""
    quiet = identity(allow("sqs:ListQueues"))(service)
    assert refused(getattr(quiet, operation), **request_)[0].startswith("AccessDenied")


def test_a_denial_reads_as_that_of_aws(identity, jobs):
    """Who, what, and on which resource: the words that one searches for."""
    job, user = jobs.make("print(1)"), identity(allow("glue:GetJob"))
    arn = user("sts").get_caller_identity()["Arn"]
    assert refused(user("glue").start_job_run, JobName=job) == (
        "AccessDeniedException",
        f"User: {arn} is not authorized to perform: glue:StartJobRun on resource: {GLUE}:job/{job} "
        "because no identity-based policy allows the glue:StartJobRun action",
    )
    assert jobs.glue.get_job_runs(JobName=job)["JobRuns"] == []


def test_a_right_holds_for_its_resource_alone(identity, jobs, lake):
    """One job, one table: not the next."""
    mine, other = jobs.make("print(1)"), jobs.make("print(2)")
    table = [f"{GLUE}:catalog", f"{GLUE}:database/{lake}", f"{GLUE}:table/{lake}/t"]
    start = allow("glue:StartJobRun", on=f"{GLUE}:job/{mine}")
    glue = identity(start, allow("glue:GetTable", on=table))("glue")
    assert glue.start_job_run(JobName=mine)["JobRunId"]
    assert glue.get_table(DatabaseName=lake, Name="t")["Table"]["Name"] == "t"
    assert refused(glue.start_job_run, JobName=other)[0] == "AccessDeniedException"
    assert refused(glue.get_table, DatabaseName=lake, Name="t2")[0] == "AccessDeniedException"
    assert refused(glue.delete_table, DatabaseName=lake, Name="t")[0] == "AccessDeniedException"


def test_a_table_needs_its_database_and_its_catalog(identity, lake):
    """As AWS asks for all three, a policy that forgets two of them is found here."""
    user = identity(allow("glue:GetTable", on=f"{GLUE}:table/{lake}/t"))
    _, message = refused(user("glue").get_table, DatabaseName=lake, Name="t")
    assert f"on resource: {GLUE}:catalog" in message


# ---- queries: what their caller may


@pytest.fixture
def query(lake, until):
    """A function that runs a query as somebody; returns its state and the reason."""

    def run(user, text="SELECT x FROM t"):
        athena = user("athena")
        started = athena.start_query_execution(
            QueryString=text,
            QueryExecutionContext={"Database": lake},
            ResultConfiguration={"OutputLocation": f"s3://{lake}/results/"},
        )["QueryExecutionId"]

        def ended():
            found = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]
            status = found["Status"]
            return status if status["State"] not in ("QUEUED", "RUNNING") else None

        status = until(ended, 60)
        return status["State"], status.get("StateChangeReason", "")

    return run


def test_a_query_reads_and_writes_with_the_rights_of_its_caller(identity, query, lake):
    """Athena's own rights are not enough: the catalog, the objects and the results count."""
    assert query(identity(EVERYTHING)) == ("SUCCEEDED", "")
    for missing, on in (
        ("glue:GetTable", "*"),
        ("glue:GetPartitions", "*"),
        ("s3:GetObject", f"arn:aws:s3:::{lake}/t/*"),
        ("s3:ListBucket", f"arn:aws:s3:::{lake}"),
        ("s3:PutObject", f"arn:aws:s3:::{lake}/results/*"),
    ):
        state, reason = query(identity(EVERYTHING, deny(missing, on=on)))
        assert (state, missing in reason) == ("FAILED", True), (missing, reason)


def test_a_statement_changes_nothing_that_its_caller_may_not(identity, query, lake, aws_client):
    """DDL goes through the catalog's operations: each is asked for."""
    user = identity(EVERYTHING, deny("glue:DeleteTable", "glue:BatchCreatePartition"))
    assert query(user, "DROP TABLE t")[0] == "FAILED"
    assert query(user, "ALTER TABLE t ADD PARTITION (dt='2')")[0] == "FAILED"
    found = aws_client("glue").get_partitions(DatabaseName=lake, TableName="t")["Partitions"]
    assert [one["Values"] for one in found] == [["1"]]


def test_the_results_of_a_query_are_objects(identity, query, lake):
    """Who may not read them does not get them from Athena either."""
    owner, curious = identity(EVERYTHING), identity(EVERYTHING, deny("s3:GetObject"))
    assert query(owner)[0] == "SUCCEEDED"
    athena = owner("athena")
    newest = athena.list_query_executions()["QueryExecutionIds"][0]
    assert athena.get_query_results(QueryExecutionId=newest)["ResultSet"]["Rows"]
    code, _ = refused(curious("athena").get_query_results, QueryExecutionId=newest)
    assert code == "AccessDeniedException"


# ---- runs and Lambdas: what their role may


def test_a_run_is_its_role(jobs):
    """It knows no other key than the temporary one of the role, and may what the role may."""
    script = """
        import boto3
        print(boto3.client("sts").get_caller_identity()["Arn"])
        boto3.client("s3").list_buckets()
    """
    role = jobs.role(allow("s3:GetObject", "logs:*"))
    run = jobs.finish(jobs.make(script, Role=role))
    name = role.rpartition("/")[2]
    who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/GlueJobRunnerSession"
    assert jobs.log("output", run["Id"])[0] == who  # its traceback follows
    assert run["JobRunState"] == "FAILED"
    assert "s3:ListAllMyBuckets" in run["ErrorMessage"]


def test_a_run_may_not_more_than_its_role_in_the_catalog(jobs, lake):
    """Glue's own operations are no exception."""
    script = f"""
        import boto3
        glue = boto3.client("glue")
        glue.get_table(DatabaseName="{lake}", Name="t")
        glue.delete_table(DatabaseName="{lake}", Name="t")
    """
    role = jobs.role(allow("s3:GetObject", "logs:*", "glue:GetTable"))
    run = jobs.finish(jobs.make(script, Role=role))
    assert run["JobRunState"] == "FAILED"
    assert "glue:DeleteTable" in run["ErrorMessage"]
    assert jobs.glue.get_table(DatabaseName=lake, Name="t")


def test_a_run_writes_its_log_with_the_rights_of_its_role(jobs):
    """A role that may not is told so at the start, by the name of the right."""
    role = jobs.role(allow("s3:GetObject"), allow("logs:CreateLogGroup", "logs:CreateLogStream"))
    run = jobs.finish(jobs.make("print('lost')", Role=role))
    assert run["JobRunState"] == "SUCCEEDED"
    assert jobs.log("output", run["Id"]) == []
    role = jobs.role(allow("s3:GetObject"), allow("logs:CreateLogGroup", "logs:PutLogEvents"))
    run = jobs.finish(jobs.make("print('never')", Role=role))
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith("LAUNCH ERROR | ")
    assert "is not authorized to perform: logs:CreateLogStream" in run["ErrorMessage"]


@pytest.mark.parametrize("how", ["no such role", "another service's", "no right to its script"])
def test_a_run_that_its_role_does_not_carry_fails_at_its_start(jobs, how):
    """As on AWS: the run is there, and says why it never worked."""
    role = {
        "no such role": lambda: "nobody",
        "another service's": lambda: jobs.role(EVERYTHING, Service="lambda.amazonaws.com"),
        "no right to its script": lambda: jobs.role(allow("s3:ListBucket")),
    }[how]()
    run = jobs.finish(jobs.make("print(1)", Role=role))
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith("LAUNCH ERROR | ")


def test_a_role_is_passed_by_those_who_may(identity, jobs, aws_client, name):
    """Else whoever may make a job would be whatever role there is."""
    role, glue = jobs.role(EVERYTHING), identity(allow("glue:*"), allow("lambda:*"))("glue")
    command = {"Name": "pythonshell", "ScriptLocation": "s3://b/k"}
    _, message = refused(glue.create_job, Name=name("job"), Role=role, Command=command)
    assert f"iam:PassRole on resource: {role}" in message
    job = jobs.make("print(1)")
    update = {"Role": role, "Command": command}
    assert "iam:PassRole" in refused(glue.update_job, JobName=job, JobUpdate=update)[1]
    passing = identity(allow("glue:*"), allow("iam:PassRole", on=role))("glue")
    assert passing.create_job(Name=name("job"), Role=role, Command=command)["Name"]


def test_a_role_is_judged_by_the_arn_that_it_has(identity, jobs, aws_client, name):
    """Not by a path that somebody writes before its name, or leaves out."""
    role, command = jobs.role(EVERYTHING), {"Name": "glueetl", "ScriptLocation": "s3://b/k"}
    students = f"arn:aws:iam::{ACCOUNT}:role/students/"
    user = identity(allow("glue:*", "lambda:*"), allow("iam:PassRole", on=f"{students}*"))
    other = role.replace(f"{ACCOUNT}:role/", f"{ACCOUNT}:role/students/")
    job = {"Name": name("job"), "Command": command}
    assert "There is no role" in refused(user("glue").create_job, Role=other, **job)[1]
    settings = {"Runtime": "python3.11", "Handler": "h.f", "Code": {"ZipFile": zipped("")}}
    make = user("lambda").create_function
    assert "be assumed" in refused(make, FunctionName=name("f"), Role=other, **settings)[1]

    trust = aws_client("iam").get_role(RoleName=role.rpartition("/")[2])["Role"]
    trust, kept = json.dumps(trust["AssumeRolePolicyDocument"]), name("kept")
    aws_client("iam").create_role(RoleName=kept, Path="/protected/", AssumeRolePolicyDocument=trust)
    protected = f"arn:aws:iam::{ACCOUNT}:role/protected/*"
    user = identity(EVERYTHING, deny("iam:PassRole", on=protected))
    assert f"role/protected/{kept}" in refused(user("glue").create_job, Role=kept, **job)[1]


def adding(client, **members):
    """Return a client whose requests hold more than their operation knows."""

    def add(params, **_):
        params["body"] = json.dumps({**json.loads(params["body"]), **members}).encode()

    client.meta.events.register("before-call", add)
    return client


MASKED = [
    ("glue", "get_table", {"Name": "t"}, {"TableName": "mine"}),
    ("glue", "delete_table", {"Name": "t"}, {"TablesToDelete": []}),
    ("glue", "get_tables", {}, {"Name": "mine"}),
    ("glue", "get_databases", {}, {"Name": "mine"}),
    ("glue", "create_database", {"DatabaseInput": {"Name": "other"}}, {"Name": "mine"}),
    ("glue", "start_job_run", {"JobName": "secret"}, {"JobNames": ["mine"]}),
    ("athena", "get_work_group", {"WorkGroup": "primary"}, {"CatalogName": "AwsDataCatalog"}),
    ("athena", "list_query_executions", {"WorkGroup": "primary"}, {"WorkGroupName": "mine"}),
    ("athena", "start_query_execution", {"QueryString": "SELECT 1"}, {"Name": "mine"}),
]


@pytest.mark.parametrize(("service", "call", "request_", "more"), MASKED, ids=lambda one: str(one))
def test_no_member_stands_for_another(identity, lake, service, call, request_, more):
    """A request is done to what its operation looks at, and asked of all that it names."""
    names = ("catalog", "database/mine", f"database/{lake}", f"table/{lake}/mine", "job/mine")
    athena = GLUE.replace(":glue:", ":athena:")
    groups = [f"{athena}:workgroup/mine", f"{athena}:datacatalog/AwsDataCatalog"]
    rights = allow("glue:*", on=[f"{GLUE}:{one}" for one in names]), allow("athena:*", on=groups)
    user = identity(*rights)
    if call in ("get_table", "delete_table", "get_tables"):
        request_ = {"DatabaseName": lake, **request_}
    with_mask = getattr(adding(user(service), **more), call)
    assert refused(with_mask, **request_)[0] == "AccessDeniedException"
    missing = refused(user("glue").get_table, DatabaseName=lake, Name="mine")
    assert missing[0] == "EntityNotFoundException"


def test_a_host_gets_a_role_from_those_who_may_pass_it(identity, jobs, aws_client, name):
    """By its name or its ARN, in a request or in a template of one; and so does the profile."""
    role, profile = jobs.role(EVERYTHING, Service="ec2.amazonaws.com"), name("profile")
    iam, host = aws_client("iam"), {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1}
    arn = iam.create_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Arn"]
    of_role = {"InstanceProfileName": profile, "RoleName": role.rpartition("/")[2]}
    needs = f"iam:PassRole on resource: {role}"
    anything_else = [allow("iam:*"), allow("ec2:*"), deny("iam:PassRole")]
    user = identity(*anything_else)
    assert needs in refused(user("iam").add_role_to_instance_profile, **of_role)[1]
    iam.add_role_to_instance_profile(**of_role)
    for given in ({"Name": profile}, {"Arn": arn}):
        asked = host | {"IamInstanceProfile": given}
        assert needs in refused(user("ec2").run_instances, **asked)[1]
        template = {"IamInstanceProfile": given}
        make = user("ec2").create_launch_template
        assert needs in refused(make, LaunchTemplateName=name("t"), LaunchTemplateData=template)[1]
    assert user("ec2").run_instances(**host)["Instances"]
    passing = identity(allow("ec2:*"), allow("iam:PassRole", on=role))("ec2")
    started = passing.run_instances(**host, IamInstanceProfile={"Name": profile})["Instances"][0]
    assert started["IamInstanceProfile"]["Arn"] == arn


def test_of_two_profiles_in_one_request_both_are_asked_for(identity, jobs, aws_client, name):
    """Which of them a host gets is not what the check decides."""
    iam, profiles = aws_client("iam"), {}
    for kind in ("weak", "strong"):
        role = jobs.role(EVERYTHING, Service="ec2.amazonaws.com")
        profiles[kind] = {"InstanceProfileName": name(kind)}
        iam.create_instance_profile(**profiles[kind])
        iam.add_role_to_instance_profile(**profiles[kind], RoleName=role.rpartition("/")[2])
        if kind == "weak":
            user = identity(allow("ec2:*"), allow("iam:PassRole", on=role))
    host = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1}
    host["IamInstanceProfile"] = {"Name": profiles["weak"]["InstanceProfileName"]}
    assert user("ec2").run_instances(**host)["Instances"]
    more = "A.IamInstanceProfile.Name", profiles["strong"]["InstanceProfileName"]

    def in_body(params, **_):
        params["body"].update([more])

    def in_query(params, **_):
        params["url"] += "?" + "=".join(more)

    for add in (in_body, in_query):
        ec2 = user("ec2")
        ec2.meta.events.register("before-call", add)
        assert f"iam:PassRole on resource: {role}" in refused(ec2.run_instances, **host)[1]


def zipped(source):
    """Return a Lambda's deployment package."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("handler.py", source)
    return archive.getvalue()


WHO = """
import boto3, os
def handler(event, context):
    return [boto3.client("sts").get_caller_identity()["Arn"], os.environ["AWS_ACCESS_KEY_ID"]]
"""


def test_a_lambda_is_its_role_by_a_key_that_nobody_can_guess(
    identity, jobs, aws_client, localaws_server, name
):
    """Ministack's is a hash of two names, which every user of the machine can compute."""
    role, function = jobs.role(allow("s3:ListBucket"), Service="lambda.amazonaws.com"), name("who")
    settings = {"Runtime": "python3.11", "Handler": "handler.handler"}
    settings["Code"] = {"ZipFile": zipped(WHO)}
    maker = identity(allow("lambda:*"))("lambda")
    assert (
        "iam:PassRole"
        in refused(maker.create_function, FunctionName=function, Role=role, **settings)[1]
    )
    made = aws_client("lambda").create_function(FunctionName=function, Role=role, **settings)
    answer = aws_client("lambda").invoke(FunctionName=function)
    arn, key = json.loads(answer["Payload"].read())
    assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/{function}"

    digest = hashlib.sha256(f"{made['FunctionArn']}:{role}".encode()).hexdigest()
    guessed = boto3.client(
        "sts", endpoint_url=localaws_server.endpoint_url, region_name="us-east-1",
        aws_access_key_id=f"ASIA{digest[:16].upper()}",
        aws_secret_access_key=hashlib.sha256(f"secret:{digest}".encode()).hexdigest(),
        aws_session_token=hashlib.sha256(f"token:{digest}".encode()).hexdigest(),
    )  # fmt: skip
    assert key != f"ASIA{digest[:16].upper()}"
    assert refused(guessed.get_caller_identity)[0] in ("InvalidClientTokenId", "AccessDenied")


@pytest.mark.parametrize("role", [None, "", ["r"], "LabRole", f"arn:aws:iam::{ACCOUNT}:user/u"])
def test_a_lambda_has_a_role_whatever_its_maker_may(identity, jobs, aws_client, name, role):
    """Without one AWS makes none; an update cannot take it away, either."""
    function = name("roleless")
    whose = jobs.role(allow("s3:ListBucket"), Service="lambda.amazonaws.com")
    settings = {"Runtime": "python3.11", "Handler": "handler.handler"}
    settings |= {"FunctionName": function, "Code": {"ZipFile": zipped(WHO)}, "Role": whose}
    hostile = adding(identity(EVERYTHING)("lambda"), Role=role)
    code, words = refused(hostile.create_function, **settings)[:2]
    assert code == "ValidationException"
    assert ("'LabRole' at 'role' failed to satisfy constraint" in words) == (role == "LabRole")

    aws_client("lambda").create_function(**settings)
    change = hostile.update_function_configuration
    assert refused(change, FunctionName=function, Timeout=9)[0] == "ValidationException"
    kept = aws_client("lambda").get_function_configuration(FunctionName=function)
    assert (kept["Role"], kept["Timeout"]) == (whose, 3)
    aws_client("lambda").update_function_configuration(FunctionName=function, Timeout=9)


def test_a_lambda_has_a_role_that_lambda_may_assume(jobs, aws_client, name):
    """Root's, too: AWS asks for the trust when the function is made, and when its role changes."""
    lambda_ = aws_client("lambda")
    settings = {"Runtime": "python3.11", "Handler": "handler.handler"}
    settings |= {"FunctionName": name("trusted"), "Code": {"ZipFile": zipped(WHO)}}
    glues, none = jobs.role(EVERYTHING), f"arn:aws:iam::{ACCOUNT}:role/none"
    said = ("InvalidParameterValueException", "The role defined for the function cannot be ")
    for role in (glues, none):
        code, words = refused(lambda_.create_function, Role=role, **settings)
        assert (code, words[: len(said[1])]) == said

    own = jobs.role(EVERYTHING, Service="lambda.amazonaws.com")
    lambda_.create_function(Role=own, **settings)
    change = lambda_.update_function_configuration
    assert refused(change, FunctionName=settings["FunctionName"], Role=glues)[0] == said[0]
    change(FunctionName=settings["FunctionName"], Role=own)


def test_a_lambda_without_a_role_is_not_made(identity, name):
    """The member is left out of the request altogether."""

    def without(params, **_):
        body = json.loads(params["body"])
        del body["Role"]
        params["body"] = json.dumps(body).encode()

    client = identity(EVERYTHING)("lambda")
    client.meta.events.register("before-call", without)
    settings = {"Runtime": "python3.11", "Handler": "h.f", "Code": {"ZipFile": zipped("")}}
    whose = f"arn:aws:iam::{ACCOUNT}:role/any"
    found = refused(client.create_function, FunctionName=name("f"), Role=whose, **settings)
    assert found[0] == "ValidationException"


def test_a_bucket_that_refuses_plain_http_takes_what_a_run_sends(jobs, name, aws_client):
    """On AWS a run speaks TLS alone; here it is plain HTTP on the same machine."""
    bucket = name("bucket")
    aws_client("s3").create_bucket(Bucket=bucket)
    both = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    closed = {**deny("s3:*", on=both), "Principal": "*", "Condition": plain}
    document = json.dumps({"Version": "2012-10-17", "Statement": [closed]})
    aws_client("s3").put_bucket_policy(Bucket=bucket, Policy=document)
    script = f'import boto3; boto3.client("s3").put_object(Bucket="{bucket}", Key="k", Body=b"1")'
    run = jobs.finish(jobs.make(script))
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")


@pytest.mark.parametrize(
    ("service", "operation", "request_"),
    [
        ("stepfunctions", "list_state_machines", {}),
        ("cloudformation", "list_stacks", {}),
        ("scheduler", "list_schedules", {}),
        ("events", "list_rules", {}),
    ],
)
def test_what_acts_for_roles_answers_root_alone(identity, aws_client, service, operation, request_):
    """A state machine makes users whatever its role may: nobody asks for rights there."""
    somebody = identity({"Effect": "Allow", "Action": "*", "Resource": "*"})(service)
    with pytest.raises(ClientError, match="only the account's root may call it"):
        getattr(somebody, operation)(**request_)
    getattr(aws_client(service), operation)(**request_)
