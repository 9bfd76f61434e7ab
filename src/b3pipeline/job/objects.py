"""The objects of a bucket as a task reads and writes them: one request each.

botocore signs and urllib3 sends, which Glue has both: boto3's own client takes three times the CPU,
botocore's HTTP session half again as much, and pyarrow's client asks a HEAD before each GET.
"""

from __future__ import annotations

import os
import random
import re
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import ProxyConfiguration, where
from botocore.session import Session
from botocore.utils import get_environ_proxies
from urllib3 import PoolManager, proxy_from_url
from urllib3.exceptions import HTTPError, ProtocolError, SSLError

from b3pipeline.language import note
from b3pipeline.parquet import MOST_BYTES

ATTEMPTS = 10
"""How often a request is tried: botocore's own five do not wait a burst of 503s out."""
AGAIN = note("start the run again: what is done stays done.")
"""What to try where all of them failed."""
THREADS = 16
"""How many threads share one client, in a task as in the driver."""

_LONGEST_PAUSE = 20.0
_MOST_WORDS = 2**16
"""How many bytes of an error or of the answer to a PUT are read."""
_PASSING = ("RequestTimeout", "Throttling", "SlowDown")
"""How the codes of errors begin that may pass, whatever their status."""


@dataclass(frozen=True)
class Store:
    """The bucket as a task sees it: plain values that travel to the executors."""

    bucket: str
    region: str
    endpoint_url: str
    attempts: int = ATTEMPTS

    def connect(self) -> Objects:
        return Objects(self)


class Objects:
    """A client of the bucket's objects; one serves all threads of a task.

    Raises FileNotFoundError where there is no object, and OSError for all else.
    """

    def __init__(self, store: Store) -> None:
        session = Session(include_builtin_handlers=False)  # they are of clients: most of its start
        self.store = store
        self.url = f"{store.endpoint_url}/{store.bucket}"
        self.credentials = session.get_credentials()  # Glue's are new ones after a while
        trusted = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
        options: dict[str, Any] = {
            "maxsize": THREADS,
            "timeout": 60,
            "retries": False,  # ours know S3's answers
            "cert_reqs": "CERT_REQUIRED",
            "ca_certs": trusted or where(),
            "socket_options": [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # as clients have it
        }
        proxies = ProxyConfiguration(get_environ_proxies(self.url))
        proxy = proxies.proxy_url_for(self.url)
        if proxy:
            options["proxy_headers"] = proxies.proxy_headers_for(proxy)
        pools = proxy_from_url(proxy, **options) if proxy else PoolManager(**options)
        self.http = pools.connection_from_url(self.url)
        # A proxy is told of TLS once, by CONNECT, and of all else with each request.
        self.target = (
            self.url if proxy and self.url.startswith("http:") else urlsplit(self.url).path
        )

    def get(self, key: str, most: int = MOST_BYTES) -> bytes | None:
        """Return an object, or None where it has more than `most` bytes: they are not fetched."""
        return self._ask("GET", key, most=most)

    def put(self, key: str, body: bytes) -> None:
        self._ask("PUT", key, body)

    def _ask(
        self, method: str, key: str, body: bytes | None = None, most: int = _MOST_WORDS
    ) -> bytes | None:
        """Return the body of an answer, None where it is longer than `most`.

        What may pass is tried again, later each time.
        """
        for attempt in range(self.store.attempts):
            if attempt:
                time.sleep(random.random() * min(2.0**attempt, _LONGEST_PAUSE))  # noqa: S311
            try:
                status, content = self._answer(method, quote(key), body, most)
            except BotoCoreError as error:  # no credentials
                raise OSError(str(error)) from error
            except HTTPError as error:
                if isinstance(error, SSLError) and not _passes(error):
                    raise OSError(str(error)) from error
                failure = str(error)
                continue
            if status == 200:
                return content
            code, words = _said(content or b"")
            failure = f"AWS Error {code or 'Unknown'} (HTTP status {status}): {words}"
            if status == 404 and code == "NoSuchKey":  # a proxy's 404 says nothing of an object
                raise FileNotFoundError(failure)
            if not (status == 429 or 500 <= status < 600 or code.startswith(_PASSING)):
                break
        raise OSError(failure)

    def _answer(
        self, method: str, key: str, body: bytes | None, most: int
    ) -> tuple[int, bytes | None]:
        """Return status and body, None where it is longer than `most`.

        Raises HTTPError where less came than was promised.
        """
        request = AWSRequest(method, f"{self.url}/{key}", data=body)
        keys = self.credentials.get_frozen_credentials() if self.credentials else None
        S3SigV4Auth(keys, "s3", self.store.region).add_auth(request)
        answer = self.http.urlopen(
            method, f"{self.target}/{key}", body, dict(request.headers), redirect=False,
            assert_same_host=False, preload_content=False, decode_content=False,
        )  # fmt: skip
        promised = _promised(answer.headers.get("Content-Length", "-1"))
        most = most if answer.status == 200 else _MOST_WORDS
        content = answer.read(most + 1) if promised <= most else b""
        if max(promised, len(content)) > most:
            answer.close()  # and the connection, on which the rest of it waits
            return answer.status, None
        if promised not in (-1, len(content)):  # urllib3 1 lets it pass
            raise ProtocolError(
                note("{came} of {promised} bytes came", came=len(content), promised=promised)
            )
        return answer.status, content


def _promised(length: str) -> int:
    """Return how many bytes an answer promises: a header that came twice says them twice."""
    found = re.fullmatch(r"(-?\d+)(, *\1)*", length)
    if not found:
        raise ProtocolError(note("an answer of {length} bytes is none", length=repr(length)))
    return int(found[1])


def _passes(error: SSLError) -> bool:
    """Return whether a failure of TLS may pass: a connection that ended, and no certificate."""
    return isinstance(error.args[0], ssl.SSLEOFError | ssl.SSLZeroReturnError)


def _said(content: bytes) -> tuple[str, str]:
    """Return code and words of what S3 answered instead of an object; no code where it has none."""
    text = content.decode(errors="replace")
    code, words = (
        found[1] if (found := re.search(f"<{name}>(.*?)</{name}>", text)) else ""
        for name in ("Code", "Message")
    )
    return code, words or text[:200]
