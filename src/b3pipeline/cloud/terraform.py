"""What the Terraform of a folder is told, and what it has made, read without asking it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from b3pipeline.names import Names

DEFAULT_REGION = "us-east-1"
"""Terraform's own default."""

_SIMPLE = re.compile(r'^\s*(\w+)\s*=\s*(?:"([^"]*)"|(true|false))\s*(?:(?:#|//).*)?$', re.MULTILINE)


def terraform_variables(folder: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the texts and truths that `terraform.tfvars` in `folder` and TF_VAR_* set, by name.

    Lists and maps are passed over: nothing here asks for one.
    """
    path = folder / "terraform.tfvars"
    text = path.read_text() if path.is_file() else ""
    given = {name: value or truth for name, value, truth in _SIMPLE.findall(text)}
    from_shell = {
        name.removeprefix("TF_VAR_"): value
        for name, value in environ.items()
        if name.startswith("TF_VAR_")
    }
    return from_shell | given  # the file wins, as for Terraform


def terraform_names(variables: Mapping[str, str]) -> Names:
    """Return the names that Terraform will give, by its variables or their defaults."""
    return Names(
        variables.get("project_name", Names.project),
        variables.get("environment", Names.environment),
    )


def terraform_region(variables: Mapping[str, str]) -> str:
    """Return the region in which Terraform will make the pipeline, whatever the shell names."""
    return variables.get("region") or DEFAULT_REGION


def terraform_made(folder: Path) -> frozenset[str]:
    """Return the names of what the state in `folder` holds, half-made things included.

    Empty where there is no state, or none that can be read: one elsewhere is not asked for.
    """
    try:
        state = json.loads((folder / "terraform.tfstate").read_text())
        instances = [
            instance["attributes"]
            for resource in state["resources"]
            if resource["mode"] == "managed"
            for instance in resource["instances"]
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return frozenset()
    found = (held.get(name) for held in instances for name in ("name", "function_name"))
    return frozenset(name for name in found if isinstance(name, str))
