"""The AWS clients of one deployment, on AWS or on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import boto3
from botocore.config import Config as BotoConfig

from b3pipeline.cloud.config import Config, load_config

_PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_THIS_MACHINE = ("127.0.0.1", "localhost")


def _behaviour(config: Config) -> dict[str, Any]:
    """Return how clients retry and address: a local AWS that is down should be said at once."""
    if config.endpoint_url is None:
        return {"retries": {"mode": "standard", "max_attempts": 5}}
    return {
        "retries": {"mode": "standard", "max_attempts": 2},
        "connect_timeout": 5,
        "s3": {"addressing_style": "path"},
    }


def keep_off_proxies() -> None:
    """Keep requests of this process to this machine away from a proxy that the environment names.

    The clients read NO_PROXY, each in its own way and with no other setting in common.
    """
    if not any(name in os.environ for name in _PROXIES):
        return
    known = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    hosts = [host for host in known.split(",") if host]
    hosts += [host for host in _THIS_MACHINE if host not in hosts]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(hosts)


@dataclass(frozen=True)
class Cloud:
    """A deployment with its clients, each made at first use.

    On the local AWS the key is the one that it gave out, whatever the environment holds: a local
    run never touches an account.
    """

    config: Config

    def __post_init__(self) -> None:
        if self.config.endpoint_url is not None:
            keep_off_proxies()

    @cached_property
    def session(self) -> boto3.Session:
        keys = self.config.access_key()
        if keys is not None:
            return _local_session(*keys, self.config.region)
        return boto3.Session(region_name=self.config.region)

    def client(self, service: str, **settings: Any) -> Any:
        """Return a new boto3 client of `service` for this deployment, with settings of botocore."""
        return self.session.client(
            service,
            endpoint_url=self.config.endpoint_url,
            config=BotoConfig(max_pool_connections=32, **_behaviour(self.config), **settings),
        )

    @cached_property
    def s3(self) -> Any:
        return self.client("s3")

    @cached_property
    def glue(self) -> Any:
        # Half of what registering costs here would be botocore's look at each column's name.
        return self.client("glue", parameter_validation=False)

    @cached_property
    def athena(self) -> Any:
        return self.client("athena")

    @cached_property
    def logs(self) -> Any:
        return self.client("logs")

    @cached_property
    def lambda_(self) -> Any:
        return self.client("lambda")

    @cached_property
    def sts(self) -> Any:
        return self.client("sts")

    @cached_property
    def account_id(self) -> str:
        return str(self.sts.get_caller_identity()["Account"])


@cache
def _local_session(key: str, secret: str, region: str) -> boto3.Session:
    """Return the session of a local AWS: one a process, for each reads botocore's models anew."""
    return boto3.Session(key, secret, region_name=region)


def connect(target: str = "local") -> Cloud:
    """Return the deployment that `target` names, ready to be used.

    Raises ConfigError where that deployment is not known on this machine.
    """
    return Cloud(load_config(target))
