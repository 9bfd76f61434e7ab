"""The whole course, as `make tutorial` runs it, in a checkout of its own."""

import re

import nbformat
import pytest

from b3pipeline.deployment import provision, sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOTEBOOKS = [
    "01_provisioning_check",
    "02_ingestion",
    "03_glue_refine",
    "04_athena_analysis",
    "05_when_it_breaks",
    "06_teardown",
]


def test_the_course_runs_to_its_end(course):
    """Exit code 0, and the last lines say what was made and where to look."""
    assert course.answer.returncode == 0, course.answer.stderr[-3000:]
    assert str(course.report) in course.answer.stdout


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_each_executed_notebook_is_whole(course, name):
    """Every code cell ran, in order, and none left an error."""
    notebook = nbformat.read(course.executed / f"{name}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]


def test_a_headless_run_solves_the_exercises(course):
    """Eleven verdicts, each of them a tick: the solutions in the notebooks are right."""
    texts = [
        output.data["text/plain"]
        for name in NOTEBOOKS
        for cell in nbformat.read(course.executed / f"{name}.ipynb", as_version=4).cells
        if "check" in cell.metadata.get("tags", [])
        for output in cell.outputs
    ]
    assert [text[0] for text in texts] == ["✔"] * 11


def test_the_faults_of_notebook_05_leave_nothing(course):
    """Its buckets, database and student are gone; what stands is the course's own."""
    cloud = course.cloud
    buckets = {bucket["Name"] for bucket in cloud.s3.list_buckets()["Buckets"]}
    assert buckets == {cloud.config.raw_data_bucket, cloud.config.athena_results_bucket}
    databases = {each["Name"] for each in cloud.glue.get_databases()["DatabaseList"]}
    assert not any("drill" in name for name in databases)
    assert cloud.client("iam").list_users()["Users"] == []


def test_the_evidence_of_the_course_is_green(course):
    """Every requirement of edition B is kept, and the page for the hand-in is written."""
    answer = course.run("b3pipeline.cli", "evidence", "--edition", "B")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("✔") == 9
    assert (course.root / "build" / "evidence" / "index.html").is_file()


def test_a_cut_event_makes_the_evidence_red(course):
    """Exit code 3, the requirement, and the command that mends it."""
    cloud = course.cloud
    bucket = cloud.config.raw_data_bucket
    cloud.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        answer = course.run("b3pipeline.cli", "evidence", "--edition", "B", "--out", "build/red")
    finally:
        provision.ensure_notification(cloud)
    assert answer.returncode == 3, answer.stderr
    assert "✘ R3" in answer.stdout
    assert "Try: b3 local up" in answer.stdout


def test_the_time_of_every_stage_is_said(course):
    """A slow course names what was slow: the kernel or the cells, notebook by notebook."""
    stages = dict(re.findall(r"^  (\S.*?)  +([\d.]+) s$", course.answer.stdout, re.MULTILINE))
    wanted = [f"{name}: {part}" for name in NOTEBOOKS for part in ("kernel", "cells")]
    assert [name for name in (*wanted, "report") if name not in stages] == []
    assert all(float(seconds) >= 0 for seconds in stages.values())


def test_the_report_has_the_plots_of_the_analysis(course):
    """One page, with every notebook and at least four plots, labelled as simulated."""
    page = course.report.read_text()
    assert page.count("data:image/") >= 13
    assert all(f'id="{name}"' in page for name in NOTEBOOKS)
    assert "simulated" in page


def test_the_report_has_the_figures_of_the_run(course):
    """Objects, runs, queries and their price, and how the time was spent."""
    page = course.report.read_text()
    wanted = ["bronze objects", "Spark runs", "Athena queries", "on AWS this costs", "kernel"]
    assert [label for label in wanted if label not in page] == []


def test_a_failing_cell_stops_the_course(checkout, clean_environment, run_in):
    """Exit code 1; notebook, cell and error are named; the partial notebook stays, alone."""
    earlier = [
        checkout / "build" / "notebooks" / "02_ingestion.ipynb",
        checkout / "build" / "report" / "index.html",
    ]
    for left in earlier:
        left.parent.mkdir(parents=True)
        left.write_text("of an earlier run")
    path = checkout / "notebooks" / "01_provisioning_check.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(3, nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(notebook, path)
    sandbox.up(root=checkout, port=0)
    answer = run_in(checkout, clean_environment(checkout), "b3pipeline.cli", "tutorial")
    assert answer.returncode == 1
    assert "01_provisioning_check.ipynb" in answer.stderr
    assert "ZeroDivisionError" in answer.stderr
    assert (checkout / "build" / "notebooks" / "01_provisioning_check.ipynb").is_file()
    assert not any(left.exists() for left in earlier)
