"""The job on a cluster: executors in processes of their own, each with a core."""

import hashlib
import json
from pathlib import Path

import pyspark
import pytest

pytestmark = pytest.mark.spark

DAYS = [f"2024-01-{day:02}" for day in range(1, 13)]
TICKERS = [f"TICK{n}" for n in range(20)]


@pytest.fixture
def cluster(tmp_path, localaws_keys):
    """The variables under which a session has two executors, each a process with its own work."""
    home, installed = tmp_path / "home", Path(pyspark.__file__).parent
    home.mkdir()  # executors leave their logs in Spark's home
    for name in ("bin", "jars", "python"):
        (home / name).symlink_to(installed / name)
    quick = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    settings = {
        "spark.master": "local-cluster[2,1,1024]",
        "spark.executor.memory": "1g",
        "spark.executor.extraJavaOptions": quick,
        "spark.executorEnv.AWS_ACCESS_KEY_ID": localaws_keys.access_key_id,
        "spark.executorEnv.AWS_SECRET_ACCESS_KEY": localaws_keys.secret_access_key,
    }
    lines = [f"{name} {value}" for name, value in settings.items()]
    (tmp_path / "spark-defaults.conf").write_text("\n".join(lines))
    return {"SPARK_HOME": str(home), "SPARK_CONF_DIR": str(tmp_path), "SPARK_SCALA_VERSION": "2.13"}


def digests(lake):
    """Return what each silver object holds but `refined_at`, as bytes."""
    return {
        pair: hashlib.sha256(repr(row).encode()).hexdigest() for pair, row in lake.silver().items()
    }


def test_two_executors_write_what_one_process_writes(
    make_lake, make_bar, start_script, localaws_endpoint, cluster
):
    """Same objects bit for bit but refined_at: tasks carry all that they need with them."""
    sessions = {
        (ticker, day): [make_bar(10.0 + n + m)]
        for n, ticker in enumerate(TICKERS)
        for m, day in enumerate(DAYS)
    }
    here, there = make_lake(), make_lake()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(here.job, "SMALL", 0)  # generated code here, none there
        here.refine("b1", sessions)
    manifest = there.ingest("b1", sessions)

    run = start_script(
        there, "--batch_manifest", manifest, endpoint_url=localaws_endpoint, **cluster
    )
    output, errors = run.communicate(timeout=240)

    assert run.returncode == 0, errors[-2000:]
    assert "on local-cluster[2,1,1024], 2 core(s)" in output
    assert json.loads(output.splitlines()[-1])["partitions_written"] == 240
    assert len(there.silver_bytes()) == 240
    assert digests(there) == digests(here)
