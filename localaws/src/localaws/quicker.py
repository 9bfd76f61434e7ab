"""Functions of ministack that each request for an object calls, and quicker ones that say the same.

What ministack says is asked wherever the quick way does not apply: each has its test beside
ministack's own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import lru_cache
from typing import Any

_MOST_POLICIES = 256


def make_quicker() -> None:
    """Put the quick functions in their places; ministack must have been imported."""
    from ministack.core import iam_evaluator
    from ministack.services import s3

    _replace(iam_evaluator, "parse_policy_document", remembered)
    _replace(s3, "_key_disk_path", lambda whole: DiskPaths(s3, whole).of)
    _replace(s3, "_other_key_disk_path", lambda whole: other_path(s3, whole))


def _replace(module: Any, name: str, quicker: Callable[[Callable[..., Any]], Any]) -> None:
    if not hasattr(module, name):
        raise RuntimeError(f"{module.__name__} of this ministack has no {name}")
    setattr(module, name, quicker(getattr(module, name)))


def remembered(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return `parse`, which reads a policy, with what it made of the last texts kept."""
    kept = lru_cache(_MOST_POLICIES)(parse)
    return lambda document: kept(document) if isinstance(document, str) else parse(document)


def other_path(s3: Any, whole: Callable[..., str | None]) -> Callable[..., str | None]:
    """Return `whole`, which names the second place of a key, with none where nothing can be there.

    ministack removes what it finds at that place, and only that.
    """

    def other(base: str, key: str, path: str) -> str | None:
        if path == f"{base}/{key}" and not os.path.lexists(f"{base}/{s3._ENCODED_KEYS_DIR}"):
            return None
        return whole(base, key, path)

    return other


class DiskPaths:
    """Where ministack keeps an object, found with one look at each folder of its path.

    ministack resolves the path twice, from the root of the file system on. A path below its data
    folder is its own answer where no part of it is a link and a file is there; so it is where
    nothing is there, and no key of its bucket is kept under an encoded name.
    """

    def __init__(self, s3: Any, whole: Callable[[str, str], str | None]) -> None:
        self._is_name_of_a_file = s3._plain_path_key
        self._encoded = s3._ENCODED_KEYS_DIR
        self._whole = whole
        self._root = f"{s3.DATA_DIR}/"
        self._applies = os.path.realpath(s3.DATA_DIR) == s3.DATA_DIR

    def of(self, base: str, key: str) -> str | None:
        """Return what ministack's `_key_disk_path` returns for a key below a folder."""
        path = f"{base}/{key}"
        if self._is_below_root(base) and self._is_name_of_a_file(key) and self._is_own(base, path):
            return path
        return self._whole(base, key)

    def _is_below_root(self, base: str) -> bool:
        below = base.startswith(self._root) and "/." not in base[len(self._root) - 1 :]
        return self._applies and below

    def _is_own(self, base: str, path: str) -> bool:
        end = len(self._root)
        try:
            while (end := path.find("/", end + 1)) > 0:
                if not stat.S_ISDIR(os.lstat(path[:end]).st_mode):
                    return False
            return stat.S_ISREG(os.lstat(path).st_mode)
        except FileNotFoundError:
            return not os.path.lexists(f"{base}/{self._encoded}")
        except OSError:  # a folder that may not be looked into
            return False
