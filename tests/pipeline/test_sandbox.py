"""The sandbox: started, provisioned, killed, found again, removed."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from b3pipeline import checks, lake, names
from b3pipeline.cloud.clients import Cloud
from b3pipeline.deployment import provision, sandbox, teardown
from b3pipeline.errors import ConfigError, SandboxError
from b3pipeline.ingest import ingest
from b3pipeline.sources import open_source


@pytest.fixture(scope="module")
def kept(tmp_path_factory, new_checkout):
    """A checkout that tests share, for they find a local AWS that stands as well as none."""
    root = new_checkout(tmp_path_factory.mktemp("kept") / "checkout")
    yield root
    sandbox.down(root)


@pytest.fixture
def small_batch(cut_event):
    """A maker of a batch: two sessions of one ticker into bronze, marked as done without a run."""

    def make(root, cloud):
        cut_event(root)
        batch = ingest(cloud, open_source("sample"), ["PETR4"], "2024-01-02", "2024-01-03")
        lake.put_objects(cloud, [(names.mark_key(batch.batch_id), b"{}")])
        provision.ensure_notification(cloud)

    return make


def test_everything_stands_after_up(kept):
    """The provisioning check finds each part, configured as it must be."""
    report = checks.check_deployment(Cloud(sandbox.up(root=kept, port=0)))
    assert report.failed == ()


def test_a_second_up_finds_the_first(kept):
    """One local AWS a checkout: the same address, the same process."""
    first = sandbox.up(root=kept, port=0)
    pid = sandbox.status(kept).pid
    assert (sandbox.up(root=kept), sandbox.status(kept).pid) == (first, pid)


def test_ensure_starts_what_is_down_and_uses_what_is_up(kept):
    """A notebook opened on its own gets a local AWS, and the next one gets the same."""
    sandbox.up(root=kept, port=0)
    assert sandbox.ensure(kept) == sandbox.ensure(kept)


def test_all_objects_stand_after_a_kill(kept, small_batch):
    """A power cut loses no object, no partition and no part of the pipeline."""
    cloud = Cloud(sandbox.up(root=kept, port=0))
    small_batch(kept, cloud)
    pid = sandbox.status(kept).pid
    os.kill(pid, signal.SIGKILL)
    psutil.Process(pid).wait(10)
    risen = Cloud(sandbox.up(root=kept, port=0))
    wanted = [("2024-01-02", "PETR4"), ("2024-01-03", "PETR4")]
    assert lake.stored_partitions(risen) == wanted
    assert sorted(lake.list_partitions(risen, names.BRONZE_TABLE)) == wanted
    assert checks.check_deployment(risen).failed == ()


def test_partitions_that_the_catalog_lost_are_registered_again(kept, small_batch):
    """Objects are the truth: the next up lists them for Athena once more."""
    cloud = Cloud(sandbox.up(root=kept, port=0))
    small_batch(kept, cloud)
    cloud.glue.delete_table(DatabaseName=cloud.config.glue_database, Name=names.BRONZE_TABLE)
    sandbox.up(root=kept)
    assert len(lake.list_partitions(cloud, names.BRONZE_TABLE)) == 2


def test_down_leaves_no_process(kept):
    """What the local AWS started ends with it."""
    sandbox.up(root=kept, port=0)
    pid = sandbox.status(kept).pid
    sandbox.down(kept)
    assert not psutil.pid_exists(pid)


def test_another_process_may_stop_what_this_one_started(kept):
    """A notebook's kernel ends the server that the course started, though it cannot reap it."""
    sandbox.up(root=kept, port=0)
    code = (
        "import sys, pathlib; from b3pipeline.deployment import sandbox;"
        "sandbox.reset(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(kept)], check=True, timeout=15)
    assert not sandbox.status(kept).running


def test_reset_leaves_no_folder(kept):
    """After a reset nothing of the local AWS is left on disk."""
    sandbox.up(root=kept, port=0)
    sandbox.reset(kept)
    assert not sandbox.state_folder(kept).exists()


def test_a_port_in_use_is_named(checkout, monkeypatch):
    """The sentence has the port, and a way that every verb and notebook follows."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError, match=rf"{port}.*B3_PORT=4567"):
            sandbox.up(root=checkout, port=port)
        monkeypatch.setenv("B3_LANG", "pt_BR")  # the local AWS says it in English
        with pytest.raises(SandboxError, match=rf"a porta {port} de .* já está em uso") as caught:
            sandbox.up(root=checkout, port=port)
    assert f"port {port} of 127.0.0.1 cannot be had" in caught.value.english


def test_the_environment_chooses_the_port(checkout, monkeypatch):
    """Every verb and notebook that starts the local AWS takes it; one that runs keeps its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("B3_PORT", str(port))
    assert sandbox.ensure(checkout).endpoint_url == f"http://127.0.0.1:{port}"
    monkeypatch.setenv("B3_PORT", "4567")
    assert sandbox.up(root=checkout).endpoint_url == f"http://127.0.0.1:{port}"


def test_a_proxy_is_not_asked_for_this_machine(checkout, monkeypatch, small_batch):
    """At a university the environment names one, and it knows nothing of 127.0.0.1."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    monkeypatch.setenv("no_proxy", "intranet.example")
    cloud = Cloud(sandbox.up(root=checkout, port=0))
    small_batch(checkout, cloud)
    assert len(lake.stored_partitions(cloud)) == 2
    assert os.environ["NO_PROXY"] == "intranet.example,127.0.0.1,localhost"


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_named(checkout, monkeypatch, text):
    """Before anything is started."""
    monkeypatch.setenv("B3_PORT", text)
    with pytest.raises(SandboxError, match=rf"B3_PORT is '{text}'"):
        sandbox.up(root=checkout)


def test_a_state_folder_that_cannot_be_made_is_named(checkout):
    """A file stands where the folder should be; it is not touched."""
    sandbox.state_folder(checkout).write_text("mine")
    with pytest.raises(SandboxError, match=r"\.localaws"):
        sandbox.up(root=checkout, port=0)
    assert sandbox.state_folder(checkout).read_text() == "mine"


def test_teardown_removes_every_part_and_proves_it(kept, small_batch):
    """The inventory is empty afterwards, and the check of the deployment sees nothing."""
    cloud = Cloud(sandbox.up(root=kept, port=0))
    small_batch(kept, cloud)
    kinds = {resource.kind for resource in teardown.inventory(cloud).resources}
    assert kinds == {
        "S3 bucket", "Lambda", "IAM role", "Glue job", "Glue database", "Athena workgroup",
    }  # fmt: skip
    assert len(teardown.remove(cloud)) == 0
    found = [finding.subject for finding in checks.check_deployment(cloud).findings if finding.ok]
    assert found == ["account"]


def test_teardown_leaves_to_terraform_what_is_terraforms(cloud):
    """Removing by hand what Terraform made would spoil its state."""
    with pytest.raises(ConfigError, match="terraform"):
        teardown.remove(Cloud(replace(cloud.config, target="aws")))
