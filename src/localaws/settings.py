"""Where a local AWS lives and how it answers: one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 4566
LOCALHOST = "127.0.0.1"
ACCESS_KEY = "test"
"""Access key and secret that local clients use; the local AWS checks neither."""


@dataclass(frozen=True)
class Settings:
    """One local AWS: its folder, its address, its account."""

    state_dir: Path
    port: int = DEFAULT_PORT
    host: str = LOCALHOST
    account_id: str = "0" * 12
    region: str = "us-east-1"
    seconds_per_minute: float = 60.0
    """Length of a minute of a job's `Timeout`, in seconds: tests make it short."""

    @property
    def endpoint_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def s3_data_dir(self) -> Path:
        """Folder of the object bodies: `<account>/<bucket>/<key>` under it."""
        return self.state_dir / "s3"

    @property
    def control_dir(self) -> Path:
        """Folder of the state that ministack writes."""
        return self.state_dir / "ministack"

    @property
    def jobs_dir(self) -> Path:
        """Folder of the work of Glue job runs."""
        return self.state_dir / "glue"

    @property
    def athena_dir(self) -> Path:
        """Folder of Athena's own state."""
        return self.state_dir / "athena"

    @property
    def log_path(self) -> Path:
        return self.state_dir / "server.log"
