"""Where the pipeline lives: the outputs of Terraform, or of the sandbox, as one value.

Read from the file of its target or from the environment; fetched from Terraform's state.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast, get_args

from b3pipeline.errors import ConfigError
from b3pipeline.files import read_regular, write_whole
from b3pipeline.language import say
from b3pipeline.markup import facts_table

Target = Literal["local", "aws"]

ENVIRONMENT_VARIABLES = {
    "raw_data_bucket": "RAW_BUCKET",
    "athena_results_bucket": "ATHENA_RESULTS_BUCKET",
    "glue_database": "GLUE_DATABASE",
    "glue_job_name": "GLUE_JOB_NAME",
    "lambda_function_name": "LAMBDA_FUNCTION_NAME",
    "athena_workgroup": "ATHENA_WORKGROUP",
    "ec2_instance_id": "EC2_INSTANCE_ID",
}
"""Each output of Terraform, and the environment variable that carries it."""


HOST_VARIABLE = "B3_HOST"
"""Set on the ingestion host by its first start."""


@dataclass(frozen=True)
class Config:
    """One deployment of the pipeline: where it is, and what Terraform or the sandbox made."""

    target: Target
    region: str
    raw_data_bucket: str
    athena_results_bucket: str
    glue_database: str
    glue_job_name: str
    lambda_function_name: str
    athena_workgroup: str
    ec2_instance_id: str | None = None
    endpoint_url: str | None = None
    credentials_file: str | None = None
    """The file, in AWS's own format, with the key that the local AWS gave to this user."""

    def access_key(self) -> tuple[str, str] | None:
        """Return the key of the local AWS and its secret; None where AWS's own chain has them.

        Raises ConfigError where its file is gone.
        """
        return None if self.credentials_file is None else _read_key(Path(self.credentials_file))

    def environment(self) -> dict[str, str]:
        """Return the environment variables under which any AWS tool works on this deployment."""
        variables = {"AWS_DEFAULT_REGION": self.region, "AWS_REGION": self.region}
        if self.endpoint_url:
            variables["AWS_ENDPOINT_URL"] = self.endpoint_url
        if key := self.access_key():
            variables |= {"AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]}
        for name, variable in ENVIRONMENT_VARIABLES.items():
            value = getattr(self, name)
            if value:
                variables[variable] = value
        return variables

    def _repr_html_(self) -> str:
        return facts_table({field.name: getattr(self, field.name) or "–" for field in fields(self)})


def _read_key(path: Path) -> tuple[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text())
        default = parser["default"]
        return default["aws_access_key_id"], default["aws_secret_access_key"]
    except (OSError, KeyError, configparser.Error) as error:
        raise ConfigError(
            say(
                "the key of the local AWS cannot be read from {path} ({error}).",
                path=path,
                error=error,
            ),
            hint=say("run `b3 local up`: it writes where its key is."),
        ) from error


def project_root(start: Path | None = None) -> Path:
    """Return the folder of the project: `B3_HOME`, or the nearest one above with `notebooks/`.

    Raises ConfigError outside a checkout.
    """
    home = os.environ.get("B3_HOME")
    if home:
        return Path(home).resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "pyproject.toml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise ConfigError(
        say("{here} is not inside a checkout of the project.", here=here),
        hint=say("change into the project's folder, or set B3_HOME to it."),
    )


CHECKOUT_PARTS = ("pyproject.toml", "notebooks", "glue", "src/lambda")
"""What a local AWS and the notebooks need of the project."""


def copy_checkout(root: Path, folder: Path) -> Path:
    """Return `folder`, into which what `CHECKOUT_PARTS` names was copied: a checkout of its own."""
    for part in CHECKOUT_PARTS:
        source, target = root / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    return folder


def outputs_path(target: Target, root: Path | None = None) -> Path:
    """Return the file that holds the outputs of a target: the sandbox's or Terraform's."""
    folder = root or project_root()
    return folder / (".localaws/outputs.json" if target == "local" else "infra/outputs.json")


def check_target(target: str) -> Target:
    """Return `target` where it is one of the known ones; raise ConfigError otherwise."""
    if target not in get_args(Target):
        raise ConfigError(
            say("the target is {target!r}.", target=target),
            hint=say("use 'local' for the AWS of this machine, or 'aws' for your account."),
        )
    return cast("Target", target)


def load_config(target: str = "local", *, root: Path | None = None) -> Config:
    """Return the deployment that `target` names, from the outputs file of that target.

    For `local` the sandbox writes the file; for `aws` it is
    `b3 outputs` writes it from Terraform's state. Where that file is missing,
    the environment variables of `ENVIRONMENT_VARIABLES` (RAW_BUCKET, …) are read for `aws`.
    Raises ConfigError where neither is complete.
    """
    known = check_target(target)
    path = outputs_path(known, root)
    if os.path.lexists(path):
        return parse_outputs(_read(path), known)
    if known == "local":
        raise ConfigError(
            say("the local AWS is not up: its outputs are missing."),
            hint=say("run `b3 local up`, or `make up`."),
        )
    return config_from_environment(os.environ)


def _read(path: Path) -> str:
    try:
        return read_regular(path)
    except OSError as error:
        raise ConfigError(
            say("{path} cannot be read: {reason}.", path=path, reason=error.strerror or error),
            hint=say(
                "remove it, then write it again: `b3 outputs` for aws, `b3 local up` for local."
            ),
        ) from error


def parse_outputs(text: str, target: Target) -> Config:
    """Return the deployment written in the JSON of `terraform output -json`."""
    try:
        outputs: dict[str, Any] = {k: v["value"] for k, v in json.loads(text).items()}
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(
            say(
                "the outputs of target {target!r} are not the JSON of Terraform ({error}).",
                target=target,
                error=error,
            ),
            hint=say("write them again: `b3 outputs` for aws, `b3 local up` for local."),
        ) from error
    known = {field.name for field in fields(Config)} - {"target"}
    values = {name: value for name, value in outputs.items() if name in known}
    values.setdefault(
        "region", os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    )
    missing = sorted(_required_names() - {name for name, value in values.items() if value})
    if missing:
        raise ConfigError(
            say(
                "the outputs of target {target!r} lack {missing}.",
                target=target,
                missing=", ".join(missing),
            ),
            hint=say("apply once more, then write the outputs again."),
        )
    strange = sorted(name for name, value in values.items() if not _is_text(value))
    if strange:
        raise ConfigError(
            say(
                "the outputs of target {target!r} have no text for {strange}.",
                target=target,
                strange=", ".join(strange),
            ),
            hint=say("write them again: `b3 outputs` for aws, `b3 local up` for local."),
        )
    return Config(target=target, **values)


def _is_text(value: object) -> bool:
    """Return whether a value is a text on one line, or none at all.

    JSON can spell half of a surrogate pair, which no file and no terminal takes; a path may have
    the other half, where a name of this machine's is no UTF-8.
    """
    if not isinstance(value, str):
        return value is None
    return not any(sign < " " or "\ud800" <= sign < "\udc80" for sign in value)


def config_from_environment(environ: Mapping[str, str]) -> Config:
    """Return the deployment that the environment variables describe, for the target `aws`."""
    values: dict[str, str | None] = {
        name: environ.get(variable) for name, variable in ENVIRONMENT_VARIABLES.items()
    }
    values["region"] = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    missing = sorted(name for name in _required_names() if not values.get(name))
    if missing:
        wanted = [ENVIRONMENT_VARIABLES.get(name, "AWS_REGION") for name in missing]
        raise ConfigError(
            say(
                "the AWS deployment is unknown: infra/outputs.json is missing, and so are "
                "{wanted} in the environment.",
                wanted=", ".join(wanted),
            ),
            hint=say("`terraform -chdir=infra apply`, then `b3 outputs`."),
        )
    present = {name: value for name, value in values.items() if value}
    return Config(target="aws", **present)  # boto3 reads AWS_ENDPOINT_URL, with your own keys


def dump_outputs(config: Config) -> str:
    """Return a deployment as the JSON that `terraform output -json` writes."""
    values = {
        field.name: getattr(config, field.name)
        for field in fields(config)
        if field.name != "target"
    }
    wrapped = {
        name: {"sensitive": False, "type": "string", "value": value}
        for name, value in values.items()
        if value is not None
    }
    return json.dumps(wrapped, indent=2) + "\n"


def _required_names() -> set[str]:
    return {field.name for field in fields(Config)} - {
        "target",
        "ec2_instance_id",
        "endpoint_url",
        "credentials_file",
    }


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
            say("terraform is not on the path."),
            hint=say("install Terraform 1.6 or newer; docs/aws.md says what it is for."),
        )
    answer = subprocess.run(
        [terraform, f"-chdir={folder}", "output", "-json", "-no-color"],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise ConfigError(
            say(
                "terraform output failed in {folder}: {reason}",
                folder=folder,
                reason=answer.stderr.strip() or say("it gave no reason"),
            ),
            hint=say("`terraform -chdir=infra init`, then `apply`."),
        )
    if answer.stdout.strip() in ("", "{}"):
        raise ConfigError(
            say(
                "Terraform's state in {folder} has no outputs: nothing was applied.", folder=folder
            ),
            hint=say("`terraform -chdir=infra apply`, then `b3 outputs`."),
        )
    return answer.stdout


def is_host() -> bool:
    """Return whether this machine is the ingestion host."""
    return bool(os.environ.get(HOST_VARIABLE))


def refuse_on_host(what: str, needs: str) -> None:
    """Raise ConfigError where this machine is the ingestion host: it has not what `what` needs."""
    if is_host():
        raise ConfigError(
            say("{what} needs {needs}, which the ingestion host has not.", what=what, needs=needs),
            hint=say("{what} on your own machine, with B3_TARGET=aws.", what=what),
        )
