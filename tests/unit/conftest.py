"""Fixtures of the unit tests: the stand-in for Yahoo, a bronze lake of one's own."""

import importlib.util
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from b3pipeline import names, schema
from b3pipeline.cloud.clients import Cloud
from b3pipeline.cloud.config import Config


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


@pytest.fixture
def yahoo_server(yahoo):
    """A stand-in for Yahoo Finance on 127.0.0.1, which knows no ticker yet."""
    stub, server = yahoo.serve()
    yield stub
    server.shutdown()
    server.server_close()


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
