"""What Terraform made, fetched from its state into the file that the target `aws` reads."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from b3pipeline.cloud.config import Config, outputs_path, parse_outputs, project_root
from b3pipeline.errors import ConfigError
from b3pipeline.files import write_whole


def fetch_outputs(folder: Path | None = None, *, root: Path | None = None) -> Config:
    """Return the deployment that Terraform's state in `folder` describes, kept for `aws`.

    `folder` is `infra/` unless given. Raises ConfigError where Terraform is not installed, was
    not applied, or its outputs lack a name; what was kept before stays then.
    """
    root = root or project_root()
    text = _terraform_output(folder or root / "infra")
    config = parse_outputs(text, "aws")
    write_whole(outputs_path("aws", root), text)
    return config


def _terraform_output(folder: Path) -> str:
    terraform = shutil.which("terraform")
    if terraform is None:
        raise ConfigError(
            "terraform is not on the path.",
            hint="install Terraform 1.6 or newer; docs/aws.md says what it is for.",
        )
    answer = subprocess.run(
        [terraform, f"-chdir={folder}", "output", "-json", "-no-color"],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise ConfigError(
            f"terraform output failed in {folder}: {answer.stderr.strip() or 'it gave no reason'}",
            hint="`terraform -chdir=infra init`, then `apply`.",
        )
    if answer.stdout.strip() in ("", "{}"):
        raise ConfigError(
            f"Terraform's state in {folder} has no outputs: nothing was applied.",
            hint="`terraform -chdir=infra apply`, then `b3 outputs`.",
        )
    return answer.stdout
