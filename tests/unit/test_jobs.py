"""Runs of the refine job, from outside."""

import datetime as dt
import io
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from b3pipeline import refine
from b3pipeline.errors import DateRangeError, InvalidTickerError, JobError

MANIFEST = "s3://raw/raw/b3/_batches/b1.json"
QUARANTINE = {"--rebuild": "true", "--on_bad_object": "quarantine"}
BUSY = "ConcurrentRunsExceededException"
STARTED = dt.datetime(2026, 1, 2, 12, 0, tzinfo=dt.UTC)


def answer(state, run_id="jr_1", **more):
    """Return a run as Glue describes it."""
    return {"Id": run_id, "JobName": "refine", "JobRunState": state, "StartedOn": STARTED} | more


class FakeGlue:
    """A Glue whose run goes through the states given, one a look."""

    def __init__(self, *states, refusals=0):
        self.states = list(states)
        self.refusals = refusals
        self.started = []

    def get_job_run(self, JobName, RunId):  # noqa: N803 - boto3's own spelling
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"JobRun": answer(state, RunId)}

    def start_job_run(self, JobName, Arguments, JobRunQueuingEnabled):  # noqa: N803 - boto3's own
        assert JobRunQueuingEnabled
        if self.refusals:
            self.refusals -= 1
            raise ClientError({"Error": {"Code": BUSY, "Message": "Concurrent runs"}}, "Start")
        if JobName == "missing":
            raise ClientError(
                {"Error": {"Code": "EntityNotFoundException", "Message": "no such job"}}, "Start"
            )
        self.started.append(Arguments)
        return {"JobRunId": "jr_1"}

    def get_paginator(self, name):
        run = answer("RUNNING", Arguments={"--batch_manifest": MANIFEST})
        return SimpleNamespace(paginate=lambda **_: [{"JobRuns": [run]}])


def cloud(glue, job="refine"):
    """Return a deployment whose Glue is the fake."""
    return SimpleNamespace(
        glue=glue, config=SimpleNamespace(glue_job_name=job, raw_data_bucket="raw")
    )


def test_waiting_ends_with_the_final_state_and_not_before():
    """Every state is looked at in turn, with a pause between."""
    pauses = []
    run = refine.wait_for_run(
        cloud(FakeGlue("STARTING", "RUNNING", "SUCCEEDED")), "jr_1", sleep=pauses.append
    )
    assert (run.state, pauses) == ("SUCCEEDED", [0.5, 0.5])


def test_a_failed_run_is_returned_not_raised():
    """The caller decides what a failed run means."""
    assert refine.wait_for_run(cloud(FakeGlue("FAILED")), "jr_1").state == "FAILED"


def test_waiting_too_long_says_so():
    """A run that goes on past the time-out is an error of its own."""
    ticks = iter([0.0, 100.0])
    with pytest.raises(JobError, match="still RUNNING after 10 s"):
        refine.wait_for_run(
            cloud(FakeGlue("RUNNING")), "jr_1", timeout=10, clock=lambda: next(ticks)
        )


def test_the_run_of_a_manifest_is_found_by_its_argument():
    """The Lambda hands the manifest over as an argument, which Glue remembers."""
    assert refine.wait_for_start(cloud(FakeGlue("RUNNING")), MANIFEST).manifest == MANIFEST


def test_a_manifest_that_starts_nothing_is_an_error_with_a_way_on():
    """The sentence names the manifest and the Lambda's log."""
    ticks = iter([0.0, 0.0, 200.0])
    with pytest.raises(JobError, match=r"other\.json.*lambda_log"):
        refine.wait_for_start(
            cloud(FakeGlue("RUNNING")),
            "s3://raw/other.json",
            clock=lambda: next(ticks),
            sleep=lambda _: None,
        )


@pytest.mark.parametrize(
    ("request_", "arguments"),
    [
        ({"rebuild": True}, {"--rebuild": "true"}),
        ({"rebuild": True, "quarantine": True}, QUARANTINE),
        ({"manifest": MANIFEST}, {"--batch_manifest": MANIFEST}),
        (
            {"dates": ("2024-01-02", "2024-01-03"), "tickers": ("PETR4",)},
            {"--dates": "2024-01-02,2024-01-03", "--tickers": "PETR4"},
        ),
    ],
)
def test_a_run_started_by_hand_gets_its_mode_as_an_argument(request_, arguments):
    """The three modes of the job, one each."""
    glue = FakeGlue("STARTING")
    refine.start_refine(cloud(glue), **request_)
    assert glue.started == [arguments]


@pytest.mark.parametrize("request_", [{}, {"rebuild": True, "manifest": MANIFEST}])
def test_a_refine_of_nothing_or_of_two_things_is_refused(request_):
    """Nothing is started where the request makes no sense."""
    with pytest.raises(JobError, match="needs one of"):
        refine.start_refine(cloud(FakeGlue("STARTING")), **request_)


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        ({"dates": ("2024-13-01",)}, DateRangeError, "'2024-13-01' is not a date"),
        ({"tickers": ("PETROBRAS",)}, InvalidTickerError, "'PETROBRAS' is not a ticker"),
    ],
)
def test_a_date_or_ticker_that_is_none_is_refused_before_a_run_starts(request_, error, words):
    """Otherwise a minute goes by until Spark's log says it."""
    glue = FakeGlue("STARTING")
    with pytest.raises(error, match=words):
        refine.start_refine(cloud(glue), **request_)
    assert glue.started == []


def test_a_ticker_may_be_written_as_yahoo_does():
    """The job is asked for the exchange's code."""
    glue = FakeGlue("STARTING")
    refine.start_refine(cloud(glue), tickers=("petr4.sa",))
    assert glue.started == [{"--tickers": "PETR4"}]


def test_a_start_right_after_the_end_of_a_run_is_tried_again():
    """Glue counts an ended run for some seconds: pauses grow, and then the run starts."""
    pauses = []
    glue = FakeGlue("STARTING", refusals=3)

    assert refine.start_refine(cloud(glue), rebuild=True, sleep=pauses.append).run_id == "jr_1"

    first, second, third = pauses
    assert (0.5 <= first <= 1, 1 <= second <= 2, 2 <= third <= 4) == (True, True, True)


def test_a_start_that_stays_refused_says_what_to_do():
    """The patience has an end, and the sentence names the job."""
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    with pytest.raises(JobError, match=r"refine is at its limit of runs.*wait for the run"):
        refine.start_refine(
            cloud(FakeGlue("STARTING", refusals=99)),
            rebuild=True,
            sleep=sleep,
            clock=lambda: now[0],
        )
    assert 20 < now[0] <= 30


def test_a_missing_job_is_named():
    """Glue's answer comes with the job's name and a way on."""
    with pytest.raises(JobError, match="job missing exists"):
        refine.start_refine(cloud(FakeGlue("STARTING"), "missing"), rebuild=True)


def test_a_run_shows_its_error_as_text_not_as_markup():
    """An error with angle brackets must not become HTML."""
    run = refine.JobRun("jr_1", "refine", "FAILED", STARTED, STARTED, error="<script>")
    assert "&lt;script&gt;" in run._repr_html_()


class FakeLogs:
    """Logs with one stream of events, of which each look shows more; its name is a long one."""

    exceptions = SimpleNamespace(ResourceNotFoundException=KeyError)

    def __init__(self, *looks):
        self.looks = list(looks)

    def get_paginator(self, name):
        assert name == "describe_log_streams"
        return SimpleNamespace(paginate=self.streams)

    def streams(self, logGroupName, logStreamNamePrefix):  # noqa: N803 - boto3's own spelling
        assert logGroupName == "/aws-glue/jobs/output"
        return [{"logStreams": [{"logStreamName": f"{logStreamNamePrefix}_driver"}]}]

    def get_log_events(self, logStreamName, **request):  # noqa: N803 - boto3's own spelling
        assert logStreamName == "jr_1_driver"
        if "nextToken" in request:
            return {"events": [], "nextForwardToken": "end"}
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return {"events": [{"message": text} for text in look], "nextForwardToken": "end"}


class FakeS3:
    """A bucket that holds the summary of one run, or none."""

    def __init__(self, summary=None):
        self.summary = summary

    def get_object(self, Bucket, Key):  # noqa: N803 - boto3's own spelling
        assert (Bucket, Key) == ("raw", "refined/b3/_runs/jr_1.json")
        if self.summary is None:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no"}}, "GetObject")
        return {"Body": io.BytesIO(self.summary.encode())}


SUMMARY = (
    '{"event": "refined", "batch_ids": ["b1"], "rows_read": 1200, "partitions_written": 90, '
    '"partitions_removed": 1, "partitions_skipped": 2, "quarantined": {"raw/x": "zero bytes"}, '
    '"seconds": {"read": 1.5, "total": 9.0}}'
)


def described(state, summary=None, **more):
    """Return the report of a run that took 90 s with two DPUs."""
    run = {"ExecutionTime": 90, "MaxCapacity": 2.0, **more}
    ended = STARTED + dt.timedelta(seconds=95)
    glue = SimpleNamespace(
        get_job_run=lambda **_: {"JobRun": answer(state, CompletedOn=ended, **run)}
    )
    whole = cloud(glue)
    whole.s3 = FakeS3(summary)
    return refine.describe(whole, refine.get_run(whole, "jr_1"))


def test_a_report_holds_the_figures_of_glue_and_of_the_summary():
    """Duration, DPU-seconds and price by Glue's figures; partitions by what the job left in S3."""
    report = described("SUCCEEDED", SUMMARY)

    assert (report.seconds, report.dpu_seconds) == (95.0, 180.0)
    assert report.usd == pytest.approx(0.022)  # 180 s at 0.44 an hour
    assert (report.rows, report.written, report.removed, report.skipped) == (1200, 90, 1, 2)
    assert report.quarantined == {"raw/x": "zero bytes"}
    assert report.steps == {"read": 1.5, "total": 9.0}


def test_a_short_run_is_billed_its_minimum():
    """AWS bills a minute of each DPU at least: two of them are 120 DPU-seconds."""
    report = described("SUCCEEDED", SUMMARY, ExecutionTime=9)

    assert report.dpu_seconds == 18.0
    assert report.usd == pytest.approx(120 / 3600 * 0.44)


def test_a_report_shows_each_figure_in_words():
    """As text for a terminal, as a table for a notebook."""
    report = described("SUCCEEDED", SUMMARY)

    assert "partitions written  90" in str(report)
    assert "  raw/x             zero bytes" in str(report)
    assert "<td style='text-align:left'>180 DPU-seconds</td>" in report._repr_html_()


def test_a_failed_run_is_described_without_a_summary():
    """It did nothing that counts, and cost all the same."""
    report = described("FAILED")

    assert (report.written, report.quarantined) == (0, {})
    assert report.usd == pytest.approx(0.022)


def test_a_run_without_a_summary_says_where_to_look():
    """Its own lines, and its traceback, are in the output."""
    whole = cloud(FakeGlue("FAILED"))
    whole.s3 = FakeS3()
    with pytest.raises(JobError, match=r"jr_1 \(FAILED\) left no summary.*tail_log\(cloud, run\)"):
        refine.run_summary(whole, refine.get_run(whole, "jr_1"))


def test_a_summary_that_cannot_be_read_is_none(caplog):
    """The run is described all the same; the log names the object."""
    whole = cloud(FakeGlue("FAILED"))
    nested = SimpleNamespace(read=lambda: b"[" * 200_000)
    whole.s3 = SimpleNamespace(get_object=lambda **_: {"Body": nested})
    assert refine.describe(whole, refine.get_run(whole, "jr_1")).written == 0
    assert "is no summary of a run" in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        '{"rows_read": "many"}', '{"partitions_written": null}', '{"seconds": [1.5]}',
        '{"seconds": {"read": "long"}}', '{"quarantined": {"raw/x": 7}}', '{"batch_ids": "b1"}',
        '{"batch_ids": [["b1"]]}', '{"set_aside": ["b1"]}', '{"quarantined": {"raw/x": "\\ud800"}}',
        '{"partitions_read": true}', "7", "[7]",
    ],
)  # fmt: skip
def test_a_summary_of_other_types_is_none(caplog, wrong):
    """A figure that is a text would end in a traceback where it is shown."""
    report = described("SUCCEEDED", wrong)
    assert str(report).encode()
    assert (report.rows, report.quarantined, report.steps) == (0, {}, {})
    assert "is no summary of a run" in caplog.text


class Ended(FakeGlue):
    """A Glue whose run ended at a given time."""

    def get_job_run(self, JobName, RunId):  # noqa: N803 - boto3's own spelling
        run = super().get_job_run(JobName, RunId)["JobRun"]
        ended = {"CompletedOn": ENDED} if run["JobRunState"] in refine.FINAL_STATES else {}
        return {"JobRun": run | ended | {"ErrorMessage": "RefineError: no such table"}}


ENDED = STARTED + dt.timedelta(seconds=90)
LAST = "10:02:00 summary: s3://raw/refined/b3/_runs/jr_1.json"


def after(seconds):
    """Return a clock that says how long ago the run ended."""
    return lambda: ENDED + dt.timedelta(seconds=seconds)


def test_a_followed_run_tells_its_states_and_its_lines():
    """Each state once, each line once, though several come in one event, and after the end."""
    whole = cloud(Ended("STARTING", "RUNNING", "RUNNING", "SUCCEEDED"))
    whole.logs = FakeLogs([], [], ["a\nb"], ["a\nb"], ["a\nb", "c", LAST])

    told = list(refine.follow_run(whole, "jr_1", sleep=lambda _: None, now=after(1)))

    assert told == [
        "run jr_1 is STARTING",
        "run jr_1 is RUNNING",
        "a",
        "b",
        "run jr_1 is SUCCEEDED",
        "c",
        LAST,
    ]


def test_lines_that_never_come_are_waited_for_a_minute():
    """A follower of a run whose log was lost ends all the same."""
    whole = cloud(Ended("SUCCEEDED"))
    whole.logs = FakeLogs(["a"])
    assert list(refine.follow_run(whole, "jr_1", now=after(61)))[-1] == "a"


def test_the_end_of_a_log_is_waited_for():
    """The traceback of a run that has just failed comes late: the last line is its error."""
    whole = cloud(Ended("FAILED"))
    whole.logs = FakeLogs([], ["Traceback"], ["Traceback\nRefineError: no such table"])
    run = refine.get_run(whole, "jr_1")

    tail = refine.tail_log(whole, run, lines=1, sleep=lambda _: None, now=after(1))

    assert tail.lines == ("RefineError: no such table",)


@pytest.mark.parametrize(
    ("state", "error", "lines"),
    [
        ("FAILED", "Command failed with exit code 137", ("out of memory",)),
        ("STOPPED", "", ()),
    ],
)
def test_a_run_that_failed_without_an_error_of_its_own_has_its_lines_waited_for(
    state, error, lines
):
    """Ten seconds after its end nothing is there yet; whoever stopped a run waits for nothing."""
    run = refine.JobRun("jr_1", "refine", state, STARTED, ENDED, error=error)
    whole = cloud(FakeGlue(state))
    whole.logs = FakeLogs([], [], ["out of memory"])

    tail = refine.tail_log(whole, run, sleep=lambda _: None, now=after(10))

    assert tail.lines == lines
