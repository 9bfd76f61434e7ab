"""What a task of the job holds: it is bounded, whatever the objects are that it reads."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from b3pipeline.job.bars import GONE
from b3pipeline.schema import BRONZE

MEGABYTE = 2**20
SESSIONS = 60
READS = """
import re, resource, sys
from pathlib import Path
from types import SimpleNamespace
import pyarrow as pa
from b3pipeline.job.bars import bronze_reader
from b3pipeline.job.objects import Store

def peak():
    state = Path("/proc/self/status")
    if state.exists():  # Linux counts what was there before this program in what getrusage says
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", state.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def read(sessions):
    plan = SimpleNamespace(value=[(ticker, "2024-01-02", True) for ticker in sessions])
    store = Store("lake", "us-east-1", sys.argv[1])
    numbers = pa.record_batch([pa.array(range(len(sessions)))], names=["id"])
    for some in bronze_reader(store, plan)([numbers]):
        yield from some["problem"].to_pylist()

list(read(["PETR4"]))
before = peak()
said = {*read(sys.argv[2].split(","))}
print((peak() - before) // 2**20, said)
"""


def table(rows=1, **columns):
    """Return bars of PETR4 on 2024-01-02, that many like one, with other values in columns."""
    moment = 1_704_189_600_000_000
    plain = {"source": "sample", "batch_id": "b", "volume": 100, "traded_at": moment}
    values = dict.fromkeys(BRONZE.names, 10.0) | plain | {"ingested_at": moment} | columns
    return pa.table([pa.repeat(pa.scalar(values[f.name], f.type), rows) for f in BRONZE], BRONZE)


def encoded(found, **options):
    """Return a table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(found, sink, **options)
    return sink.getvalue().to_pybytes()


@pytest.fixture(scope="module")
def s3():
    """A server that has an object for each ticker: PETR4 is small, the others near the limit."""
    text = "x" * (60 * MEGABYTE)
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    bodies = {
        "PETR4": encoded(table()),
        "LONG3": encoded(table(source=text), **plain),
        "PACK3": encoded(table(source=text), use_dictionary=False, write_statistics=False),
        "ZSTD3": encoded(table(source=text), compression="zstd"),
        "MANY3": encoded(table(20_000)),
        "HUGE3": bytes(200 * MEGABYTE),
    }

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = next((b for name, b in bodies.items() if name in self.path), None)
            self.send_response(404 if body is None else 200)
            body = b"<Error><Code>NoSuchKey</Code></Error>" if body is None else body
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.handle_error = lambda *_: None  # of those that hung up
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.process
@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [
        (["LONG3"], {""}),
        (["PACK3"], {""}),
        (["ZSTD3"], {""}),
        (["MANY3"], {""}),
        (["LONG3", "PACK3", "ZSTD3", "MANY3", "PETR4"], {""}),
        (["HUGE3"], {"it is too large for a session: more than 67,108,864 bytes"}),
        (["GONE3"], {GONE}),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, list) else "",
)
def test_a_task_holds_a_quarter_of_a_gigabyte_at_most(s3, kinds, wanted):
    """Sixty objects that become as large as one may be, each of them bars as they should be."""
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    sessions = ",".join(kinds * (SESSIONS // len(kinds)))
    run = subprocess.run(
        [sys.executable, "-c", READS, s3, sessions],
        env=os.environ | keys | {"AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    peak, said = run.stdout.split(" ", 1)
    assert (int(peak) <= 256, said.strip()) == (True, str(wanted)), peak
