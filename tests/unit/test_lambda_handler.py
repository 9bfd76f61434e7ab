"""The Lambda that starts one Glue run a manifest."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from b3pipeline import names

SOURCE = Path(__file__).parents[2] / "src/lambda/start_glue_job/handler.py"
JOB = "tech_challenge2_dev_refine_job"
BUSY = "ConcurrentRunsExceededException"


@pytest.fixture
def lambda_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The handler, loaded from its one file as AWS loads it."""
    monkeypatch.setenv("GLUE_JOB_NAME", JOB)
    spec = importlib.util.spec_from_file_location("handler", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class FakeContext:
    """Lambda's context: the time that is left, which passes with each pause."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self.pauses: list[float] = []

    def get_remaining_time_in_millis(self) -> int:
        return int(self.left * 1000)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.left -= seconds


CONTEXT = FakeContext(10.5)  # no time for a second try


class FakeGlue:
    """A Glue that counts its runs, and refuses the manifests that it is told to, so many times."""

    def __init__(self, refuse: str | None = None, times: int = 99, code: str = BUSY) -> None:
        self.refuse = refuse
        self.times = times
        self.code = code
        self.calls: list[dict[str, Any]] = []

    def start_job_run(self, **request: Any) -> dict[str, str]:
        self.calls.append(request)
        if self.refuse and self.refuse in request["Arguments"]["--batch_manifest"] and self.times:
            self.times -= 1
            raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "StartJobRun")
        return {"JobRunId": f"jr_{len(self.calls)}"}


def event(*keys: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """Return an S3 event with one record a key."""
    return {
        "Records": [
            {"eventName": name, "s3": {"bucket": {"name": "raw"}, "object": {"key": key}}}
            for key in keys
        ]
    }


def manifests(glue: FakeGlue) -> list[str]:
    """Return the manifests that runs were asked for, in order."""
    return [call["Arguments"]["--batch_manifest"] for call in glue.calls]


def test_a_manifest_starts_one_run_with_its_address(lambda_module):
    """The run gets the manifest's address, and the caller its id."""
    glue = FakeGlue()

    answer = lambda_module.handler(event("raw/b3/_batches/b1.json"), CONTEXT, glue=glue)

    assert answer == {"started": ["jr_1"]}
    assert glue.calls == [
        {
            "JobName": JOB,
            "Arguments": {"--batch_manifest": "s3://raw/raw/b3/_batches/b1.json"},
            "JobRunQueuingEnabled": True,
        }
    ]


def test_every_record_of_an_event_is_started(lambda_module):
    """An event may carry several records: one run each."""
    glue = FakeGlue()

    lambda_module.handler(
        event("raw/b3/_batches/b1.json", "raw/b3/_batches/b2.json"), CONTEXT, glue=glue
    )

    assert manifests(glue) == [
        "s3://raw/raw/b3/_batches/b1.json",
        "s3://raw/raw/b3/_batches/b2.json",
    ]


def test_an_encoded_key_is_decoded(lambda_module):
    """S3 writes a space as + and a plus sign as %2B."""
    glue = FakeGlue()

    lambda_module.handler(event("raw/b3/_batches/my+batch%2B1.json"), CONTEXT, glue=glue)

    assert manifests(glue) == ["s3://raw/raw/b3/_batches/my batch+1.json"]


@pytest.mark.parametrize(
    "key",
    [
        "raw/b3/dt=2024-01-02/ticker=PETR4/data.parquet",
        "raw/b3/_batches/b1.parquet",
        "raw/b3/_batches/old/b1.json",
        "refined/b3/_batches/b1.json",
        "raw/b3/_batches/",
    ],
)
def test_what_is_no_manifest_is_ignored_and_logged(lambda_module, key, caplog):
    """Only raw/b3/_batches/*.json starts anything."""
    glue = FakeGlue()

    assert lambda_module.handler(event(key), CONTEXT, glue=glue) == {"started": []}
    assert glue.calls == []
    assert key in caplog.text


def test_a_removed_manifest_starts_nothing(lambda_module):
    """Teardown deletes manifests: no run may come of it."""
    glue = FakeGlue()

    gone = event("raw/b3/_batches/b1.json", name="ObjectRemoved:Delete")

    assert lambda_module.handler(gone, CONTEXT, glue=glue) == {"started": []}


def test_the_test_event_of_s3_starts_nothing(lambda_module):
    """S3 sends an event without records when a notification is set up."""
    test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "raw"}

    assert lambda_module.handler(test_event, CONTEXT, glue=FakeGlue()) == {"started": []}


def test_a_refused_start_is_raised_for_aws_to_retry(lambda_module):
    """A Lambda that swallows its error is never retried."""
    with pytest.raises(ClientError, match=BUSY):
        lambda_module.handler(event("raw/b3/_batches/b1.json"), CONTEXT, glue=FakeGlue(refuse="b1"))


def test_the_other_records_are_started_before_a_failure_is_raised(lambda_module, caplog):
    """One refused manifest does not hold the others back."""
    glue = FakeGlue(refuse="b1")
    two = event("raw/b3/_batches/b1.json", "raw/b3/_batches/b2.json")

    with pytest.raises(ClientError, match=BUSY):
        lambda_module.handler(two, CONTEXT, glue=glue)

    assert "started run jr_2" in caplog.text


def test_a_start_right_after_the_end_of_a_run_is_tried_again(lambda_module):
    """AWS counts an ended run for some seconds: pauses grow, with jitter, until it forgets it."""
    glue, context = FakeGlue(refuse="b1", times=3), FakeContext(60)

    answer = lambda_module.handler(
        event("raw/b3/_batches/b1.json"), context, glue=glue, sleep=context.sleep
    )

    assert answer == {"started": ["jr_4"]}
    first, second, third = context.pauses
    assert (0.5 <= first <= 1, 1 <= second <= 2, 2 <= third <= 4) == (True, True, True)


def test_a_start_that_stays_refused_is_raised_before_the_time_is_over(lambda_module):
    """A Lambda that is cut off says nothing: it keeps ten seconds, and AWS calls it again."""
    context = FakeContext(60)

    with pytest.raises(ClientError, match=BUSY):
        lambda_module.handler(
            event("raw/b3/_batches/b1.json"),
            context,
            glue=FakeGlue(refuse="b1"),
            sleep=context.sleep,
        )

    assert 10 <= context.left < 20


def test_another_refusal_is_not_tried_again(lambda_module):
    """A missing job is still missing a second later."""
    glue, context = FakeGlue(refuse="b1", code="EntityNotFoundException"), FakeContext(60)

    with pytest.raises(ClientError, match="EntityNotFoundException"):
        lambda_module.handler(event("raw/b3/_batches/b1.json"), context, glue=glue)

    assert len(glue.calls) == 1


def test_the_run_id_is_logged(lambda_module, caplog):
    """The log leads from the event to the run."""
    lambda_module.handler(event("raw/b3/_batches/b1.json"), CONTEXT, glue=FakeGlue())

    assert f"started run jr_1 of {JOB}" in caplog.text


def test_the_handler_and_the_package_mean_the_same_manifests(lambda_module):
    """The handler is one file and must repeat the prefix: the copies agree."""
    assert lambda_module.MANIFEST_PREFIX == names.MANIFEST_PREFIX
    assert lambda_module.MANIFEST_SUFFIX == names.MANIFEST_SUFFIX
