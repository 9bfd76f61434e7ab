"""Objects as ministack keeps them: a file with the body, a file with the metadata beside it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import quote, unquote

METADATA_SUFFIX = ".meta.json"
SUFFIXES = (METADATA_SUFFIX, ".tmp")
"""How files end that lie beside a body."""
ENCODED_KEYS = ".ministack-keys"
"""The folder of a bucket with the objects whose key can be no path."""
_HASHED = "sha256-"
_LONGEST_NAME = 200
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TIME = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d{1,6})?Z")


def encoded(key: str) -> str:
    """Return the name of the file of a key that can be no path."""
    name = quote(key, safe="", errors="replace").replace(".", "%2E")
    return (
        name
        if len(name) <= _LONGEST_NAME
        else _HASHED + sha256(key.encode(errors="replace")).hexdigest()
    )


def key_of(body: str) -> str | None:
    """Return the key whose object a file among the encoded keys holds; None where nothing tells.

    Its metadata tell it; without them its name does, unless it is a hash.
    """
    try:
        key = read_metadata(body + METADATA_SUFFIX).get("key")
    except (OSError, ValueError):
        key = None
    name = os.path.basename(body)  # noqa: PTH119 - thousands of times a query
    if isinstance(key, str) and encoded(key) == name:
        return key
    return None if name.startswith(_HASHED) else unquote(name)


def read_metadata(path: str) -> dict[str, Any]:
    """Return the metadata of an object; ValueError, with the reason, where they make no sense."""
    with open(path, "rb") as file:  # noqa: PTH123 - thousands of times a query
        text = file.read()
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested without end") from error
    except ValueError as error:
        raise ValueError(f"it is no JSON: {error}" if text else "it is empty") from error
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    for name in content:
        if not is_sound(name, content[name]):
            raise ValueError(f"its {name} is {str(content[name])[:40]!r}")
    return content


def metadata_files(s3_data_dir: str) -> Iterator[str]:
    """Yield the paths of all metadata."""
    for folder, _, files in os.walk(s3_data_dir):
        for name in files:
            if name.endswith(METADATA_SUFFIX):
                yield os.path.join(folder, name)  # noqa: PTH118


def is_sound(name: str, value: object) -> bool:
    """Return whether a field of an object's metadata holds what ministack writes there."""
    check = _FIELDS.get(name)
    return check is None or check(value)


def _is_text(value: object) -> bool:
    """Return whether a value can be sent as a header."""
    return type(value) is str and not _UNSENDABLE.search(value)


def _is_text_or_none(value: object) -> bool:
    return value is None or _is_text(value)


def _is_texts(value: object) -> bool:
    return type(value) is dict and (not value or all(map(_is_text, value.values())))


def _is_strings(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _is_size(value: object) -> bool:
    return value is None or (type(value) is int and value >= 0)


def _is_time(value: object) -> bool:
    return type(value) is str and (value == "" or _TIME.fullmatch(value) is not None)


def _is_version(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("version_id"), str)
        and all(is_sound(name, field) for name, field in value.items() if name != "versions")
    )


def _is_versions(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_version, value))


_FIELDS: dict[str, Callable[[object], bool]] = {
    "content_type": _is_text,
    "content_encoding": _is_text_or_none,
    "etag": _is_text_or_none,
    "last_modified": _is_time,
    "size": _is_size,
    "metadata": _is_texts,
    "preserved_headers": _is_texts,
    "storage_class": _is_text,
    "checksums": _is_texts,
    "version_id": _is_text_or_none,
    "is_delete_marker": lambda value: type(value) is bool,
    "versions": _is_versions,
    "tags": lambda value: isinstance(value, dict) and all(map(_is_strings, value.values())),
    "acl": _is_strings,
    "annotations": lambda value: isinstance(value, dict),
    "key": lambda value: type(value) is str,
}
