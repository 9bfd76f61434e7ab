"""What is put right in the object store: after a kill, and where its files are damaged."""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from localaws.damage import Damage
from localaws.hearing import Hearing
from localaws.objectfiles import (
    ENCODED_KEYS,
    METADATA_SUFFIX,
    encoded,
    is_sound,
    key_of,
    metadata_files,
    read_metadata,
)

_LOST = (
    "Where a .meta.json was moved alone, its object is there with its body, without its type, user "
    "metadata, tags and old versions: put it again where they matter. Where a body was moved, its "
    "object is gone."
)


def drop_torn_metadata(s3_data_dir: Path) -> int:
    """Remove the metadata of every body that is newer than its metadata; return how many.

    ministack writes an object's body first and its metadata second, each atomically. A kill
    between the two leaves the size and the checksum of the object before; without them it
    computes both from the body when it starts.
    """
    dropped = 0
    for metadata in metadata_files(str(s3_data_dir)):
        if _is_torn(metadata):
            _forget(metadata)
            dropped += 1
    return dropped


def _is_torn(metadata: str) -> bool:
    # Plain strings and os.stat: Path objects make a walk over many objects several times slower.
    try:
        body = os.stat(metadata.removesuffix(METADATA_SUFFIX))  # noqa: PTH116
    except FileNotFoundError:
        return False
    return body.st_mtime_ns > os.stat(metadata).st_mtime_ns  # noqa: PTH116


def _forget(metadata: str) -> None:
    """Remove metadata; where they alone tell the key of their object, that stays."""
    body = Path(metadata.removesuffix(METADATA_SUFFIX))
    key = key_of(str(body)) if body.parent.name == ENCODED_KEYS else None
    if key is None:
        Path(metadata).unlink()
        return
    draft = Path(f"{body}.tmp")
    draft.write_text(json.dumps({"key": key}))
    draft.replace(metadata)


def load_objects(s3_data_dir: Path, damage: Damage) -> None:
    """Let ministack read what objects there are; set aside what it cannot read, and name it.

    ministack reads all metadata when its S3 is imported. It passes over what is no JSON, ends
    before the next bucket where JSON is of another kind, and takes fields of any type. Only where
    something went wrong all files are looked at here: a year of quotes has 125,500.
    """
    begun = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    with Hearing("s3", ("Failed to load persisted S3 data",)).listening() as failures:
        s3 = importlib.import_module("ministack.services.s3")
        spoilt = bool(failures) or not _all_sound(s3)
        damaged = dict(_damaged(s3_data_dir) if spoilt else _unread(s3, s3_data_dir, begun))
        if not damaged and not failures:
            return
        damage.set_aside_all(damaged, s3_data_dir, _LOST)
        failures.clear()
        importlib.reload(s3)
    for failure in failures:
        damage.sentences.insert(0, f"Not all objects of {s3_data_dir} could be read: {failure}.")


def _records(s3: ModuleType) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield account, bucket, key and what ministack knows of each object."""
    for (account, bucket), content in s3._buckets._data.items():
        for key, record in content["objects"].items():
            yield account, bucket, key, record


def _all_sound(s3: ModuleType) -> bool:
    """Return whether ministack has taken nothing of a wrong type; a microsecond an object."""
    shapes: set[tuple[type, ...]] = set()
    for _, _, key, record in _records(s3):
        shape = (type(key), *map(type, record.values()))
        if (
            shape in shapes
            and record["size"] >= 0
            and is_sound("last_modified", record["last_modified"])
        ):
            continue
        if not is_sound("key", key) or not _is_sound(record):
            return False
        shapes.add(shape)
    versions = s3._object_versions._data.values()
    return all(_is_sound(version) for each in versions for version in each)


def _is_sound(record: dict[str, Any]) -> bool:
    return all(is_sound(name, value) for name, value in record.items())


def _unread(s3: ModuleType, s3_data_dir: Path, begun: str) -> Iterator[tuple[Path, str]]:
    """Yield the files, with what is wrong, of objects whose metadata ministack passed over.

    It says of them that they changed just now.
    """
    for account, bucket, key, record in _records(s3):
        if record["last_modified"] >= begun:
            folder = s3_data_dir / account / bucket
            names = (f"{ENCODED_KEYS}/{encoded(key)}", f"{ENCODED_KEYS}/{key}", key)
            for body in {f"{folder}/{name}" for name in names if "\0" not in name}:
                yield from _problems(body)


def _damaged(s3_data_dir: Path) -> Iterator[tuple[Path, str]]:
    """Yield every file of an object that cannot be read, with what is wrong."""
    for folder, _, files in os.walk(s3_data_dir):
        for name in files:
            if not name.endswith(METADATA_SUFFIX):
                yield from _problems(f"{folder}/{name}")


def _problems(body: str) -> Iterator[tuple[Path, str]]:
    """Yield the files of an object that cannot be used, each with what is wrong."""
    metadata, is_file = body + METADATA_SUFFIX, os.path.isfile(body)  # noqa: PTH113
    if os.path.lexists(metadata):
        try:
            read_metadata(metadata)
        except OSError as error:
            yield Path(metadata), f"it cannot be read: {error.strerror}"
        except ValueError as error:
            yield Path(metadata), str(error)
    elif is_file and not os.access(body, os.R_OK):
        yield Path(body), "it cannot be read"
    in_encoded = os.path.basename(os.path.dirname(body)) == ENCODED_KEYS  # noqa: PTH119, PTH120
    if in_encoded and is_file and key_of(body) is None:
        yield Path(body), "nothing tells its key"
