"""Job runs: what runs, what waits, how it ends, and what it says."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import json
import zipfile

import pytest

from localaws.testing import has_ended

SLEEP = "import time; time.sleep(60)"


def test_a_script_that_ends_well_is_a_succeeded_run(jobs):
    """SUCCEEDED is exit code 0 and nothing else."""
    run = jobs.finish(jobs.make("pass"))
    assert run["JobRunState"] == "SUCCEEDED"
    assert "ErrorMessage" not in run


def test_a_run_carries_what_aws_shows_of_it(jobs):
    """The fields that a reader of GetJobRun expects, with the values of this run."""
    job = jobs.make("pass", Timeout=7, GlueVersion="5.1", MaxCapacity=1.0)
    before = dt.datetime.now(dt.UTC)
    run_id = jobs.start(job, Arguments={"--day": "2024-01-02"})
    run = jobs.wait(job, run_id)
    assert run["Id"] == run_id
    assert run_id.startswith("jr_")
    assert run["JobName"] == job
    assert run["Attempt"] == 0
    assert run["Arguments"] == {"--day": "2024-01-02"}
    assert run["Timeout"] == 7
    assert run["GlueVersion"] == "5.1"
    assert run["LogGroupName"] == "/aws-glue/jobs"
    assert run["PredecessorRuns"] == []
    assert before - dt.timedelta(seconds=1) < run["StartedOn"] <= run["CompletedOn"]
    assert run["LastModifiedOn"] >= run["CompletedOn"] - dt.timedelta(milliseconds=5)
    assert run["DPUSeconds"] == run["ExecutionTime"] * 1.0 > 0


def test_the_arguments_of_the_run_replace_those_of_the_job(jobs):
    """DefaultArguments, then the run's own, then those that nothing overrides; Glue adds two."""
    job = jobs.make(
        "import sys, json; print(json.dumps(sys.argv[1:]))",
        DefaultArguments={"--a": "default", "--b": "default"},
        NonOverridableArguments={"--c": "fixed"},
    )
    run = jobs.finish(job, Arguments={"--b": "run", "--c": "run", "--d": "two words"})
    (line,) = jobs.log("output", run["Id"])
    flat = json.loads(line)
    assert dict(zip(flat[::2], flat[1::2], strict=True)) == {
        "--JOB_NAME": job,
        "--JOB_RUN_ID": run["Id"],
        "--a": "default",
        "--b": "run",
        "--c": "fixed",
        "--d": "two words",
    }


def test_a_script_speaks_to_the_local_aws_without_being_told(jobs):
    """boto3 in a script finds this server and its dummy keys in the environment."""
    job = jobs.make("import boto3; print(boto3.client('sts').get_caller_identity()['Account'])")
    run = jobs.finish(job)
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    assert jobs.log("output", run["Id"]) == ["0" * 12]


def test_a_script_that_raises_is_failed_with_its_last_line(jobs):
    """The reader sees the error, not the frames."""
    run = jobs.finish(jobs.make("def f():\n    raise KeyError('PETR4')\nf()"))
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", "KeyError: 'PETR4'")
    assert jobs.log("output", run["Id"])[0] == "Traceback (most recent call last):"
    assert jobs.log("error", run["Id"]) == []


def test_a_script_that_exits_with_a_number_is_failed(jobs):
    """An exit code without a word is still a reason."""
    run = jobs.finish(jobs.make("raise SystemExit(3)"))
    assert (run["JobRunState"], run["ErrorMessage"]) == (
        "FAILED",
        "Command failed with exit code 3",
    )


def test_a_script_killed_by_the_system_is_failed_and_says_so(jobs):
    """Out of memory looks like this."""
    run = jobs.finish(jobs.make("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith("The script was ended by signal SIGKILL")


def test_a_script_that_is_not_in_s3_fails_the_run(jobs):
    """As in AWS the run starts, and fails by the name of the missing object."""
    job = jobs.make("pass")
    location = jobs.glue.get_job(JobName=job)["Job"]["Command"]["ScriptLocation"]
    bucket, _, key = location.removeprefix("s3://").partition("/")
    jobs.s3.delete_object(Bucket=bucket, Key=key)
    run = jobs.finish(job)
    assert run["JobRunState"] == "FAILED"
    assert key in run["ErrorMessage"]
    assert "does not exist" in run["ErrorMessage"]


def test_the_script_is_fetched_at_each_run(jobs):
    """A new script needs no new job."""
    job = jobs.make("print('old')")
    jobs.finish(job)
    location = jobs.glue.get_job(JobName=job)["Job"]["Command"]["ScriptLocation"]
    bucket, _, key = location.removeprefix("s3://").partition("/")
    jobs.s3.put_object(Bucket=bucket, Key=key, Body=b"print('new')")
    assert jobs.log("output", jobs.finish(job)["Id"]) == ["new"]


def test_an_argument_that_is_not_done_here_fails_the_run(jobs):
    """A run that asks for packages must not go on without them."""
    job = jobs.make("pass", DefaultArguments={"--extra-jars": "s3://bucket/a.jar"})
    run = jobs.finish(job)
    assert run["JobRunState"] == "FAILED"
    assert "--extra-jars" in run["ErrorMessage"]


def test_extra_python_files_are_on_the_path_of_the_script(jobs):
    """A module and a zip of modules, from S3, in their order."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("shelf/__init__.py", "")
        file.writestr("shelf/book.py", "title = 'zip'")
    jobs.s3.create_bucket(Bucket="extra-files")
    jobs.s3.put_object(Bucket="extra-files", Key="a/shelf.zip", Body=archive.getvalue())
    jobs.s3.put_object(Bucket="extra-files", Key="a/page.py", Body=b"number = 7")
    files = "s3://extra-files/a/shelf.zip, s3://extra-files/a/page.py"
    job = jobs.make(
        "import page, shelf.book; print(page.number, shelf.book.title)",
        DefaultArguments={"--extra-py-files": files},
    )
    assert jobs.log("output", jobs.finish(job)["Id"]) == ["7 zip"]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("s3://extra-nowhere/a.zip", "extra-nowhere"),
        ("s3://extra-nowhere/a.whl", "is no .py and no .zip"),
        ("file:///a.zip", "is not a module in S3"),
    ],
)
def test_extra_python_files_that_cannot_be_had_fail_the_run(jobs, place, words):
    """A run must not go on without what it asks for."""
    run = jobs.finish(jobs.make("pass", DefaultArguments={"--extra-py-files": place}))
    assert run["JobRunState"] == "FAILED"
    assert words in run["ErrorMessage"]


def test_late_lines_come_several_to_an_event_in_a_stream_of_a_longer_name(
    local_server, jobs_on, until
):
    """As on AWS: the run has ended before its lines are there, on stdout and on stderr."""
    jobs = jobs_on(local_server(late_log_seconds=3.0).client)
    run = jobs.finish(jobs.make("import sys; print('a'); print('b'); print('c', file=sys.stderr)"))
    name = f"{run['Id']}_driver"
    assert jobs.log("output", name) == []
    assert sorted(until(lambda: jobs.log("output", name))) == ["a\nb", "c"]


def test_output_is_in_the_logs_while_the_run_works(jobs, until):
    """A reader follows a run live."""
    job = jobs.make("import time; print('first'); time.sleep(60)")
    run_id = jobs.start(job)
    assert until(lambda: jobs.state(job, run_id) == "RUNNING" and jobs.log("output", run_id))
    assert jobs.state(job, run_id) == "RUNNING"
    jobs.glue.batch_stop_job_run(JobName=job, JobRunIds=[run_id])
    jobs.wait(job, run_id, "STOPPED")


def test_no_line_is_lost_however_much_is_written(jobs):
    """Megabytes, lines longer than an event, broken text, and a last line without its end."""
    job = jobs.make(
        """
        import sys
        for number in range(30_000):
            print(f"{number:06d} " + "x" * 60)
        print("é" * 100_000)
        sys.stdout.flush()
        sys.stdout.buffer.write(b"bad \\xff byte\\n")
        sys.stdout.buffer.write(b"the end")
        """
    )
    run = jobs.finish(job)
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    lines = jobs.log("output", run["Id"])
    assert [line[:6] for line in lines[:30_000]] == [f"{number:06d}" for number in range(30_000)]
    assert "".join(lines[30_000:-2]) == "é" * 100_000
    assert lines[-2:] == ["bad \N{REPLACEMENT CHARACTER} byte", "the end"]


def test_a_second_run_beyond_the_limit_is_refused(jobs):
    """MaxConcurrentRuns is one unless said otherwise."""
    job = jobs.make(SLEEP)
    first = jobs.start(job)
    with pytest.raises(jobs.glue.exceptions.ConcurrentRunsExceededException, match=job):
        jobs.start(job)
    jobs.glue.batch_stop_job_run(JobName=job, JobRunIds=[first])
    jobs.wait(job, first, "STOPPED")


def test_the_limit_counts_runs_of_one_job(jobs):
    """Two at once where two are allowed; the third is one too many."""
    job = jobs.make(SLEEP, ExecutionProperty={"MaxConcurrentRuns": 2})
    runs = [jobs.start(job), jobs.start(job)]
    with pytest.raises(jobs.glue.exceptions.ConcurrentRunsExceededException):
        jobs.start(job)
    stopped = jobs.glue.batch_stop_job_run(JobName=job, JobRunIds=runs)
    assert [done["JobRunId"] for done in stopped["SuccessfulSubmissions"]] == runs
    for run_id in runs:
        jobs.wait(job, run_id, "STOPPED")


def test_queued_runs_wait_and_start_in_their_order(jobs):
    """Whoever asks for the queue is not refused: first come, first served, one at a time."""
    job = jobs.make("import time; print(time.time()); time.sleep(0.3)")
    runs = [jobs.start(job, JobRunQueuingEnabled=True) for _ in range(4)]
    assert [jobs.state(job, run_id) for run_id in runs[1:]] == ["WAITING"] * 3
    ended = [jobs.wait(job, run_id) for run_id in runs]
    assert [run["JobRunState"] for run in ended] == ["SUCCEEDED"] * 4
    moments = [float(jobs.log("output", run_id)[0]) for run_id in runs]
    assert all(later - earlier >= 0.3 for earlier, later in itertools.pairwise(moments))


@pytest.mark.parametrize("request_", [{}, {"JobRunQueuingEnabled": False}])
def test_a_start_that_does_not_ask_for_the_queue_is_refused(jobs, request_):
    """The job's own flag queues nothing, as on AWS: the request must say it."""
    job = jobs.make(SLEEP, JobRunQueuingEnabled=True)
    first = jobs.start(job)
    with pytest.raises(jobs.glue.exceptions.ConcurrentRunsExceededException):
        jobs.start(job, **request_)
    waiting = jobs.start(job, JobRunQueuingEnabled=True)
    jobs.glue.batch_stop_job_run(JobName=job, JobRunIds=[waiting, first])
    assert jobs.state(job, waiting) == "STOPPED"
    jobs.wait(job, first, "STOPPED")


def test_a_job_with_retries_queues_nothing(jobs):
    """Glue queues runs of jobs without retries alone."""
    job = jobs.make(SLEEP, MaxRetries=1)
    first = jobs.start(job, JobRunQueuingEnabled=True)
    with pytest.raises(jobs.glue.exceptions.ConcurrentRunsExceededException):
        jobs.start(job, JobRunQueuingEnabled=True)
    jobs.glue.batch_stop_job_run(JobName=job, JobRunIds=[first])
    jobs.wait(job, first, "STOPPED")


def test_a_run_that_has_just_ended_still_counts(local_server, jobs_on, until):
    """On AWS for some seconds; here for as long as the setting says, and then a start succeeds."""
    jobs = jobs_on(local_server(ended_run_seconds=3.0).client)
    job = jobs.make("pass")
    jobs.finish(job)
    with pytest.raises(jobs.glue.exceptions.ConcurrentRunsExceededException):
        jobs.start(job, JobRunQueuingEnabled=True)

    def started():
        try:
            return jobs.start(job, JobRunQueuingEnabled=True)
        except jobs.glue.exceptions.ConcurrentRunsExceededException:
            return None

    assert jobs.wait(job, until(started))["JobRunState"] == "SUCCEEDED"


def test_a_stopped_run_leaves_no_process(jobs, until):
    """What the script started is ended with it, process groups of its own included."""
    job = jobs.make(
        """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],
                                 process_group=0)
        print(child.pid, flush=True)
        time.sleep(60)
        """
    )
    run_id = jobs.start(job)
    (line,) = until(lambda: jobs.state(job, run_id) == "RUNNING" and jobs.log("output", run_id))
    answer = jobs.glue.batch_stop_job_run(JobName=job, JobRunIds=[run_id])
    assert answer["SuccessfulSubmissions"] == [{"JobName": job, "JobRunId": run_id}]
    assert jobs.wait(job, run_id)["JobRunState"] == "STOPPED"
    assert has_ended(int(line))


def test_stopping_what_has_ended_or_never_was_is_reported(jobs):
    """Each id gets its own answer."""
    job = jobs.make("pass")
    done = jobs.finish(job)["Id"]
    answer = jobs.glue.batch_stop_job_run(JobName=job, JobRunIds=[done, "jr_nobody"])
    codes = {error["JobRunId"]: error["ErrorDetail"]["ErrorCode"] for error in answer["Errors"]}
    assert answer["SuccessfulSubmissions"] == []
    assert codes == {done: "JobRunInTerminalStateException", "jr_nobody": "EntityNotFoundException"}


def test_a_run_beyond_its_time_is_ended(local_server, jobs_on):
    """TIMEOUT after Timeout minutes; here a minute lasts half a second."""
    jobs = jobs_on(local_server(seconds_per_minute=0.5).client)
    job = jobs.make(SLEEP, Timeout=2)
    run = jobs.finish(job)
    assert (run["JobRunState"], run["ErrorMessage"]) == (
        "TIMEOUT",
        "Execution timed out after 2 minutes.",
    )


def test_a_run_may_have_a_time_out_of_its_own(local_server, jobs_on):
    """The run's word counts more than the job's."""
    jobs = jobs_on(local_server(seconds_per_minute=0.5).client)
    job = jobs.make(SLEEP, Timeout=480)
    assert jobs.finish(job, Timeout=1)["JobRunState"] == "TIMEOUT"


def test_a_failed_run_is_tried_again_as_often_as_the_job_says(jobs, until):
    """Each attempt is a run of its own, and names the one before."""
    job = jobs.make("raise ValueError('no')", MaxRetries=2)
    first = jobs.start(job)
    third = f"{first}_attempt_2"
    until(lambda: len(jobs.glue.get_job_runs(JobName=job)["JobRuns"]) == 3)
    assert jobs.wait(job, third)["JobRunState"] == "FAILED"
    runs = jobs.glue.get_job_runs(JobName=job)["JobRuns"]
    assert [(run["Id"], run["Attempt"], run.get("PreviousRunId")) for run in runs] == [
        (third, 2, f"{first}_attempt_1"),
        (f"{first}_attempt_1", 1, first),
        (first, 0, None),
    ]


def test_runs_are_listed_newest_first_in_pages(jobs):
    """Every run is on exactly one page."""
    job = jobs.make("pass")
    started = [jobs.start(job, JobRunQueuingEnabled=True) for _ in range(5)]
    for run_id in started:
        jobs.wait(job, run_id)
    pages = jobs.glue.get_paginator("get_job_runs").paginate(
        JobName=job, PaginationConfig={"PageSize": 2}
    )
    listed = [[run["Id"] for run in page["JobRuns"]] for page in pages]
    newest = started[::-1]
    assert listed == [newest[:2], newest[2:4], newest[4:]]


def test_a_job_that_is_not_there_cannot_be_started(jobs):
    """The words of AWS for it."""
    with pytest.raises(
        jobs.glue.exceptions.EntityNotFoundException, match="due to missing metadata"
    ):
        jobs.start("nobody")


@pytest.mark.parametrize(
    "request_",
    [
        {"Arguments": {"day": "2024-01-02"}},
        {"Arguments": {"--big": "x" * 270_000}},
        {"WorkerType": "G.1X"},
        {"Timeout": 10_081},
    ],
)
def test_a_request_that_makes_no_sense_starts_nothing(jobs, request_):
    """InvalidInputException, and no run is left behind."""
    job = jobs.make("pass")
    with pytest.raises(jobs.glue.exceptions.InvalidInputException):
        jobs.start(job, **request_)
    assert jobs.glue.get_job_runs(JobName=job)["JobRuns"] == []


def test_deleting_a_job_ends_its_runs(jobs, until):
    """Nothing works for a job that is no more."""
    job = jobs.make("import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    run_id = jobs.start(job)
    (line,) = until(lambda: jobs.state(job, run_id) == "RUNNING" and jobs.log("output", run_id))
    jobs.glue.delete_job(JobName=job)
    until(lambda: has_ended(int(line)))
    with pytest.raises(jobs.glue.exceptions.EntityNotFoundException):
        jobs.glue.get_job_runs(JobName=job)
