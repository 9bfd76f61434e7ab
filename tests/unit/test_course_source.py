"""`make tutorial SOURCE=…`: real quotes in one word, or a sentence within a minute."""

import socket
import threading
import time

import pytest

from b3pipeline.course import quotes, tutorial
from b3pipeline.course.parameters import read
from b3pipeline.errors import ConfigError, SourceError
from b3pipeline.sources import open_source
from b3pipeline.sources.cotahist import write_cotahist

NOTEBOOKS = tutorial.project_root() / "notebooks"


class Silent:
    """A source that never answers."""

    def __init__(self, **options):
        self.gate = threading.Event()

    def fetch(self, *asked):
        self.gate.wait(30)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a file of the exchange's form, over ten months of two tickers."""
    folder = tmp_path_factory.mktemp("files")
    asked = (["PETR4", "VALE3"], quotes.parse_date("2023-06-01"), quotes.parse_date("2024-03-28"))
    write_cotahist(open_source("sample").fetch(*asked).frame, folder)
    return folder


def test_the_simulated_market_is_not_asked():
    """Nor is one of another seed: both need no network."""
    quotes.check_source("sample", "PETR4", "2024-06-28", open_=None)
    quotes.check_source("sample:41", "PETR4", "2024-06-28", open_=None)


def test_a_source_that_does_not_answer_is_named_in_time_with_the_others():
    """The limit holds, however long the source itself would wait."""
    began = time.monotonic()
    with pytest.raises(SourceError, match="yahoo cannot be had now: no answer in 0 s") as caught:
        quotes.check_source(
            "yahoo", "PETR4", "2024-06-28", limit=0.2, open_=lambda n, **o: Silent()
        )
    assert time.monotonic() - began < 5
    assert "SOURCE=cotahist" in caught.value.hint
    assert "simulated" in caught.value.hint
    assert "SOURCE=yahoo" not in caught.value.hint


def test_a_server_of_the_exchange_that_refuses_connections_is_said():
    """The exchange's files are large: its server is knocked at, and nothing is fetched."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(SourceError, match="cotahist cannot be had now") as caught:
        quotes.check_source("cotahist", "PETR4", "2024-06-28", base_url=f"http://127.0.0.1:{port}/")
    assert "SOURCE=yahoo" in caught.value.hint


def test_files_of_ones_own_need_no_network(files):
    """The last session of the range is asked for, in the files."""
    quotes.check_source("cotahist", "PETR4,VALE3", "2024-03-28", path=str(files))
    with pytest.raises(SourceError, match="cotahist cannot be had now"):
        quotes.check_source("cotahist", "PETR4", "2020-03-31", path=str(files))


def test_the_window_of_files_is_their_last_half_year(files):
    """2024-03-28 was their last session; 181 days before it is a Friday."""
    window = quotes.window_of_files(str(files), "PETR4,VALE3")
    assert window == {"start": "2023-09-29", "end": "2024-03-28"}
    assert quotes.window_of_files(str(files), "WEGE3") == {}


def test_a_course_on_files_takes_their_window(files):
    """A date that is given stays as it is given."""
    paths = sorted(NOTEBOOKS.glob("0*.ipynb"))
    given = {"source": "cotahist", "path": str(files)}
    found = tutorial.from_source(dict(given), paths)
    assert (found["start"], found["end"]) == ("2023-09-29", "2024-03-28")
    own = tutorial.from_source({**given, "start": "2024-03-01", "end": "2024-03-28"}, paths)
    assert (own["start"], own["end"]) == ("2024-03-01", "2024-03-28")


def test_a_path_is_checked_with_the_other_parameters(files):
    """What is not there is said; what is there reaches the source."""
    with pytest.raises(ConfigError, match=r"path: there is nothing at .*nowhere"):
        read(source="cotahist", path="nowhere")
    assert read(source="cotahist", path=str(files)).options == {"path": str(files)}
    assert read(source="yahoo", path="").options == {}
