"""A stand-in for Yahoo Finance on 127.0.0.1, for the real yfinance library."""

from __future__ import annotations

import datetime as dt
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from curl_cffi import requests

ZONE = ZoneInfo("America/Sao_Paulo")


@dataclass(frozen=True)
class Answer:
    """One answer of the server: status and body."""

    status: int = 200
    body: str = ""


@dataclass(frozen=True)
class Bar:
    """One bar as Yahoo sends it: prices with the noise of 32-bit floats, or None."""

    at: dt.datetime
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    adj_close: float | None
    volume: int | None


NOT_FOUND = Answer(
    404,
    json.dumps(
        {
            "chart": {
                "result": None,
                "error": {
                    "code": "Not Found",
                    "description": "No data found, symbol may be delisted",
                },
            }
        }
    ),
)
TOO_MANY = Answer(429, "Too Many Requests\r\n")


def no_data(start: int, end: int) -> Answer:
    """Return what Yahoo says of a known ticker in a range without quotes."""
    reason = f"Data doesn't exist for startDate = {start}, endDate = {end}"
    error = {"code": "Bad Request", "description": reason}
    return Answer(400, json.dumps({"chart": {"result": None, "error": error}}))


def day(text: str) -> dt.datetime:
    """Return the opening of a session, 10:00 São Paulo, at which Yahoo dates a daily bar."""
    return at(f"{text} 10:00")


def at(text: str) -> dt.datetime:
    """Return a moment written in São Paulo time."""
    return dt.datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=ZONE)


def chart(symbol: str, bars: list[Bar], *, interval: str = "1d", events: dict | None = None):
    """Return Yahoo's chart of `symbol`, as `v8/finance/chart` answers it."""
    stamps = [int(bar.at.timestamp()) for bar in bars]
    quote = {
        name: [getattr(bar, name) for bar in bars]
        for name in ("open", "high", "low", "close", "volume")
    }
    indicators = {"quote": [quote]}
    meta = {
        "currency": "BRL",
        "symbol": symbol,
        "exchangeName": "SAO",
        "instrumentType": "EQUITY",
        "exchangeTimezoneName": "America/Sao_Paulo",
        "timezone": "BRT",
        "gmtoffset": -10800,
        "priceHint": 2,
        "dataGranularity": interval,
        "validRanges": ["1d", "5d", "1mo", "max"],
    }
    if interval == "1d":
        indicators["adjclose"] = [{"adjclose": [bar.adj_close for bar in bars]}]
    else:
        meta["tradingPeriods"] = [[_period(text)] for text in sorted({f"{b.at:%F}" for b in bars})]
    result = {"meta": meta, "timestamp": stamps, "indicators": indicators}
    if events:
        result["events"] = events
    return Answer(200, json.dumps({"chart": {"result": [result], "error": None}}))


def _period(text: str) -> dict:
    start, end = at(f"{text} 10:00"), at(f"{text} 17:00")
    return {
        "timezone": "BRT",
        "start": int(start.timestamp()),
        "end": int(end.timestamp()),
        "gmtoffset": -10800,
    }


class StubSession(requests.Session):
    """A curl_cffi session that finds Yahoo at the stub, and refuses every other host."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._stub_url = url

    def request(self, method, url, *args, **kwargs):
        """Send the request to the stub, whatever host of Yahoo it was meant for."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host != "yahoo.com" and not host.endswith(".yahoo.com"):
            raise AssertionError(f"a request left the machine: {url}")
        return super().request(method, f"{self._stub_url}{parts.path}", *args, **kwargs)


@dataclass
class YahooStub:
    """What the server answers, and what it was asked.

    `answers` holds a list for each symbol: each request takes the next, the last one stays.
    A symbol without answers is unknown. `asked` lists (path, query) of the charts requested.
    """

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    crumb: Answer = Answer(200, "crumb")
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def session(self) -> StubSession:
        """Return a session for yfinance that ends here."""
        return StubSession(self.url)

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """Return the answer to one request."""
        if path.endswith("/getcrumb"):
            return self.crumb
        if not path.startswith("/v8/finance/chart/"):
            return Answer(404, "{}")
        self.asked.append((path, query))
        waiting = self.answers.get(path.rpartition("/")[2], [NOT_FOUND])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


def serve() -> tuple[YahooStub, ThreadingHTTPServer]:
    """Return a stub and the server that speaks for it, listening on a free port."""
    stub = YahooStub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            answer = stub.answer(parts.path, query)
            body = answer.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return stub, server
