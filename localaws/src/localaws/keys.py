"""The key pair of a local AWS: made at random, kept in its state folder, read by its user alone."""

from __future__ import annotations

import configparser
import os
import secrets
import stat
import string
from dataclasses import dataclass, field
from pathlib import Path

from localaws.errors import StateDirError

FILE_NAME = "credentials"
"""The file in the state folder: AWS's own format, so that every AWS tool can read it."""

_PROFILE = "default"
_ID_CHARACTERS = string.ascii_uppercase + "234567"
# No key of AWS begins so: whoever sees one in a log or a file knows that it opens no account.
_ID_PREFIX = "LKIA"


@dataclass(frozen=True)
class Keys:
    """An access key of the account's root, and its secret."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


def keys_of(state_dir: Path) -> Keys:
    """Return the key pair of a state folder, made where it has none.

    Raises StateDirError where the file is none of ours.
    """
    path = state_dir / FILE_NAME
    if not path.exists():
        _write(path, _new_keys())
    return _read(path)


def _new_keys() -> Keys:
    name = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(16))
    return Keys(_ID_PREFIX + name, secrets.token_urlsafe(30))


def _write(path: Path, keys: Keys) -> None:
    """Write a pair for this user's eyes; where another process was quicker, its pair stays."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    text = (
        f"[{_PROFILE}]\n"
        f"aws_access_key_id = {keys.access_key_id}\n"
        f"aws_secret_access_key = {keys.secret_access_key}\n"
    )
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read(path: Path) -> Keys:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        # A pipe would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError("it is no regular file")
            parser.read_file(file)
        profile = parser[_PROFILE]
        keys = Keys(profile["aws_access_key_id"], profile["aws_secret_access_key"])
        if not (keys.access_key_id.startswith(_ID_PREFIX) and len(keys.secret_access_key) >= 20):
            raise ValueError("its key is none that a local AWS made")
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        raise StateDirError(
            f"{path} does not hold the key of this local AWS ({error}).",
            hint="remove that file and start again: a new key is made.",
        ) from error
    return keys
