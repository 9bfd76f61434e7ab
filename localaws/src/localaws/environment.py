"""The environment of the server and of all that it starts: nothing of the user's account in it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from localaws.settings import Settings

STATE_DIR_MARK = "LOCALAWS_STATE_DIR"
"""Every process of a local AWS carries its state folder under this name."""

# Settings of ministack, and of the Docker that it would look for, must not leak in.
_DROPPED = (
    "AWS_",
    "BOTO_CONFIG",
    "MINISTACK_",
    "LOCALSTACK_",
    "LAMBDA_",
    "S3_",
    "IOT_",
    "SFTP_",
    "ATHENA_",
    "DOCKER_",
    "GATEWAY_PORT",
    "EDGE_PORT",
    "SERVICES",
    "USE_SSL",
    "AUTH",
    "SPARK_",
    "PYSPARK_",
)
_LOCAL_HOSTS = "127.0.0.1,localhost"


def server_environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which a server runs, made from the one of whoever starts it.

    Keys, profiles and endpoints of a real account are left out; the server's own take their place.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith(_DROPPED)}
    return kept | client_environment(settings) | _no_proxy(kept) | _ministack(settings)


def client_environment(settings: Settings) -> dict[str, str]:
    """Return the variables under which any AWS client speaks to this server and to no other."""
    keys = settings.keys
    return {
        "AWS_ENDPOINT_URL": settings.endpoint_url,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _no_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep requests to this machine away from a proxy."""
    known = environ.get("NO_PROXY") or environ.get("no_proxy")
    hosts = f"{known},{_LOCAL_HOSTS}" if known else _LOCAL_HOSTS
    return {"NO_PROXY": hosts, "no_proxy": hosts}


def _ministack(settings: Settings) -> dict[str, str]:
    return {
        STATE_DIR_MARK: str(settings.state_dir),
        "TMPDIR": str(settings.temp_dir),
        "GATEWAY_PORT": str(settings.port),
        "BIND_HOST": settings.host,
        "MINISTACK_REGION": settings.region,
        "MINISTACK_ACCOUNT_ID": settings.account_id,
        "AUTH": str(not settings.any_key).lower(),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(settings.control_dir),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(settings.s3_data_dir),
        "LAMBDA_EXECUTOR": "local",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # At its start and end ministack removes the containers that it finds: let it find none.
        "DOCKER_HOST": f"unix://{settings.state_dir / 'no-docker.sock'}",
        "LOG_LEVEL": "WARNING",
    }
