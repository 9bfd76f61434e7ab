"""Where a local AWS lives and how it answers: one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from localaws.keys import Keys, keys_of

DEFAULT_PORT = 4566
LOCALHOST = "127.0.0.1"
STANDBYS = ("idle", "now", "no")


@dataclass(frozen=True)
class Settings:
    """One local AWS: its folder, its address, its account."""

    state_dir: Path
    port: int = DEFAULT_PORT
    host: str = LOCALHOST
    account_id: str = "0" * 12
    region: str = "us-east-1"
    any_key: bool = False
    """Whether anybody who reaches the port is the account's root: no signature is looked at."""
    seconds_per_minute: float = 60.0
    """Length of a minute of a job's `Timeout`, in seconds: tests make it short."""
    ended_run_seconds: float = 0.0
    """How long a run that has ended still counts against its job's limit: on AWS some seconds."""
    late_log_seconds: float = 0.0
    """How late the lines of a run arrive: on AWS up to a minute. Where it is above zero they come
    as there: several to an event, in streams whose names are longer than the run's id."""
    owner: int | None = None
    """Id of the process with which this server ends: a test run that is killed leaves nothing."""

    hosts: tuple[str, ...] = ()
    """Further names under which clients may call: `nas` on the server's port, `nas:8080`, `nas:*`.

    A tunnel or a proxy before the server changes the port, and a signature covers what the
    client called: such names must be given.
    """
    athena_memory_mb: int = 0
    """What Athena's queries may hold in memory before they spill to disk; 0 is what fits here."""
    athena_seconds: float = 1800.0
    """How long a statement of Athena may take: on AWS half an hour."""
    origins: tuple[str, ...] = ()
    """Web pages that may call (`http://localhost:3000`): by default none may."""

    standby: str = "idle"
    """A standby for Spark runs (STANDBYS): `idle` makes it with cores that nobody else wants, `now`
    at once, `no` never."""
    standby_java: str = ""
    """The extra Java options of the standby: those that scripts ask for, else they start cold."""

    @property
    def keys(self) -> Keys:
        """The key pair with which requests are signed, made at the first question."""
        return keys_of(self.state_dir)

    @property
    def endpoint_url(self) -> str:
        return endpoint_url(self.host, self.port)

    @property
    def s3_data_dir(self) -> Path:
        """Folder of the object bodies: `<account>/<bucket>/<key>` under it."""
        return self.state_dir / "s3"

    @property
    def kept_dir(self) -> Path:
        """Folder of what a request replaces, while it does: where ministack looks for no bucket."""
        return self.s3_data_dir / ".versions" / ".kept"

    @property
    def control_dir(self) -> Path:
        """Folder of the state that ministack writes."""
        return self.state_dir / "control"

    @property
    def glue_dir(self) -> Path:
        """Folder of the Data Catalog, the jobs and the work of their runs."""
        return self.state_dir / "glue"

    @property
    def athena_dir(self) -> Path:
        """Folder of Athena's own state."""
        return self.state_dir / "athena"

    @property
    def events_dir(self) -> Path:
        """Folder of the events that are owed to functions."""
        return self.state_dir / "events"

    @property
    def temp_dir(self) -> Path:
        """Folder of the temporary files of the server and of all that it starts."""
        return self.state_dir / "tmp"


def endpoint_url(host: str, port: int) -> str:
    """Return the address under which clients reach a server."""
    return f"http://{host}:{port}"
