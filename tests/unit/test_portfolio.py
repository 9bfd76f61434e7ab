"""The portfolio of an index, from a page on 127.0.0.1 that answers as the exchange's does."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from b3pipeline.cli import app
from b3pipeline.errors import ConfigError, SourceError
from b3pipeline.names import normalise_ticker
from b3pipeline.sources import portfolio as portfolios

ROWS = [
    {"segment": None, "cod": "ALOS3", "asset": "ALLOS       ", "type": "ON  ED  NM",
     "part": "0,490", "partAcum": None, "theoricalQty": "476.976.044"},
    {"segment": None, "cod": "PETR4", "asset": "PETROBRAS", "type": "PN      N2",
     "part": "41,010", "partAcum": None, "theoricalQty": "4.410.960.450"},
    {"segment": None, "cod": "VALE3", "asset": "VALE", "type": "ON      NM",
     "part": "58,500", "partAcum": None, "theoricalQty": "3.688.870.616"},
]  # fmt: skip
HEADER = {"date": "24/11/26", "text": "Quantidade Teórica Total", "part": "100,000",
          "partAcum": None, "textReductor": "Redutor", "reductor": "14.469.518,97844297",
          "theoricalQty": "8.576.807.110"}  # fmt: skip


class Page:
    """What the stub answers, page by page, and what it was asked."""

    def __init__(self):
        self.pages = [ROWS]
        self.header = HEADER
        self.status, self.body, self.asked = 200, None, []
        self.records = len(ROWS)

    def answer(self, asked):
        """Return the body for one question."""
        self.asked.append(asked)
        if self.body is not None:
            return self.body
        number = asked["pageNumber"]
        page = {"pageNumber": number, "pageSize": asked["pageSize"],
                "totalRecords": self.records, "totalPages": len(self.pages)}  # fmt: skip
        content = {"page": page, "header": self.header, "results": self.pages[number - 1]}
        return json.dumps(content).encode()


@pytest.fixture
def page():
    """The page, served on a free port for one test."""
    held = Page()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = json.loads(base64.b64decode(self.path.rpartition("/")[2]))
            body = held.answer(asked)
            self.send_response(held.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    held.url = f"http://127.0.0.1:{server.server_port}/GetPortfolioDay/"
    yield held
    server.shutdown()
    server.server_close()


def test_the_page_gives_tickers_with_their_weights(page):
    """Commas are decimals, the header's total is no share, the largest weight comes first."""
    found = portfolios.portfolio("ibov", page=page.url)
    assert [(member.ticker, member.weight) for member in found.members] == [
        ("VALE3", 58.5),
        ("PETR4", 41.01),
        ("ALOS3", 0.49),
    ]
    assert (found.index, str(found.date), found.origin) == (
        "IBOV",
        "2026-11-24",
        "from B3's own page",
    )
    assert page.asked[0] == {"language": "pt-br", "pageNumber": 1, "pageSize": 120,
                             "index": "IBOV", "segment": "1"}  # fmt: skip
    assert str(found).splitlines()[1] == "VALE3    58.500%  VALE"


def test_a_portfolio_of_several_pages_is_read_whole(page):
    """An index of more shares than a page holds."""
    page.pages = [ROWS[:2], ROWS[2:]]
    assert set(portfolios.portfolio("IBOV", page=page.url).tickers) == {"ALOS3", "PETR4", "VALE3"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda page: setattr(page, "status", 503),
        lambda page: setattr(page, "body", b"<html>sorry</html>"),
        lambda page: setattr(page, "body", b"[]"),
        lambda page: setattr(page, "pages", [ROWS[:2]]),
        lambda page: setattr(page, "pages", [[]]),
        lambda page: setattr(page, "header", HEADER | {"part": "99,000"}),
        lambda page: setattr(page, "pages", [[*ROWS[:2], ROWS[2] | {"part": "38,500"}]]),
        lambda page: setattr(page, "pages", [[*ROWS[:2], ROWS[2] | {"part": "nan"}]]),
        lambda page: setattr(page, "pages", [[*ROWS[:2], ROWS[2] | {"cod": "TOTAL"}]]),
        lambda page: setattr(page, "header", HEADER | {"date": None}),
        lambda page: setattr(page, "header", HEADER | {"date": "11/24/26"}),
    ],
    ids=["503", "html", "list", "cut", "empty", "total", "sum", "nan", "code", "date", "month"],
)
def test_a_page_that_is_not_right_gives_the_kept_copy_with_its_origin(page, spoil, caplog):
    """Nothing of a wrong page is used, and the copy says what it is."""
    spoil(page)
    found = portfolios.portfolio("IBOV", page=page.url)
    assert len(found.tickers) == 84
    assert "by hand" in found.origin
    assert "kept copy of 2025-11-25 is used" in caplog.text
    with pytest.raises(SourceError):
        portfolios.portfolio("SMLL", page=page.url)


def test_the_kept_copy_holds_codes_of_the_exchange_and_no_weights():
    """Weights change daily: none is better than an old one."""
    kept = portfolios.kept_portfolio("IBOV")
    assert [normalise_ticker(ticker) for ticker in kept.tickers] == list(kept.tickers)
    assert {member.weight for member in kept.members} == {None}
    assert {"PETR4", "VALE3", "ITUB4"} <= set(kept.tickers)


def test_an_index_among_tickers_is_replaced_by_its_members(page):
    """Each ticker once, in the order of the list."""
    asked = portfolios.expand(["ITUB4", "IBOV", "PETR4"], page=page.url)
    assert asked == ("ITUB4", "VALE3", "PETR4", "ALOS3")


@pytest.mark.parametrize("text", ["", "IBOV3", "IBO", "índice"])
def test_what_is_no_index_is_named(text):
    """Before anything is asked."""
    with pytest.raises(ConfigError, match="is no index of B3"):
        portfolios.portfolio(text, page="http://127.0.0.1:1/")


def test_the_command_line_shows_it_and_ingests_an_index(page, monkeypatch, capsys):
    """`b3 tickers` prints the portfolio, `--codes` what `--tickers` takes."""
    monkeypatch.setenv("B3_INDEX_PAGE", page.url)
    run = CliRunner().invoke
    assert "IBOV of 2026-11-24, 3 shares" in run(app, ["tickers", "--index", "IBOV"]).stdout
    assert run(app, ["tickers", "--codes"]).stdout.strip() == "VALE3,PETR4,ALOS3"
