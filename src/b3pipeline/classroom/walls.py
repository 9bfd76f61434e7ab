"""Walls around a process: it writes in its own folder alone, and reads no other person's files.

Linux has them for every user: Landlock (since 5.13) confines files and, since 6.12, signals;
namespaces hide the other processes and every network. What the system lacks is left out, and
`standing` says which walls there are.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read a file, list a folder
_WRITE_SINCE = {1: 0x1FFF, 2: 1 << 13, 3: 1 << 14}  # by version: all else, move, truncate
_FILE_RIGHTS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14
_SIGNALS = 1 << 1
_NO_NEW_PRIVILEGES = 38
_SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc", "/opt", "/proc", "/sys", "/dev")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")
_UP = 0x1 | 0x40  # the flags of an interface that is up and running


@cache
def landlock_version() -> int:
    """Return the version of Landlock here; 0 where the system has none."""
    if sys.platform != "linux":
        return 0
    version = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, 1)
    return max(int(version), 0)


@cache
def namespaces() -> Sequence[str]:
    """Return the command that begins a process in namespaces of its own; empty where none can.

    When it ends, or is killed, everything that was begun in it ends as well.
    """
    found = shutil.which("unshare")
    if sys.platform != "linux" or found is None:
        return ()
    spaces = ("--user", "--map-root-user", "--net", "--ipc", "--pid", "--mount-proc")
    command = (found, *spaces, "--fork", "--kill-child", "--")
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return command if tried.returncode == 0 else ()


def standing() -> tuple[str, ...]:
    """Return the walls that this system has, in words."""
    words = ["files"] if landlock_version() else []
    return (*words, *(("processes", "network") if namespaces() else ()))


def limit(name: str, amount: int) -> None:
    """Lower one limit of this process, and of all that it starts, such as `RLIMIT_FSIZE`."""
    kind = getattr(resource, name, None)
    if kind is None:
        return
    _, hard = resource.getrlimit(kind)
    most = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.setrlimit(kind, (most, most))


def bring_up_loopback() -> None:
    """Make 127.0.0.1 work in a network of one's own, where nothing is up at first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, 0x8914, struct.pack("16sh", b"lo", _UP))


def confine(own: Path, readable: Iterable[Path]) -> None:
    """Let this process, and all that it starts, write below `own` alone, for good.

    It reads there, in the system's folders and in those of `readable`. Does nothing where the
    system has no Landlock. Raises OSError where the kernel refuses.
    """
    version = landlock_version()
    if not version:
        return
    everything = 0
    for since, rights in _WRITE_SINCE.items():
        everything |= rights if version >= since else 0
    ruleset = struct.pack("QQQ", everything, 0, _SIGNALS if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    libc = ctypes.CDLL(None, use_errno=True)
    rules = _checked(libc.syscall(_CREATE_RULESET, ruleset[:size], size, 0))
    try:
        for path in (*map(Path, _SYSTEM), *readable):
            _allow(libc, rules, path, _READ)
        for path in (own, *map(Path, _DEVICES)):
            _allow(libc, rules, path, everything)
        _checked(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, rules, 0))
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        rights &= _FILE_RIGHTS
    folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights, folder)
        _checked(libc.syscall(_ADD_RULE, rules, 1, rule, 0))
    finally:
        os.close(folder)


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer
