"""The last notebook removes what the course made: it runs last, for the others look at that."""

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def torn_down(course):
    """The course's checkout after notebook 06, which this time removes."""
    return course.run("b3pipeline.cli", "tutorial", "--only", "06", "--out", "build/last")


def test_the_teardown_runs_to_its_end(torn_down):
    """Its checks prove to the reader what the next test proves to us."""
    assert torn_down.returncode == 0, torn_down.stderr[-3000:]


def test_the_course_leaves_no_process_and_no_state(course, torn_down):
    """Its last notebook removes the local AWS; what it made for the reader stays."""
    assert not (course.root / ".localaws").exists()
    left = [
        candidate.pid
        for candidate in psutil.process_iter(["cmdline"])
        if str(course.root) in " ".join(candidate.info["cmdline"] or ())
    ]
    assert left == []
    assert course.report.is_file()
