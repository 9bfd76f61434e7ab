"""Terraform on this machine: the program, a provider mirror, deployments on local AWS servers."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from packaging.utils import canonicalize_name

from b3pipeline.cloud.config import ENVIRONMENT_VARIABLES, Config, parse_outputs
from localaws import process
from localaws.audit import Decision, decisions

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
MIRROR = "registry.terraform.io"


class Providers:
    """The provider as a process that serves command after command, one for each account.

    A command would start its own, whose start and schema cost three seconds of CPU. An account's
    variables are read when it starts.
    """

    def __init__(self) -> None:
        self._attached: dict[tuple[str, ...], str] = {}
        self._started: list[subprocess.Popen[str]] = []

    def attach(self, folder: Path, environment: dict[str, str]) -> dict[str, str]:
        """Return the variable by which Terraform finds the provider of a configuration's folder."""
        where = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID")
        account = (str(folder), *(environment.get(name, "") for name in where))
        if account not in self._attached:
            (program,) = folder.glob(".terraform/providers/*/*/*/*/*/terraform-provider-aws_*")
            # It ends with this process, whatever ends that.
            command = ["bash", "-c", '"$0" -debug & read -r; kill $!', str(program)]
            started = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self._started.append(started)
            assert started.stdout is not None
            lines = (line.strip() for line in started.stdout)
            told = next(line for line in lines if line.startswith("TF_REATTACH_PROVIDERS="))
            self._attached[account] = told.partition("=")[2].strip("'")
        return {"TF_REATTACH_PROVIDERS": self._attached[account]}

    def stop(self) -> None:
        """End what was started."""
        for started in self._started:
            started.communicate(timeout=20)


@dataclass(frozen=True)
class Terraform:
    """The configuration in a folder of its own, initialised; the checkout stays as it is."""

    folder: Path
    environment: dict[str, str]
    providers: Providers | None = None

    def _environment(self, verb: str, env: dict[str, str] | None = None) -> dict[str, str]:
        environment = self.environment | (env or {})
        if self.providers is None or verb in ("fmt", "output", "state"):  # which ask no provider
            return environment
        return environment | self.providers.attach(self.folder, environment)

    def run(
        self, *arguments: str, env: dict[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Return a finished `terraform` command; where `check` is set it must have succeeded."""
        command = ["terraform", *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=self._environment(arguments[0], env),
                capture_output=True,
                text=True,
                timeout=900,  # a minute on an idle machine
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            said = (late.stdout or b"").decode()
            pytest.fail(f"{' '.join(command)} did not end in {late.timeout} s\n{said[-4000:]}")
        if check and done.returncode != 0:
            pytest.fail(f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr}")
        return done

    def evaluate(self, expressions: list[str], *options: str) -> list[Any]:
        """Return what expressions of the configuration are worth, under options of `console`."""
        done = subprocess.run(
            ["terraform", "console", "-no-color", *options],
            cwd=self.folder,
            env=self._environment("console"),
            input=f"jsonencode([{', '.join(expressions)}])",
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        values: list[Any] = json.loads(json.loads(done.stdout))
        return values


@dataclass(frozen=True)
class Account:
    """A fresh local AWS, as one identity of it."""

    endpoint_url: str
    access_key: str
    secret_key: str
    folder: Path
    """The server's own: its audit lies there, and the files with keys are written there."""
    session_token: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The variables under which any AWS tool works as this identity."""
        token = {"AWS_SESSION_TOKEN": self.session_token} if self.session_token else {}
        return token | {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def reach(self, config: Config) -> Config:
        """Return a deployment as this identity reaches it."""
        path = self.folder / f"{self.access_key}.credentials"
        lines = [f"aws_access_key_id={self.access_key}", f"aws_secret_access_key={self.secret_key}"]
        path.write_text("\n".join(["[default]", *lines, ""]))
        return replace(config, endpoint_url=self.endpoint_url, credentials_file=str(path))

    def client(self, service: str) -> Any:
        """Return a boto3 client of this identity."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.session_token or None,
            region_name=REGION,
        )

    def identity(self, name: str, statements: list[dict[str, Any]]) -> Account:
        """Return this account as a new user who has these rights alone."""
        iam = self.client("iam")
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return replace(self, access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])

    def lab(self, denied: list[str]) -> Account:
        """Return this account as a lab's student, who may do all but what is denied.

        The lab has its role and its instance profile, which may do everything.
        """
        iam = self.client("iam")
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        services = ["ec2.amazonaws.com", "glue.amazonaws.com", "lambda.amazonaws.com"]
        # The account itself as well, so that a test can be the host.
        who = {"Service": services, "AWS": f"arn:aws:iam::{self.account_id}:root"}
        trust = {"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole"}

        def document(statement: dict[str, Any]) -> str:
            return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

        iam.create_role(RoleName="LabRole", AssumeRolePolicyDocument=document(trust))
        iam.put_role_policy(
            RoleName="LabRole", PolicyName="lab", PolicyDocument=document(everything)
        )
        iam.create_instance_profile(InstanceProfileName="LabInstanceProfile")
        iam.add_role_to_instance_profile(
            InstanceProfileName="LabInstanceProfile", RoleName="LabRole"
        )
        return self.identity(
            "student", [everything, {"Effect": "Deny", "Action": denied, "Resource": "*"}]
        )

    def assume(self, role: str, session: str) -> Account:
        """Return this account as a role, in a session of this name."""
        arn = f"arn:aws:iam::{self.account_id}:role/{role}"
        given = self.client("sts").assume_role(RoleArn=arn, RoleSessionName=session)["Credentials"]
        return replace(
            self,
            access_key=given["AccessKeyId"],
            secret_key=given["SecretAccessKey"],
            session_token=given["SessionToken"],
        )

    def decisions(self) -> Iterator[Decision]:
        """Yield who asked this account for what, and whether it was allowed."""
        return decisions(self.folder / "audit.jsonl")

    @property
    def account_id(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])


@dataclass(frozen=True)
class Deployment:
    """One state of Terraform in one account; a variable is name=value, or a file of them."""

    terraform: Terraform
    account: Account
    state: Path
    variables: tuple[str, ...] = ()

    def run(self, verb: str, *arguments: str, check: bool = True) -> Any:
        """Return a finished plan, apply or destroy of this deployment."""
        given = [f"-var{'' if '=' in one else '-file'}={one}" for one in self.variables]
        return self.terraform.run(
            verb,
            "-input=false",
            "-no-color",
            f"-state={self.state}",
            *given,
            *arguments,
            env=self.account.environment,
            check=check,
        )

    def apply(self, *arguments: str, check: bool = True) -> Any:
        """Return a finished apply."""
        return self.run("apply", "-auto-approve", *arguments, check=check)

    def planned_changes(self) -> set[tuple[str, str]]:
        """Return the attributes, each as address and name, that a plan would change now."""
        plan = self.state.with_suffix(".plan")
        self.run("plan", f"-out={plan}")
        shown = self.terraform.run("show", "-json", str(plan), env=self.account.environment)
        return {
            (change["address"], name)
            for change in json.loads(shown.stdout)["resource_changes"]
            if change["mode"] == "managed"
            for name in _changed_attributes(change["change"])
        }

    def addresses(self) -> list[str]:
        """Return the addresses of the resources in the state, data sources left out."""
        listed = self.terraform.run("state", "list", f"-state={self.state}").stdout.split()
        return [address for address in listed if not address.startswith("data.")]

    def config(self) -> Config:
        """Return the configuration that Terraform's outputs give, for the target `aws`."""
        answer = self.terraform.run("output", "-json", f"-state={self.state}")
        return parse_outputs(answer.stdout, "aws")


def _changed_attributes(change: dict[str, Any]) -> list[str]:
    """Return the attributes that a change sets; what AWS will choose is not yet known."""
    before, after = change["before"] or {}, change["after"] or {}
    unknown = change["after_unknown"] or {}
    return [
        name
        for name in before | after
        if before.get(name) != after.get(name) and unknown.get(name) is not True
    ]


HOST_COMMAND = """#!{python}
import sys
from importlib.abc import MetaPathFinder


class NotOnHost(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}} on the host", name=name)


sys.meta_path.insert(0, NotOnHost())
from b3pipeline.cli import main

main()
"""


@dataclass(frozen=True)
class Host:
    """The ingestion host: a folder laid out as its /opt/b3, the host's packages alone."""

    home: Path

    def start(self, config: Config, identity: Account, **asked: str) -> subprocess.Popen[str]:
        """Return `run_ingestion.sh` at work, as an identity, with the variables asked for."""
        return self._run([self.home / "scripts" / "run_ingestion.sh"], config, identity, asked)

    def finish(self, started: subprocess.Popen[str]) -> str:
        """Return the manifest that an ingestion has put; it must have succeeded."""
        said, errors = started.communicate(timeout=300)
        assert started.returncode == 0, errors
        return said.split()[-1]

    def doctor(self, config: Config, identity: Account) -> None:
        """Check the host by itself; only the way to the sources may be missing on this machine."""
        looked = self._run([self.home / ".venv" / "bin" / "b3", "doctor"], config, identity, {})
        found = looked.communicate(timeout=300)[0].splitlines()
        red = [line for line in found if line.startswith("FAIL") and "source " not in line]
        assert found
        assert red == []

    def _run(
        self, command: list[Any], config: Config, identity: Account, asked: dict[str, str]
    ) -> subprocess.Popen[str]:
        settings = {
            variable: str(getattr(config, name)) for name, variable in ENVIRONMENT_VARIABLES.items()
        }
        own = {"B3_HOME": str(self.home), "B3_HOST": "1", "B3_TARGET": "aws"}
        return subprocess.Popen(
            command,
            env=settings | own | asked | identity.environment | {"PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def _not_on_host(artifacts: Path) -> set[str]:
    """Return the modules of this environment that the host's requirements do not bring."""
    text = (artifacts / "host" / "requirements.txt").read_text()
    pinned = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    pinned.add("b3-batch-pipeline")
    return {
        module
        for module, packages in metadata.packages_distributions().items()
        if not pinned.intersection(map(canonicalize_name, packages))
    }


@pytest.fixture(scope="session")
def host(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """Return the ingestion host, of which only what it runs is here."""
    home = tmp_path_factory.mktemp("opt") / "b3"
    (home / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "run_ingestion.sh", home / "scripts")
    (home / ".venv" / "bin").mkdir(parents=True)
    command = home / ".venv" / "bin" / "b3"
    command.write_text(HOST_COMMAND.format(python=sys.executable, missing=_not_on_host(artifacts)))
    command.chmod(0o755)
    return Host(home)


@pytest.fixture(scope="session")
def build_artifacts() -> ModuleType:
    """Return `scripts/build_artifacts.py` as a module."""
    path = ROOT / "scripts" / "build_artifacts.py"
    spec = importlib.util.spec_from_file_location("build_artifacts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory, build_artifacts: ModuleType) -> Path:
    """Return a folder with everything that `make artifacts` builds."""
    folder = tmp_path_factory.mktemp("build") / "artifacts"
    build_artifacts.build(ROOT, folder)
    return folder


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Return the folder of a provider mirror; skip where the machine has no Terraform or none."""
    if shutil.which("terraform") is None:
        pytest.skip("Terraform is not installed")
    found = _find_mirror(Path("/"), depth=4)
    if found is None:
        pytest.skip(f"no provider mirror: no folder {MIRROR} with hashicorp/aws on this machine")
    return found


def _find_mirror(top: Path, depth: int) -> Path | None:
    """Return the parent of a folder `registry.terraform.io` that holds the provider of AWS.

    The nearest to the top wins; what cannot be a place of installed software is left out.
    """
    skipped = {"proc", "sys", "dev", "run", "tmp", "lost+found"}
    level = [top]
    for _ in range(depth):
        below: list[Path] = []
        for folder in level:
            if (folder / MIRROR / "hashicorp" / "aws").is_dir():
                return folder
            try:
                with os.scandir(folder) as entries:
                    names = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
            except OSError:
                continue
            below += [folder / name for name in names if name not in skipped]
        level = below
    return None


@pytest.fixture(scope="session")
def terraform(
    mirror: Path, artifacts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Terraform]:
    """Return the configuration of `infra/`, copied with what it reads, and initialised."""
    project = tmp_path_factory.mktemp("project")
    _copy_configuration(project)
    (project / "build").mkdir()
    (project / "build" / "artifacts").symlink_to(artifacts, target_is_directory=True)
    settings = project / "terraform.rc"
    settings.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
    )
    made = Terraform(project / "infra", _clean_environment(settings))
    made.run("init", "-input=false", "-no-color", "-lockfile=readonly")
    providers = Providers()
    yield replace(made, providers=providers)
    providers.stop()


@pytest.fixture(scope="session")
def user_data(terraform: Terraform) -> Callable[[str], str]:
    """Return a maker of the host's first start, for daily tickers in Terraform's words."""

    @cache
    def render(tickers: str) -> str:
        call = (
            'templatefile("user_data.sh.tftpl", {artifacts_url = "s3://bucket/artifacts/host/", '
            'fingerprint = "f", settings = {RAW_BUCKET = "bucket", AWS_REGION = "us-east-1"}, '
            'tickers = join(",", var.daily_tickers), source = "yahoo", daily_at = "20:00", '
            "mark_key = local.tables.host_mark})"
        )
        (text,) = terraform.evaluate([call], f"-var=daily_tickers={tickers}")
        return str(text)

    return render


def _copy_configuration(project: Path) -> None:
    made_by_terraform = shutil.ignore_patterns(
        ".terraform", "*.tfstate*", "*.tfvars", "outputs.json"
    )
    shutil.copytree(ROOT / "infra", project / "infra", ignore=made_by_terraform)
    sql = Path("src") / "b3pipeline" / "athena" / "sql"
    shutil.copytree(ROOT / sql, project / sql)


def _clean_environment(settings: Path) -> dict[str, str]:
    """Return the environment without anybody's account, variables or plugin cache."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))
    }
    return kept | {
        "TF_CLI_CONFIG_FILE": str(settings),
        "TF_IN_AUTOMATION": "1",
        "GOGC": "400",  # Go looks for garbage less often: a fifth of each command's CPU
        "CHECKPOINT_DISABLE": "1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
    }


@pytest.fixture(scope="module")
def new_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Account]]:
    """Return a maker of fresh local AWS servers that enforce IAM; all end with the module.

    It takes further settings of the server.
    """
    folders: list[Path] = []

    def make(**settings: Any) -> Account:
        folders.append(tmp_path_factory.mktemp("localaws"))
        server = process.start(folders[-1], 0, audit=True, owner=os.getpid(), **settings)
        keys = server.keys
        return Account(server.endpoint_url, keys.access_key_id, keys.secret_access_key, folders[-1])

    yield make
    for folder in folders:
        process.stop(folder)


@pytest.fixture(scope="module")
def deployment(
    terraform: Terraform, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Deployment]:
    """Return a maker of deployments: an account and Terraform variables, each with its state."""

    def make(account: Account, *variables: str) -> Deployment:
        state = tmp_path_factory.mktemp("state") / "terraform.tfstate"
        return Deployment(terraform, account, state, variables)

    return make
