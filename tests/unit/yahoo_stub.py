"""A stand-in for Yahoo Finance on 127.0.0.1, for the real yfinance library."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from b3pipeline.sources.yahoo.client import YahooSession
from b3pipeline.sources.yahoo.retry import Patience

ZONE = ZoneInfo("America/Sao_Paulo")


@dataclass(frozen=True)
class Answer:
    """One answer of the server: status and body, after `delay` seconds, cut off or whole.

    One that is `cut` promises its whole length, sends half, and closes the connection.
    """

    status: int = 200
    body: str = ""
    delay: float = 0.0
    cut: bool = False


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


def refusal(status: int, code: str, reason: str) -> Answer:
    """Return an answer of the chart that holds nothing but Yahoo's reason."""
    error = {"code": code, "description": reason}
    return Answer(status, json.dumps({"chart": {"result": None, "error": error}}))


NOT_FOUND = refusal(404, "Not Found", "No data found, symbol may be delisted")
TOO_MANY = Answer(429, "Too Many Requests\r\n")
BUSY = Answer(503, "Service Unavailable")
MAINTENANCE = Answer(200, "<html><body>Will be right back...</body></html>")
BAD_CRUMB = Answer(
    401,
    json.dumps(
        {"finance": {"result": None, "error": {"code": "x", "description": "Invalid Crumb"}}}
    ),
)


def no_data(start: int, end: int) -> Answer:
    """Return what Yahoo says of a known ticker in a range without quotes."""
    reason = f"Data doesn't exist for startDate = {start}, endDate = {end}"
    return refusal(400, "Bad Request", reason)


def without_quotes(symbol: str) -> Answer:
    """Return what Yahoo says of a symbol that it keeps, renamed or suspended: nothing but meta."""
    whole = json.loads(chart(symbol, []).body)
    del whole["chart"]["result"][0]["timestamp"]
    whole["chart"]["result"][0]["indicators"] = {"quote": [{}], "adjclose": [{}]}
    return Answer(200, json.dumps(whole))


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


class StubSession(YahooSession):
    """The source's own session, but it finds Yahoo at the stub and refuses every other host."""

    def __init__(self, url: str, limit: float = 10) -> None:
        super().__init__(limit)
        self._stub_url = url

    def request(self, method, url, *args, **kwargs):
        """Send the request to the stub, whatever host of Yahoo it was meant for."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host != "yahoo.com" and not host.endswith(".yahoo.com"):
            raise AssertionError(f"a request left the machine: {url}")
        kwargs["allow_redirects"] = False  # a redirect could lead elsewhere unseen
        return super().request(method, f"{self._stub_url}{parts.path}", *args, **kwargs)


@dataclass
class Waiting:
    """A clock and a sleep for `Patience` that cost no time: sleeping moves the clock."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Note the pause, and let that much time pass."""
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, **settings) -> Patience:
        """Return a patience by this clock; its pauses are whole, none is cut at random."""
        return Patience(timer=lambda: self.now, sleep=self.sleep, draw=lambda: 0.0, **settings)


@dataclass
class YahooStub:
    """What the server answers, and what it was asked.

    `answers` holds a list for each symbol: each request takes the next, the last one stays.
    yfinance repeats a request at once that fails by its status: so a failure of one attempt is
    two answers here. A symbol without answers is unknown. `crumbs` are lists of that kind too. A
    chart asked for with a crumb that was never given is refused. `asked` lists (path, query) of
    the charts requested; `most` is how many were under way at once.
    """

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    cookie: Answer = Answer(404, "{}")
    crumbs: list[Answer] = field(default_factory=lambda: [Answer(200, "crumb")])
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    latency: float = 0.0
    most: int = 0
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def session(self, limit: float = 10) -> StubSession:
        """Return a session for yfinance that ends here and waits `limit` seconds at most."""
        return StubSession(self.url, limit)

    def symbols(self) -> list[str]:
        """Return the symbols of the charts requested, in order."""
        return [path.rpartition("/")[2] for path, _ in self.asked]

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """Return the answer to one request."""
        with self._lock:
            if path.endswith("/getcrumb"):
                return _next(self.crumbs)
            if path in ("", "/"):
                return self.cookie
            if not path.startswith("/v8/finance/chart/"):
                return Answer(404, "{}")
            self.asked.append((path, query))
            if query.get("crumb", "crumb") != "crumb":
                return BAD_CRUMB
            given = _next(self.answers.get(path.rpartition("/")[2], [NOT_FOUND]))
            return replace(given, delay=given.delay + self.latency)

    @contextmanager
    def counted(self):
        """Count a request as under way."""
        with self._lock:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1


def _next(waiting: list[Answer]) -> Answer:
    return waiting.pop(0) if len(waiting) > 1 else waiting[0]


class Serving(ThreadingHTTPServer):
    """A server on a free port that speaks for a stub, and then for another."""

    daemon_threads = True
    stub: YahooStub

    def speak_for(self, stub: YahooStub) -> YahooStub:
        """Return the stub, whose answers are given from now on."""
        stub.url = f"http://127.0.0.1:{self.server_port}"
        self.stub = stub
        return stub


def serve() -> Serving:
    """Return a server that listens and speaks for a stub of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True  # a small packet would wait 40 ms for the one before it

        def do_GET(self):
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            stub = self.server.stub
            with stub.counted():
                answer = stub.answer(parts.path, query)
                time.sleep(answer.delay)
            body = answer.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if answer.cut else body)
            self.close_connection = answer.cut

        def log_message(self, *_):
            pass

    server = Serving(("127.0.0.1", 0), Handler)
    server.speak_for(YahooStub())
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server
