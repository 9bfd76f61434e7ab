"""A reader opens notebooks alone, restarts kernels, runs cells twice, and stays away overnight."""

import pytest

from b3pipeline.deployment import sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SMALL = 'tickers, end = "PETR4,VALE3", "2024-01-12"'
TWO = 'tickers, end = "PETR4,VALE3", "2024-02-29"'


@pytest.fixture(scope="module")
def desk(tmp_path_factory, new_checkout, clean_environment, free_port):
    """A checkout that nobody has used yet, and its environment; the tests below go on in it."""
    root = new_checkout(tmp_path_factory.mktemp("desk") / "checkout")
    yield root, clean_environment(root) | {"B3_PORT": str(free_port)}
    sandbox.down(root)


@pytest.fixture
def begin(desk, cut_event):
    """A reader who runs a notebook's first two cells, for two tickers and nine sessions."""

    def begin(reader):
        assert reader.cell("target: str").error == ""
        reader.run(SMALL)
        assert reader.cell("from b3pipeline").error == ""
        cut_event(desk[0])

    return begin


@pytest.fixture
def read(desk, open_notebook):
    """An opener of the desk's notebooks."""
    root, environment = desk

    def read(name):
        return open_notebook(root / "notebooks" / name, environment)

    return read


@pytest.mark.parametrize("name", ["03_glue_refine.ipynb", "04_athena_analysis.ipynb"])
def test_opened_alone_a_notebook_names_the_one_to_run_first(read, name):
    """It makes the local AWS, which is down; what it cannot make it says in two lines."""
    reader = read(name)
    reader.cell("target: str")
    answer = reader.cell("from b3pipeline")
    assert answer.error.startswith("StorageError: bronze holds no batch yet")
    assert len(answer.traceback) == 2
    assert answer.traceback[1].startswith("Try: run notebook 02 first")


def test_every_cell_of_the_ingestion_may_run_twice(read, desk, cut_event):
    """A put replaces an object whole; the partition made by hand is taken out again first."""
    reader = read("02_ingestion.ipynb")
    for source in reader.cells:
        for _ in range(2):
            answer = reader.run(source)
            assert answer.error == "", source
            if source.startswith("target: str"):
                reader.run(SMALL)
                break
        if "lesson.open_cloud" in source:
            cut_event(desk[0])


def test_a_restart_in_the_middle_loses_nothing(read, begin):
    """The cell says what is wrong in a sentence; from the top, all is still there."""
    reader = read("02_ingestion.ipynb")
    begin(reader)
    reader.restart()
    unknown = reader.cell("partition_counts")
    assert unknown.error.startswith("NameError")
    begin(reader)
    out_of_order = reader.cell("plots.completeness")
    assert out_of_order.traceback == (
        "NameError: this kernel knows no 'batch'.",
        "Try: is 'batch' misspelt? If not, run the cells above it first "
        "(Run > Run All Above Selected Cell): a new kernel is empty.",
    )
    assert reader.cell("batch = ingest.ingest(").error == ""
    assert reader.cell("plots.completeness").error == ""
    assert reader.run("len(held.frame)").shown == "18"


def test_a_night_away_costs_one_cell(read, begin, desk):
    """The machine was off: a query says so in two lines, and the opening cell mends it."""
    reader = read("02_ingestion.ipynb")
    begin(reader)
    assert reader.cell("batch = ingest.ingest(").error == ""
    sandbox.down(desk[0])
    by_query = reader.cell("partition_counts")
    assert by_query.error.startswith("QueryError")
    by_client = reader.run("cloud.s3.list_buckets()")
    for answer in (by_query, by_client):
        assert len(answer.traceback) == 2
        assert answer.traceback[1].startswith("Try: ")
    assert reader.cell("from b3pipeline").error == ""
    assert reader.cell("partition_counts").error == ""
    assert reader.run("len(held.frame)").shown == "18"


def test_every_cell_of_the_analysis_may_run_twice(course, open_notebook):
    """Its exercises untouched, as a reader leaves them at first."""
    reader = open_notebook(
        course.root / "notebooks" / "04_athena_analysis.ipynb", course.environment
    )
    for source in reader.cells:
        assert [reader.run(source).error for _ in range(2)] == ["", ""], source
        if source.startswith("target: str"):
            reader.run(TWO)
