"""The course in Portuguese in a Learner Lab, from the mode that does not fit to an empty account.

The lab is a local AWS with one student, who may do everything but the one action that Terraform's
own bucket resource needs. The server keeps who asked for what: at the end that is held against the
policies that Terraform renders for host, job and Lambda where it makes their roles.

The tests share one lab and run in their order: each fixture takes the student a step further, and
the last test removes everything.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup

from b3pipeline import lake, names, refine
from b3pipeline.cloud.clients import Cloud
from b3pipeline.deployment import sandbox, teardown
from b3pipeline.ingest import ingest
from b3pipeline.sources import open_source
from localaws.audit import Decision

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
LOCK = "s3:GetBucketObjectLockConfiguration"
BUCKETS = "aws_s3_bucket.managed"
SPAN = {"START_DATE": "2024-01-02", "END_DATE": "2024-01-05"}
A_YEAR = {"START_DATE": "2023-01-02", "END_DATE": "2024-01-05"}
SMALL = ("tickers=PETR4,VALE3", "start=2024-01-02", "end=2024-02-09")
"""Two shares and 27 sessions: what each cell does, not how much of it."""
NAMES = [path.stem for path in sorted((ROOT / "notebooks" / "pt-BR").glob("*.ipynb"))]

Right = tuple[str, str]
"""An action and a pattern of ARNs."""

NEVER_HERE = {
    "host": {
        ("s3:GetObject", "artifacts/*"): "its first start downloads them, and nothing boots here",
        ("glue:BatchDeletePartition", "*"): "REPLACE=1: a history that is loaded anew",
        ("ssm*", "*"): "the agent of the Session Manager calls them",
    },
    "job": {
        ("s3:*", "temporary/*"): "Glue's own folder, --TempDir",
        ("s3:AbortMultipartUpload", "*"): "an upload that broke off",
        ("s3:DeleteObject", "refined/*"): "sessions that bronze has lost, and checkpoints",
        ("glue:BatchDeletePartition", "*"): "sessions that bronze has lost",
        ("glue:CreateTable", "*"): "a silver table that is missing",
    },
    "function": {
        ("sqs:SendMessage", "*"): "Lambda keeps an event that failed three times",
        ("logs:*", "*"): "Lambda's own log, which ministack writes in nobody's name",
    },
}
"""What a role may do and no call here did, each with its reason."""


@dataclass(frozen=True)
class Lab:
    """A lab, and what its student types in a checkout: `own` is a deployment in the wrong mode."""

    owner: Any
    account: Any
    own: Any
    root: Path
    environment: dict[str, str]
    run_in: Callable[..., subprocess.CompletedProcess[str]]

    def python(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Return what a Python module with its arguments answers."""
        return self.run_in(self.root, self.environment, *command, seconds=1200)

    def b3(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Return a finished `b3`."""
        done = self.python("b3pipeline.cli", *arguments)
        if check and done.returncode != 0:
            pytest.fail(f"b3 {' '.join(arguments)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done


@pytest.fixture(scope="module")
def lab(
    new_account, deployment, new_checkout, clean_environment, run_in, free_port, tmp_path_factory
) -> Iterator[Lab]:
    """A lab in which nothing is made yet."""
    owner = new_account(standby="idle", standby_java=names.JOB_JAVA_OPTIONS)
    account = owner.lab([LOCK])
    root = new_checkout(tmp_path_factory.mktemp("lab") / "checkout")
    (root / ".localaws").mkdir()  # as after a course on this machine: notebook 01 names it
    own = {"B3_TARGET": "aws", "B3_PORT": str(free_port)}
    environment = clean_environment(root) | account.environment | own
    del environment["LOCALAWS_STANDBY"]  # notebook 05 waits for five runs
    yield Lab(owner, account, deployment(account), root, environment, run_in)
    sandbox.down(root)  # which notebook 05 has started


# ---- the mode that does not fit, and the way out


@pytest.fixture(scope="module")
def wrong(lab: Lab) -> dict[str, Any]:
    """What doctor, apply and destroy say in the mode of an account of one's own."""
    return {
        "doctor": lab.b3("doctor", check=False),
        "apply": lab.own.apply(check=False),
        "destroy": lab.own.run("destroy", "-auto-approve", check=False),
    }


@pytest.fixture(scope="module")
def right(lab: Lab, wrong: dict[str, Any]) -> dict[str, Any]:
    """What the way out of docs/aws.md says, and the deployment that it leads to."""
    lab.own.terraform.run("state", "rm", f"-state={lab.own.state}", BUCKETS)
    (lab.root / "infra").mkdir(exist_ok=True)
    example = (ROOT / "infra" / "academy.tfvars.example").read_text()
    (lab.root / "infra" / "terraform.tfvars").write_text(example)
    said = {
        "doctor": lab.b3("doctor", check=False),
        "buckets": lab.b3("buckets"),
        "buckets again": lab.b3("buckets"),
    }
    made = replace(lab.own, variables=("academy.tfvars.example",))
    made.apply()
    answer = made.terraform.run("output", "-json", f"-state={made.state}")
    (lab.root / "infra" / "outputs.json").write_text(answer.stdout)
    return {**said, "made": made}


@pytest.fixture(scope="module")
def made(right: dict[str, Any]) -> Any:
    """The deployment of Terraform in the mode of a lab."""
    return right["made"]


@pytest.fixture(scope="module")
def cloud(lab: Lab, made: Any) -> Iterator[Cloud]:
    """The deployment as the student reaches it."""
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in lab.account.environment.items():
            patch.setenv(variable, value)
        yield Cloud(made.config())


def test_the_wrong_mode_is_named_before_an_apply(wrong) -> None:
    """The doctor says what the apply will stumble over, and which file leads out."""
    assert f"{LOCK} is denied" in wrong["doctor"].stdout
    assert "academy.tfvars.example" in wrong["doctor"].stdout
    assert wrong["apply"].returncode == 1
    assert LOCK in wrong["apply"].stderr
    assert LOCK in (ROOT / "docs" / "aws.md").read_text()
    assert wrong["destroy"].returncode == 1


def test_the_way_out_makes_the_buckets_by_b3_and_no_role(right) -> None:
    """What was half made is forgotten; buckets made twice are made once."""
    said = right["doctor"].stdout
    assert f"buckets by `b3 buckets`, for {LOCK} is denied here" in said
    assert right["buckets"].stdout == right["buckets again"].stdout
    addresses = right["made"].addresses()
    assert [name for name in addresses if name.startswith(("aws_iam", BUCKETS))] == []


# ---- two batches


@pytest.fixture(scope="module")
def role(lab: Lab) -> Any:
    """The lab's role, as the host has it."""
    return lab.owner.assume("LabRole", "host")


@pytest.fixture(scope="module")
def states(cloud: Cloud, host, role) -> dict[str, list[str]]:
    """The states in which each run was seen: the student ingests while the host's is refined."""
    first = host.start(cloud.config, role, TICKERS="PETR4", SOURCE="sample", **A_YEAR)
    # A year takes the run some seconds; before the manifest the student would complete the batch.
    _until(lambda: lake.list_manifests(cloud) or first.poll(), pause=0.1)
    ingest(cloud, open_source("sample"), ("VALE3",), *SPAN.values())
    host.finish(first)
    seen: dict[str, list[str]] = {}

    def runs() -> bool:
        found = refine.list_runs(cloud)
        for run in found:
            seen.setdefault(run.run_id, []).append(run.state)
        return len(found) == 2 and all(run.is_final for run in found)

    _until(runs)
    return seen


def _until(look: Callable[[], Any], pause: float = 0.5) -> Any:
    """Return what a look finds, once it finds something."""
    deadline = time.monotonic() + 300
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing came in five minutes"
        time.sleep(pause)
    return found


def test_a_batch_that_comes_during_a_run_waits_in_the_queue(lab: Lab, cloud: Cloud, states) -> None:
    """And both are in silver in the end."""
    assert [seen[-1] for seen in states.values()] == ["SUCCEEDED", "SUCCEEDED"]
    assert "WAITING" in {state for seen in states.values() for state in seen}
    assert lake.stored_partitions(cloud, names.SILVER_PREFIX) == lake.stored_partitions(
        cloud, names.BRONZE_PREFIX
    )
    counted = lab.b3(
        "query", "--csv",
        "SELECT ticker, count(*) AS n FROM b3_daily_quotes_refined GROUP BY ticker ORDER BY 1",
    )  # fmt: skip
    assert counted.stdout.splitlines() == ["ticker,n", "PETR4,252", "VALE3,4"]


# ---- the course in Portuguese

ENGLISH = re.compile(r"\b(the|of|and|with|which|from|that|are|was|has|run|runs|rows?|objects?)\b")
# What AWS, pyarrow, pandas and matplotlib say in their own words, a path, a log, a code's string.
WORDS_OF_OTHERS = re.compile(
    r"^/\S+$|^rows$|Run > Run All Cells|\(dry run\)|AccessDenied: .*|Parquet magic bytes not .*"
    r"|<Figure size .* with .*>|^Name: starts a run, dtype: bool$"
)
# What these cells show is code, or a log.
SHOWS_CODE = re.compile(r"show_source|show_sql|lambda_log|follow_run")


@dataclass(frozen=True)
class Course:
    """The course in Portuguese as it ran, and what was looked at beside it."""

    answer: subprocess.CompletedProcess[str]
    executed: Path
    report: Path
    host: Future[None]
    rights: Future[dict[str, list[Right]]]

    def notebook(self, name: str) -> Any:
        return nbformat.read(self.executed / f"{name}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def portuguese(lab: Lab, cloud: Cloud, made: Any, states, host, role) -> Course:
    """One run of all six notebooks; 05 breaks a deployment of its own in a local AWS.

    Beside it the host's doctor looks around, and Terraform renders the policies.
    """
    build = lab.root / "build"
    given = [word for pair in SMALL for word in ("--param", pair)]
    with ThreadPoolExecutor(1) as beside:
        looked = beside.submit(host.doctor, cloud.config, role)
        rendered = beside.submit(_rendered, made)
        answer = lab.b3("tutorial", "--lang", "pt-BR", *given, check=False)
    return Course(
        answer,
        build / "notebooks" / "pt-BR",
        build / "report" / "pt-BR" / "index.html",
        looked,
        rendered,
    )


def test_the_course_runs_to_its_end_and_says_so_in_portuguese(portuguese: Course) -> None:
    """Exit code 0; where the notebooks and the page are is a folder of the language."""
    assert portuguese.answer.returncode == 0, portuguese.answer.stderr[-3000:]
    said = portuguese.answer.stdout
    assert f"Relatório, para abrir no navegador: {portuguese.report}" in said
    assert f"Notebooks executados: {portuguese.executed}" in said


@pytest.mark.parametrize("name", NAMES)
def test_each_executed_notebook_is_whole(portuguese: Course, name: str) -> None:
    """Every code cell ran, in order, and none left an error."""
    cells = [cell for cell in portuguese.notebook(name).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]


def test_the_verdicts_of_the_exercises_are_in_portuguese(portuguese: Course) -> None:
    """And the solutions, which ran, are right."""
    texts = [
        output.data["text/plain"]
        for name in NAMES
        for cell in portuguese.notebook(name).cells
        if "check" in cell.metadata.get("tags", [])
        for output in cell.outputs
    ]
    assert len(texts) >= 9
    assert [text for text in texts if not text.startswith("✔ A solução")] == []


def test_the_report_is_a_page_in_portuguese(portuguese: Course) -> None:
    """Its language is told to browsers; its chapters, plots and figures are there."""
    page = BeautifulSoup(portuguese.report.read_text(), "html.parser")
    assert page.html is not None
    assert page.html["lang"] == "pt-BR"
    assert [page.find(id=name) for name in NAMES].count(None) == 0
    assert len(page.select("figure img")) >= 13
    assert "simulad" in page.get_text()


def test_the_report_has_no_english_left_but_code_and_logs(portuguese: Course) -> None:
    """Words that no Portuguese sentence has, outside of code, are none of the page."""
    page = BeautifulSoup(portuguese.report.read_text(), "html.parser")
    for code in page.select("code, pre, style, details.code"):
        code.decompose()
    assert _english_in(page.get_text("\n")) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_outputs_have_no_english_left_but_code_and_logs(portuguese: Course, name: str) -> None:
    """Tables, prints, progress bars, values: the report does not show them all."""
    left = [
        line
        for cell in portuguese.notebook(name).cells
        if not SHOWS_CODE.search(cell.source)
        for output in cell.get("outputs", ())
        for line in _english_in(_words_of(output))
    ]
    assert left == []


def _words_of(output: Any) -> str:
    """Return what a person reads in an output: of HTML what is neither code nor preformatted."""
    data = output.get("data", {})
    if "text/html" not in data:
        return str(output.get("text") or data.get("text/plain", ""))
    page = BeautifulSoup(data["text/html"], "html.parser")
    for code in page.select("code, pre, style"):
        code.decompose()
    return page.get_text("\n")


def _english_in(text: str) -> list[str]:
    """Return the lines of a text in which English words are left that are nobody else's."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if ENGLISH.search(WORDS_OF_OTHERS.sub("", line))]


def test_executed_again_a_notebook_says_the_same(
    lab: Lab, portuguese: Course, nbval: Callable[..., list[str]]
) -> None:
    """The first one by nbval, as all its English twins: ids and times aside."""
    path = portuguese.executed / "01_provisioning_check.ipynb"
    answer = lab.python(*nbval(lab.root, path))
    assert answer.returncode == 0, answer.stdout[-6000:]


def test_the_last_notebook_names_the_commands_of_the_docs(portuguese: Course) -> None:
    """The buckets are not Terraform's here, so that its destroy would leave them."""
    named = [
        code.get_text()
        for cell in portuguese.notebook("06_teardown").cells
        if "destroy_steps" in cell.source and cell.cell_type == "code"
        for output in cell.outputs
        for code in BeautifulSoup(output.data["text/html"], "html.parser").select("code")
    ]
    docs = (ROOT / "docs" / "aws.md").read_text().partition("\n## Remove it\n")[2]
    ours = ["terraform -chdir=infra destroy", "b3 buckets --remove"]
    assert [command for command in named if command in docs] == ours


# ---- what was called, and what may be


def test_the_host_finds_all_well(portuguese: Course) -> None:
    """Its own doctor, as the lab's role, while the student is at work."""
    portuguese.host.result()


def test_each_role_did_what_terraform_lets_it_and_all_of_that(
    lab: Lab, cloud: Cloud, portuguese: Course
) -> None:
    """Nothing was denied but the student's look at a lock; no right is missing, or needless."""
    kept = list(lab.account.decisions())
    assert {one.action for one in kept if not one.allowed} == {LOCK}
    assert _surprises(kept, cloud, portuguese.rights.result()) == {}


ROLES = {
    "aws_iam_role_policy.host[0]": "host",
    "aws_iam_role_policy.glue[0]": "job",
    "aws_iam_role_policy.lambda[0]": "function",
}


def _role(decision: Decision, cloud: Cloud) -> str:
    """Return whose call it was: the lab has one role for all, and a session's name tells them."""
    sessions = {
        "host": "host",
        "GlueJobRunnerSession": "job",
        cloud.config.lambda_function_name: "function",
    }
    return sessions.get(decision.principal.rpartition("assumed-role/LabRole/")[2], "")


def _rendered(made: Any) -> dict[str, list[Right]]:
    """Return the rights of each role, as this very deployment would get them with own roles."""
    config = made.config()
    buckets = (
        f"existing_raw_data_bucket={config.raw_data_bucket}",
        f"existing_athena_results_bucket={config.athena_results_bucket}",
    )
    plan = made.state.with_suffix(".roles")
    replace(made, variables=buckets).run("plan", f"-out={plan}")
    shown = made.terraform.run("show", "-json", str(plan), env=made.account.environment)
    planned = json.loads(shown.stdout)["planned_values"]["root_module"]["resources"]
    documents = {
        ROLES[each["address"]]: json.loads(each["values"]["policy"])["Statement"]
        for each in planned
        if each["address"] in ROLES
    }
    return {
        role: [
            (action, on)
            for statement in statements
            for action in statement["Action"]
            for on in statement["Resource"]
        ]
        for role, statements in documents.items()
    }


def _surprises(
    kept: list[Decision], cloud: Cloud, rendered: dict[str, list[Right]]
) -> dict[tuple[str, str], list[Right]]:
    """Return by role what was called and is not allowed, what is allowed and was not called.

    And which excuses of NEVER_HERE excuse nothing.
    """
    found: dict[tuple[str, str], list[Right]] = {}
    for role, policy in rendered.items():
        used = {(one.action, one.resource) for one in kept if _role(one, cloud) == role}
        used -= {(action, on) for action, on in used if action == "sts:GetCallerIdentity"}
        unused = [right for right in policy if not any(_covers(right, call) for call in used)]
        excuses = {right: _excuses(right, NEVER_HERE[role]) for right in unused}
        found[role, "denied"] = sorted(
            call for call in used if not any(_covers(right, call) for right in policy)
        )
        found[role, "unused"] = [right for right in unused if not excuses[right]]
        found[role, "needless excuses"] = sorted(
            NEVER_HERE[role].keys() - set().union(*excuses.values())
        )
    return {what: rights for what, rights in found.items() if rights}


def _covers(right: Right, call: Right) -> bool:
    return right[0] == call[0] and fnmatchcase(call[1], right[1])


def _excuses(right: Right, known: dict[Right, str]) -> set[Right]:
    """Return the known excuses for a right that nobody used."""
    return {
        excuse
        for excuse in known
        if fnmatchcase(right[0], excuse[0]) and fnmatchcase(right[1], f"*{excuse[1]}")
    }


# ---- the end


def test_after_the_commands_of_the_docs_nothing_is_left(
    lab: Lab, cloud: Cloud, made: Any, states
) -> None:
    """The inventory sees what costs money, and after the commands of docs/aws.md nothing."""
    assert {item.kind for item in teardown.inventory(cloud).resources} >= {
        "EC2 instance", "S3 bucket", "Lambda", "SQS queue", "log group", "Glue job",
        "Glue database", "Athena workgroup",
    }  # fmt: skip
    refused = lab.b3("buckets", "--remove", "--yes", check=False)
    assert "`terraform -chdir=infra destroy` first" in refused.stderr
    made.run("destroy", "-auto-approve")
    lab.b3("buckets", "--remove", "--yes")
    # ministack keeps a terminated instance's disk, which AWS deletes with it.
    left = [item for item in teardown.inventory(cloud).resources if item.kind != "EBS volume"]
    assert left == []
    assert made.addresses() == []
