"""Fixtures of the unit tests: the stand-in for Yahoo, a bronze lake of one's own.

A unit test is quick, and runs in `make check`, unless it is marked `process`: a quick one starts no
local AWS, no Spark, no kernel and no other process, but for those that answer in milliseconds
(`PASSED`).
Whoever asks for a lake gets the mark here; whoever starts a process by itself has it in its file,
and fails without it.
"""

import importlib.util
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from b3pipeline import names, schema
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import Config

SERVERS = {"localaws_server", "local_server"}
"""Fixtures that bring a local AWS. What stands on one of them, as a lake does, asks for it."""

STARTS = ("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system")
"""What Python calls, before it happens, the start of a process (`sys.addaudithook`)."""

PASSED = {"git", "fc-list", "system_profiler"}
"""Programs that a quick test may start: the latter two are asked for this machine's fonts, once, by
matplotlib's first import on it."""

_quick: list[str] = []
"""The quick test that runs now, if one does."""


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items):
    """Mark the unit tests that need a local AWS."""
    for item in items:
        if item.path.parent == Path(__file__).parent and SERVERS & set(item.fixturenames):
            item.add_marker(pytest.mark.process)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """Hold a quick test's fixtures to their word."""
    with _held(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Hold a quick test to its word."""
    with _held(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Hold the imports of a file of tests to it: they are made for the quick tests, too."""
    with _held(collector):
        return (yield)


@contextmanager
def _held(item):
    if not item.get_closest_marker("process"):
        _quick.append(item.name)
    try:
        yield
    finally:
        _quick.clear()


def _refuse(event, arguments):
    if _quick and event in STARTS:
        if arguments and Path(os.fsdecode(arguments[0])).name in PASSED:
            return
        pytest.fail(
            f"{_quick[0]} is a quick test, and starts a process ({event}: {arguments[:2]}): "
            "mark it with @pytest.mark.process, or its file with pytestmark = pytest.mark.process; "
            "what starts one at its import is imported within such a test."
        )


sys.addaudithook(_refuse)


def _load(name: str):
    """Return a helper module that lies beside this file; test files cannot import each other."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def yahoo():
    """The helper module `yahoo_stub`: charts, bars, answers."""
    return _load("yahoo_stub")


@pytest.fixture(scope="session")
def serving_yahoo(yahoo):
    """A server on 127.0.0.1 for one stand-in for Yahoo Finance after the other."""
    server = yahoo.serve()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def yahoo_server(serving_yahoo, yahoo):
    """A stand-in for Yahoo Finance, which knows no ticker yet."""
    return serving_yahoo.speak_for(yahoo.YahooStub())


@pytest.fixture(scope="session")
def exchange():
    """The helper module `exchange_stub`: a server of history files and its bad days."""
    return _load("exchange_stub")


@pytest.fixture(scope="session")
def local_clients(localaws_server):
    """A deployment that lends its boto3 clients: making them takes most of a second."""
    return Cloud(_config("unused", localaws_server))


@pytest.fixture
def lake_cloud(local_clients, localaws_server):
    """An empty lake on the local AWS: a bucket, a database and both tables of its own."""
    name = f"lake-{uuid4().hex[:12]}"
    cloud = Cloud(_config(name, localaws_server))
    vars(cloud).update(s3=local_clients.s3, glue=local_clients.glue)
    cloud.s3.create_bucket(Bucket=name)
    cloud.glue.create_database(DatabaseInput={"Name": cloud.config.glue_database})
    for table, columns, prefix in (
        (names.BRONZE_TABLE, schema.BRONZE, names.BRONZE_PREFIX),
        (names.SILVER_TABLE, schema.SILVER, names.SILVER_PREFIX),
    ):
        cloud.glue.create_table(
            DatabaseName=cloud.config.glue_database,
            TableInput={
                "Name": table,
                "TableType": "EXTERNAL_TABLE",
                "PartitionKeys": schema.glue_partition_keys(),
                "StorageDescriptor": schema.storage_descriptor(columns, f"s3://{name}/{prefix}"),
            },
        )
    return cloud


def _config(name: str, server) -> Config:
    return Config(
        target="local",
        region="us-east-1",
        raw_data_bucket=name,
        athena_results_bucket="unused",
        glue_database=name.replace("-", "_"),
        glue_job_name="unused",
        lambda_function_name="unused",
        athena_workgroup="unused",
        endpoint_url=server.endpoint_url,
        credentials_file=str(server.state_dir / "credentials"),
    )
