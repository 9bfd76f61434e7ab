"""A stand-in for the exchange's web server on 127.0.0.1, which plays its bad days."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Play:
    """How one request is answered.

    `cut`: bytes sent before the connection breaks; `claims`: the length that is promised instead
    of the true one; `ranges`: whether a request for a part gets a part; `tag`:
    the version of the file.
    """

    status: int = 200
    cut: int | None = None
    claims: int | None = None
    ranges: bool = True
    tag: str = '"of today"'
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class ExchangeStub:
    """What the server holds, how it answers, and what it was asked.

    `plays` holds a list for each name: each request takes the next, then all goes well. `asked`
    lists (name, Range header) of every request, `sent` the bytes of each answer with a file.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    plays: dict[str, list[Play]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)

    def play(self, name: str) -> Play:
        """Return how the next request for a file is answered."""
        waiting = self.plays.get(name)
        return waiting.pop(0) if waiting else Play(200 if name in self.files else 404)


def serve() -> tuple[ExchangeStub, ThreadingHTTPServer]:
    """Return a stub and the server that speaks for it, listening on a free port."""
    stub = ExchangeStub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            name = self.path.rpartition("/")[2]
            wanted = self.headers.get("Range")
            stub.asked.append((name, wanted))
            play = stub.play(name)
            body = stub.files.get(name, b"") if play.status == 200 else b"<html>sorry</html>"
            start = 0
            if play.status == 200 and wanted and play.ranges:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                start = start if self.headers.get("If-Range") == play.tag else 0
            if start and start >= len(body):
                self.send_error(416)
                return
            part = body[start:]
            sent = part if play.cut is None else part[: play.cut]
            if play.status == 200:  # noted before the client can have it, and look
                stub.sent.append(len(sent))
            self.send_response(206 if start else play.status)
            self.send_header("ETag", play.tag)
            for header in play.headers:
                self.send_header(*header)
            self.send_header("Content-Length", str(play.claims or len(part)))
            self.end_headers()
            self.wfile.write(sent)
            self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_port}/InstDados/SerHist/"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return stub, server
