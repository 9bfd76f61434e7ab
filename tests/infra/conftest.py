"""Terraform on this machine: the program, a provider mirror, deployments on local AWS servers."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest

from b3pipeline.cloud.config import Config, parse_outputs
from localaws import process

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
MIRROR = "registry.terraform.io"


@dataclass(frozen=True)
class Terraform:
    """The configuration in a folder of its own, initialised; the checkout stays as it is."""

    folder: Path
    environment: dict[str, str]

    def run(
        self, *arguments: str, env: dict[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Return a finished `terraform` command; where `check` is set it must have succeeded."""
        command = ["terraform", *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=self.environment | (env or {}),
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
            env=self.environment,
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
    """Where the files with keys are written."""
    ca_bundle: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The variables under which any AWS tool works as this identity."""
        certificates = {"AWS_CA_BUNDLE": self.ca_bundle} if self.ca_bundle else {}
        return certificates | {
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
            region_name=REGION,
            verify=self.ca_bundle or None,
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
        trust = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}

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
def terraform(mirror: Path, artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
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
    return made


@pytest.fixture(scope="session")
def user_data(terraform: Terraform) -> Callable[[str], str]:
    """Return a maker of the host's first start, for daily tickers in Terraform's words."""

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
        "CHECKPOINT_DISABLE": "1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
    }


@pytest.fixture(scope="module")
def new_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Account]]:
    """Return a maker of fresh local AWS servers that enforce IAM; all end with the module."""
    folders: list[Path] = []

    def make() -> Account:
        folders.append(tmp_path_factory.mktemp("localaws"))
        hosts = ("127.0.0.1:*",)  # `over_tls` comes in by another port
        server = process.start(folders[-1], 0, hosts=hosts)
        keys = server.keys
        return Account(server.endpoint_url, keys.access_key_id, keys.secret_access_key, folders[-1])

    yield make
    for folder in folders:
        process.stop(folder)


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Account], Account]]:
    """Return a function that gives an account an HTTPS endpoint, with a certificate of its own."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*make.split(), *names, *files], check=True, capture_output=True)
    fronts: list[subprocess.Popen[str]] = []

    def secure(account: Account) -> Account:
        script = Path(__file__).with_name("tls_front.py")
        behind = account.endpoint_url.rpartition(":")[2]
        command = [sys.executable, str(script), str(certificate), str(key), behind]
        fronts.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert fronts[-1].stdout is not None
        port = fronts[-1].stdout.readline().strip()
        return replace(
            account, endpoint_url=f"https://127.0.0.1:{port}", ca_bundle=str(certificate)
        )

    yield secure
    for front in fronts:
        front.terminate()
        front.communicate(timeout=10)


@pytest.fixture(scope="module")
def deployment(
    terraform: Terraform, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Deployment]:
    """Return a maker of deployments: an account and Terraform variables, each with its state."""

    def make(account: Account, *variables: str) -> Deployment:
        state = tmp_path_factory.mktemp("state") / "terraform.tfstate"
        return Deployment(terraform, account, state, variables)

    return make
