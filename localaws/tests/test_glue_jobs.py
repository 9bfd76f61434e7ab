"""Job definitions: as given, with the values that AWS fills in."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

COMMAND = {"Name": "glueetl", "ScriptLocation": "s3://bucket/script.py", "PythonVersion": "3"}


@pytest.fixture
def glue(aws_client):
    """The Glue client of the shared server."""
    return aws_client("glue")


def create(glue, name, **definition):
    """Return the job of a new definition, as GetJob shows it."""
    glue.create_job(Name=name, Role="role", Command=COMMAND, **definition)
    return glue.get_job(JobName=name)["Job"]


def test_a_job_is_shown_as_it_was_given(glue, name):
    """Nothing that was asked for is lost or changed: a second Terraform plan finds no drift."""
    given = {
        "Description": "refines",
        "ExecutionProperty": {"MaxConcurrentRuns": 3},
        "DefaultArguments": {"--table": "t", "--job-language": "python"},
        "NonOverridableArguments": {"--fixed": "1"},
        "MaxRetries": 2,
        "Timeout": 15,
        "GlueVersion": "5.0",
        "WorkerType": "G.1X",
        "NumberOfWorkers": 2,
        "JobRunQueuingEnabled": True,
        "ExecutionClass": "STANDARD",
    }
    job = create(glue, name("job"), **given)
    assert {key: job[key] for key in given} == given
    assert job["Command"] == COMMAND


def test_a_bare_job_gets_the_defaults_of_aws(glue, name):
    """What is not said is what AWS says."""
    job = create(glue, name("job"))
    job.pop("CreatedOn"), job.pop("LastModifiedOn"), job.pop("Name")
    assert job == {
        "Role": "role",
        "Command": COMMAND,
        "JobMode": "SCRIPT",
        "JobRunQueuingEnabled": False,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "MaxRetries": 0,
        "Timeout": 480,
        "GlueVersion": "5.1",
        "MaxCapacity": 10.0,
        "AllocatedCapacity": 10,
    }


@pytest.mark.parametrize(
    ("workers", "units"),
    [
        ({"WorkerType": "G.1X", "NumberOfWorkers": 2}, 2.0),
        ({"WorkerType": "G.2X", "NumberOfWorkers": 3}, 6.0),
        ({"WorkerType": "G.025X", "NumberOfWorkers": 2}, 0.5),
        ({"MaxCapacity": 4.0}, 4.0),
    ],
)
def test_workers_are_counted_in_processing_units(glue, name, workers, units):
    """The price of a run comes from its data processing units."""
    assert create(glue, name("job"), **workers)["MaxCapacity"] == units


def test_old_versions_keep_their_long_time_out(glue, name):
    """Up to Glue 4.0 the default time-out is two days, from 5.0 on eight hours."""
    assert create(glue, name("job"), GlueVersion="4.0")["Timeout"] == 2880


def test_the_same_job_twice_is_one_job(glue, name):
    """CreateJob is idempotent for the very same definition."""
    job = name("job")
    create(glue, job, Timeout=7)
    assert create(glue, job, Timeout=7)["Timeout"] == 7


def test_another_job_of_the_same_name_is_refused(glue, name):
    """A definition is changed by UpdateJob, never by a second CreateJob."""
    job = name("job")
    create(glue, job, Timeout=7)
    with pytest.raises(glue.exceptions.IdempotentParameterMismatchException, match=job):
        create(glue, job, Timeout=8)


def test_an_update_replaces_the_whole_definition(glue, name):
    """As in AWS: what the update leaves out falls back to its default."""
    job = name("job")
    created = create(glue, job, Timeout=7, Description="old")["CreatedOn"]
    glue.update_job(JobName=job, JobUpdate={"Role": "other", "Command": COMMAND, "MaxRetries": 1})
    now = glue.get_job(JobName=job)["Job"]
    assert (now["Role"], now["MaxRetries"], now["Timeout"]) == ("other", 1, 480)
    assert "Description" not in now
    assert now["CreatedOn"] == created


def test_an_unknown_job_is_an_entity_not_found(glue):
    """The code that clients look for."""
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_job(JobName="nobody")
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.update_job(JobName="nobody", JobUpdate={"Role": "r", "Command": COMMAND})


def test_deleting_a_job_twice_is_no_error(glue, name):
    """DeleteJob says nothing of a job that is not there."""
    job = name("job")
    create(glue, job)
    assert glue.delete_job(JobName=job)["JobName"] == job
    assert glue.delete_job(JobName=job)["JobName"] == job
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_job(JobName=job)


def test_jobs_are_listed_in_pages(glue, name):
    """Every job is on exactly one page."""
    made = {name("listed") for _ in range(5)}
    for job in made:
        create(glue, job)
    names, token = [], {}
    while True:
        page = glue.list_jobs(MaxResults=2, **token)
        names += page["JobNames"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert len(names) == len(set(names))
    assert made <= set(names)
    assert made <= {
        job["Name"] for page in glue.get_paginator("get_jobs").paginate() for job in page["Jobs"]
    }


def test_jobs_are_listed_by_their_tags(glue, name):
    """Tags given at creation are the job's, and select it."""
    tagged = name("job")
    create(glue, tagged, Tags={"team": tagged})
    create(glue, name("job"))
    assert glue.list_jobs(Tags={"team": tagged})["JobNames"] == [tagged]


def test_tags_are_added_and_removed(glue, name, aws_client):
    """The tag calls work on jobs."""
    job = name("job")
    create(glue, job, Tags={"a": "1", "b": "2"})
    account = aws_client("sts").get_caller_identity()["Account"]
    arn = f"arn:aws:glue:us-east-1:{account}:job/{job}"
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"c": "3"})
    glue.untag_resource(ResourceArn=arn, TagsToRemove=["a"])
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"b": "2", "c": "3"}


def test_tags_of_other_resources_stay_with_ministack(glue, jobs, name, aws_client):
    """A crawler is none of ours, its tags neither."""
    crawler = name("crawler")
    account = aws_client("sts").get_caller_identity()["Account"]
    targets = {"S3Targets": [{"Path": "s3://b/"}]}
    role = jobs.role({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    glue.create_crawler(Name=crawler, Role=role, Targets=targets)
    arn = f"arn:aws:glue:us-east-1:{account}:crawler/{crawler}"
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"a": "1", "b": "2"})
    glue.untag_resource(ResourceArn=arn, TagsToRemove=["b"])
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"a": "1"}


def test_some_jobs_are_fetched_at_once(glue, name):
    """BatchGetJobs tells those that exist from those that do not."""
    job = name("job")
    create(glue, job)
    answer = glue.batch_get_jobs(JobNames=[job, "nobody"])
    assert [known["Name"] for known in answer["Jobs"]] == [job]
    assert answer["JobsNotFound"] == ["nobody"]


@pytest.mark.parametrize(
    "nonsense",
    [
        {"WorkerType": "G.1X", "NumberOfWorkers": 2, "MaxCapacity": 2.0},
        {"WorkerType": "G.1X"},
        {"Timeout": 10081},
        {"Command": {"Name": "glueray", "ScriptLocation": "s3://b/k"}},
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(glue, name, nonsense):
    """InvalidInputException, at CreateJob rather than at the first run."""
    definition = {"Name": name("job"), "Role": "role", "Command": COMMAND, **nonsense}
    with pytest.raises(glue.exceptions.InvalidInputException):
        glue.create_job(**definition)


def test_a_value_outside_its_enumeration_is_a_validation_error(glue, name):
    """The published model of the service is what requests are checked against."""
    with pytest.raises(ClientError, match="Value at 'jobMode'") as caught:
        create(glue, name("job"), JobMode="DREAM")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("operation", ["start_crawler", "start_trigger", "start_workflow_run"])
def test_what_would_only_pretend_to_run_is_refused(glue, operation):
    """A crawler that says it ran and found nothing would teach something false."""
    with pytest.raises(ClientError) as caught:
        getattr(glue, operation)(Name="any")
    assert caught.value.response["Error"]["Code"] == "OperationNotSupportedException"
