"""HTTPS before a local AWS, which speaks plain HTTP: a bucket that demands TLS then answers.

    python tls_front.py CERTIFICATE KEY PORT_BEHIND

Prints the port that it serves on 127.0.0.1, and serves until it is ended.
"""

from __future__ import annotations

import http.client
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"
_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Front(BaseHTTPRequestHandler):
    """Hands each request on with the header by which a server behind a proxy knows of the TLS."""

    protocol_version = "HTTP/1.1"
    port_behind: int

    def handle_one_request(self) -> None:
        """Read one request and pass it on, whatever its method."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        self._pass_on()
        self.wfile.flush()

    def _pass_on(self) -> None:
        body = self._body()
        behind = http.client.HTTPConnection(HOST, self.port_behind, timeout=60)
        behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _OF_THE_CONNECTION | {"expect"}:
                behind.putheader(name, value)
        behind.putheader("Content-Length", str(len(body)))
        behind.putheader("X-Forwarded-Proto", "https")
        behind.endheaders(body)
        self._answer(behind.getresponse())
        behind.close()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(chunks)

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        body = answer.read()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_THE_CONNECTION:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(body))
        if length is not None and answer.status not in (204, 304):
            self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body)


def main(certificate: str, key: str, port_behind: str) -> None:
    """Serve until ended."""
    Front.port_behind = int(port_behind)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer((HOST, 0), Front)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
