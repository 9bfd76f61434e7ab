"""A proxy before the local AWS that writes down what passes, and can die on the way."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

READS = ("GetPartitions", "GetTable")


class Proxy(ThreadingHTTPServer):
    """Hands every request on to `endpoint_url`, one at a time, and keeps a line for each.

    With `writes_left` set, it dies when these are used up: the next write reaches the server
    half, then nothing passes any more, as if the run had been cut off. `on_death` is called then.
    """

    daemon_threads = True

    def __init__(self, endpoint_url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = urlsplit(endpoint_url).netloc
        self.lock = threading.Lock()
        self.requests: list[str] = []
        self.writes_left: int | None = None
        self.on_death: Callable[[], None] = lambda: None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def dead(self) -> bool:
        return self.writes_left is not None and self.writes_left < 0

    def writes(self) -> list[str]:
        """Return the lines of the requests that change something."""
        return [line for line in self.requests if is_write(line)]

    def close(self) -> None:
        self.shutdown()
        self.server_close()


def is_write(line: str) -> bool:
    """Return whether a request changes something."""
    verb = line.split()[0]
    return verb not in ("GET", "HEAD", *READS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body would wait 40 ms for its head's confirmation
    server: Proxy

    def _pass_on(self) -> None:
        body = self._body()
        target = self.headers.get("x-amz-target", "").rpartition(".")[2]
        line = target or f"{self.command} {self.path}"
        with self.server.lock:
            if self.server.writes_left is not None and is_write(line) and not self.server.dead:
                self.server.writes_left -= 1
                if self.server.dead:
                    self._send_half(body)
                    self.server.on_death()
            if self.server.dead:
                self.close_connection = True
                return
            self.server.requests.append(line)
            self._answer(body)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        del self.headers["transfer-encoding"]
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        body = b"".join(chunks)
        self.headers["content-length"] = str(len(body))
        return body

    def _answer(self, body: bytes) -> None:
        connection = http.client.HTTPConnection(self.server.backend, timeout=30)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = answer.getheader("content-length") if self.command == "HEAD" else len(content)
        self.send_header("content-length", str(length or 0))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    def _send_half(self, body: bytes) -> None:
        connection = http.client.HTTPConnection(self.server.backend, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(body[: len(body) // 2])
        connection.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - names of http.server

    def log_message(self, *args: object) -> None:
        """Keep quiet."""
