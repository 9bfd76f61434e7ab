"""The local AWS of this machine: started, provisioned, stopped, removed."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from b3pipeline import names
from b3pipeline.cloud.config import Config, dump_outputs, outputs_path, parse_outputs, project_root
from b3pipeline.errors import ConfigError, SandboxError
from b3pipeline.files import read_regular, write_whole
from b3pipeline.language import later, retold, say
from b3pipeline.names import Names
from localaws import process
from localaws.glue.java import find_java, spark_home
from localaws.glue.run_environment import quick_start

if TYPE_CHECKING:
    from b3pipeline.checks import JavaFound

REGION = "us-east-1"
PORT_VARIABLE = "B3_PORT"
"""The environment variable with the port of a local AWS that is started."""

_DATABASE = re.compile(r"[a-z][a-z0-9_]{0,127}")


@dataclass(frozen=True)
class Status:
    """Whether the local AWS runs, and where; `troubles`: what is wrong with it, in sentences.

    `standby` is that of Spark runs: `ready`, `being made`, `none`, `failed` or `off`.
    """

    running: bool
    pid: int | None = None
    endpoint_url: str | None = None
    state_dir: Path | None = None
    troubles: tuple[str, ...] = ()
    standby: str = ""

    def __str__(self) -> str:
        if not self.running:
            return say("The local AWS is down.")
        up = say(
            "The local AWS is up at {url} (process {pid}).", url=self.endpoint_url, pid=self.pid
        )
        standby = {
            "ready": say("A standby for Spark runs is ready."),
            "being made": say("A standby for Spark runs is being made."),
            "none": say("No standby for Spark runs: the next use of Glue has one made."),
            "failed": say("The standby for Spark runs cannot be made: the server's log says why."),
            "off": say("No standby for Spark runs: it is turned off."),
        }
        return "\n".join([up, standby.get(self.standby, ""), *map(retold, self.troubles)])


def state_folder(root: Path | None = None) -> Path:
    """Return the folder that holds all that the local AWS knows."""
    return (root or project_root()) / ".localaws"


def up(
    *,
    port: int | None = None,
    database: str | None = None,
    root: Path | None = None,
    step: Callable[[str], None] | None = None,
) -> Config:
    """Start the local AWS where it is not running, provision it, and return its configuration.

    `port` None is that of B3_PORT, else 4566; a server that runs already keeps its own.
    `database` None is the one of the time before, else tech_challenge2_dev; `default` is the
    account's own, which stays when the pipeline goes.
    What stands already is kept; objects of an earlier session are registered again where the
    catalog lost them. Raises SandboxError where the port is taken, the folder cannot be written,
    or the server does not start.
    """
    # Here, for `b3 local status` and `env` answer at once without them.
    from b3pipeline import lake
    from b3pipeline.cloud.clients import Cloud
    from b3pipeline.deployment.provision import provision

    root = root or project_root()
    database = _database(root, database)
    with _own_errors():
        if port is None and process.status(state_folder(root)) is None:
            port = _preferred_port()
        server = process.start(state_folder(root), port, standby_java=names.JOB_JAVA_OPTIONS)
    config = _config(server.endpoint_url, server.credentials_file, database)
    cloud = Cloud(config)
    provision(cloud, root, step=step)
    if step is not None:
        step(say("partitions"))
    for table in (names.BRONZE_TABLE, names.SILVER_TABLE):
        lake.register_existing(cloud, table)
    try:
        write_whole(outputs_path("local", root), dump_outputs(config))
    except OSError as error:
        raise SandboxError(
            say(
                "{path} cannot be written: {reason}.",
                path=outputs_path("local", root),
                reason=error.strerror,
            ),
            hint=say("free some space, or give this user the right to write there, then again."),
        ) from error
    return config


def wake(root: Path, *, seconds_a_query: float = 1800.0) -> Config:
    """Return the configuration of a local AWS that was provisioned before, started on a free port.

    Its folder may be a copy of another's. Nothing is made or registered, and there is no standby
    for Spark: see `up`. Raises SandboxError where it does not start, ConfigError where it was never
    provisioned.
    """
    path = outputs_path("local", root)
    known = parse_outputs(read_regular(path), "local")
    with _own_errors():
        server = process.start(state_folder(root), 0, athena_seconds=seconds_a_query, standby="no")
    config = replace(
        known, endpoint_url=server.endpoint_url, credentials_file=str(server.credentials_file)
    )
    write_whole(path, dump_outputs(config))
    return config


def java() -> JavaFound:
    """Return the Java that the local AWS gives to Spark, here as in its runs."""
    from b3pipeline.checks import JavaFound

    found = find_java()
    return JavaFound(found.home, found.passed_over)


def spark_environment() -> dict[str, str]:
    """Return the variables by which a Spark of this process finds its Java and itself.

    Raises SandboxError where no Java fits.
    """
    home = java().home
    if home is None:
        raise SandboxError(
            say("Spark finds no Java."), hint=say("`b3 doctor` says where it looked.")
        )
    # Spark's own search for itself stumbles over spaces in a path.
    found = {"JAVA_HOME": str(home), "SPARK_HOME": spark_home(), "PYSPARK_PYTHON": sys.executable}
    return found | {"SPARK_SUBMIT_OPTS": quick_start(str(home))}


def ensure(root: Path | None = None) -> Config:
    """Return the configuration of the local AWS; start and provision it where it is down."""
    root = root or project_root()
    current = status(root)
    path = outputs_path("local", root)
    if current.running and path.is_file():
        with suppress(ConfigError, OSError):  # damaged: it is written again
            config = parse_outputs(read_regular(path), "local")
            if config.endpoint_url == current.endpoint_url:
                return config
    return up(root=root)


def down(root: Path | None = None) -> bool:
    """Stop the local AWS and every child of it; return whether it was running. Its data stays."""
    root = root or project_root()
    with _own_errors():
        return process.stop(state_folder(root))


def status(root: Path | None = None) -> Status:
    """Return whether the local AWS of this checkout runs, and where."""
    folder = state_folder(root or project_root())
    with _own_errors():
        server = process.status(folder)
    if server is None:
        return Status(running=False)
    return Status(True, server.pid, server.endpoint_url, folder, server.troubles, server.standby)


def reset(root: Path | None = None) -> None:
    """Stop the local AWS and remove all that it holds: objects, catalog, runs, queries."""
    root = root or project_root()
    down(root)
    # The folder may be a link to one on another disk: that one is emptied.
    shutil.rmtree(state_folder(root).resolve(), ignore_errors=True)


def _preferred_port() -> int | None:
    """Return the port that the environment asks for; None where it asks for none."""
    text = os.environ.get(PORT_VARIABLE)
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise SandboxError(
            say(
                "{variable} is {text!r}, which is no port.",
                variable=PORT_VARIABLE,
                text=text,
            ),
            hint=say("use a number such as 4567."),
        )
    return int(text)


def _database(root: Path, asked: str | None) -> str:
    """Return the database of both tables: the one asked for, that of the time before, or ours."""
    if asked is not None:
        if not _DATABASE.fullmatch(asked):
            raise SandboxError(
                say("the database is named {name!r}, which Athena would not take.", name=asked),
                hint=say("use lower-case letters, digits and underscores, a letter first."),
            )
        return asked
    with suppress(ConfigError, OSError):
        return parse_outputs(read_regular(outputs_path("local", root)), "local").glue_database
    return Names().database


_OTHER_FOLDER = "clone the project into another folder"
LOCAL_AWS_SAYS = (
    later("port {port} of {host} cannot be had: {why}."),
    later("the local AWS of {folder} (process {pid}) is there"),
    later("the local AWS of this folder runs on port {running} already, not on {port}."),
    later("use it there, or stop it first."),
    later("the local AWS of {folder} does not answer."),
    later("stop it, and start it again."),
    later("the local AWS did not answer within {seconds} seconds."),
    later("the local AWS did not answer within {seconds} seconds. Its last lines:\n{lines}"),
    later("the local AWS ended at its start with exit code {code}."),
    later("the local AWS ended at its start with exit code {code}. Its last lines:\n{lines}"),
    later("read {path}."),
    later("the state folder {folder} cannot be written ({why})."),
    later("give this user the right to write there, or clone the project into another folder."),
    later("free some space or files on its disk, or clone the project into another folder."),
    later(
        "{path} names process {pid}, which is not the server of this folder ({why}): "
        "it is left alone."
    ),
    later("{path} is no record of a server ({why})."),
    later("remove {path}, then again: a server that runs is found by what it has locked."),
    later("process {pid} belongs to another user."),
    later(
        "At {moment} {what} was not written: {why}. Free some space or files there; "
        "then it goes on by itself."
    ),
    later(
        "At {moment} {what} was not written: {why}. Give this user the right to write there; "
        "then it goes on by itself."
    ),
    later("Address already in use"),
    later("No space left on device"),
    later("No space left on device in {where}"),
    later("database or disk is full in {where}"),
    later("Permission denied"),
    later("Read-only file system"),
)
"""What the local AWS says of itself that a student meets, in its English: `retold` finds it."""


@contextmanager
def _own_errors() -> Iterator[None]:
    """Turn what the local AWS says of itself into an error of this package."""
    try:
        yield
    except process.PortError as error:
        hint = say(
            "end what holds it, or take another one: `export {variable}=4567`, then again.",
            variable=PORT_VARIABLE,
        )
        raise SandboxError(retold(error.message), hint=hint) from error
    except process.StateDirError as error:
        hint = error.hint.replace("give another folder with --state-dir", _OTHER_FOLDER)
        raise SandboxError(retold(error.message), hint=retold(hint)) from error
    except process.LocalAwsError as error:
        raise SandboxError(retold(error.message), hint=retold(error.hint)) from error


def _config(endpoint_url: str, credentials: Path, database: str) -> Config:
    """Return the configuration that the sandbox gives to the local AWS at an endpoint."""
    from b3pipeline.cloud.clients import Cloud

    known = Names()
    bare = Config(
        target="local",
        region=REGION,
        endpoint_url=endpoint_url,
        credentials_file=str(credentials),
        **known.settings("unknown"),
    )
    account = Cloud(bare).account_id
    return replace(bare, **{**known.settings(account), "glue_database": database})
